/* auc.h - area under the ROC curve, and accuracy
 *
 * Both take a weight per record, so that a bootstrap resample is the same records with other
 * weights: nothing is copied and nothing sorted again.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_EVAL_AUC_H
#define UM_EVAL_AUC_H

#include <stdint.h>

#include "base/status.h"

/* um_auc_order - order[0..n-1]: the records from the lowest score to the highest (ties by number).
 * UM_ENONFINITE: a score is NaN or infinite; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_auc_order(const float *score, int64_t n, int64_t *order);

/* um_auc - the probability that a positive scores higher than a negative, ties as half
 *
 *     AUC = (sum over pairs of w_i w_j ([s_i > s_j] + [s_i = s_j]/2)) / (W+ W-),  y_i = 1, y_j = 0
 *
 * score [n]; label [n]: 1, 0, or negative: no label, the record does not count; weight [n] >= 0 or
 * NULL: all 1; order as um_auc_order gives it. O(n). NaN if one of the classes has no weight.
 * Exact: sums of products of whole numbers, in double, up to 2^53 pairs.
 *
 * Source: Mann and Whitney, 1947; method.md 9.7. */
UM_API double um_auc(const float *score, const int8_t *label, const int32_t *weight,
                     const int64_t *order, int64_t n);

/* um_accuracy - sum of weights where guess = label over the sum of weights; negative labels do not
 * count. NaN if none counts. */
UM_API double um_accuracy(const int32_t *guess, const int32_t *label, const int32_t *weight,
                          int64_t n);

#endif
