/* op_resample.c - feature maps and position grids at another size */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/resample/resample.h"

#include "nn/nn_int.h"

struct sized {
    struct um_var     *x;
    struct um_resample r;
};

static int resample_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct sized *o = op;
    void               *dx;

    UM_TRY(nn_grad_open(nn, o->x, &dx));
    UM_TRY(nn->k->resample_bwd(nn->dev, dx, y->grad, &o->r));
    return nn_grad_close(nn, o->x, dx);
}

static bool sizes_fit(struct um_nn *nn, const struct um_resample *r, const char *op)
{
    const int st = um_check_resample(op, r);

    if (st < 0)
        (void)um_nn_fail(nn, st, "%s", um_errmsg());
    return st >= 0;
}

static struct um_var *resample(struct um_nn *nn, struct sized o, const char *op, int ndim,
                               const int64_t *dim)
{
    struct um_var *y;

    if (!nn_has(nn, resample_fwd) || !nn_has(nn, resample_bwd) || !sizes_fit(nn, &o.r, op))
        return NULL;
    if (!(y = nn_var(nn, o.x->dt, ndim, dim)) ||
        !nn_ok(nn, nn->k->resample_fwd(nn->dev, y->data, o.x->data, &o.r), op))
        return NULL;
    return nn_record(nn, y, resample_back, &o, sizeof o, o.x->needs);
}

struct um_var *um_upsample(struct um_nn *nn, struct um_var *x, const int64_t *size, bool corners)
{
    struct sized o = { .x = x };
    int64_t      dim[UM_VAR_DIM];
    int          flat;

    if (nn_bad(nn, x))
        return NULL;
    if (x->ndim < 4 || x->ndim > 5 || !nn_float(x->dt)) {
        char s[UM_SHAPE_TEXT];

        return um_nn_fail(nn, UM_ESHAPE,
                          "upsample: x %s %s, expected float [n,c,h,w] or [n,c,d,h,w]",
                          um_dtype_name(x->dt), nn_shape(x, s));
    }
    flat = 5 - x->ndim;
    o.r =
        (struct um_resample){ .dt = x->dt, .n = x->dim[0] * x->dim[1], .c = 1, .corners = corners };
    for (int i = 0; i < 3; i++) {
        o.r.in[i]  = i < flat ? 1 : x->dim[2 + i - flat];
        o.r.out[i] = i < flat ? 1 : size[i - flat];
    }
    for (int i = 0; i < x->ndim; i++)
        dim[i] = i < 2 ? x->dim[i] : size[i - 2];
    return resample(nn, o, "upsample", x->ndim, dim);
}

struct um_var *um_resize_grid(struct um_nn *nn, struct um_var *x, const int64_t from[3],
                              const int64_t to[3])
{
    struct sized o = { .x = x };
    int64_t      dim[UM_VAR_DIM];

    if (nn_bad(nn, x))
        return NULL;
    o.r = (struct um_resample){ .dt = x->dt, .mode = { UM_LINEAR, UM_CUBIC, UM_CUBIC } };
    for (int i = 0; i < 3; i++) {
        o.r.in[i]  = from[i];
        o.r.out[i] = to[i];
    }
    o.r.n = 1;
    o.r.c = nn_last(x);
    if (!sizes_fit(nn, &o.r, "resize_grid"))
        return NULL;
    if (x->ndim < 2 || x->ndim > 3 || !nn_float(x->dt) ||
        x->dim[x->ndim - 2] != from[0] * from[1] * from[2]) {
        char s[UM_SHAPE_TEXT];

        return um_nn_fail(
            nn, UM_ESHAPE, "resize_grid: x %s does not fit a grid of [%lld,%lld,%lld]",
            nn_shape(x, s), (long long)from[0], (long long)from[1], (long long)from[2]);
    }
    for (int i = 0; i < x->ndim; i++)
        dim[i] = x->dim[i];
    dim[x->ndim - 2] = to[0] * to[1] * to[2];
    if (x->ndim == 3)
        o.r.n = x->dim[0];
    return resample(nn, o, "resize_grid", x->ndim, dim);
}
