/* shuffle.h - a random permutation that is computed where it is needed and stored nowhere
 *
 * Swap-or-not: in round r a number x is paired with (K_r - x) mod n, and one bit, a function of r
 * and the larger of the two, says whether they change places. Each round is a permutation of
 * 0..n-1, for any n, and so are all rounds together. Source: Hoang, Morris, Rogaway, "An
 * Enciphering Scheme Based on a Card Shuffle", CRYPTO 2012.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_BASE_SHUFFLE_H
#define UM_BASE_SHUFFLE_H

#include "base/philox.h"

enum { UM_SHUFFLE_ROUNDS = 24 + 6 * 63 }; /* the most: 24 and 6 for each bit of n - 1 */

struct um_shuffle {
    uint64_t n;
    int      rounds;
    uint32_t key[2];                  /* of the bits */
    uint64_t pair[UM_SHUFFLE_ROUNDS]; /* K_r, uniform in 0..n-1 */
};

/* um_shuffle_begin - a permutation of 0..n-1, n >= 0, by the draws of r */
UM_API void um_shuffle_begin(struct um_shuffle *s, struct um_rng *r, int64_t n);
/* um_shuffle_at - what is at place i, 0 <= i < n; thread safe */
UM_API int64_t um_shuffle_at(const struct um_shuffle *s, int64_t i);

#endif
