/* onednn.h - convolutions of one block by oneDNN, called single-threaded from the workers of our
 * pool
 *
 * Arrays have their channels last, [in0,in1,in2,cin] and [out0,out1,out2,cout], and belong to one
 * sample; weights are in the plan's own layout, from pack and to unpack. With in = the rows of a
 * block, lo and hi rows of zeros before and after it: out = (in + lo + hi - k) / stride + 1.
 *   forward   y = sum_t w_t x            of x and w
 *   data      x = sum_t w_t^T y          of y and w
 *   weights   w_t = sum_p y_p x_(p,t)^T  of y and x
 * The two arrays read have dtype dt, the result is float.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_CONV_ONEDNN_H
#define UM_KERNELS_CONV_ONEDNN_H

#include "kernels/backend.h"

enum um_dnn_way { UM_DNN_FORWARD = 0, UM_DNN_DATA, UM_DNN_WEIGHTS };

struct um_dnn_conv_shape {
    int64_t cin, cout, in[3], out[3], k[3], stride[3], lo[3], hi[3];
    int32_t way, dt;
};
struct um_dnn_conv;

/* um_dnn_conv - the device's plan for a shape, from its bounded store; valid until
 * UM_DNN_CONV_FRESH more were asked for. *plan NULL: oneDNN has none for this processor (there
 * always is a float one). Not reentrant: call before sharing work out. */
enum { UM_DNN_CONV_FRESH = 256 };
UM_RESULT_USED int um_dnn_conv(struct um_dev *dev, const struct um_dnn_conv_shape *shape,
                               struct um_dnn_conv **plan);
size_t             um_dnn_conv_scratch(const struct um_dnn_conv *plan); /* bytes it works in */
size_t             um_dnn_conv_weights(const struct um_dnn_conv *plan); /* of w in its layout */
/* um_dnn_conv_pack - w [cout,cin,k..] float into the plan's layout, rounded to dt; unpack - back,
 * for plans of weights. Reentrant for different workers, as is um_dnn_conv_run, which has a scratch
 * of its own for each call. */
UM_RESULT_USED int um_dnn_conv_pack(struct um_dev *dev, int worker, const struct um_dnn_conv *plan,
                                    void *packed, const float *w);
UM_RESULT_USED int um_dnn_conv_unpack(struct um_dev *dev, int worker,
                                      const struct um_dnn_conv *plan, float *w, const void *packed);
UM_RESULT_USED int um_dnn_conv_run(struct um_dev *dev, int worker, const struct um_dnn_conv *plan,
                                   const void *x, const void *w, const void *y, void *scratch);

#endif
