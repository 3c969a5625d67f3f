/* retrieval.c - ranks and distances between modalities against counting pair by pair */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "eval/gap.h"
#include "eval/retrieval.h"
#include "eval/scores.h"

enum { N = 75, E = 21 }; /* neither a multiple of the sixteen queries that go together */

static void near(double got, double want, double tol)
{
    if (!(fabs(got - want) <= tol) && !(isnan(got) && isnan(want)))
        fail_msg("got %.17g, expected %.17g", got, want);
}

/* small whole numbers: products are exact, and many are equal */
static void draw_whole(struct um_rng *r, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)um_rng_below(r, 5) - 2;
}

static void draw(struct um_rng *r, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)um_rng_normal(r);
}

static double dot(const float *a, const float *b, int64_t e)
{
    double sum = 0;

    for (int64_t c = 0; c < e; c++)
        sum += (double)a[c] * (double)b[c];
    return sum;
}

/* the mean over all orders of ties of the first match's rank, by walking through the tied places:
 * the first match is at place k if the k - 1 before it are others */
static double first_slow(const double *s, const uint64_t *key, uint64_t who, int64_t n)
{
    double  best = -INFINITY, mean = 0, none_yet = 1;
    int64_t above = 0, m = 0, t = 0;

    for (int64_t j = 0; j < n; j++)
        if (key[j] == who)
            best = fmax(best, s[j]);
    for (int64_t j = 0; j < n; j++) {
        above += s[j] > best;
        m += s[j] == best && key[j] == who;
        t += s[j] == best && key[j] != who;
    }
    for (int64_t k = 1; k <= t + 1; k++) {
        const double left = (double)(m + t - k + 1);

        mean += (double)k * none_yet * (double)m / left;
        none_yet *= (double)(t - k + 1) / left;
    }
    return (double)above + mean;
}

static void test_first_match(void **state)
{
    const double   s[]   = { 3, 1, 2, 2, 2, 0 };
    const uint64_t key[] = { 9, 7, 5, 5, 9, 8 };

    (void)state;
    near(um_first_match(s, key, 9, 6), 1, 0);
    near(um_first_match(s, key, 7, 6), 5, 0);          /* four above */
    near(um_first_match(s, key, 5, 6), 2 + 1. / 3, 0); /* one above, one beside two matches */
    near(um_first_match(s, key, 8, 6), 6, 0);
    assert_true(isnan(um_first_match(s, key, 6, 6)));
    assert_true(isnan(um_first_match(NULL, NULL, 6, 0)));
}

/* ranks of q against g, pair by pair */
static void ranks_slow(const float *q, const float *g, const uint64_t *text, int64_t n, int64_t e,
                       double *strict, double *same)
{
    double   s[N];
    uint64_t self[N];

    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            s[j]    = dot(q + i * e, g + j * e, e);
            self[j] = (uint64_t)j;
        }
        strict[i] = first_slow(s, self, (uint64_t)i, n);
        same[i]   = first_slow(s, text, text[i], n);
    }
}

static void test_ranks(void **state)
{
    struct um_rng r = um_rng_at(11, UM_RNG_TEST, 0, 0);
    float         q[N * E], g[N * E];
    uint64_t      text[N];
    double        strict[N], same[N], want[N], want_same[N];

    (void)state;
    for (int round = 0; round < 30; round++) {
        const int64_t n = 1 + (int64_t)um_rng_below(&r, N), e = 1 + (int64_t)um_rng_below(&r, E);

        draw_whole(&r, q, n * e);
        draw_whole(&r, g, n * e);
        for (int64_t i = 0; i < n; i++)
            text[i] = um_rng_below(&r, 1 + (uint64_t)n / 3);
        assert_int_equal(um_retrieval_ranks(NULL, q, g, text, n, e, strict, same), UM_OK);
        ranks_slow(q, g, text, n, e, want, want_same);
        for (int64_t i = 0; i < n; i++) {
            near(strict[i], want[i], 1e-12);
            near(same[i], want_same[i], 1e-12);
        }
    }
}

static void test_known(void **state)
{
    /* images 0 and 1 find their reports; 2 finds that of 0 first, then its own */
    const float         v[] = { 1, 0, 0, 1, 0.8f, 0.6f }, r[] = { 1, 0, 0, 1, 0.6f, 0.8f };
    const uint64_t      one[] = { 4, 5, 4 }, all[] = { 1, 1, 1 };
    struct um_retrieval x;

    (void)state;
    assert_int_equal(um_retrieval_run(NULL, v, r, NULL, 3, 2, &x), UM_OK);
    near(x.i2t.r1, 1, 0); /* .96 with its own report, .8 with that of 0 */
    near(x.t2i.r1, 1, 0);
    assert_int_equal(
        um_retrieval_run(NULL, v, (const float[]){ 0, 1, 1, 0, 0.6f, 0.8f }, one, 3, 2, &x), UM_OK);
    near(x.i2t.r1, 1. / 3, 0); /* 0 and 1 have each other's report */
    near(x.i2t.r5, 1, 0);
    near(x.i2t.median, 3, 0);
    near(x.i2t_same.r1, 1. / 3, 0); /* 0 may take the report of 2, which is second */
    near(x.i2t_same.median, 2, 0);
    assert_int_equal(x.i2t.n, 3);
    assert_int_equal(um_retrieval_run(NULL, v, r, all, 3, 2, &x), UM_OK);
    near(x.t2i_same.r1, 1, 0);
}

/* a collapsed model knows nothing: mean ranks make that visible */
static void test_collapsed(void **state)
{
    float               v[40 * 3];
    uint64_t            text[40];
    struct um_retrieval x;

    (void)state;
    for (int i = 0; i < 40; i++) {
        v[3 * i] = 0.6f, v[3 * i + 1] = 0, v[3 * i + 2] = -0.8f;
        text[i] = (uint64_t)i / 4;
    }
    assert_int_equal(um_retrieval_run(NULL, v, v, text, 40, 3, &x), UM_OK);
    near(x.i2t.r10, 0, 0);
    near(x.t2i.median, 20.5, 0);
    near(x.i2t_same.median, 1 + 36. / 5, 1e-15);
    near(x.i2t_same.r10, 1, 0);
}

static void test_recall(void **state)
{
    struct um_recall x;

    (void)state;
    assert_int_equal(um_recall_of((const double[]){ 5, NAN, 1, 10.5, 2 }, 5, &x), UM_OK);
    assert_int_equal(x.n, 4);
    near(x.r1, 0.25, 0);
    near(x.r5, 0.75, 0);
    near(x.r10, 0.75, 0);
    near(x.median, 3.5, 0);
    for (int64_t n = 0; n < 2; n++) {
        assert_int_equal(um_recall_of((const double[]){ NAN }, n, &x), UM_OK);
        assert_int_equal(x.n, 0);
        assert_true(isnan(x.r1) && isnan(x.r5) && isnan(x.r10) && isnan(x.median));
    }
}

static void test_bad_vectors(void **state)
{
    struct um_rng       r = um_rng_at(12, UM_RNG_TEST, 0, 0);
    float               v[N * E], w[N * E];
    uint64_t            who[N] = { 1, 1, 2 };
    struct um_retrieval x      = { .i2t.r1 = 7 };
    struct um_gap_pairs p      = { .r1 = 7 };

    (void)state;
    draw(&r, v, N * E);
    draw(&r, w, N * E);
    w[20 * E + 3] = NAN;
    assert_int_equal(um_retrieval_run(NULL, v, w, NULL, N, E, &x), UM_ENONFINITE);
    assert_string_equal(um_errmsg(), "reports: row 20 of 75: component 3 is nan");
    assert_int_equal(um_retrieval_run(NULL, w, v, NULL, N, E, &x), UM_ENONFINITE);
    assert_string_equal(um_errmsg(), "images: row 20 of 75: component 3 is nan");
    assert_int_equal(um_gap_pairs(NULL, v, who, N, w, who, N, E, &p), UM_ENONFINITE);
    assert_string_equal(um_errmsg(), "y: row 20 of 75: component 3 is nan");
    assert_int_equal(um_retrieval_run(NULL, v, v, NULL, 3, 0, &x), UM_ESHAPE);
    memset(w + 20 * E, 0, E * sizeof *w);
    assert_int_equal(um_gap_pairs(NULL, w, who, N, v, who, N, E, &p), UM_ERANGE);
    assert_string_equal(um_errmsg(), "x: row 20 of 75: all zeros, which has no direction");
    assert_true(x.i2t.r1 == 7 && p.r1 == 7);
}

static void test_none(void **state)
{
    struct um_retrieval   x;
    struct um_gap_pairs   p;
    struct um_gap_centres c;
    const float           v[]   = { 1, 2, 3, 4 };
    const uint64_t        who[] = { 3, 0 }, other[] = { 0, 4 };

    (void)state;
    assert_int_equal(um_retrieval_run(NULL, NULL, NULL, NULL, 0, 4, &x), UM_OK);
    assert_true(x.i2t.n == 0 && isnan(x.t2i_same.median));
    assert_int_equal(um_gap_pairs(NULL, v, who, 2, NULL, NULL, 0, 2, &p), UM_OK);
    assert_true(isnan(p.same) && isnan(p.other) && isnan(p.r1) && p.nqueries == 0);
    assert_int_equal(um_gap_pairs(NULL, v, who, 2, v, other, 2, 2, &p), UM_OK);
    assert_true(isnan(p.same) && isnan(p.r1) && p.nsame == 0 && p.nother == 1 && p.other >= 0);
    assert_int_equal(um_gap_centres(v, NULL, 2, v, NULL, 1, 2, 1, &c), UM_OK);
    assert_true(isnan(c.ratio) && c.classes == 0);
    assert_int_equal(um_gap_centres(v, (const int32_t[]){ 0, 1 }, 2, v, NULL, 2, 2, 1, &c),
                     UM_ERANGE);
    assert_string_equal(um_errmsg(), "x: row 1 of 2: class 1, of 1 classes");
}

static double cosine(const float *a, const float *b, int64_t e)
{
    return dot(a, b, e) / sqrt(dot(a, a, e) * dot(b, b, e));
}

static void test_pairs(void **state)
{
    struct um_rng       r = um_rng_at(13, UM_RNG_TEST, 0, 0);
    float               x[N * E], y[N * E];
    uint64_t            xp[N], yp[N];
    struct um_gap_pairs g;

    (void)state;
    for (int round = 0; round < 30; round++) {
        const int64_t n = 1 + (int64_t)um_rng_below(&r, N), m = 1 + (int64_t)um_rng_below(&r, N);
        double        same = 0, other = 0, hits = 0;
        int64_t       nsame = 0, nother = 0, queries = 0;

        draw(&r, x, n * E);
        draw(&r, y, m * E);
        for (int64_t i = 0; i < N; i++)
            xp[i] = um_rng_below(&r, 9), yp[i] = um_rng_below(&r, 7);
        for (int64_t i = 0; i < n; i++) {
            double own = -2, foreign = -2;

            for (int64_t j = 0; j < m && xp[i]; j++) {
                const double c = cosine(x + i * E, y + j * E, E);

                if (yp[j] == xp[i])
                    own = fmax(own, c), same += 1 - c, nsame++;
                else if (yp[j])
                    foreign = fmax(foreign, c), other += 1 - c, nother++;
            }
            queries += own > -2;
            hits += own > -2 && own > foreign;
        }
        assert_int_equal(um_gap_pairs(NULL, x, xp, n, y, yp, m, E, &g), UM_OK);
        assert_true(g.nsame == nsame && g.nother == nother && g.nqueries == queries);
        near(g.same, same / (double)nsame, 1e-12);
        near(g.other, other / (double)nother, 1e-12);
        near(g.r1, hits / (double)queries, 1e-15);
    }
}

static void test_centres(void **state)
{
    /* class 0: x at (1,0) and (0,1), y at (-1,0) and (0,-1), of other lengths: centroids (.5,.5)
     * and (-.5,-.5), sqrt(2) apart; each vector is sqrt(.5) from its own. Class 1: on y's side one
     * vector, too few. The last has no class. */
    const float           x[]  = { 3, 0, 0, 0.5f, 1, 1, 1, 2, 5, 5 };
    const float           y[]  = { -2, 0, 0, -9, 1, 0 };
    const int32_t         xc[] = { 0, 0, 1, 1, -1 }, yc[] = { 0, 0, 1 };
    const float           p[] = { 1, 0, 2, 0 };
    struct um_gap_centres c;

    (void)state;
    assert_int_equal(um_gap_centres(x, xc, 5, y, yc, 3, 2, 2, &c), UM_OK);
    assert_true(c.classes == 1 && c.nx == 2 && c.ny == 2);
    near(c.between, sqrt(2), 1e-15);
    near(c.within, sqrt(0.5), 1e-15);
    near(c.ratio, 2, 1e-15);
    assert_int_equal(um_gap_centres(x, NULL, 5, x, NULL, 5, 2, 1, &c), UM_OK);
    near(c.ratio, 0, 0); /* the same cloud twice */
    assert_true(c.within > 0 && c.nx == 5);
    assert_int_equal(um_gap_centres(p, NULL, 2, p, NULL, 2, 2, 1, &c), UM_OK);
    near(c.within, 0, 0);
    assert_true(isnan(c.ratio)); /* all in one place */
}

static void test_threads(void **state)
{
    enum { MANY = 301 };
    struct um_rng       r = um_rng_at(14, UM_RNG_TEST, 0, 0);
    float              *v = malloc(2 * MANY * E * sizeof *v), *w = v + (ptrdiff_t)MANY * E;
    uint64_t            text[MANY];
    double              rank[2][4 * MANY];
    struct um_gap_pairs pair[2];

    (void)state;
    assert_non_null(v);
    draw(&r, v, (int64_t)2 * MANY * E);
    for (int i = 0; i < MANY; i++)
        text[i] = um_rng_below(&r, 60);
    for (int t = 0; t < 4; t++) {
        struct um_pool *pool = NULL;
        const int       k    = t > 0;

        memset(&pair[k], 0, sizeof pair[k]);
        if (t > 0)
            assert_int_equal(um_pool_new(&pool, t), UM_OK);
        assert_int_equal(um_retrieval_ranks(pool, v, w, text, MANY, E, rank[k], rank[k] + MANY),
                         UM_OK);
        assert_int_equal(
            um_retrieval_ranks(pool, w, v, text, MANY, E, rank[k] + 2 * MANY, rank[k] + 3 * MANY),
            UM_OK);
        assert_int_equal(um_gap_pairs(pool, v, text, MANY, w, text, MANY - 1, E, &pair[k]), UM_OK);
        assert_memory_equal(rank[0], rank[k], sizeof rank[0]);
        assert_memory_equal(&pair[0], &pair[k], sizeof pair[0]);
        um_pool_free(pool);
    }
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_match), cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_known),       cmocka_unit_test(test_collapsed),
        cmocka_unit_test(test_recall),      cmocka_unit_test(test_bad_vectors),
        cmocka_unit_test(test_none),        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_centres),     cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
