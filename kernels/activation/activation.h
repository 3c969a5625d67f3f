/* activation.h - functions of single numbers and their slopes; equations in kernels.h */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_KERNELS_ACTIVATION_H
#define UM_KERNELS_ACTIVATION_H

#include "kernels/backend.h"

#define UM_ACTIVATION_OPS(X, b) X(b, act_fwd) X(b, act_bwd)

UM_ACTIVATION_OPS(UM_DECLARE, ref)

/* um_check_activation - a known function, n >= 0, a dtype of activations: UM_ERANGE, UM_EDTYPE */
UM_RESULT_USED int um_check_activation(const char *op, enum um_act act, enum um_dtype dt,
                                       int64_t n);

#endif
