/* route.h - how a product and what stands around it are done on a GPU: host logic alone
 *
 * cuBLASLt computes D = op(A) op(B) + beta C + bias in one go, C and D of one type and layout, the
 * bias of D's type. GELU here is the exact one and cuBLASLt's the approximation by tanh, so it is a
 * pass of its own; dropout is nobody's but ours.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_LINEAR_ROUTE_H
#define UM_KERNELS_LINEAR_ROUTE_H

#include "kernels/kernels.h"

enum um_route_how {
    UM_ROUTE_NOTHING, /* there is no element to write */
    UM_ROUTE_REST,    /* k = 0: all but the product, which is 0 */
    UM_ROUTE_PRODUCT, /* one product writes c, with the bias, the residual or beta in it */
    UM_ROUTE_GELU,    /* one product with its bias writes pre (c, where pre is not wanted), then
                         c = gelu(pre): bytes 2 m n for the product's result and 4 m n for the pass
                         in bfloat16, where a product in float makes it 10 m n or more */
    UM_ROUTE_FINISH   /* the product alone in float, then one pass of all the rest */
};

struct um_route {
    enum um_route_how how;
    bool              bias;     /* goes into the product; else the pass adds it */
    bool              in_place; /* finish: the product in float lies in c itself */
    bool              bare;     /* the product has nothing around it but beta in place */
};

/* um_route_of - fused: cuBLASLt is asked for what it can do; false: it has no algorithm for that,
 * so what is left over must be bare, for which there always is a kernel */
static inline struct um_route um_route_of(const struct um_matmul *p, bool fused)
{
    const bool      drop = p->drop.p > 0, gelu = p->act == UM_ACT_GELU, beta = p->beta != 0;
    const bool      bare = !p->bias && !p->res && !p->pre && !gelu && !drop;
    struct um_route r;

    r.bias     = false;
    r.in_place = false;
    r.bare     = bare;
    if (p->batch * p->m * p->n == 0)
        r.how = UM_ROUTE_NOTHING;
    else if (p->k == 0)
        r.how = UM_ROUTE_REST;
    else if (bare && (fused || p->dt == p->dtc || p->dtc == UM_F32))
        r.how = UM_ROUTE_PRODUCT;
    else if (fused && !drop && !gelu && !p->pre && !(p->res && beta))
        r.how = UM_ROUTE_PRODUCT;
    else if (fused && !drop && gelu && !p->res && !beta)
        r.how = UM_ROUTE_GELU;
    else
        r.how = UM_ROUTE_FINISH;
    if (r.how == UM_ROUTE_FINISH) {
        /* no other array than c is as large, and nobody reads what is in it */
        r.in_place = p->dtc == UM_F32 && !beta && p->res != p->c;
        r.bare     = true;
    }
    r.bias = p->bias && (r.how == UM_ROUTE_PRODUCT || r.how == UM_ROUTE_GELU);
    return r;
}

#endif
