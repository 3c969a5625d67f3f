/* op_tokens.c - picking tokens, putting them back, masking them by a learned vector (method.md 6)
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/nn_int.h"

struct tokens {
    struct um_var *x, *v;
    const void    *which; /* device: indices or mask */
    int64_t        n;
};

static int pick_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct tokens *o = op;
    const struct um_var *x = o->x;
    void                *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    UM_TRY(nn->k->pick_bwd(nn->dev, y->dt, dx, y->grad, o->which, x->dim[0], o->n, x->dim[1],
                           x->dim[2]));
    return nn_grad_close(nn, o->x, dx);
}

struct um_var *um_pick_tokens(struct um_nn *nn, struct um_var *x, const int32_t *idx, int64_t n)
{
    struct tokens  o = { .x = x, .n = n };
    struct um_var *y, *i;

    if (nn_bad(nn, x) || !nn_has(nn, pick_fwd) || !nn_has(nn, pick_bwd))
        return NULL;
    if (x->ndim != 3 || !nn_float(x->dt) || n < 0) {
        char s[UM_SHAPE_TEXT];

        return um_nn_fail(nn, UM_ESHAPE, "pick_tokens: %lld tokens of x %s", (long long)n,
                          nn_shape(x, s));
    }
    i = um_nn_input(nn, UM_I32, 2, (int64_t[]){ x->dim[0], n }, idx);
    y = nn_var(nn, x->dt, 3, (int64_t[]){ x->dim[0], n, x->dim[2] });
    if (!i || !y ||
        !nn_ok(nn,
               nn->k->pick_fwd(nn->dev, x->dt, y->data, x->data, i->data, x->dim[0], n, x->dim[1],
                               x->dim[2]),
               "pick_tokens"))
        return NULL;
    o.which = i->data;
    return nn_record(nn, y, pick_back, &o, sizeof o, x->needs);
}

static int mask_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct tokens *o = op;
    void                *dx, *dv;

    /* the kernel gives both: the one not wanted goes to scratch */
    if (o->x->needs)
        UM_TRY(nn_grad_open(nn, o->x, &dx));
    else if (!(dx = nn_alloc_elems(nn, nn_count(y), y->dt)))
        return nn->status;
    if (o->v->needs)
        UM_TRY(nn_grad_sum(nn, o->v, &dv));
    else if (!(dv = nn_alloc_elems(nn, nn_count(o->v), UM_F32)))
        return nn->status;
    if (!o->v->needs)
        UM_TRY(nn->k->zero(nn->dev, dv, (size_t)nn_count(o->v) * sizeof(float)));
    UM_TRY(nn->k->mask_bwd(nn->dev, y->dt, dx, dv, y->grad, o->which, nn_rows(y), nn_last(y)));
    return o->x->needs ? nn_grad_close(nn, o->x, dx) : UM_OK;
}

struct um_var *um_mask_tokens(struct um_nn *nn, struct um_var *x, struct um_var *v,
                              const uint8_t *mask)
{
    struct tokens  o = { .x = x, .v = v };
    struct um_var *y, *m;
    int64_t        n;

    if (nn_bad(nn, x) || nn_bad(nn, v) || !nn_has(nn, mask_fwd) || !nn_has(nn, mask_bwd))
        return NULL;
    if (x->ndim < 1 || !nn_float(x->dt) || v->dt != UM_F32 || nn_count(v) != nn_last(x))
        return nn_misfit(nn, "mask_tokens", "x", x, "the vector", v);
    n = nn_rows(x);
    m = um_nn_input(nn, UM_U8, 1, &n, mask);
    y = nn_like(nn, x->dt, x);
    if (!m || !y ||
        !nn_ok(nn,
               nn->k->mask_fwd(nn->dev, x->dt, y->data, x->data, v->data, m->data, n, nn_last(x)),
               "mask_tokens"))
        return NULL;
    o.which = m->data;
    return nn_record(nn, y, mask_back, &o, sizeof o, x->needs || v->needs);
}

/* ---- the reverse of picking: the adjoint's kernels the other way round ---- */

static int put_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct tokens *o = op;
    void                *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    UM_TRY(nn->k->pick_fwd(nn->dev, y->dt, dx, y->grad, o->which, y->dim[0], o->n, y->dim[1],
                           y->dim[2]));
    return nn_grad_close(nn, o->x, dx);
}

/* 1 for each of the T places of every sample that no index names; NULL: the sticky error */
static const uint8_t *untouched(struct um_nn *nn, const struct um_var *x, const int32_t *idx,
                                int64_t T)
{
    const int64_t B = x->dim[0], n = x->dim[1];
    uint8_t      *mask;

    if (T < 0 || (T > 0 && B > INT64_MAX / 16 / T))
        return (void)um_nn_fail(nn, UM_ESHAPE, "put_tokens: %lld places", (long long)T), NULL;
    if (!(mask = um_nn_host(nn, (size_t)(B * T) + 1)))
        return NULL;
    for (int64_t i = 0; i < B * T; i++)
        mask[i] = 1;
    for (int64_t i = 0; i < B * n; i++) {
        if (idx[i] < 0 || idx[i] >= T)
            return (void)um_nn_fail(nn, UM_ERANGE,
                                    "put_tokens: place %d of sample %lld is not in 0..%lld",
                                    (int)idx[i], (long long)(i / n), (long long)T - 1),
                   NULL;
        mask[i / n * T + idx[i]] = 0;
    }
    return mask;
}

struct um_var *um_put_tokens(struct um_nn *nn, struct um_var *x, const int32_t *idx, int64_t T,
                             struct um_var *v)
{
    struct tokens  o = { .x = x };
    const uint8_t *mask;
    struct um_var *y, *i;
    char           s[UM_SHAPE_TEXT];

    if (nn_bad(nn, x) || !nn_has(nn, pick_fwd) || !nn_has(nn, pick_bwd))
        return NULL;
    if (x->ndim != 3 || !nn_float(x->dt))
        return um_nn_fail(nn, UM_ESHAPE, "put_tokens: x %s %s, expected [B,n,C]",
                          um_dtype_name(x->dt), nn_shape(x, s));
    if (!(mask = untouched(nn, x, idx, T)))
        return NULL;
    o.n = x->dim[1];
    i   = um_nn_input(nn, UM_I32, 2, x->dim, idx);
    y   = nn_var(nn, x->dt, 3, (int64_t[]){ x->dim[0], T, x->dim[2] });
    if (!i || !y ||
        !nn_ok(nn,
               nn->k->pick_bwd(nn->dev, x->dt, y->data, x->data, i->data, x->dim[0], o.n, T,
                               x->dim[2]),
               "put_tokens"))
        return NULL;
    o.which = i->data;
    y       = nn_record(nn, y, put_back, &o, sizeof o, x->needs);
    return v ? um_mask_tokens(nn, y, v, mask) : y;
}
