/* cuda.cu - softmax: one warp a row */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda.h"

extern "C" {
#include "kernels/softmax/softmax.h"
}

enum { WARPS = 8 };

template <typename T> static __global__ void forward(T *y, const T *x, int64_t n, int64_t c)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         m = -INFINITY, s = 0;

    if (i >= n)
        return; /* i is uniform across a warp */
    for (int64_t j = threadIdx.x; j < c; j += 32)
        m = fmaxf(m, um_ld(x, i * c + j));
    m = um_warp_max(m);
    for (int64_t j = threadIdx.x; j < c; j += 32)
        s += expf(um_ld(x, i * c + j) - m);
    s = um_warp_sum(s);
    for (int64_t j = threadIdx.x; j < c; j += 32)
        um_st(y, i * c + j, expf(um_ld(x, i * c + j) - m) / s);
}

template <typename T>
static __global__ void backward(T *dx, const T *dy, const T *y, int64_t n, int64_t c)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         s = 0;

    if (i >= n)
        return;
    for (int64_t j = threadIdx.x; j < c; j += 32)
        s += um_ld(dy, i * c + j) * um_ld(y, i * c + j);
    s = um_warp_sum(s);
    for (int64_t j = threadIdx.x; j < c; j += 32)
        um_st(dx, i * c + j, um_ld(y, i * c + j) * (um_ld(dy, i * c + j) - s));
}

extern "C" int um_cuda_softmax_fwd(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                   int64_t n, int64_t c)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(
        dt, (forward<T><<<um_cuda_blocks(n, WARPS), dim3(32, WARPS), 0, um_cuda_stream(dev)>>>(
                (T *)y, (const T *)x, n, c)));
    return um_cuda_launched("softmax_fwd");
}

extern "C" int um_cuda_softmax_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy,
                                   const void *y, int64_t n, int64_t c)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(
        dt, (backward<T><<<um_cuda_blocks(n, WARPS), dim3(32, WARPS), 0, um_cuda_stream(dev)>>>(
                (T *)dx, (const T *)dy, (const T *)y, n, c)));
    return um_cuda_launched("softmax_bwd");
}
