/* op_distill.c - the student's cross entropy against the teacher, and what its centres follow
 * (method.md 7.3)
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/nn_int.h"

struct distill {
    struct um_var    *x;
    struct um_distill d;
    float            *lse;
};

static int distill_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct distill *o = op;
    void                 *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    UM_TRY(nn->k->distill_bwd(nn->dev, dx, y->grad, o->lse, &o->d));
    return nn_grad_close(nn, o->x, dx);
}

struct um_var *um_distill(struct um_nn *nn, struct um_var *x, struct um_var *t,
                          struct um_var *centre, const float *weight, float tau_s, float tau_t,
                          struct um_var *qmean, struct um_var *sure)
{
    struct distill o = { .x = x };
    struct um_var *y, *w;

    if (nn_bad(nn, x) || nn_bad(nn, t) || nn_bad(nn, centre) || !nn_has(nn, distill_fwd) ||
        !nn_has(nn, distill_bwd))
        return NULL;
    if (!nn_same(x, t) || !nn_float(x->dt) || x->ndim < 1)
        return nn_misfit(nn, "distill", "student", x, "teacher", t);
    if (centre->dt != UM_F32 || nn_count(centre) != nn_last(x))
        return nn_misfit(nn, "distill", "student", x, "centre", centre);
    if (qmean && (qmean->dt != UM_F32 || nn_count(qmean) != nn_last(x)))
        return nn_misfit(nn, "distill", "student", x, "qmean", qmean);
    if (sure && (sure->dt != UM_F32 || nn_count(sure) != 1))
        return nn_misfit(nn, "distill", "student", x, "entropy", sure);
    o.d   = (struct um_distill){ .dt     = x->dt,
                                 .n      = nn_rows(x),
                                 .c      = nn_last(x),
                                 .x      = x->data,
                                 .t      = t->data,
                                 .centre = centre->data,
                                 .tau_s  = tau_s,
                                 .tau_t  = tau_t };
    w     = um_nn_input(nn, UM_F32, 1, &o.d.n, weight);
    y     = um_nn_zeros(nn, UM_F32, 1, (int64_t[]){ 1 });
    o.lse = nn_alloc_elems(nn, 2 * o.d.n, UM_F32);
    if (!w || !y || !o.lse)
        return NULL;
    o.d.weight = w->data;
    if (!nn_ok(nn,
               nn->k->distill_fwd(nn->dev, y->data, o.lse, qmean ? qmean->data : NULL,
                                  sure ? sure->data : NULL, &o.d),
               "distill"))
        return NULL;
    return nn_record(nn, y, distill_back, &o, sizeof o, x->needs);
}

struct um_var *um_mean_rows(struct um_nn *nn, struct um_var *x)
{
    struct um_var *y, *sum;
    int64_t        n, c;

    if (nn_bad(nn, x) || !nn_has(nn, bias_bwd) || !nn_has(nn, lerp))
        return NULL;
    n = nn_rows(x);
    c = nn_last(x);
    if (x->ndim < 1 || !nn_float(x->dt) || n < 1) {
        char s[UM_SHAPE_TEXT];

        return um_nn_fail(nn, UM_ESHAPE, "mean_rows: x %s %s, expected float [n,c] of n >= 1",
                          um_dtype_name(x->dt), nn_shape(x, s));
    }
    y   = um_nn_zeros(nn, UM_F32, 1, &c);
    sum = um_nn_zeros(nn, UM_F32, 1, &c);
    if (!y || !sum ||
        !nn_ok(nn, nn->k->bias_bwd(nn->dev, x->dt, sum->data, x->data, n, c, c), "mean_rows") ||
        !nn_ok(nn, nn->k->lerp(nn->dev, y->data, sum->data, 1.0f / (float)n, c), "mean_rows"))
        return NULL;
    return y;
}
