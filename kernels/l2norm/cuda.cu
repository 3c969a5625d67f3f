/* cuda.cu - rows to unit length: one warp a row */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda.h"

enum { WARPS = 8 };

template <typename T>
static __global__ void unit_rows(T *y, float *norm, const T *x, int64_t n, int64_t c, float eps)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         s = 0;

    if (i >= n)
        return;
    for (int64_t j = threadIdx.x; j < c; j += 32)
        s += um_ld(x, i * c + j) * um_ld(x, i * c + j);
    s = fmaxf(sqrtf(um_warp_sum(s)), eps);
    for (int64_t j = threadIdx.x; j < c; j += 32)
        um_st(y, i * c + j, um_ld(x, i * c + j) / s);
    if (threadIdx.x == 0)
        norm[i] = s;
}

template <typename T>
static __global__ void grad_rows(T *dx, const T *dy, const T *y, const float *norm, int64_t n,
                                 int64_t c, float eps)
{
    const int64_t i   = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         dot = 0;

    if (i >= n)
        return;
    for (int64_t j = threadIdx.x; j < c; j += 32)
        dot += um_ld(dy, i * c + j) * um_ld(y, i * c + j);
    dot = norm[i] > eps ? um_warp_sum(dot) : 0; /* a row cut at eps is only scaled */
    for (int64_t j = threadIdx.x; j < c; j += 32)
        um_st(dx, i * c + j, (um_ld(dy, i * c + j) - um_ld(y, i * c + j) * dot) / norm[i]);
}

extern "C" int um_cuda_l2norm_fwd(struct um_dev *dev, enum um_dtype dt, void *y, float *norm,
                                  const void *x, int64_t n, int64_t c, float eps)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(
        dt, (unit_rows<T><<<um_cuda_blocks(n, WARPS), dim3(32, WARPS), 0, um_cuda_stream(dev)>>>(
                (T *)y, norm, (const T *)x, n, c, eps)));
    return um_cuda_launched("l2norm_fwd");
}

extern "C" int um_cuda_l2norm_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy,
                                  const void *y, const float *norm, int64_t n, int64_t c, float eps)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(
        dt, (grad_rows<T><<<um_cuda_blocks(n, WARPS), dim3(32, WARPS), 0, um_cuda_stream(dev)>>>(
                (T *)dx, (const T *)dy, (const T *)y, norm, n, c, eps)));
    return um_cuda_launched("l2norm_bwd");
}
