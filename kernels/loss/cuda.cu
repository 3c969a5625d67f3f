/* cuda.cu - losses: each row's term into scratch, then one block adds them up in a fixed order */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda.h"

extern "C" {
#include "kernels/loss/loss.h"
}

enum { WARPS = 8, SUM = 1024 };

/* loss += scale * sum of part[0..n): thread t takes t, t + SUM, ..; then a tree over the threads */
static __global__ void add_up(float *loss, const float *part, int64_t n, float scale)
{
    __shared__ double s[SUM];
    double            a = 0;

    for (int64_t i = threadIdx.x; i < n; i += SUM)
        a += part[i];
    s[threadIdx.x] = a;
    for (int o = SUM / 2; o > 0; o >>= 1) {
        __syncthreads();
        if (threadIdx.x < o)
            s[threadIdx.x] += s[threadIdx.x + o];
    }
    if (threadIdx.x == 0)
        *loss += (float)(scale * s[0]);
}

struct strided {
    const float *x;
    int64_t      rs, cs, n, c;
};

static __global__ void xent_rows(float *part, float *lse, struct strided p, const int32_t *target,
                                 int *flag)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         m = -INFINITY, s = 0;

    if (i >= p.n)
        return;
    const float *row = p.x + i * p.rs;
    for (int64_t j = threadIdx.x; j < p.c; j += 32)
        m = fmaxf(m, row[j * p.cs]);
    m = um_warp_max(m);
    for (int64_t j = threadIdx.x; j < p.c; j += 32)
        s += expf(row[j * p.cs] - m);
    s = logf(um_warp_sum(s));
    if (threadIdx.x != 0)
        return;
    const int64_t t = target[i];
    if (t < -1 || t >= p.c)
        *flag = 1;
    lse[i]  = m + s;
    part[i] = t >= 0 && t < p.c ? s - (row[t * p.cs] - m) : 0; /* m may be large: not lse - x */
}

static __global__ void xent_grad(float *dx, const float *gloss, struct strided p, const float *lse,
                                 const int32_t *target, float scale)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < p.n * p.c;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t i = k / p.c, j = k % p.c, at = i * p.rs + j * p.cs;
        const float   q = expf(p.x[at] - lse[i]) - (j == target[i]);
        dx[at]          = target[i] < 0 ? 0 : *gloss * scale * q;
    }
}

extern "C" int um_cuda_xent_fwd(struct um_dev *dev, float *loss, float *lse, const float *x,
                                int64_t rs, int64_t cs, const int32_t *target, int64_t n, int64_t c,
                                float scale)
{
    const struct strided p = { x, rs, cs, n, c };
    float               *part;

    if (n == 0)
        return UM_OK;
    part = (float *)um_cuda_work(dev, (size_t)n * sizeof *part);
    if (!part)
        return UM_ENOMEM;
    xent_rows<<<um_cuda_blocks(n, WARPS), dim3(32, WARPS), 0, um_cuda_stream(dev)>>>(
        part, lse, p, target, um_cuda_of(dev)->flag);
    add_up<<<1, SUM, 0, um_cuda_stream(dev)>>>(loss, part, n, scale);
    return um_cuda_launched("xent_fwd");
}

extern "C" int um_cuda_xent_bwd(struct um_dev *dev, float *dx, const float *gloss, const float *x,
                                int64_t rs, int64_t cs, const float *lse, const int32_t *target,
                                int64_t n, int64_t c, float scale)
{
    const struct strided p = { x, rs, cs, n, c };

    if (n * c == 0)
        return UM_OK;
    xent_grad<<<um_cuda_blocks(n * c, 256), 256, 0, um_cuda_stream(dev)>>>(dx, gloss, p, lse,
                                                                           target, scale);
    return um_cuda_launched("xent_bwd");
}

static __global__ void bce_terms(float *part, const float *x, const float *y, int64_t n)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x)
        part[i] = isnan(y[i]) ? 0 : fmaxf(x[i], 0) - x[i] * y[i] + log1pf(expf(-fabsf(x[i])));
}

static __global__ void bce_grad(float *dx, const float *gloss, const float *x, const float *y,
                                int64_t n, float scale)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x)
        dx[i] = isnan(y[i]) ? 0 : *gloss * scale * (1 / (1 + expf(-x[i])) - y[i]);
}

extern "C" int um_cuda_bce_fwd(struct um_dev *dev, float *loss, const float *x, const float *y,
                               int64_t n, float scale)
{
    float *part;

    if (n == 0)
        return UM_OK;
    part = (float *)um_cuda_work(dev, (size_t)n * sizeof *part);
    if (!part)
        return UM_ENOMEM;
    bce_terms<<<um_cuda_blocks(n, 256), 256, 0, um_cuda_stream(dev)>>>(part, x, y, n);
    add_up<<<1, SUM, 0, um_cuda_stream(dev)>>>(loss, part, n, scale);
    return um_cuda_launched("bce_fwd");
}

extern "C" int um_cuda_bce_bwd(struct um_dev *dev, float *dx, const float *gloss, const float *x,
                               const float *y, int64_t n, float scale)
{
    if (n == 0)
        return UM_OK;
    bce_grad<<<um_cuda_blocks(n, 256), 256, 0, um_cuda_stream(dev)>>>(dx, gloss, x, y, n, scale);
    return um_cuda_launched("bce_bwd");
}

/* as xent_rows, against row i of q */
static __global__ void soft_rows(float *part, float *lse, struct strided p, const float *q)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         m = -INFINITY, s = 0, h = 0;

    if (i >= p.n)
        return;
    const float *row = p.x + i * p.rs;
    for (int64_t j = threadIdx.x; j < p.c; j += 32)
        m = fmaxf(m, row[j * p.cs]);
    m = um_warp_max(m);
    for (int64_t j = threadIdx.x; j < p.c; j += 32)
        s += expf(row[j * p.cs] - m);
    s = logf(um_warp_sum(s));
    for (int64_t j = threadIdx.x; j < p.c; j += 32)
        if (q[i * p.rs + j * p.cs] != 0)
            h += q[i * p.rs + j * p.cs] * (s - (row[j * p.cs] - m));
    h = um_warp_sum(h);
    if (threadIdx.x == 0) {
        lse[i]  = m + s;
        part[i] = h;
    }
}

static __global__ void soft_grad(float *dx, const float *gloss, struct strided p, const float *q,
                                 const float *lse, float scale)
{
    const int64_t i   = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    float         all = 0;

    if (i >= p.n)
        return;
    for (int64_t j = threadIdx.x; j < p.c; j += 32)
        all += q[i * p.rs + j * p.cs];
    all = um_warp_sum(all);
    for (int64_t j = threadIdx.x; j < p.c; j += 32) {
        const int64_t at = i * p.rs + j * p.cs;
        dx[at]           = *gloss * scale * (expf(p.x[at] - lse[i]) * all - q[at]);
    }
}

extern "C" int um_cuda_xent_soft_fwd(struct um_dev *dev, float *loss, float *lse, const float *x,
                                     const float *q, int64_t rs, int64_t cs, int64_t n, int64_t c,
                                     float scale)
{
    const struct strided p = { x, rs, cs, n, c };
    float               *part;

    if (n == 0)
        return UM_OK;
    part = (float *)um_cuda_work(dev, (size_t)n * sizeof *part);
    if (!part)
        return UM_ENOMEM;
    soft_rows<<<um_cuda_blocks(n, WARPS), dim3(32, WARPS), 0, um_cuda_stream(dev)>>>(part, lse, p,
                                                                                     q);
    add_up<<<1, SUM, 0, um_cuda_stream(dev)>>>(loss, part, n, scale);
    return um_cuda_launched("xent_soft_fwd");
}

extern "C" int um_cuda_xent_soft_bwd(struct um_dev *dev, float *dx, const float *gloss,
                                     const float *x, const float *q, int64_t rs, int64_t cs,
                                     const float *lse, int64_t n, int64_t c, float scale)
{
    const struct strided p = { x, rs, cs, n, c };

    if (n == 0)
        return UM_OK;
    soft_grad<<<um_cuda_blocks(n, WARPS), dim3(32, WARPS), 0, um_cuda_stream(dev)>>>(dx, gloss, p,
                                                                                     q, lse, scale);
    return um_cuda_launched("xent_soft_bwd");
}

static __device__ float softplus(float x)
{
    return fmaxf(x, 0) + log1pf(expf(-fabsf(x)));
}

static __device__ float focal_weight(const struct um_focal &f, float x, float y)
{
    const float w = expf(-f.gamma * softplus(x * (2 * y - 1)));

    return f.alpha < 0 ? w : w * (f.alpha * y + (1 - f.alpha) * (1 - y));
}

static __global__ void focal_terms(float *part, struct um_focal f)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < f.n;
         i += (int64_t)gridDim.x * blockDim.x) {
        const float x = f.x[i], y = f.y[i];
        part[i] = isnan(y) ? 0 : focal_weight(f, x, y) * (softplus(x) - x * y);
    }
}

static __global__ void focal_grad(float *dx, const float *gloss, struct um_focal f)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < f.n;
         i += (int64_t)gridDim.x * blockDim.x) {
        const float x = f.x[i], y = f.y[i], u = 2 * y - 1;
        const float far = f.gamma * u / (1 + expf(-x * u)) * (softplus(x) - x * y);
        const float d   = focal_weight(f, x, y) * (1 / (1 + expf(-x)) - y - far);
        dx[i]           = isnan(y) ? 0 : *gloss * f.scale * d;
    }
}

extern "C" int um_cuda_focal_fwd(struct um_dev *dev, float *loss, const struct um_focal *f)
{
    float *part;

    UM_TRY(um_check_focal("focal_fwd", f));
    if (f->n == 0)
        return UM_OK;
    part = (float *)um_cuda_work(dev, (size_t)f->n * sizeof *part);
    if (!part)
        return UM_ENOMEM;
    focal_terms<<<um_cuda_blocks(f->n, 256), 256, 0, um_cuda_stream(dev)>>>(part, *f);
    add_up<<<1, SUM, 0, um_cuda_stream(dev)>>>(loss, part, f->n, f->scale);
    return um_cuda_launched("focal_fwd");
}

extern "C" int um_cuda_focal_bwd(struct um_dev *dev, float *dx, const float *gloss,
                                 const struct um_focal *f)
{
    UM_TRY(um_check_focal("focal_bwd", f));
    if (f->n == 0)
        return UM_OK;
    focal_grad<<<um_cuda_blocks(f->n, 256), 256, 0, um_cuda_stream(dev)>>>(dx, gloss, *f);
    return um_cuda_launched("focal_bwd");
}
