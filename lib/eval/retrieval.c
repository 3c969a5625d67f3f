/* retrieval.c - ranks in both directions, and what is reported of them */
/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/retrieval.h"

#include <math.h>
#include <stdlib.h>

#include "eval/scores.h"

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

int um_recall_of(const double *rank, int64_t n, struct um_recall *out)
{
    double *sorted = n > 0 ? calloc((size_t)n, sizeof *sorted) : NULL;
    int64_t k      = 0;
    double  r1 = 0, r5 = 0, r10 = 0;

    if (n > 0 && !sorted)
        return um_fail(UM_ENOMEM, "out of memory");
    for (int64_t i = 0; i < n; i++) {
        if (isnan(rank[i]))
            continue;
        sorted[k++] = rank[i];
        r1 += rank[i] <= 1;
        r5 += rank[i] <= 5;
        r10 += rank[i] <= 10;
    }
    *out = (struct um_recall){ 0, NAN, NAN, NAN, NAN };
    if (k > 0) {
        const double d = (double)k;

        qsort(sorted, (size_t)k, sizeof *sorted, ascending);
        *out = (struct um_recall){ k, r1 / d, r5 / d, r10 / d,
                                   (sorted[(k - 1) / 2] + sorted[k / 2]) / 2 };
    }
    free(sorted);
    return UM_OK;
}

struct ranks {
    const uint64_t *text;
    int64_t         n;
    double         *strict, *same;
};

static void rank_one(void *arg, int64_t i, double *score)
{
    const struct ranks *r     = arg;
    int64_t             above = 0, equal = 0;

    for (int64_t j = 0; j < r->n; j++) {
        above += score[j] > score[i];
        equal += score[j] == score[i];
    }
    r->strict[i] = 1 + (double)above + (double)(equal - 1) / 2; /* itself is one of the equal */
    if (r->text)
        r->same[i] = um_first_match(score, r->text, r->text[i], r->n);
}

/* both sides are finite */
static int rank_all(struct um_pool *pool, const float *query, const float *gallery, int64_t e,
                    struct ranks *r)
{
    struct um_scores s = { query, gallery, r->n, r->n, e, r, rank_one };

    return um_scores_run(pool, &s);
}

int um_retrieval_ranks(struct um_pool *pool, const float *query, const float *gallery,
                       const uint64_t *text, int64_t n, int64_t e, double *strict, double *same)
{
    struct ranks r = { text, n, strict, same };

    UM_TRY(um_scores_finite("queries", query, n, e));
    UM_TRY(um_scores_finite("gallery", gallery, n, e));
    return rank_all(pool, query, gallery, e, &r);
}

static int direction(struct um_pool *pool, const float *query, const float *gallery, int64_t e,
                     struct ranks *r, struct um_recall *strict, struct um_recall *same)
{
    UM_TRY(rank_all(pool, query, gallery, e, r));
    UM_TRY(um_recall_of(r->strict, r->n, strict));
    return um_recall_of(r->text ? r->same : r->strict, r->n, same);
}

int um_retrieval_run(struct um_pool *pool, const float *v, const float *r, const uint64_t *text,
                     int64_t n, int64_t e, struct um_retrieval *out)
{
    struct ranks        k = { .text = text, .n = n };
    struct um_retrieval found;
    int                 st;

    UM_TRY(um_scores_finite("images", v, n, e));
    UM_TRY(um_scores_finite("reports", r, n, e));
    if (!(k.strict = calloc((size_t)n + 1, 2 * sizeof *k.strict)))
        return um_fail(UM_ENOMEM, "out of memory");
    k.same = k.strict + n;
    st     = direction(pool, v, r, e, &k, &found.i2t, &found.i2t_same);
    if (st >= 0)
        st = direction(pool, r, v, e, &k, &found.t2i, &found.t2i_same);
    if (st >= 0)
        *out = found;
    free(k.strict);
    return st;
}
