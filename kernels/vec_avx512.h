/* vec_avx512.h - what vec.h does in one instruction where there is AVX-512 (and AVX512_BF16)
 *
 * The same contracts as their namesakes in vec.h. Rounding to bfloat16 by AVX512_BF16 differs in
 * one thing: numbers below 2^-126, which have no full precision anyway, become 0.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_VEC_AVX512_H
#define UM_KERNELS_VEC_AVX512_H

#include <immintrin.h>

static inline __mmask16 um_vlanes(int64_t k)
{
    return (__mmask16)(k >= UM_VL ? 0xffff : (1u << k) - 1);
}

static inline um_vf um_vload_tail(const float *p, int64_t k)
{
    return (um_vf)_mm512_maskz_loadu_ps(um_vlanes(k), p);
}

static inline void um_vstore_tail(float *p, int64_t k, um_vf v)
{
    _mm512_mask_storeu_ps(p, um_vlanes(k), (__m512)v);
}

static inline um_vh um_vload_half_tail(const uint16_t *p, int64_t k)
{
    return (um_vh)_mm256_maskz_loadu_epi16(um_vlanes(k), p);
}

static inline void um_vstore_half_tail(uint16_t *p, int64_t k, um_vh h)
{
    _mm256_mask_storeu_epi16(p, um_vlanes(k), (__m256i)h);
}

/* a where a > b, else b: NaN in either gives b */
static inline um_vf um_vmax(um_vf a, um_vf b)
{
    return (um_vf)_mm512_max_ps((__m512)a, (__m512)b);
}

/* x into lo .. hi; NaN stays NaN */
static inline um_vf um_vclamp(um_vf x, float lo, float hi)
{
    const __m512 low = _mm512_max_ps(_mm512_set1_ps(lo), (__m512)x);

    return (um_vf)_mm512_min_ps(_mm512_set1_ps(hi), low);
}

/* q 2^n, n whole; subnormal and infinite results come out */
static inline um_vf um_vscale(um_vf q, um_vf n)
{
    return (um_vf)_mm512_scalef_ps((__m512)q, (__m512)n);
}

#ifdef __AVX512BF16__
static inline um_vh um_vbf16_of(um_vf x)
{
    return (um_vh)_mm512_cvtneps_pbh((__m512)x);
}
#define UM_VBF16_OF
#endif

#endif
