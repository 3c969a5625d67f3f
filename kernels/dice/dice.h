/* dice.h - overlap of predictions and masks; equations in kernels.h (struct um_dice)
 *
 * Sources: Milletari et al., arXiv:1606.04797, for the squared form; method.md 9.3 and 9.4 for the
 * others. A class number outside -1..C-1 is UM_ERANGE where a backend can see it; on cuda a late
 * error.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_DICE_H
#define UM_KERNELS_DICE_H

#include "kernels/backend.h"

#define UM_DICE_OPS(X, b) X(b, dice_fwd) X(b, dice_bwd)

UM_DICE_OPS(UM_DECLARE, ref)

/* um_check_dice - sizes, and one kind of target; um_check_classes - every class number besides */
UM_API UM_RESULT_USED int um_check_dice(const char *op, const struct um_dice *d);
UM_RESULT_USED int        um_check_classes(const char *op, const struct um_dice *d);

static inline int64_t um_dice_groups(const struct um_dice *d)
{
    return d->batch ? d->C : d->B * d->C;
}

/* where element (b, j, s) of x lies */
static inline int64_t um_dice_at(const struct um_dice *d, int64_t b, int64_t j, int64_t s)
{
    return d->last ? (b * d->S + s) * d->C + j : (b * d->C + j) * d->S + s;
}

/* the term of a group whose sums are I, P, Y, without scale */
double um_dice_term(const struct um_dice *d, const double sum[3]);
/* d term / dp = ab[0] y + ab[1] p' */
void um_dice_slope(const struct um_dice *d, const double sum[3], double ab[2]);
/* loss += scale * the sum of the terms */
void um_dice_add(const struct um_dice *d, float *loss, const double *sums);

#endif
