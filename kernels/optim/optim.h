/* optim.h - the optimiser's step and the norm of a gradient; equations in kernels.h
 *
 * Source: Loshchilov and Hutter, arXiv:1711.05101, Algorithm 2, with the schedule inside lr.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_OPTIM_H
#define UM_KERNELS_OPTIM_H

#include "kernels/backend.h"

#define UM_OPTIM_OPS(X, b) X(b, sumsq) X(b, adamw)

UM_OPTIM_OPS(UM_DECLARE, ref)

#endif
