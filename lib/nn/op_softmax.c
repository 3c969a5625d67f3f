/* op_softmax.c - softmax over the last axis */
/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/nn_int.h"

static int softmax_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    struct um_var *x = *(struct um_var *const *)op;
    void          *dx;

    UM_TRY(nn_grad_open(nn, x, &dx));
    UM_TRY(nn->k->softmax_bwd(nn->dev, y->dt, dx, y->grad, y->data, nn_rows(y), nn_last(y)));
    return nn_grad_close(nn, x, dx);
}

struct um_var *um_softmax(struct um_nn *nn, struct um_var *x)
{
    struct um_var *y;
    char           s[UM_SHAPE_TEXT];

    if (nn_bad(nn, x) || !nn_has(nn, softmax_fwd) || !nn_has(nn, softmax_bwd))
        return NULL;
    if (x->ndim < 1 || !nn_float(x->dt))
        return um_nn_fail(nn, UM_ESHAPE, "softmax: x %s %s, expected [..,c]", um_dtype_name(x->dt),
                          nn_shape(x, s));
    if (!(y = nn_like(nn, x->dt, x)) ||
        !nn_ok(nn, nn->k->softmax_fwd(nn->dev, x->dt, y->data, x->data, nn_rows(x), nn_last(x)),
               "softmax"))
        return NULL;
    return nn_record(nn, y, softmax_back, &x, sizeof(struct um_var *), x->needs);
}
