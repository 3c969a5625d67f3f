/* cuda.cu - gradient norms and AdamW over spans of the parameters' block, one launch each
 *
 * The spans come from the host, cut into parts, a block each; the last few calls' stay on the
 * device and go up again only when they are others. A step's are those of the step before.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/vec_cuda.h"

#include <stdlib.h>

extern "C" {
#include "kernels/memory/memory.h"
#include "kernels/optim/optim.h"
UM_MEMORY_OPS(UM_DECLARE, cuda)
}

enum { THREADS = 256, SUM = 1024, PART = 1 << 14, KEPT = 8 }; /* values a part; lists of spans */

/* values from .. from+n-1 of the block, of span `span` */
struct part {
    int64_t from;
    int32_t n, span;
};

/* a span on the device: its parts, from part `first` on; what AdamW does to them */
struct span {
    int64_t first, parts;
    float   gscale, wd;
};

/* The spans of a call; `host` are those, as the caller gave them. On the device behind each other
 * in `block`: spans, parts, room for a double a part. */
struct kept {
    struct um_span *host;
    int64_t         spans, parts;
    bool            even; /* all begin at multiples of four values */
    void           *block;
    size_t          size;
};

struct um_cuda_spans {
    struct kept kept[KEPT];
    int         next; /* the oldest: the next to go */
};

void um_cuda_spans_close(struct um_cuda *c)
{
    if (!c->spans)
        return;
    for (int i = 0; i < KEPT; i++) {
        um_cuda_free(&c->dev, c->spans->kept[i].block);
        free(c->spans->kept[i].host);
    }
    free(c->spans);
    c->spans = NULL;
}

static struct span *spans_at(const struct kept *s)
{
    return (struct span *)s->block;
}

static struct part *parts_at(const struct kept *s)
{
    return (struct part *)(spans_at(s) + s->spans);
}

static double *sums_at(const struct kept *s)
{
    return (double *)(parts_at(s) + s->parts);
}

/* the spans and their parts as they lie in the block */
static void cut(const struct kept *s, struct span *span, struct part *part)
{
    int64_t k = 0;

    for (int64_t i = 0; i < s->spans; i++) {
        const struct um_span *h = &s->host[i];

        span[i].first  = k;
        span[i].gscale = h->gscale;
        span[i].wd     = h->wd;
        for (int64_t at = 0; at < h->n; at += PART, k++) {
            part[k].from = h->from + at;
            part[k].n    = h->n - at < PART ? (int32_t)(h->n - at) : (int32_t)PART;
            part[k].span = (int32_t)i;
        }
        span[i].parts = k - span[i].first;
    }
}

/* s->spans and s->parts are known: room on the device, and all of it there */
static int send(struct um_dev *dev, struct kept *s)
{
    const size_t bytes =
        (size_t)s->spans * sizeof(struct span) + (size_t)s->parts * sizeof(struct part);
    const size_t size = bytes + (size_t)s->parts * sizeof(double);
    char        *host;
    int          st;

    if (size > s->size) {
        um_cuda_free(dev, s->block); /* waits for what uses it */
        s->block = NULL;
        s->size  = 0;
        UM_TRY(um_cuda_alloc(dev, size, &s->block));
        s->size = size;
    }
    host = (char *)malloc(bytes);
    if (!host)
        return um_fail(UM_ENOMEM, "out of memory");
    cut(s, (struct span *)host, (struct part *)(host + (size_t)s->spans * sizeof(struct span)));
    st = um_cuda_upload(dev, s->block, host, bytes);
    free(host);
    return st;
}

/* s for these spans, in place of those it had */
static int replace(struct um_dev *dev, struct kept *s, const struct um_span *span, int64_t spans)
{
    int64_t parts = 0;
    int     st;

    s->spans = 0; /* until all of it is there */
    free(s->host);
    s->host = (struct um_span *)malloc((size_t)spans * sizeof *span);
    if (!s->host)
        return um_fail(UM_ENOMEM, "out of memory");
    memcpy(s->host, span, (size_t)spans * sizeof *span);
    s->even = true;
    for (int64_t i = 0; i < spans; i++) {
        parts += (span[i].n + PART - 1) / PART;
        s->even = s->even && span[i].from % 4 == 0;
    }
    if (parts > INT32_MAX || spans > INT32_MAX)
        return um_fail(UM_ERANGE, "cuda: %lld spans of %lld parts", (long long)spans,
                       (long long)parts);
    s->spans = spans;
    s->parts = parts;
    st       = send(dev, s);
    s->spans = st < 0 ? 0 : spans;
    return st;
}

/* the device's copy of these spans, spans >= 1 */
static int found(struct um_dev *dev, const struct um_span *span, int64_t spans, struct kept **out)
{
    struct um_cuda       *c = um_cuda_of(dev);
    struct um_cuda_spans *all;

    if (!c->spans)
        c->spans = (struct um_cuda_spans *)calloc(1, sizeof *c->spans);
    all = c->spans;
    if (!all)
        return um_fail(UM_ENOMEM, "out of memory");
    for (int i = 0; i < KEPT; i++) {
        *out = &all->kept[i];
        if ((*out)->spans == spans && memcmp((*out)->host, span, (size_t)spans * sizeof *span) == 0)
            return UM_OK;
    }
    *out      = &all->kept[all->next];
    all->next = (all->next + 1) % KEPT;
    return replace(dev, *out, span, spans);
}

/* the sum over the block, for thread 0: a tree */
static __device__ double block_sum(double a)
{
    __shared__ double s[THREADS];

    s[threadIdx.x] = a;
    for (int o = THREADS / 2; o > 0; o >>= 1) {
        __syncthreads();
        if (threadIdx.x < o)
            s[threadIdx.x] += s[threadIdx.x + o];
    }
    return s[0];
}

/* block k: part k. Four sums a thread whatever V is, so that both ways add in one order. */
template <int V>
static __global__ void square_parts(double *sum, const float *x, const struct part *parts)
{
    const struct part p = parts[blockIdx.x];
    double            a = 0;

    for (int i = (int)threadIdx.x * 4; i < p.n; i += THREADS * 4) {
        float v[4];

#pragma unroll
        for (int k = 0; k < 4; k += V)
            um_ldn<V>(v + k, x + p.from, i + k, p.n);
#pragma unroll
        for (int k = 0; k < 4; k++)
            a += (double)v[k] * v[k];
    }
    a = block_sum(a);
    if (threadIdx.x == 0)
        sum[blockIdx.x] = a;
}

/* block i: sum[i] += the parts of span i */
static __global__ void add_parts(double *sum, const double *part, const struct span *spans)
{
    const struct span s = spans[blockIdx.x];
    double            a = 0;

    for (int64_t i = threadIdx.x; i < s.parts; i += THREADS)
        a += part[s.first + i];
    a = block_sum(a);
    if (threadIdx.x == 0)
        sum[blockIdx.x] += a;
}

extern "C" int um_cuda_sumsq(struct um_dev *dev, double *sum, const float *x,
                             const struct um_span *span, int64_t spans)
{
    struct kept *s;

    UM_TRY(um_check_spans("sumsq", span, spans));
    if (spans == 0)
        return UM_OK;
    UM_TRY(found(dev, span, spans, &s));
    if (s->parts == 0)
        return UM_OK;
    UM_CUDA_VEC(s->even && um_aligned(x), 4,
                (um_launch(dev, square_parts<V>, (unsigned)s->parts, THREADS, 0, sums_at(s), x,
                           parts_at(s))));
    um_launch(dev, add_parts, (unsigned)spans, THREADS, 0, sum, sums_at(s), spans_at(s));
    return um_cuda_launched(dev, "sumsq");
}

/* One block. The sum of all is added in the order of the spans, as the definition adds it, so that
 * the host finds the same length: from shared memory, a few cycles each. */
static __global__ void __launch_bounds__(SUM)
    clip_all(float *factor, const double *sum, const double *also, int64_t spans, bool all,
             double most)
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
    um_launch(dev, clip_all, 1, SUM, 0, factor, sum, also, spans, all, most);
    return um_cuda_launched(dev, "clip");
}

/* block k: part k of the spans; w, g, m and u are read once, w, m and u written */
template <int V>
static __global__ void adam_all(struct um_adam p, const struct span *spans,
                                const struct part *parts, float c1, float c2)
{
    const struct part at     = parts[blockIdx.x];
    const struct span s      = spans[at.span];
    const float       scale  = p.factor ? s.gscale * p.factor[at.span] : s.gscale;
    const float       shrink = 1 - p.lr * s.wd;

    if (isnan(scale)) /* the whole block's */
        return;
    for (int i = (int)threadIdx.x * V; i < at.n; i += THREADS * V) {
        float w[V], g[V], m[V], u[V];

        um_ldn<V>(g, p.g + at.from, i, at.n);
        um_ldn<V>(m, p.m + at.from, i, at.n);
        um_ldn<V>(u, p.u + at.from, i, at.n);
        um_ldn<V>(w, p.w + at.from, i, at.n);
#pragma unroll
        for (int k = 0; k < V; k++) {
            g[k] *= scale;
            m[k] = p.b1 * m[k] + (1 - p.b1) * g[k];
            u[k] = p.b2 * u[k] + (1 - p.b2) * g[k] * g[k];
            w[k] = w[k] * shrink - p.lr * (m[k] / c1) / (sqrtf(u[k] / c2) + p.eps);
        }
        um_stn<V>(p.m + at.from, i, at.n, m);
        um_stn<V>(p.u + at.from, i, at.n, u);
        um_stn<V>(p.w + at.from, i, at.n, w);
    }
}

extern "C" int um_cuda_adamw(struct um_dev *dev, const struct um_adam *a)
{
    const float  c1 = (float)(1 - pow((double)a->b1, (double)a->t));
    const float  c2 = (float)(1 - pow((double)a->b2, (double)a->t));
    struct kept *s;

    UM_TRY(um_check_adam(a));
    if (a->spans == 0)
        return UM_OK;
    UM_TRY(found(dev, a->span, a->spans, &s));
    if (s->parts == 0)
        return UM_OK;
    UM_CUDA_VEC(s->even && um_aligned(a->w, a->m, a->u, a->g), 4,
                (um_launch(dev, adam_all<V>, (unsigned)s->parts, THREADS, 0, *a, spans_at(s),
                           parts_at(s), c1, c2)));
    return um_cuda_launched(dev, "adamw");
}
