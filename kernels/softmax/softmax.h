/* softmax.h - softmax over the last axis; equations in kernels.h */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_KERNELS_SOFTMAX_H
#define UM_KERNELS_SOFTMAX_H

#include "kernels/backend.h"

#define UM_SOFTMAX_OPS(X, b) X(b, softmax_fwd) X(b, softmax_bwd)

UM_SOFTMAX_OPS(UM_DECLARE, ref)

#endif
