/* layernorm.h - normalisation of each row; equations in kernels.h
 *
 * With xhat = (x - mean) rstd and e = dy gamma:
 *     dx = rstd (e - E[e] - xhat E[e xhat]),  dgamma += sum_i dy xhat,  dbeta += sum_i dy
 * The variance is taken in two passes: E[x^2] - mean^2 cancels where |mean| >> spread, as in
 * images that are not yet scaled. Source: Ba et al., arXiv:1607.06450, Eq. (4).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_LAYERNORM_H
#define UM_KERNELS_LAYERNORM_H

#include "kernels/backend.h"

#define UM_LAYERNORM_OPS(X, b) X(b, layernorm_fwd) X(b, layernorm_bwd)

UM_LAYERNORM_OPS(UM_DECLARE, ref)

#endif
