/* elementwise.h - operations on each element alone; equations in kernels.h */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_KERNELS_ELEMENTWISE_H
#define UM_KERNELS_ELEMENTWISE_H

#include "kernels/backend.h"

/* clang-format off */
#define UM_ELEMENTWISE_OPS(X, b)                                                                   \
    X(b, add)                                                                                      \
    X(b, cast)                                                                                     \
    X(b, dropout)                                                                                  \
    X(b, drop_path)                                                                                \
    X(b, expscale_fwd)                                                                             \
    X(b, expscale_bwd)
/* clang-format on */

UM_ELEMENTWISE_OPS(UM_DECLARE, ref)

UM_RESULT_USED int um_check_drop_path(enum um_dtype dt, int64_t B, int64_t n, struct um_drop drop);

#endif
