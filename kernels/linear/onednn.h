/* onednn.h - the matrix products of oneDNN, called single-threaded from the workers of our pool
 *
 * Nothing outside onednn.c sees oneDNN or its version. float products are stateless; bfloat16
 * products are plans, made once for a shape and kept by the device.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_ONEDNN_H
#define UM_KERNELS_ONEDNN_H

#include "kernels/backend.h"

/* um_dnn_limit - let oneDNN use no more than `isa` (sse2, avx2, avx512,
 * avx512bf16); it counts for the whole
 * process, and only before oneDNN's first work */
void um_dnn_limit(const char *isa);

/* um_dnn_gemm - c = alpha op(a) op(b) + beta c, float, op(a) [m,k], op(b) [k,n]; m, n, k >= 1; c is
 * not read with beta 0. Reentrant. */
struct um_dnn_gemm {
    bool         ta, tb;
    int64_t      m, n, k;
    float        alpha;
    const float *a;
    int64_t      lda;
    const float *b;
    int64_t      ldb;
    float        beta;
    float       *c;
    int64_t      ldc;
};
UM_RESULT_USED int um_dnn_gemm(const struct um_dnn_gemm *g);

/* what a plan does: a product of matrices of dtype dt (c = op(a) op(b) + bias + beta c, beta 0 or
 * 1), or packing: op(b) [k,n], b of dtype dt, goes to dtype dtc in the layout that products with
 * `packed` set read best */
struct um_dnn_shape {
    int64_t m, n, k, lda, ldb, ldc;
    int32_t dt, dtc, ta, tb, bias, beta; /* dtypes are enum um_dtype; the others 0 or 1 */
    int32_t packed;                      /* product: b is packed */
    int32_t pack;                        /* not a product: packing; m, lda, ldc, ta, bias, beta 0 */
};
struct um_dnn_plan;

/* um_dnn_plan - the device's plan for a shape, from its bounded store; valid until UM_DNN_FRESH
 * more were asked for. *plan NULL: oneDNN has none for this processor. Not reentrant: call before
 * sharing work out. */
enum { UM_DNN_FRESH = 512 };
UM_RESULT_USED int um_dnn_plan(struct um_dev *dev, const struct um_dnn_shape *shape,
                               struct um_dnn_plan **plan);
size_t             um_dnn_plan_scratch(const struct um_dnn_plan *plan); /* bytes it works in */
size_t             um_dnn_plan_packed(const struct um_dnn_plan *plan);  /* bytes of op(b) packed */
/* is op(B) of a plan with `packed` or `pack` laid out as panels.h says? */
bool um_dnn_plan_panels(const struct um_dnn_plan *plan);
/* um_dnn_run - reentrant for different workers, with a scratch of its own for each call. Packing
 * reads b and writes c. */
UM_RESULT_USED int um_dnn_run(struct um_dev *dev, int worker, const struct um_dnn_plan *plan,
                              const void *a, const void *b, const float *bias, void *c,
                              void *scratch);

void um_dnn_close(struct um_dev *dev);

#endif
