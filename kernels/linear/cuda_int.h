/* cuda_int.h - what the CUDA files of products share: cuBLASLt's plans and the passes around them
 *
 * Only .cu files of kernels/linear and kernels/conv include it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_LINEAR_CUDA_INT_H
#define UM_KERNELS_LINEAR_CUDA_INT_H

#include "kernels/cuda.h"

/* bytes of scratch that every product of cuBLASLt is given; 256-byte aligned */
static const size_t UM_LT_WORK = (size_t)32 << 20;

struct um_lt_plan;

/* um_lt_plan - the device's plan for a product, valid until the next call: c = op(a) op(b) + bias +
 * beta res, res being c where NULL; with res, beta is taken for 1. bias has type dtc. fa, fb, act,
 * pre and drop are not looked at. *plan NULL: cuBLASLt has none for these types or addresses.
 * um_lt_run - run it for the same p. work: UM_LT_WORK bytes */
UM_RESULT_USED int um_lt_plan(struct um_dev *dev, const struct um_matmul *p,
                              const struct um_lt_plan **plan);
UM_RESULT_USED int um_lt_run(struct um_dev *dev, const struct um_lt_plan *plan,
                             const struct um_matmul *p, void *work);

/* um_plain_product - c = op(a) op(b) + beta c for any types and addresses */
UM_RESULT_USED int um_plain_product(struct um_dev *dev, const struct um_matmul *p);

/* um_finish - all of p but its product, one pass: acc is the product in float or NULL for 0,
 * laid out as c if `placed`, else [batch,m,n] dense. acc may be c. */
UM_RESULT_USED int um_finish(struct um_dev *dev, const struct um_matmul *p, const float *acc,
                             bool placed);
/* um_gelu - c = gelu(x), x and c laid out alike, x may be c; what p says of c alone is looked at */
UM_RESULT_USED int um_gelu(struct um_dev *dev, const struct um_matmul *p, const void *x);

/* um_round - y = x rounded: `batch` items, `stride` apart, of rows x cols, ld apart, to dense ones
 */
UM_RESULT_USED int um_round(struct um_dev *dev, void *y, const float *x, int64_t batch,
                            int64_t rows, int64_t cols, int64_t ld, int64_t stride);

#endif
