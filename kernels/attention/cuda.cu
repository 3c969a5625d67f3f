/* cuda.cu - attention: one warp a query (forward, dq) or a key (dk, dv)
 *
 * Scores are made 32 keys at a time, one a lane, and used at once: T x T is never stored. The
 * backward makes them again from lse. A key's gradients are summed by its own warp over the queries
 * in order, so no atomics are needed and the bits do not change from run to run.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/cuda.h"
#include "kernels/drop_cuda.h"

enum { WARPS = 4, MAXD = 256, PER = MAXD / 32 }; /* channels of a head at most; a lane's share */

template <typename T> struct view {
    const T       *q, *k, *v;
    int64_t        B, T_, A, d, ldq, ldk, ldv, ldo;
    const uint8_t *mask;
    const int32_t *start;
    struct um_drop drop;
    float          scale; /* 1/sqrt(d) */
};

/* the first row and the number of tokens of sample b; where log sum exp of (b, h, t) lies */
template <typename T> static __device__ int64_t first(const struct view<T> &a, int64_t b)
{
    return a.start ? a.start[b] : b * a.T_;
}

template <typename T> static __device__ int64_t length(const struct view<T> &a, int64_t b)
{
    return a.start ? a.start[b + 1] - a.start[b] : a.T_;
}

template <typename T>
static __device__ int64_t lse_at(const struct view<T> &a, int64_t b, int64_t h, int64_t t)
{
    return first(a, b) * a.A + h * length(a, b) + t;
}

/* which (sample, head, token) this warp works on; false past the end */
template <typename T>
static __device__ bool place(const struct view<T> &a, int64_t *b, int64_t *h, int64_t *t)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;

    *t = i % a.T_;
    *h = i / a.T_ % a.A;
    *b = i / a.T_ / a.A;
    return *b < a.B && *t < length(a, *b);
}

template <typename T> static __device__ float dot(const T *x, const T *y, int64_t d)
{
    float s = 0;

    for (int64_t j = 0; j < d; j++)
        s += um_ld(x, j) * um_ld(y, j);
    return s;
}

/* the score of query t and this lane's key u; -inf past the end and for masked keys */
template <typename T>
static __device__ float score(const struct view<T> &a, int64_t b, int64_t h, int64_t t, int64_t u)
{
    if (u >= length(a, b) || (a.mask && !a.mask[b * a.T_ + u]))
        return -INFINITY;
    return a.scale * dot(a.q + (first(a, b) + t) * a.ldq + h * a.d,
                         a.k + (first(a, b) + u) * a.ldk + h * a.d, a.d);
}

template <typename T>
static __device__ float kept(const struct view<T> &a, int64_t b, int64_t h, int64_t t, int64_t u)
{
    return um_drop_factor(a.drop, (uint64_t)(((b * a.A + h) * a.T_ + t) * a.T_ + u));
}

template <typename T> static __global__ void forward(T *o, float *lse, struct view<T> a, int *flag)
{
    int64_t b, h, t;
    float   m = -INFINITY, s = 0, acc[PER] = {};

    if (!place(a, &b, &h, &t))
        return;
    const int64_t n = length(a, b);
    for (int64_t u0 = 0; u0 < n; u0 += 32)
        m = fmaxf(m, score(a, b, h, t, u0 + threadIdx.x));
    m = um_warp_max(m);
    if (m == -INFINITY) { /* no key at all */
        *flag = 1;
        return;
    }
    for (int64_t u0 = 0; u0 < n; u0 += 32) {
        const float p = expf(score(a, b, h, t, u0 + threadIdx.x) - m);
        const float w = p * kept(a, b, h, t, u0 + threadIdx.x);

        s += p;
        for (int l = 0; l < 32 && u0 + l < n; l++) {
            const float wl = __shfl_sync(0xffffffffu, w, l);
            const T    *v  = a.v + (first(a, b) + u0 + l) * a.ldv + h * a.d;

            for (int c = 0; wl != 0 && c < PER; c++) /* what is left out may be anything, NaN too */
                if (c * 32 + threadIdx.x < a.d)
                    acc[c] += wl * um_ld(v, c * 32 + threadIdx.x);
        }
    }
    s = um_warp_sum(s);
    for (int c = 0; c < PER; c++)
        if (c * 32 + threadIdx.x < a.d)
            um_st(o + (first(a, b) + t) * a.ldo + h * a.d, c * 32 + threadIdx.x, acc[c] / s);
    if (threadIdx.x == 0)
        lse[lse_at(a, b, h, t)] = m + logf(s);
}

/* delta[b,h,t] = dout . o, what the softmax's backward subtracts */
template <typename T>
static __global__ void delta_rows(float *delta, const T *dout, const T *o, struct view<T> a)
{
    int64_t b, h, t;

    if (!place(a, &b, &h, &t) || threadIdx.x != 0)
        return;
    const int64_t at          = (first(a, b) + t) * a.ldo + h * a.d;
    delta[lse_at(a, b, h, t)] = dot(dout + at, o + at, a.d);
}

/* ds of query t, key u; *w: the weight that went into o */
template <typename T>
static __device__ float grad_score(const struct view<T> &a, const T *dout, const float *lse,
                                   const float *delta, int64_t b, int64_t h, int64_t t, int64_t u,
                                   float *w)
{
    const int64_t r = lse_at(a, b, h, t);
    const float   p = expf(score(a, b, h, t, u) - lse[r]);

    *w = 0;
    if (p == 0)
        return 0;
    const float f  = kept(a, b, h, t, u);
    const float dp = f * dot(dout + (first(a, b) + t) * a.ldo + h * a.d,
                             a.v + (first(a, b) + u) * a.ldv + h * a.d, a.d);
    *w             = p * f;
    return p * (dp - delta[r]) * a.scale;
}

template <typename T>
static __global__ void grad_query(T *dq, const T *dout, const float *lse, const float *delta,
                                  struct view<T> a)
{
    int64_t b, h, t;
    float   acc[PER] = {}, w;

    if (!place(a, &b, &h, &t))
        return;
    const int64_t n = length(a, b);
    for (int64_t u0 = 0; u0 < n; u0 += 32) {
        const int64_t u  = u0 + threadIdx.x;
        const float   ds = u < n ? grad_score(a, dout, lse, delta, b, h, t, u, &w) : 0;

        for (int l = 0; l < 32 && u0 + l < n; l++) {
            const float dl = __shfl_sync(0xffffffffu, ds, l);
            const T    *k  = a.k + (first(a, b) + u0 + l) * a.ldk + h * a.d;

            for (int c = 0; dl != 0 && c < PER; c++)
                if (c * 32 + threadIdx.x < a.d)
                    acc[c] += dl * um_ld(k, c * 32 + threadIdx.x);
        }
    }
    for (int c = 0; c < PER; c++)
        if (c * 32 + threadIdx.x < a.d)
            um_st(dq + (first(a, b) + t) * a.ldq + h * a.d, c * 32 + threadIdx.x, acc[c]);
}

template <typename T>
static __global__ void grad_key(T *dk, T *dv, const T *dout, const float *lse, const float *delta,
                                struct view<T> a)
{
    int64_t b, h, u;
    float   ak[PER] = {}, av[PER] = {};

    if (!place(a, &b, &h, &u))
        return;
    const int64_t n = length(a, b);
    for (int64_t t0 = 0; t0 < n; t0 += 32) {
        const int64_t t  = t0 + threadIdx.x;
        float         w  = 0;
        const float   ds = t < n ? grad_score(a, dout, lse, delta, b, h, t, u, &w) : 0;

        for (int l = 0; l < 32 && t0 + l < n; l++) {
            const float dl = __shfl_sync(0xffffffffu, ds, l);
            const float wl = __shfl_sync(0xffffffffu, w, l);
            const T    *q  = a.q + (first(a, b) + t0 + l) * a.ldq + h * a.d;
            const T    *g  = dout + (first(a, b) + t0 + l) * a.ldo + h * a.d;

            for (int c = 0; (dl != 0 || wl != 0) && c < PER; c++)
                if (c * 32 + threadIdx.x < a.d) {
                    ak[c] += dl * um_ld(q, c * 32 + threadIdx.x);
                    av[c] += wl * um_ld(g, c * 32 + threadIdx.x);
                }
        }
    }
    for (int c = 0; c < PER; c++)
        if (c * 32 + threadIdx.x < a.d) {
            um_st(dk + (first(a, b) + u) * a.ldk + h * a.d, c * 32 + threadIdx.x, ak[c]);
            um_st(dv + (first(a, b) + u) * a.ldv + h * a.d, c * 32 + threadIdx.x, av[c]);
        }
}

/* one thread a pair of a query t < rows and a key u, heads in order */
template <typename T>
static __global__ void mean_rows(float *w, const float *lse, struct view<T> a, int64_t rows,
                                 float scale)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int64_t b = i / a.T_ / rows, t = i / a.T_ % rows, u = i % a.T_;
    float         s = 0;

    if (b >= a.B || t >= length(a, b) || u >= length(a, b))
        return;
    for (int64_t h = 0; h < a.A; h++)
        s += expf(score(a, b, h, t, u) - lse[lse_at(a, b, h, t)]);
    w[i] += scale * s;
}

template <typename T> static struct view<T> view_of(const struct um_attn *a) {
    struct view<T> v = {
        (const T *)a->q, (const T *)a->k, (const T *)a->v, a->B, a->T, a->A, a->d, a->ldq, a->ldk,
            a->ldv, a->ldo, a->key_mask, a->start, a->drop, (float)(1 / sqrt((double)a->d))
    };
    return v;
}

static int
check(const struct um_attn *a)
{
    if (a->d < 1 || a->d > MAXD)
        return um_fail(UM_ERANGE, "cuda: attention with %lld channels a head, 1 to %d allowed",
                       (long long)a->d, MAXD);
    return UM_OK;
}

extern "C" int um_cuda_attention_fwd(struct um_dev *dev, void *o, float *lse,
                                     const struct um_attn *a)
{
    const int64_t rows = a->B * a->A * a->T;

    UM_TRY(check(a));
    if (rows == 0)
        return UM_OK;
    UM_CUDA_TYPED(
        a->dt,
        (forward<T><<<um_cuda_blocks(rows, WARPS), dim3(32, WARPS), 0, um_cuda_stream(dev)>>>(
            (T *)o, lse, view_of<T>(a), um_cuda_of(dev)->flag)));
    return um_cuda_launched("attention_fwd");
}

extern "C" int um_cuda_attention_bwd(struct um_dev *dev, void *dq, void *dk, void *dv,
                                     const void *dout, const void *o, const float *lse,
                                     const struct um_attn *a)
{
    const int64_t  rows = a->B * a->A * a->T;
    const unsigned grid = um_cuda_blocks(rows, WARPS);
    const dim3     block(32, WARPS);
    float         *delta;

    UM_TRY(check(a));
    if (rows == 0)
        return UM_OK;
    delta = (float *)um_cuda_work(dev, (size_t)rows * sizeof *delta);
    if (!delta)
        return UM_ENOMEM;
    UM_CUDA_TYPED(a->dt, (delta_rows<T><<<grid, block, 0, um_cuda_stream(dev)>>>(
                             delta, (const T *)dout, (const T *)o, view_of<T>(a))));
    UM_CUDA_TYPED(a->dt, (grad_query<T><<<grid, block, 0, um_cuda_stream(dev)>>>(
                             (T *)dq, (const T *)dout, lse, delta, view_of<T>(a))));
    UM_CUDA_TYPED(a->dt, (grad_key<T><<<grid, block, 0, um_cuda_stream(dev)>>>(
                             (T *)dk, (T *)dv, (const T *)dout, lse, delta, view_of<T>(a))));
    return um_cuda_launched("attention_bwd");
}

extern "C" int um_cuda_attention_mean(struct um_dev *dev, float *w, const float *lse,
                                      const struct um_attn *a, int64_t rows, float scale)
{
    const int64_t n = a->B * rows * a->T;

    UM_TRY(check(a));
    if (rows < 0 || rows > a->T)
        return um_fail(UM_ERANGE, "cuda: attention_mean: %lld rows of %lld", (long long)rows,
                       (long long)a->T);
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(a->dt, (mean_rows<T><<<um_cuda_blocks(n, 128), 128, 0, um_cuda_stream(dev)>>>(
                             w, lse, view_of<T>(a), rows, scale)));
    return um_cuda_launched("attention_mean");
}
