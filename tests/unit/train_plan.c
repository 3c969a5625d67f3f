/* train_plan.c - schedules at their edges; the method's digits: check 3 in step.c */
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
    (void)state;
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
        cmocka_unit_test(test_schedule_edges),
        cmocka_unit_test(test_teacher),
    };

    return cmocka_run_group_tests_name("train_plan", tests, NULL, NULL);
}
