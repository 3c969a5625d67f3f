/* op_linear.c - products: y = x w^T + b and what is fused to it, and S = a b^T
 *
 * Products run in the context's dtype. A float x (the residual stream) and the float weights are
 * rounded on their way into the product; a backend that does this in a pass of its own gets weights
 * that were rounded once a step. The gradient of a float x is float.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "nn/nn_int.h"

struct linear {
    struct um_var *x, *w, *b, *res;
    bool           gelu;
    void          *pre; /* before GELU, kept for its backward; NULL: there will be none */
    struct um_drop drop;
    int64_t        rows, k, n;
};

/* is a stored variable float where products are not? */
static bool rounded(const struct um_nn *nn, enum um_dtype dt)
{
    return dt == UM_F32 && nn->dtype != UM_F32;
}

/* ---- backward ---------------------------------------------------------------------------------
 */

/* dx (+)= dz w */
static int linear_dx(struct um_nn *nn, const struct linear *l, const void *dz, enum um_dtype dt)
{
    const bool  more = l->x->grad != NULL;
    void       *dx   = l->x->grad;
    const void *w    = NULL;

    if (!more)
        UM_TRY(nn_grad_open(nn, l->x, &dx));
    if (nn->k->rounds_first)
        UM_TRY(nn_packed(nn, l->w, l->n, l->k, &w));
    return nn->k->matmul(nn->dev, &(struct um_matmul){ .dt    = nn->dtype,
                                                       .dtc   = l->x->dt,
                                                       .fa    = rounded(nn, dt),
                                                       .fb    = !w && rounded(nn, UM_F32),
                                                       .batch = 1,
                                                       .m     = l->rows,
                                                       .n     = l->k,
                                                       .k     = l->n,
                                                       .a     = dz,
                                                       .b     = w ? w : l->w->data,
                                                       .c     = dx,
                                                       .lda   = l->n,
                                                       .ldb   = l->k,
                                                       .ldc   = l->k,
                                                       .beta  = more ? 1 : 0 });
}

/* dw += dz^T x */
static int linear_dw(struct um_nn *nn, const struct linear *l, const void *dz, enum um_dtype dt)
{
    void *dw;

    UM_TRY(nn_grad_sum(nn, l->w, &dw));
    return nn->k->matmul(nn->dev, &(struct um_matmul){ .dt    = nn->dtype,
                                                       .dtc   = UM_F32,
                                                       .ta    = true,
                                                       .fa    = rounded(nn, dt),
                                                       .fb    = rounded(nn, l->x->dt),
                                                       .batch = 1,
                                                       .m     = l->n,
                                                       .n     = l->k,
                                                       .k     = l->rows,
                                                       .a     = dz,
                                                       .b     = l->x->data,
                                                       .c     = dw,
                                                       .lda   = l->n,
                                                       .ldb   = l->k,
                                                       .ldc   = l->k,
                                                       .beta  = 1 });
}

/* dz, the gradient of x w^T + b: through the dropout and GELU behind it */
static int linear_dz(struct um_nn *nn, const struct linear *l, const struct um_var *y,
                     const void **dz)
{
    const int64_t n = l->rows * l->n;
    void         *g = y->grad;

    if (l->pre) /* nobody else reads y's gradient */
        UM_TRY(nn->k->act_bwd(nn->dev, UM_ACT_GELU, 0, y->dt, g, g, l->pre, n));
    if (l->drop.p > 0) {
        if (!(g = nn_alloc_elems(nn, n, y->dt)))
            return nn->status;
        UM_TRY(nn->k->dropout(nn->dev, y->dt, g, y->grad, n, l->drop));
    }
    *dz = g;
    return UM_OK;
}

/* a float dz that two products read is rounded once where each would round it first */
static int read_twice(struct um_nn *nn, const struct linear *l, const void *dz, const void **dp,
                      enum um_dtype *dt)
{
    void *half;

    *dp = dz;
    if (!nn->k->rounds_first || !rounded(nn, *dt) || !l->x->needs || !l->w->needs)
        return UM_OK;
    if (!(half = nn_alloc_elems(nn, l->rows * l->n, nn->dtype)))
        return nn->status;
    UM_TRY(nn->k->cast(nn->dev, half, nn->dtype, dz, *dt, l->rows * l->n));
    *dp = half;
    *dt = nn->dtype;
    return UM_OK;
}

static int linear_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct linear *l  = op;
    const void          *dz = NULL, *dp;
    enum um_dtype        dt = y->dt; /* of dp, dz as products read it */

    UM_TRY(linear_dz(nn, l, y, &dz));
    UM_TRY(read_twice(nn, l, dz, &dp, &dt));
    if (l->x->needs)
        UM_TRY(linear_dx(nn, l, dp, dt));
    if (l->w->needs)
        UM_TRY(linear_dw(nn, l, dp, dt));
    if (l->b && l->b->needs) {
        void *db;

        UM_TRY(nn_grad_sum(nn, l->b, &db));
        UM_TRY(nn->k->bias_bwd(nn->dev, y->dt, db, dz, l->rows, l->n, l->n));
    }
    return l->res && l->res->needs ? nn_grad_give(nn, l->res, y) : UM_OK;
}

/* ---- forward ----------------------------------------------------------------------------------
 */

static bool linear_fits(struct um_nn *nn, struct linear *l)
{
    const struct um_var *x = l->x, *w = l->w, *b = l->b, *res = l->res;

    l->rows = nn_rows(x);
    l->k    = nn_last(x);
    l->n    = w->ndim ? w->dim[0] : 0;
    if (x->ndim < 1 || w->ndim < 2 || nn_count(w) != l->n * l->k || !nn_float(x->dt) ||
        (x->dt != nn->dtype && x->dt != UM_F32) || w->dt != UM_F32) {
        (void)nn_misfit(nn, "linear", "x", x, "w", w);
        return false;
    }
    if (b && (b->ndim != 1 || b->dim[0] != l->n || b->dt != UM_F32)) {
        (void)nn_misfit(nn, "linear", "b", b, "w", w);
        return false;
    }
    if (res && (nn_rows(res) != l->rows || nn_last(res) != l->n || !nn_float(res->dt))) {
        (void)nn_misfit(nn, "linear", "the residual", res, "w", w);
        return false;
    }
    return true;
}

static int multiply(struct um_nn *nn, const struct linear *l, struct um_var *y)
{
    const void      *packed;
    struct um_matmul p = { .dt    = nn->dtype,
                           .dtc   = y->dt,
                           .tb    = true,
                           .fa    = rounded(nn, l->x->dt),
                           .fb    = rounded(nn, UM_F32),
                           .act   = l->gelu ? UM_ACT_GELU : UM_ACT_NONE,
                           .batch = 1,
                           .m     = l->rows,
                           .n     = l->n,
                           .k     = l->k,
                           .a     = l->x->data,
                           .b     = l->w->data,
                           .res   = l->res ? l->res->data : NULL,
                           .c     = y->data,
                           .pre   = l->pre,
                           .lda   = l->k,
                           .ldb   = l->k,
                           .ldc   = l->n,
                           .bias  = l->b ? l->b->data : NULL,
                           .drop  = l->drop };

    UM_TRY(nn_packed(nn, l->w, l->n, l->k, &packed));
    if (packed) {
        p.b      = packed;
        p.packed = true;
        p.fb     = false;
    }
    return nn->k->matmul(nn->dev, &p);
}

/* y = res + drop(act(x w^T + b)), of dtype dt */
static struct um_var *linear(struct um_nn *nn, struct linear l, enum um_dtype dt)
{
    struct um_var *y;
    int64_t        dim[UM_VAR_DIM];
    const bool needs = l.x->needs || l.w->needs || (l.b && l.b->needs) || (l.res && l.res->needs);

    if (!nn_has(nn, matmul) || !nn_has(nn, bias_bwd) || !linear_fits(nn, &l))
        return NULL;
    memcpy(dim, l.x->dim, sizeof dim);
    dim[l.x->ndim - 1] = l.n;
    if (!(y = nn_var(nn, dt, l.x->ndim, dim)))
        return NULL;
    if (l.gelu && nn->grad && needs && !(l.pre = nn_alloc_elems(nn, l.rows * l.n, dt)))
        return NULL;
    if (!nn_ok(nn, multiply(nn, &l, y), "linear"))
        return NULL;
    return nn_record(nn, y, linear_back, &l, sizeof l, needs);
}

struct um_var *um_linear(struct um_nn *nn, struct um_var *x, struct um_var *w, struct um_var *b)
{
    if (nn_bad(nn, x) || nn_bad(nn, w))
        return NULL;
    return linear(nn, (struct linear){ .x = x, .w = w, .b = b }, nn->dtype);
}

struct um_var *um_linear_float(struct um_nn *nn, struct um_var *x, struct um_var *w,
                               struct um_var *b)
{
    if (nn_bad(nn, x) || nn_bad(nn, w))
        return NULL;
    return linear(nn, (struct linear){ .x = x, .w = w, .b = b }, UM_F32);
}

struct um_var *um_linear_gelu(struct um_nn *nn, struct um_var *x, struct um_var *w,
                              struct um_var *b)
{
    if (nn_bad(nn, x) || nn_bad(nn, w) || !nn_has(nn, act_bwd))
        return NULL;
    return linear(nn, (struct linear){ .x = x, .w = w, .b = b, .gelu = true }, nn->dtype);
}

struct um_var *um_linear_add(struct um_nn *nn, struct um_var *x, struct um_var *w, struct um_var *b,
                             struct um_var *res, float p)
{
    struct linear l = { .x = x, .w = w, .b = b, .res = res };

    if (nn_bad(nn, x) || nn_bad(nn, w) || nn_bad(nn, res) || !nn_has(nn, dropout))
        return NULL;
    if (!(p >= 0 && p < 1))
        return um_nn_fail(nn, UM_ERANGE, "linear: dropout p %g, expected 0 <= p < 1", (double)p);
    l.drop = nn_drop(nn, p, nn->rows * (uint64_t)nn_last(res));
    return linear(nn, l, res->dt);
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
