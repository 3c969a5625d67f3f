/* cuda.cu - batch norm over rows: one thread a column, neighbours on neighbouring columns */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vec_cuda.h"

enum { COLS = 64 };

template <typename T>
static __global__ void norm_cols(T *y, float *mean, float *rstd, float *var, const T *x,
                                 const float *gamma, const float *beta, int64_t n, int64_t c,
                                 float eps)
{
    const int64_t j = (int64_t)blockIdx.x * COLS + threadIdx.x;
    double        m = 0, v = 0;

    if (j >= c)
        return;
    for (int64_t i = 0; i < n; i++)
        m += um_ld(x, i * c + j);
    m /= (double)n;
    for (int64_t i = 0; i < n; i++) {
        const double d = um_ld(x, i * c + j) - m;
        v += d * d;
    }
    const float r = (float)(1 / sqrt(v / (double)n + eps));
    const float g = gamma ? gamma[j] : 1, b = beta ? beta[j] : 0;
    for (int64_t i = 0; i < n; i++)
        um_st(y, i * c + j, (float)(um_ld(x, i * c + j) - m) * r * g + b);
    mean[j] = (float)m;
    rstd[j] = r;
    var[j]  = (float)(v / (double)(n > 1 ? n - 1 : 1));
}

template <typename T>
static __global__ void eval_all(T *y, const T *x, const float *gamma, const float *beta,
                                const float *mean, const float *var, int64_t count, int64_t c,
                                float eps)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < count;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t j = k % c;
        const float   h = (um_ld(x, k) - mean[j]) / sqrtf(var[j] + eps);
        um_st(y, k, h * (gamma ? gamma[j] : 1) + (beta ? beta[j] : 0));
    }
}

/* dx = gamma rstd (dy - mean(dy) - xhat mean(dy xhat)) */
template <typename T>
static __global__ void grad_cols(T *dx, float *dgamma, float *dbeta, const T *dy, const T *x,
                                 const float *gamma, const float *mean, const float *rstd,
                                 int64_t n, int64_t c)
{
    const int64_t j = (int64_t)blockIdx.x * COLS + threadIdx.x;
    double        a = 0, b = 0;

    if (j >= c)
        return;
    for (int64_t i = 0; i < n; i++) {
        const float d = um_ld(dy, i * c + j);
        a += d;
        b += (double)(d * (um_ld(x, i * c + j) - mean[j]) * rstd[j]);
    }
    if (dgamma) {
        dgamma[j] += (float)b;
        dbeta[j] += (float)a;
    }
    a /= (double)n;
    b /= (double)n;
    for (int64_t i = 0; i < n; i++) {
        const float h = (um_ld(x, i * c + j) - mean[j]) * rstd[j];
        const float d = um_ld(dy, i * c + j) - (float)a - h * (float)b;
        um_st(dx, i * c + j, (gamma ? gamma[j] : 1) * rstd[j] * d);
    }
}

extern "C" int um_cuda_batchnorm_fwd(struct um_dev *dev, enum um_dtype dt, void *y, float *mean,
                                     float *rstd, float *var, const void *x, const float *gamma,
                                     const float *beta, int64_t n, int64_t c, float eps)
{
    if (n == 0 || c == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, (norm_cols<T><<<um_cuda_blocks(c, COLS), COLS, 0, um_cuda_stream(dev)>>>(
                          (T *)y, mean, rstd, var, (const T *)x, gamma, beta, n, c, eps)));
    return um_cuda_launched("batchnorm_fwd");
}

extern "C" int um_cuda_batchnorm_eval(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                      const float *gamma, const float *beta, const float *mean,
                                      const float *var, int64_t n, int64_t c, float eps)
{
    if (n == 0 || c == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, (eval_all<T><<<um_cuda_blocks(n * c, 256), 256, 0, um_cuda_stream(dev)>>>(
                          (T *)y, (const T *)x, gamma, beta, mean, var, n * c, c, eps)));
    return um_cuda_launched("batchnorm_eval");
}

extern "C" int um_cuda_batchnorm_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, float *dgamma,
                                     float *dbeta, const void *dy, const void *x,
                                     const float *gamma, const float *mean, const float *rstd,
                                     int64_t n, int64_t c)
{
    if (n == 0 || c == 0)
        return UM_OK;
    UM_CUDA_TYPED(
        dt, (grad_cols<T><<<um_cuda_blocks(c, COLS), COLS, 0, um_cuda_stream(dev)>>>(
                (T *)dx, dgamma, dbeta, (const T *)dy, (const T *)x, gamma, mean, rstd, n, c)));
    return um_cuda_launched("batchnorm_bwd");
}

template <int V>
static __global__ void lerp_all(float *run, const float *x, float momentum, int64_t n)
{
    UM_EACH(V, i, n)
    {
        float r[V], v[V];

        um_ldn<V>(r, run, i, n);
        um_ldn<V>(v, x, i, n);
#pragma unroll
        for (int k = 0; k < V; k++)
            r[k] = (1 - momentum) * r[k] + momentum * v[k];
        um_stn<V>(run, i, n, r);
    }
}

extern "C" int um_cuda_lerp(struct um_dev *dev, float *run, const float *x, float momentum,
                            int64_t n)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_VEC(um_aligned(run, x), 4,
                (lerp_all<V><<<um_cuda_grid(dev, n, V * 256), 256, 0, um_cuda_stream(dev)>>>(
                    run, x, momentum, n)));
    return um_cuda_launched("lerp");
}
