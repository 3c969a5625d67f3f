/* op_bmm.c - products of batches of matrices, either operand transposed */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn/nn_int.h"

struct bmm {
    struct um_var *a, *b;
    bool           ta, tb;
    int64_t        batch, m, n, k;
};

struct operand {
    const void   *data;
    enum um_dtype dt;
    bool          t;
};

/* c [batch,m,n] = a b + beta c in the context's dtype; a is [m,k], b [k,n] once transposed */
static int times(struct um_nn *nn, struct operand a, struct operand b, void *c, enum um_dtype dtc,
                 const struct bmm *size, float beta)
{
    const int64_t m = size->m, n = size->n, k = size->k;

    return nn->k->matmul(nn->dev, &(struct um_matmul){ .dt    = nn->dtype,
                                                       .dtc   = dtc,
                                                       .ta    = a.t,
                                                       .tb    = b.t,
                                                       .fa    = a.dt != nn->dtype,
                                                       .fb    = b.dt != nn->dtype,
                                                       .batch = size->batch,
                                                       .m     = m,
                                                       .n     = n,
                                                       .k     = k,
                                                       .a     = a.data,
                                                       .b     = b.data,
                                                       .c     = c,
                                                       .lda   = a.t ? m : k,
                                                       .ldb   = b.t ? k : n,
                                                       .ldc   = n,
                                                       .sa    = m * k,
                                                       .sb    = k * n,
                                                       .sc    = m * n,
                                                       .beta  = beta });
}

/* x's gradient += a b */
static int give(struct um_nn *nn, struct um_var *x, struct operand a, struct operand b, int64_t m,
                int64_t n, int64_t k, int64_t batch)
{
    const bool more = x->grad != NULL;
    void      *dx   = x->grad;

    if (!more)
        UM_TRY(nn_grad_open(nn, x, &dx));
    return times(nn, a, b, dx, x->dt, &(struct bmm){ .batch = batch, .m = m, .n = n, .k = k },
                 more ? 1 : 0);
}

/* da = dy op(b)^T, db = op(a)^T dy; of an operand stored transposed, these transposed */
static int bmm_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct bmm    *o  = op;
    const struct operand dy = { y->grad, y->dt, false }, dyt = { y->grad, y->dt, true };
    const struct operand a = { o->a->data, o->a->dt, o->ta }, at = { a.data, a.dt, !o->ta };
    const struct operand b = { o->b->data, o->b->dt, o->tb }, bt = { b.data, b.dt, !o->tb };

    if (o->a->needs && o->ta)
        UM_TRY(give(nn, o->a, b, dyt, o->k, o->m, o->n, o->batch));
    else if (o->a->needs)
        UM_TRY(give(nn, o->a, dy, bt, o->m, o->k, o->n, o->batch));
    if (!o->b->needs)
        return UM_OK;
    return o->tb ? give(nn, o->b, dyt, a, o->n, o->k, o->m, o->batch)
                 : give(nn, o->b, at, dy, o->k, o->n, o->m, o->batch);
}

static bool fits(const struct um_nn *nn, struct bmm *o)
{
    const struct um_var *a = o->a, *b = o->b;
    const int            d = a->ndim - 2;

    if (d < 0 || b->ndim != a->ndim || !nn_float(a->dt) || !nn_float(b->dt) ||
        (a->dt != nn->dtype && a->dt != UM_F32) || (b->dt != nn->dtype && b->dt != UM_F32))
        return false;
    o->batch = 1;
    for (int i = 0; i < d; i++) {
        if (a->dim[i] != b->dim[i])
            return false;
        o->batch *= a->dim[i];
    }
    o->m = a->dim[d + o->ta];
    o->k = a->dim[d + !o->ta];
    o->n = b->dim[d + !o->tb];
    return b->dim[d + o->tb] == o->k;
}

struct um_var *um_bmm(struct um_nn *nn, struct um_var *a, struct um_var *b, bool ta, bool tb)
{
    struct bmm     o = { .a = a, .b = b, .ta = ta, .tb = tb };
    int64_t        dim[UM_VAR_DIM];
    struct um_var *y;

    if (nn_bad(nn, a) || nn_bad(nn, b) || !nn_has(nn, matmul))
        return NULL;
    if (!fits(nn, &o))
        return nn_misfit(nn, "bmm", ta ? "a, transposed," : "a", a, tb ? "b, transposed," : "b", b);
    memcpy(dim, a->dim, sizeof dim);
    dim[a->ndim - 2] = o.m;
    dim[a->ndim - 1] = o.n;
    if (!(y = nn_var(nn, nn->dtype, a->ndim, dim)) ||
        !nn_ok(nn,
               times(nn, (struct operand){ a->data, a->dt, ta },
                     (struct operand){ b->data, b->dt, tb }, y->data, y->dt, &o, 0),
               "bmm"))
        return NULL;
    return nn_record(nn, y, bmm_back, &o, sizeof o, a->needs || b->needs);
}
