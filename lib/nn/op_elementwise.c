/* op_elementwise.c - sums, activations, dropout, e^theta x, and views: shape and dtype alone */
/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/nn_int.h"

struct unary {
    struct um_var *x;
    enum um_act    act;
    float          slope;
    struct um_drop drop;
};

struct binary {
    struct um_var *a, *b;
};

/* ---- a + b ---- */

static int add_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct binary *o = op;

    if (o->a->needs)
        UM_TRY(nn_grad_add(nn, o->a, y->grad));
    return o->b->needs ? nn_grad_give(nn, o->b, y) : UM_OK;
}

struct um_var *um_add(struct um_nn *nn, struct um_var *a, struct um_var *b)
{
    struct um_var *y;

    if (nn_bad(nn, a) || nn_bad(nn, b) || !nn_has(nn, add))
        return NULL;
    if (!nn_same(a, b) || !nn_float(a->dt))
        return nn_misfit(nn, "add", "a", a, "b", b);
    if (!(y = nn_like(nn, a->dt, a)) ||
        !nn_ok(nn, nn->k->add(nn->dev, a->dt, y->data, a->data, b->data, nn_count(a)), "add"))
        return NULL;
    return nn_record(nn, y, add_back, &(struct binary){ a, b }, sizeof(struct binary),
                     a->needs || b->needs);
}

/* ---- activations ---- */

static int act_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct unary *o = op;
    void               *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    UM_TRY(nn->k->act_bwd(nn->dev, o->act, o->slope, y->dt, dx, y->grad, o->x->data, nn_count(y)));
    return nn_grad_close(nn, o->x, dx);
}

struct um_var *um_activation(struct um_nn *nn, struct um_var *x, enum um_act act, float slope)
{
    struct um_var *y;

    if (nn_bad(nn, x) || !nn_has(nn, act_fwd) || !nn_has(nn, act_bwd))
        return NULL;
    if (!nn_float(x->dt))
        return um_nn_fail(nn, UM_EDTYPE, "activation: x is %s", um_dtype_name(x->dt));
    if (!(y = nn_like(nn, x->dt, x)) ||
        !nn_ok(nn, nn->k->act_fwd(nn->dev, act, slope, x->dt, y->data, x->data, nn_count(x)),
               "activation"))
        return NULL;
    return nn_record(nn, y, act_back, &(struct unary){ .x = x, .act = act, .slope = slope },
                     sizeof(struct unary), x->needs);
}

struct um_var *um_gelu(struct um_nn *nn, struct um_var *x)
{
    return um_activation(nn, x, UM_ACT_GELU, 0);
}

struct um_var *um_relu(struct um_nn *nn, struct um_var *x)
{
    return um_activation(nn, x, UM_ACT_RELU, 0);
}

/* ---- dropout ---- */

static int dropout_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct unary *o = op;
    void               *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    UM_TRY(nn->k->dropout(nn->dev, y->dt, dx, y->grad, nn_count(y), o->drop));
    return nn_grad_close(nn, o->x, dx);
}

struct um_var *um_dropout(struct um_nn *nn, struct um_var *x, float p)
{
    struct unary   o = { .x = x };
    struct um_var *y;

    if (nn_bad(nn, x))
        return NULL;
    if (!(p >= 0 && p < 1))
        return um_nn_fail(nn, UM_ERANGE, "dropout: p %g, expected 0 <= p < 1", (double)p);
    o.drop = nn_drop(nn, p, nn->rows * (uint64_t)nn_last(x));
    if (!(o.drop.p > 0))
        return x;
    if (!nn_has(nn, dropout))
        return NULL;
    if (!nn_float(x->dt))
        return um_nn_fail(nn, UM_EDTYPE, "dropout: x is %s", um_dtype_name(x->dt));
    if (!(y = nn_like(nn, x->dt, x)) ||
        !nn_ok(nn, nn->k->dropout(nn->dev, x->dt, y->data, x->data, nn_count(x), o.drop),
               "dropout"))
        return NULL;
    return nn_record(nn, y, dropout_back, &o, sizeof o, x->needs);
}

/* ---- whole samples dropped ---- */

static int drop_path_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct unary *o = op;
    const int64_t       B = y->dim[0];
    void               *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    UM_TRY(nn->k->drop_path(nn->dev, y->dt, dx, y->grad, B, B ? nn_count(y) / B : 0, o->drop));
    return nn_grad_close(nn, o->x, dx);
}

struct um_var *um_drop_path(struct um_nn *nn, struct um_var *x, float p)
{
    struct unary   o = { .x = x };
    struct um_var *y;
    char           s[UM_SHAPE_TEXT];
    int64_t        B;

    if (nn_bad(nn, x))
        return NULL;
    if (!(p >= 0 && p < 1))
        return um_nn_fail(nn, UM_ERANGE, "drop_path: p %g, expected 0 <= p < 1", (double)p);
    if (x->ndim < 1 || !nn_float(x->dt))
        return um_nn_fail(nn, UM_ESHAPE, "drop_path: x %s %s, expected samples [B,..]",
                          um_dtype_name(x->dt), nn_shape(x, s));
    o.drop = nn_drop(nn, p, nn->samples);
    if (!(o.drop.p > 0))
        return x;
    B = x->dim[0];
    if (!nn_has(nn, drop_path) || !(y = nn_like(nn, x->dt, x)) ||
        !nn_ok(
            nn,
            nn->k->drop_path(nn->dev, x->dt, y->data, x->data, B, B ? nn_count(x) / B : 0, o.drop),
            "drop_path"))
        return NULL;
    return nn_record(nn, y, drop_path_back, &o, sizeof o, x->needs);
}

/* ---- x e^theta ---- */

static int expscale_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct binary *o = op;
    void                *dx, *dtheta;

    /* the kernel gives both: the one not wanted goes to scratch */
    if (o->a->needs)
        UM_TRY(nn_grad_open(nn, o->a, &dx));
    else if (!(dx = nn_alloc_elems(nn, nn_count(o->a), UM_F32)))
        return nn->status;
    if (o->b->needs)
        UM_TRY(nn_grad_sum(nn, o->b, &dtheta));
    else if (!(dtheta = nn_alloc_elems(nn, 1, UM_F32)))
        return nn->status;
    if (!o->b->needs)
        UM_TRY(nn->k->zero(nn->dev, dtheta, sizeof(float)));
    UM_TRY(
        nn->k->expscale_bwd(nn->dev, dx, dtheta, y->grad, o->a->data, o->b->data, nn_count(o->a)));
    return o->a->needs ? nn_grad_close(nn, o->a, dx) : UM_OK;
}

struct um_var *um_expscale(struct um_nn *nn, struct um_var *x, struct um_var *theta)
{
    struct um_var *y;

    if (nn_bad(nn, x) || nn_bad(nn, theta) || !nn_has(nn, expscale_fwd) ||
        !nn_has(nn, expscale_bwd))
        return NULL;
    if (x->dt != UM_F32 || theta->dt != UM_F32 || nn_count(theta) != 1)
        return nn_misfit(nn, "expscale", "x", x, "theta", theta);
    if (!(y = nn_like(nn, UM_F32, x)) ||
        !nn_ok(nn, nn->k->expscale_fwd(nn->dev, y->data, x->data, theta->data, nn_count(x)),
               "expscale"))
        return NULL;
    return nn_record(nn, y, expscale_back, &(struct binary){ x, theta }, sizeof(struct binary),
                     x->needs || theta->needs);
}

/* ---- views ---- */

static int reshape_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    return nn_grad_give(nn, ((const struct unary *)op)->x, y);
}

struct um_var *um_reshape(struct um_nn *nn, struct um_var *x, int ndim, const int64_t *dim)
{
    struct um_var *y;
    int64_t        n = 1;

    if (nn_bad(nn, x))
        return NULL;
    if (ndim < 0 || ndim > UM_VAR_DIM)
        return um_nn_fail(nn, UM_ESHAPE, "reshape: %d dims, at most %d", ndim, UM_VAR_DIM);
    if (!(y = um_calloc_array(nn->arena, 1, sizeof *y)))
        return (void)nn_ok(nn, UM_ENOMEM, "reshape"), NULL;
    *y = (struct um_var){ .dt = x->dt, .ndim = ndim, .data = x->data };
    for (int i = 0; i < ndim; i++) {
        y->dim[i] = dim[i];
        if (dim[i] < 0 || __builtin_mul_overflow(n, dim[i], &n))
            n = -1;
    }
    if (n != nn_count(x))
        return nn_misfit(nn, "reshape", "x", x, "the new shape", y);
    return nn_record(nn, y, reshape_back, &(struct unary){ .x = x }, sizeof(struct unary),
                     x->needs);
}

static int cast_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    struct um_var *x = ((const struct unary *)op)->x;
    void          *dx;

    UM_TRY(nn_grad_open(nn, x, &dx));
    UM_TRY(nn->k->cast(nn->dev, dx, x->dt, y->grad, y->dt, nn_count(x)));
    return nn_grad_close(nn, x, dx);
}

struct um_var *um_cast(struct um_nn *nn, struct um_var *x, enum um_dtype dt)
{
    struct um_var *y;

    if (nn_bad(nn, x) || !nn_has(nn, cast))
        return NULL;
    if (x->dt == dt)
        return x;
    if (!nn_float(x->dt) || !nn_float(dt))
        return um_nn_fail(nn, UM_EDTYPE, "cast: from %s to %s", um_dtype_name(x->dt),
                          um_dtype_name(dt));
    if (!(y = nn_like(nn, dt, x)) ||
        !nn_ok(nn, nn->k->cast(nn->dev, y->data, dt, x->data, x->dt, nn_count(x)), "cast"))
        return NULL;
    return nn_record(nn, y, cast_back, &(struct unary){ .x = x }, sizeof(struct unary), x->needs);
}
