/* conv.h - convolutions in 2D and 3D and their adjoints; equations in kernels.h
 *
 * The transposed convolution of PyTorch, weights [from,to,k..], is the data adjoint of the
 * convolution to -> from: conv_data with cout = from, cin = to, y its input, x its output. Its
 * gradients are conv_fwd (of its input) and conv_weights with the two arrays in each other's place.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_CONV_H
#define UM_KERNELS_CONV_H

#include "kernels/backend.h"

#define UM_CONV_OPS(X, b) X(b, conv_fwd) X(b, conv_data) X(b, conv_weights) X(b, conv_bias)

UM_CONV_OPS(UM_DECLARE, ref)

/* um_check_conv - UM_EDTYPE, or UM_ERANGE for what kernels.h names */
UM_RESULT_USED int um_check_conv(const char *op, const struct um_conv *c);
/* um_check_maps - feature maps [n,c,s] with c and s of 1 or more: UM_ERANGE, UM_EDTYPE */
UM_RESULT_USED int um_check_maps(const char *op, enum um_dtype dt, int64_t n, int64_t c, int64_t s);

static inline int64_t um_volume(const int64_t d[3])
{
    return d[0] * d[1] * d[2];
}

#endif
