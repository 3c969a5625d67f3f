/* train_plan.c - schedules at their edges (the method's digits: check 3 in step.c); when a collapse
 * is named
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/schedule.h"
#include "train/trainer.h"

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

/* ---- warnings of a collapse (7.3) ---- */

struct watched {
    struct um_model          m;
    struct um_pretrain_opts  o;
    struct um_pretrain_hooks hooks;
    struct trainer           t;
    int                      said;
    char                     text[256]; /* the last one */
};

static void hear(void *user, const char *text)
{
    struct watched *w = user;

    w->said++;
    (void)snprintf(w->text, sizeof w->text, "%s", text);
}

static void watch(struct watched *w, enum um_mix mix)
{
    *w                  = (struct watched){ .o = { .method = UM_METHOD_INIT, .mix = mix } };
    w->m.cfg.prototypes = 64;
    w->hooks            = (struct um_pretrain_hooks){ .user = w, .warn = hear };
    w->t                = (struct trainer){ .now = { .m = &w->m }, .o = &w->o, .hooks = &w->hooks };
}

/* n steps of these values; how many warnings they brought */
static int look(struct watched *w, int n, enum um_modality mod, double icl, double spread)
{
    const struct um_losses l      = { .icl = icl, .spread = { spread, 3 } };
    const int              before = w->said;

    for (int i = 0; i < n; i++, w->t.state.step++)
        trainer_watch(&w->t, mod, &l);
    return w->said - before;
}

static const double LOG_M = 4.1588830833596715; /* log 64 */

static void uniform_collapse_is_named(void **state)
{
    struct watched w;

    (void)state;
    watch(&w, UM_MIX_SEPARATE);
    assert_int_equal(look(&w, 999, UM_2D, LOG_M, 3), 0);
    assert_int_equal(look(&w, 1, UM_2D, LOG_M, 3), 1);
    assert_string_equal(w.text,
                        "step 999: L_icl of 2d stays at log M = 4.1589: the uniform collapse of "
                        "self-distillation (a lower --tau-t or a higher --lr may help)");
    assert_int_equal(look(&w, 999, UM_2D, LOG_M + 0.1, 3), 0);
    assert_int_equal(look(&w, 1, UM_2D, LOG_M - 0.0009, 3), 1); /* and again */
    assert_int_equal(look(&w, 999, UM_2D, LOG_M, 3), 0);
    assert_int_equal(look(&w, 1, UM_2D, LOG_M - 0.0011, 3), 0); /* one step away begins anew */
    assert_int_equal(look(&w, 999, UM_2D, LOG_M, 3), 0);
}

static void one_prototype_is_named(void **state)
{
    struct watched w;

    (void)state;
    watch(&w, UM_MIX_SEPARATE);
    assert_int_equal(look(&w, 49, UM_3D, 1, 0.0999), 0);
    assert_int_equal(look(&w, 1, UM_3D, 1, 0.04), 1);
    assert_string_equal(w.text,
                        "step 49: the entropy of the mean target of 3d is 0.040: one prototype "
                        "takes all, a collapse of self-distillation (--centres separate, a higher "
                        "--tau-t or --ema may help)");
    assert_int_equal(look(&w, 50, UM_3D, 1, 0), 1);
    assert_int_equal(look(&w, 49, UM_3D, 1, 0), 0);
    assert_int_equal(look(&w, 1, UM_3D, 1, 0.1), 0);
    assert_int_equal(look(&w, 49, UM_3D, 1, 0), 0);
}

/* steps of the other modality in between, which is well, do not hide it */
static void each_modality_is_watched(void **state)
{
    struct watched w;
    int            said = 0;

    (void)state;
    watch(&w, UM_MIX_SEPARATE);
    for (int i = 0; i < 100; i++) {
        said += look(&w, 1, UM_2D, 1, 0.01);
        said += look(&w, 1, UM_3D, 3, 2.5);
    }
    assert_int_equal(said, 2);
    assert_non_null(strstr(w.text, "target of 2d is"));
}

/* L_icl of a joint step is the sum of two */
static void joint_steps_are_watched(void **state)
{
    struct watched w;

    (void)state;
    watch(&w, UM_MIX_JOINT);
    assert_int_equal(look(&w, 3000, UM_2D, 1.5 * LOG_M, 3), 0);
    assert_int_equal(look(&w, 1000, UM_2D, 2 * LOG_M, 3), 1);
    assert_non_null(strstr(w.text, "L_icl of 2d,3d stays"));
}

static void nothing_is_said_of_the_healthy(void **state)
{
    struct watched w;

    (void)state;
    watch(&w, UM_MIX_SEPARATE);
    assert_int_equal(look(&w, 3000, UM_2D, LOG_M - 0.01, 0.2), 0);
    assert_int_equal(look(&w, 3000, UM_3D, NAN, NAN), 0); /* no L_icl */
    w.o.method.lambda_icl = w.o.method.lambda_pcl = 0;    /* no self-distillation */
    assert_int_equal(look(&w, 3000, UM_2D, LOG_M, 0), 0);
    w.o.method.lambda_icl = 1;
    w.hooks.warn          = NULL; /* nobody listens */
    assert_int_equal(look(&w, 3000, UM_2D, LOG_M, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule_edges),
        cmocka_unit_test(test_teacher),
        cmocka_unit_test(uniform_collapse_is_named),
        cmocka_unit_test(one_prototype_is_named),
        cmocka_unit_test(each_modality_is_watched),
        cmocka_unit_test(joint_steps_are_watched),
        cmocka_unit_test(nothing_is_said_of_the_healthy),
    };

    return cmocka_run_group_tests_name("train_plan", tests, NULL, NULL);
}
