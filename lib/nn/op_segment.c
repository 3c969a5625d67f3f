/* op_segment.c - losses of maps of labels: focal, Dice, cross entropy at every place
 * (method.md 9.3, 9.4) SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "nn/nn_int.h"

static struct um_var *scalar(struct um_nn *nn)
{
    return um_nn_zeros(nn, UM_F32, 1, (int64_t[]){ 1 });
}

/* ---- focal ---- */

struct focal {
    struct um_var  *x;
    struct um_focal f;
};

static int focal_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct focal *o = op;
    void               *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    UM_TRY(nn->k->focal_bwd(nn->dev, dx, y->grad, &o->f));
    return nn_grad_close(nn, o->x, dx);
}

struct um_var *um_focal(struct um_nn *nn, struct um_var *x, const float *y, float gamma,
                        float alpha)
{
    struct focal   o = { .x = x };
    struct um_var *t, *loss;
    int64_t        counted = 0;

    if (nn_bad(nn, x) || !nn_has(nn, focal_fwd) || !nn_has(nn, focal_bwd))
        return NULL;
    if (x->dt != UM_F32)
        return um_nn_fail(nn, UM_EDTYPE, "focal: x is %s, expected float32", um_dtype_name(x->dt));
    for (int64_t i = 0; i < nn_count(x); i++)
        counted += !isnan(y[i]);
    t    = um_nn_input(nn, UM_F32, x->ndim, x->dim, y);
    loss = scalar(nn);
    if (!t || !loss)
        return NULL;
    o.f = (struct um_focal){ .n     = nn_count(x),
                             .x     = x->data,
                             .y     = t->data,
                             .gamma = gamma,
                             .alpha = alpha,
                             .scale = counted ? 1 / (float)counted : 0 };
    if (!nn_ok(nn, nn->k->focal_fwd(nn->dev, loss->data, &o.f), "focal"))
        return NULL;
    return nn_record(nn, loss, focal_back, &o, sizeof o, x->needs);
}

/* ---- maps: x [B,C,..], or with `last` [B,..,C] ---- */

static bool map_of(struct um_nn *nn, const char *op, const struct um_var *x, bool last, int64_t *C,
                   int64_t *S)
{
    char s[UM_SHAPE_TEXT];

    if (x->ndim < 2 || x->dt != UM_F32) {
        (void)um_nn_fail(nn, UM_ESHAPE, "%s: x %s %s, expected float32 %s", op,
                         um_dtype_name(x->dt), nn_shape(x, s), last ? "[B,..,C]" : "[B,C,..]");
        return false;
    }
    *C = x->dim[last ? x->ndim - 1 : 1];
    *S = 1;
    for (int i = last ? 1 : 2; i < x->ndim - last; i++)
        *S *= x->dim[i];
    return true;
}

/* class numbers of every place, checked and uploaded; how many there are but -1 */
static const int32_t *classes(struct um_nn *nn, const char *op, const int32_t *target, int64_t B,
                              int64_t S, int64_t C, int64_t *counted)
{
    struct um_var *t;

    *counted = 0;
    for (int64_t i = 0; i < B * S; i++) {
        if (target[i] < -1 || target[i] >= C) {
            (void)um_nn_fail(nn, UM_ERANGE, "%s: class %d at place %lld of sample %lld, of 0..%lld",
                             op, (int)target[i], (long long)(i % S), (long long)(i / S),
                             (long long)C - 1);
            return NULL;
        }
        *counted += target[i] >= 0;
    }
    t = um_nn_input(nn, UM_I32, 2, (int64_t[]){ B, S }, target);
    return t ? t->data : NULL;
}

/* ---- Dice ---- */

struct dice {
    struct um_var *x;
    struct um_dice d;
    double        *sums;
};

static int dice_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct dice *o = op;
    void              *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    UM_TRY(nn->k->dice_bwd(nn->dev, dx, y->grad, o->sums, &o->d));
    return nn_grad_close(nn, o->x, dx);
}

/* how's targets on the device */
static bool dice_targets(struct um_nn *nn, const struct um_var *x, struct um_dice *d)
{
    struct um_var *y;
    int64_t        counted;

    if (!d->y == !d->target) {
        (void)um_nn_fail(nn, UM_ERANGE, "dice: expected targets as floats or as classes");
        return false;
    }
    if (d->target)
        return (d->target = classes(nn, "dice", d->target, d->B, d->S, d->C, &counted)) != NULL;
    if (!(y = um_nn_input(nn, UM_F32, x->ndim, x->dim, d->y)))
        return false;
    d->y = y->data;
    return true;
}

struct um_var *um_dice(struct um_nn *nn, struct um_var *x, const struct um_dice *how)
{
    struct dice    o = { .x = x, .d = *how };
    struct um_var *y;
    int64_t        groups;

    if (nn_bad(nn, x) || !nn_has(nn, dice_fwd) || !nn_has(nn, dice_bwd) ||
        !map_of(nn, "dice", x, how->last, &o.d.C, &o.d.S))
        return NULL;
    o.d.B = x->dim[0];
    o.d.x = x->data;
    if (o.d.first < 0 || o.d.first >= o.d.C)
        return um_nn_fail(nn, UM_ERANGE, "dice: classes from %lld on, of %lld",
                          (long long)o.d.first, (long long)o.d.C);
    groups    = o.d.batch ? 1 : o.d.B;
    o.d.scale = groups ? 1 / (float)(groups * (o.d.C - o.d.first)) : 0;
    if (!dice_targets(nn, x, &o.d) || !(y = scalar(nn)) ||
        !(o.sums = nn_alloc(nn, (size_t)(groups * o.d.C) * 3 * sizeof *o.sums)) ||
        !nn_ok(nn, nn->k->dice_fwd(nn->dev, y->data, o.sums, &o.d), "dice"))
        return NULL;
    return nn_record(nn, y, dice_back, &o, sizeof o, x->needs);
}

/* ---- cross entropy at every place ---- */

struct places {
    struct um_var *x;
    const int32_t *target;
    float         *lse, scale;
    int64_t        B, C, S, rs, cs;
};

static int places_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct places *o = op;
    void                *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    for (int64_t b = 0; b < o->B; b++)
        UM_TRY(nn->k->xent_bwd(nn->dev, (float *)dx + b * o->C * o->S, y->grad,
                               (float *)o->x->data + b * o->C * o->S, o->rs, o->cs,
                               o->lse + b * o->S, o->target + b * o->S, o->S, o->C, o->scale));
    return nn_grad_close(nn, o->x, dx);
}

struct um_var *um_cross_entropy_map(struct um_nn *nn, struct um_var *x, const int32_t *target,
                                    bool last)
{
    struct places  o = { .x = x };
    struct um_var *y;
    int64_t        counted;

    if (nn_bad(nn, x) || !nn_has(nn, xent_fwd) || !nn_has(nn, xent_bwd) ||
        !map_of(nn, "cross entropy", x, last, &o.C, &o.S))
        return NULL;
    o.B      = x->dim[0];
    o.rs     = last ? o.C : 1;
    o.cs     = last ? 1 : o.S;
    o.target = classes(nn, "cross entropy", target, o.B, o.S, o.C, &counted);
    o.scale  = counted ? 1 / (float)counted : 0;
    if (!o.target || !(y = scalar(nn)) || !(o.lse = nn_alloc_elems(nn, o.B * o.S, UM_F32)))
        return NULL;
    for (int64_t b = 0; b < o.B; b++)
        if (!nn_ok(nn,
                   nn->k->xent_fwd(nn->dev, y->data, o.lse + b * o.S,
                                   (float *)x->data + b * o.C * o.S, o.rs, o.cs, o.target + b * o.S,
                                   o.S, o.C, o.scale),
                   "cross entropy"))
            return NULL;
    return nn_record(nn, y, places_back, &o, sizeof o, x->needs);
}
