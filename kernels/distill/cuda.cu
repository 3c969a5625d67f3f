/* cuda.cu - distillation: student and teacher read once for the loss, by a running softmax
 *
 * A warp takes a chunk of a row's columns: the largest arguments so far, and the sums relative to
 * them, which are scaled when a larger one turns up. A block's warps are at the same columns of as
 * many rows, so that the centre comes from the first cache. The chunks of a row, the rows' terms
 * and the parts of the mean over rows are added up in a fixed order.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/ptx.h"
#include "kernels/sum_cuda.h"
#include "kernels/vec_cuda.h"

extern "C" {
#include "kernels/distill/distill.h"
}

enum { THREADS = 256, WARPS = THREADS / 32, ROWS = 8, BATCH = 4 };

/* below every argument, and what stands for an element past the end: of the differences between
 * them and any argument exp makes 0, and no product with a 0 is NaN */
static const float LOWEST = -1e38f, NONE = -2e38f;

/* log2 e / tau, in two floats: where exp's argument is large, the second counts */
struct sharp {
    float by, rest;
};

struct factors {
    struct sharp s, t;
};

static struct sharp sharp_of(float tau)
{
    const double       k = 1.4426950408889634 / (double)tau;
    const struct sharp s = { (float)k, (float)(k - (double)(float)k) };

    return s;
}

static struct factors factors_of(const struct um_distill *d)
{
    const struct factors f = { sharp_of(d->tau_s), sharp_of(d->tau_t) };

    return f;
}

/* exp(v / tau - lse), given log2 e lse in two floats */
static __device__ inline float power(float v, struct sharp k, struct sharp lse)
{
    return um_exp2(fmaf(v, k.by, -lse.by) + fmaf(v, k.rest, -lse.rest));
}

static __device__ inline struct sharp log2_of(float lse)
{
    const float        e = 1.44269502f;
    const float        v = lse * e;
    const struct sharp s = { v, fmaf(lse, e, -v) + lse * 1.92596299e-8f };

    return s;
}

/* of the elements so far: the largest of the student's x and of the teacher's t less the centre;
 * sums of exp((x - ms) / tau_s), of q = exp((t - mt) / tau_t), of q (x - ms) and of q (t - mt) */
struct state {
    float ms, es, mt, et, ex, ey;
};

enum { STATE = 6 };

static __device__ inline void raise(struct state *a, float ms, float mt, struct factors f)
{
    if (ms > a->ms) {
        a->es *= um_exp2((a->ms - ms) * f.s.by);
        a->ex += a->et * (a->ms - ms);
        a->ms = ms;
    }
    if (mt > a->mt) {
        const float by = um_exp2((a->mt - mt) * f.t.by);

        a->ey = by * (a->ey + a->et * (a->mt - mt));
        a->et *= by;
        a->ex *= by;
        a->mt = mt;
    }
}

template <int V>
static __device__ inline void take(struct state *a, const float *x, const float *t,
                                   struct factors f)
{
    float ms = a->ms, mt = a->mt, es = 0, et = 0, ex = 0, ey = 0;

#pragma unroll
    for (int k = 0; k < V; k++) {
        ms = fmaxf(ms, x[k]);
        mt = fmaxf(mt, t[k]);
    }
    raise(a, ms, mt, f);
#pragma unroll
    for (int k = 0; k < V; k++) {
        const float u = x[k] - a->ms, v = t[k] - a->mt, q = um_exp2(v * f.t.by);

        es += um_exp2(u * f.s.by);
        et += q;
        ex += q * u;
        ey += q * v;
    }
    a->es += es;
    a->et += et;
    a->ex += ex;
    a->ey += ey;
}

static __device__ inline void merge(struct state *a, struct state b, struct factors f)
{
    const float ms = fmaxf(a->ms, b.ms), mt = fmaxf(a->mt, b.mt);

    raise(a, ms, mt, f);
    raise(&b, ms, mt, f);
    a->es += b.es;
    a->et += b.et;
    a->ex += b.ex;
    a->ey += b.ey;
}

static __device__ inline void merge_warp(struct state *a, struct factors f)
{
    for (int o = 16; o > 0; o >>= 1) {
        struct state b;

        b.ms = __shfl_xor_sync(0xffffffffu, a->ms, o);
        b.es = __shfl_xor_sync(0xffffffffu, a->es, o);
        b.mt = __shfl_xor_sync(0xffffffffu, a->mt, o);
        b.et = __shfl_xor_sync(0xffffffffu, a->et, o);
        b.ex = __shfl_xor_sync(0xffffffffu, a->ex, o);
        b.ey = __shfl_xor_sync(0xffffffffu, a->ey, o);
        merge(a, b, f);
    }
}

/* elements j .. j+V-1 of a row of x and of t less the centre; from `to` on: NONE */
template <int V, typename T>
static __device__ inline void load(float *x, float *t, const T *xs, const T *ts,
                                   const float *centre, int64_t j, int64_t to)
{
    if (j >= to) {
#pragma unroll
        for (int k = 0; k < V; k++)
            x[k] = t[k] = NONE;
        return;
    }
    float c[V];

    um_ldv<V>(x, xs + j);
    um_ldv<V>(t, ts + j);
    um_ldv<V>(c, centre + j);
#pragma unroll
    for (int k = 0; k < V; k++)
        t[k] -= c[k];
}

/* part [n, chunks] of states: warp w of block (chunk, group of rows) */
template <int V, typename T>
static __global__ void read_rows(float *part, struct um_distill d, struct factors f, int64_t chunk,
                                 int64_t chunks)
{
    const int64_t i    = um_quot(blockIdx.x, chunks) * WARPS + threadIdx.x / 32;
    const int64_t k    = blockIdx.x - um_quot(blockIdx.x, chunks) * chunks;
    const int64_t from = k * chunk + threadIdx.x % 32 * V;
    const int64_t to   = k * chunk + chunk < d.c ? k * chunk + chunk : d.c;
    struct state  a    = { LOWEST, 0, LOWEST, 0, 0, 0 };

    if (i >= d.n)
        return; /* the whole warp */
    const T *x = (const T *)d.x + i * d.c, *t = (const T *)d.t + i * d.c;
    for (int64_t j = from; j < to; j += 64 * V) {
        float u[2 * V], v[2 * V];

        load<V>(u, v, x, t, d.centre, j, to);
        load<V>(u + V, v + V, x, t, d.centre, j + 32 * V, to);
        take<2 * V>(&a, u, v, f);
    }
    merge_warp(&a, f);
    if (threadIdx.x % 32 != 0)
        return;
    part += (i * chunks + k) * STATE;
    part[0] = a.ms, part[1] = a.es, part[2] = a.mt;
    part[3] = a.et, part[4] = a.ex, part[5] = a.ey;
}

/* a thread a row: its chunks in order; then the block's sums of H and of the teacher's entropy into
 * terms [2, blocks] */
static __global__ void finish_rows(double *terms, float *lse, const float *part,
                                   struct um_distill d, struct factors f, int64_t chunks)
{
    const int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    struct state  a = { LOWEST, 0, LOWEST, 0, 0, 0 };
    double        h = 0, sure = 0;

    for (int64_t k = 0; i < d.n && k < chunks; k++) {
        const float       *p = part + (i * chunks + k) * STATE;
        const struct state b = { p[0], p[1], p[2], p[3], p[4], p[5] };

        merge(&a, b, f);
    }
    if (i < d.n) {
        const float ls = logf(a.es), lt = logf(a.et);

        lse[2 * i]     = a.ms / d.tau_s + ls;
        lse[2 * i + 1] = a.mt / d.tau_t + lt;
        h              = (double)(d.weight[i] * (ls - a.ex / a.et / d.tau_s));
        sure           = (double)(d.weight[i] * (lt - a.ey / a.et / d.tau_t));
    }
    h    = um_block_sum<THREADS>(h);
    sure = um_block_sum<THREADS>(sure);
    if (threadIdx.x == 0) {
        terms[blockIdx.x]             = h;
        terms[gridDim.x + blockIdx.x] = sure;
    }
}

/* block 0: loss += the first n terms; block 1: sure += the others */
static __global__ void sum_terms(float *loss, float *sure, const double *terms, int64_t n)
{
    float *out = blockIdx.x ? sure : loss;
    double s   = 0;

    for (int64_t i = threadIdx.x; i < n; i += THREADS)
        s += terms[blockIdx.x * n + i];
    s = um_block_sum<THREADS>(s);
    if (threadIdx.x == 0)
        *out += (float)s;
}

/* part [parts, c]: sums of weight q over `rows` rows each, a thread V columns */
template <int V, typename T>
static __global__ void sum_q(float *part, const float *lse, struct um_distill d, struct factors f,
                             int64_t rows, int64_t tiles)
{
    const int64_t p  = um_quot(blockIdx.x, tiles);
    const int64_t j  = ((blockIdx.x - p * tiles) * THREADS + threadIdx.x) * V;
    const int64_t to = p * rows + rows < d.n ? p * rows + rows : d.n;
    float         c[V], s[V] = { 0 };

    if (j >= d.c)
        return;
    um_ldv<V>(c, d.centre + j);
    for (int64_t i = p * rows; i < to; i += BATCH) {
        float t[BATCH][V];

#pragma unroll
        for (int b = 0; b < BATCH; b++)
            if (i + b < to)
                um_ldv<V>(t[b], (const T *)d.t + (i + b) * d.c + j);
#pragma unroll
        for (int b = 0; b < BATCH; b++) {
            if (i + b >= to)
                break;
            const float        w = d.weight[i + b];
            const struct sharp l = log2_of(lse[2 * (i + b) + 1]);
#pragma unroll
            for (int k = 0; k < V; k++)
                s[k] += w * power(t[b][k] - c[k], f.t, l);
        }
    }
    um_stv<V>(part + p * d.c + j, s);
}

/* ROWS rows a block, a thread V columns of each */
template <int V, typename T>
static __global__ void gradient(T *dx, const float *gloss, const float *lse, struct um_distill d,
                                struct factors f, int64_t tiles)
{
    const int64_t p = um_quot(blockIdx.x, tiles);
    const int64_t j = ((blockIdx.x - p * tiles) * THREADS + threadIdx.x) * V;
    const float   g = *gloss;
    float         c[V];

    if (j >= d.c)
        return;
    um_ldv<V>(c, d.centre + j);
#pragma unroll 2
    for (int64_t i = p * ROWS; i < d.n && i < p * ROWS + ROWS; i++) {
        const struct sharp ls = log2_of(lse[2 * i]), lt = log2_of(lse[2 * i + 1]);
        const float        w = g * d.weight[i] / d.tau_s;
        float              x[V], t[V];

        um_ldv<V>(x, (const T *)d.x + i * d.c + j);
        um_ldv<V>(t, (const T *)d.t + i * d.c + j);
#pragma unroll
        for (int k = 0; k < V; k++)
            x[k] = w * (power(x[k], f.s, ls) - power(t[k] - c[k], f.t, lt));
        um_stv<V>(dx + i * d.c + j, x);
    }
}

/* columns a warp takes of a row: fewer where there are few rows; a multiple of 64 vectors */
static int64_t chunk_of(int64_t n, int64_t c)
{
    return n * ((c + 4095) / 4096) >= 4096 ? 4096 : n * ((c + 1023) / 1024) >= 1024 ? 1024 : 512;
}

/* n rows in groups of `rows` by `across`: how many blocks, or 0 for too many */
static unsigned grid_of(int64_t n, int64_t rows, int64_t across)
{
    const int64_t groups = (n + rows - 1) / rows;

    return groups > 0x7fffffff / across ? 0 : (unsigned)(groups * across);
}

static int too_many(const char *op, const struct um_distill *d)
{
    return um_fail(UM_ERANGE, "cuda: %s over %lld rows of %lld", op, (long long)d->n,
                   (long long)d->c);
}

template <int V, typename T>
static int mean_q(struct um_dev *dev, float *qmean, float *part, const float *lse,
                  const struct um_distill *d, int64_t rows)
{
    const int64_t tiles = (d->c + V * THREADS - 1) / (V * THREADS),
                  parts = (d->n + rows - 1) / rows;
    const unsigned grid = grid_of(d->n, rows, tiles);

    if (!grid)
        return too_many("distill_fwd", d);
    um_launch(dev, sum_q<V, T>, grid, THREADS, 0, part, lse, *d, factors_of(d), rows, tiles);
    um_launch(dev, um_add_parts<float, float>, um_part_grid(d->c), um_part_block(), 0, qmean, part,
              parts, d->c);
    return UM_OK;
}

/* whether rows of x and t, the centre and the parts are vectors of V */
static bool vectors(int V, const struct um_distill *d)
{
    return um_vec_rows(V, d->c, d->x, d->t, d->centre);
}

extern "C" int um_cuda_distill_fwd(struct um_dev *dev, float *loss, float *lse, float *qmean,
                                   float *sure, const struct um_distill *d)
{
    const int64_t  chunk = chunk_of(d->n, d->c), chunks = (d->c + chunk - 1) / chunk;
    const int64_t  rows   = um_cuda_part(d->n, (d->c + 2047) / 2048, 64);
    const int64_t  blocks = (d->n + THREADS - 1) / THREADS, parts = (d->n + rows - 1) / rows;
    const unsigned grid = grid_of(d->n, WARPS, chunks);
    const size_t   most =
        (size_t)(d->n * chunks * STATE > (qmean ? parts * d->c : 0) ? d->n * chunks * STATE
                                                                    : parts * d->c);
    double *terms;
    float  *part;

    if (d->n == 0)
        return UM_OK;
    if (!grid)
        return too_many("distill_fwd", d);
    part =
        (float *)um_cuda_work(dev, (most + 4) * sizeof *part + 2 * (size_t)blocks * sizeof *terms);
    if (!part)
        return UM_ENOMEM;
    terms = (double *)(part + (most + 3) / 4 * 4);
    UM_CUDA_TYPED(d->dt, UM_CUDA_VEC(vectors(um_vec<T>::N, d), um_vec<T>::N,
                                     (um_launch(dev, read_rows<V, T>, grid, THREADS, 0, part, *d,
                                                factors_of(d), chunk, chunks))));
    um_launch(dev, finish_rows, (unsigned)blocks, THREADS, 0, terms, lse, part, *d, factors_of(d),
              chunks);
    um_launch(dev, sum_terms, sure ? 2 : 1, THREADS, 0, loss, sure, terms, blocks);
    if (qmean)
        UM_CUDA_TYPED(d->dt, UM_CUDA_VEC(vectors(um_vec<T>::N, d), um_vec<T>::N,
                                         UM_TRY((mean_q<V, T>(dev, qmean, part, lse, d, rows)))));
    return um_cuda_launched(dev, "distill_fwd");
}

template <int V, typename T>
static int launch_gradient(struct um_dev *dev, T *dx, const float *gloss, const float *lse,
                           const struct um_distill *d)
{
    const int64_t  tiles = (d->c + V * THREADS - 1) / (V * THREADS);
    const unsigned grid  = grid_of(d->n, ROWS, tiles);

    if (!grid)
        return too_many("distill_bwd", d);
    um_launch(dev, gradient<V, T>, grid, THREADS, 0, dx, gloss, lse, *d, factors_of(d), tiles);
    return um_cuda_launched(dev, "distill_bwd");
}

extern "C" int um_cuda_distill_bwd(struct um_dev *dev, void *dx, const float *gloss,
                                   const float *lse, const struct um_distill *d)
{
    if (d->n == 0)
        return UM_OK;
    UM_CUDA_TYPED(d->dt, UM_CUDA_VEC(vectors(um_vec<T>::N, d) && um_aligned(dx), um_vec<T>::N,
                                     return (launch_gradient<V, T>(dev, (T *)dx, gloss, lse, d))));
    return UM_OK;
}

/* one block: a few values a thread */
static __global__ void __launch_bounds__(1024) entropy_of(double *h, const float *q, int64_t n)
{
    __shared__ double part[1024];
    double            a = 0;

    for (int64_t j = threadIdx.x; j < n; j += 1024)
        a -= q[j] > 0 ? (double)q[j] * log((double)q[j]) : 0;
    part[threadIdx.x] = a;
    for (int o = 512; o > 0; o >>= 1) {
        __syncthreads();
        if (threadIdx.x < o)
            part[threadIdx.x] += part[threadIdx.x + o];
    }
    if (threadIdx.x == 0)
        *h = part[0];
}

extern "C" int um_cuda_entropy(struct um_dev *dev, double *h, const float *q, int64_t n)
{
    um_launch(dev, entropy_of, 1, 1024, 0, h, q, n);
    return um_cuda_launched(dev, "entropy");
}
