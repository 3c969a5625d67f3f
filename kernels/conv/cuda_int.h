/* cuda_int.h - cuDNN's convolutions, where there is a cuDNN */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_KERNELS_CONV_CUDA_INT_H
#define UM_KERNELS_CONV_CUDA_INT_H

#include "kernels/cuda.h"

enum um_cudnn_what { UM_CUDNN_FWD, UM_CUDNN_DATA, UM_CUDNN_WEIGHTS };

/* um_cudnn_conv - one of the three by cuDNN: y of x and w, x of y and w, both with a bias or NULL,
 * or w += of y and x. *done false: not done, and nothing of worth written, for there is no cuDNN,
 * it has no such convolution, its workspace is too large, an address does not suit it, or its
 * result would be rounded where kernels.h wants float */
UM_RESULT_USED int um_cudnn_conv(struct um_dev *dev, enum um_cudnn_what what,
                                 const struct um_conv *c, void *y, void *x, float *w,
                                 const float *bias, bool *done);

#endif
