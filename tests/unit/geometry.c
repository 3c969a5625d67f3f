/* geometry.c - grids over grids: what a voxel shows is what lies where its affine says it is
 *
 * The volumes hold a linear function of the patient's coordinates, which linear sampling keeps
 * wherever its support lies within the volume: the value of each output voxel can be computed from
 * the affine that is written with it, so values and affine are judged by each other. A wider filter
 * shows the function at the mean of the positions that it weighs.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "dataset/boxes.h"
#include "grid/axis.h"
#include "grid/foreground.h"
#include "grid/mask.h"
#include "grid/orient.h"
#include "grid/triangle.h"
#include "with_arena.h"

static const double window[2] = { -1000, 1000 };

static double at(const double affine[12], int r, const double xyz[3])
{
    const double *a = affine + 4 * r;

    return a[0] * xyz[0] + a[1] * xyz[1] + a[2] * xyz[2] + a[3];
}

/* 3 x + 2 y - z + 40 of the patient's millimetres */
static double truth(const double affine[12], double x, double y, double z)
{
    const double v[3] = { x, y, z };

    return 3 * at(affine, 0, v) + 2 * at(affine, 1, v) - at(affine, 2, v) + 40;
}

/* stored in any arrangement of axes; oblique by a little */
static struct um_volume ramp(struct um_rng *r, const int64_t dim[3])
{
    static const int order[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                     { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    const int       *o           = order[um_rng_below(r, 6)];
    struct um_volume v           = { .type = UM_VOX_F32, .slope = 1 };
    float           *x           = um_alloc_array(arena, dim[0] * dim[1] * dim[2], sizeof *x);

    memcpy(v.dim, dim, sizeof v.dim);
    v.step[2] = 1;
    v.step[1] = dim[2];
    v.step[0] = dim[1] * dim[2];
    for (int c = 0; c < 3; c++) {
        const double mm = um_rng_range(r, 0.5, 3) * (um_rng_below(r, 2) ? 1 : -1);

        for (int k = 0; k < 3; k++)
            v.affine[4 * k + c] = mm * (k == o[c] ? 1 : 0.05);
        v.affine[4 * c + 3] = um_rng_range(r, -50, 50);
    }
    for (int64_t z = 0, i = 0; z < dim[0]; z++)
        for (int64_t y = 0; y < dim[1]; y++)
            for (int64_t c = 0; c < dim[2]; c++)
                x[i++] = (float)truth(v.affine, (double)c, (double)y, (double)z);
    v.voxels = x;
    return v;
}

/* the mean position that output i weighs, from the filter's definition */
static double centre_of(const struct um_axis *a, bool point, int64_t i)
{
    const double c = um_axis_at(a, i), r = point || a->step < 1 ? 1 : a->step;
    double       sum = 0, mean = 0;

    for (int64_t j = 0; j < a->n_in; j++) {
        const double w = fmax(0, 1 - fabs((double)j - c) / r);

        sum += w;
        mean += w * (double)j;
    }
    return mean / sum;
}

/* whether output i lies between voxels */
static bool whole(const struct um_axis *a, int64_t i)
{
    const double c = um_axis_at(a, i);

    return c >= 0 && c <= (double)(a->n_in - 1);
}

static void judge(const struct um_volume *v, const struct um_axis axis[3], bool point)
{
    const int64_t d = axis[0].n_out, h = axis[1].n_out, w = axis[2].n_out;
    float        *out  = um_alloc_array(arena, d * h * w, sizeof *out);
    int           seen = 0;
    double        affine[12];

    assert_int_equal(um_volume_resize(arena, v, window, axis, point, out, NULL), UM_OK);
    um_affine_onto(v->affine, axis, affine);
    for (int64_t i = 0; i < d * h * w; i++) {
        const int64_t z = i / (h * w), y = i / w % h, x = i % w;
        const double  want =
            point ? truth(affine, (double)x, (double)y, (double)z)
                   : truth(v->affine, centre_of(&axis[2], false, x), centre_of(&axis[1], false, y),
                           centre_of(&axis[0], false, z));

        if (!um_axis_inside(&axis[0], z) || !um_axis_inside(&axis[1], y) ||
            !um_axis_inside(&axis[2], x)) {
            assert_true(out[i] == 0);
        } else if (!point || (whole(&axis[0], z) && whole(&axis[1], y) && whole(&axis[2], x))) {
            assert_true(fabs(out[i] - (want + 1000) / 2000) <= 2e-6);
            seen++;
        }
    }
    assert_true(seen > 0);
}

static void values_lie_where_the_affine_says(void **state)
{
    (void)state;
    for (uint32_t k = 0; k < 40; k++) {
        struct um_rng    r      = um_rng_at(7, UM_RNG_TEST, k, 0);
        const int64_t    dim[3] = { 12 + (int64_t)um_rng_below(&r, 9), 15, 20 };
        struct um_volume v      = ramp(&r, dim);
        const bool       point  = k % 2;
        struct um_axis   axis[3];
        double           mm[3];

        assert_int_equal(um_volume_orient(&v), UM_OK);
        um_axes_resize(v.dim, (const int64_t[3]){ 5, 9, 30 }, axis);
        judge(&v, axis, point);
        um_affine_spacing(v.affine, mm);
        for (int i = 0; i < 3; i++)
            assert_int_equal(um_axis_spacing(v.dim[i], mm[2 - i],
                                             mm[2 - i] * um_rng_range(&r, 0.6, 2.5), 100, &axis[i]),
                             UM_OK);
        judge(&v, axis, point);
        for (int i = 0; i < 3; i++) { /* off one side, out at the other */
            um_axis_crop(&axis[i], 1, axis[i].n_out);
            um_axis_centre(&axis[i], axis[i].n_out + 3);
        }
        judge(&v, axis, point);
        um_volume_crop(&v, (const int64_t[3]){ 1, 2, 3 }, (const int64_t[3]){ 9, 8, 8 });
        um_axes_resize(v.dim, (const int64_t[3]){ 4, 4, 9 }, axis);
        judge(&v, axis, point);
    }
}

static void spacing_keeps_the_near_edge(void **state)
{
    struct um_axis a;

    (void)state;
    assert_int_equal(um_axis_spacing(100, 0.7, 1.5, 4096, &a), UM_OK);
    assert_int_equal(a.n_out, 47); /* 46.67 */
    assert_true(fabs((um_axis_at(&a, 0) + 0.5) * 0.7 - 0.75) <= 1e-12);
    assert_int_equal(um_axis_spacing(1, 1, 900, 4096, &a), UM_OK);
    assert_int_equal(a.n_out, 1);
    assert_int_equal(um_axis_spacing(100, 0.7, 0.001, 4096, &a), UM_ERANGE);
    assert_int_equal(um_axis_spacing(100, 0, 1, 4096, &a), UM_ERANGE);
    assert_int_equal(um_axis_spacing(100, NAN, 1, 4096, &a), UM_ERANGE);
}

static void centre_is_the_centre(void **state)
{
    static const int64_t n[][3] = {
        { 10, 4, 3 }, { 10, 5, 2 }, { 4, 10, -3 }, { 5, 10, -2 }, { 7, 7, 0 }
    };

    (void)state;
    for (size_t k = 0; k < sizeof n / sizeof n[0]; k++) {
        struct um_axis a = um_axis_resize(n[k][0], n[k][0]);

        um_axis_centre(&a, n[k][1]);
        assert_int_equal(a.n_out, n[k][1]);
        assert_int_equal(a.lead, n[k][2]);
    }
}

/* a mask takes the voxel under each centre, and nothing outside */
static void masks_follow(void **state)
{
    float            x[6] = { 1, 2, 3, 4, 5, 6 };
    uint8_t          out[8];
    struct um_volume v = {
        .voxels = x, .type = UM_VOX_F32, .dim = { 1, 1, 6 }, .step = { 6, 6, 1 }, .slope = 1
    };
    struct um_axis axis[3] = { um_axis_resize(1, 1), um_axis_resize(1, 1) };

    (void)state;
    assert_int_equal(um_axis_spacing(6, 1, 1.5, 10, &axis[2]), UM_OK);
    um_axis_crop(&axis[2], -2, 8);
    assert_int_equal(um_mask_resize(arena, &v, UM_FILTER_NEAREST, NAN, axis, out), UM_OK);
    assert_memory_equal(out, ((uint8_t[]){ 0, 0, 1, 3, 4, 6, 0, 0 }), 8);
    assert_int_equal(um_mask_resize(arena, &v, UM_FILTER_AREA, NAN, axis, out), UM_ERANGE);
    axis[2] = um_axis_resize(6, 3);
    um_axis_centre(&axis[2], 5);
    x[2] = x[4] = x[5] = 0;
    assert_int_equal(um_mask_resize(arena, &v, UM_FILTER_AREA, NAN, axis, out), UM_OK);
    assert_memory_equal(out, ((uint8_t[]){ 0, 255, 128, 0, 0 }), 5);
}

static void foreground_is_the_smallest_box(void **state)
{
    int16_t            x[4 * 5 * 6];
    struct um_volume   v     = { .voxels = x,
                                 .type   = UM_VOX_I16,
                                 .dim    = { 4, 5, 6 },
                                 .step   = { 30, 6, 1 },
                                 .slope  = 2,
                                 .inter  = -1 };
    struct um_hu_count count = { 0 };
    struct um_box3     box;

    (void)state;
    for (int i = 0; i < 120; i++)
        x[i] = -400; /* -801 HU: air */
    assert_int_equal(um_volume_foreground(arena, &v, -200, &count, &box), UM_EMISSING);
    x[30 + 12 + 2] = x[60 + 18 + 4] = 0;
    count                           = (struct um_hu_count){ 0 };
    assert_int_equal(um_volume_foreground(arena, &v, -200, &count, &box), UM_OK);
    assert_memory_equal(&box, (&(struct um_box3){ { 1, 2, 2 }, { 2, 2, 3 } }), sizeof box);
    assert_true(count.total == 120 && count.air == 118 && count.tissue == 2);
}

static void boxes_are_read_strictly(void **state)
{
    static const char *bad[] = { "1,2,3",         "1,2,3,4,5", "1,2,3,4;",  "a,2,3,4",
                                 "1,2,3,nan",     "1,2,1,4",   "1,2,3,2",   "1,2,30,4",
                                 "-2,0,3,4",      "1,2,3,4;;", "1,2,inf,4", ";",
                                 "1,2,3,4;5,6,7", "0x1,2,3,4", " 1,2,3,4",  "1,2,3,4 ",
                                 "1 ,2,3,4",      "1,2,3,4; " };
    struct um_rects    r;

    (void)state;
    assert_int_equal(um_rects_parse(arena, "1,2,3,4;-0.5,0,20.5,10.25", 20, 10, &r), UM_OK);
    assert_int_equal(r.n, 2);
    assert_true(r.box[0][0] == 1 && r.box[0][3] == 4 && r.box[1][0] == 0 && r.box[1][2] == 20 &&
                r.box[1][3] == 10);
    assert_int_equal(um_rects_parse(arena, "1, 2,3,  4; 5,6,9,10", 20, 10, &r), UM_OK);
    assert_true(r.n == 2 && r.box[0][3] == 4 && r.box[1][0] == 5);
    assert_int_equal(um_rects_parse(arena, "", 20, 10, &r), UM_OK);
    assert_int_equal(r.n, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (um_rects_parse(arena, bad[i], 20, 10, &r) == UM_OK)
            fail_msg("\"%s\" was taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_lie_where_the_affine_says),
        cmocka_unit_test(spacing_keeps_the_near_edge),
        cmocka_unit_test(centre_is_the_centre),
        cmocka_unit_test(masks_follow),
        cmocka_unit_test(foreground_is_the_smallest_box),
        cmocka_unit_test(boxes_are_read_strictly),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
