/* bootstrap.h - intervals by drawing patients again
 *
 * Images of one patient resemble each other, so what is drawn with replacement are patients, each
 * with all of its records.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_EVAL_BOOTSTRAP_H
#define UM_EVAL_BOOTSTRAP_H

#include <stdint.h>

#include "base/status.h"

struct um_bootstrap {
    int64_t        n;      /* records */
    const int32_t *group;  /* [n] each record's patient, 0..groups-1 */
    int64_t        groups; /* patients */
    int64_t        reps;   /* resamples: 1000 */
    uint64_t       seed;

    /* k figures of the records, each as often as weight[i] says; a figure that is not defined for
     * this resample is NaN. Returns UM_OK or an error, which ends the bootstrap. */
    int   k;
    void *user;
    int (*figures)(void *user, const int32_t *weight, double *out);
};

/* um_bootstrap_run - percentiles 2.5 and 97.5 of each figure over the resamples: lo[k], hi[k]
 *
 * Resample r draws `groups` patients by (seed, r): the same on any machine. Resamples where a
 * figure is NaN are left out of that figure; defined[k] (may be NULL) counts the others; none:
 * lo = hi = NaN. UM_ERANGE: reps, k or groups under 1, or a group out of range; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_bootstrap_run(const struct um_bootstrap *b, double *lo, double *hi,
                                           int64_t *defined);

/* um_percentile - of x[0..n-1] in ascending order, n >= 1, p in 0..1: linear between the two values
 * around place p (n - 1), as NumPy's default */
UM_API double um_percentile(const double *x, int64_t n, double p);

#endif
