/* cuda.cu - gradient norms and AdamW */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda.h"

enum { SUM = 1024, BLOCK = 1 << 16 }; /* values a partial sum */

static __device__ void block_sum(double *out, double a, bool add)
{
    __shared__ double s[SUM];

    s[threadIdx.x] = a;
    for (int o = SUM / 2; o > 0; o >>= 1) {
        __syncthreads();
        if (threadIdx.x < o)
            s[threadIdx.x] += s[threadIdx.x + o];
    }
    if (threadIdx.x == 0)
        *out = add ? *out + s[0] : s[0];
}

static __global__ void square_parts(double *part, const float *x, int64_t n)
{
    const int64_t from = (int64_t)blockIdx.x * BLOCK;
    double        a    = 0;

    for (int64_t i = from + threadIdx.x; i < n && i < from + BLOCK; i += SUM)
        a += (double)x[i] * x[i];
    block_sum(part + blockIdx.x, a, false);
}

static __global__ void add_parts(double *sum, const double *part, int64_t parts)
{
    double a = 0;

    for (int64_t i = threadIdx.x; i < parts; i += SUM)
        a += part[i];
    block_sum(sum, a, true);
}

extern "C" int um_cuda_sumsq(struct um_dev *dev, double *sum, const float *x, int64_t n)
{
    const int64_t parts = (n + BLOCK - 1) / BLOCK;
    double       *part;

    if (n == 0)
        return UM_OK;
    part = (double *)um_cuda_work(dev, (size_t)parts * sizeof *part);
    if (!part)
        return UM_ENOMEM;
    square_parts<<<(unsigned)parts, SUM, 0, um_cuda_stream(dev)>>>(part, x, n);
    add_parts<<<1, SUM, 0, um_cuda_stream(dev)>>>(sum, part, parts);
    return um_cuda_launched("sumsq");
}

struct adam {
    float gscale, lr, b1, b2, eps, wd, c1, c2; /* c1, c2: 1 - b^t */
};

static __global__ void adam_all(float *w, float *m, float *u, const float *g, int64_t n,
                                struct adam p)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        const float gi = g[i] * p.gscale;
        const float mi = p.b1 * m[i] + (1 - p.b1) * gi;
        const float ui = p.b2 * u[i] + (1 - p.b2) * gi * gi;
        m[i]           = mi;
        u[i]           = ui;
        w[i]           = w[i] * (1 - p.lr * p.wd) - p.lr * (mi / p.c1) / (sqrtf(ui / p.c2) + p.eps);
    }
}

extern "C" int um_cuda_adamw(struct um_dev *dev, float *w, float *m, float *u, const float *g,
                             int64_t n, float gscale, float lr, float b1, float b2, float eps,
                             float wd, int64_t t)
{
    const struct adam p = { gscale,
                            lr,
                            b1,
                            b2,
                            eps,
                            wd,
                            (float)(1 - pow((double)b1, (double)t)),
                            (float)(1 - pow((double)b2, (double)t)) };

    if (n == 0)
        return UM_OK;
    adam_all<<<um_cuda_blocks(n, 256), 256, 0, um_cuda_stream(dev)>>>(w, m, u, g, n, p);
    return um_cuda_launched("adamw");
}
