/* cuda.cu - softmax: one warp a row, in registers where it fits, so that it is read once */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_cuda.h"

extern "C" {
#include "kernels/softmax/softmax.h"
}

enum { WARPS = 4 };

template <int V, int K, typename T>
static __global__ void forward_held(T *y, const T *x, int64_t n, int64_t c)
{
    const int64_t i    = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    const int     lane = (int)threadIdx.x;
    float         v[K][V], m = -INFINITY, s = 0;

    if (i >= n)
        return; /* i is uniform across a warp */
    um_ldrow<V, K>(v, x + i * c, c, lane, 32, -INFINITY);
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int e = 0; e < V; e++)
            m = fmaxf(m, v[k][e]);
    m = um_warp_max(m);
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int e = 0; e < V; e++) {
            v[k][e] = expf(v[k][e] - m);
            s += (k * 32 + lane) * V < c ? v[k][e] : 0; /* a row of -infinity: past c is NaN too */
        }
    s = um_warp_sum(s);
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int e = 0; e < V; e++)
            v[k][e] /= s;
    um_strow<V, K>(y + i * c, c, lane, 32, v);
}

template <int V, typename T>
static __global__ void forward_any(T *y, const T *x, int64_t n, int64_t c)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         v[V], m = -INFINITY, s = 0;

    if (i >= n)
        return;
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        um_ldv<V>(v, x + i * c + j);
        for (int e = 0; e < V; e++)
            m = fmaxf(m, v[e]);
    }
    m = um_warp_max(m);
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        um_ldv<V>(v, x + i * c + j);
        for (int e = 0; e < V; e++)
            s += expf(v[e] - m);
    }
    s = um_warp_sum(s);
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        um_ldv<V>(v, x + i * c + j);
        for (int e = 0; e < V; e++)
            v[e] = expf(v[e] - m) / s;
        um_stv<V>(y + i * c + j, v);
    }
}

template <int V, int K, typename T>
static __global__ void backward_held(T *dx, const T *dy, const T *y, int64_t n, int64_t c)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         g[K][V], v[K][V], s = 0;

    if (i >= n)
        return;
    um_ldrow<V, K>(g, dy + i * c, c, (int)threadIdx.x, 32);
    um_ldrow<V, K>(v, y + i * c, c, (int)threadIdx.x, 32);
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int e = 0; e < V; e++)
            s += g[k][e] * v[k][e];
    s = um_warp_sum(s);
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int e = 0; e < V; e++)
            v[k][e] *= g[k][e] - s;
    um_strow<V, K>(dx + i * c, c, (int)threadIdx.x, 32, v);
}

template <int V, typename T>
static __global__ void backward_any(T *dx, const T *dy, const T *y, int64_t n, int64_t c)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         g[V], v[V], s = 0;

    if (i >= n)
        return;
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        um_ldv<V>(g, dy + i * c + j);
        um_ldv<V>(v, y + i * c + j);
        for (int e = 0; e < V; e++)
            s += g[e] * v[e];
    }
    s = um_warp_sum(s);
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        um_ldv<V>(g, dy + i * c + j);
        um_ldv<V>(v, y + i * c + j);
        for (int e = 0; e < V; e++)
            v[e] *= g[e] - s;
        um_stv<V>(dx + i * c + j, v);
    }
}

template <typename T>
static void forward(struct um_dev *dev, T *y, const T *x, int64_t n, int64_t c)
{
    constexpr int  N      = um_vec<T>::N;
    const unsigned blocks = um_cuda_blocks(n, WARPS);
    const dim3     block(32, WARPS);
    const bool     vec = um_vec_rows(N, c, y, x);

    if (vec && um_held<N, 64>(c, [&](auto k) {
            constexpr int K = decltype(k)::value;
            um_launch(dev, forward_held<N, K, T>, blocks, block, 0, y, x, n, c);
        }))
        return;
    UM_CUDA_VEC(vec, N, (um_launch(dev, forward_any<V, T>, blocks, block, 0, y, x, n, c)));
}

template <typename T>
static void backward(struct um_dev *dev, T *dx, const T *dy, const T *y, int64_t n, int64_t c)
{
    constexpr int  N      = um_vec<T>::N;
    const unsigned blocks = um_cuda_blocks(n, WARPS);
    const dim3     block(32, WARPS);
    const bool     vec = um_vec_rows(N, c, dx, dy, y);

    if (vec && um_held<N, 32>(c, [&](auto k) {
            constexpr int K = decltype(k)::value;
            um_launch(dev, backward_held<N, K, T>, blocks, block, 0, dx, dy, y, n, c);
        }))
        return;
    UM_CUDA_VEC(vec, N, (um_launch(dev, backward_any<V, T>, blocks, block, 0, dx, dy, y, n, c)));
}

extern "C" int um_cuda_softmax_fwd(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                   int64_t n, int64_t c)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, forward(dev, (T *)y, (const T *)x, n, c));
    return um_cuda_launched(dev, "softmax_fwd");
}

extern "C" int um_cuda_softmax_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy,
                                   const void *y, int64_t n, int64_t c)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, backward(dev, (T *)dx, (const T *)dy, (const T *)y, n, c));
    return um_cuda_launched(dev, "softmax_bwd");
}
