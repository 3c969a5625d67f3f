/* cuda.cu - layer norm: one warp a row; any n, any c
 *
 * The mean of the first pass is good to a few units in the last place of the row's offset; the
 * second sums the differences from it too, and their mean puts the rest right, so that an offset of
 * 1000, as in unscaled CT, costs nothing. The parameters' gradients are summed over fixed blocks of
 * rows, then over the blocks in order. SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/cuda.h"

enum { WARPS = 8, ROWS = 256 }; /* rows a warp block; rows a partial sum */

template <typename Y, typename X>
static __global__ void norm_rows(Y *y, float *mean, float *rstd, const X *x, const float *gamma,
                                 const float *beta, int64_t n, int64_t c, float eps)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         m = 0, rest = 0, v = 0;

    if (i >= n)
        return; /* i is uniform across a warp, so the shuffles stay full */
    for (int64_t j = threadIdx.x; j < c; j += 32)
        m += um_ld(x, i * c + j);
    m = um_warp_sum(m) / (float)c;
    for (int64_t j = threadIdx.x; j < c; j += 32) {
        const float d = um_ld(x, i * c + j) - m;
        rest += d;
        v += d * d;
    }
    rest          = um_warp_sum(rest) / (float)c;
    v             = um_warp_sum(v) / (float)c - rest * rest;
    const float r = 1 / sqrtf((v < 0 ? 0 : v) + eps); /* NaN stays NaN */
    for (int64_t j = threadIdx.x; j < c; j += 32)
        um_st(y, i * c + j, (um_ld(x, i * c + j) - m - rest) * r * gamma[j] + beta[j]);
    if (threadIdx.x == 0) {
        mean[i] = m + rest;
        rstd[i] = r;
    }
}

/* dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma */
template <typename Y, typename X>
static __global__ void grad_rows(X *dx, bool acc, const Y *dy, const X *x, const float *gamma,
                                 const float *mean, const float *rstd, int64_t n, int64_t c)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         a = 0, b = 0;

    if (i >= n)
        return;
    for (int64_t j = threadIdx.x; j < c; j += 32) {
        const float g = um_ld(dy, i * c + j) * gamma[j];
        a += g;
        b += g * (um_ld(x, i * c + j) - mean[i]) * rstd[i];
    }
    a = um_warp_sum(a) / (float)c;
    b = um_warp_sum(b) / (float)c;
    for (int64_t j = threadIdx.x; j < c; j += 32) {
        const float g = um_ld(dy, i * c + j) * gamma[j];
        const float h = (um_ld(x, i * c + j) - mean[i]) * rstd[i];
        um_st(dx, i * c + j, (acc ? um_ld(dx, i * c + j) : 0) + rstd[i] * (g - a - h * b));
    }
}

template <typename Y, typename X>
static __global__ void grad_params(float *part, const Y *dy, const X *x, const float *mean,
                                   const float *rstd, int64_t n, int64_t c)
{
    const int64_t j  = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int64_t i0 = (int64_t)blockIdx.y * ROWS;
    float         dg = 0, db = 0;

    if (j >= c)
        return;
    for (int64_t i = i0; i < n && i < i0 + ROWS; i++) {
        const float d = um_ld(dy, i * c + j);
        dg += d * (um_ld(x, i * c + j) - mean[i]) * rstd[i];
        db += d;
    }
    part[(int64_t)blockIdx.y * 2 * c + j]     = dg;
    part[(int64_t)blockIdx.y * 2 * c + c + j] = db;
}

static __global__ void add_parts(float *dgamma, float *dbeta, const float *part, int64_t parts,
                                 int64_t c)
{
    const int64_t j  = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    float         dg = 0, db = 0;

    if (j >= c)
        return;
    for (int64_t p = 0; p < parts; p++) {
        dg += part[p * 2 * c + j];
        db += part[p * 2 * c + c + j];
    }
    dgamma[j] += dg;
    dbeta[j] += db;
}

/* run `call` with Y and X bound to the types of y and x */
#define TYPED(dty, dtx, call) UM_CUDA_TYPED(dty, typedef T Y; UM_CUDA_TYPED(dtx, typedef T X; call))

extern "C" int um_cuda_layernorm_fwd(struct um_dev *dev, void *y, enum um_dtype dty, float *mean,
                                     float *rstd, const void *x, enum um_dtype dtx,
                                     const float *gamma, const float *beta, int64_t n, int64_t c,
                                     float eps)
{
    if (n == 0)
        return UM_OK; /* an empty grid is a launch error */
    TYPED(dty, dtx,
          (norm_rows<Y, X><<<um_cuda_blocks(n, WARPS), dim3(32, WARPS), 0, um_cuda_stream(dev)>>>(
              (Y *)y, mean, rstd, (const X *)x, gamma, beta, n, c, eps)));
    return um_cuda_launched("layernorm_fwd");
}

extern "C" int um_cuda_layernorm_bwd(struct um_dev *dev, void *dx, enum um_dtype dtx, bool acc,
                                     float *dgamma, float *dbeta, const void *dy, enum um_dtype dty,
                                     const void *x, const float *gamma, const float *mean,
                                     const float *rstd, int64_t n, int64_t c)
{
    const int64_t parts = (n + ROWS - 1) / ROWS;
    float        *part;

    if (n == 0)
        return UM_OK;
    if (parts > 65535)
        return um_fail(UM_ERANGE, "cuda: layernorm over %lld rows", (long long)n);
    part = (float *)um_cuda_work(dev, (size_t)(parts * 2 * c) * sizeof *part);
    if (!part)
        return UM_ENOMEM;
    TYPED(dty, dtx,
          (grad_params<Y, X>
           <<<dim3(um_cuda_blocks(c, 128), (unsigned)parts), 128, 0, um_cuda_stream(dev)>>>(
               part, (const Y *)dy, (const X *)x, mean, rstd, n, c)));
    add_parts<<<um_cuda_blocks(c, 128), 128, 0, um_cuda_stream(dev)>>>(dgamma, dbeta, part, parts,
                                                                       c);
    TYPED(dty, dtx,
          (grad_rows<Y, X><<<um_cuda_blocks(n, WARPS), dim3(32, WARPS), 0, um_cuda_stream(dev)>>>(
              (X *)dx, acc, (const Y *)dy, (const X *)x, gamma, mean, rstd, n, c)));
    return um_cuda_launched("layernorm_bwd");
}
