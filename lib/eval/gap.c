/* gap.c - distances between the vectors of two modalities */
/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/gap.h"

#include <math.h>
#include <stdlib.h>

#include "eval/scores.h"

/* norm[i] of each row of x [n,e], which is finite; none may be 0 */
static int norms(const char *what, const float *x, int64_t n, int64_t e, double *norm)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;

        for (int64_t c = 0; c < e; c++)
            sum += (double)x[i * e + c] * (double)x[i * e + c];
        if (!(sum > 0))
            return um_fail(UM_ERANGE, "%s: row %lld of %lld: all zeros, which has no direction",
                           what, (long long)i, (long long)n);
        norm[i] = sqrt(sum);
    }
    return UM_OK;
}

/* ---- pairs ---- */

struct of_one { /* what one X-ray adds */
    double  same, other, rank;
    int64_t nsame, nother;
};

struct pairs {
    const uint64_t *xpatient, *ypatient;
    double         *xnorm, *ynorm;
    uint64_t       *known; /* [nknown] ypatient without the unknown */
    int64_t         m, nknown;
    struct of_one  *one; /* [n] */
};

static void pair_one(void *arg, int64_t i, double *score)
{
    const struct pairs *p   = arg;
    const uint64_t      who = p->xpatient[i];
    struct of_one       one = { .rank = NAN };
    int64_t             k   = 0;

    if (who == 0) {
        p->one[i] = one;
        return;
    }
    for (int64_t j = 0; j < p->m; j++) {
        const double cosine = score[j] / (p->xnorm[i] * p->ynorm[j]);

        if (p->ypatient[j] == 0)
            continue;
        score[k++] = cosine;
        if (p->ypatient[j] == who)
            one.same += 1 - cosine, one.nsame++;
        else
            one.other += 1 - cosine, one.nother++;
    }
    one.rank  = um_first_match(score, p->known, who, k);
    p->one[i] = one;
}

static void sum_up(const struct of_one *one, int64_t n, struct um_gap_pairs *out)
{
    double  same = 0, other = 0;
    int64_t hits = 0;

    *out = (struct um_gap_pairs){ 0 };
    for (int64_t i = 0; i < n; i++) {
        same += one[i].same;
        other += one[i].other;
        hits += one[i].rank <= 1;
        out->nsame += one[i].nsame;
        out->nother += one[i].nother;
        out->nqueries += !isnan(one[i].rank);
    }
    out->same  = out->nsame > 0 ? same / (double)out->nsame : NAN;
    out->other = out->nother > 0 ? other / (double)out->nother : NAN;
    out->r1    = out->nqueries > 0 ? (double)hits / (double)out->nqueries : NAN;
}

/* room for n of x's figures and m of y's: never of size 0 */
static int pairs_room(struct pairs *p, int64_t n, int64_t m)
{
    p->xnorm = calloc((size_t)n + 1, sizeof *p->xnorm);
    p->ynorm = calloc((size_t)m + 1, sizeof *p->ynorm);
    p->known = calloc((size_t)m + 1, sizeof *p->known);
    p->one   = calloc((size_t)n + 1, sizeof *p->one);
    return p->xnorm && p->ynorm && p->known && p->one ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

static int pairs_run(struct um_pool *pool, struct pairs *p, const float *x, int64_t n,
                     const float *y, int64_t m, int64_t e, struct um_gap_pairs *out)
{
    struct um_scores s = { x, y, n, m, e, p, pair_one };

    UM_TRY(pairs_room(p, n, m));
    UM_TRY(norms("x", x, n, e, p->xnorm));
    UM_TRY(norms("y", y, m, e, p->ynorm));
    for (int64_t j = 0; j < m; j++)
        if (p->ypatient[j] != 0)
            p->known[p->nknown++] = p->ypatient[j];
    UM_TRY(um_scores_run(pool, &s));
    sum_up(p->one, n, out);
    return UM_OK;
}

int um_gap_pairs(struct um_pool *pool, const float *x, const uint64_t *xpatient, int64_t n,
                 const float *y, const uint64_t *ypatient, int64_t m, int64_t e,
                 struct um_gap_pairs *out)
{
    struct pairs p = { .xpatient = xpatient, .ypatient = ypatient, .m = m };
    int          st;

    UM_TRY(um_scores_finite("x", x, n, e));
    UM_TRY(um_scores_finite("y", y, m, e));
    st = pairs_run(pool, &p, x, n, y, m, e, out);
    free(p.xnorm);
    free(p.ynorm);
    free(p.known);
    free(p.one);
    return st;
}

/* ---- centroids ---- */

struct centres {
    const float   *x;
    const int32_t *group; /* NULL: all 0 */
    int64_t        n, e, classes;
    double        *norm;   /* [n] */
    double        *centre; /* [classes,e] */
    double        *away;   /* [classes] mean distance to the centroid */
    int64_t       *count;  /* [classes] */
};

static int32_t class_of(const struct centres *s, int64_t i)
{
    return s->group ? s->group[i] : 0;
}

static void average(struct centres *s)
{
    for (int64_t i = 0; i < s->n; i++) {
        const int32_t g = class_of(s, i);

        if (g < 0)
            continue;
        s->count[g]++;
        for (int64_t c = 0; c < s->e; c++)
            s->centre[g * s->e + c] += (double)s->x[i * s->e + c] / s->norm[i];
    }
    for (int64_t g = 0; g < s->classes; g++)
        for (int64_t c = 0; s->count[g] > 0 && c < s->e; c++)
            s->centre[g * s->e + c] /= (double)s->count[g];
}

static void spread(struct centres *s)
{
    for (int64_t i = 0; i < s->n; i++) {
        const int32_t g   = class_of(s, i);
        double        sum = 0;

        if (g < 0)
            continue;
        for (int64_t c = 0; c < s->e; c++) {
            const double d = (double)s->x[i * s->e + c] / s->norm[i] - s->centre[g * s->e + c];

            sum += d * d;
        }
        s->away[g] += sqrt(sum);
    }
    for (int64_t g = 0; g < s->classes; g++)
        s->away[g] = s->count[g] > 0 ? s->away[g] / (double)s->count[g] : NAN;
}

static int centres_of(struct centres *s, const char *what)
{
    for (int64_t i = 0; i < s->n; i++)
        if (class_of(s, i) >= s->classes)
            return um_fail(UM_ERANGE, "%s: row %lld of %lld: class %d, of %lld classes", what,
                           (long long)i, (long long)s->n, class_of(s, i), (long long)s->classes);
    s->norm   = calloc((size_t)s->n + 1, sizeof *s->norm);
    s->centre = calloc((size_t)s->classes, (size_t)s->e * sizeof *s->centre);
    s->away   = calloc((size_t)s->classes, sizeof *s->away);
    s->count  = calloc((size_t)s->classes, sizeof *s->count);
    if (!s->norm || !s->centre || !s->away || !s->count)
        return um_fail(UM_ENOMEM, "out of memory");
    UM_TRY(norms(what, s->x, s->n, s->e, s->norm));
    average(s);
    spread(s);
    return UM_OK;
}

static void centres_free(struct centres *s)
{
    free(s->norm);
    free(s->centre);
    free(s->away);
    free(s->count);
}

static void compare(const struct centres *a, const struct centres *b, struct um_gap_centres *out)
{
    double between = 0, within = 0;

    *out = (struct um_gap_centres){ NAN, NAN, NAN, 0, 0, 0 };
    for (int64_t g = 0; g < a->classes; g++) {
        double sum = 0;

        if (a->count[g] < 2 || b->count[g] < 2)
            continue;
        for (int64_t c = g * a->e; c < (g + 1) * a->e; c++)
            sum += (a->centre[c] - b->centre[c]) * (a->centre[c] - b->centre[c]);
        between += sqrt(sum);
        within += (a->away[g] + b->away[g]) / 2;
        out->nx += a->count[g];
        out->ny += b->count[g];
        out->classes++;
    }
    if (out->classes == 0)
        return;
    out->between = between / (double)out->classes;
    out->within  = within / (double)out->classes;
    out->ratio   = out->within > 0 ? out->between / out->within : NAN;
}

int um_gap_centres(const float *x, const int32_t *xclass, int64_t n, const float *y,
                   const int32_t *yclass, int64_t m, int64_t e, int64_t classes,
                   struct um_gap_centres *out)
{
    struct centres a = { .x = x, .group = xclass, .n = n, .e = e, .classes = classes };
    struct centres b = { .x = y, .group = yclass, .n = m, .e = e, .classes = classes };
    int            st;

    if (classes < 1)
        return um_fail(UM_ERANGE, "%lld classes, expected 1 or more", (long long)classes);
    UM_TRY(um_scores_finite("x", x, n, e));
    UM_TRY(um_scores_finite("y", y, m, e));
    if ((st = centres_of(&a, "x")) >= 0 && (st = centres_of(&b, "y")) >= 0)
        compare(&a, &b, out);
    centres_free(&a);
    centres_free(&b);
    return st;
}
