/* vec.h - vectors of floats as wide as the instruction set cpu.c is compiled for
 *
 * GNU C vector extensions: no intrinsics, any processor. Arrays of n elements are walked in steps
 * of UM_VL; the last step reads and writes only the elements that are there (the others count as
 * 0), through the same arithmetic, so that an element's bits do not depend on where it stands.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_VEC_H
#define UM_KERNELS_VEC_H

#include <math.h>
#include <string.h>

#include "kernels/backend.h"

/* um_cpu_<isa>_<op>; the build defines UM_ISA */
#define UM_CPU3(isa, op) um_cpu_##isa##_##op
#define UM_CPU2(isa, op) UM_CPU3(isa, op)
#define UM_CPU(op) UM_CPU2(UM_ISA, op)
#define UM_DECLARE2(X, b) X(UM_DECLARE, b)
#define UM_CPU_BACKEND2(isa) cpu_##isa
#define UM_CPU_BACKEND1(isa) UM_CPU_BACKEND2(isa)
/* UM_DECLARE_CPU(UM_X_OPS) declares this compilation's functions of a family */
#define UM_DECLARE_CPU(ops) UM_DECLARE2(ops, UM_CPU_BACKEND1(UM_ISA))

#if defined(__AVX512F__)
enum { UM_VL = 16 };
#elif defined(__AVX2__)
enum { UM_VL = 8 };
#else
enum { UM_VL = 4 };
#endif

typedef float    um_vf __attribute__((vector_size(UM_VL * 4)));
typedef int32_t  um_vi __attribute__((vector_size(UM_VL * 4)));
typedef uint32_t um_vu __attribute__((vector_size(UM_VL * 4)));
typedef uint16_t um_vh __attribute__((vector_size(UM_VL * 2)));

#ifdef __AVX512F__
#include "kernels/vec_avx512.h"
#endif

static inline um_vf um_vset(float x)
{
    return x - (um_vf){ 0 };
}

/* lanes of a where the mask is -1, of b where it is 0 */
static inline um_vf um_vselect(um_vi mask, um_vf a, um_vf b)
{
    return (um_vf)(((um_vi)a & mask) | ((um_vi)b & ~mask));
}

/* lane l of the result: lane i[l] of a, or lane i[l] - UM_VL of b */
static inline um_vf um_vshuffle(um_vf a, um_vf b, um_vi i)
{
#ifdef __clang__
    um_vf r;

    for (int l = 0; l < UM_VL; l++)
        r[l] = i[l] < UM_VL ? a[i[l]] : b[i[l] - UM_VL];
    return r;
#else
    return __builtin_shuffle(a, b, i);
#endif
}

#ifndef __AVX512F__
static inline um_vf um_vload_tail(const float *p, int64_t k)
{
    um_vf v = { 0 };

    memcpy(&v, p, (size_t)k * sizeof *p);
    return v;
}

static inline void um_vstore_tail(float *p, int64_t k, um_vf v)
{
    memcpy(p, &v, (size_t)k * sizeof *p);
}

static inline um_vh um_vload_half_tail(const uint16_t *p, int64_t k)
{
    um_vh h = { 0 };

    memcpy(&h, p, (size_t)k * sizeof *p);
    return h;
}

static inline void um_vstore_half_tail(uint16_t *p, int64_t k, um_vh h)
{
    memcpy(p, &h, (size_t)k * sizeof *p);
}

/* a where a > b, else b: NaN in either gives b */
static inline um_vf um_vmax(um_vf a, um_vf b)
{
    return um_vselect(a > b, a, b);
}

/* x into lo .. hi; NaN stays NaN */
static inline um_vf um_vclamp(um_vf x, float lo, float hi)
{
    x = um_vselect(x > hi, um_vset(hi), x);
    return um_vselect(x < lo, um_vset(lo), x);
}

/* q 2^n, n whole, in two factors so that subnormal and infinite results come out */
static inline um_vf um_vscale(um_vf q, um_vf n)
{
    const um_vi e = __builtin_convertvector(n, um_vi), half = e >> 1;

    return q * (um_vf)((half + 127) << 23) * (um_vf)((e - half + 127) << 23);
}
#endif

static inline um_vf um_vabs(um_vf a)
{
    return (um_vf)((um_vi)a & 0x7fffffff);
}

static inline um_vf um_vbf16(um_vh h)
{
    return (um_vf)(__builtin_convertvector(h, um_vu) << 16);
}

#ifndef UM_VBF16_OF
/* to nearest even; NaN stays NaN */
static inline um_vh um_vbf16_of(um_vf x)
{
    const um_vu u     = (um_vu)x;
    const um_vu round = (u + 0x7fffu + ((u >> 16) & 1)) >> 16;
    const um_vu quiet = (u >> 16) | 0x40;
    const um_vu nan   = (um_vu)(x != x);

    return __builtin_convertvector((round & ~nan) | (quiet & nan), um_vh);
}
#endif

/* elements i .. i+k-1 of an array, 1 <= k; the lanes from k on are 0 */
static inline um_vf um_vloadf(const float *p, int64_t i, int64_t k)
{
    um_vf v;

    if (k < UM_VL)
        return um_vload_tail(p + i, k);
    memcpy(&v, p + i, sizeof v);
    return v;
}

static inline void um_vstoref(float *p, int64_t i, int64_t k, um_vf v)
{
    if (k >= UM_VL)
        memcpy(p + i, &v, sizeof v);
    else
        um_vstore_tail(p + i, k, v);
}

static inline void um_vstore_half(uint16_t *p, int64_t i, int64_t k, um_vh h)
{
    if (k >= UM_VL)
        memcpy(p + i, &h, sizeof h);
    else
        um_vstore_half_tail(p + i, k, h);
}

static inline um_vf um_vload(const void *p, enum um_dtype dt, int64_t i, int64_t k)
{
    um_vh h;

    if (dt == UM_F32)
        return um_vloadf(p, i, k);
    if (k < UM_VL)
        return um_vbf16(um_vload_half_tail((const uint16_t *)p + i, k));
    memcpy(&h, (const uint16_t *)p + i, sizeof h);
    return um_vbf16(h);
}

static inline void um_vstore(void *p, enum um_dtype dt, int64_t i, int64_t k, um_vf v)
{
    if (dt == UM_F32)
        um_vstoref(p, i, k, v);
    else
        um_vstore_half(p, i, k, um_vbf16_of(v));
}

/* v with the lanes from k on replaced by `fill`, for folds whose missing elements are not 0 */
static inline um_vf um_vfill(um_vf v, int64_t k, float fill)
{
    um_vi lane;

    if (k >= UM_VL)
        return v;
    for (int l = 0; l < UM_VL; l++)
        lane[l] = l;
    return um_vselect(lane < (int32_t)k, v, um_vset(fill));
}

/* the sum and the largest of all lanes, halves folded onto each other */
static inline float um_vsum(um_vf v)
{
    float t[UM_VL];

    memcpy(t, &v, sizeof t);
    for (int s = UM_VL / 2; s > 0; s /= 2)
        for (int l = 0; l < s; l++)
            t[l] += t[l + s];
    return t[0];
}

static inline float um_vmost(um_vf v)
{
    float t[UM_VL];

    memcpy(t, &v, sizeof t);
    for (int s = UM_VL / 2; s > 0; s /= 2)
        for (int l = 0; l < s; l++)
            t[l] = t[l] > t[l + s] ? t[l] : t[l + s];
    return t[0];
}

/* e^x within 2 units in the last place where the result is normal; 0 below -104, infinity above
 * 88.73, NaN for NaN.  x = n ln 2 + r, |r| <= ln 2 / 2, e^r by a polynomial fitted for least
 * relative error (3.3e-9) */
static inline um_vf um_vexp(um_vf x)
{
    const float magic = 12582912.0f; /* 1.5 2^23: adding it rounds to an integer */

    x             = um_vclamp(x, -104.0f, 89.0f);
    const um_vf n = (x * 1.44269504f + magic) - magic;
    const um_vf r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    um_vf       q = r * 0.0013813142f + 0.0083694188f;
    q             = q * r + 0.041668456f;
    q             = q * r + 0.16666515f;
    q             = q * r + 0.49999994f;
    q             = q * r + 1.0f;
    q             = q * r + 1.0f;
    return um_vscale(q, n);
}

/* log(1 + t) for t in 0..1, within 2e-7 of itself: 2 artanh(t/(2 + t)), whose series has converged
 * to 1e-9 by the eighth term as t/(2 + t) <= 1/3 */
static inline um_vf um_vlog1p(um_vf t)
{
    const um_vf s = t / (t + 2.0f), u = s * s;
    um_vf       p = u * (1.0f / 15) + 1.0f / 13;

    p = p * u + 1.0f / 11;
    p = p * u + 1.0f / 9;
    p = p * u + 1.0f / 7;
    p = p * u + 1.0f / 5;
    p = p * u + 1.0f / 3;
    return 2.0f * (s + s * u * p);
}

/* 1/(1 + e^-x) within 3 units in the last place, and of its own size for x < 0 too: from e^-|x| */
static inline um_vf um_vsigmoid(um_vf x)
{
    const um_vf e = um_vexp(-um_vabs(x)), d = 1.0f / (1.0f + e);

    return um_vselect(x < 0.0f, e * d, d);
}

/* tanh x: (1 - e^-2|x|)/(1 + e^-2|x|) with the sign of x; the odd series where that cancels, below
 * 1/2 (relative error of the fit 2e-8) */
static inline um_vf um_vtanh(um_vf x)
{
    const um_vf a = um_vabs(x), e = um_vexp(-2.0f * a), far = (1.0f - e) / (1.0f + e), u = x * x;
    um_vf       p = u * 0.00256212346f + -0.00853824031f;

    p                = p * u + 0.0218172045f;
    p                = p * u + -0.0539639382f;
    p                = p * u + 0.133333168f;
    p                = p * u + -0.333333331f;
    const um_vf near = x + x * u * p;

    return um_vselect(a < 0.5f, near, um_vselect(x < 0.0f, -far, far));
}

/* the normal distribution: *cdf = Phi(x) within 2e-7, and within 5e-7 of itself for x > -3;
 * *bell = e^(-x^2/2). Phi(-|x|) = e^(-x^2/2) t P(t) / 2, t = 1/(1 + 0.55 |x|/sqrt 2), P fitted to
 * e^(z^2) erfc(z) for least relative error (7e-9) */
static inline void um_vnormal(um_vf x, um_vf *cdf, um_vf *bell)
{
    const um_vf t = 1.0f / (um_vabs(x) * 0.388908730f + 1.0f);
    const um_vf e = um_vexp(x * x * -0.5f);
    um_vf       p = t * 0.058047668f - 0.33665907f;

    p                = p * t + 0.78125083f;
    p                = p * t - 0.85343474f;
    p                = p * t + 0.36396495f;
    p                = p * t - 0.094996259f;
    p                = p * t + 0.20205110f;
    p                = p * t + 0.25881991f;
    p                = p * t + 0.31066355f;
    p                = p * t + 0.31029209f;
    const um_vf tail = e * (p * t) * 0.5f;
    *cdf             = um_vselect(x > 0.0f, 1.0f - tail, tail);
    *bell            = e;
}

/* the same where the result is rounded to bfloat16: Phi(-a), a >= 0, and the bell, within 1.2e-5 of
 * themselves; NaN for an infinite a. e^(-a^2/2) = 2^(n + f), |f| <= 1/2. */
static inline um_vf um_vtail_low(um_vf a, um_vf *bell)
{
    const float magic = 12582912.0f; /* as in um_vexp() */
    const um_vf y     = um_vclamp(a * a * -0.721347524f, -200.0f, 0.0f);
    const um_vf n = (y + magic) - magic, f = y - n, t = 1.0f / (a * 0.311126977f + 1.0f);
    um_vf       q = f * 0.00957007613f + 0.0559178926f, p = t * -0.0730534345f + 0.175327793f;

    q     = q * f + 0.240247458f;
    p     = p * t + 0.0203640983f;
    q     = q * f + 0.693121791f;
    p     = p * t + 0.131793812f;
    q     = q * f + 0.999999285f;
    p     = p * t + 0.121284634f;
    p     = p * t + 0.124280520f;
    *bell = um_vscale(q, n);
    return *bell * (p * t);
}

/* x Phi(x), and its derivative Phi(x) + x phi(x), for results of dtype dt */
static inline um_vf um_vgelu(um_vf x, enum um_dtype dt)
{
    const um_vf a = um_vabs(x);
    um_vf       cdf, bell;

    if (dt == UM_BF16)
        return um_vmax(x, um_vset(0)) - a * um_vtail_low(a, &bell);
    um_vnormal(x, &cdf, &bell);
    return x * cdf;
}

static inline um_vf um_vgelu_slope(um_vf x, enum um_dtype dt)
{
    um_vf cdf, bell, tail;

    if (dt == UM_BF16) {
        tail = um_vtail_low(um_vabs(x), &bell);
        cdf  = um_vselect(x > 0.0f, 1.0f - tail, tail);
    } else {
        um_vnormal(x, &cdf, &bell);
    }
    return cdf + x * bell * 0.398942280f;
}

#endif
