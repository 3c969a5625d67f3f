/* op_linear.c - products: y = x w^T + b, and S = a b^T */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn/nn_int.h"

struct linear {
    struct um_var *x, *w, *b;
    const void    *wdata; /* w in x's dtype */
    int64_t        rows, k, n;
};

/* dx = dy w;  dw += dy^T x;  db += column sums of dy */
static int linear_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct linear *l  = op;
    const enum um_dtype  dt = y->dt;

    if (l->x->needs) {
        void *dx;

        UM_TRY(nn_grad_open(nn, l->x, &dx));
        UM_TRY(nn->k->matmul(nn->dev, &(struct um_matmul){ .dt    = dt,
                                                           .dtc   = dt,
                                                           .batch = 1,
                                                           .m     = l->rows,
                                                           .n     = l->k,
                                                           .k     = l->n,
                                                           .a     = y->grad,
                                                           .b     = l->wdata,
                                                           .c     = dx,
                                                           .lda   = l->n,
                                                           .ldb   = l->k,
                                                           .ldc   = l->k }));
        UM_TRY(nn_grad_close(nn, l->x, dx));
    }
    if (l->w->needs) {
        void *dw;

        UM_TRY(nn_grad_sum(nn, l->w, &dw));
        UM_TRY(nn->k->matmul(nn->dev, &(struct um_matmul){ .dt    = dt,
                                                           .dtc   = UM_F32,
                                                           .ta    = true,
                                                           .batch = 1,
                                                           .m     = l->n,
                                                           .n     = l->k,
                                                           .k     = l->rows,
                                                           .a     = y->grad,
                                                           .b     = l->x->data,
                                                           .c     = dw,
                                                           .lda   = l->n,
                                                           .ldb   = l->k,
                                                           .ldc   = l->k,
                                                           .beta  = 1 }));
    }
    if (l->b && l->b->needs) {
        void *db;

        UM_TRY(nn_grad_sum(nn, l->b, &db));
        UM_TRY(nn->k->bias_bwd(nn->dev, dt, db, y->grad, l->rows, l->n, l->n));
    }
    return UM_OK;
}

struct um_var *um_linear(struct um_nn *nn, struct um_var *x, struct um_var *w, struct um_var *b)
{
    struct linear  l = { .x = x, .w = w, .b = b };
    struct um_var *y;
    int64_t        dim[UM_VAR_DIM];

    if (nn_bad(nn, x) || nn_bad(nn, w) || !nn_has(nn, matmul) || !nn_has(nn, bias_bwd))
        return NULL;
    l.rows = nn_rows(x);
    l.k    = nn_last(x);
    l.n    = w->ndim ? w->dim[0] : 0;
    if (x->ndim < 1 || w->ndim < 2 || nn_count(w) != l.n * l.k || !nn_float(x->dt) ||
        w->dt != UM_F32)
        return nn_misfit(nn, "linear", "x", x, "w", w);
    if (b && (b->ndim != 1 || b->dim[0] != l.n || b->dt != UM_F32))
        return nn_misfit(nn, "linear", "b", b, "w", w);
    memcpy(dim, x->dim, sizeof dim);
    dim[x->ndim - 1] = l.n;
    y                = nn_var(nn, x->dt, x->ndim, dim);
    l.wdata          = y ? nn_as(nn, w, x->dt) : NULL;
    if (!l.wdata ||
        !nn_ok(nn,
               nn->k->matmul(nn->dev, &(struct um_matmul){ .dt    = x->dt,
                                                           .dtc   = x->dt,
                                                           .tb    = true,
                                                           .batch = 1,
                                                           .m     = l.rows,
                                                           .n     = l.n,
                                                           .k     = l.k,
                                                           .a     = x->data,
                                                           .b     = l.wdata,
                                                           .c     = y->data,
                                                           .lda   = l.k,
                                                           .ldb   = l.k,
                                                           .ldc   = l.n,
                                                           .bias  = b ? b->data : NULL }),
               "linear"))
        return NULL;
    return nn_record(nn, y, linear_back, &l, sizeof l, x->needs || w->needs || (b && b->needs));
}

struct product {
    struct um_var *a, *b;
};

/* da = dS b;  db = dS^T a */
static int product_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct product *p = op;
    const int64_t         m = p->a->dim[0], n = p->b->dim[0], k = p->a->dim[1];
    void                 *g;

    if (p->a->needs) {
        UM_TRY(nn_grad_open(nn, p->a, &g));
        UM_TRY(nn->k->matmul(nn->dev, &(struct um_matmul){ .dt    = UM_F32,
                                                           .dtc   = UM_F32,
                                                           .batch = 1,
                                                           .m     = m,
                                                           .n     = k,
                                                           .k     = n,
                                                           .a     = y->grad,
                                                           .b     = p->b->data,
                                                           .c     = g,
                                                           .lda   = n,
                                                           .ldb   = k,
                                                           .ldc   = k }));
        UM_TRY(nn_grad_close(nn, p->a, g));
    }
    if (p->b->needs) {
        UM_TRY(nn_grad_open(nn, p->b, &g));
        UM_TRY(nn->k->matmul(nn->dev, &(struct um_matmul){ .dt    = UM_F32,
                                                           .dtc   = UM_F32,
                                                           .ta    = true,
                                                           .batch = 1,
                                                           .m     = n,
                                                           .n     = k,
                                                           .k     = m,
                                                           .a     = y->grad,
                                                           .b     = p->a->data,
                                                           .c     = g,
                                                           .lda   = n,
                                                           .ldb   = k,
                                                           .ldc   = k }));
        UM_TRY(nn_grad_close(nn, p->b, g));
    }
    return UM_OK;
}

struct um_var *um_matmul_nt(struct um_nn *nn, struct um_var *a, struct um_var *b)
{
    struct um_var *y;

    if (nn_bad(nn, a) || nn_bad(nn, b) || !nn_has(nn, matmul))
        return NULL;
    if (a->ndim != 2 || b->ndim != 2 || a->dim[1] != b->dim[1])
        return nn_misfit(nn, "matmul_nt", "a", a, "b", b);
    a = um_cast(nn, a, UM_F32); /* S and its softmax are float at every precision */
    b = um_cast(nn, b, UM_F32);
    if (!a || !b || !(y = nn_var(nn, UM_F32, 2, (int64_t[]){ a->dim[0], b->dim[0] })))
        return NULL;
    if (!nn_ok(nn,
               nn->k->matmul(nn->dev, &(struct um_matmul){ .dt    = UM_F32,
                                                           .dtc   = UM_F32,
                                                           .tb    = true,
                                                           .batch = 1,
                                                           .m     = a->dim[0],
                                                           .n     = b->dim[0],
                                                           .k     = a->dim[1],
                                                           .a     = a->data,
                                                           .b     = b->data,
                                                           .c     = y->data,
                                                           .lda   = a->dim[1],
                                                           .ldb   = b->dim[1],
                                                           .ldc   = b->dim[0] }),
               "matmul_nt"))
        return NULL;
    return nn_record(nn, y, product_back, &(struct product){ a, b }, sizeof(struct product),
                     a->needs || b->needs);
}
