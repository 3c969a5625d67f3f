/* cuda.cu - distillation: a block of threads a row; sums over rows in a fixed order
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/cuda.h"

extern "C" {
#include "kernels/distill/distill.h"
}

enum { THREADS = 256 };

template <typename T> static __device__ float student(const struct um_distill &d, int64_t at)
{
    return um_ld((const T *)d.x, at) / d.tau_s;
}

template <typename T>
static __device__ float teacher(const struct um_distill &d, int64_t at, int64_t j)
{
    return (um_ld((const T *)d.t, at) - d.centre[j]) / d.tau_t;
}

/* the sum, or the largest, of one value of each thread: the same in every thread */
static __device__ float over_block(float v, bool most)
{
    __shared__ float part[THREADS / 32];

    v = most ? um_warp_max(v) : um_warp_sum(v);
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    v = part[0];
    for (int i = 1; i < THREADS / 32; i++)
        v = most ? fmaxf(v, part[i]) : v + part[i];
    return v;
}

template <typename T>
static __global__ void entropy(float *h, float *sure, float *lse, struct um_distill d)
{
    const int64_t i = blockIdx.x, at = i * d.c;
    float         ms = -INFINITY, mt = -INFINITY, es = 0, et = 0, ex = 0, ey = 0;

    for (int64_t j = threadIdx.x; j < d.c; j += THREADS) {
        ms = fmaxf(ms, student<T>(d, at + j));
        mt = fmaxf(mt, teacher<T>(d, at + j, j));
    }
    ms = over_block(ms, true);
    mt = over_block(mt, true);
    for (int64_t j = threadIdx.x; j < d.c; j += THREADS) {
        const float s = student<T>(d, at + j) - ms, t = teacher<T>(d, at + j, j) - mt;
        const float e = expf(t);

        es += expf(s);
        et += e;
        ex += e * s;
        ey += e * t;
    }
    es = over_block(es, false);
    et = over_block(et, false);
    ex = over_block(ex, false);
    ey = over_block(ey, false);
    if (threadIdx.x == 0) {
        lse[2 * i]     = ms + logf(es);
        lse[2 * i + 1] = mt + logf(et);
        h[i]           = d.weight[i] * (logf(es) - ex / et);
        sure[i]        = d.weight[i] * (logf(et) - ey / et);
    }
}

template <typename T>
static __global__ void sum_q(float *qmean, const float *lse, struct um_distill d)
{
    const int64_t j = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    float         q = 0;

    if (j >= d.c)
        return;
    for (int64_t i = 0; i < d.n; i++)
        q += d.weight[i] * expf(teacher<T>(d, i * d.c + j, j) - lse[2 * i + 1]);
    qmean[j] += q;
}

static __global__ void sum_h(float *loss, const float *h, int64_t n)
{
    float s = 0;

    for (int64_t i = threadIdx.x; i < n; i += THREADS)
        s += h[i];
    s = over_block(s, false);
    if (threadIdx.x == 0)
        *loss += s;
}

template <typename T>
static __global__ void gradient(T *dx, const float *gloss, const float *lse, struct um_distill d)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < d.n * d.c;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t i = k / d.c;

        um_st(dx, k,
              *gloss * d.weight[i] / d.tau_s *
                  (expf(student<T>(d, k) - lse[2 * i]) -
                   expf(teacher<T>(d, k, k % d.c) - lse[2 * i + 1])));
    }
}

extern "C" int um_cuda_distill_fwd(struct um_dev *dev, float *loss, float *lse, float *qmean,
                                   float *sure, const struct um_distill *d)
{
    float *h;

    if (d->n == 0)
        return UM_OK;
    if (d->n > 0x7fffffff)
        return um_fail(UM_ERANGE, "cuda: distill over %lld rows", (long long)d->n);
    if (!(h = (float *)um_cuda_work(dev, 2 * (size_t)d->n * sizeof *h)))
        return UM_ENOMEM;
    UM_CUDA_TYPED(d->dt, (entropy<T><<<(unsigned)d->n, THREADS, 0, um_cuda_stream(dev)>>>(
                             h, h + d->n, lse, *d)));
    if (qmean)
        UM_CUDA_TYPED(d->dt, (sum_q<T><<<um_cuda_blocks(d->c, 128), 128, 0, um_cuda_stream(dev)>>>(
                                 qmean, lse, *d)));
    sum_h<<<1, THREADS, 0, um_cuda_stream(dev)>>>(loss, h, d->n);
    if (sure)
        sum_h<<<1, THREADS, 0, um_cuda_stream(dev)>>>(sure, h + d->n, d->n);
    return um_cuda_launched("distill_fwd");
}

extern "C" int um_cuda_distill_bwd(struct um_dev *dev, void *dx, const float *gloss,
                                   const float *lse, const struct um_distill *d)
{
    if (d->n == 0)
        return UM_OK;
    UM_CUDA_TYPED(d->dt,
                  (gradient<T><<<um_cuda_blocks(d->n * d->c, 256), 256, 0, um_cuda_stream(dev)>>>(
                      (T *)dx, gloss, lse, *d)));
    return um_cuda_launched("distill_bwd");
}
