/* slice.c - Eq. 2, the choice of slices, cutting and placing them */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/slice.h"
#include "with_arena.h"

static struct um_tensor floats(int ndim, const int64_t *dim, float *x)
{
    struct um_tensor t = { .name = "x", .dtype = UM_F32, .ndim = ndim, .data = x };

    memcpy(t.dim, dim, (size_t)ndim * sizeof *dim);
    return t;
}

static void scores_are_means_of_slabs(void **state)
{
    float            a[6] = { 1, 2, 3, 0, 0.5f, 1 };
    struct um_tensor att = floats(2, (int64_t[]){ 2, 3 }, a), score = { 0 };
    const float     *s;

    (void)state;
    assert_int_equal(um_slice_score(arena, &att, 8, &score), UM_OK);
    assert_int_equal(score.dim[0], 8);
    s = score.data;
    for (int z = 0; z < 8; z++)
        assert_true(fabsf(s[z] - (z < 4 ? 2.0f : 0.5f)) < 1e-6f);
    assert_int_equal(um_slice_score(arena, &att, 7, &score), UM_ESHAPE);
    a[4] = INFINITY;
    assert_int_equal(um_slice_score(arena, &att, 8, &score), UM_ENONFINITE);
}

static void check_choice(const struct um_tensor *score, int64_t k, bool spread, const int64_t *z,
                         const int64_t *rank)
{
    struct um_slice best[8];

    assert_int_equal(um_slice_select(score, 2, k, spread, best), UM_OK);
    for (int64_t i = 0; i < k; i++) {
        assert_int_equal(best[i].z, z[i]);
        assert_int_equal(best[i].rank, rank[i]);
        assert_true(best[i].score == ((const float *)score->data)[z[i]]);
    }
}

/* by (score descending, z ascending), written in ascending z */
static void choice_breaks_ties_by_z(void **state)
{
    float            s[8]  = { 1, 1, 3, 3, 2, 2, 3, 3 };
    struct um_tensor score = floats(1, (int64_t[]){ 8 }, s);
    struct um_slice  best[16];

    (void)state;
    check_choice(&score, 3, false, (int64_t[]){ 2, 3, 6 }, (int64_t[]){ 0, 1, 2 });
    check_choice(&score, 5, false, (int64_t[]){ 2, 3, 4, 6, 7 }, (int64_t[]){ 0, 1, 4, 2, 3 });
    check_choice(&score, 3, true, (int64_t[]){ 3, 5, 7 }, (int64_t[]){ 0, 2, 1 });
    check_choice(&score, 8, false, (int64_t[]){ 0, 1, 2, 3, 4, 5, 6, 7 },
                 (int64_t[]){ 6, 7, 0, 1, 4, 5, 2, 3 });
    assert_int_equal(um_slice_select(&score, 2, 9, false, best), UM_ERANGE);
    assert_int_equal(um_slice_select(&score, 2, 5, true, best), UM_ERANGE);
    assert_int_equal(um_slice_select(&score, 2, 0, false, best), UM_ERANGE);
    s[3] = NAN;
    assert_int_equal(um_slice_select(&score, 2, 8, false, best), UM_ENONFINITE);
}

/* a plane stays a plane under bilinear resizing, but at the clamped edge */
static void slices_are_bilinear(void **state)
{
    float            v[2 * 3 * 4];
    struct um_tensor vol = floats(3, (int64_t[]){ 2, 3, 4 }, v), image;
    const float     *x;

    (void)state;
    for (int i = 0; i < 24; i++)
        v[i] = (float)(100 * (i / 12) + 10 * (i / 4 % 3) + i % 4);
    assert_int_equal(um_slice_image(arena, &vol, 1, 6, &image), UM_OK);
    assert_true(image.ndim == 3 && image.dim[0] == 1 && image.dim[1] == 6 && image.dim[2] == 6);
    x = image.data;
    for (int r = 0; r < 6; r++)
        for (int q = 0; q < 6; q++) {
            const double y = fmin(fmax((r + 0.5) * 3 / 6 - 0.5, 0), 2);
            const double c = fmin(fmax((q + 0.5) * 4 / 6 - 0.5, 0), 3);

            assert_true(fabs((double)x[r * 6 + q] - (100 + 10 * y + c)) < 1e-4);
        }
    assert_int_equal(um_slice_image(arena, &vol, 2, 6, &image), UM_ESHAPE);
    assert_int_equal(um_slice_image(arena, &vol, 0, 0, &image), UM_ESHAPE);
}

static void position_is_the_centre(void **state)
{
    const double affine[12] = { -2, 0, 0, 31, 0, -3, 0, 50, 0, 0, 5, -100 };
    double       mm[3];

    (void)state;
    um_slice_position(affine, (int64_t[]){ 8, 11, 21 }, 3, mm);
    assert_true(mm[0] == 11 && mm[1] == 35 && mm[2] == -85);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(scores_are_means_of_slabs),
        cmocka_unit_test(choice_breaks_ties_by_z),
        cmocka_unit_test(slices_are_bilinear),
        cmocka_unit_test(position_is_the_centre),
    };

    return cmocka_run_group_tests_name("slice", all, setup, teardown);
}
