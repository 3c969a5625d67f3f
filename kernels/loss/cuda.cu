/* cuda.cu - losses: logits read once by a running softmax, sums in two steps of fixed order
 *
 * Rows whose elements lie side by side and are long are read by a warp or a block each, along the
 * row. All others by a thread, or a few, whose neighbours are at the neighbouring rows: so the
 * other direction of a contrastive loss, and the classes of a feature map, run along memory too.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/sum_cuda.h"
#include "kernels/vec_cuda.h"

extern "C" {
#include "kernels/loss/loss.h"
}

enum { THREADS = 256, WARPS = THREADS / 32, LONG = 64, FEW = 1024, SLICES = 32 };

/* ---- sums ---- */

/* terms of a part of the sum; of n alone */
static int64_t part_of(int64_t n)
{
    const int64_t least = 8 * THREADS, part = (n + 2047) / 2048;

    return part < least ? least : (part + least - 1) / least * least;
}

/* loss += scale * sum of part[0..n) */
template <typename S>
static __global__ void add_up(float *loss, const S *part, int64_t n, float scale)
{
    double a = 0;

#pragma unroll 8
    for (int64_t i = threadIdx.x; i < n; i += THREADS)
        a += (double)part[i];
    a = um_block_sum<THREADS>(a);
    if (threadIdx.x == 0)
        *loss += (float)((double)scale * a);
}

static __global__ void add_part(double *sum, const float *term, int64_t n, int64_t part)
{
    const int64_t from = blockIdx.x * part, to = from + part < n ? from + part : n;
    double        a = 0;

#pragma unroll 8
    for (int64_t i = from + threadIdx.x; i < to; i += THREADS)
        a += (double)term[i];
    a = um_block_sum<THREADS>(a);
    if (threadIdx.x == 0)
        sum[blockIdx.x] = a;
}

static int64_t parts_of(int64_t n)
{
    return (n + part_of(n) - 1) / part_of(n);
}

/* loss += scale * sum of n terms; sum: room for parts_of(n) */
static void add_terms(struct um_dev *dev, float *loss, double *sum, const float *term, int64_t n,
                      float scale)
{
    const int64_t parts = parts_of(n);

    if (parts == 1) {
        um_launch(dev, add_up<float>, 1, THREADS, 0, loss, term, n, scale);
        return;
    }
    um_launch(dev, add_part, (unsigned)parts, THREADS, 0, sum, term, n, part_of(n));
    um_launch(dev, add_up<double>, 1, THREADS, 0, loss, sum, parts, scale);
}

/* ---- cross entropy ---- */

struct strided {
    const float *x;
    int64_t      rs, cs, n, c;
};

/* below every logit, and what stands for one past the end: neither makes a NaN with the other, or
 * with a logit */
static const float LOWEST = -1e38f, NONE = -2e38f;

/* of the logits x so far: the largest, the sum of e^(x - m); and with weights q: the sums of q and
 * of q (x - m) over the q that are not 0 */
struct state {
    float m, s, q, d;
};

static __device__ inline void raise(struct state *a, float m)
{
    if (m > a->m) {
        a->s *= expf(a->m - m);
        a->d += a->q * (a->m - m);
        a->m = m;
    }
}

template <int V, bool SOFT>
static __device__ inline void take(struct state *a, const float *x, const float *q)
{
    float m = a->m, s = 0, all = 0, d = 0;

#pragma unroll
    for (int k = 0; k < V; k++)
        m = fmaxf(m, x[k]);
    raise(a, m);
#pragma unroll
    for (int k = 0; k < V; k++) {
        s += expf(x[k] - a->m);
        if (SOFT && q[k] != 0) {
            all += q[k];
            d += q[k] * (x[k] - a->m);
        }
    }
    a->s += s;
    a->q += all;
    a->d += d;
}

static __device__ inline void merge(struct state *a, struct state b)
{
    const float m = fmaxf(a->m, b.m);

    raise(a, m);
    raise(&b, m);
    a->s += b.s;
    a->q += b.q;
    a->d += b.d;
}

static __device__ inline void merge_warp(struct state *a)
{
    for (int o = 16; o > 0; o >>= 1) {
        struct state b;

        b.m = __shfl_xor_sync(0xffffffffu, a->m, o);
        b.s = __shfl_xor_sync(0xffffffffu, a->s, o);
        b.q = __shfl_xor_sync(0xffffffffu, a->q, o);
        b.d = __shfl_xor_sync(0xffffffffu, a->d, o);
        merge(a, b);
    }
}

/* a row's term against a class, or against the weights q */
static __device__ inline float term_of(struct state a, const float *row, int64_t cs, int64_t c,
                                       const int32_t *target, int *flag)
{
    const float s = logf(a.s);

    if (!target)
        return a.q * s - a.d;
    if (*target < -1 || *target >= c)
        *flag = 1;
    if (*target < 0 || *target >= c)
        return 0;
    return s - (row[*target * cs] - a.m); /* m may be large: not lse - x */
}

struct rows_out {
    float         *part, *lse;
    const int32_t *target; /* or NULL */
    const float   *q;      /* or NULL */
    int           *flag;
};

static __device__ inline void put(struct rows_out o, struct strided p, int64_t i, struct state a)
{
    o.lse[i]  = a.m + logf(a.s);
    o.part[i] = term_of(a, p.x + i * p.rs, p.cs, p.c, o.target ? o.target + i : NULL, o.flag);
}

/* rows of side by side elements: one by each of the WARPS warps of a block, or by the whole block
 */
template <int V, bool SOFT>
static __global__ void read_along(struct strided p, struct rows_out o, bool whole)
{
    __shared__ struct state part[WARPS];
    const int               warp = threadIdx.x / 32, step = whole ? THREADS : 32;
    const int64_t           i = whole ? blockIdx.x : (int64_t)blockIdx.x * WARPS + warp;
    const int64_t           c = i < p.n ? p.c : 0;
    const float            *x = p.x + i * p.rs, *q = SOFT ? o.q + i * p.rs : NULL;
    struct state            a = { LOWEST, 0, 0, 0 };

    for (int64_t j = (int64_t)(threadIdx.x % step) * V; j < c; j += 2 * step * V) {
        float u[2 * V], w[2 * V];

        um_ldv<V>(u, x + j);
        if (SOFT)
            um_ldv<V>(w, q + j);
        if (j + step * V < c) {
            um_ldv<V>(u + V, x + j + step * V);
            if (SOFT)
                um_ldv<V>(w + V, q + j + step * V);
        } else {
#pragma unroll
            for (int k = V; k < 2 * V; k++)
                u[k] = NONE, w[k] = 0;
        }
        take<2 * V, SOFT>(&a, u, w);
    }
    merge_warp(&a);
    if (threadIdx.x % 32 == 0)
        part[warp] = a;
    __syncthreads();
    if (threadIdx.x % step != 0 || i >= p.n)
        return;
    for (int k = 1; whole && k < WARPS; k++)
        merge(&a, part[k]);
    put(o, p, i, a);
}

/* any rows: neighbouring threads at neighbouring rows; the block's rows of threads take every so
 * manyth column each, and are merged in order */
template <bool SOFT>
static __global__ void __launch_bounds__(32 * SLICES)
    read_across(struct strided p, struct rows_out o)
{
    __shared__ struct state part[SLICES * 32];
    const int64_t           i    = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int64_t           c    = i < p.n ? p.c : 0;
    const int               step = (int)blockDim.y;
    const float            *x = p.x + i * p.rs, *q = SOFT ? o.q + i * p.rs : NULL;
    struct state            a = { LOWEST, 0, 0, 0 };

    for (int64_t j = threadIdx.y; j < c; j += 4 * step) {
        float u[4], w[4];

#pragma unroll
        for (int k = 0; k < 4; k++) {
            const bool in = j + k * step < c;

            u[k] = in ? x[(j + k * step) * p.cs] : NONE;
            w[k] = SOFT && in ? q[(j + k * step) * p.cs] : 0;
        }
        take<4, SOFT>(&a, u, w);
    }
    if (step > 1) {
        part[threadIdx.y * 32 + threadIdx.x] = a;
        __syncthreads();
    }
    if (threadIdx.y != 0 || i >= p.n)
        return;
    for (int k = 1; k < step; k++)
        merge(&a, part[k * 32 + threadIdx.x]);
    put(o, p, i, a);
}

static bool along(struct strided p)
{
    return p.cs == 1 && p.c >= LONG;
}

static bool whole_block(struct strided p)
{
    return p.n < FEW && p.c >= 4 * THREADS;
}

/* blocks of read_across: a thread a row where they are short */
static dim3 across_block(int64_t c)
{
    return c <= 32 ? dim3(THREADS) : dim3(32, c <= 512 ? 8 : SLICES);
}

template <bool SOFT> static int read_rows(struct um_dev *dev, struct strided p, struct rows_out o)
{
    const int64_t  rows   = !along(p)        ? (int64_t)across_block(p.c).x
                            : whole_block(p) ? 1
                                             : (int64_t)WARPS;
    const int64_t  blocks = (p.n + rows - 1) / rows;
    const bool     vec    = um_vec_rows(4, p.rs, p.x, o.q) && p.c % 4 == 0;
    const unsigned grid   = (unsigned)blocks;

    if (blocks > 0x7fffffff)
        return um_fail(UM_ERANGE, "cuda: cross entropy of %lld rows", (long long)p.n);
    if (!along(p))
        um_launch(dev, read_across<SOFT>, grid, across_block(p.c), 0, p, o);
    else
        UM_CUDA_VEC(vec, 4,
                    (um_launch(dev, read_along<V, SOFT>, grid, THREADS, 0, p, o, whole_block(p))));
    return UM_OK;
}

static int xent(struct um_dev *dev, float *loss, float *lse, struct strided p,
                const int32_t *target, const float *q, float scale)
{
    struct rows_out o = { NULL, lse, target, q, um_cuda_of(dev)->flag };
    double         *sum;

    if (p.n == 0)
        return UM_OK;
    sum = (double *)um_cuda_work(dev, (size_t)parts_of(p.n) * sizeof *sum +
                                          (size_t)p.n * sizeof *o.part);
    if (!sum)
        return UM_ENOMEM;
    o.part = (float *)(sum + parts_of(p.n));
    UM_TRY(q ? read_rows<true>(dev, p, o) : read_rows<false>(dev, p, o));
    add_terms(dev, loss, sum, o.part, p.n, scale);
    return um_cuda_launched(dev, "cross entropy");
}

extern "C" int um_cuda_xent_fwd(struct um_dev *dev, float *loss, float *lse, const float *x,
                                int64_t rs, int64_t cs, const int32_t *target, int64_t n, int64_t c,
                                float scale)
{
    const struct strided p = { x, rs, cs, n, c };

    return xent(dev, loss, lse, p, target, NULL, scale);
}

extern "C" int um_cuda_xent_soft_fwd(struct um_dev *dev, float *loss, float *lse, const float *x,
                                     const float *q, int64_t rs, int64_t cs, int64_t n, int64_t c,
                                     float scale)
{
    const struct strided p = { x, rs, cs, n, c };

    return xent(dev, loss, lse, p, NULL, q, scale);
}

/* ---- its gradient: an element a thread, or a vector, along whichever side is contiguous ---- */

struct grad {
    float         *dx;
    const float   *gloss, *lse;
    const int32_t *target; /* or NULL, and then: */
    const float   *q, *all;
    float          scale;
};

static __device__ inline float slope(struct grad g, int64_t i, int64_t j, float x, float q)
{
    const float e = expf(x - g.lse[i]);

    if (!g.target)
        return *g.gloss * g.scale * (e * g.all[i] - q);
    return g.target[i] < 0 ? 0 : *g.gloss * g.scale * (e - (j == g.target[i]));
}

/* by_rows: neighbouring elements are of a row; else of a column */
template <int V> static __global__ void gradient(struct grad g, struct strided p, bool by_rows)
{
    const int64_t inner = by_rows ? p.c : p.n, si = by_rows ? p.cs : p.rs;
    const int64_t so = by_rows ? p.rs : p.cs;

    UM_EACH(V, k, p.n * p.c)
    {
        const int64_t o = um_quot(k, inner), in = k - o * inner, at = o * so + in * si;
        float         x[V], q[V] = { 0 };

        um_ldv<V>(x, p.x + at);
        if (!g.target)
            um_ldv<V>(q, g.q + at);
#pragma unroll
        for (int l = 0; l < V; l++)
            x[l] = slope(g, by_rows ? o : in + l, by_rows ? in + l : o, x[l], q[l]);
        um_stv<V>(g.dx + at, x);
    }
}

static int xent_grad(struct um_dev *dev, struct grad g, struct strided p)
{
    const bool    by_rows = p.cs <= p.rs;
    const int64_t inner = by_rows ? p.c : p.n, si = by_rows ? p.cs : p.rs;
    const int64_t so  = by_rows ? p.rs : p.cs;
    const bool    vec = si == 1 && inner % 4 == 0 && um_vec_rows(4, so, p.x, g.q, g.dx);

    UM_CUDA_VEC(vec, 4,
                (um_launch(dev, gradient<V>, um_cuda_grid(dev, p.n * p.c, V * THREADS), THREADS, 0,
                           g, p, by_rows)));
    return um_cuda_launched(dev, "gradient of cross entropy");
}

extern "C" int um_cuda_xent_bwd(struct um_dev *dev, float *dx, const float *gloss, const float *x,
                                int64_t rs, int64_t cs, const float *lse, const int32_t *target,
                                int64_t n, int64_t c, float scale)
{
    const struct strided p = { x, rs, cs, n, c };
    const struct grad    g = { dx, gloss, lse, target, NULL, NULL, scale };

    return n * c == 0 ? UM_OK : xent_grad(dev, g, p);
}

/* sums of the rows of q: a warp a row of side by side elements */
static __global__ void sum_along(float *all, struct strided q)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    float         s = 0;

    if (i >= q.n)
        return; /* the whole warp */
#pragma unroll 4
    for (int64_t j = threadIdx.x % 32; j < q.c; j += 32)
        s += q.x[i * q.rs + j];
    s = um_warp_total(s);
    if (threadIdx.x % 32 == 0)
        all[i] = s;
}

/* as read_across */
static __global__ void __launch_bounds__(32 * SLICES) sum_across(float *all, struct strided q)
{
    __shared__ float part[SLICES * 32];
    const int64_t    i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int64_t    c = i < q.n ? q.c : 0;
    float            s = 0;

#pragma unroll 4
    for (int64_t j = threadIdx.y; j < c; j += blockDim.y)
        s += q.x[i * q.rs + j * q.cs];
    if (blockDim.y > 1) {
        part[threadIdx.y * 32 + threadIdx.x] = s;
        __syncthreads();
    }
    if (threadIdx.y != 0 || i >= q.n)
        return;
    for (int k = 1; k < (int)blockDim.y; k++)
        s += part[k * 32 + threadIdx.x];
    all[i] = s;
}

extern "C" int um_cuda_xent_soft_bwd(struct um_dev *dev, float *dx, const float *gloss,
                                     const float *x, const float *q, int64_t rs, int64_t cs,
                                     const float *lse, int64_t n, int64_t c, float scale)
{
    const struct strided p = { x, rs, cs, n, c }, w = { q, rs, cs, n, c };
    struct grad          g = { dx, gloss, lse, NULL, q, NULL, scale };
    float               *all;

    if (n * c == 0)
        return UM_OK;
    if (!(all = (float *)um_cuda_work(dev, (size_t)n * sizeof *all)))
        return UM_ENOMEM;
    if (along(w))
        um_launch(dev, sum_along, um_cuda_blocks(n, WARPS), THREADS, 0, all, w);
    else
        um_launch(dev, sum_across, um_cuda_blocks(n, across_block(c).x), across_block(c), 0, all,
                  w);
    g.all = all;
    return xent_grad(dev, g, p);
}

/* ---- labels: terms of a logit and its target, NaN: none ---- */

static __device__ inline float softplus(float x)
{
    return fmaxf(x, 0) + log1pf(expf(-fabsf(x)));
}

struct bce {
    __device__ float term(float x, float y) const
    {
        return fmaxf(x, 0) - x * y + log1pf(expf(-fabsf(x)));
    }
    __device__ float slope(float x, float y) const
    {
        return 1 / (1 + expf(-x)) - y;
    }
};

struct focal {
    float gamma, alpha;

    __device__ float weight(float x, float y) const
    {
        const float w = expf(-gamma * softplus(x * (2 * y - 1)));

        return alpha < 0 ? w : w * (alpha * y + (1 - alpha) * (1 - y));
    }
    __device__ float term(float x, float y) const
    {
        return weight(x, y) * (softplus(x) - x * y);
    }
    __device__ float slope(float x, float y) const
    {
        const float u   = 2 * y - 1;
        const float far = gamma * u / (1 + expf(-x * u)) * (softplus(x) - x * y);

        return weight(x, y) * (1 / (1 + expf(-x)) - y - far);
    }
};

/* sum [parts]: a block's part of the terms */
template <int V, typename F>
static __global__ void sum_labels(double *sum, const float *x, const float *y, int64_t n,
                                  int64_t part, F f)
{
    const int64_t from = blockIdx.x * part, to = from + part < n ? from + part : n;
    double        a = 0;

#pragma unroll 2
    for (int64_t i = from + threadIdx.x * V; i < to; i += THREADS * V) {
        float u[V], v[V];

        um_ldn<V>(u, x, i, to);
        um_ldn<V>(v, y, i, to);
#pragma unroll
        for (int k = 0; k < V; k++)
            a += i + k < to && !isnan(v[k]) ? (double)f.term(u[k], v[k]) : 0;
    }
    a = um_block_sum<THREADS>(a);
    if (threadIdx.x == 0)
        sum[blockIdx.x] = a;
}

template <int V, typename F>
static __global__ void slope_labels(float *dx, const float *gloss, const float *x, const float *y,
                                    int64_t n, float scale, F f)
{
    const float g = *gloss * scale;

    UM_EACH(V, i, n)
    {
        float u[V], v[V];

        um_ldn<V>(u, x, i, n);
        um_ldn<V>(v, y, i, n);
#pragma unroll
        for (int k = 0; k < V; k++)
            u[k] = isnan(v[k]) ? 0 : g * f.slope(u[k], v[k]);
        um_stn<V>(dx, i, n, u);
    }
}

template <typename F>
static int labels_fwd(struct um_dev *dev, float *loss, const float *x, const float *y, int64_t n,
                      float scale, F f)
{
    const int64_t parts = parts_of(n);
    double       *sum;

    if (n == 0)
        return UM_OK;
    if (!(sum = (double *)um_cuda_work(dev, (size_t)parts * sizeof *sum)))
        return UM_ENOMEM;
    UM_CUDA_VEC(um_aligned(x, y), 4,
                (um_launch(dev, sum_labels<V, F>, (unsigned)parts, THREADS, 0, sum, x, y, n,
                           part_of(n), f)));
    um_launch(dev, add_up<double>, 1, THREADS, 0, loss, sum, parts, scale);
    return um_cuda_launched(dev, "labels_fwd");
}

template <typename F>
static int labels_bwd(struct um_dev *dev, float *dx, const float *gloss, const float *x,
                      const float *y, int64_t n, float scale, F f)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_VEC(um_aligned(dx, x, y), 4,
                (um_launch(dev, slope_labels<V, F>, um_cuda_grid(dev, n, V * THREADS), THREADS, 0,
                           dx, gloss, x, y, n, scale, f)));
    return um_cuda_launched(dev, "labels_bwd");
}

extern "C" int um_cuda_bce_fwd(struct um_dev *dev, float *loss, const float *x, const float *y,
                               int64_t n, float scale)
{
    return labels_fwd(dev, loss, x, y, n, scale, bce());
}

extern "C" int um_cuda_bce_bwd(struct um_dev *dev, float *dx, const float *gloss, const float *x,
                               const float *y, int64_t n, float scale)
{
    return labels_bwd(dev, dx, gloss, x, y, n, scale, bce());
}

extern "C" int um_cuda_focal_fwd(struct um_dev *dev, float *loss, const struct um_focal *f)
{
    const struct focal g = { f->gamma, f->alpha };

    UM_TRY(um_check_focal("focal_fwd", f));
    return labels_fwd(dev, loss, f->x, f->y, f->n, f->scale, g);
}

extern "C" int um_cuda_focal_bwd(struct um_dev *dev, float *dx, const float *gloss,
                                 const struct um_focal *f)
{
    const struct focal g = { f->gamma, f->alpha };

    UM_TRY(um_check_focal("focal_bwd", f));
    return labels_bwd(dev, dx, gloss, f->x, f->y, f->n, f->scale, g);
}
