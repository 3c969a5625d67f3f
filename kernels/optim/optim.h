/* optim.h - the optimiser's step and the lengths of gradients, over spans of the parameters' block;
 * equations in kernels.h
 *
 * Source: Loshchilov and Hutter, arXiv:1711.05101, Algorithm 2, with the schedule inside lr.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_OPTIM_H
#define UM_KERNELS_OPTIM_H

#include "kernels/backend.h"

#define UM_OPTIM_OPS(X, b) X(b, sumsq) X(b, clip) X(b, adamw)

UM_OPTIM_OPS(UM_DECLARE, ref)

/* um_check_spans - UM_ERANGE unless they rise and none runs into another; um_check_adam: t besides
 */
UM_API UM_RESULT_USED int um_check_spans(const char *op, const struct um_span *span, int64_t spans);
UM_API UM_RESULT_USED int um_check_adam(const struct um_adam *a);
/* UM_ERANGE unless spans >= 0 and most > 0 */
UM_API UM_RESULT_USED int um_check_clip(int64_t spans, double most);

#endif
