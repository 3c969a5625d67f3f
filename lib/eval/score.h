/* score.h - the figures of a table's cell: from a classifier's outputs to values with intervals */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_EVAL_SCORE_H
#define UM_EVAL_SCORE_H

#include "eval/labelled.h"

struct um_score {
    const char *label;         /* a label, a class, "mean" or "all" */
    const char *metric;        /* "auroc", "accuracy" */
    int64_t     n;             /* records that count */
    double      value, lo, hi; /* NaN: not defined (one of the two classes is missing) */
};

/* um_score_table - the figures of n records
 *
 * out [n,K] are the outputs for records index[0..n-1] of f. Labels: AUROC of each, then their mean
 * ("mean"; those not defined are left out). Classes: accuracy ("all"), AUROC of each class against
 * the others by softmax, and its mean. lo, hi: percentiles 2.5 and 97.5 of `reps` resamples of
 * patients. score: room for K + 2; *count are filled. UM_ENONFINITE, UM_ENOMEM. */
UM_API UM_RESULT_USED int um_score_table(const struct um_labelled *f, const int64_t *index,
                                         int64_t n, const float *out, int64_t reps, uint64_t seed,
                                         struct um_score *score, int *count);

#endif
