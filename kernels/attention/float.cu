/* attention/float.cu - attention in float, for float32 and for bf16 that matrix.h does not take:
 * any d up to 256, any strides
 *
 * 256 threads as 16 x 16: thread (i, j) makes the scores of rows i, i + 16, .. with columns j, j +
 * 16, .. of a tile of R x R, and for those rows the sums of channels 4j .. 4j + 3, 64 + 4j, ..
 * Both sides' rows and the weights lie in shared memory in float. A row's weights are made and
 * used by one half of a warp. The backward is one kernel with its sides exchanged, as in
 * matrix_bwd.cu. SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/attention/place.h"

enum { SIDE = 16, THREADS = SIDE * SIDE };

#define I ((int)threadIdx.x / SIDE)
#define J ((int)threadIdx.x % SIDE)

/* ---- tiles ---- */

/* R rows of d <= D channels as float where the row's bit is set, else 0 */
template <int D, int R, typename T>
static __device__ void fetch(float *to, const T *from, int64_t ld, int d, uint64_t wanted)
{
    for (int i = threadIdx.x; i < R * D; i += THREADS) {
        const int r = i / D, c = i % D;

        to[r * (D + 4) + c] = (wanted >> r & 1) && c < d ? um_ld(from, r * ld + c) : 0;
    }
}

static __device__ inline float4 four(const float *x)
{
    return *(const float4 *)x;
}

/* s[i][j] = row I + 16 i of a . row J + 16 j of b, over d channels; behind them are zeros */
template <int D, int M>
static __device__ inline void scores(float (&s)[M][M], const float *a, const float *b, int d)
{
#pragma unroll
    for (int i = 0; i < M * M; i++)
        s[i / M][i % M] = 0;
    for (int c = 0; c < d; c += 4) {
        float4 x[M], y[M];

#pragma unroll
        for (int i = 0; i < M; i++) {
            x[i] = four(a + (I + SIDE * i) * (D + 4) + c);
            y[i] = four(b + (J + SIDE * i) * (D + 4) + c);
        }
#pragma unroll
        for (int i = 0; i < M; i++)
#pragma unroll
            for (int j = 0; j < M; j++)
                s[i][j] =
                    fmaf(x[i].w, y[j].w,
                         fmaf(x[i].z, y[j].z, fmaf(x[i].y, y[j].y, fmaf(x[i].x, y[j].x, s[i][j]))));
    }
}

/* this thread's weights to shared memory, for its half of the warp */
template <int M> static __device__ inline void share(float *p, const float (&s)[M][M])
{
#pragma unroll
    for (int i = 0; i < M; i++)
#pragma unroll
        for (int j = 0; j < M; j++)
            p[(I + SIDE * i) * (SIDE * M + 4) + J + SIDE * j] = s[i][j];
}

/* sum[i] += row I + 16 i of the weights p times the rows of b */
template <int D, int M>
static __device__ inline void combine(float (&sum)[M][D / 64][4], const float *p, const float *b)
{
#pragma unroll 2
    for (int u = 0; u < SIDE * M; u++)
#pragma unroll
        for (int k = 0; k < D / 64; k++) {
            const float4 x = four(b + u * (D + 4) + 64 * k + 4 * J);

#pragma unroll
            for (int i = 0; i < M; i++) {
                const float w = p[(I + SIDE * i) * (SIDE * M + 4) + u];

                sum[i][k][0] = fmaf(w, x.x, sum[i][k][0]);
                sum[i][k][1] = fmaf(w, x.y, sum[i][k][1]);
                sum[i][k][2] = fmaf(w, x.z, sum[i][k][2]);
                sum[i][k][3] = fmaf(w, x.w, sum[i][k][3]);
            }
        }
}

/* one row's sums over `by` to y; or zeros: what is left out may be NaN in the sums */
template <int D, typename T>
static __device__ inline void put(T *y, int d, const float (&sum)[D / 64][4], float by, bool on)
{
#pragma unroll
    for (int k = 0; k < D / 64; k++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            if (64 * k + 4 * J + e < d)
                um_st(y, 64 * k + 4 * J + e, on ? sum[k][e] / by : 0);
}

/* over the 16 threads of a row */
static __device__ inline float row_sum(float v)
{
    for (int o = SIDE / 2; o > 0; o >>= 1)
        v += __shfl_xor_sync(0xffffffffu, v, o);
    return v;
}

static __device__ inline float row_max(float v)
{
    for (int o = SIDE / 2; o > 0; o >>= 1)
        v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, o));
    return v;
}

template <typename T>
static __device__ inline float factor(const struct um_attn_view<T> &a,
                                      const struct um_attn_place &at, int t, int u)
{
    return um_drop_factor(a.drop, at.pair + (uint64_t)t * (uint64_t)a.T_ + (uint64_t)u);
}

/* ---- forward ---- */

/* a row's scores become weights relative to the greatest so far; bits of `keys` count from key J;
 * total: this thread's part of the sum of weights */
template <int D, int M>
static __device__ inline void weigh(float (&sum)[D / 64][4], float *max, float *total,
                                    float (&s)[M], uint64_t keys, float scale)
{
    float top = *max, add = 0;

#pragma unroll
    for (int j = 0; j < M; j++) {
        s[j] = keys >> (SIDE * j) & 1 ? scale * s[j] : -INFINITY;
        top  = fmaxf(top, s[j]);
    }
    top              = row_max(top);
    const float base = top == -INFINITY ? 0 : top; /* exp(-inf - 0) is 0 */
    const float fade = expf(*max - base);
#pragma unroll
    for (int j = 0; j < M; j++) {
        s[j] = expf(s[j] - base);
        add += s[j];
    }
#pragma unroll
    for (int k = 0; k < D / 64; k++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            sum[k][e] *= fade;
    *total = *total * fade + add;
    *max   = top;
}

template <typename T, int D, int M>
static __global__ void __launch_bounds__(THREADS, 2)
    forward(T *o, float *lse, struct um_attn_view<T> a, int *flag)
{
    extern __shared__ __align__(16) unsigned char um_shared[];

    enum { R = SIDE * M };
    float *const q = (float *)um_shared, *const k = q + R * (D + 4);
    float *const v = k + R * (D + 4), *const p = v + R * (D + 4);

    struct um_attn_place at;
    float                sum[M][D / 64][4] = {}, max[M], total[M] = {}, s[M][M];
    uint64_t             any = 0;

    if (!um_attn_find(a, R, &at))
        return;
    for (int i = 0; i < M; i++)
        max[i] = -INFINITY;
    fetch<D, R>(q, a.q + um_attn_at(a, at, at.row0, a.ldq), a.ldq, a.d,
                um_attn_rows(at.n, at.row0));
    for (int u = 0; u < at.n; u += R) {
        const uint64_t keys = um_attn_keys(a, at, u) & (~(uint64_t)0 >> (64 - R));

        any |= keys;
        __syncthreads(); /* nobody reads the tile before */
        fetch<D, R>(k, a.k + um_attn_at(a, at, u, a.ldk), a.ldk, a.d, keys);
        fetch<D, R>(v, a.v + um_attn_at(a, at, u, a.ldv), a.ldv, a.d, keys);
        __syncthreads();
        scores<D, M>(s, q, k, a.d);
#pragma unroll
        for (int i = 0; i < M; i++) {
            weigh<D, M>(sum[i], &max[i], &total[i], s[i], keys >> J, a.scale);
#pragma unroll
            for (int j = 0; j < M && a.drop.p > 0; j++)
                s[i][j] *= factor(a, at, at.row0 + I + SIDE * i, u + J + SIDE * j);
        }
        share<M>(p, s);
        __syncwarp();
        combine<D, M>(sum, p, v);
    }
    if (any == 0 && threadIdx.x == 0)
        *flag = 1;
#pragma unroll
    for (int i = 0; i < M; i++) {
        const int   t   = at.row0 + I + SIDE * i;
        const float all = row_sum(total[i]);

        if (t < at.n) {
            put<D>(o + um_attn_at(a, at, t, a.ldo), a.d, sum[i], all, true);
            if (J == 0)
                lse[at.lse + t] = max[i] + logf(all);
        }
    }
}

/* ---- backward ---- */

/* what a query subtracts: log of its sum of weights, and dout . o */
struct query {
    float lse, delta;
};

/* delta of the rows as queries, whose dout lies at g; kept for keys' turn */
template <typename T, int D, int M>
static __device__ void prepare(struct query (&mine)[M], const struct um_attn_grad &to,
                               const float *g, const struct um_attn_view<T> &a,
                               const struct um_attn_place &at)
{
    for (int i = 0; i < M; i++) {
        const int t   = at.row0 + I + SIDE * i;
        const T  *o   = (const T *)to.o + um_attn_at(a, at, t, a.ldo);
        float     sum = 0;

        for (int c = J; c < a.d && t < at.n; c += SIDE)
            sum += g[(I + SIDE * i) * (D + 4) + c] * um_ld(o, c);
        mine[i].delta = row_sum(sum);
        mine[i].lse   = t < at.n ? to.lse[at.lse + t] : 0;
        if (J == 0 && t < at.n)
            to.delta[at.lse + t] = mine[i].delta;
    }
}

/* the same of queries as columns from t on */
template <int M>
static __device__ inline void look_up(struct query (&mine)[M], const struct um_attn_grad &to,
                                      const struct um_attn_place &at, int t)
{
#pragma unroll
    for (int j = 0; j < M; j++) {
        const int row = t + J + SIDE * j;

        mine[j].lse   = row < at.n ? to.lse[at.lse + row] : 0;
        mine[j].delta = row < at.n ? to.delta[at.lse + row] : 0;
    }
}

/* scores and dp become ds and the weights that went into o; rows from r on, columns from c on */
template <typename T, int M, bool KEYS>
static __device__ inline void
gradients(float (&s)[M][M], float (&dp)[M][M], const struct query (&mine)[M], uint64_t wanted,
          const struct um_attn_view<T> &a, const struct um_attn_place &at, int r, int c)
{
#pragma unroll
    for (int i = 0; i < M; i++)
#pragma unroll
        for (int j = 0; j < M; j++) {
            const struct query w   = mine[KEYS ? j : i];
            const int          row = r + I + SIDE * i, col = c + J + SIDE * j;
            const float        f  = KEYS ? factor(a, at, col, row) : factor(a, at, row, col);
            const float        p  = expf(a.scale * s[i][j] - w.lse);
            const bool         on = wanted >> (J + SIDE * j) & 1;

            s[i][j]  = on ? p * (f * dp[i][j] - w.delta) * a.scale : 0;
            dp[i][j] = on ? p * f : 0;
        }
}

/* the two arrays of a side, at the head's token 0: what scores are made of, what dp is made of */
template <typename T> struct side {
    const T *x, *g;
    int64_t  ldx, ldg;
};

template <bool KEYS, typename T>
static __device__ struct side<T> side_of(const struct um_attn_view<T> &a,
                                         const struct um_attn_place &at, const T *dout) {
    struct side<T> s;

    s.x   = KEYS ? a.k + um_attn_at(a, at, 0, a.ldk) : a.q + um_attn_at(a, at, 0, a.ldq);
    s.g   = KEYS ? a.v + um_attn_at(a, at, 0, a.ldv) : dout + um_attn_at(a, at, 0, a.ldo);
    s.ldx = KEYS ? a.ldk : a.ldq;
    s.ldg = KEYS ? a.ldv : a.ldo;
    return s;
}

/* R rows from `from` on of both arrays, one behind the other */
template <int D, int R, typename T>
static __device__ inline void fetch_side(float *to, const struct side<T> &s, int from, int d,
                                         uint64_t wanted)
{
    fetch<D, R>(to, s.x + from * s.ldx, s.ldx, d, wanted);
    fetch<D, R>(to + R * (D + 4), s.g + from * s.ldg, s.ldg, d, wanted);
}

/* dq, or dk and dv; keys that do not count get 0 */
template <typename T, int D, int M, bool KEYS>
static __device__ inline void finish(const float (&x)[M][D / 64][4], const float (&g)[M][D / 64][4],
                                     const struct um_attn_grad &to, const struct um_attn_view<T> &a,
                                     const struct um_attn_place &at, uint64_t rows)
{
#pragma unroll
    for (int i = 0; i < M; i++) {
        const int     r  = at.row0 + I + SIDE * i;
        const int64_t ld = KEYS ? a.ldk : a.ldq;
        const bool    on = rows >> (I + SIDE * i) & 1;

        if (r >= at.n)
            continue;
        put<D>((T *)(KEYS ? to.dk : to.dq) + um_attn_at(a, at, r, ld), a.d, x[i], 1, on);
        if (KEYS)
            put<D>((T *)to.dv + um_attn_at(a, at, r, a.ldv), a.d, g[i], 1, on);
    }
}

template <typename T, int D, int M, bool KEYS>
static __global__ void __launch_bounds__(THREADS, D == 128 && KEYS ? 1 : 2)
    backward(struct um_attn_grad to, struct um_attn_view<T> a)
{
    extern __shared__ __align__(16) unsigned char um_shared[];

    enum { R = SIDE * M, ONE = R * (D + 4) };
    float *const own = (float *)um_shared, *const other = own + 2 * ONE; /* two arrays each */
    float *const p = other + 2 * ONE, *const ds = p + R * (R + 4);

    struct um_attn_place at;
    struct query         mine[M]         = {};
    float                x[M][D / 64][4] = {}, g[M][D / 64][4] = {}, s[M][M], dp[M][M];

    if (!um_attn_find(a, R, &at))
        return;
    const struct side<T> rows = side_of<KEYS>(a, at, (const T *)to.dout);
    const struct side<T> cols = side_of<!KEYS>(a, at, (const T *)to.dout);
    const uint64_t       live = KEYS ? um_attn_keys(a, at, at.row0) : um_attn_rows(at.n, at.row0);

    fetch_side<D, R>(own, rows, at.row0, a.d, live);
    __syncthreads();
    if (!KEYS)
        prepare<T, D, M>(mine, to, own + ONE, a, at);
    for (int c = 0; c < at.n; c += R) {
        const uint64_t wanted = KEYS ? um_attn_rows(at.n, c) : um_attn_keys(a, at, c);

        __syncthreads();
        fetch_side<D, R>(other, cols, c, a.d, wanted);
        if (KEYS)
            look_up<M>(mine, to, at, c);
        __syncthreads();
        scores<D, M>(s, own, other, a.d);
        scores<D, M>(dp, own + ONE, other + ONE, a.d);
        gradients<T, M, KEYS>(s, dp, mine, wanted, a, at, at.row0, c);
        share<M>(ds, s);
        if (KEYS)
            share<M>(p, dp);
        __syncwarp();
        combine<D, M>(x, ds, other);
        if (KEYS)
            combine<D, M>(g, p, other + ONE);
    }
    finish<T, D, M, KEYS>(x, g, to, a, at, live);
}

/* ---- launches ---- */

template <typename T, int D, int M>
static int forward_by(struct um_dev *dev, void *o, float *lse, const struct um_attn *a)
{
    enum { R = SIDE * M };
    const size_t bytes  = (3 * R * (D + 4) + R * (R + 4)) * sizeof(float);
    unsigned     blocks = 0;

    UM_TRY(um_attn_blocks(a, R, &blocks));
    UM_TRY(um_attn_allow(dev, forward<T, D, M>, bytes));
    um_launch(dev, forward<T, D, M>, blocks, THREADS, bytes, (T *)o, lse, um_attn_view_of<T>(a, R),
              um_cuda_of(dev)->flag);
    return um_cuda_launched(dev, "attention_fwd");
}

template <typename T, int D, int M, bool KEYS>
static int backward_by(struct um_dev *dev, const struct um_attn_grad *g, const struct um_attn *a)
{
    enum { R = SIDE * M };
    const size_t bytes  = (4 * R * (D + 4) + 2 * R * (R + 4)) * sizeof(float);
    unsigned     blocks = 0;

    UM_TRY(um_attn_blocks(a, R, &blocks));
    UM_TRY(um_attn_allow(dev, backward<T, D, M, KEYS>, bytes));
    um_launch(dev, backward<T, D, M, KEYS>, blocks, THREADS, bytes, *g, um_attn_view_of<T>(a, R));
    return um_cuda_launched(dev, "attention_bwd");
}

/* tiles as large as keep shared memory under 99 KiB, what every GPU has that these kernels are
 * compiled for */
int um_attn_float_fwd(struct um_dev *dev, void *o, float *lse, const struct um_attn *a)
{
    if (a->d <= 64)
        UM_CUDA_TYPED(a->dt, return (forward_by<T, 64, 4>(dev, o, lse, a)));
    else if (a->d <= 128)
        UM_CUDA_TYPED(a->dt, return (forward_by<T, 128, 2>(dev, o, lse, a)));
    else
        UM_CUDA_TYPED(a->dt, return (forward_by<T, 256, 1>(dev, o, lse, a)));
}

/* dq first: it makes delta */
template <int D, int M>
static int backward_of(struct um_dev *dev, const struct um_attn_grad *g, const struct um_attn *a)
{
    UM_CUDA_TYPED(a->dt, UM_TRY((backward_by<T, D, M, false>(dev, g, a))));
    UM_CUDA_TYPED(a->dt, UM_TRY((backward_by<T, D, M, true>(dev, g, a))));
    return UM_OK;
}

int um_attn_float_bwd(struct um_dev *dev, const struct um_attn_grad *g, const struct um_attn *a)
{
    return a->d <= 64    ? backward_of<64, 2>(dev, g, a)
           : a->d <= 128 ? backward_of<128, 2>(dev, g, a)
                         : backward_of<256, 1>(dev, g, a);
}
