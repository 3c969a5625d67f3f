/* cuda.cu - rows to unit length: one warp a row, in registers where it fits, so that it is read
 * once
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_cuda.h"

enum { WARPS = 8 };

template <int V, int K, typename T>
static __global__ void unit_held(T *y, float *norm, const T *x, int64_t n, int64_t c, float eps)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         v[K][V], s = 0;

    if (i >= n)
        return; /* i is uniform across a warp */
    um_ldrow<V, K>(v, x + i * c, c, (int)threadIdx.x, 32);
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int e = 0; e < V; e++)
            s += v[k][e] * v[k][e];
    s = sqrtf(um_warp_sum(s));
    s = s < eps ? eps : s; /* NaN stays NaN */
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int e = 0; e < V; e++)
            v[k][e] /= s;
    um_strow<V, K>(y + i * c, c, (int)threadIdx.x, 32, v);
    if (threadIdx.x == 0)
        norm[i] = s;
}

template <int V, typename T>
static __global__ void unit_any(T *y, float *norm, const T *x, int64_t n, int64_t c, float eps)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         v[V], s = 0;

    if (i >= n)
        return;
#pragma unroll 4
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        um_ldv<V>(v, x + i * c + j);
#pragma unroll
        for (int e = 0; e < V; e++)
            s += v[e] * v[e];
    }
    s = sqrtf(um_warp_sum(s));
    s = s < eps ? eps : s; /* NaN stays NaN */
#pragma unroll 4
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        um_ldv<V>(v, x + i * c + j);
#pragma unroll
        for (int e = 0; e < V; e++)
            v[e] /= s;
        um_stv<V>(y + i * c + j, v);
    }
    if (threadIdx.x == 0)
        norm[i] = s;
}

template <int V, int K, typename T>
static __global__ void grad_held(T *dx, const T *dy, const T *y, const float *norm, int64_t n,
                                 int64_t c, float eps)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         g[K][V], v[K][V], dot = 0;

    if (i >= n)
        return;
    um_ldrow<V, K>(g, dy + i * c, c, (int)threadIdx.x, 32);
    um_ldrow<V, K>(v, y + i * c, c, (int)threadIdx.x, 32);
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int e = 0; e < V; e++)
            dot += g[k][e] * v[k][e];
    dot            = um_warp_sum(dot);
    const float by = norm[i];
    dot            = by > eps ? dot : 0; /* a row cut at eps is only scaled */
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int e = 0; e < V; e++)
            g[k][e] = (g[k][e] - v[k][e] * dot) / by;
    um_strow<V, K>(dx + i * c, c, (int)threadIdx.x, 32, g);
}

template <int V, typename T>
static __global__ void grad_any(T *dx, const T *dy, const T *y, const float *norm, int64_t n,
                                int64_t c, float eps)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         g[V], v[V], dot = 0;

    if (i >= n)
        return;
#pragma unroll 4
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        um_ldv<V>(g, dy + i * c + j);
        um_ldv<V>(v, y + i * c + j);
#pragma unroll
        for (int e = 0; e < V; e++)
            dot += g[e] * v[e];
    }
    dot            = um_warp_sum(dot);
    const float by = norm[i];
    dot            = by > eps ? dot : 0;
#pragma unroll 4
    for (int64_t j = threadIdx.x * V; j < c; j += 32 * V) {
        um_ldv<V>(g, dy + i * c + j);
        um_ldv<V>(v, y + i * c + j);
#pragma unroll
        for (int e = 0; e < V; e++)
            g[e] = (g[e] - v[e] * dot) / by;
        um_stv<V>(dx + i * c + j, g);
    }
}

template <typename T>
static void forward(struct um_dev *dev, T *y, float *norm, const T *x, int64_t n, int64_t c,
                    float eps)
{
    constexpr int  N      = um_vec<T>::N;
    const unsigned blocks = um_cuda_blocks(n, WARPS);
    const dim3     block(32, WARPS);
    const bool     vec = um_vec_rows(N, c, y, x);

    if (vec && um_held<N, 64>(c, [&](auto k) {
            constexpr int K = decltype(k)::value;
            um_launch(dev, unit_held<N, K, T>, blocks, block, 0, y, norm, x, n, c, eps);
        }))
        return;
    UM_CUDA_VEC(vec, N, (um_launch(dev, unit_any<V, T>, blocks, block, 0, y, norm, x, n, c, eps)));
}

template <typename T>
static void backward(struct um_dev *dev, T *dx, const T *dy, const T *y, const float *norm,
                     int64_t n, int64_t c, float eps)
{
    constexpr int  N      = um_vec<T>::N;
    const unsigned blocks = um_cuda_blocks(n, WARPS);
    const dim3     block(32, WARPS);
    const bool     vec = um_vec_rows(N, c, dx, dy, y);

    if (vec && um_held<N, 32>(c, [&](auto k) {
            constexpr int K = decltype(k)::value;
            um_launch(dev, grad_held<N, K, T>, blocks, block, 0, dx, dy, y, norm, n, c, eps);
        }))
        return;
    UM_CUDA_VEC(vec, N,
                (um_launch(dev, grad_any<V, T>, blocks, block, 0, dx, dy, y, norm, n, c, eps)));
}

extern "C" int um_cuda_l2norm_fwd(struct um_dev *dev, enum um_dtype dt, void *y, float *norm,
                                  const void *x, int64_t n, int64_t c, float eps)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, forward(dev, (T *)y, norm, (const T *)x, n, c, eps));
    return um_cuda_launched(dev, "l2norm_fwd");
}

extern "C" int um_cuda_l2norm_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy,
                                  const void *y, const float *norm, int64_t n, int64_t c, float eps)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, backward(dev, (T *)dx, (const T *)dy, (const T *)y, norm, n, c, eps));
    return um_cuda_launched(dev, "l2norm_bwd");
}
