/* rows.c - blocks of rows, turned in tiles that stay in the first cache */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grid/rows.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    BLOCK     = 64,      /* rows or planes a block holds: one or two cache lines of CT voxels */
    TILE      = 8,       /* voxels, squared, that are turned at once */
    BLOCK_MAX = 1 << 25, /* bytes */
    LINE      = 64,      /* bytes, of the caches */
};

/* to[k * stride + x] = from[x * step + k] for x < n, k < rows: lines of `from` are read once */
#define TURN(NAME, T)                                                                              \
    static void NAME(const void *from, int64_t step, int64_t rows, int64_t n, void *to,            \
                     int64_t stride)                                                               \
    {                                                                                              \
        const T *s = from;                                                                         \
        T       *d = to;                                                                           \
                                                                                                   \
        for (int64_t x = 0; x < n; x += TILE)                                                      \
            for (int64_t k = 0; k < rows; k += TILE)                                               \
                for (int64_t i = x; i < n && i < x + TILE; i++)                                    \
                    for (int64_t m = k; m < rows && m < k + TILE; m++)                             \
                        d[m * stride + i] = s[i * step + m];                                       \
    }
TURN(turn_1, uint8_t)
TURN(turn_2_plain, uint16_t)
TURN(turn_4, uint32_t)
TURN(turn_8, uint64_t)

#ifdef __SSE2__
/* eight rows of eight, turned: three rounds of interleaving */
static void turn_tile(const uint16_t *s, int64_t step, uint16_t *d, int64_t stride)
{
    __m128i a[TILE], b[TILE];

    for (int i = 0; i < TILE; i++)
        a[i] = _mm_loadu_si128((const __m128i *)(s + i * step));
    for (int i = 0; i < 4; i++) {
        b[2 * i]     = _mm_unpacklo_epi16(a[i], a[i + 4]);
        b[2 * i + 1] = _mm_unpackhi_epi16(a[i], a[i + 4]);
    }
    for (int i = 0; i < 4; i++) {
        a[2 * i]     = _mm_unpacklo_epi16(b[i], b[i + 4]);
        a[2 * i + 1] = _mm_unpackhi_epi16(b[i], b[i + 4]);
    }
    for (int i = 0; i < 4; i++) {
        _mm_storeu_si128((__m128i *)(d + 2 * i * stride), _mm_unpacklo_epi16(a[i], a[i + 4]));
        _mm_storeu_si128((__m128i *)(d + (2 * i + 1) * stride), _mm_unpackhi_epi16(a[i], a[i + 4]));
    }
}

static void turn_2(const void *from, int64_t step, int64_t rows, int64_t n, void *to,
                   int64_t stride)
{
    const uint16_t *s  = from;
    uint16_t       *d  = to;
    const int64_t   nx = n - n % TILE, nk = rows - rows % TILE;

    for (int64_t x = 0; x < nx; x += TILE)
        for (int64_t k = 0; k < nk; k += TILE)
            turn_tile(s + x * step + k, step, d + k * stride + x, stride);
    turn_2_plain(s + nx * step, step, nk, n - nx, d + nx, stride);
    turn_2_plain(s + nk, step, rows - nk, n, d + nk * stride, stride);
}
#else
#define turn_2 turn_2_plain
#endif

typedef void turn_fn(const void *, int64_t, int64_t, int64_t, void *, int64_t);

/* the axis along which neighbours lie side by side; 2 if rows do well as they are */
static int fastest(const struct um_volume *v)
{
    if (v->dim[2] < TILE || llabs(v->step[2]) == 1)
        return 2;
    for (int i = 0; i < 2; i++)
        if (llabs(v->step[i]) == 1 && v->dim[i] >= TILE)
            return i;
    return 2;
}

/* rows of the block begin a cache line off each other, or powers of two would share a few sets */
static void set_steps(struct um_rows *r)
{
    const int64_t pad = LINE / (int64_t)um_voxel_size(r->v->type);

    r->block.step[2] = 1;
    r->block.step[1] = r->v->dim[2] + pad;
    r->block.step[0] = r->most[1] * r->block.step[1] + pad;
}

int um_rows_new(struct um_arena *a, const struct um_volume *v, struct um_rows *r)
{
    const int64_t size = (int64_t)um_voxel_size(v->type);

    *r = (struct um_rows){ .v = v, .block = *v, .fast = fastest(v), .most = { 1, 1 } };
    if (r->fast == 2)
        return UM_OK;
    if (r->fast == 0)
        r->most[1] = v->dim[1];
    r->most[r->fast] = v->dim[r->fast] < BLOCK ? v->dim[r->fast] : BLOCK;
    set_steps(r);
    while (r->most[0] > BLOCK_MAX / size / r->block.step[0])
        r->most[0] /= 2;
    if (r->most[r->fast] < TILE)
        return UM_OK;
    r->voxels       = um_alloc_array(a, r->most[0] * r->block.step[0], (size_t)size);
    r->block.voxels = r->voxels;
    return r->voxels ? UM_OK : UM_ENOMEM;
}

static void *at(void *p, int64_t elements, enum um_voxel type)
{
    return (char *)p + elements * (int64_t)um_voxel_size(type);
}

/* the rows of one plane (fast: y) or the same row of several (fast: z) */
static void turn(const struct um_rows *r, int64_t z, int64_t y)
{
    static turn_fn *const   fn[] = { [1] = turn_1, [2] = turn_2, [4] = turn_4, [8] = turn_8 };
    const struct um_volume *v = r->v, *b = &r->block;
    const int64_t           rows = r->n[r->fast];
    const int64_t           from = z * v->step[0] + y * v->step[1],
                  to             = (z - r->at[0]) * b->step[0] + (y - r->at[1]) * b->step[1];
    const int64_t back = v->step[r->fast] < 0 ? rows - 1 : 0; /* turned from the lowest place on */

    fn[um_voxel_size(v->type)](
        (const char *)v->voxels + (from - back) * (int64_t)um_voxel_size(v->type), v->step[2], rows,
        v->dim[2], at(r->voxels, to + back * b->step[r->fast], v->type),
        back ? -b->step[r->fast] : b->step[r->fast]);
}

static void fill(struct um_rows *r, int64_t z, int64_t y)
{
    const int64_t want[2] = { z, y };

    for (int i = 0; i < 2; i++) {
        const int64_t left = r->v->dim[i] - (r->at[i] = want[i] - want[i] % r->most[i]);

        r->n[i] = left < r->most[i] ? left : r->most[i];
    }
    if (r->fast == 1)
        turn(r, z, r->at[1]);
    else
        for (int64_t i = 0; i < r->n[1]; i++)
            turn(r, r->at[0], i);
}

int um_rows_get(struct um_rows *r, int64_t z, int64_t y, float *hu)
{
    if (!r->voxels)
        return um_volume_row(r->v, z, y, hu);
    if (z < r->at[0] || z >= r->at[0] + r->n[0] || y < r->at[1] || y >= r->at[1] + r->n[1])
        fill(r, z, y);
    if (um_volume_row(&r->block, z - r->at[0], y - r->at[1], hu) >= 0)
        return UM_OK;
    return um_volume_row(r->v, z, y, hu); /* says where, in the volume's own numbers */
}
