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
    struct um_drop drop;
    float          scale; /* 1/sqrt(d) */
};

/* which (sample, head, token) this warp works on; false past the end */
template <typename T>
static __device__ bool place(const struct view<T> &a, int64_t *b, int64_t *h, int64_t *t)
{
    const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;

    *t = i % a.T_;
    *h = i / a.T_ % a.A;
    *b = i / a.T_ / a.A;
    return *b < a.B;
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
    if (u >= a.T_ || (a.mask && !a.mask[b * a.T_ + u]))
        return -INFINITY;
    return a.scale *
           dot(a.q + (b * a.T_ + t) * a.ldq + h * a.d, a.k + (b * a.T_ + u) * a.ldk + h * a.d, a.d);
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
    for (int64_t u0 = 0; u0 < a.T_; u0 += 32)
        m = fmaxf(m, score(a, b, h, t, u0 + threadIdx.x));
    m = um_warp_max(m);
    if (m == -INFINITY) { /* no key at all */
        *flag = 1;
        return;
    }
    for (int64_t u0 = 0; u0 < a.T_; u0 += 32) {
        const float p = expf(score(a, b, h, t, u0 + threadIdx.x) - m);
        const float w = p * kept(a, b, h, t, u0 + threadIdx.x);

        s += p;
        for (int l = 0; l < 32 && u0 + l < a.T_; l++) {
            const float wl = __shfl_sync(0xffffffffu, w, l);
            const T    *v  = a.v + (b * a.T_ + u0 + l) * a.ldv + h * a.d;

            for (int c = 0; c < PER; c++)
                if (c * 32 + threadIdx.x < a.d)
                    acc[c] += wl * um_ld(v, c * 32 + threadIdx.x);
        }
    }
    s = um_warp_sum(s);
    for (int c = 0; c < PER; c++)
        if (c * 32 + threadIdx.x < a.d)
            um_st(o + (b * a.T_ + t) * a.ldo + h * a.d, c * 32 + threadIdx.x, acc[c] / s);
    if (threadIdx.x == 0)
        lse[(b * a.A + h) * a.T_ + t] = m + logf(s);
}

/* delta[b,h,t] = dout . o, what the softmax's backward subtracts */
template <typename T>
static __global__ void delta_rows(float *delta, const T *dout, const T *o, struct view<T> a)
{
    int64_t b, h, t;

    if (!place(a, &b, &h, &t) || threadIdx.x != 0)
        return;
    const int64_t at                = (b * a.T_ + t) * a.ldo + h * a.d;
    delta[(b * a.A + h) * a.T_ + t] = dot(dout + at, o + at, a.d);
}

/* ds of query t, key u; *w: the weight that went into o */
template <typename T>
static __device__ float grad_score(const struct view<T> &a, const T *dout, const float *lse,
                                   const float *delta, int64_t b, int64_t h, int64_t t, int64_t u,
                                   float *w)
{
    const int64_t r = (b * a.A + h) * a.T_ + t;
    const float   p = expf(score(a, b, h, t, u) - lse[r]);

    *w = 0;
    if (p == 0)
        return 0;
    const float f  = kept(a, b, h, t, u);
    const float dp = f * dot(dout + (b * a.T_ + t) * a.ldo + h * a.d,
                             a.v + (b * a.T_ + u) * a.ldv + h * a.d, a.d);
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
    for (int64_t u0 = 0; u0 < a.T_; u0 += 32) {
        const int64_t u  = u0 + threadIdx.x;
        const float   ds = u < a.T_ ? grad_score(a, dout, lse, delta, b, h, t, u, &w) : 0;

        for (int l = 0; l < 32 && u0 + l < a.T_; l++) {
            const float dl = __shfl_sync(0xffffffffu, ds, l);
            const T    *k  = a.k + (b * a.T_ + u0 + l) * a.ldk + h * a.d;

            for (int c = 0; c < PER; c++)
                if (c * 32 + threadIdx.x < a.d)
                    acc[c] += dl * um_ld(k, c * 32 + threadIdx.x);
        }
    }
    for (int c = 0; c < PER; c++)
        if (c * 32 + threadIdx.x < a.d)
            um_st(dq + (b * a.T_ + t) * a.ldq + h * a.d, c * 32 + threadIdx.x, acc[c]);
}

template <typename T>
static __global__ void grad_key(T *dk, T *dv, const T *dout, const float *lse, const float *delta,
                                struct view<T> a)
{
    int64_t b, h, u;
    float   ak[PER] = {}, av[PER] = {};

    if (!place(a, &b, &h, &u))
        return;
    for (int64_t t0 = 0; t0 < a.T_; t0 += 32) {
        const int64_t t  = t0 + threadIdx.x;
        float         w  = 0;
        const float   ds = t < a.T_ ? grad_score(a, dout, lse, delta, b, h, t, u, &w) : 0;

        for (int l = 0; l < 32 && t0 + l < a.T_; l++) {
            const float dl = __shfl_sync(0xffffffffu, ds, l);
            const float wl = __shfl_sync(0xffffffffu, w, l);
            const T    *q  = a.q + (b * a.T_ + t0 + l) * a.ldq + h * a.d;
            const T    *g  = dout + (b * a.T_ + t0 + l) * a.ldo + h * a.d;

            for (int c = 0; c < PER; c++)
                if (c * 32 + threadIdx.x < a.d) {
                    ak[c] += dl * um_ld(q, c * 32 + threadIdx.x);
                    av[c] += wl * um_ld(g, c * 32 + threadIdx.x);
                }
        }
    }
    for (int c = 0; c < PER; c++)
        if (c * 32 + threadIdx.x < a.d) {
            um_st(dk + (b * a.T_ + u) * a.ldk + h * a.d, c * 32 + threadIdx.x, ak[c]);
            um_st(dv + (b * a.T_ + u) * a.ldv + h * a.d, c * 32 + threadIdx.x, av[c]);
        }
}

/* one thread a key: the [CLS] row of every head, heads in order */
template <typename T>
static __global__ void class_row(float *w, const float *lse, struct view<T> a, float scale)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int64_t b = i / a.T_, u = i % a.T_;
    float         s = 0;

    if (b >= a.B)
        return;
    for (int64_t h = 0; h < a.A; h++)
        s += expf(score(a, b, h, 0, u) - lse[(b * a.A + h) * a.T_]);
    w[i] += scale * s;
}

template <typename T> static struct view<T> view_of(const struct um_attn *a) {
    struct view<T> v = {
        (const T *)a->q, (const T *)a->k, (const T *)a->v, a->B, a->T, a->A, a->d, a->ldq, a->ldk,
            a->ldv, a->ldo, a->key_mask, a->drop, (float)(1 / sqrt((double)a->d))
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

extern "C" int um_cuda_attention_cls(struct um_dev *dev, float *w, const float *lse,
                                     const struct um_attn *a, float scale)
{
    UM_TRY(check(a));
    if (a->B * a->T == 0)
        return UM_OK;
    UM_CUDA_TYPED(a->dt,
                  (class_row<T><<<um_cuda_blocks(a->B * a->T, 128), 128, 0, um_cuda_stream(dev)>>>(
                      w, lse, view_of<T>(a), scale)));
    return um_cuda_launched("attention_cls");
}
