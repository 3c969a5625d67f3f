/* l2norm.h - each row scaled to length one; equations in kernels.h */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_KERNELS_L2NORM_H
#define UM_KERNELS_L2NORM_H

#include "kernels/backend.h"

#define UM_L2NORM_OPS(X, b) X(b, l2norm_fwd) X(b, l2norm_bwd)

UM_L2NORM_OPS(UM_DECLARE, ref)

#endif
