/* attention/matrix_fwd.cu - the forward on matrix units */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/attention/matrix.h"

enum { COLS = 64 }; /* keys of a tile */

/* blocks at a time that a multiprocessor's registers hold: the most that spills nothing */
static constexpr int forward_blocks(int D, int M)
{
    return M == 2 ? 2 : D <= 32 ? 4 : D <= 80 ? 3 : 2;
}

/* the warp's rows so far: sums of weighted values, greatest score, sum of weights (this lane's) */
template <int D, int M> struct online {
    float sum[M][D / 8][4], max[M][2], total[M][2];
};

/* 16 M rows of q from `row` on as first operands; rows from n on are 0 */
template <int D, int M>
static __device__ void load_queries(uint32_t (&f)[M][D / 16][4], const bf16 *q, int64_t ld, int d,
                                    int row, int n)
{
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
        for (int k = 0; k < D / 16; k++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int r = 16 * m + lane_row() + i % 2 * 8, c = 16 * k + lane_col() + i / 2 * 8;

                f[m][k][i] = row + r < n && c < d ? *(const uint32_t *)(q + r * ld + c) : 0;
            }
}

/* begins to copy a tile of keys and values; which of them count */
template <int D>
static __device__ uint64_t fetch_keys(bf16 *to, const struct um_attn_view<bf16> &a,
                                      const struct um_attn_place &at, int u)
{
    const uint64_t keys = um_attn_keys(a, at, u);

    fetch<D, COLS>(to, a.k + um_attn_at(a, at, u, a.ldk), a.ldk, a.d, keys);
    fetch<D, COLS>(to + COLS * (D + 8), a.v + um_attn_at(a, at, u, a.ldv), a.ldv, a.d, keys);
    um_cp_async_commit();
    return keys;
}

template <int M, int N>
static __device__ inline void leave_out(float (&s)[M][N / 8][4], uint64_t keys)
{
    const uint64_t all = ~(uint64_t)0 >> (64 - N), mine = keys >> lane_col();

    if ((keys & all) == all)
        return;
#pragma unroll
    for (int c = 0; c < N / 8; c++)
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int m = 0; m < M; m++)
                if (!(mine >> (8 * c + i % 2) & 1))
                    s[m][c][i] = -INFINITY;
}

/* 2^x in one instruction; with wide heads, whose registers are full, by what spills none */
template <int M> static __device__ inline float power(float x)
{
    return M == 1 ? exp2f(x) : um_exp2(x);
}

/* scores of rows 16 m + 8 r + lane_row() become weights relative to the greatest so far */
template <int D, int M, int N>
static __device__ inline void weigh(struct online<D, M> &w, float (&s)[M][N / 8][4], int m, int r,
                                    float scale)
{
    float max = w.max[m][r], total = 0;

#pragma unroll
    for (int c = 0; c < N / 8; c++)
        max = fmaxf(max, fmaxf(s[m][c][2 * r], s[m][c][2 * r + 1]));
    max = fmaxf(max, __shfl_xor_sync(0xffffffffu, max, 1));
    max = fmaxf(max, __shfl_xor_sync(0xffffffffu, max, 2));
    /* no score yet: 0 is taken away, not -inf, so that exp(-inf) is 0 */
    const float base = max == -INFINITY ? 0 : max * scale;
    const float fade = power<M>(fmaf(w.max[m][r], scale, -base));
#pragma unroll
    for (int c = 0; c < N / 8; c++)
#pragma unroll
        for (int i = 2 * r; i < 2 * r + 2; i++) {
            s[m][c][i] = power<M>(fmaf(s[m][c][i], scale, -base));
            total += s[m][c][i];
        }
#pragma unroll
    for (int c = 0; c < D / 8; c++) {
        w.sum[m][c][2 * r] *= fade;
        w.sum[m][c][2 * r + 1] *= fade;
    }
    w.total[m][r] = w.total[m][r] * fade + total;
    w.max[m][r]   = max;
}

/* the queries from t on and N keys from u on, which lie at k, their values COLS rows behind them */
template <int D, int M, int N>
static __device__ inline void attend(struct online<D, M> &w, const uint32_t (&q)[M][D / 16][4],
                                     const bf16 *k, const struct um_attn_view<bf16> &a,
                                     const struct um_attn_place &at, int t, int u, uint64_t keys)
{
    float    s[M][N / 8][4] = {};
    uint32_t f[M][4];

#pragma unroll
    for (int c = 0; c < D / 16; c++) {
#pragma unroll
        for (int i = 0; i < 4 * M; i++)
            f[i / 4][i % 4] = q[i / 4][c][i % 4];
        scores<D, M, N>(s, f, k, 16 * c);
    }
    leave_out<M, N>(s, keys);
#pragma unroll
    for (int m = 0; m < M; m++) {
        weigh<D, M, N>(w, s, m, 0, a.scale * LOG2E);
        weigh<D, M, N>(w, s, m, 1, a.scale * LOG2E);
        if (a.drop.p > 0) { /* what is kept is scaled at the end */
            const uint32_t kept = kept_row<N>(a, at, t + 16 * m, u);

#pragma unroll
            for (int i = 0; i < N / 2; i++)
                s[m][i / 4][i % 4] = kept >> i & 1 ? s[m][i / 4][i % 4] : 0;
        }
    }
#pragma unroll
    for (int c = 0; c < N / 16; c++) {
#pragma unroll
        for (int m = 0; m < M; m++)
            operand(f[m], s[m][2 * c], s[m][2 * c + 1]);
        combine<D, M>(w.sum, f, k + (COLS + 16 * c) * (D + 8));
    }
}

/* a tile of keys, which lies at kv */
template <int D, int M>
static __device__ inline void attend_tile(struct online<D, M> &w, const uint32_t (&q)[M][D / 16][4],
                                          const bf16 *kv, const struct um_attn_view<bf16> &a,
                                          const struct um_attn_place &at, int t, int u,
                                          uint64_t keys)
{
    if (at.n - u > COLS / 2)
        attend<D, M, COLS>(w, q, kv, a, at, t, u, keys);
    else
#pragma unroll 1
        for (int c = 0; c < at.n - u; c += 16)
            attend<D, M, 16>(w, q, kv + c * (D + 8), a, at, t, u + c, keys >> c);
}

/* o and lse of the warp's rows from t on */
template <int D, int M>
static __device__ inline void finish(struct online<D, M> &w, bf16 *o, float *lse,
                                     const struct um_attn_view<bf16> &a,
                                     const struct um_attn_place &at, int t, bf16 *room)
{
    float f[M][2];

#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int row = t + 16 * m + 8 * r + lane_row();

            w.total[m][r] += __shfl_xor_sync(0xffffffffu, w.total[m][r], 1);
            w.total[m][r] += __shfl_xor_sync(0xffffffffu, w.total[m][r], 2);
            f[m][r] = a.keep / w.total[m][r];
            if (lane_col() == 0 && row < at.n)
                lse[at.lse + row] = w.max[m][r] * a.scale + logf(w.total[m][r]);
        }
    put<D, M>(o + um_attn_at(a, at, t, a.ldo), a.ldo, a.d, at.n - t, w.sum, f, room);
}

template <int D, int M>
static __global__ void __launch_bounds__(THREADS, forward_blocks(D, M))
    forward(bf16 *o, float *lse, struct um_attn_view<bf16> a, int *flag)
{
    extern __shared__ __align__(16) unsigned char um_shared[];

    const int            warp = (int)threadIdx.x / 32, tile = 2 * COLS * (D + 8);
    bf16 *const          kv = (bf16 *)um_shared; /* two tiles of keys and values */
    struct um_attn_place at;
    uint32_t             q[M][D / 16][4];
    struct online<D, M>  w {
    };
    uint64_t any = 0, next;

    if (!um_attn_find(a, 16 * M * WARPS, &at))
        return;
    const int t = at.row0 + 16 * M * warp;
    for (int i = 0; i < 2 * M; i++)
        w.max[i / 2][i % 2] = -INFINITY;
    next = fetch_keys<D>(kv, a, at, 0);
    load_queries<D, M>(q, a.q + um_attn_at(a, at, t, a.ldq), a.ldq, a.d, t, at.n);
    for (int u = 0, turn = 0; u < at.n; u += COLS, turn ^= 1) {
        const uint64_t keys = next;

        any |= keys;
        um_cp_async_wait<0>();
        __syncthreads(); /* this tile is here, and nobody reads the one before */
        if (u + COLS < at.n)
            next = fetch_keys<D>(kv + (turn ^ 1) * tile, a, at, u + COLS);
        if (keys != 0 && t < at.n)
            attend_tile<D, M>(w, q, kv + turn * tile, a, at, t, u, keys);
    }
    if (any == 0 && threadIdx.x == 0)
        *flag = 1;
    __syncthreads();
    finish<D, M>(w, o, lse, a, at, t, kv + 16 * M * warp * (D + 8));
}

template <int D, int M>
static int forward_by(struct um_dev *dev, void *o, float *lse, const struct um_attn *a)
{
    const size_t bytes  = 4 * COLS * (D + 8) * sizeof(bf16);
    unsigned     blocks = 0;

    UM_TRY(um_attn_blocks(a, 16 * M * WARPS, &blocks));
    UM_TRY(um_attn_allow(dev, forward<D, M>, bytes));
    um_launch(dev, forward<D, M>, blocks, THREADS, bytes, (bf16 *)o, lse,
              um_attn_view_of<bf16>(a, 16 * M * WARPS), um_cuda_of(dev)->flag);
    return um_cuda_launched(dev, "attention_fwd");
}

/* 32 rows a warp where registers allow and there are enough of them: each fragment of a tile then
 * serves two products */
int um_attn_matrix_fwd(struct um_dev *dev, void *o, float *lse, const struct um_attn *a)
{
    if (a->T > 64 && a->d <= 64)
        SIZED(a->d, return (forward_by<(D <= 64 ? D : 64), 2>(dev, o, lse, a)));
    else
        SIZED(a->d, return (forward_by<D, 1>(dev, o, lse, a)));
}
