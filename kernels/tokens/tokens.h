/* tokens.h - picking tokens, and masking them by a learned vector; equations in kernels.h */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_KERNELS_TOKENS_H
#define UM_KERNELS_TOKENS_H

#include "kernels/backend.h"

#define UM_TOKENS_OPS(X, b) X(b, pick_fwd) X(b, pick_bwd) X(b, mask_fwd) X(b, mask_bwd)

UM_TOKENS_OPS(UM_DECLARE, ref)

/* um_check_pick - sizes, dtype, and every index in 0..T-1: UM_ERANGE, UM_EDTYPE */
UM_RESULT_USED int um_check_pick(const char *op, enum um_dtype dt, const int32_t *idx, int64_t B,
                                 int64_t n, int64_t T, int64_t c);

#endif
