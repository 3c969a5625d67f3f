/* drop.h - factors of dropout for a run of elements, eight Philox blocks at a time (see load.h) */
#ifndef UM_KERNELS_DROP_H
#define UM_KERNELS_DROP_H

#include "kernels/load.h"

enum { UM_DROP_LANES = 8, UM_DROP_RUN = 4 * UM_DROP_LANES };

/* out[w][l] = word w of block `first + l`. The same rounds as um_philox, written over lanes so that
 * the compiler makes vectors of them. */
static inline void um_drop_words(uint64_t seed, uint64_t first, uint32_t out[4][UM_DROP_LANES])
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

    for (int l = 0; l < UM_DROP_LANES; l++) {
        out[0][l] = (uint32_t)(first + (uint64_t)l);
        out[1][l] = (uint32_t)((first + (uint64_t)l) >> 32);
        out[2][l] = 0;
        out[3][l] = UM_DROP_TAG;
    }
    for (int r = 0; r < 10; r++) {
        for (int l = 0; l < UM_DROP_LANES; l++) {
            const uint64_t a = (uint64_t)0xD2511F53u * out[0][l];
            const uint64_t b = (uint64_t)0xCD9E8D57u * out[2][l];

            out[0][l] = (uint32_t)(b >> 32) ^ out[1][l] ^ k0;
            out[2][l] = (uint32_t)(a >> 32) ^ out[3][l] ^ k1;
            out[1][l] = (uint32_t)b;
            out[3][l] = (uint32_t)a;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* f[j] = factor of element i + j, j < n */
static inline void um_drop_factors(struct um_drop d, int64_t i, int64_t n, float *f)
{
    const uint32_t limit = um_drop_limit(d.p);
    const float    keep  = um_drop_scale(d.p);
    int64_t        at    = i & ~(int64_t)3;
    uint32_t       words[4][UM_DROP_LANES];

    for (; at < i + n; at += UM_DROP_RUN) {
        const int64_t from = at < i ? i : at;
        const int64_t to   = at + UM_DROP_RUN < i + n ? at + UM_DROP_RUN : i + n;

        um_drop_words(d.seed, (uint64_t)at / 4, words);
        for (int64_t j = from; j < to; j++) {
            const uint32_t u = words[(j - at) & 3][(j - at) >> 2] >> 8;

            f[j - i] = u >= limit ? keep : 0;
        }
    }
}

#endif
