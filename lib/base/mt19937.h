/* mt19937.h - the permutations that published splits were drawn with
 *
 * The relatives' splits come from NumPy's legacy generator, directly or through pandas and
 * scikit-learn. The same permutations here, so that their lists of records can be rebuilt bit for
 * bit. Everything else in um draws from Philox (base/philox.h).
 *
 * Sources: Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998); method.md 9.8.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_BASE_MT19937_H
#define UM_BASE_MT19937_H

#include <stdint.h>

#include "base/status.h"

enum { UM_MT_N = 624 };

struct um_mt {
    uint32_t state[UM_MT_N];
    int      next; /* words of the state used up */
};

UM_API void     um_mt_seed(struct um_mt *mt, uint32_t seed);
UM_API uint32_t um_mt_u32(struct um_mt *mt);
/* uniform in 0..m: words masked to the bits of m, drawn until one is not above it; m = 0 draws
 * nothing. m < 2^32. */
UM_API uint32_t um_mt_uniform(struct um_mt *mt, uint32_t m);

/* um_mt_permutation - a[0..n-1] as RandomState(seed).permutation(n) gives it; 0 <= n < 2^32 */
UM_API void um_mt_permutation(uint32_t seed, int64_t *a, int64_t n);

/* um_mt_sample_count - records in a sample of the fraction f of n: f n rounded half to even */
UM_API int64_t um_mt_sample_count(double f, int64_t n);

/* um_mt_split - scikit-learn's train_test_split of n positions: *n_test = ceil(f n); test gets the
 * first n_test entries of the permutation, train the others, both in permuted order. test and train
 * have room for n. UM_ERANGE unless 0 < f < 1 and both parts get a position; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_mt_split(uint32_t seed, int64_t n, double f, int64_t *train,
                                      int64_t *test, int64_t *n_test);

#endif
