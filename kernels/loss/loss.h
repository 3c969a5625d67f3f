/* loss.h - cross entropies of logits; equations in kernels.h
 *
 * Every backend checks that each target is in -1..c-1 (UM_ERANGE) where it can see it: cuda counts
 * a wrong one as a late error.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_LOSS_H
#define UM_KERNELS_LOSS_H

#include "kernels/backend.h"

/* clang-format off */
#define UM_LOSS_OPS(X, b)                                                                          \
    X(b, xent_fwd)                                                                                 \
    X(b, xent_bwd)                                                                                 \
    X(b, xent_soft_fwd)                                                                            \
    X(b, xent_soft_bwd)                                                                            \
    X(b, bce_fwd)                                                                                  \
    X(b, bce_bwd)                                                                                  \
    X(b, focal_fwd)                                                                                \
    X(b, focal_bwd)
/* clang-format on */

UM_LOSS_OPS(UM_DECLARE, ref)

UM_RESULT_USED int um_check_targets(const char *op, const int32_t *target, int64_t n, int64_t c);
/* of the arguments alone: cuda asks it too */
UM_API UM_RESULT_USED int um_check_focal(const char *op, const struct um_focal *f);

#endif
