/* scores.h - every query against every vector of a gallery, without the whole matrix
 *
 * What retrieval and the distances between modalities share. Not for other rooms.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_EVAL_SCORES_H
#define UM_EVAL_SCORES_H

#include <stdint.h>

#include "base/pool.h"
#include "base/status.h"

struct um_scores {
    const float *query, *gallery; /* [queries,e], [n,e]; finite */
    int64_t      queries, n, e;
    void        *arg;
    /* score[j] = sum over c of query[i,c] gallery[j,c], j < n; called for every i once, by any
     * thread of the pool: it must write only what belongs to i; score is scratch, and its own */
    void (*take)(void *arg, int64_t i, double *score);
};

/* um_scores_run - in double, each sum from the first component to the last: equal vectors have
 * equal scores, and score (i, j) is that of (j, i) with the sides exchanged, to the bit. Memory:
 * 16 (n + e) doubles per thread. pool may be NULL. UM_ENOMEM. */
UM_RESULT_USED int um_scores_run(struct um_pool *pool, struct um_scores *s);

/* um_scores_finite - UM_ENONFINITE names `what`, the row and the component of the first NaN or
 * infinity of x [n,e]; UM_ESHAPE: n < 0 or e < 1 */
UM_RESULT_USED int um_scores_finite(const char *what, const float *x, int64_t n, int64_t e);

/* um_first_match - the rank, from 1, of the first match of a query in the gallery by falling score
 *
 * match[j] = key (j < n); keys equal to 0 match as any other. Candidates of equal score come in any
 * order, and the rank is the mean over all of these orders: with g others above the best match, m
 * matches of its score and t others of its score, 1 + g + t / (m + 1); for a single match that is
 * the mean of the tied ranks. NaN: none matches. */
double um_first_match(const double *score, const uint64_t *match, uint64_t key, int64_t n);

#endif
