/* drop.h - factors of dropout for a run of elements, a vector of Philox blocks at a time (the rule
 * is in load.h)
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_DROP_H
#define UM_KERNELS_DROP_H

#ifdef __SSE2__
#include <immintrin.h> /* for one instruction: 32 by 32 to 64 bits, which compilers do not find */
#endif

#include "kernels/load.h"
#include "kernels/vec.h"

enum { UM_DROP_RUN = 4 * UM_VL };

typedef uint64_t um_vl __attribute__((vector_size(UM_VL * 4)));

/* the products of the lower halves of each 64 bits with c */
static inline um_vl um_vwiden(um_vl x, uint32_t c)
{
#if defined(__AVX512F__)
    return (um_vl)_mm512_mul_epu32((__m512i)x, _mm512_set1_epi64(c));
#elif defined(__AVX2__)
    return (um_vl)_mm256_mul_epu32((__m256i)x, _mm256_set1_epi64x(c));
#elif defined(__SSE2__)
    return (um_vl)_mm_mul_epu32((__m128i)x, _mm_set1_epi64x(c));
#else
    return (x & 0xffffffffu) * (uint64_t)c;
#endif
}

/* each lane times c: the upper 32 bits of the product, and the lower in *low */
static inline um_vu um_vmul(um_vu x, uint32_t c, um_vu *low)
{
    const um_vl lower = (um_vl){ 0 } + 0xffffffffu;
    const um_vl even = um_vwiden((um_vl)x, c), odd = um_vwiden((um_vl)x >> 32, c);

    *low = (um_vu)((even & lower) | (odd << 32));
    return (um_vu)((even >> 32) | (odd & ~lower));
}

/* out[4 l + w] = word w of block `first + l`, l < UM_VL: the words of UM_DROP_RUN elements in
 * order, by the same rounds as um_philox, a block in each lane */
static inline void um_drop_words(uint64_t seed, uint64_t first, uint32_t *out)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32), word[4][UM_VL];
    um_vu    c[4] = { { 0 } };

    for (int l = 0; l < UM_VL; l++) {
        c[0][l] = (uint32_t)(first + (uint64_t)l);
        c[1][l] = (uint32_t)((first + (uint64_t)l) >> 32);
        c[3][l] = UM_DROP_TAG;
    }
    for (int r = 0; r < 10; r++) {
        um_vu       low0, low2;
        const um_vu high0 = um_vmul(c[0], 0xD2511F53u, &low0);
        const um_vu high2 = um_vmul(c[2], 0xCD9E8D57u, &low2);

        c[0] = high2 ^ c[1] ^ k0;
        c[2] = high0 ^ c[3] ^ k1;
        c[1] = low2;
        c[3] = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(word, c, sizeof word);
    for (int l = 0; l < UM_VL; l++)
        for (int w = 0; w < 4; w++)
            out[4 * l + w] = word[w][l];
}

/* f[j] = factor of element i + j, j < n */
static inline void um_drop_factors(struct um_drop d, int64_t i, int64_t n, float *f)
{
    const uint32_t limit = um_drop_limit(d.p);
    const float    keep  = um_drop_scale(d.p);
    int64_t        at;
    uint32_t       word[UM_DROP_RUN];
    float          run[UM_DROP_RUN];

    i += (int64_t)d.first;
    for (at = i & ~(int64_t)3; at < i + n; at += UM_DROP_RUN) {
        const int64_t from = at < i ? i : at;
        const int64_t to   = at + UM_DROP_RUN < i + n ? at + UM_DROP_RUN : i + n;

        um_drop_words(d.seed, (uint64_t)at / 4, word);
        for (int j = 0; j < UM_DROP_RUN; j++)
            run[j] = word[j] >> 8 >= limit ? keep : 0;
        memcpy(f + (from - i), run + (from - at), (size_t)(to - from) * sizeof *f);
    }
}

#endif
