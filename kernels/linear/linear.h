/* linear.h - matrix products and the gradient of a bias; equations in kernels.h */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_KERNELS_LINEAR_H
#define UM_KERNELS_LINEAR_H

#include "kernels/backend.h"

#define UM_LINEAR_OPS(X, b) X(b, matmul) X(b, pack) X(b, bias_bwd)

UM_LINEAR_OPS(UM_DECLARE, ref)

/* um_check_matmul - UM_ERANGE for negative sizes or rows that overlap, UM_EDTYPE */
UM_RESULT_USED int um_check_matmul(const struct um_matmul *p);
UM_RESULT_USED int um_check_pack(const struct um_weight *w);

/* um_plain_packed - rows of a backend whose packed weights are op(B)'s own [k,n] (tb: [n,k]) in dt,
 * dense: the product as it is without packing */
static inline struct um_matmul um_plain_packed(const struct um_matmul *p)
{
    struct um_matmul q = *p;

    if (p->packed) {
        q.ldb    = p->tb ? p->k : p->n;
        q.fb     = false;
        q.packed = false;
    }
    return q;
}

#endif
