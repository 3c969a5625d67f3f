/* attention/matrix_bwd.cu - the backward on matrix units: dq over the keys, then dk and dv over the
 * queries, by one kernel with its sides exchanged
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/attention/matrix.h"

/* blocks at a time that a multiprocessor's registers hold: the most that spills nothing */
static constexpr int backward_blocks(int D, bool keys)
{
    return D == 64 || (keys && D < 64) ? 3 : 2;
}

/* columns of a tile */
static constexpr int columns_of(int D, bool keys)
{
    return D <= (keys ? 32 : 80) ? 64 : 32;
}

/* the two arrays of a side, at the head's token 0: what scores are made of, what dp is made of */
struct side {
    const bf16 *x, *g;
    int64_t     ldx, ldg;
};

template <bool KEYS>
static __device__ struct side side_of(const struct um_attn_view<bf16> &a,
                                      const struct um_attn_place &at, const bf16 *dout)
{
    struct side s;

    s.x   = KEYS ? a.k + um_attn_at(a, at, 0, a.ldk) : a.q + um_attn_at(a, at, 0, a.ldq);
    s.g   = KEYS ? a.v + um_attn_at(a, at, 0, a.ldv) : dout + um_attn_at(a, at, 0, a.ldo);
    s.ldx = KEYS ? a.ldk : a.ldq;
    s.ldg = KEYS ? a.ldv : a.ldo;
    return s;
}

/* N rows from `from` on of both arrays, one behind the other */
template <int D, int N>
static __device__ inline void fetch_side(bf16 *to, const struct side &s, int from, int d,
                                         uint64_t wanted)
{
    fetch<D, N>(to, s.x + from * s.ldx, s.ldx, d, wanted);
    fetch<D, N>(to + N * (D + 8), s.g + from * s.ldg, s.ldg, d, wanted);
    um_cp_async_commit();
}

/* bits of N columns: keys that count where rows are queries, else queries */
template <int N, bool KEYS>
static __device__ inline uint64_t columns(const struct um_attn_view<bf16> &a,
                                          const struct um_attn_place &at, int from)
{
    const uint64_t all = KEYS ? um_attn_rows(at.n, from) : um_attn_keys(a, at, from);

    return N < 64 ? all & (((uint64_t)1 << N) - 1) : all;
}

/* what a row or column that is a query subtracts: log2 of its sum of weights, and dout . o */
struct query {
    float lse, delta;
};

/* delta of the warp's queries from t on, whose dout lies at g, and their lse; kept for keys' turn
 */
template <int D>
static __device__ void prepare(struct query (&mine)[2], const bf16 *o, const float *lse,
                               float *delta, const bf16 *g, const struct um_attn_view<bf16> &a,
                               const struct um_attn_place &at, int t)
{
    const bf16 *from   = o + um_attn_at(a, at, t, a.ldo);
    float       sum[2] = {};

#pragma unroll
    for (int k = 0; k < D / 16; k++) {
        uint32_t f[4];

        rows16<D>(f, g + 16 * k);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int r = lane_row() + i % 2 * 8, c = 16 * k + lane_col() + i / 2 * 8;

            if (t + r < at.n && c < a.d) {
                const float2 y = halves(f[i]);
                const float2 z = halves(*(const uint32_t *)(from + r * a.ldo + c));

                sum[i % 2] += y.x * z.x + y.y * z.y;
            }
        }
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int row = t + lane_row() + 8 * r;

        sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], 1);
        sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], 2);
        mine[r].delta = sum[r];
        mine[r].lse   = row < at.n ? lse[at.lse + row] * LOG2E : 0;
        if (lane_col() == 0 && row < at.n)
            delta[at.lse + row] = sum[r];
    }
}

/* the same of N queries as columns from t on, one number a thread: lse, then delta */
template <int N>
static __device__ inline float query_number(const float *lse, const float *delta,
                                            const struct um_attn_place &at, int t)
{
    const int row = t + (int)threadIdx.x % N;

    if ((int)threadIdx.x >= 2 * N || row >= at.n)
        return 0;
    return (int)threadIdx.x < N ? lse[at.lse + row] * LOG2E : delta[at.lse + row];
}

/* columns in shared memory: both arrays' rows, and where they are queries their numbers */
struct tile {
    const bf16  *x, *g;
    const float *lse, *delta;
};

template <int D, int N>
static __device__ inline struct tile tile_at(const bf16 *rows, const float *numbers)
{
    return { rows, rows + N * (D + 8), numbers, numbers + N };
}

/* scores and dp become ds (but for 1/sqrt(d)) and the weights that dropout left (but for its
 * scale) */
template <int N, bool KEYS>
static __device__ inline void gradients(float (&s)[1][N / 8][4], float (&dp)[1][N / 8][4],
                                        const struct query (&mine)[2], const struct tile &of,
                                        float scale, float keep, uint64_t wanted, uint32_t kept)
{
#pragma unroll
    for (int c = 0; c < N / 8; c++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int   col   = 8 * c + lane_col() + i % 2;
            const float lse   = KEYS ? of.lse[col] : mine[i / 2].lse;
            const float delta = KEYS ? of.delta[col] : mine[i / 2].delta;
            const bool  on = wanted >> col & 1, left = kept >> (4 * c + i) & 1;
            const float p = um_exp2(fmaf(s[0][c][i], scale, -lse));

            s[0][c][i]  = on ? p * ((left ? dp[0][c][i] * keep : 0) - delta) : 0;
            dp[0][c][i] = on && left ? p : 0;
        }
}

/* what a warp adds up of its 16 rows: dq alone, or dk and dv */
template <int D, bool KEYS> struct sums {
    float x[1][D / 8][4], g[1][KEYS ? D / 8 : 1][4];
};

/* the warp's rows from r on, which lie at `own`, and N columns from c on */
template <int D, int N, bool KEYS>
static __device__ inline void
exchange(struct sums<D, KEYS> &w, const bf16 *own, const struct query (&mine)[2],
         const struct tile &of, const struct um_attn_view<bf16> &a, const struct um_attn_place &at,
         int r, int c, uint64_t wanted)
{
    float    s[1][N / 8][4] = {}, g[1][N / 8][4] = {};
    uint32_t kept = ~(uint32_t)0, f[1][4];

#pragma unroll
    for (int k = 0; k < D; k += 16) {
        rows16<D>(f[0], own + k);
        scores<D, 1, N>(s, f, of.x, k);
        rows16<D>(f[0], own + 16 * WARPS * (D + 8) + k);
        scores<D, 1, N>(g, f, of.g, k);
    }
    if (a.drop.p > 0)
        kept = KEYS ? kept_column<N>(a, at, c, r) : kept_row<N>(a, at, r, c);
    gradients<N, KEYS>(s, g, mine, of, a.scale * LOG2E, a.keep, wanted, kept);
#pragma unroll
    for (int k = 0; k < N / 16; k++) {
        operand(f[0], s[0][2 * k], s[0][2 * k + 1]);
        combine<D, 1>(w.x, f, of.x + 16 * k * (D + 8));
        if constexpr (KEYS) {
            operand(f[0], g[0][2 * k], g[0][2 * k + 1]);
            combine<D, 1>(w.g, f, of.g + 16 * k * (D + 8));
        }
    }
}

/* the warp's rows and a tile of N columns */
template <int D, int N, bool KEYS>
static __device__ inline void
exchange_tile(struct sums<D, KEYS> &w, const bf16 *own, const struct query (&mine)[2],
              struct tile of, const struct um_attn_view<bf16> &a, const struct um_attn_place &at,
              int r, int c, uint64_t wanted)
{
    if (at.n - c > N / 2) {
        exchange<D, N, KEYS>(w, own, mine, of, a, at, r, c, wanted);
        return;
    }
#pragma unroll 1
    for (; c < at.n; c += 16, wanted >>= 16) {
        exchange<D, 16, KEYS>(w, own, mine, of, a, at, r, c, wanted);
        of.x += 16 * (D + 8);
        of.g += 16 * (D + 8);
        of.lse += 16;
        of.delta += 16;
    }
}

/* dq, or dk and dv: the warp's rows from r on; keys that do not count get 0 */
template <int D, bool KEYS>
static __device__ inline void
finish(struct sums<D, KEYS> &w, const struct um_attn_grad &to, const struct um_attn_view<bf16> &a,
       const struct um_attn_place &at, int r, uint64_t rows, bf16 *room)
{
    bf16         *x  = (bf16 *)(KEYS ? to.dk : to.dq);
    const int64_t ld = KEYS ? a.ldk : a.ldq;
    float         f[1][2];

#pragma unroll
    for (int i = 0; i < 4 && KEYS; i++)
        if (!(rows >> (lane_row() + i / 2 * 8) & 1))
#pragma unroll
            for (int c = 0; c < D / 8; c++)
                w.x[0][c][i] = w.g[0][KEYS ? c : 0][i] = 0;
    f[0][0] = f[0][1] = a.scale;
    put<D, 1>(x + um_attn_at(a, at, r, ld), ld, a.d, at.n - r, w.x, f, room);
    if constexpr (KEYS) {
        f[0][0] = f[0][1] = a.keep;
        put<D, 1>((bf16 *)to.dv + um_attn_at(a, at, r, a.ldv), a.ldv, a.d, at.n - r, w.g, f, room);
    }
}

template <int D, int N, bool KEYS>
static __global__ void __launch_bounds__(THREADS, backward_blocks(D, KEYS))
    backward(struct um_attn_grad to, struct um_attn_view<bf16> a)
{
    extern __shared__ __align__(16) unsigned char um_shared[];

    const int            warp = (int)threadIdx.x / 32, size = 2 * N * (D + 8);
    bf16 *const          own     = (bf16 *)um_shared;           /* both arrays of the rows */
    bf16 *const          other   = own + 32 * WARPS * (D + 8);  /* two tiles of the columns */
    float *const         numbers = (float *)(other + 2 * size); /* two of query_number() */
    bf16 *const          ours    = own + 16 * warp * (D + 8);   /* the warp's part */
    struct query         mine[2] = {};
    struct sums<D, KEYS> w {
    };
    struct um_attn_place at;

    if (!um_attn_find(a, 16 * WARPS, &at))
        return;
    const struct side rows = side_of<KEYS>(a, at, (const bf16 *)to.dout);
    const struct side cols = side_of<!KEYS>(a, at, (const bf16 *)to.dout);
    const uint64_t    live = KEYS ? um_attn_keys(a, at, at.row0) : um_attn_rows(at.n, at.row0);
    const int         r = at.row0 + 16 * warp, end = live ? at.n : 0;
    uint64_t          next = columns<N, KEYS>(a, at, 0);

    fetch_side<D, 16 * WARPS>(own, rows, at.row0, a.d, live);
    fetch_side<D, N>(other, cols, 0, a.d, next);
    if (KEYS && (int)threadIdx.x < 2 * N)
        numbers[threadIdx.x] = query_number<N>(to.lse, to.delta, at, 0);
    for (int c = 0, turn = 0; c < end; c += N, turn ^= 1) {
        const uint64_t wanted = next;
        float          number = 0;

        um_cp_async_wait<0>();
        __syncthreads();
        if (!KEYS && c == 0)
            prepare<D>(mine, (const bf16 *)to.o, to.lse, to.delta, ours + 16 * WARPS * (D + 8), a,
                       at, r);
        if (c + N < at.n) {
            next = columns<N, KEYS>(a, at, c + N);
            fetch_side<D, N>(other + (turn ^ 1) * size, cols, c + N, a.d, next);
            number = KEYS ? query_number<N>(to.lse, to.delta, at, c + N) : 0;
        }
        if (wanted != 0 && r < at.n)
            exchange_tile<D, N, KEYS>(w, ours, mine,
                                      tile_at<D, N>(other + turn * size, numbers + turn * 2 * N), a,
                                      at, r, c, wanted);
        if (KEYS && (int)threadIdx.x < 2 * N)
            numbers[(turn ^ 1) * 2 * N + threadIdx.x] = number;
    }
    um_cp_async_wait<0>();
    __syncthreads();
    finish<D, KEYS>(w, to, a, at, r, live >> (16 * warp), ours);
}

template <int D, int N, bool KEYS>
static int backward_by(struct um_dev *dev, const struct um_attn_grad *g, const struct um_attn *a)
{
    const size_t bytes =
        (32 * WARPS + 4 * N) * (D + 8) * sizeof(bf16) + (KEYS ? 4 * N * sizeof(float) : 0);
    unsigned blocks = 0;

    UM_TRY(um_attn_blocks(a, 16 * WARPS, &blocks));
    UM_TRY(um_attn_allow(dev, backward<D, N, KEYS>, bytes));
    um_launch(dev, backward<D, N, KEYS>, blocks, THREADS, bytes, *g,
              um_attn_view_of<bf16>(a, 16 * WARPS));
    return um_cuda_launched(dev, "attention_bwd");
}

/* dq first: it makes delta */
int um_attn_matrix_bwd(struct um_dev *dev, const struct um_attn_grad *g, const struct um_attn *a)
{
    SIZED(a->d, UM_TRY((backward_by<D, columns_of(D, false), false>(dev, g, a))));
    SIZED(a->d, UM_TRY((backward_by<D, columns_of(D, true), true>(dev, g, a))));
    return UM_OK;
}
