/* nn_conv.c - the tape on feature maps: convolutions, norms, resampling, against differences; known
 * cases; errors
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>

#include "tests/unit/rig.h"

static const int64_t one[3] = { 1, 1, 1 }, none[3] = { 0, 0, 0 };

/* fours of neighbours, channels last: a softmax is blind to what all four share, as a bias in four
 * places of one channel */
static struct um_var *map_scalar(struct rig *r, struct um_var *y)
{
    int64_t s = 1, n;

    if (!y)
        return NULL;
    for (int i = 2; i < y->ndim; i++)
        s *= y->dim[i];
    n = y->dim[0] * y->dim[1] * s;
    y = um_transpose(r->nn, um_reshape(r->nn, y, 3, (int64_t[]){ y->dim[0], y->dim[1], s }));
    return scalar(r, um_reshape(r->nn, y, 2, (int64_t[]){ n / 4, 4 }));
}

/* the input is used twice */
static struct um_var *b_conv2(struct rig *r, struct um_var *const *p)
{
    struct um_var *y = um_conv(r->nn, p[0], p[1], p[2], (int64_t[]){ 2, 1 }, (int64_t[]){ 1, 2 });

    return map_scalar(
        r, um_add(r->nn, y,
                  um_conv(r->nn, p[0], p[1], NULL, (int64_t[]){ 2, 1 }, (int64_t[]){ 1, 2 })));
}

static struct um_var *b_conv3(struct rig *r, struct um_var *const *p)
{
    return map_scalar(
        r, um_conv(r->nn, p[0], p[1], p[2], (int64_t[]){ 1, 2, 1 }, (int64_t[]){ 1, 0, 1 }));
}

static struct um_var *b_up2(struct rig *r, struct um_var *const *p)
{
    return map_scalar(
        r, um_conv_transposed(r->nn, p[0], p[1], p[2], (int64_t[]){ 2, 2 }, (int64_t[]){ 0, 1 }));
}

static struct um_var *b_up3(struct rig *r, struct um_var *const *p)
{
    return map_scalar(r, um_conv_transposed(r->nn, p[0], p[1], p[2], (int64_t[]){ 1, 2, 2 }, none));
}

static struct um_var *b_instance(struct rig *r, struct um_var *const *p)
{
    return map_scalar(r, um_instancenorm(r->nn, p[0], p[1], p[2], 1e-3f));
}

static struct um_var *b_instance_plain(struct rig *r, struct um_var *const *p)
{
    return map_scalar(r, um_instancenorm(r->nn, p[0], NULL, NULL, 1e-3f));
}

static struct um_var *b_batch(struct rig *r, struct um_var *const *p)
{
    const int mean = um_params_find(r->ps, "mean");

    return map_scalar(r, um_batchnorm(r->nn, p[0], p[1], p[2], r->ps, mean, mean + 1, 0.1f, 1e-3f));
}

static struct um_var *b_upsample(struct rig *r, struct um_var *const *p)
{
    struct um_var *a = um_upsample(r->nn, p[0], (int64_t[]){ 4, 6 }, true);

    return map_scalar(r, um_add(r->nn, a, um_upsample(r->nn, p[0], (int64_t[]){ 4, 6 }, false)));
}

static struct um_var *b_trilinear(struct rig *r, struct um_var *const *p)
{
    return map_scalar(r, um_upsample(r->nn, p[0], (int64_t[]){ 3, 4, 2 }, false));
}

static struct um_var *b_positions(struct rig *r, struct um_var *const *p)
{
    return map_scalar(r,
                      um_resize_grid(r->nn, p[0], (int64_t[]){ 2, 3, 2 }, (int64_t[]){ 3, 2, 4 }));
}

/* tokens to a feature map, a convolution, and back */
static struct um_var *b_transpose(struct rig *r, struct um_var *const *p)
{
    struct um_var *x = um_reshape(r->nn, um_transpose(r->nn, p[0]), 4, (int64_t[]){ 2, 3, 2, 2 });

    x = um_conv(r->nn, x, p[1], NULL, one, (int64_t[]){ 1, 1 });
    return scalar(r, um_transpose(r->nn, um_reshape(r->nn, x, 3, (int64_t[]){ 2, 3, 4 })));
}

static const struct test tests[] = {
    { "conv 2D", { { 2, 2, 4, 5 }, { 3, 2, 3, 2 }, { 3 } }, b_conv2, false },
    { "conv 3D", { { 1, 2, 2, 5, 3 }, { 2, 2, 3, 2, 2 }, { 2 } }, b_conv3, false },
    { "conv_transposed 2D", { { 1, 2, 3, 3 }, { 2, 4, 2, 4 }, { 4 } }, b_up2, false },
    { "conv_transposed 3D", { { 2, 2, 2, 1, 3 }, { 2, 2, 1, 2, 2 }, { 2 } }, b_up3, false },
    { "instancenorm", { { 2, 2, 3, 4 }, { 2 }, { 2 } }, b_instance, false },
    { "instancenorm, not affine", { { 2, 2, 2, 2, 3 } }, b_instance_plain, false },
    { "batchnorm of maps", { { 2, 5, 2, 2, 2 }, { 5 }, { 5 } }, b_batch, true },
    { "upsample", { { 2, 1, 2, 3 } }, b_upsample, false },
    { "upsample 3D", { { 1, 2, 2, 3, 3 } }, b_trilinear, false },
    { "resize_grid", { { 12, 3 } }, b_positions, false },
    { "transpose", { { 2, 4, 3 }, { 3, 3, 3, 3 } }, b_transpose, false },
};

static void gradients_match_differences(void **state)
{
    (void)state;
    check_gradients(tests, sizeof tests / sizeof tests[0]);
}

/* ---- known cases ---- */

static struct um_var *put(struct rig *r, int ndim, const int64_t *dim, const float *x)
{
    return um_nn_input(r->nn, UM_F32, ndim, dim, x);
}

static void expect(struct rig *r, const struct um_var *y, const float *want, int n)
{
    float got[64];

    OK(um_nn_status(r->nn));
    OK(um_nn_read(r->nn, y, got));
    for (int i = 0; i < n; i++)
        if (!(fabsf(got[i] - want[i]) <= 1e-6f))
            fail_msg("element %d is %g, expected %g", i, (double)got[i], (double)want[i]);
}

/* [1,2,3;4,5,6] by [1,10;100,1000], by hand */
static void convolutions_of_known_numbers(void **state)
{
    const float x[6] = { 1, 2, 3, 4, 5, 6 }, w[4] = { 1, 10, 100, 1000 }, b = 0.5f;
    const float y[2]   = { 5421.5f, 6532.5f },
                up[12] = { 1.5f,    12.5f,   23.5f,  30.5f,   104.5f,  1245.5f,
                           2356.5f, 3060.5f, 400.5f, 4500.5f, 5600.5f, 6000.5f };
    struct rig     r;
    struct um_var *vx, *vw, *vb;

    (void)state;
    rig_open(&r, NULL);
    OK(um_nn_begin(r.nn, false, false, 0, 0));
    vx = put(&r, 4, (int64_t[]){ 1, 1, 2, 3 }, x);
    vw = put(&r, 4, (int64_t[]){ 1, 1, 2, 2 }, w);
    vb = put(&r, 1, (int64_t[]){ 1 }, &b);
    expect(&r, um_conv(r.nn, vx, vw, vb, one, none), y, 2);
    expect(&r, um_conv_transposed(r.nn, vx, vw, vb, one, none), up, 12);
    rig_close(&r);
}

static void resampling_of_known_numbers(void **state)
{
    const float    x[3]       = { 0, 1, 4 };
    const float    edges[6]   = { 0, 0.25f, 0.75f, 1.75f, 3.25f, 4 };
    const float    corners[5] = { 0, 0.5f, 1, 2.5f, 4 };
    const float    same[3]    = { 0, 1, 4 };
    struct rig     r;
    struct um_var *v;

    (void)state;
    rig_open(&r, NULL);
    OK(um_nn_begin(r.nn, false, false, 0, 0));
    v = put(&r, 4, (int64_t[]){ 1, 1, 1, 3 }, x);
    expect(&r, um_upsample(r.nn, v, (int64_t[]){ 1, 6 }, false), edges, 6);
    expect(&r, um_upsample(r.nn, v, (int64_t[]){ 1, 5 }, true), corners, 5);
    v = put(&r, 2, (int64_t[]){ 3, 1 }, x);
    expect(&r, um_resize_grid(r.nn, v, (int64_t[]){ 1, 1, 3 }, (int64_t[]){ 1, 1, 3 }), same, 3);
    rig_close(&r);
}

/* running statistics of maps follow all places of all samples */
static void batchnorm_of_maps_keeps_statistics(void **state)
{
    static const struct test t = { "", { { 1 } }, NULL, true };
    float                    x[20], want[20];
    struct rig               r;
    struct um_var           *v;
    int                      mean;

    (void)state;
    rig_open(&r, &t);
    mean = um_params_find(r.ps, "mean");
    for (int i = 0; i < 20; i++) /* channel c: c + 0, 1 in one sample, c + 2, 3 in the other */
        x[i] = (float)(i % 10 / 2 + i % 2 + (i < 10 ? 0 : 2));
    OK(um_nn_begin(r.nn, false, true, 0, 0));
    v = put(&r, 3, (int64_t[]){ 2, 5, 2 }, x);
    (void)um_batchnorm(r.nn, v, NULL, NULL, r.ps, mean, mean + 1, 0.5f, 0);
    OK(um_nn_status(r.nn));
    for (int c = 0; c < 5; c++) {
        const float *m = r.ps->value + r.ps->list[mean].offset,
                    *s = r.ps->value + r.ps->list[mean + 1].offset;

        assert_true(fabsf(m[c] - 0.5f * ((float)c + 1.5f)) < 1e-6f);
        assert_true(fabsf(s[c] - (0.5f + 0.5f * 5 / 3)) < 1e-6f); /* unbiased: 5/3 */
    }
    OK(um_nn_begin(r.nn, false, false, 0, 0));
    v = put(&r, 3, (int64_t[]){ 2, 5, 2 }, x);
    for (int i = 0; i < 20; i++)
        want[i] = (x[i] - 0.5f * ((float)(i % 10 / 2) + 1.5f)) / sqrtf(4.0f / 3);
    expect(&r, um_batchnorm(r.nn, v, NULL, NULL, r.ps, mean, mean + 1, 0.5f, 0), want, 20);
    rig_close(&r);
}

/* ---- errors ---- */

static void impossible_sizes_are_named(void **state)
{
    const float    zero[64] = { 0 };
    const int64_t  big      = (int64_t)1 << 31;
    struct rig     r;
    struct um_var *x, *w;

#define X put(&r, 4, (int64_t[]){ 1, 2, 3, 4 }, zero)
#define W put(&r, 4, (int64_t[]){ 2, 2, 4, 2 }, zero)
#define CONV(stride, pad) (x = X, w = W, um_conv(r.nn, x, w, NULL, stride, pad))
    (void)state;
    rig_open(&r, NULL);
    OK(um_nn_begin(r.nn, true, true, 0, 0));
    expect_error(&r, CONV(one, none), UM_ERANGE, "conv: kernel of 4 is larger than 3 padded by 0");
    expect_error(&r, CONV(none, one), UM_ERANGE, "conv: stride 0");
    expect_error(&r, CONV(one, ((int64_t[]){ -1, 0 })), UM_ERANGE, "padded by -1");
    expect_error(&r, CONV(one, ((int64_t[]){ big, 0 })), UM_ERANGE, "padded by 2147483648");
    expect_error(&r, CONV(one, ((int64_t[]){ big / 2, big / 2 })), UM_ERANGE, "conv: ");
    x = X, w = put(&r, 4, (int64_t[]){ 2, 3, 1, 1 }, zero);
    expect_error(&r, um_conv(r.nn, x, w, NULL, one, none), UM_ESHAPE,
                 "conv: x float32 [1,2,3,4] does not fit w float32 [2,3,1,1]");
    x = X, w = W;
    expect_error(&r, um_conv(r.nn, x, w, x, one, one), UM_ESHAPE,
                 "conv: b float32 [1,2,3,4] does not fit w");
    x = X, w = W;
    expect_error(&r, um_conv_transposed(r.nn, x, w, NULL, one, (int64_t[]){ 4, 0 }), UM_ERANGE,
                 "conv_transposed: kernel of 4 over -2");
    x = X;
    expect_error(&r, um_upsample(r.nn, x, none, true), UM_ERANGE,
                 "upsample: from [1,3,4] to [1,0,0]");
    x = X;
    expect_error(&r, um_upsample(r.nn, x, (int64_t[]){ big / 2, big / 2 }, true), UM_ERANGE,
                 "upsample: ");
    x = put(&r, 2, (int64_t[]){ 6, 2 }, zero);
    expect_error(&r, um_resize_grid(r.nn, x, (int64_t[]){ 1, 2, 2 }, one), UM_ESHAPE,
                 "resize_grid: x [6,2] does not fit a grid of [1,2,2]");
    x = put(&r, 2, (int64_t[]){ 6, 2 }, zero);
    expect_error(&r, um_instancenorm(r.nn, x, NULL, NULL, 1), UM_ESHAPE, "instancenorm: x");
    x = put(&r, 2, (int64_t[]){ 6, 2 }, zero);
    expect_error(&r, um_transpose(r.nn, x), UM_ESHAPE, "transpose: x float32 [6,2]");
    rig_close(&r);
#undef X
#undef W
#undef CONV
}

/* the results that the bad pixel (2,4) of a map of 6x8 is a part of: of a convolution or its
 * adjoint, of a norm, of twice the size */
static bool touched(int op, int row, int col)
{
    if (op < 2)
        return abs(row - 2) <= 1 && abs(col - 4) <= 1;
    return op == 2 || (row >= 3 && row <= 6 && col >= 7 && col <= 10);
}

/* It is in all of those and in no other, but for convolutions in bfloat16: oneDNN takes channels in
 * pairs, and an odd one has the next pixel's for a partner, at weight 0. */
static void check_nan(struct um_nn *nn, enum um_dtype dt, int op)
{
    const float w[9]     = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    const bool  may_leak = op < 2 && dt == UM_BF16;
    const int   cols     = op == 3 ? 16 : 8;
    float       x[48], got[192];

    for (int i = 0; i < 48; i++)
        x[i] = i == 2 * 8 + 4 ? NAN : (float)i;
    OK(um_nn_begin(nn, false, false, 0, 0));
    struct um_var *f = um_nn_input(nn, UM_F32, 4, (int64_t[]){ 1, 1, 3, 3 }, w);
    struct um_var *v = um_cast(nn, um_nn_input(nn, UM_F32, 4, (int64_t[]){ 1, 1, 6, 8 }, x), dt);

    v = op == 0   ? um_conv(nn, v, f, NULL, one, one)
        : op == 1 ? um_conv_transposed(nn, v, f, NULL, one, one)
        : op == 2 ? um_instancenorm(nn, v, NULL, NULL, 1e-5f)
                  : um_upsample(nn, v, (int64_t[]){ 12, 16 }, false);
    OK(um_nn_status(nn));
    assert_int_equal(v->dt, dt);
    OK(um_nn_read(nn, v, got));
    for (int i = 0; i < (op == 3 ? 192 : 48); i++) {
        const bool want = touched(op, i / cols, i % cols), is = isnan(got[i]) != 0;

        if (is != want && (want || !may_leak))
            fail_msg("operation %d in %s: element %d is %g", op, um_dtype_name(dt), i,
                     (double)got[i]);
    }
}

static void nan_propagates(void **state)
{
    static const char *const device[] = { "ref", "cpu" };

    (void)state;
    for (int i = 0; i < 4; i++) {
        const enum um_dtype dt = i % 2 ? UM_BF16 : UM_F32;
        struct um_dev      *dev;
        struct um_nn       *nn;

        OK(um_dev_open(&dev, device[i / 2], NULL));
        OK(um_nn_new(&nn, dev, &(struct um_nn_opts){ .dtype = dt }));
        for (int op = 0; op < 4; op++)
            check_nan(nn, dt, op);
        um_nn_free(nn);
        um_dev_close(dev);
    }
}

/* a host's own OpenMP, in front of the one that oneDNN was linked with */
static int told;

__attribute__((visibility("default"))) void omp_set_num_threads(int n);
void                                        omp_set_num_threads(int n)
{
    told = n;
}

static int threads(void)
{
    DIR *d = opendir("/proc/self/task");
    int  n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    (void)closedir(d);
    return n;
}

/* it is told to use one thread, and so is the other: no thread is started */
static void openmp_starts_no_threads(void **state)
{
    enum { C = 64, SIDE = 48, N = C * SIDE * SIDE };
    float          *x      = calloc(N, sizeof *x);
    const int       before = threads();
    struct um_pool *pool;
    struct um_dev  *dev;
    struct um_nn   *nn;
    struct um_var  *v, *w;

    (void)state;
    assert_non_null(x);
    OK(um_pool_new(&pool, 1));
    OK(um_dev_open(&dev, "cpu", pool));
    OK(um_nn_new(&nn, dev, &(struct um_nn_opts){ .dtype = UM_F32 }));
    OK(um_nn_begin(nn, false, false, 0, 0));
    v = um_nn_input(nn, UM_F32, 4, (int64_t[]){ 1, C, SIDE, SIDE }, x);
    w = um_nn_input(nn, UM_F32, 4, (int64_t[]){ C, C, 3, 3 }, x);
    v = um_conv(nn, v, w, NULL, one, one);
    OK(um_nn_status(nn));
    OK(um_nn_read(nn, v, x));
    assert_int_equal(told, dlsym(RTLD_DEFAULT, "omp_set_num_threads") ==
                               (void *)(uintptr_t)omp_set_num_threads);
    assert_int_equal(threads(), before);
    um_nn_free(nn);
    um_dev_close(dev);
    um_pool_free(pool);
    free(x);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(openmp_starts_no_threads), /* first: its threads stay */
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(convolutions_of_known_numbers),
        cmocka_unit_test(resampling_of_known_numbers),
        cmocka_unit_test(batchnorm_of_maps_keeps_statistics),
        cmocka_unit_test(impossible_sizes_are_named),
        cmocka_unit_test(nan_propagates),
    };

    return cmocka_run_group_tests_name("nn_conv", all, NULL, NULL);
}
