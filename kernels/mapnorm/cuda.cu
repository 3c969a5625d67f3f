/* cuda.cu - norms of feature maps: a block of threads owns a statistic */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda.h"

enum { THREADS = 256 };

/* statistic u has `planes` runs of s elements from first on, `apart` from each other */
struct set {
    int64_t planes, first, apart, s;
    int64_t channel;
};

static __device__ inline struct set set_of(bool batch, int64_t u, int64_t n, int64_t c, int64_t s)
{
    const struct set e = { batch ? n : 1, u * s, c * s, s, u % c };

    return e;
}

#define EACH(i, e)                                                                                 \
    for (int64_t p_ = 0; p_ < (e).planes; p_++)                                                    \
        for (int64_t i = (e).first + p_ * (e).apart + threadIdx.x;                                 \
             i < (e).first + p_ * (e).apart + (e).s; i += THREADS)

/* the sum over the block's threads, in a tree, for all of them */
static __device__ inline double block_sum(double v, double *part)
{
    part[threadIdx.x] = v;
    for (int h = THREADS / 2; h > 0; h /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < h)
            part[threadIdx.x] += part[threadIdx.x + h];
    }
    __syncthreads();
    v = part[0];
    __syncthreads();
    return v;
}

template <typename T>
static __global__ void forward(T *y, float *mean, float *rstd, float *var, const T *x,
                               const float *gamma, const float *beta, bool batch, int64_t n,
                               int64_t c, int64_t s, float eps)
{
    __shared__ double part[THREADS];

    for (int64_t u = blockIdx.x; u < (batch ? c : n * c); u += gridDim.x) {
        const struct set e     = set_of(batch, u, n, c, s);
        const double     count = (double)e.planes * (double)s;
        double           m = 0, v = 0;

        EACH(i, e)
        m += um_ld(x, i);
        m = block_sum(m, part) / count;
        EACH(i, e)
        v += (um_ld(x, i) - m) * (um_ld(x, i) - m);
        v             = block_sum(v, part);
        const float r = (float)(1 / sqrt(v / count + eps));
        const float g = r * (gamma ? gamma[e.channel] : 1), b = beta ? beta[e.channel] : 0;
        EACH(i, e)
        um_st(y, i, (float)(um_ld(x, i) - m) * g + b);
        if (threadIdx.x == 0) {
            mean[u] = (float)m;
            rstd[u] = r;
            if (var)
                var[u] = (float)(v / (count > 1 ? count - 1 : 1));
        }
    }
}

/* part [units][2]: sums of dy xhat and of dy */
template <typename T>
static __global__ void backward(T *dx, double *sums, const T *dy, const T *x, const float *gamma,
                                const float *mean, const float *rstd, bool batch, int64_t n,
                                int64_t c, int64_t s)
{
    __shared__ double part[THREADS];

    for (int64_t u = blockIdx.x; u < (batch ? c : n * c); u += gridDim.x) {
        const struct set e     = set_of(batch, u, n, c, s);
        const double     count = (double)e.planes * (double)s;
        const float      m = mean[u], r = rstd[u], g = r * (gamma ? gamma[e.channel] : 1);
        double           a = 0, b = 0;

        EACH(i, e)
        {
            a += um_ld(dy, i);
            b += (double)(um_ld(dy, i) * ((um_ld(x, i) - m) * r));
        }
        a = block_sum(a, part);
        b = block_sum(b, part);
        if (threadIdx.x == 0) {
            sums[2 * u]     = b;
            sums[2 * u + 1] = a;
        }
        EACH(i, e)
        um_st(dx, i,
              g * (um_ld(dy, i) - (float)(a / count) - (um_ld(x, i) - m) * r * (float)(b / count)));
    }
}

/* over the samples, in order */
static __global__ void add_sums(float *dgamma, float *dbeta, const double *sums, int64_t units,
                                int64_t c)
{
    const int64_t j = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    double        a = 0, b = 0;

    if (j >= c)
        return;
    for (int64_t u = j; u < units; u += c) {
        b += sums[2 * u];
        a += sums[2 * u + 1];
    }
    dgamma[j] += (float)b;
    dbeta[j] += (float)a;
}

template <typename T>
static __global__ void eval(T *y, const T *x, const float *gamma, const float *beta,
                            const float *mean, const float *var, int64_t count, int64_t c,
                            int64_t s, float eps)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < count;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t j = k / s % c;
        const float   h = (um_ld(x, k) - mean[j]) / sqrtf(var[j] + eps);
        um_st(y, k, h * (gamma ? gamma[j] : 1) + (beta ? beta[j] : 0));
    }
}

extern "C" int um_cuda_mapnorm_fwd(struct um_dev *dev, enum um_dtype dt, bool batch, void *y,
                                   float *mean, float *rstd, float *var, const void *x,
                                   const float *gamma, const float *beta, int64_t n, int64_t c,
                                   int64_t s, float eps)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(
        dt, (forward<T><<<um_cuda_blocks(batch ? c : n * c, 1), THREADS, 0, um_cuda_stream(dev)>>>(
                (T *)y, mean, rstd, var, (const T *)x, gamma, beta, batch, n, c, s, eps)));
    return um_cuda_launched("mapnorm_fwd");
}

extern "C" int um_cuda_mapnorm_eval(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                    const float *gamma, const float *beta, const float *mean,
                                    const float *var, int64_t n, int64_t c, int64_t s, float eps)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, (eval<T><<<um_cuda_blocks(n * c * s, 256), 256, 0, um_cuda_stream(dev)>>>(
                          (T *)y, (const T *)x, gamma, beta, mean, var, n * c * s, c, s, eps)));
    return um_cuda_launched("mapnorm_eval");
}

extern "C" int um_cuda_mapnorm_bwd(struct um_dev *dev, enum um_dtype dt, bool batch, void *dx,
                                   float *dgamma, float *dbeta, const void *dy, const void *x,
                                   const float *gamma, const float *mean, const float *rstd,
                                   int64_t n, int64_t c, int64_t s)
{
    const int64_t units = batch ? c : n * c;
    double       *sums;

    if (n == 0)
        return UM_OK;
    if (!(sums = (double *)um_cuda_work(dev, (size_t)units * 2 * sizeof *sums)))
        return UM_ENOMEM;
    UM_CUDA_TYPED(
        dt, (backward<T><<<um_cuda_blocks(units, 1), THREADS, 0, um_cuda_stream(dev)>>>(
                (T *)dx, sums, (const T *)dy, (const T *)x, gamma, mean, rstd, batch, n, c, s)));
    if (gamma)
        add_sums<<<um_cuda_blocks(c, 64), 64, 0, um_cuda_stream(dev)>>>(dgamma, dbeta, sums, units,
                                                                        c);
    return um_cuda_launched("mapnorm_bwd");
}
