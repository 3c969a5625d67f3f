/* cuda.cu - attention on a GPU: what each operation runs on, and the attention of some rows
 *
 * matrix.h takes bf16 whose rows lie on 16 bytes, or cuDNN where it is asked for (cudnn.cu),
 * float.cu the rest; all work tile by tile with the scores on chip, so T x T is never stored.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/attention/place.h"

enum { MAXD = 256 }; /* channels of a head at most */

static int check(const struct um_attn *a)
{
    if (a->d < 1 || a->d > MAXD)
        return um_fail(UM_ERANGE, "cuda: attention with %lld channels a head, 1 to %d allowed",
                       (long long)a->d, MAXD);
    return UM_OK;
}

/* whether matrix.h takes the inputs; outputs are asked about where they are known */
static bool fits(const struct um_attn *a)
{
    return a->dt == UM_BF16 && a->d % 8 == 0 && a->d <= 128 && um_attn_fits(a->q, a->ldq) &&
           um_attn_fits(a->k, a->ldk) && um_attn_fits(a->v, a->ldv);
}

extern "C" int um_cuda_attention_fwd(struct um_dev *dev, void *o, float *lse,
                                     const struct um_attn *a)
{
    bool done;

    UM_TRY(check(a));
    if (a->B * a->A * a->T == 0)
        return UM_OK;
    if (!fits(a) || !um_attn_fits(o, a->ldo))
        return um_attn_float_fwd(dev, o, lse, a);
    UM_TRY(um_attn_cudnn_fwd(dev, o, lse, a, &done));
    return done ? UM_OK : um_attn_matrix_fwd(dev, o, lse, a);
}

extern "C" int um_cuda_attention_bwd(struct um_dev *dev, void *dq, void *dk, void *dv,
                                     const void *dout, const void *o, const float *lse,
                                     const struct um_attn *a)
{
    struct um_attn_grad g      = { dq, dk, dv, dout, o, lse, NULL };
    const bool          matrix = fits(a) && um_attn_fits(dq, a->ldq) && um_attn_fits(dk, a->ldk) &&
                        um_attn_fits(dv, a->ldv) && um_attn_fits(dout, a->ldo) &&
                        um_attn_fits(o, a->ldo);
    bool done = false;

    UM_TRY(check(a));
    if (a->B * a->A * a->T == 0)
        return UM_OK;
    if (matrix)
        UM_TRY(um_attn_cudnn_bwd(dev, &g, a, &done));
    if (done)
        return UM_OK;
    g.delta = (float *)um_cuda_work(dev, (size_t)(a->B * a->A * a->T) * sizeof *g.delta);
    if (!g.delta)
        return UM_ENOMEM;
    return matrix ? um_attn_matrix_bwd(dev, &g, a) : um_attn_float_bwd(dev, &g, a);
}

/* ---- the mean over heads of the first queries' probabilities ---- */

enum { THREADS = 256, LANES = 8, KEYS = THREADS / LANES }; /* a key has 8 neighbouring threads */

/* this thread's part of x . y over d channels; `wide`: both lie on 16 bytes, and so do 8 channels
 */
static __device__ inline float part(const __nv_bfloat16 *x, const __nv_bfloat16 *y, int d,
                                    bool wide, int lane)
{
    float s = 0;

    if (!wide) {
        for (int c = lane; c < d; c += LANES)
            s = fmaf(um_ld(x, c), um_ld(y, c), s);
        return s;
    }
    for (int c = 8 * lane; c < d; c += 8 * LANES) {
        const uint4 u = *(const uint4 *)(x + c), v = *(const uint4 *)(y + c);
        uint32_t    p[4] = { u.x, u.y, u.z, u.w }, q[4] = { v.x, v.y, v.z, v.w };

#pragma unroll
        for (int i = 0; i < 4; i++) { /* bf16 is the upper half of a float */
            s = fmaf(__uint_as_float(p[i] << 16), __uint_as_float(q[i] << 16), s);
            s = fmaf(__uint_as_float(p[i] & 0xffff0000u), __uint_as_float(q[i] & 0xffff0000u), s);
        }
    }
    return s;
}

static __device__ inline float part(const float *x, const float *y, int d, bool wide, int lane)
{
    float s = 0;

    for (int c = (wide ? 4 : 1) * lane; c < d; c += (wide ? 4 : 1) * LANES) {
        if (!wide) {
            s = fmaf(x[c], y[c], s);
            continue;
        }
        const float4 u = *(const float4 *)(x + c), v = *(const float4 *)(y + c);

        s = fmaf(u.w, v.w, fmaf(u.z, v.z, fmaf(u.y, v.y, fmaf(u.x, v.x, s))));
    }
    return s;
}

/* a block takes one query and a tile of keys, eight threads a key, heads in order; k is read once
 * for each query. The block's place is that of a tile of keys, `rows` taking the place of heads. */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    mean_rows(float *w, const float *lse, struct um_attn_view<T> a, int rows, float scale,
              bool wide)
{
    const int     lane = (int)threadIdx.x % LANES;
    const int     u    = (int)(blockIdx.x % (unsigned)a.tiles) * KEYS + (int)threadIdx.x / LANES;
    const int     i = (int)(blockIdx.x / (unsigned)a.tiles), t = i % rows;
    const int64_t b = i / rows, first = a.start ? a.start[b] : b * a.T_;
    const int     n = a.start ? (int)(a.start[b + 1] - first) : a.T_;

    if (t >= n)
        return;
    const bool on = u < n && !(a.mask && !a.mask[b * a.T_ + u]);
    const T   *q = a.q + (first + t) * a.ldq, *k = a.k + (first + (on ? u : t)) * a.ldk;
    float      sum = 0;

#pragma unroll 4
    for (int h = 0; h < a.A; h++) {
        float s = on ? part(q + h * a.d, k + h * a.d, a.d, wide, lane) : 0;

#pragma unroll
        for (int o = LANES / 2; o > 0; o /= 2)
            s += __shfl_xor_sync(0xffffffffu, s, o);
        s = on ? a.scale * s : -INFINITY;
        sum += expf(s - lse[first * a.A + (int64_t)h * n + t]);
    }
    if (lane == 0 && u < n)
        w[((int64_t)i) * a.T_ + u] += scale * sum;
}

template <typename T>
static int mean_by(struct um_dev *dev, float *w, const float *lse, const struct um_attn *a,
                   int64_t rows, float scale)
{
    const int64_t                tile = (a->T + KEYS - 1) / KEYS;
    const int64_t                each = 16 / (int64_t)sizeof(T); /* elements of 16 bytes */
    const struct um_attn_view<T> v    = um_attn_view_of<T>(a, KEYS);
    const bool wide = a->d % each == 0 && a->ldq % each == 0 && a->ldk % each == 0 &&
                      (uintptr_t)a->q % 16 == 0 && (uintptr_t)a->k % 16 == 0;

    if (a->T > 0x3fffffff || tile > 0x7fffffff / (a->B * rows))
        return um_fail(UM_ERANGE, "cuda: attention_mean of %lld rows over %lld tokens",
                       (long long)(a->B * rows), (long long)a->T);
    um_launch(dev, mean_rows<T>, (unsigned)(a->B * rows * tile), THREADS, 0, w, lse, v, (int)rows,
              scale, wide);
    return um_cuda_launched(dev, "attention_mean");
}

extern "C" int um_cuda_attention_mean(struct um_dev *dev, float *w, const float *lse,
                                      const struct um_attn *a, int64_t rows, float scale)
{
    UM_TRY(check(a));
    if (rows < 0 || rows > a->T)
        return um_fail(UM_ERANGE, "cuda: attention_mean: %lld rows of %lld", (long long)rows,
                       (long long)a->T);
    if (a->B * rows * a->T == 0)
        return UM_OK;
    UM_CUDA_TYPED(a->dt, return (mean_by<T>(dev, w, lse, a, rows, scale)));
}
