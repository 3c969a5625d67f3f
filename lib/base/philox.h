/* philox.h - counter-based random numbers (Philox4x32-10)
 *
 * A draw is a function of (seed, purpose, record, step) and its index, with no hidden state:
 * threads, ranks and resumed runs see the same numbers. Two streams that differ in any of the four
 * are independent. Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_BASE_PHILOX_H
#define UM_BASE_PHILOX_H

#include <stdint.h>

#include "base/status.h"

/* um_philox - the block function: out = Philox4x32-10(ctr, key); matches Random123's test vectors
 */
UM_API void um_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]);

/* what a draw is for: part of its key, so that no two uses share numbers. Only append. */
enum um_purpose {
    UM_RNG_INIT = 1,   /* initial weights */
    UM_RNG_SHUFFLE,    /* order of records */
    UM_RNG_CROP,       /* training crops */
    UM_RNG_DROPOUT,    /* text dropout */
    UM_RNG_PHANTOM,    /* phantom anatomy and findings */
    UM_RNG_NOISE,      /* phantom image noise */
    UM_RNG_REPORT,     /* phantom report wording */
    UM_RNG_SAMPLE,     /* um-cat --sample */
    UM_RNG_BOOTSTRAP,  /* confidence intervals */
    UM_RNG_PROBE,      /* probe: initial weights, batches, label fractions */
    UM_RNG_MASK,       /* tokens kept at random */
    UM_RNG_SLICE,      /* slices picked at random */
    UM_RNG_CROP2,      /* the second view of an X-ray */
    UM_RNG_TEST = 1000 /* tests only */
};

struct um_rng {
    uint32_t key[2], ctr[4], block[4];
    unsigned left; /* unused words of block */
};

/* um_rng_at - the stream of (seed, purpose, record, step), at its beginning. record is an index or
 * the first 8 bytes of a digest of the key; step < 2^32. Its definition is in um-method(7). */
UM_API struct um_rng um_rng_at(uint64_t seed, enum um_purpose purpose, uint64_t record,
                               uint32_t step);

UM_API uint32_t um_rng_u32(struct um_rng *r);
UM_API double   um_rng_uniform(struct um_rng *r);                   /* [0,1), 53 bits */
UM_API double   um_rng_range(struct um_rng *r, double a, double b); /* a + (b-a) u */
UM_API double   um_rng_normal(struct um_rng *r);                    /* N(0,1), Box-Muller */
UM_API uint64_t um_rng_below(struct um_rng *r, uint64_t n); /* 0..n-1 without bias; n >= 1 */

/* um_rng_permute - a[0..n-1] = a uniform permutation of 0..n-1 (Fisher-Yates from the end) */
UM_API void um_rng_permute(struct um_rng *r, int64_t *a, int64_t n);

#endif
