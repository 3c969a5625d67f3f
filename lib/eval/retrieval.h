/* retrieval.h - does an image find its report, and a report its image?
 *
 * Record i is a pair: row i of v (image) and row i of r (report). Similarity is v . r.
 *
 * Source: method.md 9.6. Not here: pools of 1,000, precision by label, image to image by label.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_EVAL_RETRIEVAL_H
#define UM_EVAL_RETRIEVAL_H

#include <stdint.h>

#include "base/pool.h"
#include "base/status.h"

struct um_recall {
    int64_t n;           /* queries that have a rank */
    double  r1, r5, r10; /* share of them with a rank of at most 1, 5, 10 */
    double  median;      /* rank */
};

/* um_recall_of - the figures of ranks [n], from 1; NaN: no rank, not counted. Without any rank all
 * figures are NaN. The median of an even number is the mean of the two in the middle. UM_ENOMEM. */
UM_API UM_RESULT_USED int um_recall_of(const double *rank, int64_t n, struct um_recall *out);

/* um_retrieval_ranks - the place of each query's partner in the gallery, from 1
 *
 *     strict[i] = 1 + #{j : s_ij > s_ii} + #{j != i : s_ij = s_ii} / 2,   s_ij = query_i .
 * gallery_j same[i]   = the rank of the best of all records whose text is that of i: with m of
 * these at the best score, g others above it and t others of that score, 1 + g + t / (m + 1), the
 * mean over all orders of candidates of equal score (strict[i] if m = 1 = all)
 *
 * query, gallery [n,e] f32, unit vectors (not scaled here); text [n]: a hash of each record's text,
 * equal for equal texts; same [n], or NULL with text NULL. n may be 0. Memory: 16 (n + e) doubles
 * per thread. Sums in double; same bits for any number of threads; pool may be NULL.
 * UM_ENONFINITE names side, row and component; UM_ESHAPE: e < 1; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_retrieval_ranks(struct um_pool *pool, const float *query,
                                             const float *gallery, const uint64_t *text, int64_t n,
                                             int64_t e, double *strict, double *same);

/* both directions; *_same: records of identical text are one another's matches */
struct um_retrieval {
    struct um_recall i2t, t2i, i2t_same, t2i_same;
};

/* um_retrieval_run - the figures of v [n,e] and r [n,e] f32, host memory, over all n records. text
 * as above; NULL: *_same is the strict count. Memory beyond the inputs as above and 2 n doubles.
 * Errors as um_retrieval_ranks; "images" is v, "reports" is r. *out is untouched on error. */
UM_API UM_RESULT_USED int um_retrieval_run(struct um_pool *pool, const float *v, const float *r,
                                           const uint64_t *text, int64_t n, int64_t e,
                                           struct um_retrieval *out);

#endif
