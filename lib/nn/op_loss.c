/* op_loss.c - cross entropies, binary cross entropy, weighted sums of scalars */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "nn/nn_int.h"

struct loss {
    struct um_var *x;
    void          *target; /* device: int32 [n], or float laid out as x */
    float         *lse;
    int64_t        rs, cs, n, c;
    float          scale;
};

static struct um_var *scalar(struct um_nn *nn)
{
    return um_nn_zeros(nn, UM_F32, 1, (int64_t[]){ 1 });
}

/* ---- cross entropy ---- */

static int xent_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct loss *o = op;
    void              *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    UM_TRY(nn->k->xent_bwd(nn->dev, dx, y->grad, o->x->data, o->rs, o->cs, o->lse, o->target, o->n,
                           o->c, o->scale));
    return nn_grad_close(nn, o->x, dx);
}

/* uploads the targets; the scale of a mean over those that count */
static bool targets(struct um_nn *nn, struct loss *o, const int32_t *target)
{
    int64_t        counted = 0;
    struct um_var *t;

    for (int64_t i = 0; i < o->n; i++) {
        if (target[i] < -1 || target[i] >= o->c) {
            (void)um_nn_fail(nn, UM_ERANGE, "cross entropy: target %d of row %lld, classes 0..%lld",
                             target[i], (long long)i, (long long)o->c - 1);
            return false;
        }
        counted += target[i] >= 0;
    }
    if (!(t = um_nn_input(nn, UM_I32, 1, &o->n, target)))
        return false;
    o->target = t->data;
    o->scale  = counted ? 1 / (float)counted : 0;
    return true;
}

/* rows of a matrix, or with `transpose` its columns */
static bool rows_of(struct um_nn *nn, struct loss *o, bool transpose)
{
    const struct um_var *x = o->x;
    char                 s[UM_SHAPE_TEXT];

    if (x->ndim != 2 || x->dt != UM_F32) {
        (void)um_nn_fail(nn, UM_ESHAPE, "cross entropy: x %s %s, expected float32 [n,c]",
                         um_dtype_name(x->dt), nn_shape(x, s));
        return false;
    }
    o->n  = x->dim[transpose];
    o->c  = x->dim[!transpose];
    o->rs = transpose ? 1 : x->dim[1];
    o->cs = transpose ? x->dim[1] : 1;
    return true;
}

struct um_var *um_cross_entropy(struct um_nn *nn, struct um_var *x, const int32_t *target,
                                bool transpose)
{
    struct loss    o = { .x = x };
    struct um_var *y;

    if (nn_bad(nn, x) || !nn_has(nn, xent_fwd) || !nn_has(nn, xent_bwd) ||
        !rows_of(nn, &o, transpose))
        return NULL;
    if (!targets(nn, &o, target) || !(y = scalar(nn)) ||
        !(o.lse = nn_alloc_elems(nn, o.n, UM_F32)) ||
        !nn_ok(nn,
               nn->k->xent_fwd(nn->dev, y->data, o.lse, x->data, o.rs, o.cs, o.target, o.n, o.c,
                               o.scale),
               "cross entropy"))
        return NULL;
    return nn_record(nn, y, xent_back, &o, sizeof o, x->needs);
}

/* ---- cross entropy against distributions ---- */

static int soft_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct loss *o = op;
    void              *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    UM_TRY(nn->k->xent_soft_bwd(nn->dev, dx, y->grad, o->x->data, o->target, o->rs, o->cs, o->lse,
                                o->n, o->c, o->scale));
    return nn_grad_close(nn, o->x, dx);
}

/* uploads q; the scale of a mean over the rows that are not all zero */
static bool distributions(struct um_nn *nn, struct loss *o, const float *q)
{
    int64_t        counted = 0;
    struct um_var *t;

    for (int64_t i = 0; i < o->n; i++) {
        bool any = false;

        for (int64_t j = 0; j < o->c; j++) {
            const float v = q[i * o->rs + j * o->cs];

            if (!(v >= 0) || !isfinite(v)) {
                (void)um_nn_fail(nn, UM_ERANGE, "cross entropy: target %g of row %lld, class %lld",
                                 (double)v, (long long)i, (long long)j);
                return false;
            }
            any = any || v > 0;
        }
        counted += any;
    }
    if (!(t = um_nn_input(nn, UM_F32, 2, o->x->dim, q)))
        return false;
    o->target = t->data;
    o->scale  = counted ? 1 / (float)counted : 0;
    return true;
}

struct um_var *um_cross_entropy_soft(struct um_nn *nn, struct um_var *x, const float *q,
                                     bool transpose)
{
    struct loss    o = { .x = x };
    struct um_var *y;

    if (nn_bad(nn, x) || !nn_has(nn, xent_soft_fwd) || !nn_has(nn, xent_soft_bwd) ||
        !rows_of(nn, &o, transpose))
        return NULL;
    if (!distributions(nn, &o, q) || !(y = scalar(nn)) ||
        !(o.lse = nn_alloc_elems(nn, o.n, UM_F32)) ||
        !nn_ok(nn,
               nn->k->xent_soft_fwd(nn->dev, y->data, o.lse, x->data, o.target, o.rs, o.cs, o.n,
                                    o.c, o.scale),
               "cross entropy"))
        return NULL;
    return nn_record(nn, y, soft_back, &o, sizeof o, x->needs);
}

/* ---- binary cross entropy ---- */

static int bce_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct loss *o = op;
    void              *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    UM_TRY(nn->k->bce_bwd(nn->dev, dx, y->grad, o->x->data, o->target, nn_count(o->x), o->scale));
    return nn_grad_close(nn, o->x, dx);
}

struct um_var *um_bce(struct um_nn *nn, struct um_var *x, const float *y)
{
    struct loss    o = { .x = x };
    struct um_var *t, *loss;
    int64_t        counted = 0;

    if (nn_bad(nn, x) || !nn_has(nn, bce_fwd) || !nn_has(nn, bce_bwd))
        return NULL;
    if (x->dt != UM_F32)
        return um_nn_fail(nn, UM_EDTYPE, "bce: x is %s, expected float32", um_dtype_name(x->dt));
    for (int64_t i = 0; i < nn_count(x); i++)
        counted += !isnan(y[i]);
    o.scale = counted ? 1 / (float)counted : 0;
    if (!(t = um_nn_input(nn, UM_F32, x->ndim, x->dim, y)) || !(loss = scalar(nn)))
        return NULL;
    o.target = t->data;
    if (!nn_ok(nn, nn->k->bce_fwd(nn->dev, loss->data, x->data, o.target, nn_count(x), o.scale),
               "bce"))
        return NULL;
    return nn_record(nn, loss, bce_back, &o, sizeof o, x->needs);
}

/* ---- y = sum_i w[i] x[i]: a product of [1,n] and [n,1] ---- */

struct sum {
    struct um_var **x;
    const float    *w; /* device [n] */
    int64_t         n;
};

static int sum_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct sum *o = op;
    float            *g = nn_alloc_elems(nn, o->n, UM_F32);

    if (!g)
        return nn->status;
    UM_TRY(nn->k->matmul(nn->dev, &(struct um_matmul){ .dt    = UM_F32,
                                                       .dtc   = UM_F32,
                                                       .batch = 1,
                                                       .m     = o->n,
                                                       .n     = 1,
                                                       .k     = 1,
                                                       .a     = o->w,
                                                       .b     = y->grad,
                                                       .c     = g,
                                                       .lda   = 1,
                                                       .ldb   = 1,
                                                       .ldc   = 1 }));
    for (int64_t i = 0; i < o->n; i++)
        if (o->x[i]->needs)
            UM_TRY(nn_grad_add(nn, o->x[i], g + i));
    return UM_OK;
}

struct um_var *um_weighted_sum(struct um_nn *nn, struct um_var *const *x, const float *w, int n)
{
    struct sum     o     = { .n = n };
    bool           needs = false;
    struct um_var *all, *weights, *y;

    if (nn->status < 0 || !nn_has(nn, matmul) || !nn_has(nn, cast))
        return NULL;
    if (n < 1)
        return um_nn_fail(nn, UM_ESHAPE, "weighted sum: of %d scalars", n);
    all     = nn_var(nn, UM_F32, 1, &o.n);
    weights = um_nn_input(nn, UM_F32, 1, &o.n, w);
    y       = scalar(nn);
    o.x     = um_alloc_array(nn->arena, n, sizeof *o.x);
    if (!all || !weights || !y || !o.x)
        return NULL;
    o.w = weights->data;
    for (int i = 0; i < n; i++) {
        if (nn_bad(nn, x[i]))
            return NULL;
        if (x[i]->dt != UM_F32 || nn_count(x[i]) != 1)
            return nn_misfit(nn, "weighted sum", "a term", x[i], "a scalar", y);
        if (!nn_ok(nn, nn->k->cast(nn->dev, (float *)all->data + i, UM_F32, x[i]->data, UM_F32, 1),
                   "weighted sum"))
            return NULL;
        o.x[i] = x[i];
        needs  = needs || x[i]->needs;
    }
    if (!nn_ok(nn,
               nn->k->matmul(nn->dev, &(struct um_matmul){ .dt    = UM_F32,
                                                           .dtc   = UM_F32,
                                                           .batch = 1,
                                                           .m     = 1,
                                                           .n     = 1,
                                                           .k     = n,
                                                           .a     = o.w,
                                                           .b     = all->data,
                                                           .c     = y->data,
                                                           .lda   = n,
                                                           .ldb   = 1,
                                                           .ldc   = 1 }),
               "weighted sum"))
        return NULL;
    return nn_record(nn, y, sum_back, &o, sizeof o, needs);
}
