/* op_attention.c - attention of packed and of separate q, k, v, and Eq. 1 on the way */
/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/nn_int.h"

struct attention {
    struct um_var *v[3]; /* q, k, v; or qkv alone */
    struct um_attn a;
    float         *lse;
};

/* ---- q, k, v packed in one product ---- */

static int packed_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct attention *o   = op;
    struct um_var          *qkv = o->v[0];
    const int64_t           C   = nn_last(y);
    void                   *g;

    UM_TRY(nn_grad_open(nn, qkv, &g));
    UM_TRY(nn->k->attention_bwd(nn->dev, g, nn_at(g, C, y->dt), nn_at(g, 2 * C, y->dt), y->grad,
                                y->data, o->lse, &o->a));
    return nn_grad_close(nn, qkv, g);
}

struct um_var *um_attention_qkv(struct um_nn *nn, struct um_var *qkv, int64_t heads, float *cls,
                                float scale)
{
    struct attention o = { .v = { qkv } };
    struct um_var   *y;
    int64_t          B, T, C;
    char             s[UM_SHAPE_TEXT];

    if (nn_bad(nn, qkv) || !nn_has(nn, attention_fwd) || !nn_has(nn, attention_bwd) ||
        (cls && !nn_has(nn, attention_mean)))
        return NULL;
    if (qkv->ndim != 3 || !nn_float(qkv->dt) || heads < 1 || qkv->dim[2] % (3 * heads))
        return um_nn_fail(nn, UM_ESHAPE, "attention: qkv %s does not fit 3 x %lld heads",
                          nn_shape(qkv, s), (long long)heads);
    B = qkv->dim[0], T = qkv->dim[1], C = qkv->dim[2] / 3;
    y     = nn_var(nn, qkv->dt, 3, (int64_t[]){ B, T, C });
    o.lse = nn_alloc_elems(nn, B * heads * T, UM_F32);
    if (!y || !o.lse)
        return NULL;
    o.a = (struct um_attn){ .dt  = y->dt,
                            .B   = B,
                            .T   = T,
                            .A   = heads,
                            .d   = C / heads,
                            .ldq = 3 * C,
                            .ldk = 3 * C,
                            .ldv = 3 * C,
                            .ldo = C,
                            .q   = qkv->data,
                            .k   = nn_at(qkv->data, C, y->dt),
                            .v   = nn_at(qkv->data, 2 * C, y->dt) };
    if (!nn_ok(nn, nn->k->attention_fwd(nn->dev, y->data, o.lse, &o.a), "attention") ||
        (cls && !nn->again &&
         !nn_ok(nn, nn->k->attention_mean(nn->dev, cls, o.lse, &o.a, 1, scale), "attention")))
        return NULL;
    return nn_record(nn, y, packed_back, &o, sizeof o, qkv->needs);
}

/* ---- separate q, k, v, a key mask, dropout ---- */

static int attention_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct attention *o = op;
    void                   *g[3];

    for (int i = 0; i < 3; i++) {
        if (o->v[i]->needs)
            UM_TRY(nn_grad_open(nn, o->v[i], &g[i]));
        else if (!(g[i] = nn_alloc_elems(nn, nn_count(y), y->dt)))
            return nn->status;
    }
    UM_TRY(nn->k->attention_bwd(nn->dev, g[0], g[1], g[2], y->grad, y->data, o->lse, &o->a));
    for (int i = 0; i < 3; i++)
        if (o->v[i]->needs)
            UM_TRY(nn_grad_close(nn, o->v[i], g[i]));
    return UM_OK;
}

static bool attention_fits(struct um_nn *nn, struct um_var *const *v, int64_t heads, int ndim)
{
    const struct um_var *q = v[0];

    for (int i = 1; i < 3; i++)
        if (!nn_same(q, v[i])) {
            (void)nn_misfit(nn, "attention", "q", q, i == 1 ? "k" : "v", v[i]);
            return false;
        }
    if (q->ndim != ndim || !nn_float(q->dt) || heads < 1 || nn_last(q) % heads) {
        char s[UM_SHAPE_TEXT];

        (void)um_nn_fail(nn, UM_ESHAPE, "attention: q %s does not fit %lld heads", nn_shape(q, s),
                         (long long)heads);
        return false;
    }
    return true;
}

/* elements of the attention of the samples before this part of a batch */
static uint64_t before(const struct um_nn *nn, int64_t heads, int64_t T)
{
    return nn->samples * (uint64_t)heads * (uint64_t)T * (uint64_t)T;
}

/* of o.v with what o.a says of samples, masks and dropout */
static struct um_var *attend(struct um_nn *nn, struct attention o)
{
    struct um_var *q = o.v[0], *k = o.v[1], *v = o.v[2], *y = nn_like(nn, q->dt, q);
    const int64_t  C = nn_last(q);

    o.lse = nn_alloc_elems(nn, nn_rows(q) * o.a.A, UM_F32);
    if (!y || !o.lse)
        return NULL;
    o.a.dt = y->dt, o.a.d = C / o.a.A;
    o.a.ldq = o.a.ldk = o.a.ldv = o.a.ldo = C;
    o.a.q = q->data, o.a.k = k->data, o.a.v = v->data;
    if (!nn_ok(nn, nn->k->attention_fwd(nn->dev, y->data, o.lse, &o.a), "attention"))
        return NULL;
    return nn_record(nn, y, attention_back, &o, sizeof o, q->needs || k->needs || v->needs);
}

/* the arguments are there, and so are the kernels */
static bool attention_can(struct um_nn *nn, struct um_var *const *v, float p)
{
    if (nn_bad(nn, v[0]) || nn_bad(nn, v[1]) || nn_bad(nn, v[2]) || !nn_has(nn, attention_fwd) ||
        !nn_has(nn, attention_bwd))
        return false;
    if (!(p >= 0 && p < 1))
        (void)um_nn_fail(nn, UM_ERANGE, "attention: dropout p %g", (double)p);
    return nn->status >= 0;
}

struct um_var *um_attention(struct um_nn *nn, struct um_var *q, struct um_var *k, struct um_var *v,
                            int64_t heads, struct um_var *key_mask, float p)
{
    struct attention o = { .v = { q, k, v } };

    if (!attention_can(nn, o.v, p) || !attention_fits(nn, o.v, heads, 3))
        return NULL;
    if (key_mask && (key_mask->dt != UM_U8 || key_mask->ndim != 2 ||
                     key_mask->dim[0] != q->dim[0] || key_mask->dim[1] != q->dim[1]))
        return nn_misfit(nn, "attention", "q", q, "key_mask", key_mask);
    o.a = (struct um_attn){ .B        = q->dim[0],
                            .T        = q->dim[1],
                            .A        = heads,
                            .key_mask = key_mask ? key_mask->data : NULL,
                            .drop     = nn_drop(nn, p, before(nn, heads, q->dim[1])) };
    return attend(nn, o);
}

struct um_var *um_attention_ragged(struct um_nn *nn, struct um_var *q, struct um_var *k,
                                   struct um_var *v, int64_t heads, struct um_var *start, int64_t T,
                                   float p)
{
    struct attention o = { .v = { q, k, v } };

    if (!attention_can(nn, o.v, p) || nn_bad(nn, start) || !attention_fits(nn, o.v, heads, 2))
        return NULL;
    if (start->dt != UM_I32 || start->ndim != 1 || start->dim[0] < 1 || T < 0)
        return nn_misfit(nn, "attention", "q", q, "start", start);
    o.a = (struct um_attn){ .B     = start->dim[0] - 1,
                            .T     = T,
                            .A     = heads,
                            .start = start->data,
                            .drop  = nn_drop(nn, p, before(nn, heads, T)) };
    return attend(nn, o);
}
