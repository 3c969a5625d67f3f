/* cuda.cu - layer norm: a row in the registers of a warp, or of a few; any n, any c
 *
 * The mean of the first pass is good to a few units in the last place of the row's offset; the
 * second sums the differences from it too, and their mean puts the rest right, so that an offset of
 * 1000, as in unscaled CT, costs nothing.
 *
 * Where a row fits, x, dy and what is added to are read once: each thread has K times V values of a
 * row in registers, and in the backward as many of the parameters' two sums over the rows that its
 * block strides over. The blocks' sums are then added in their order. Rows that are longer or do
 * not begin at 16 bytes are read again from the caches instead.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/vec_cuda.h"

/* warps of a block, each with a row; in the backward values of a row a thread, most warps a row,
 * and of a block; rows a sum of the general path; sums added side by side */
enum { WARPS = 4, HELD = 8, LONGEST = 8, BLOCK = 10, ROWS = 256, SIDE = 32 };

template <int V, int K>
static __device__ inline void moments(float (&v)[K][V], int64_t c, float eps, float *mean,
                                      float *rstd)
{
    float m = 0, rest = 0, var = 0;

#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int e = 0; e < V; e++)
            m += v[k][e];
    m = um_warp_sum(m) / (float)c;
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int e = 0; e < V; e++) {
            const float d = (int64_t)(k * 32 + threadIdx.x) * V < c ? v[k][e] - m : 0;

            rest += d;
            var += d * d;
        }
    rest  = um_warp_sum(rest) / (float)c;
    var   = um_warp_sum(var) / (float)c - rest * rest;
    *mean = m + rest;
    *rstd = 1 / sqrtf((var < 0 ? 0 : var) + eps); /* NaN stays NaN */
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int e = 0; e < V; e++)
            v[k][e] = (v[k][e] - m - rest) * *rstd;
}

template <int V, int K, typename Y, typename X>
static __global__ void norm_held(Y *__restrict__ y, float *mean, float *rstd,
                                 const X *__restrict__ x, const float *__restrict__ gamma,
                                 const float *__restrict__ beta, int64_t n, int64_t c, float eps)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         v[K][V], m, r;

    if (i >= n)
        return; /* i is uniform across a warp, so the shuffles stay full */
    um_ldrow<V, K>(v, x + i * c, c, (int)threadIdx.x, 32);
    moments<V, K>(v, c, eps, &m, &r);
#pragma unroll
    for (int k = 0; k < K; k++) {
        const int64_t j = (int64_t)(k * 32 + threadIdx.x) * V;
        float         g[V], b[V];

        if (j >= c)
            continue;
        um_ldv<V>(g, gamma + j);
        um_ldv<V>(b, beta + j);
#pragma unroll
        for (int e = 0; e < V; e++)
            b[e] += v[k][e] * g[e];
        um_stv<V>(y + i * c + j, b);
    }
    if (threadIdx.x == 0) {
        mean[i] = m;
        rstd[i] = r;
    }
}

template <int V, typename Y, typename X>
static __global__ void norm_any(Y *y, float *mean, float *rstd, const X *x, const float *gamma,
                                const float *beta, int64_t n, int64_t c, float eps)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         m = 0, rest = 0, var = 0, v[V], g[V], b[V];

    if (i >= n)
        return;
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        um_ldv<V>(v, x + i * c + j);
        for (int e = 0; e < V; e++)
            m += v[e];
    }
    m = um_warp_sum(m) / (float)c;
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        um_ldv<V>(v, x + i * c + j);
        for (int e = 0; e < V; e++) {
            rest += v[e] - m;
            var += (v[e] - m) * (v[e] - m);
        }
    }
    rest          = um_warp_sum(rest) / (float)c;
    var           = um_warp_sum(var) / (float)c - rest * rest;
    const float r = 1 / sqrtf((var < 0 ? 0 : var) + eps);
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        um_ldv<V>(v, x + i * c + j);
        um_ldv<V>(g, gamma + j);
        um_ldv<V>(b, beta + j);
        for (int e = 0; e < V; e++)
            b[e] += (v[e] - m - rest) * r * g[e];
        um_stv<V>(y + i * c + j, b);
    }
    if (threadIdx.x == 0) {
        mean[i] = m + rest;
        rstd[i] = r;
    }
}

/* a and b summed over the warps of a row, the same in every thread of it; `turn` takes turns at 0
 * and 1, so that one barrier a row is enough */
static __device__ inline void team_sums(float *a, float *b, int turn)
{
    __shared__ float s[2][2][BLOCK];
    const int        warps = (int)blockDim.x / 32, first = (int)threadIdx.y * warps;

    *a = um_warp_sum(*a);
    *b = um_warp_sum(*b);
    if (warps == 1)
        return;
    if (threadIdx.x % 32 == 0) {
        s[turn][0][first + threadIdx.x / 32] = *a;
        s[turn][1][first + threadIdx.x / 32] = *b;
    }
    __syncthreads();
    *a = *b = 0;
    for (int w = 0; w < warps; w++) {
        *a += s[turn][0][first + w];
        *b += s[turn][1][first + w];
    }
}

/* dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma; h is xhat */
template <int V, int K, typename X>
static __device__ inline void store_dx(X *dx, bool acc, float (&g)[K][V], float (&h)[K][V], float a,
                                       float b, float r, int64_t c)
{
#pragma unroll
    for (int k = 0; k < K; k++) {
        const int64_t j    = (int64_t)(k * blockDim.x + threadIdx.x) * V;
        float         v[V] = { 0 };

        if (j >= c)
            continue;
        if (acc)
            um_ldv<V>(v, dx + j);
#pragma unroll
        for (int e = 0; e < V; e++)
            v[e] += r * (g[k][e] - a - h[k][e] * b);
        um_stv<V>(dx + j, v);
    }
}

/* part [2][c] = the block's sums: those of its rows of threads, in their order */
template <int V, int K>
static __device__ inline void store_part(float  *part, float (&dg)[K][V], float (&db)[K][V],
                                         int64_t c)
{
    __shared__ float s[2][HELD * LONGEST * 32];
    const int        team = (int)blockDim.x;

    for (int t = 0; t < (int)blockDim.y; t++) {
        if ((int)threadIdx.y == t)
#pragma unroll
            for (int at = 0; at < K * V; at++) {
                const int to = at * team + (int)threadIdx.x; /* side by side: one bank a lane */

                s[0][to] = t > 0 ? s[0][to] + dg[at / V][at % V] : dg[at / V][at % V];
                s[1][to] = t > 0 ? s[1][to] + db[at / V][at % V] : db[at / V][at % V];
            }
        __syncthreads();
    }
    for (int j = (int)threadIdx.y * team + (int)threadIdx.x; j < c; j += team * (int)blockDim.y) {
        const int from = (j / V / team * V + j % V) * team + j / V % team;

        part[j]     = s[0][from];
        part[c + j] = s[1][from];
    }
}

/* all three gradients in one pass: blockDim.x threads a row, blockDim.y rows at once */
template <int V, typename Y, typename X>
static __global__ void __launch_bounds__(32 * BLOCK, 3)
    grad_held(X *dx, bool acc, float *part, const Y *__restrict__ dy, const X *__restrict__ x,
              const float *__restrict__ gamma, const float *__restrict__ mean,
              const float *__restrict__ rstd, int64_t n, int64_t c)
{
    constexpr int K    = HELD / V;
    const int     lane = (int)threadIdx.x, team = (int)blockDim.x;
    const int64_t rows     = (int64_t)gridDim.x * blockDim.y;
    float         dg[K][V] = {}, db[K][V] = {}, g[K][V], h[K][V], f[K][V];
    int           turn = 0;

    for (int64_t i0 = (int64_t)blockIdx.x * blockDim.y; i0 < n; i0 += rows, turn ^= 1) {
        const int64_t i = i0 + threadIdx.y, here = i < n ? c : 0; /* the barrier is for all */
        const float   m = here ? mean[i] : 0, r = here ? rstd[i] : 0;
        float         a = 0, b = 0;

        um_ldrow<V, K>(h, x + i * c, here, lane, team);
        um_ldrow<V, K>(g, dy + i * c, here, lane, team);
        um_ldrow<V, K>(f, gamma, here, lane, team);
#pragma unroll
        for (int k = 0; k < K; k++)
#pragma unroll
            for (int e = 0; e < V; e++) {
                h[k][e] = (h[k][e] - m) * r;
                dg[k][e] += g[k][e] * h[k][e];
                db[k][e] += g[k][e];
                g[k][e] *= f[k][e];
                a += g[k][e];
                b += g[k][e] * h[k][e];
            }
        team_sums(&a, &b, turn);
        store_dx<V, K>(dx + i * c, acc, g, h, a / (float)c, b / (float)c, r, here);
    }
    store_part<V, K>(part + (int64_t)blockIdx.x * 2 * c, dg, db, c);
}

template <int V, typename Y, typename X>
static __global__ void grad_rows(X *dx, bool acc, const Y *dy, const X *x, const float *gamma,
                                 const float *mean, const float *rstd, int64_t n, int64_t c)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         a = 0, b = 0, g[V], h[V], f[V];

    if (i >= n)
        return;
    const float m = mean[i], r = rstd[i];
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        um_ldv<V>(g, dy + i * c + j);
        um_ldv<V>(h, x + i * c + j);
        um_ldv<V>(f, gamma + j);
        for (int e = 0; e < V; e++) {
            a += g[e] * f[e];
            b += g[e] * f[e] * (h[e] - m) * r;
        }
    }
    a = um_warp_sum(a) / (float)c;
    b = um_warp_sum(b) / (float)c;
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        float v[V] = { 0 };

        um_ldv<V>(g, dy + i * c + j);
        um_ldv<V>(h, x + i * c + j);
        um_ldv<V>(f, gamma + j);
        if (acc)
            um_ldv<V>(v, dx + i * c + j);
        for (int e = 0; e < V; e++)
            v[e] += r * (g[e] * f[e] - a - (h[e] - m) * r * b);
        um_stv<V>(dx + i * c + j, v);
    }
}

/* block (q, p): part p, the sums of its `rows` rows, of 32 columns; HELD rows side by side */
template <typename Y, typename X>
static __global__ void grad_params(float *part, const Y *dy, const X *x, const float *mean,
                                   const float *rstd, int64_t n, int64_t c, int64_t rows)
{
    __shared__ float s[2][HELD][32];
    const int64_t    j  = (int64_t)blockIdx.x * 32 + threadIdx.x;
    const int64_t    i0 = (int64_t)blockIdx.y * rows, i1 = i0 + rows < n ? i0 + rows : n;
    float            dg = 0, db = 0;

    for (int64_t i = i0 + threadIdx.y; j < c && i < i1; i += HELD) {
        const float d = um_ld(dy, i * c + j);

        dg += d * (um_ld(x, i * c + j) - mean[i]) * rstd[i];
        db += d;
    }
    s[0][threadIdx.y][threadIdx.x] = dg;
    s[1][threadIdx.y][threadIdx.x] = db;
    __syncthreads();
    if (threadIdx.y > 1 || j >= c)
        return;
    dg = 0;
    for (int t = 0; t < HELD; t++)
        dg += s[threadIdx.y][t][threadIdx.x];
    part[((int64_t)blockIdx.y * 2 + threadIdx.y) * c + j] = dg;
}

/* dgamma, dbeta += the parts [parts][2][c]: part p by thread row p % SIDE, then those in order */
static __global__ void __launch_bounds__(32 * SIDE)
    add_parts(float *dgamma, float *dbeta, const float *part, int64_t parts, int64_t c)
{
    __shared__ float s[SIDE][32];
    const int64_t    j = (int64_t)blockIdx.x * 32 + threadIdx.x;
    float            a = 0;

    for (int64_t p = threadIdx.y; j < 2 * c && p < parts; p += SIDE)
        a += part[p * 2 * c + j];
    s[threadIdx.y][threadIdx.x] = a;
    __syncthreads();
    if (threadIdx.y > 0 || j >= 2 * c)
        return;
    a = 0;
    for (int p = 0; p < SIDE; p++)
        a += s[p][threadIdx.x];
    if (j < c)
        dgamma[j] += a;
    else
        dbeta[j - c] += a;
}

/* run `call` with Y and X bound to the types of y and x */
#define TYPED(dty, dtx, call) UM_CUDA_TYPED(dty, typedef T Y; UM_CUDA_TYPED(dtx, typedef T X; call))

template <typename Y, typename X> struct norm_args {
    Y           *y;
    float       *mean, *rstd;
    const X     *x;
    const float *gamma, *beta;
    int64_t      n, c;
    float        eps;
};

template <typename Y, typename X>
static void norm_run(struct um_dev *dev, const struct norm_args<Y, X> &p)
{
    constexpr int  N      = um_vec<Y, X>::N;
    const unsigned blocks = um_cuda_blocks(p.n, WARPS);
    const dim3     block(32, WARPS);
    const bool     vec = um_vec_rows(N, p.c, p.y, p.x, p.gamma, p.beta);

    if (vec && um_held<N, 64>(p.c, [&](auto k) {
            constexpr int K = decltype(k)::value;
            um_launch(dev, norm_held<N, K, Y, X>, blocks, block, 0, p.y, p.mean, p.rstd, p.x,
                      p.gamma, p.beta, p.n, p.c, p.eps);
        }))
        return;
    UM_CUDA_VEC(vec, N,
                (um_launch(dev, norm_any<V, Y, X>, blocks, block, 0, p.y, p.mean, p.rstd, p.x,
                           p.gamma, p.beta, p.n, p.c, p.eps)));
}

extern "C" int um_cuda_layernorm_fwd(struct um_dev *dev, void *y, enum um_dtype dty, float *mean,
                                     float *rstd, const void *x, enum um_dtype dtx,
                                     const float *gamma, const float *beta, int64_t n, int64_t c,
                                     float eps)
{
    if (n == 0)
        return UM_OK; /* an empty grid is a launch error */
    TYPED(dty, dtx,
          (norm_run(dev,
                    norm_args<Y, X>{ (Y *)y, mean, rstd, (const X *)x, gamma, beta, n, c, eps })));
    return um_cuda_launched(dev, "layernorm_fwd");
}

template <typename Y, typename X> struct grad_args {
    X           *dx;
    bool         acc;
    float       *dgamma, *dbeta;
    const Y     *dy;
    const X     *x;
    const float *gamma, *mean, *rstd;
    int64_t      n, c;
};

/* room for the sums of `parts` blocks */
template <typename Y, typename X>
static float *grad_parts(struct um_dev *dev, const struct grad_args<Y, X> &p, int64_t parts)
{
    return (float *)um_cuda_work(dev, (size_t)(parts * 2 * p.c) * sizeof(float));
}

template <typename Y, typename X>
static void grad_add(struct um_dev *dev, const struct grad_args<Y, X> &p, const float *part,
                     int64_t parts)
{
    um_launch(dev, add_parts, um_cuda_blocks(2 * p.c, 32), dim3(32, SIDE), 0, p.dgamma, p.dbeta,
              part, parts, p.c);
}

/* a row in as few warps as hold it; as many blocks as three of BLOCK warps a multiprocessor */
template <typename Y, typename X>
static int grad_fits(struct um_dev *dev, const struct grad_args<Y, X> &p)
{
    const int     warps = (int)((p.c + 32 * HELD - 1) / (32 * HELD)), teams = BLOCK / warps;
    const int64_t blocks = (p.n + teams - 1) / teams;
    const int64_t most   = (int64_t)um_cuda_of(dev)->sms * (3 * BLOCK / (warps * teams));
    const int64_t parts  = blocks < most ? blocks : most;
    float        *part   = grad_parts(dev, p, parts);

    if (!part)
        return UM_ENOMEM;
    um_launch(dev, grad_held<um_vec<Y, X>::N, Y, X>, (unsigned)parts,
              dim3(32 * (unsigned)warps, (unsigned)teams), 0, p.dx, p.acc, part, p.dy, p.x, p.gamma,
              p.mean, p.rstd, p.n, p.c);
    grad_add(dev, p, part, parts);
    return UM_OK;
}

/* the parameters' sums and dx one after the other: any c, any pointers */
template <typename Y, typename X>
static int grad_any(struct um_dev *dev, const struct grad_args<Y, X> &p, bool vec)
{
    const int64_t rows  = p.n <= ROWS * 1024 ? (int64_t)ROWS : (p.n + 1023) / 1024;
    const int64_t parts = (p.n + rows - 1) / rows;
    float        *part  = grad_parts(dev, p, parts);

    if (!part)
        return UM_ENOMEM;
    um_launch(dev, grad_params<Y, X>, dim3(um_cuda_blocks(p.c, 32), (unsigned)parts),
              dim3(32, HELD), 0, part, p.dy, p.x, p.mean, p.rstd, p.n, p.c, rows);
    grad_add(dev, p, part, parts);
    UM_CUDA_VEC(vec, (um_vec<Y, X>::N),
                (um_launch(dev, grad_rows<V, Y, X>, um_cuda_blocks(p.n, WARPS), dim3(32, WARPS), 0,
                           p.dx, p.acc, p.dy, p.x, p.gamma, p.mean, p.rstd, p.n, p.c)));
    return UM_OK;
}

template <typename Y, typename X>
static int grad_run(struct um_dev *dev, const struct grad_args<Y, X> &p)
{
    const bool vec = um_vec_rows(um_vec<Y, X>::N, p.c, p.dx, p.dy, p.x, p.gamma);

    return vec && p.c <= 32 * HELD * LONGEST ? grad_fits(dev, p) : grad_any(dev, p, vec);
}

extern "C" int um_cuda_layernorm_bwd(struct um_dev *dev, void *dx, enum um_dtype dtx, bool acc,
                                     float *dgamma, float *dbeta, const void *dy, enum um_dtype dty,
                                     const void *x, const float *gamma, const float *mean,
                                     const float *rstd, int64_t n, int64_t c)
{
    if (n == 0 || c == 0)
        return UM_OK;
    TYPED(dty, dtx,
          UM_TRY((grad_run(dev, grad_args<Y, X>{ (X *)dx, acc, dgamma, dbeta, (const Y *)dy,
                                                 (const X *)x, gamma, mean, rstd, n, c }))));
    return um_cuda_launched(dev, "layernorm_bwd");
}
