/* cuda.cu - gradient norms and AdamW over spans of the parameters' block, one launch each
 *
 * The spans come from the host, and go into the workspace before what a kernel writes there.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/cuda.h"

#include <stdlib.h>

extern "C" {
#include "kernels/memory/memory.h"
#include "kernels/optim/optim.h"
UM_MEMORY_OPS(UM_DECLARE, cuda)
}

enum { SUM = 1024, BLOCK = 1 << 16 }; /* values a partial sum */

/* a span on the device; first: number of its first part */
struct span {
    int64_t from, n, first;
    float   gscale, wd;
};

/* the spans copied to the workspace, and behind them room for `more` bytes a part and what aligns
 * it; NULL with a message */
static struct span *upload(struct um_dev *dev, const struct um_span *s, int64_t spans, size_t more,
                           int64_t *parts)
{
    const size_t size = (size_t)spans * sizeof(struct span);
    struct span *host = (struct span *)malloc(size), *to = NULL;

    *parts = 0;
    for (int64_t i = 0; host && i < spans; i++) {
        host[i].from   = s[i].from;
        host[i].n      = s[i].n;
        host[i].first  = *parts;
        host[i].gscale = s[i].gscale;
        host[i].wd     = s[i].wd;
        *parts += (s[i].n + BLOCK - 1) / BLOCK;
    }
    if (!host)
        (void)um_fail(UM_ENOMEM, "out of memory");
    else
        to = (struct span *)um_cuda_work(dev, size + (size_t)*parts * more);
    if (to && um_cuda_upload(dev, to, host, size) < 0)
        to = NULL;
    free(host);
    return to;
}

/* the span that part k is of */
static __device__ const struct span *span_of(const struct span *s, int64_t spans, int64_t k)
{
    int64_t low = 0, high = spans;

    while (high - low > 1) {
        const int64_t mid = low + (high - low) / 2;

        if (s[mid].first <= k)
            low = mid;
        else
            high = mid;
    }
    return s + low;
}

static __device__ double block_sum(double a)
{
    __shared__ double s[SUM];

    s[threadIdx.x] = a;
    for (int o = SUM / 2; o > 0; o >>= 1) {
        __syncthreads();
        if (threadIdx.x < o)
            s[threadIdx.x] += s[threadIdx.x + o];
    }
    return s[0]; /* for thread 0 */
}

static __global__ void square_parts(double *part, const float *x, const struct span *spans,
                                    int64_t n)
{
    const struct span *s    = span_of(spans, n, blockIdx.x);
    const int64_t      from = (blockIdx.x - s->first) * BLOCK;
    double             a    = 0;

    for (int64_t i = from + threadIdx.x; i < s->n && i < from + BLOCK; i += SUM)
        a += (double)x[s->from + i] * x[s->from + i];
    a = block_sum(a);
    if (threadIdx.x == 0)
        part[blockIdx.x] = a;
}

/* block i: sum[i] += the parts of span i */
static __global__ void add_parts(double *sum, const double *part, const struct span *spans)
{
    const struct span *s     = spans + blockIdx.x;
    const int64_t      parts = (s->n + BLOCK - 1) / BLOCK;
    double             a     = 0;

    for (int64_t i = threadIdx.x; i < parts; i += SUM)
        a += part[s->first + i];
    a = block_sum(a);
    if (threadIdx.x == 0)
        sum[blockIdx.x] += a;
}

extern "C" int um_cuda_sumsq(struct um_dev *dev, double *sum, const float *x,
                             const struct um_span *span, int64_t spans)
{
    int64_t      parts;
    struct span *s;

    UM_TRY(um_check_spans("sumsq", span, spans));
    if (spans == 0)
        return UM_OK;
    s = upload(dev, span, spans, sizeof(double), &parts);
    if (!s)
        return UM_ENOMEM;
    if (parts == 0)
        return UM_OK;
    double *part = (double *)(s + spans);
    square_parts<<<(unsigned)parts, SUM, 0, um_cuda_stream(dev)>>>(part, x, s, spans);
    add_parts<<<(unsigned)spans, SUM, 0, um_cuda_stream(dev)>>>(sum, part, s);
    return um_cuda_launched("sumsq");
}

/* One block. The sum of all is added in the order of the spans, as the definition adds it, so that
 * the host finds the same length: from shared memory, a few cycles each. */
static __global__ void clip_all(float *factor, const double *sum, const double *also, int64_t spans,
                                bool all, double most)
{
    __shared__ double part[SUM];
    __shared__ double whole;
    __shared__ int    bad;

    if (threadIdx.x == 0) {
        whole = 0;
        bad   = also && !isfinite(*also);
    }
    for (int64_t from = 0; from < spans; from += SUM) {
        const int64_t i = from + threadIdx.x;

        __syncthreads();
        part[threadIdx.x] = i < spans ? sum[i] : 0;
        __syncthreads();
        if (threadIdx.x == 0)
            for (int64_t k = 0; k < SUM && from + k < spans; k++) {
                whole += part[k];
                bad = bad || !isfinite(part[k]);
            }
    }
    __syncthreads();
    for (int64_t i = threadIdx.x; i < spans; i += SUM) {
        const double length = sqrt(all ? whole : sum[i]);

        factor[i] = bad ? nanf("") : length > most ? (float)(most / length) : 1;
    }
}

extern "C" int um_cuda_clip(struct um_dev *dev, float *factor, const double *sum,
                            const double *also, int64_t spans, bool all, double most)
{
    UM_TRY(um_check_clip(spans, most));
    if (spans == 0)
        return UM_OK;
    clip_all<<<1, SUM, 0, um_cuda_stream(dev)>>>(factor, sum, also, spans, all, most);
    return um_cuda_launched("clip");
}

/* block k: part k of the spans */
static __global__ void adam_all(struct um_adam p, const struct span *spans, float c1, float c2)
{
    const struct span *s     = span_of(spans, p.spans, blockIdx.x);
    const int64_t      begin = (blockIdx.x - s->first) * BLOCK;
    const int64_t      end   = begin + BLOCK < s->n ? begin + BLOCK : s->n;
    const float        scale = p.factor ? s->gscale * p.factor[s - spans] : s->gscale;

    if (isnan(scale)) /* the whole block's */
        return;
    for (int64_t i = s->from + begin + threadIdx.x; i < s->from + end; i += blockDim.x) {
        const float gi = p.g[i] * scale;
        const float mi = p.b1 * p.m[i] + (1 - p.b1) * gi;
        const float ui = p.b2 * p.u[i] + (1 - p.b2) * gi * gi;
        p.m[i]         = mi;
        p.u[i]         = ui;
        p.w[i]         = p.w[i] * (1 - p.lr * s->wd) - p.lr * (mi / c1) / (sqrtf(ui / c2) + p.eps);
    }
}

extern "C" int um_cuda_adamw(struct um_dev *dev, const struct um_adam *a)
{
    int64_t      parts;
    struct span *s;

    UM_TRY(um_check_adam(a));
    if (a->spans == 0)
        return UM_OK;
    s = upload(dev, a->span, a->spans, 0, &parts);
    if (!s)
        return UM_ENOMEM;
    if (parts > 0)
        adam_all<<<(unsigned)parts, SUM, 0, um_cuda_stream(dev)>>>(
            *a, s, (float)(1 - pow((double)a->b1, (double)a->t)),
            (float)(1 - pow((double)a->b2, (double)a->t)));
    return um_cuda_launched("adamw");
}
