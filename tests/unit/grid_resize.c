/* grid_resize.c - area average, triangle filter and masks against their equations written out */
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
#include "grid/area.h"
#include "grid/mask.h"
#include "grid/triangle.h"
#include "grid/window.h"
#include "with_arena.h"

static int onto(const struct um_volume *v, const double window[2], const int64_t size[3],
                float *out, struct um_hu_count *count)
{
    struct um_axis axis[3];

    um_axes_resize(v->dim, size, axis);
    return um_volume_resize(arena, v, window, axis, false, out, count);
}

static int into(const struct um_grey *g, int64_t side, enum um_filter filter, uint8_t *out)
{
    const struct um_fit fit = um_fit_pad(g->file_width, g->file_height, side);

    return um_grey_square(arena, g, &fit, filter, side, out);
}

static int mask_onto(const struct um_volume *v, enum um_filter filter, double threshold,
                     const int64_t size[3], uint8_t *out)
{
    struct um_axis axis[3];

    um_axes_resize(v->dim, size, axis);
    return um_mask_resize(arena, v, filter, threshold, axis, out);
}

/* the share of output i that input j makes up, straight from the definition */
static double share(int64_t i, int64_t j, int64_t n_in, int64_t n_out)
{
    const double r = (double)n_in / (double)n_out;

    if (n_out <= n_in) {
        const double lo = fmax((double)i * r, (double)j),
                     hi = fmin((double)(i + 1) * r, (double)j + 1);
        return hi > lo ? (hi - lo) / r : 0;
    }
    const double c = fmin(fmax(((double)i + 0.5) * r - 0.5, 0), (double)n_in - 1);
    return fmax(0, 1 - fabs((double)j - c));
}

static void area_is_the_mean(void **state)
{
    static const int64_t size[][3] = { { 300, 200, 256 }, { 37, 91, 64 },  { 20, 9, 64 },
                                       { 256, 256, 256 }, { 1, 1, 16 },    { 1000, 1, 16 },
                                       { 1, 777, 32 },    { 513, 511, 8 }, { 17, 16, 16 } };

    (void)state;
    for (size_t k = 0; k < sizeof size / sizeof size[0]; k++) {
        const int64_t w = size[k][0], h = size[k][1], side = size[k][2];
        uint8_t      *px = um_alloc_array(arena, w * h, 1), *out = um_alloc_array(arena, side, 256);
        struct um_grey g = {
            .px = px, .width = w, .height = h, .file_width = w, .file_height = h, .eighths = 8
        };
        struct um_rng       r   = um_rng_at(1, UM_RNG_TEST, k, 0);
        const struct um_fit fit = um_fit_pad(w, h, side);
        const int64_t       fw = fit.w, fh = fit.h;

        for (int64_t i = 0; i < w * h; i++)
            px[i] = (uint8_t)um_rng_below(&r, 256);
        assert_int_equal(into(&g, side, UM_FILTER_AREA, out), UM_OK);
        for (int64_t y = 0; y < side; y += 3)
            for (int64_t x = 0; x < side; x += 3) {
                const int64_t i = y - (side - fh) / 2, j = x - (side - fw) / 2;
                double        want = 0;

                if (i >= 0 && i < fh && j >= 0 && j < fw)
                    for (int64_t v = 0; v < h; v++)
                        for (int64_t u = 0; u < w && share(i, v, h, fh) > 0; u++)
                            want += share(i, v, h, fh) * share(j, u, w, fw) * px[v * w + u];
                assert_true(fabs(want - out[y * side + x]) <= 0.5 + 1e-9);
            }
    }
}

static void half_rounds_up(void **state)
{
    uint8_t        px[] = { 1, 2, 4, 5, 7, 7 }, out[3];
    struct um_grey g    = {
           .px = px, .width = 6, .height = 1, .file_width = 6, .file_height = 1, .eighths = 8
    };
    uint8_t square[9];

    (void)state;
    assert_int_equal(into(&g, 3, UM_FILTER_AREA, square), UM_OK);
    memcpy(out, square + 3, 3);  /* one row, one zero row above and one below */
    assert_int_equal(out[0], 2); /* 1.5 */
    assert_int_equal(out[1], 5); /* 4.5 */
    assert_int_equal(out[2], 7);
    for (int i = 0; i < 3; i++)
        assert_int_equal(square[i] + square[6 + i], 0);
}

static void fits(void **state)
{
    struct um_fit f = um_fit_pad(2544, 3056, 256);

    (void)state;
    assert_true(f.w == 213 && f.h == 256 && f.x == 21 && f.y == 0);
    f = um_fit_pad(100000, 3, 256);
    assert_true(f.w == 256 && f.h == 1 && f.x == 0 && f.y == 127);
    f = um_fit_stretch(224);
    assert_true(f.w == 224 && f.h == 224 && f.x == 0 && f.y == 0);
}

static void nearest_takes_the_centre(void **state)
{
    uint8_t        px[] = { 10, 20, 30, 40, 50 }, square[9];
    struct um_grey g    = {
           .px = px, .width = 5, .height = 1, .file_width = 5, .file_height = 1, .eighths = 8
    };

    (void)state; /* centres at 5/6, 15/6, 25/6 */
    assert_int_equal(into(&g, 3, UM_FILTER_NEAREST, square), UM_OK);
    assert_int_equal(square[3], 10);
    assert_int_equal(square[4], 30);
    assert_int_equal(square[5], 50);
}

static void sides_are_checked(void **state)
{
    struct um_boxes b;

    (void)state;
    assert_int_equal(um_boxes_new(arena, 0, 1, 5, &b), UM_ERANGE);
    assert_int_equal(um_boxes_new(arena, UM_SIDE_MAX + 1, 1, 5, &b), UM_ERANGE);
}

/* ---- volumes ---- */

static double tri(int64_t i, int64_t j, int64_t n_in, int64_t n_out)
{
    const double ratio = (double)n_in / (double)n_out, r = fmax(1, ratio);
    double       sum = 0, w = 0;

    for (int64_t k = 0; k < n_in; k++) {
        const double t = fmax(0, 1 - fabs((double)k - (((double)i + 0.5) * ratio - 0.5)) / r);

        sum += t;
        w = k == j ? t : w;
    }
    return w / sum;
}

static struct um_volume make(const int64_t dim[3], float *voxels)
{
    struct um_volume v = { .voxels = voxels,
                           .type   = UM_VOX_F32,
                           .slope  = 1,
                           .dim    = { dim[0], dim[1], dim[2] },
                           .step   = { dim[1] * dim[2], dim[2], 1 } };
    return v;
}

static double expected(const float *x, const int64_t d[3], const int64_t s[3], int64_t z, int64_t y,
                       int64_t c)
{
    double sum = 0;

    for (int64_t i = 0; i < d[0]; i++) {
        const double wz = tri(z, i, d[0], s[0]);

        for (int64_t j = 0; j < d[1] && wz > 0; j++) {
            const double wy = tri(y, j, d[1], s[1]);

            for (int64_t k = 0; k < d[2] && wy > 0; k++) {
                const double hu = (double)x[(i * d[1] + j) * d[2] + k];

                sum += wz * wy * tri(c, k, d[2], s[2]) * fmin(1, fmax(0, (hu + 1000) / 2000));
            }
        }
    }
    return sum;
}

static void triangle_is_its_equation(void **state)
{
    static const int64_t dim[][3]  = { { 7, 9, 11 }, { 30, 3, 17 }, { 1, 1, 1 }, { 5, 40, 2 } };
    static const int64_t size[][3] = { { 3, 4, 5 }, { 4, 8, 17 }, { 3, 2, 4 }, { 9, 7, 5 } };
    const double         window[2] = { -1000, 1000 };

    (void)state;
    for (size_t k = 0; k < sizeof dim / sizeof dim[0]; k++) {
        const int64_t      n = dim[k][0] * dim[k][1] * dim[k][2], *s = size[k];
        float             *x = um_alloc_array(arena, n, 4), *out = um_alloc_array(arena, 4096, 4);
        struct um_volume   v = make(dim[k], x);
        struct um_rng      r = um_rng_at(2, UM_RNG_TEST, k, 0);
        struct um_hu_count count;
        double             worst = 0;

        for (int64_t i = 0; i < n; i++)
            x[i] = (float)um_rng_range(&r, -1500, 1500);
        assert_int_equal(onto(&v, window, s, out, &count), UM_OK);
        assert_int_equal(count.total, n);
        for (int64_t z = 0; z < s[0]; z++)
            for (int64_t y = 0; y < s[1]; y++)
                for (int64_t c = 0; c < s[2]; c++) {
                    const double e = fabs((double)out[(z * s[1] + y) * s[2] + c] -
                                          expected(x, dim[k], s, z, y, c));

                    worst = !(e <= worst) ? e : worst;
                }
        assert_true(worst <= 2e-6);
    }
}

static void a_constant_stays(void **state)
{
    const int64_t dim[3] = { 9, 50, 31 }, size[3] = { 4, 16, 16 };
    const double  window[2] = { -1000, 1000 };
    float        *x = um_alloc_array(arena, 9 * 50 * 31, 4), *out = um_alloc_array(arena, 1024, 4);
    struct um_volume v = make(dim, x);

    (void)state;
    for (int i = 0; i < 9 * 50 * 31; i++)
        x[i] = 3000; /* above the window: exactly 1, never more */
    assert_int_equal(onto(&v, window, size, out, NULL), UM_OK);
    for (int i = 0; i < 1024; i++)
        assert_true(out[i] <= 1 && out[i] >= 1 - 1e-6f);
}

/* the centres of the corner voxels move inward by half a new voxel, the field of view stays */
static void affine_follows(void **state)
{
    const double   a[12]   = { -0.5, 0, 0, 100, 0, -0.75, 0.1, 50, 0, 0.1, 2, -30 };
    const int64_t  from[3] = { 60, 512, 500 }, to[3] = { 32, 128, 125 };
    struct um_axis axis[3];
    double         b[12];

    (void)state;
    um_axes_resize(from, to, axis);
    um_affine_onto(a, axis, b);
    for (int corner = 0; corner < 8; corner++)
        for (int r = 0; r < 3; r++) {
            double p = a[4 * r + 3], q = b[4 * r + 3];

            for (int c = 0; c < 3; c++) {
                const int far = corner >> c & 1;

                p += a[4 * r + c] * (far ? (double)from[2 - c] - 0.5 : -0.5);
                q += b[4 * r + c] * (far ? (double)to[2 - c] - 0.5 : -0.5);
            }
            assert_true(fabs(p - q) <= 1e-9);
        }
}

static void peaks_and_advice(void **state)
{
    const int64_t      dim[3] = { 2, 10, 50 }, size[3] = { 1, 2, 2 };
    const double       window[2] = { -1000, 1000 };
    float              x[1000], out[4];
    struct um_volume   v = make(dim, x);
    struct um_hu_count count;

    (void)state;
    for (int shift = -1; shift <= 1; shift++) {
        const char *advice;

        for (int i = 0; i < 1000; i++)
            x[i] = (float)((i < 10 ? -800 : i < 20 ? 40 : 2500) + 1024 * shift);
        assert_int_equal(onto(&v, window, size, out, &count), UM_OK);
        advice = um_hu_advice(arena, &v, &count);
        if (shift == 0) {
            assert_int_equal(count.air, 10);
            assert_int_equal(count.tissue, 10);
            assert_null(advice);
        } else {
            assert_non_null(strstr(advice, shift < 0 ? "twice" : "never"));
        }
    }
    for (int i = 0; i < 1000; i++)
        x[i] = (float)(i % 300); /* an MR volume */
    assert_int_equal(onto(&v, window, size, out, &count), UM_OK);
    assert_non_null(strstr(um_hu_advice(arena, &v, &count), "lung"));
}

static void masks(void **state)
{
    const int64_t    dim[3] = { 2, 2, 5 }, size[3] = { 1, 1, 3 };
    float            x[20];
    uint8_t          out[3];
    struct um_volume v = make(dim, x);

    (void)state;
    for (int i = 0; i < 20; i++)
        x[i] = (float)(i % 5 == 0 ? 7 : i % 5 == 4 ? 200 : 0);
    assert_int_equal(mask_onto(&v, UM_FILTER_NEAREST, NAN, size, out), UM_OK);
    assert_int_equal(out[0], 7);
    assert_int_equal(out[1], 0);
    assert_int_equal(out[2], 200);
    assert_int_equal(mask_onto(&v, UM_FILTER_AREA, NAN, size, out), UM_OK);
    assert_int_equal(out[0], 153); /* 1 of 5/3 voxels */
    assert_int_equal(out[1], 0);
    x[19] = 12.5f;
    assert_int_equal(mask_onto(&v, UM_FILTER_NEAREST, NAN, size, out), UM_ERANGE);
    assert_non_null(strstr(um_errmsg(), "--mask-threshold"));
    assert_int_equal(mask_onto(&v, UM_FILTER_NEAREST, 10, size, out), UM_OK);
    assert_int_equal(out[0], 0);
    assert_int_equal(out[2], 1);
}

static void windows(void **state)
{
    static const char *const bad[] = { "",    "lungs", "1",     "1,",  "2,1",
                                       "1,1", "nan,3", "0,inf", "0,1x" };
    double                   w[2];

    (void)state;
    assert_int_equal(um_window_parse("abdomen", w), UM_OK);
    assert_true(w[0] == -175 && w[1] == 250);
    assert_int_equal(um_window_parse("-1000,1000", w), UM_OK);
    assert_true(w[0] == -1000 && w[1] == 1000);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(um_window_parse(bad[i], w), UM_ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(area_is_the_mean),
        cmocka_unit_test(half_rounds_up),
        cmocka_unit_test(fits),
        cmocka_unit_test(nearest_takes_the_centre),
        cmocka_unit_test(sides_are_checked),
        cmocka_unit_test(triangle_is_its_equation),
        cmocka_unit_test(a_constant_stays),
        cmocka_unit_test(affine_follows),
        cmocka_unit_test(peaks_and_advice),
        cmocka_unit_test(masks),
        cmocka_unit_test(windows),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
