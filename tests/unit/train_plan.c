/* train_plan.c - the learning rate and the order of batches against the method's digits */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load/sampler.h"
#include "train/schedule.h"

static void near(double got, double want, double rel)
{
    if (!(fabs(got - want) <= rel * fabs(want)))
        fail_msg("got %.17g, expected %.17g", got, want);
}

static void test_schedule(void **state)
{
    const struct um_schedule s = { 1e-8, 2e-5, 400, 1000 };

    (void)state;
    near(um_schedule_lr(&s, 0), 1e-8, 1e-12);
    near(um_schedule_lr(&s, 1), 5.9975e-8, 1e-12);
    near(um_schedule_lr(&s, 200), 1.0005e-5, 1e-12);
    near(um_schedule_lr(&s, 400), 2e-5, 1e-12);
    near(um_schedule_lr(&s, 550), 1.707253e-5, 1e-6);
    near(um_schedule_lr(&s, 999), 1.013701e-8, 1e-6);
}

static void test_schedule_edges(void **state)
{
    const struct um_schedule none = { 1e-8, 1, 0, 10 }, all = { 1e-8, 1, 10, 10 };

    (void)state;
    assert_int_equal(um_schedule_warmup(0.4, 1000), 400);
    assert_int_equal(um_schedule_warmup(0.4, 7), 3);
    assert_int_equal(um_schedule_warmup(2, 7), 7);
    assert_int_equal(um_schedule_warmup(0, 7), 0);
    near(um_schedule_lr(&none, 0), 1, 0);
    near(um_schedule_lr(&all, 9), 0.9, 1e-6);
}

/* method.md 7.1 and 7.3 */
static void test_teacher(void **state)
{
    static const double want[4] = { 0.996, 0.996585786, 0.998, 0.999414214 };

    (void)state;
    for (int i = 0; i < 4; i++)
        near(um_schedule_momentum(0.996, 250 * i, 1000), want[i], 1e-9);
    near(um_schedule_momentum(0.9995, 0, 7), 0.9995, 0);
    near(um_schedule_ramp(0.04, 0.07, 30, 0), 0.04, 0);
    near(um_schedule_ramp(0.04, 0.07, 30, 1), 0.04 + 0.03 / 29, 1e-12);
    near(um_schedule_ramp(0.04, 0.07, 30, 28), 0.07 - 0.03 / 29, 1e-12);
    near(um_schedule_ramp(0.04, 0.07, 30, 29), 0.07, 0);
    near(um_schedule_ramp(0.04, 0.07, 30, 49), 0.07, 0);
    near(um_schedule_ramp(0.04, 0.07, 1, 0), 0.07, 0);
    near(um_schedule_ramp(0.04, 0.04, 0, 3), 0.04, 0);
}

static void test_mix(void **state)
{
    static const char want[] = "2223223223";

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(um_mix_is_3d(7, 3, i), want[i] == '3');
    for (int64_t n2 = 0; n2 < 12; n2++)
        for (int64_t n3 = 0; n3 < 12; n3++) {
            int64_t seen = 0;

            for (int64_t i = 0; i < n2 + n3; i++)
                seen += um_mix_is_3d(n2, n3, i);
            assert_int_equal(seen, n3);
        }
}

/* how often each record of each modality comes in an epoch */
static void tally(struct um_sampler *s, int64_t epoch, int seen[2][64])
{
    const int64_t    n = um_sampler_steps(s);
    enum um_modality mod;
    const int64_t   *record;

    memset(seen, 0, 2 * sizeof *seen);
    for (int64_t i = 0; i < n; i++) {
        um_sampler_batch(s, epoch * n + i, &mod, &record);
        for (int64_t k = 0; k < s->size[mod]; k++)
            seen[mod][record[k]]++;
    }
}

static void test_epochs(void **state)
{
    struct um_sampler s;
    int               a[2][64], b[2][64], once = 0;

    (void)state;
    assert_int_equal(um_sampler_open(&s, (int64_t[]){ 30, 13 }, (int64_t[]){ 4, 5 }, true, 7),
                     UM_OK);
    assert_int_equal(um_sampler_steps(&s), 7 + 2);
    tally(&s, 0, a);
    tally(&s, 1, b);
    for (int i = 0; i < 30; i++) {
        assert_true(a[UM_2D][i] <= 1);
        once += a[UM_2D][i];
    }
    assert_int_equal(once, 28); /* two do not fill a batch */
    assert_true(memcmp(a, b, sizeof a) != 0);
    tally(&s, 0, b);
    assert_memory_equal(a, b, sizeof a); /* no state: going back gives the same epoch */
    um_sampler_close(&s);
}

static void test_order(void **state)
{
    struct um_sampler s, t;
    enum um_modality  mod, mod2;
    const int64_t    *x, *y;

    (void)state;
    assert_int_equal(um_sampler_open(&s, (int64_t[]){ 9, 9 }, (int64_t[]){ 3, 3 }, true, 7), UM_OK);
    assert_int_equal(um_sampler_open(&t, (int64_t[]){ 9, 9 }, (int64_t[]){ 3, 3 }, false, 7),
                     UM_OK);
    for (int64_t i = 0; i < 6; i++) {
        um_sampler_batch(&s, i, &mod, &x);
        um_sampler_batch(&t, i, &mod2, &y);
        assert_int_equal(mod, mod2);
        assert_int_equal(mod, i % 2 ? UM_3D : UM_2D);
        assert_int_equal(y[0], i / 2 * 3); /* held-out records come in order */
    }
    um_sampler_close(&s);
    um_sampler_close(&t);
    assert_int_equal(um_sampler_open(&s, (int64_t[]){ 9, 9 }, (int64_t[]){ 0, 3 }, true, 7),
                     UM_ERANGE);
    um_sampler_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule), cmocka_unit_test(test_schedule_edges),
        cmocka_unit_test(test_teacher),  cmocka_unit_test(test_mix),
        cmocka_unit_test(test_epochs),   cmocka_unit_test(test_order),
    };

    return cmocka_run_group_tests_name("train_plan", tests, NULL, NULL);
}
