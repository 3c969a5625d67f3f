/* attention/matrix.h - attention of bf16 on matrix units: tiles, products and dropout, which
 * matrix_fwd.cu and matrix_bwd.cu share
 *
 * A warp owns 16 rows (or twice as many in the forward): products of its rows with a tile of the
 * other side give scores in its registers, which rounded to bf16 are at once the first operand of
 * the next product (ptx.h), so neither scores nor probabilities leave registers. Tiles of the other
 * side come to shared memory by cp.async while the one before is worked on; keys that do not count
 * come as zeros and are never read. Rows in shared memory lie 16 bytes further apart than they are
 * long, so that the eight rows of an ldmatrix meet in no bank. Of a sample's last tile only as many
 * sixteenths are worked on as hold something, if that is at most half: with [CLS] in front, tokens
 * are often one more than a multiple of a tile.
 *
 * The backward makes the scores again from lse, once with queries as rows (dq, and delta by the
 * way) and once with keys as rows (dk, dv): the same kernel with its sides exchanged.
 * Source: Dao, arXiv:2307.08691 (online softmax per tile, rows split over warps).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_ATTENTION_MATRIX_H
#define UM_KERNELS_ATTENTION_MATRIX_H

#include <string.h>

#include "kernels/attention/place.h"
#include "kernels/ptx.h"

typedef __nv_bfloat16 bf16;

enum { WARPS = 4, THREADS = 32 * WARPS };

static const float LOG2E = 1.4426950408889634f;

/* where this lane's elements of a product lie: rows lane_row() and 8 further, columns lane_col()
 * and the next, of each tile of 16 x 8 */
static __device__ inline int lane_row(void)
{
    return (int)(threadIdx.x % 32 / 4);
}

static __device__ inline int lane_col(void)
{
    return (int)(threadIdx.x % 4 * 2);
}

/* two numbers rounded, the first in the low half */
static __device__ inline uint32_t pair(float x, float y)
{
    const __nv_bfloat162 v = __floats2bfloat162_rn(x, y);
    uint32_t             r;

    memcpy(&r, &v, sizeof r);
    return r;
}

/* and back: bf16 is the upper half of a float */
static __device__ inline float2 halves(uint32_t v)
{
    return make_float2(__uint_as_float(v << 16), __uint_as_float(v & 0xffff0000u));
}

/* ---- tiles ---- */

/* begins to copy the rows whose bit is set, of d <= D channels; all else is 0 */
template <int D, int ROWS>
static __device__ void fetch(bf16 *to, const bf16 *from, int64_t ld, int d, uint64_t wanted)
{
    for (int i = threadIdx.x; i < ROWS * (D / 8); i += THREADS) {
        const int r = i / (D / 8), c = i % (D / 8) * 8;

        um_cp_async16(to + r * (D + 8) + c, from + r * ld + c, (wanted >> r & 1) && c < d);
    }
}

/* the fragments of 16 channels of the 16 rows at x, as first operand */
template <int D> static __device__ inline void rows16(uint32_t f[4], const bf16 *x)
{
    const int lane = (int)(threadIdx.x % 32);

    um_ldmatrix_x4(f, x + lane % 16 * (D + 8) + lane / 16 * 8);
}

/* s += rows . columns over 16 channels from k on; `b`: N columns, each D channels in a row */
template <int D, int M, int N>
static __device__ inline void scores(float (&s)[M][N / 8][4], const uint32_t (&a)[M][4],
                                     const bf16 *b, int k)
{
    const int   lane = (int)(threadIdx.x % 32);
    const bf16 *row  = b + (lane / 16 * 8 + lane % 8) * (D + 8) + k + lane / 8 % 2 * 8;

#pragma unroll
    for (int n = 0; n < N / 16; n++) {
        uint32_t f[4];

        um_ldmatrix_x4(f, row + 16 * n * (D + 8));
#pragma unroll
        for (int m = 0; m < M; m++) {
            um_mma_bf16(s[m][2 * n], a[m], f);
            um_mma_bf16(s[m][2 * n + 1], a[m], f + 2);
        }
    }
}

/* sum += weights of 16 columns times those columns, which lie from b on */
template <int D, int M>
static __device__ inline void combine(float (&sum)[M][D / 8][4], const uint32_t (&a)[M][4],
                                      const bf16 *b)
{
    const int   lane = (int)(threadIdx.x % 32);
    const bf16 *row  = b + lane % 16 * (D + 8) + lane / 16 * 8;

#pragma unroll
    for (int c = 0; c < D / 16; c++) {
        uint32_t f[4];

        um_ldmatrix_x4_trans(f, row + 16 * c);
#pragma unroll
        for (int m = 0; m < M; m++) {
            um_mma_bf16(sum[m][2 * c], a[m], f);
            um_mma_bf16(sum[m][2 * c + 1], a[m], f + 2);
        }
    }
}

/* two neighbouring tiles of a product as the first operand of another */
static __device__ inline void operand(uint32_t a[4], const float x[4], const float y[4])
{
    a[0] = pair(x[0], x[1]);
    a[1] = pair(x[2], x[3]);
    a[2] = pair(y[0], y[1]);
    a[3] = pair(y[2], y[3]);
}

/* the warp's rows, of which `rows` exist, times f[m][row / 8]; by way of its own part of shared
 * memory, so that 16 bytes are stored at a time */
template <int D, int M>
static __device__ void put(bf16 *y, int64_t ld, int d, int rows, const float (&x)[M][D / 8][4],
                           const float (&f)[M][2], bf16 *room)
{
    const int lane = (int)(threadIdx.x % 32);

    __syncwarp();
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
        for (int c = 0; c < D / 8; c++)
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const uint32_t two = pair(x[m][c][2 * i] * f[m][i], x[m][c][2 * i + 1] * f[m][i]);

                *(uint32_t *)(room + (16 * m + 8 * i + lane_row()) * (D + 8) + 8 * c + lane_col()) =
                    two;
            }
    __syncwarp();
    for (int i = lane; i < 16 * M * (D / 8); i += 32) {
        const int r = i / (D / 8), c = i % (D / 8) * 8;

        if (r < rows && c < d)
            *(uint4 *)(y + r * ld + c) = *(const uint4 *)(room + r * (D + 8) + c);
    }
}

/* ---- dropout: bit 4 c + i of what these return is for element i of tile c ---- */

/* of the warp's 16 rows from t on and N columns from u on: a lane makes half a row */
template <int N>
static __device__ uint32_t kept_row(const struct um_attn_view<bf16> &a,
                                    const struct um_attn_place &at, int t, int u)
{
    const int      lane = (int)(threadIdx.x % 32);
    const uint64_t i =
        at.pair + (uint64_t)(t + lane / 2) * (uint64_t)a.T_ + (uint64_t)(u + lane % 2 * (N / 2));
    const uint32_t half = um_attn_kept(a, i, N / 2);
    uint32_t       bits = 0;

#pragma unroll
    for (int r = 0; r < 2; r++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const uint32_t w =
                __shfl_sync(0xffffffffu, half, 2 * (lane_row() + 8 * r) + h) >> lane_col();

#pragma unroll
            for (int c = 0; c < N / 16; c++)
                bits |= (w >> (8 * c) & 3) << (4 * (h * (N / 16) + c) + 2 * r);
        }
    return bits;
}

/* rows being the 16 keys from u on, columns the N queries from t on: a lane makes a column */
template <int N>
static __device__ uint32_t kept_column(const struct um_attn_view<bf16> &a,
                                       const struct um_attn_place &at, int t, int u)
{
    const int lane = (int)(threadIdx.x % 32);
    uint32_t  bits = 0;

#pragma unroll
    for (int part = 0; part < N; part += 32) {
        const uint64_t i = at.pair + (uint64_t)(t + part + lane) * (uint64_t)a.T_ + (uint64_t)u;
        const uint32_t column = part + lane < N ? um_attn_kept(a, i, 16) : 0;

#pragma unroll
        for (int c = 0; c < 4 && part + 8 * c < N; c++)
#pragma unroll
            for (int e = 0; e < 2; e++) {
                const int      from = 8 * c + lane_col() + e;
                const uint32_t w    = __shfl_sync(0xffffffffu, column, from) >> lane_row();

                bits |= ((w & 1) | (w >> 8 & 1) << 2) << (4 * (part / 8 + c) + e);
            }
    }
    return bits;
}

/* run `call` with D bound to the channels that d is padded to */
#define SIZED(d, call)                                                                             \
    do {                                                                                           \
        if ((d) <= 32) {                                                                           \
            enum { D = 32 };                                                                       \
            call;                                                                                  \
        } else if ((d) <= 64) {                                                                    \
            enum { D = 64 };                                                                       \
            call;                                                                                  \
        } else if ((d) <= 80) {                                                                    \
            enum { D = 80 };                                                                       \
            call;                                                                                  \
        } else if ((d) <= 96) {                                                                    \
            enum { D = 96 };                                                                       \
            call;                                                                                  \
        } else {                                                                                   \
            enum { D = 128 };                                                                      \
            call;                                                                                  \
        }                                                                                          \
    } while (0)

#endif
