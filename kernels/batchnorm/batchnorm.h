/* batchnorm.h - normalisation of each column over the rows; equations in kernels.h
 *
 * With xhat = (x - mean) rstd:
 *     dx = gamma rstd (dy - E[dy] - xhat E[dy xhat]),  dgamma += sum dy xhat,  dbeta += sum dy
 * batchnorm_fwd needs n >= 1 (UM_ERANGE). gamma and beta are both given or both NULL.
 * Source: Ioffe and Szegedy, arXiv:1502.03167, Algorithm 1.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_BATCHNORM_H
#define UM_KERNELS_BATCHNORM_H

#include "kernels/backend.h"

#define UM_BATCHNORM_OPS(X, b)                                                                     \
    X(b, batchnorm_fwd) X(b, batchnorm_eval) X(b, batchnorm_bwd) X(b, lerp)

UM_BATCHNORM_OPS(UM_DECLARE, ref)

#endif
