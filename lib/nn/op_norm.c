/* op_norm.c - layer norm, batch norm, instance norm, unit length */
/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/nn_int.h"

struct norm {
    struct um_var *x, *gamma, *beta;
    float         *mean, *rstd; /* of the forward: [n] of rows, [c] of a batch, [n,c] of samples */
    float          eps;
};

/* the kernels give dgamma and dbeta always: where they are not wanted, scratch takes them */
static int affine_grads(struct um_nn *nn, const struct norm *o, void **dgamma, void **dbeta)
{
    struct um_var *v[2]   = { o->gamma, o->beta };
    void         **out[2] = { dgamma, dbeta };

    for (int i = 0; i < 2; i++) {
        *out[i] = NULL;
        if (v[i] && v[i]->needs) {
            UM_TRY(nn_grad_sum(nn, v[i], out[i]));
        } else if (v[i]) {
            if (!(*out[i] = nn_alloc_elems(nn, nn_count(v[i]), UM_F32)))
                return nn->status;
            UM_TRY(nn->k->zero(nn->dev, *out[i], (size_t)nn_count(v[i]) * sizeof(float)));
        }
    }
    return UM_OK;
}

/* room for dx, which the kernels always write */
static int input_grad(struct um_nn *nn, struct um_var *x, void **dx)
{
    if (x->needs)
        return nn_grad_open(nn, x, dx);
    *dx = nn_alloc_elems(nn, nn_count(x), x->dt);
    return *dx ? UM_OK : nn->status;
}

static bool is_vector(const struct um_var *v, int64_t n)
{
    return v->ndim == 1 && v->dim[0] == n && v->dt == UM_F32;
}

/* ---- layer norm ---- */

static int layernorm_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct norm *o   = op;
    const bool         acc = o->x->grad != NULL;
    void              *dx  = o->x->grad, *dgamma, *dbeta;

    UM_TRY(affine_grads(nn, o, &dgamma, &dbeta));
    if (!acc)
        UM_TRY(input_grad(nn, o->x, &dx));
    return nn->k->layernorm_bwd(nn->dev, dx, o->x->dt, acc, dgamma, dbeta, y->grad, y->dt,
                                o->x->data, o->gamma->data, o->mean, o->rstd, nn_rows(y),
                                nn_last(y));
}

struct um_var *um_layernorm_to(struct um_nn *nn, struct um_var *x, struct um_var *gamma,
                               struct um_var *beta, float eps, enum um_dtype dt)
{
    struct norm    o = { .x = x, .gamma = gamma, .beta = beta, .eps = eps };
    struct um_var *y;

    if (nn_bad(nn, x) || nn_bad(nn, gamma) || nn_bad(nn, beta) || !nn_has(nn, layernorm_fwd) ||
        !nn_has(nn, layernorm_bwd))
        return NULL;
    if (x->ndim < 1 || !nn_float(x->dt) || !nn_float(dt) || !is_vector(gamma, nn_last(x)))
        return nn_misfit(nn, "layernorm", "x", x, "gamma", gamma);
    if (!is_vector(beta, nn_last(x)))
        return nn_misfit(nn, "layernorm", "x", x, "beta", beta);
    y      = nn_like(nn, dt, x);
    o.mean = nn_alloc_elems(nn, nn_rows(x), UM_F32);
    o.rstd = nn_alloc_elems(nn, nn_rows(x), UM_F32);
    if (!y || !o.mean || !o.rstd ||
        !nn_ok(nn,
               nn->k->layernorm_fwd(nn->dev, y->data, dt, o.mean, o.rstd, x->data, x->dt,
                                    gamma->data, beta->data, nn_rows(x), nn_last(x), eps),
               "layernorm"))
        return NULL;
    return nn_record(nn, y, layernorm_back, &o, sizeof o, x->needs || gamma->needs || beta->needs);
}

struct um_var *um_layernorm(struct um_nn *nn, struct um_var *x, struct um_var *gamma,
                            struct um_var *beta, float eps)
{
    if (nn_bad(nn, x))
        return NULL;
    return um_layernorm_to(nn, x, gamma, beta, eps, x->dt);
}

/* ---- batch norm ---- */

static const float *data_of(const struct um_var *v)
{
    return v ? v->data : NULL;
}

/* elements of x [n,c,..] in a channel of a sample: 1 where x is rows */
static int64_t map_size(const struct um_var *x)
{
    int64_t s = 1;

    for (int i = 2; i < x->ndim; i++)
        s *= x->dim[i];
    return s;
}

/* of rows, or of feature maps by batch or by sample */
static int map_back(struct um_nn *nn, const struct norm *o, const struct um_var *y, bool batch)
{
    const float  *gamma = data_of(o->gamma);
    const int64_t n = y->dim[0], c = y->dim[1];
    void         *dx, *dgamma, *dbeta;

    UM_TRY(affine_grads(nn, o, &dgamma, &dbeta));
    UM_TRY(input_grad(nn, o->x, &dx));
    if (batch && y->ndim == 2)
        UM_TRY(nn->k->batchnorm_bwd(nn->dev, y->dt, dx, dgamma, dbeta, y->grad, o->x->data, gamma,
                                    o->mean, o->rstd, n, c));
    else
        UM_TRY(nn->k->mapnorm_bwd(nn->dev, y->dt, batch, dx, dgamma, dbeta, y->grad, o->x->data,
                                  gamma, o->mean, o->rstd, n, c, map_size(y)));
    return o->x->needs ? nn_grad_close(nn, o->x, dx) : UM_OK;
}

static int batchnorm_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    return map_back(nn, op, y, true);
}

static int batchnorm_fwd(struct um_nn *nn, const struct norm *o, struct um_var *y, float *var)
{
    const int64_t n = y->dim[0], c = y->dim[1];

    if (y->ndim == 2)
        return nn->k->batchnorm_fwd(nn->dev, y->dt, y->data, o->mean, o->rstd, var, o->x->data,
                                    data_of(o->gamma), data_of(o->beta), n, c, o->eps);
    return nn->k->mapnorm_fwd(nn->dev, y->dt, true, y->data, o->mean, o->rstd, var, o->x->data,
                              data_of(o->gamma), data_of(o->beta), n, c, map_size(y), o->eps);
}

/* normalise by the batch, and let the running statistics follow */
static int batchnorm_train(struct um_nn *nn, struct norm *o, struct um_var *y, float *run_mean,
                           float *run_var, float momentum)
{
    const int64_t c   = o->x->dim[1];
    float        *var = nn_alloc_elems(nn, c, UM_F32);

    o->mean = nn_alloc_elems(nn, c, UM_F32);
    o->rstd = nn_alloc_elems(nn, c, UM_F32);
    if (!var || !o->mean || !o->rstd)
        return nn->status;
    UM_TRY(batchnorm_fwd(nn, o, y, var));
    if (nn->again) /* the running statistics have followed this batch already */
        return UM_OK;
    UM_TRY(nn->k->lerp(nn->dev, run_mean, o->mean, momentum, c));
    return nn->k->lerp(nn->dev, run_var, var, momentum, c);
}

static int batchnorm_eval(struct um_nn *nn, const struct norm *o, struct um_var *y,
                          const float *mean, const float *var)
{
    const int64_t n = y->dim[0], c = y->dim[1];

    if (y->ndim == 2)
        return nn->k->batchnorm_eval(nn->dev, y->dt, y->data, o->x->data, data_of(o->gamma),
                                     data_of(o->beta), mean, var, n, c, o->eps);
    return nn->k->mapnorm_eval(nn->dev, y->dt, y->data, o->x->data, data_of(o->gamma),
                               data_of(o->beta), mean, var, n, c, map_size(y), o->eps);
}

/* x [n,c,..], with `dims` or more, against gamma, beta (both or neither) */
static bool map_fits(struct um_nn *nn, const struct norm *o, const char *op, int dims)
{
    const struct um_var *x = o->x;

    if (x->ndim >= dims && nn_float(x->dt) && !o->gamma == !o->beta &&
        (!o->gamma || (is_vector(o->gamma, x->dim[1]) && is_vector(o->beta, x->dim[1]))))
        return true;
    (void)nn_misfit(nn, op, "x", x, "gamma", o->gamma);
    return false;
}

/* the same, and against the running statistics */
static bool batchnorm_fits(struct um_nn *nn, const struct norm *o, const struct um_params *ps,
                           int mean, int var)
{
    const struct um_var *x = o->x;

    if (!map_fits(nn, o, "batchnorm", 2))
        return false;
    if (x->dim[0] < 1) {
        (void)nn_misfit(nn, "batchnorm", "x", x, "gamma", o->gamma);
        return false;
    }
    if (mean < 0 || var < 0 || mean >= ps->n || var >= ps->n || !ps->value ||
        ps->list[mean].count != x->dim[1] || ps->list[var].count != x->dim[1]) {
        char s[UM_SHAPE_TEXT];

        (void)um_nn_fail(
            nn, UM_ESHAPE, "batchnorm: x %s does not fit its running statistics [%lld]",
            nn_shape(x, s), (long long)(mean >= 0 && mean < ps->n ? ps->list[mean].count : 0));
        return false;
    }
    return true;
}

static bool has_batchnorm(struct um_nn *nn)
{
    return nn_has(nn, batchnorm_fwd) && nn_has(nn, batchnorm_eval) && nn_has(nn, batchnorm_bwd) &&
           nn_has(nn, mapnorm_fwd) && nn_has(nn, mapnorm_eval) && nn_has(nn, mapnorm_bwd) &&
           nn_has(nn, lerp);
}

struct um_var *um_batchnorm(struct um_nn *nn, struct um_var *x, struct um_var *gamma,
                            struct um_var *beta, struct um_params *ps, int mean, int var,
                            float momentum, float eps)
{
    struct norm    o = { .x = x, .gamma = gamma, .beta = beta, .eps = eps };
    struct um_var *y;
    float         *run_mean, *run_var;

    if (nn_bad(nn, x) || !has_batchnorm(nn))
        return NULL;
    if (!batchnorm_fits(nn, &o, ps, mean, var) || !(y = nn_like(nn, x->dt, x)))
        return NULL;
    run_mean = ps->value + ps->list[mean].offset;
    run_var  = ps->value + ps->list[var].offset;
    if (nn->train) {
        if (!nn_ok(nn, batchnorm_train(nn, &o, y, run_mean, run_var, momentum), "batchnorm"))
            return NULL;
        return nn_record(nn, y, batchnorm_back, &o, sizeof o, x->needs || (gamma && gamma->needs));
    }
    if (nn->grad && (x->needs || (gamma && gamma->needs)))
        return um_nn_fail(nn, UM_EUNSUPPORTED, "batchnorm: no gradient outside training");
    return nn_ok(nn, batchnorm_eval(nn, &o, y, run_mean, run_var), "batchnorm") ? y : NULL;
}

/* ---- instance norm ---- */

static int instancenorm_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    return map_back(nn, op, y, false);
}

struct um_var *um_instancenorm(struct um_nn *nn, struct um_var *x, struct um_var *gamma,
                               struct um_var *beta, float eps)
{
    struct norm    o = { .x = x, .gamma = gamma, .beta = beta, .eps = eps };
    struct um_var *y;
    int64_t        n;

    if (nn_bad(nn, x) || !nn_has(nn, mapnorm_fwd) || !nn_has(nn, mapnorm_bwd))
        return NULL;
    if (!map_fits(nn, &o, "instancenorm", 3))
        return NULL;
    n      = x->dim[0] * x->dim[1];
    y      = nn_like(nn, x->dt, x);
    o.mean = nn_alloc_elems(nn, n, UM_F32);
    o.rstd = nn_alloc_elems(nn, n, UM_F32);
    if (!y || !o.mean || !o.rstd ||
        !nn_ok(nn,
               nn->k->mapnorm_fwd(nn->dev, x->dt, false, y->data, o.mean, o.rstd, NULL, x->data,
                                  data_of(gamma), data_of(beta), x->dim[0], x->dim[1], map_size(x),
                                  eps),
               "instancenorm"))
        return NULL;
    return nn_record(nn, y, instancenorm_back, &o, sizeof o, x->needs || (gamma && gamma->needs));
}

/* ---- unit length ---- */

static int l2norm_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct norm *o = op;
    void              *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    UM_TRY(nn->k->l2norm_bwd(nn->dev, y->dt, dx, y->grad, y->data, o->mean, nn_rows(y), nn_last(y),
                             o->eps));
    return nn_grad_close(nn, o->x, dx);
}

struct um_var *um_l2norm(struct um_nn *nn, struct um_var *x, float eps)
{
    struct norm    o = { .x = x, .eps = eps };
    struct um_var *y;

    if (nn_bad(nn, x) || !nn_has(nn, l2norm_fwd) || !nn_has(nn, l2norm_bwd))
        return NULL;
    if (x->ndim < 1 || !nn_float(x->dt)) {
        char s[UM_SHAPE_TEXT];

        return um_nn_fail(nn, UM_ESHAPE, "l2norm: x %s %s, expected float [..,c]",
                          um_dtype_name(x->dt), nn_shape(x, s));
    }
    y      = nn_like(nn, x->dt, x);
    o.mean = nn_alloc_elems(nn, nn_rows(x), UM_F32); /* the norms */
    if (!y || !o.mean ||
        !nn_ok(nn,
               nn->k->l2norm_fwd(nn->dev, x->dt, y->data, o.mean, x->data, nn_rows(x), nn_last(x),
                                 eps),
               "l2norm"))
        return NULL;
    return nn_record(nn, y, l2norm_back, &o, sizeof o, x->needs);
}
