/* op_conv.c - convolutions and transposed convolutions in 2D and 3D
 *
 * The kernels know one convolution, from x to y, and its two adjoints. A transposed convolution is
 * the adjoint by x, so its input takes the place of y, and its gradients are the other two.
 * Convolutions run in the context's dtype; weights and biases are float, as are their gradients.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/conv/conv.h"

#include "nn/nn_int.h"

struct conv {
    struct um_var *x, *w, *b;
    struct um_conv c;
    bool           up; /* transposed: x is what the kernels call y */
};

static int conv_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct conv *o = op;
    void              *g;

    if (o->x->needs) {
        UM_TRY(nn_grad_open(nn, o->x, &g));
        UM_TRY(o->up ? nn->k->conv_fwd(nn->dev, g, y->grad, o->w->data, NULL, &o->c)
                     : nn->k->conv_data(nn->dev, g, y->grad, o->w->data, NULL, &o->c));
        UM_TRY(nn_grad_close(nn, o->x, g));
    }
    if (o->w->needs) {
        UM_TRY(nn_grad_sum(nn, o->w, &g));
        UM_TRY(nn->k->conv_weights(nn->dev, g, o->up ? o->x->data : y->grad,
                                   o->up ? y->grad : o->x->data, &o->c));
    }
    if (o->b && o->b->needs) {
        const int64_t out[3] = { um_conv_out(&o->c, 0), um_conv_out(&o->c, 1),
                                 um_conv_out(&o->c, 2) };

        UM_TRY(nn_grad_sum(nn, o->b, &g));
        UM_TRY(nn->k->conv_bias(nn->dev, y->dt, g, y->grad, y->dim[0], y->dim[1],
                                um_volume(o->up ? o->c.in : out)));
    }
    return UM_OK;
}

/* the sizes of x along the axes of w, in z, y, x order: a picture has one plane */
static void geometry(struct conv *o, const int64_t *stride, const int64_t *pad)
{
    const int flat = o->x->ndim == 4 ? 1 : 0;

    for (int i = 0; i < 3; i++) {
        const bool there = i >= flat;

        o->c.in[i]     = there ? o->x->dim[2 + i - flat] : 1;
        o->c.k[i]      = there ? o->w->dim[2 + i - flat] : 1;
        o->c.stride[i] = there ? stride[i - flat] : 1;
        o->c.pad[i]    = there ? pad[i - flat] : 0;
    }
}

/* what a transposed convolution of `in` gives along an axis; 0: it cannot be told */
static int64_t grown(int64_t in, int64_t k, int64_t stride, int64_t pad)
{
    const int64_t most = (int64_t)1 << 30;

    if (in < 1 || in > most || k < 1 || k > most || stride < 1 || stride > most || pad < 0 ||
        pad > most || (in - 1) * stride + k - 2 * pad > most)
        return 0;
    return (in - 1) * stride + k - 2 * pad;
}

static bool conv_fits(struct um_nn *nn, struct conv *o, const char *op)
{
    const struct um_var *x = o->x, *w = o->w, *b = o->b;

    if (x->ndim < 4 || x->ndim > 5 || w->ndim != x->ndim || w->dt != UM_F32 || !nn_float(x->dt) ||
        w->dim[o->up ? 0 : 1] != x->dim[1]) {
        (void)nn_misfit(nn, op, "x", x, "w", w);
        return false;
    }
    if (b && (b->ndim != 1 || b->dim[0] != w->dim[o->up ? 1 : 0] || b->dt != UM_F32)) {
        (void)nn_misfit(nn, op, "b", b, "w", w);
        return false;
    }
    return true;
}

static struct um_var *conv(struct um_nn *nn, struct conv o, const int64_t *stride,
                           const int64_t *pad)
{
    const char    *op = o.up ? "conv_transposed" : "conv";
    const int      nd = o.x->ndim;
    int64_t        dim[UM_VAR_DIM];
    struct um_var *y;
    int            st;

    if (!conv_fits(nn, &o, op))
        return NULL;
    geometry(&o, stride, pad);
    o.c.dt   = nn->dtype;
    o.c.n    = o.x->dim[0];
    o.c.cout = o.w->dim[0];
    o.c.cin  = o.w->dim[1];
    for (int i = 0; o.up && i < 3; i++)
        o.c.in[i] = grown(o.c.in[i], o.c.k[i], o.c.stride[i], o.c.pad[i]);
    if ((st = um_check_conv(op, &o.c)) < 0)
        return um_nn_fail(nn, st, "%s", um_errmsg());
    dim[0] = o.c.n;
    dim[1] = o.up ? o.c.cin : o.c.cout;
    for (int i = 2; i < nd; i++)
        dim[i] = o.up ? o.c.in[i + 3 - nd] : um_conv_out(&o.c, i + 3 - nd);
    o.x = um_cast(nn, o.x, nn->dtype);
    if (!o.x || !(y = nn_var(nn, nn->dtype, nd, dim)))
        return NULL;
    const float *bias = o.b ? o.b->data : NULL;
    if (!nn_ok(nn,
               o.up ? nn->k->conv_data(nn->dev, y->data, o.x->data, o.w->data, bias, &o.c)
                    : nn->k->conv_fwd(nn->dev, y->data, o.x->data, o.w->data, bias, &o.c),
               op))
        return NULL;
    return nn_record(nn, y, conv_back, &o, sizeof o,
                     o.x->needs || o.w->needs || (o.b && o.b->needs));
}

struct um_var *um_conv(struct um_nn *nn, struct um_var *x, struct um_var *w, struct um_var *b,
                       const int64_t *stride, const int64_t *pad)
{
    if (nn_bad(nn, x) || nn_bad(nn, w) || !nn_has(nn, conv_fwd) || !nn_has(nn, conv_data) ||
        !nn_has(nn, conv_weights) || !nn_has(nn, conv_bias))
        return NULL;
    return conv(nn, (struct conv){ .x = x, .w = w, .b = b }, stride, pad);
}

struct um_var *um_conv_transposed(struct um_nn *nn, struct um_var *x, struct um_var *w,
                                  struct um_var *b, const int64_t *stride, const int64_t *pad)
{
    if (nn_bad(nn, x) || nn_bad(nn, w) || !nn_has(nn, conv_fwd) || !nn_has(nn, conv_data) ||
        !nn_has(nn, conv_weights) || !nn_has(nn, conv_bias))
        return NULL;
    return conv(nn, (struct conv){ .x = x, .w = w, .b = b, .up = true }, stride, pad);
}
