/* grid_rows.c - rows that are turned in blocks are the rows of the volume, bit for bit */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "grid/rows.h"
#include "with_arena.h"

static struct um_rng rng;

static int64_t below(int64_t n)
{
    return (int64_t)um_rng_below(&rng, (uint64_t)n);
}

/* a cut out of random voxels whose axes run in the order fast, middle, slow; bit i of `flips`: axis
 * i runs backwards */
static struct um_volume random_volume(enum um_voxel type, const int order[3], int flips)
{
    const int64_t    size = (int64_t)um_voxel_size(type);
    struct um_volume v    = { .type = type, .slope = 0.5, .inter = -1024 };
    int64_t          at = 0, n = 1, first[3], part[3];
    uint8_t         *x;

    for (int i = 0; i < 3; i++) {
        v.dim[order[i]]  = 1 + below(i == 0 ? 150 : 40);
        v.step[order[i]] = n;
        n *= v.dim[order[i]];
    }
    x = um_alloc_array(arena, n, (size_t)size);
    assert_non_null(x);
    for (int64_t i = 0; i < n * size; i++)
        x[i] = (uint8_t)um_rng_below(&rng, 256);
    for (int i = 0; i < 3; i++) {
        if (flips >> i & 1) {
            at += (v.dim[i] - 1) * v.step[i];
            v.step[i] = -v.step[i];
        }
        first[i] = below(v.dim[i]) / 3;
        part[i]  = v.dim[i] - first[i] - below(v.dim[i] - first[i]) / 3;
    }
    v.voxels  = x + at * size;
    v.replace = true; /* floats of random bits: NaN among them */
    v.instead = -7;
    um_volume_crop(&v, first, part);
    return v;
}

static void same_row(struct um_rows *r, const struct um_volume *v, int64_t z, int64_t y)
{
    static float got[256], want[256];

    assert_int_equal(um_volume_row(v, z, y, want), UM_OK);
    assert_int_equal(um_rows_get(r, z, y, got), UM_OK);
    if (memcmp(got, want, (size_t)v->dim[2] * sizeof *got) != 0)
        fail_msg("type %d, %lld x %lld x %lld, steps %lld, %lld, %lld: row %lld, %lld",
                 (int)v->type, (long long)v->dim[0], (long long)v->dim[1], (long long)v->dim[2],
                 (long long)v->step[0], (long long)v->step[1], (long long)v->step[2], (long long)z,
                 (long long)y);
}

static void every_order_of_axes(void **state)
{
    static const int order[6][3] = { { 2, 1, 0 }, { 2, 0, 1 }, { 1, 2, 0 },
                                     { 1, 0, 2 }, { 0, 1, 2 }, { 0, 2, 1 } };
    int              turned      = 0;

    (void)state;
    for (int i = 0; i < 6 * 8 * 10; i++) {
        const struct um_volume v =
            random_volume((enum um_voxel)(i % 10), order[i / 80], i / 10 % 8);
        struct um_rows r;

        assert_int_equal(um_rows_new(arena, &v, &r), UM_OK);
        turned += r.voxels != NULL;
        for (int64_t z = 0; z < v.dim[0]; z++)
            for (int64_t y = 0; y < v.dim[1]; y++)
                same_row(&r, &v, z, y);
        for (int k = 0; k < 100; k++)
            same_row(&r, &v, below(v.dim[0]), below(v.dim[1]));
        um_arena_reset(arena);
    }
    assert_true(turned > 100); /* of 320 where x does not run fastest */
}

/* where z runs fastest all rows of a plane wait for the next one: not without end */
static void blocks_are_bounded(void **state)
{
    const int64_t    nx = 200, ny = 3900;
    struct um_volume v = {
        .type = UM_VOX_U8, .dim = { 64, ny, nx }, .step = { 1, 64, 64 * ny }, .slope = 1
    };
    uint8_t       *x = um_alloc_array(arena, 64 * ny * nx, 1);
    struct um_rows r;

    (void)state;
    assert_non_null(x);
    v.voxels = x;
    for (int64_t i = 0; i < 64 * ny * nx; i++)
        x[i] = (uint8_t)(i * 2654435761 >> 13);
    assert_int_equal(um_rows_new(arena, &v, &r), UM_OK);
    assert_true(r.voxels && r.n[0] == 0);
    for (int64_t z = 0; z < 64; z += 3)
        for (int64_t y = z % 7; y < ny; y += 501)
            same_row(&r, &v, z, y);
    assert_true(r.most[0] * r.block.step[0] <= 1 << 25 && r.n[0] == 32);
}

/* not "row 5 of the block" */
static void messages_name_the_voxel(void **state)
{
    static float     x[10][12][70];
    float            hu[10];
    struct um_volume v = { .voxels = x,
                           .type   = UM_VOX_F32,
                           .dim    = { 12, 70, 10 },
                           .step   = { 70, 1, 12 * 70 },
                           .slope  = 1 };
    struct um_rows   r;

    (void)state;
    x[3][11][67] = NAN;
    assert_int_equal(um_rows_new(arena, &v, &r), UM_OK);
    assert_non_null(r.voxels);
    assert_int_equal(um_rows_get(&r, 11, 66, hu), UM_OK);
    assert_int_equal(um_rows_get(&r, 11, 67, hu), UM_ENONFINITE);
    assert_non_null(strstr(um_errmsg(), "voxel x 3, y 67, z 11 (of 10 x 70 x 12) is nan"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_order_of_axes),
                                        cmocka_unit_test(blocks_are_bounded),
                                        cmocka_unit_test(messages_name_the_voxel) };

    rng = um_rng_at(11, UM_RNG_TEST, 0, 0);
    return cmocka_run_group_tests_name("grid_rows", tests, setup, teardown);
}
