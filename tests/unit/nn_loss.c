/* nn_loss.c - losses of maps, soft targets, batched products, dropped samples, tokens put back:
 * gradients against differences, and known cases with their numbers
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/rig.h"

#include "base/philox.h"

/* ---- gradients ---- */

/* both directions of a contrastive loss whose first two texts are the same: method.md 5.2 */
static struct um_var *b_soft(struct rig *r, struct um_var *const *p)
{
    static const float q[16] = { 0.5f, 0.5f, 0, 0, 0.5f, 0.5f, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0.3f };
    struct um_var     *s     = um_matmul_nt(r->nn, p[0], p[1]), *term[2];

    term[0] = um_cross_entropy_soft(r->nn, s, q, false);
    term[1] = um_cross_entropy_soft(r->nn, s, q, true);
    return um_weighted_sum(r->nn, term, (float[]){ 0.5f, 0.75f }, 2);
}

/* method.md 9.3: 10 focal - log dice of soft masks, one place without a label; and with alpha */
static struct um_var *b_focal(struct rig *r, struct um_var *const *p)
{
    static const float y[12] = { 0, 1, 0.25f, 1, 0, 0, NAN, 1, 0.5f, 0, 1, 1 };
    struct um_var     *term[3];

    term[0] = um_focal(r->nn, p[0], y, 2, -1);
    term[1] =
        um_dice(r->nn, p[0],
                &(struct um_dice){ .y = y, .batch = true, .log = true, .top = 1, .bottom = 1 });
    term[2] = um_focal(r->nn, p[0], y, 1.5f, 0.25f);
    return um_weighted_sum(r->nn, term, (float[]){ 10, 1, 2 }, 3);
}

/* method.md 9.4: Dice and cross entropy of a map of three classes, and Dice over the whole batch
 * without the background, with classes first and last */
static struct um_var *dice_and_xent(struct rig *r, struct um_var *x, bool last)
{
    static const int32_t t[12] = { 0, 2, 1, 1, -1, 0, 2, 2, 0, 1, 0, 0 };
    struct um_var       *term[3];

    term[0] =
        um_dice(r->nn, x,
                &(struct um_dice){
                    .target = t, .last = last, .softmax = true, .square = true, .bottom = 1e-6f });
    term[1] = um_dice(r->nn, x,
                      &(struct um_dice){ .target  = t,
                                         .last    = last,
                                         .softmax = true,
                                         .batch   = true,
                                         .first   = 1,
                                         .top     = 1e-5f,
                                         .bottom  = 1e-5f });
    term[2] = um_cross_entropy_map(r->nn, x, t, last);
    return um_weighted_sum(r->nn, term, (float[]){ 2, 1.5f, 1 }, 3);
}

static struct um_var *b_dice(struct rig *r, struct um_var *const *p)
{
    return dice_and_xent(r, p[0], false);
}

static struct um_var *b_dice_last(struct rig *r, struct um_var *const *p)
{
    return dice_and_xent(r, p[0], true);
}

/* (a b) (a^T c): each operand as it is and transposed, a three times */
static struct um_var *b_bmm(struct rig *r, struct um_var *const *p)
{
    struct um_nn  *nn = r->nn;
    struct um_var *ab = um_bmm(nn, p[0], p[1], false, false); /* [2,3,2] */
    struct um_var *ac = um_bmm(nn, p[0], p[2], true, true);   /* [2,4,2] */
    struct um_var *y  = um_bmm(nn, ab, ac, false, true);      /* [2,3,4] */

    y = um_bmm(nn, um_add(nn, y, p[0]), p[0], true, false); /* [2,4,4] */
    return scalar(r, um_reshape(nn, y, 2, (int64_t[]){ 8, 4 }));
}

/* a residual branch of five samples */
static struct um_var *b_drop_path(struct rig *r, struct um_var *const *p)
{
    return scalar(r, um_add(r->nn, p[0], um_drop_path(r->nn, um_gelu(r->nn, p[0]), 0.5f)));
}

/* two tokens meet at a place, others have none; with a vector there and with zeros */
static struct um_var *b_put(struct rig *r, struct um_var *const *p)
{
    const int32_t  idx[6] = { 3, 0, 3, 1, 2, 0 };
    struct um_var *y      = um_put_tokens(r->nn, p[0], idx, 4, p[1]);

    return scalar(r, um_add(r->nn, y, um_put_tokens(r->nn, um_gelu(r->nn, p[0]), idx, 4, NULL)));
}

static const struct test tests[] = {
    { "xent_soft, both directions", { { 4, 3 }, { 4, 3 } }, b_soft, false },
    { "focal, dice of masks", { { 2, 1, 6 } }, b_focal, false },
    { "dice, xent of a map", { { 2, 3, 2, 3 } }, b_dice, false },
    { "dice, xent of a map, classes last", { { 2, 3, 2, 3 } }, b_dice_last, false },
    { "bmm", { { 2, 3, 4 }, { 2, 4, 2 }, { 2, 2, 3 } }, b_bmm, false },
    { "drop_path", { { 5, 2, 3 } }, b_drop_path, false },
    { "put tokens", { { 2, 3, 3 }, { 3 } }, b_put, false },
};

static void gradients_match_differences(void **state)
{
    (void)state;
    check_gradients(tests, sizeof tests / sizeof tests[0]);
}

/* ---- known cases ---- */

static float value(struct rig *r, struct um_var *y)
{
    float x = NAN;

    OK(um_nn_read(r->nn, y, &x));
    return x;
}

static void near(double got, double want, double tol)
{
    if (!(fabs(got - want) <= tol))
        fail_msg("got %.9g, expected %.9g within %g", got, want, tol);
}

static struct um_var *input(struct rig *r, int ndim, const int64_t *dim, const float *x)
{
    return um_nn_input(r->nn, UM_F32, ndim, dim, x);
}

/* method.md 12.10; gamma 0 is BCE; alpha weighs; nothing labelled is nothing */
static void focal_of_known_cases(void **state)
{
    const float    half = 0.5f, x[3] = { 0.5f, -2, 7 }, y[3] = { 1, 0.25f, NAN };
    const float    none[3] = { NAN, NAN, NAN };
    struct rig     r;
    struct um_var *v;

    (void)state;
    rig_open(&r, NULL);
    OK(um_nn_begin(r.nn, false, false, 0, 0));
    v = input(&r, 1, (int64_t[]){ 1 }, &half);
    near((double)value(&r, um_focal(r.nn, v, (float[]){ 1 }, 2, -1)), 0.067573, 5e-7);
    near((double)value(&r, um_focal(r.nn, v, (float[]){ 1 }, 2, 0.25f)), 0.067573 / 4, 2e-7);
    v = input(&r, 1, (int64_t[]){ 3 }, x);
    near((double)value(&r, um_focal(r.nn, v, y, 0, -1)), (double)value(&r, um_bce(r.nn, v, y)),
         1e-7);
    near((double)value(&r, um_focal(r.nn, v, none, 2, -1)), 0, 0);
    assert_null(um_focal(r.nn, v, y, -1, -1));
    expect_error(&r, NULL, UM_ERANGE, "gamma -1");
    rig_close(&r);
}

/* a perfect prediction scores 1, a wrong one 0; an absent class with nothing predicted 1 by its
 * smoothing; what has no label does not count */
static void dice_of_known_cases(void **state)
{
    const float    far[8]   = { 40, 40, -40, -40, -40, -40, 40, 40 }; /* [1,2,4] */
    const int32_t  right[4] = { 0, 0, 1, 1 }, wrong[4] = { 1, 1, 0, 0 }, part[4] = { 0, 0, -1, -1 };
    const float    flat[4] = { 0 }, y[4] = { 1, 0, 0, 0 };
    struct um_dice how = { .softmax = true, .square = true, .bottom = 1e-6f };
    struct rig     r;
    struct um_var *v;

    (void)state;
    rig_open(&r, NULL);
    OK(um_nn_begin(r.nn, false, false, 0, 0));
    v          = input(&r, 3, (int64_t[]){ 1, 2, 4 }, far);
    how.target = right;
    near((double)value(&r, um_dice(r.nn, v, &how)), 0, 1e-6);
    how.target = wrong;
    near((double)value(&r, um_dice(r.nn, v, &how)), 1, 1e-6);
    how.target = part; /* class 1 is absent and not predicted: 0 of 1e-6 */
    near((double)value(&r, um_dice(r.nn, v, &how)), 0.5, 1e-6);
    how.top = 1e-6f;
    near((double)value(&r, um_dice(r.nn, v, &how)), 0, 1e-6);
    /* p = 1/2 everywhere, one of four in the mask: dice = (1 + 1) / (2 + 1 + 1) */
    how = (struct um_dice){ .y = y, .batch = true, .log = true, .top = 1, .bottom = 1 };
    v   = input(&r, 3, (int64_t[]){ 2, 1, 2 }, flat);
    near((double)value(&r, um_dice(r.nn, v, &how)), log(2), 1e-6);
    how.target = right;
    expect_error(&r, um_dice(r.nn, v, &how), UM_ERANGE, "as floats or as classes");
    v   = input(&r, 3, (int64_t[]){ 2, 1, 2 }, flat);
    how = (struct um_dice){ .target = right };
    expect_error(&r, um_dice(r.nn, v, &how), UM_ERANGE, "class 1 at place 0 of sample 1");
    rig_close(&r);
}

/* one-hot distributions are hard targets, in both directions; a row of zeros is target -1; a logit
 * of minus infinity is a class that cannot be */
static void soft_targets_of_known_cases(void **state)
{
    const float    x[6] = { 0.3f, -INFINITY, 2, 0.5f, 0.1f, -0.4f }, q[6] = { 0, 0, 1, 0, 0, 0 };
    const int32_t  row[2] = { 2, -1 }, column[3] = { -1, -1, 0 };
    const float    bad[6] = { 0, 0, 1, 0, -1, 0 };
    struct rig     r;
    struct um_var *v;

    (void)state;
    for (int k = 0; k < 2; k++) {
        rig_open_on(&r, NULL, k ? "cpu" : "ref");
        OK(um_nn_begin(r.nn, false, false, 0, 0));
        v = input(&r, 2, (int64_t[]){ 2, 3 }, x);
        near((double)value(&r, um_cross_entropy_soft(r.nn, v, q, false)),
             (double)value(&r, um_cross_entropy(r.nn, v, row, false)), 1e-7);
        near((double)value(&r, um_cross_entropy_soft(r.nn, v, q, true)),
             (double)value(&r, um_cross_entropy(r.nn, v, column, true)), 1e-7);
        expect_error(&r, um_cross_entropy_soft(r.nn, v, bad, false), UM_ERANGE,
                     "target -1 of row 1, class 1");
        rig_close(&r);
    }
}

/* a sample is kept or dropped as one element of dropout is, by the same seed and place; about
 * p of many are dropped; nothing outside training */
static void samples_are_dropped_by_their_number(void **state)
{
    enum { B = 4000, N = 3 };
    static float   x[B * N], y[B * N], one[B], f[B];
    struct rig     r;
    struct um_var *v;
    int            dropped = 0;

    (void)state;
    rig_open(&r, NULL);
    for (int i = 0; i < B * N; i++)
        x[i] = 1 + (float)i;
    for (int i = 0; i < B; i++)
        one[i] = 1;
    OK(um_nn_begin(r.nn, false, true, 9, 5));
    v = um_drop_path(r.nn, input(&r, 2, (int64_t[]){ B, N }, x), 0.2f);
    OK(um_nn_read(r.nn, v, y));
    OK(um_nn_begin(r.nn, false, true, 9, 5));
    OK(um_nn_read(r.nn, um_dropout(r.nn, input(&r, 1, (int64_t[]){ B }, one), 0.2f), f));
    for (int b = 0; b < B; b++) {
        dropped += f[b] == 0;
        for (int i = 0; i < N; i++)
            near((double)y[b * N + i], (double)(f[b] * x[b * N + i]), 0);
    }
    assert_true(abs(dropped - B / 5) <= 101); /* four standard deviations: 4 sqrt(4000 .2 .8) */
    OK(um_nn_begin(r.nn, false, false, 9, 5));
    v = input(&r, 2, (int64_t[]){ B, N }, x);
    assert_ptr_equal(um_drop_path(r.nn, v, 0.2f), v);
    assert_null(um_drop_path(r.nn, v, 1));
    expect_error(&r, NULL, UM_ERANGE, "drop_path: p 1");
    rig_close(&r);
}

/* what was picked, put back, is where it was; a place out of range is named */
static void tokens_come_back(void **state)
{
    const float    x[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, v[2] = { 0.5f, -0.5f };
    const float    want[8] = { 1, 2, 0.5f, -0.5f, 0.5f, -0.5f, 7, 8 };
    const int32_t  idx[2] = { 3, 0 }, wrong[2] = { 0, 4 };
    struct rig     r;
    struct um_var *t, *y;
    float          got[8];

    (void)state;
    rig_open(&r, NULL);
    OK(um_nn_begin(r.nn, false, false, 0, 0));
    t = um_pick_tokens(r.nn, input(&r, 3, (int64_t[]){ 1, 4, 2 }, x), idx, 2);
    y = um_put_tokens(r.nn, t, idx, 4, input(&r, 1, (int64_t[]){ 2 }, v));
    OK(um_nn_read(r.nn, y, got));
    for (int i = 0; i < 8; i++)
        near((double)got[i], (double)want[i], 0);
    expect_error(&r, um_put_tokens(r.nn, t, wrong, 4, NULL), UM_ERANGE, "place 4 of sample 0");
    rig_close(&r);
}

/* shapes that do not fit are named; bf16 products follow float */
static void batched_products(void **state)
{
    const float    x[24] = { 1, -2, 0.5f, 3, 0.25f, -1, 2, 4, 1, 0, -3, 0.5f,
                             2, 1,  -1,   2, 3,     -2, 1, 0, 4, 2, -1, 0.125f };
    struct rig     r;
    struct um_var *a, *b;
    float          y[2][18];

    (void)state;
    for (int k = 0; k < 2; k++) {
        rig_open(&r, NULL);
        um_nn_free(r.nn);
        OK(um_nn_new(&r.nn, r.dev, &(struct um_nn_opts){ .dtype = k ? UM_BF16 : UM_F32 }));
        OK(um_nn_begin(r.nn, false, false, 0, 0));
        a = input(&r, 3, (int64_t[]){ 2, 3, 4 }, x);
        b = um_cast(r.nn, a, k ? UM_BF16 : UM_F32);
        OK(um_nn_read(r.nn, um_bmm(r.nn, a, b, false, true), y[k]));
        expect_error(&r, um_bmm(r.nn, a, b, false, false), UM_ESHAPE,
                     "bmm: a float32 [2,3,4] does not fit b");
        rig_close(&r);
    }
    near((double)y[0][0], 14.25, 1e-6); /* |row 0 of item 0|^2 */
    near((double)y[0][9 + 1], 3, 1e-6); /* rows 0 and 1 of item 1: 6 - 2 - 1 + 0 */
    for (int i = 0; i < 18; i++)
        near((double)y[1][i], (double)y[0][i], 0.005 * fabs((double)y[0][i]));
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(focal_of_known_cases),
        cmocka_unit_test(dice_of_known_cases),
        cmocka_unit_test(soft_targets_of_known_cases),
        cmocka_unit_test(samples_are_dropped_by_their_number),
        cmocka_unit_test(tokens_come_back),
        cmocka_unit_test(batched_products),
    };

    return cmocka_run_group_tests_name("nn_loss", all, NULL, NULL);
}
