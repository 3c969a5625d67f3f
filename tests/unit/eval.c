/* eval.c - AUC, accuracy, bootstrap and the legacy permutations against known answers */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mt19937.h"
#include "base/philox.h"
#include "eval/auc.h"
#include "eval/bootstrap.h"

enum { MANY = 400 };

static double auc_of(const float *score, const int8_t *label, const int32_t *weight, int64_t n)
{
    int64_t order[MANY];

    assert_int_equal(um_auc_order(score, n, order), UM_OK);
    return um_auc(score, label, weight, order, n);
}

static void near(double got, double want, double tol)
{
    if (!(fabs(got - want) <= tol))
        fail_msg("got %.17g, expected %.17g", got, want);
}

static void test_auc_known(void **state)
{
    const float  s[] = { 0.1f, 0.4f, 0.35f, 0.8f };
    const int8_t y[] = { 0, 0, 1, 1 };

    (void)state;
    near(auc_of(s, y, NULL, 4), 0.75, 0);
    near(auc_of((const float[]){ 1, 1, 1, 1 }, y, NULL, 4), 0.5, 0);
    near(auc_of((const float[]){ 1, 2, 3, 4 }, y, NULL, 4), 1, 0);
    near(auc_of((const float[]){ 4, 3, 2, 1 }, y, NULL, 4), 0, 0);
    /* pairs (pos, neg): (2,1) won, (2,2) half, (2,2) half again: 2 of 3 */
    near(auc_of((const float[]){ 1, 2, 2, 2 }, (const int8_t[]){ 0, 0, 1, 0 }, NULL, 4), 2. / 3, 0);
    near(auc_of((const float[]){ -0.f, 0.f }, (const int8_t[]){ 0, 1 }, NULL, 2), 0.5, 0);
    near(auc_of((const float[]){ 9, 1, 2 }, (const int8_t[]){ -1, 0, 1 }, NULL, 3), 1, 0);
}

static void test_auc_undefined(void **state)
{
    const float s[] = { 1, 2, 3 };
    int64_t     order[3];

    (void)state;
    assert_true(isnan(auc_of(s, (const int8_t[]){ 1, 1, 1 }, NULL, 3)));
    assert_true(isnan(auc_of(s, (const int8_t[]){ 0, 0, -1 }, NULL, 3)));
    assert_true(isnan(auc_of(s, (const int8_t[]){ 0, 0, 1 }, (const int32_t[]){ 1, 1, 0 }, 3)));
    assert_true(isnan(um_auc(NULL, NULL, NULL, NULL, 0)));
    assert_int_equal(um_auc_order((const float[]){ 1, NAN, 3 }, 3, order), UM_ENONFINITE);
}

/* every pair, one by one */
static double auc_slow(const float *s, const int8_t *y, const int32_t *w, int64_t n)
{
    double won = 0, pairs = 0;

    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            if (y[i] == 1 && y[j] == 0) {
                const double ww = (double)w[i] * w[j];

                pairs += ww;
                won += s[i] > s[j] ? ww : s[i] == s[j] ? ww / 2 : 0;
            }
    return won / pairs;
}

static void test_auc_random(void **state)
{
    struct um_rng r = um_rng_at(1, UM_RNG_TEST, 0, 0);
    float         s[MANY];
    int8_t        y[MANY];
    int32_t       w[MANY];

    (void)state;
    for (int c = 0; c < 50; c++) {
        const int64_t n = 20 + (int64_t)um_rng_below(&r, MANY - 20);

        for (int64_t i = 0; i < n; i++) {
            s[i] = (float)um_rng_below(&r, 30) / 7; /* many ties */
            y[i] = (int8_t)((int)um_rng_below(&r, 3) - 1);
            w[i] = (int32_t)um_rng_below(&r, 4);
        }
        near(auc_of(s, y, w, n), auc_slow(s, y, w, n), 1e-14);
    }
}

static void test_accuracy(void **state)
{
    const int32_t guess[] = { 0, 1, 2, 2, 0 }, label[] = { 0, 1, 1, -1, 2 };

    (void)state;
    near(um_accuracy(guess, label, NULL, 5), 0.5, 0);
    near(um_accuracy(guess, label, (const int32_t[]){ 3, 0, 1, 9, 0 }, 5), 0.75, 0);
    assert_true(isnan(um_accuracy(guess, (const int32_t[]){ -1, -1, -1, -1, -1 }, NULL, 5)));
}

struct mean {
    const double *x;
    int64_t       n;
};

static int mean_of(void *user, const int32_t *weight, double *out)
{
    const struct mean *m   = user;
    double             sum = 0, all = 0;

    for (int64_t i = 0; i < m->n; i++) {
        sum += weight[i] * m->x[i];
        all += weight[i];
    }
    out[0] = sum / all;
    out[1] = weight[0] ? all : NAN; /* patients are whole: always 2 x groups */
    return UM_OK;
}

static void test_bootstrap(void **state)
{
    double              x[2 * MANY], lo[2], hi[2], lo2[2], hi2[2];
    int32_t             group[2 * MANY];
    int64_t             defined[2];
    struct um_rng       r = um_rng_at(2, UM_RNG_TEST, 0, 0);
    struct mean         m = { x, 2 * MANY };
    struct um_bootstrap b = { .n       = 2 * MANY,
                              .group   = group,
                              .groups  = MANY,
                              .reps    = 1000,
                              .seed    = 42,
                              .k       = 2,
                              .user    = &m,
                              .figures = mean_of };

    (void)state;
    for (int i = 0; i < 2 * MANY; i++) {
        group[i] = i % MANY;
        x[i]     = i < MANY ? um_rng_normal(&r) : x[i - MANY]; /* two equal records a patient */
    }
    assert_int_equal(um_bootstrap_run(&b, lo, hi, defined), UM_OK);
    assert_int_equal(um_bootstrap_run(&b, lo2, hi2, NULL), UM_OK);
    assert_memory_equal(lo, lo2, sizeof lo);
    assert_memory_equal(hi, hi2, sizeof hi);
    /* 400 patients, not 800 records: half width 1.96/sqrt(400) = 0.098, not 0.069 */
    near((hi[0] - lo[0]) / 2, 0.098, 0.012);
    assert_int_equal(defined[0], 1000);
    near((double)defined[1], 632, 60); /* 1 - 1/e of the resamples hold a given patient */
    near(lo[1], 2 * MANY, 0);
    near(hi[1], 2 * MANY, 0);
    b.seed = 43;
    assert_int_equal(um_bootstrap_run(&b, lo2, hi2, NULL), UM_OK);
    assert_true(lo[0] != lo2[0]);
    group[5] = MANY;
    assert_int_equal(um_bootstrap_run(&b, lo, hi, NULL), UM_ERANGE);
}

static void test_percentile(void **state)
{
    const double x[] = { 1, 2, 4, 8 };

    (void)state;
    near(um_percentile(x, 4, 0), 1, 0);
    near(um_percentile(x, 4, 1), 8, 0);
    near(um_percentile(x, 4, 0.5), 3, 1e-15);
    near(um_percentile(x, 4, 0.25), 1.75, 1e-15);
    near(um_percentile(x, 1, 0.3), 1, 0);
}

static void test_mt(void **state)
{
    const int64_t zero[]      = { 2, 8, 4, 9, 1, 6, 7, 3, 0, 5 };
    const int64_t forty_two[] = { 8, 1, 5, 0, 7, 2, 9, 4, 3, 6 };
    int64_t       a[30], train[30], test[30], n_test;
    struct um_mt  mt;

    (void)state;
    um_mt_seed(&mt, 5489);
    assert_int_equal(um_mt_u32(&mt), 3499211612u);
    for (int i = 2; i < 10000; i++)
        (void)um_mt_u32(&mt);
    assert_int_equal(um_mt_u32(&mt), 4123659995u); /* the 10,000th, as C++ fixes it for mt19937 */
    assert_int_equal(um_mt_uniform(&mt, 0), 0);
    um_mt_permutation(0, a, 10);
    assert_memory_equal(a, zero, sizeof zero);
    um_mt_permutation(42, a, 10);
    assert_memory_equal(a, forty_two, sizeof forty_two);
    assert_int_equal(um_mt_split(0, 10, 0.25, train, test, &n_test), UM_OK);
    assert_int_equal(n_test, 3);
    assert_memory_equal(test, zero, 3 * sizeof *zero);
    assert_memory_equal(train, zero + 3, 7 * sizeof *zero);
    assert_int_equal(um_mt_split(0, 2, 0.9, train, test, &n_test), UM_ERANGE);
}

static void test_sample_count(void **state)
{
    (void)state;
    assert_int_equal(um_mt_sample_count(0.5, 5), 2); /* half to even */
    assert_int_equal(um_mt_sample_count(0.5, 7), 4);
    assert_int_equal(um_mt_sample_count(0.01, 191027), 1910);
    assert_int_equal(um_mt_sample_count(1, 9), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auc_known),  cmocka_unit_test(test_auc_undefined),
        cmocka_unit_test(test_auc_random), cmocka_unit_test(test_accuracy),
        cmocka_unit_test(test_bootstrap),  cmocka_unit_test(test_percentile),
        cmocka_unit_test(test_mt),         cmocka_unit_test(test_sample_count),
    };

    return cmocka_run_group_tests_name("eval", tests, NULL, NULL);
}
