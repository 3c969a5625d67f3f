/* distill.h - cross entropy of a student against a teacher's centred, sharpened softmax; equations
 * in kernels.h. The teacher's probabilities are never stored. Source: Caron et al.,
 * arXiv:2104.14294; method.md 7.3. SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_DISTILL_H
#define UM_KERNELS_DISTILL_H

#include "kernels/backend.h"

#define UM_DISTILL_OPS(X, b) X(b, distill_fwd) X(b, distill_bwd) X(b, entropy)

UM_DISTILL_OPS(UM_DECLARE, ref)

/* um_check_distill - sizes, dtype, and temperatures above 0: UM_ERANGE, UM_EDTYPE */
UM_RESULT_USED int um_check_distill(const char *op, const struct um_distill *d);

#endif
