/* grid_resample.c - arrays sampled through two affines: small cases with known answers */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "grid/resample_to.h"

static const double unit[12] = { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0 };

/* a turn about all axes, voxel sizes 0.5, 2, 3, some place */
static const double oblique[12] = { 0.43, -0.38,  0.6, 10,   0.17, 1.81,
                                    -1.3, -200.5, 0.2, 0.75, 2.6,  33 };

static void inverse_undoes(void **state)
{
    double inverse[12], product[12], flat[12];

    (void)state;
    assert_int_equal(um_affine_invert(oblique, inverse), UM_OK);
    um_affine_multiply(inverse, oblique, product);
    for (int i = 0; i < 12; i++)
        assert_true(fabs(product[i] - unit[i]) < 1e-12);
    um_affine_multiply(oblique, inverse, product);
    for (int i = 0; i < 12; i++)
        assert_true(fabs(product[i] - unit[i]) < 1e-12);

    memcpy(flat, oblique, sizeof flat);
    for (int r = 0; r < 3; r++)
        flat[4 * r + 2] = 2 * flat[4 * r] - flat[4 * r + 1];
    assert_int_equal(um_affine_invert(flat, inverse), UM_EFORMAT);
    memset(flat, 0, sizeof flat);
    assert_int_equal(um_affine_invert(flat, inverse), UM_EFORMAT);
    flat[7] = NAN;
    assert_int_equal(um_affine_invert(flat, inverse), UM_ENONFINITE);
}

static struct um_volume grid(int64_t d, int64_t h, int64_t w, const double affine[12])
{
    struct um_volume v = { .dim = { d, h, w }, .step = { h * w, w, 1 } };

    memcpy(v.affine, affine, sizeof v.affine);
    return v;
}

/* the array's own grid gives the array back, wherever it lies */
static void own_grid(void **state)
{
    const int64_t dim[3] = { 3, 4, 5 };
    int16_t       in[60], out[60];
    float         f[60], g[60];

    (void)state;
    for (int i = 0; i < 60; i++) {
        in[i] = (int16_t)(1000 - i * i);
        f[i]  = (float)in[i] / 7;
    }
    const struct um_volume to = grid(3, 4, 5, oblique);
    assert_int_equal(um_resample_nearest(in, 2, dim, oblique, &to, out, NULL), UM_OK);
    assert_memory_equal(in, out, sizeof in);
    assert_int_equal(um_resample_linear(f, dim, oblique, &to, g, NULL), UM_OK);
    for (int i = 0; i < 60; i++)
        assert_true(fabsf(f[i] - g[i]) < 1e-4f * fabsf(f[i]) + 1e-6f);
}

/* stored back to front and x slowest: the same voxels in the file's order */
static void stored_order(void **state)
{
    const int64_t    dim[3] = { 2, 2, 3 };
    const uint8_t    in[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    struct um_volume to     = grid(2, 2, 3, unit);
    uint8_t          out[12];

    (void)state;
    to.step[0] = 1; /* z fastest, y reversed, x reversed and slowest */
    to.step[1] = -2;
    to.step[2] = -4;
    assert_int_equal(um_resample_nearest(in, 1, dim, unit, &to, out, NULL), UM_OK);
    for (int z = 0; z < 2; z++)
        for (int y = 0; y < 2; y++)
            for (int x = 0; x < 3; x++)
                assert_int_equal(out[z + 2 * (1 - y) + 4 * (2 - x)], in[(z * 2 + y) * 3 + x]);
}

/* one row of 4 samples, 3 mm each, its first centre at 1 mm: onto 1 mm voxels from -3 mm on */
static void background_ties_and_between(void **state)
{
    static const float   want[16] = { 0, 0, 0, 1, 1, 3, 5, 7, 6, 5, 4, 4, 4, 4, 4, 0 };
    static const uint8_t near[16] = { 0, 0, 0, 1, 1, 1, 7, 7, 7, 4, 4, 4, 4, 4, 4, 0 };
    const int64_t        dim[3]   = { 1, 1, 4 };
    const double         from[12] = { 3, 0, 0, 1, 0, 3, 0, 0, 0, 0, 3, 0 },
                 onto[12]         = { 1, 0, 0, -3, 0, 1, 0, 0, 0, 0, 1, 0 };
    const float      f[4]         = { 1, 7, 4, 4 };
    const uint8_t    u[4]         = { 1, 7, 4, 4 };
    struct um_volume to           = grid(1, 1, 16, onto);
    float            g[16];
    uint8_t          out[16];
    int64_t          linear, nearest;

    (void)state;
    assert_int_equal(um_resample_linear(f, dim, from, &to, g, &linear), UM_OK);
    assert_int_equal(um_resample_nearest(u, 1, dim, from, &to, out, &nearest), UM_OK);
    assert_true(linear == 12 && nearest == 12);
    for (int i = 0; i < 16; i++) {
        assert_true(fabsf(g[i] - want[i]) < 1e-5f);
        assert_int_equal(out[i], near[i]);
    }
    /* half way between two samples: the upper one, and the near end counts as covered */
    to           = grid(1, 1, 5, from);
    to.affine[3] = 1 - 1.5;
    assert_int_equal(um_resample_nearest(u, 1, dim, from, &to, out, NULL), UM_OK);
    assert_memory_equal(out, ((const uint8_t[5]){ 1, 7, 4, 4, 0 }), 5);
}

/* a NaN is not spread to voxels that lie exactly on its neighbours */
static void not_a_number(void **state)
{
    const int64_t          dim[3] = { 1, 1, 3 };
    const float            f[3]   = { 1, NAN, 3 };
    const struct um_volume to     = grid(1, 1, 3, unit);
    float                  g[3];

    (void)state;
    assert_int_equal(um_resample_linear(f, dim, unit, &to, g, NULL), UM_OK);
    assert_true(g[0] == 1 && isnan(g[1]) && g[2] == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inverse_undoes), cmocka_unit_test(own_grid),
        cmocka_unit_test(stored_order),   cmocka_unit_test(background_ties_and_between),
        cmocka_unit_test(not_a_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
