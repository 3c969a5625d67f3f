/* mapnorm.h - normalisation of feature maps [n,c,s]: batch norm and instance norm; equations in
 * kernels.h
 *
 * A statistic belongs to a channel (batch) or to a sample's channel, and is over N = n s or s
 * elements. With xhat = (x - mean) rstd and means E over them:
 *     dx = gamma rstd (dy - E[dy] - xhat E[dy xhat]),  dgamma += sum dy xhat,  dbeta += sum dy
 * gamma and beta are both given or both NULL.
 * Sources: Ioffe and Szegedy, arXiv:1502.03167; Ulyanov et al., arXiv:1607.08022.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_MAPNORM_H
#define UM_KERNELS_MAPNORM_H

#include "kernels/backend.h"

#define UM_MAPNORM_OPS(X, b) X(b, mapnorm_fwd) X(b, mapnorm_eval) X(b, mapnorm_bwd)

UM_MAPNORM_OPS(UM_DECLARE, ref)

/* um_check_mapnorm - um_check_maps, and n >= 1 where batch statistics are wanted: UM_ERANGE */
UM_RESULT_USED int um_check_mapnorm(const char *op, enum um_dtype dt, bool batch, int64_t n,
                                    int64_t c, int64_t s);

#endif
