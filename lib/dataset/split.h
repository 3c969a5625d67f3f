/* split.h - which records train a model, which choose it, and which judge it
 *
 * Groups of rows (a patient's, say) are drawn as scikit-learn draws with NumPy's legacy generator
 * (base/mt19937.h), so that published splits come out bit for bit: method.md 9.8.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_DATASET_SPLIT_H
#define UM_DATASET_SPLIT_H

#include <stdint.h>

#include "base/status.h"

enum um_part { UM_TRAIN = 0, UM_VALID, UM_TEST, UM_NPART };
UM_API const char *um_part_name(enum um_part part); /* "train", "valid", "test" */
/* um_part_parse - UM_TRAIN too for "", as a row not yet drawn; UM_EFORMAT names any other text */
UM_API UM_RESULT_USED int um_part_parse(const char *text, enum um_part *part);

/* What is held out. A number below 1 is a share of the groups, f n rounded up; one from 1 on is a
 * whole number of rows: groups are drawn until it is reached. */
struct um_split {
    uint32_t seed;
    double   valid, test; /* 0: none */
};

/* um_split_check - UM_ERANGE: a share beside a number of rows, shares that sum to 1 or more, a
 * number of rows that is not whole; the message has the numbers */
UM_API UM_RESULT_USED int um_split_check(const struct um_split *s);

/* um_split_draw - n groups of rows[i] rows each, in the order that the caller gives them
 *
 * order [n]  out: the groups as drawn: train, then valid, then test
 * n_part     out: groups in each part
 *
 * p = permutation(seed, n). If one part is held out: the first groups of p, in their order; the
 * rest of p trains. If both are: valid + test are held out so, and then parted by a permutation of
 * their positions with the same seed, whose first entries are valid: two calls of train_test_split,
 * as published lists were made. Returns UM_ERANGE, with the numbers, if a part that was asked for,
 * or the training part, would get no group; UM_ENOMEM; errors of um_split_check.
 */
UM_API UM_RESULT_USED int um_split_draw(const struct um_split *s, int64_t n, const int64_t *rows,
                                        int64_t *order, int64_t n_part[UM_NPART]);

/* um_subset_count - f n to a whole number: "even" (half to even, as pandas' sample), "floor" or
 * "ceil" */
UM_API int64_t um_subset_count(double f, int64_t n, const char *rounding);

#endif
