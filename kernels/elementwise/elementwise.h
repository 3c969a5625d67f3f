/* elementwise.h - operations on each element alone; equations in kernels.h */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_KERNELS_ELEMENTWISE_H
#define UM_KERNELS_ELEMENTWISE_H

#include "kernels/backend.h"

/* it never comes to rest here */
/* clang-format off */
#define UM_ELEMENTWISE_OPS(X, b)                                                                   \
    X(b, add)                                                                                      \
    X(b, cast)                                                                                     \
    X(b, dropout) X(b, expscale_fwd)   \
        X(b, expscale_bwd)
/* clang-format on */

UM_ELEMENTWISE_OPS(UM_DECLARE, ref)

#endif
