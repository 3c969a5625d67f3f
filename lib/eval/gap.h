/* gap.h - how far X-rays and volumes lie apart in the space they share
 *
 * Vectors are taken at unit length (they are divided by their norm here, in double); cos is then
 * their product. x: X-rays, y: volumes, though any two sets will do.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_EVAL_GAP_H
#define UM_EVAL_GAP_H

#include <stdint.h>

#include "base/pool.h"
#include "base/status.h"

struct um_gap_pairs {
    double same, other; /* mean of 1 - cos(x_i, y_j): pairs of one patient; of different patients */
    double r1;          /* share of X-rays whose nearest volume is one of their own patient */
    int64_t nsame, nother, nqueries; /* pairs, pairs, X-rays that r1 is over */
};

/* um_gap_pairs - distances of true pairs beside others, and R@1 across
 *
 * x [n,e], y [m,e] f32; xpatient [n], ypatient [m]: a hash each, 0: unknown. Vectors of unknown
 * patients take no part. X-rays without a volume of their patient are no queries; a volume of
 * another patient that is as near as the nearest own one makes the query a miss (ties count as the
 * mean rank, which is above 1 then). NaN, with a count of 0, where there is no pair or no query.
 *
 * Memory: 16 (m + e) doubles per thread and O(n + m). Sums in double, over X-rays in order; same
 * bits for any number of threads; pool may be NULL. UM_ENONFINITE names "x" or "y", row and
 * component; UM_ERANGE: a row of zeros, which has no direction; UM_ESHAPE: e < 1; UM_ENOMEM.
 * *out is untouched on error.
 *
 * Source: method.md 9.6 (cross-dimension), 11 (R@1 from X-ray to volume). */
UM_API UM_RESULT_USED int um_gap_pairs(struct um_pool *pool, const float *x,
                                       const uint64_t *xpatient, int64_t n, const float *y,
                                       const uint64_t *ypatient, int64_t m, int64_t e,
                                       struct um_gap_pairs *out);

struct um_gap_centres {
    double  ratio;   /* between / within */
    double  between; /* mean over classes of |a_c - b_c|: the centroids of x and y of class c */
    double  within;  /* mean over classes and both sides of the mean distance to the centroid */
    int64_t classes; /* that both sides hold two vectors of or more: the ones that count */
    int64_t nx, ny;  /* vectors of these classes */
};

/* um_gap_centres - "distance between modalities"
 *
 *     a_c = mean of x_i of class c,  b_c = mean of y_j of class c
 *     ratio = mean_c |a_c - b_c| / (mean_c (mean_i |x_i - a_c| + mean_j |y_j - b_c|) / 2)
 *
 * x [n,e], y [m,e] f32; xclass [n], yclass [m]: 0..classes-1, negative: none, does not count; both
 * NULL: one class of all. A class counts if both sides hold at least two vectors of it (the
 * distance of a single one to its centroid is 0 whatever the model). NaN: between and within if no
 * class counts, the ratio also if all distances within are 0. Centroids are not scaled.
 *
 * Memory: 2 classes e doubles. Sums in double, in order. Errors as um_gap_pairs; UM_ERANGE: classes
 * < 1, or a class that is not below it.
 *
 * Source: method.md 10. */
UM_API UM_RESULT_USED int um_gap_centres(const float *x, const int32_t *xclass, int64_t n,
                                         const float *y, const int32_t *yclass, int64_t m,
                                         int64_t e, int64_t classes, struct um_gap_centres *out);

#endif
