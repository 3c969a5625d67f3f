/* train_plan.c - the learning rate against the method's digits */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_schedule_edges),
        cmocka_unit_test(test_teacher),
    };

    return cmocka_run_group_tests_name("train_plan", tests, NULL, NULL);
}
