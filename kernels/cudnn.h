/* cudnn.h - cuDNN as the families of kernels share it: the library and a device's handle
 *
 * A program runs where there is no cuDNN, so it is not linked: libcudnn.so.9 is opened at run time,
 * or the file that UM_CUDNN names (0: none). UM_HAVE_CUDNN is 1 where its header was there when
 * this was compiled; else there is only um_cudnn_close.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_CUDNN_H
#define UM_KERNELS_CUDNN_H

#include "kernels/cuda.h"
#include "kernels/plans.h"

#if defined __has_include
#if __has_include(<cudnn.h>)
#include <cudnn.h>
#endif
#endif

#if defined CUDNN_MAJOR && CUDNN_MAJOR == 9
#define UM_HAVE_CUDNN 1

struct um_cudnn {
    cudnnHandle_t    handle;           /* of the device's stream; NULL: there is none */
    struct um_plans *conv, *attention; /* each family's, made when first wanted */
};

/* um_cudnn_open - the device's cuDNN, with handle NULL where there is none; NULL: out of memory */
struct um_cudnn *um_cudnn_open(struct um_dev *dev);
/* um_cudnn_load - the library's n functions of these names; false: one is not there, or no library
 * of this version */
bool um_cudnn_load(void **function, const char *const *name, size_t n);
/* um_cudnn_version - as the library says it, 0: there is none */
size_t um_cudnn_version(void);

#else
#define UM_HAVE_CUDNN 0
#endif

/* um_cudnn_close - at the device's end; takes a device that has none */
void um_cudnn_close(struct um_cuda *c);

#endif
