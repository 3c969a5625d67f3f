/* onednn.c - convolutions by oneDNN; the other file that knows it is linear/onednn.c */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/conv/onednn.h"

#include <stdlib.h>

#include "kernels/linear/onednn_int.h"

enum { X = 0, W, Y, PLAIN, SCRATCH, NDESC }; /* PLAIN: w as its owner stores it */

struct um_dnn_conv {
    struct um_dnn_conv_shape shape;
    uint64_t                 used;
    dnnl_primitive_t         primitive, reorder;
    dnnl_memory_desc_t       desc[NDESC];
    dnnl_memory_t           *memory; /* [workers][NDESC] */
    int                      views;
    size_t                   scratch, weights;
    bool                     made;
};

static int failed(const char *what, dnnl_status_t st)
{
    return um_fail(st == dnnl_out_of_memory ? UM_ENOMEM : UM_EUNSUPPORTED,
                   "conv: oneDNN cannot %s (its status %d)", what, (int)st);
}

/* ---- descriptions ------------------------------------------------------------------------------
 */

static dnnl_status_t by_tag(dnnl_memory_desc_t *d, const dnnl_dims_t dims, dnnl_data_type_t t,
                            dnnl_format_tag_t tag)
{
#if DNNL_VERSION_MAJOR < 3
    return dnnl_memory_desc_init_by_tag(d, 5, dims, t, tag);
#else
    return dnnl_memory_desc_create_with_tag(d, 5, dims, t, tag);
#endif
}

/* the result is float whatever is read */
static dnnl_data_type_t type_of(const struct um_dnn_conv_shape *s, int i)
{
    static const int result[] = { [UM_DNN_FORWARD] = Y, [UM_DNN_DATA] = X, [UM_DNN_WEIGHTS] = W };

    return i == result[s->way] ? dnnl_f32 : um_dnn_type(s->dt);
}

static dnnl_status_t describe(struct um_dnn_conv *p)
{
    const struct um_dnn_conv_shape *s  = &p->shape;
    const dnnl_dims_t               x  = { 1, s->cin, s->in[0], s->in[1], s->in[2] };
    const dnnl_dims_t               w  = { s->cout, s->cin, s->k[0], s->k[1], s->k[2] };
    const dnnl_dims_t               y  = { 1, s->cout, s->out[0], s->out[1], s->out[2] };
    dnnl_status_t                   st = by_tag(&p->desc[X], x, type_of(s, X), dnnl_ndhwc);

    if (st == dnnl_success)
        st = by_tag(&p->desc[W], w, type_of(s, W), dnnl_format_tag_any);
    if (st == dnnl_success)
        st = by_tag(&p->desc[Y], y, type_of(s, Y), dnnl_ndhwc);
    if (st == dnnl_success)
        st = by_tag(&p->desc[PLAIN], w, dnnl_f32, dnnl_oidhw);
    return st;
}

/* oneDNN reads as many numbers as an array of it can have dims */
struct steps {
    dnnl_dims_t stride, lo, hi;
    dnnl_dims_t dense; /* dilation: none */
};

static struct steps steps_of(const struct um_dnn_conv_shape *s)
{
    struct steps t = { { 0 }, { 0 }, { 0 }, { 0 } };

    for (int i = 0; i < 3; i++) {
        t.stride[i] = s->stride[i];
        t.lo[i]     = s->lo[i];
        t.hi[i]     = s->hi[i];
    }
    return t;
}

static dnnl_status_t forward_pd(dnnl_primitive_desc_t *pd, const struct um_dnn_conv *p,
                                dnnl_engine_t engine, const_dnnl_primitive_attr_t attr)
{
    const dnnl_prop_kind_t kind =
        p->shape.way == UM_DNN_FORWARD ? dnnl_forward_inference : dnnl_forward_training;
    const struct steps t = steps_of(&p->shape);

#if DNNL_VERSION_MAJOR < 3
    dnnl_convolution_desc_t d;
    dnnl_status_t           st =
        dnnl_convolution_forward_desc_init(&d, kind, dnnl_convolution_direct, &p->desc[X],
                                           &p->desc[W], NULL, &p->desc[Y], t.stride, t.lo, t.hi);

    return st != dnnl_success ? st : dnnl_primitive_desc_create(pd, &d, attr, engine, NULL);
#else
    return dnnl_convolution_forward_primitive_desc_create(pd, engine, kind, dnnl_convolution_direct,
                                                          p->desc[X], p->desc[W], NULL, p->desc[Y],
                                                          t.stride, t.dense, t.lo, t.hi, attr);
#endif
}

static dnnl_status_t backward_pd(dnnl_primitive_desc_t *pd, const struct um_dnn_conv *p,
                                 dnnl_engine_t engine, const_dnnl_primitive_attr_t attr,
                                 const_dnnl_primitive_desc_t hint)
{
    const bool         data = p->shape.way == UM_DNN_DATA;
    const struct steps t    = steps_of(&p->shape);

#if DNNL_VERSION_MAJOR < 3
    dnnl_convolution_desc_t d;
    dnnl_status_t           st =
        data ? dnnl_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, &p->desc[X],
                                                                  &p->desc[W], &p->desc[Y], t.stride, t.lo,
                                                                  t.hi)
                       : dnnl_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, &p->desc[X],
                                                                     &p->desc[W], NULL, &p->desc[Y], t.stride,
                                                                     t.lo, t.hi);

    return st != dnnl_success ? st : dnnl_primitive_desc_create(pd, &d, attr, engine, hint);
#else
    if (data)
        return dnnl_convolution_backward_data_primitive_desc_create(
            pd, engine, dnnl_convolution_direct, p->desc[X], p->desc[W], p->desc[Y], t.stride,
            t.dense, t.lo, t.hi, hint, attr);
    return dnnl_convolution_backward_weights_primitive_desc_create(
        pd, engine, dnnl_convolution_direct, p->desc[X], p->desc[W], NULL, p->desc[Y], t.stride,
        t.dense, t.lo, t.hi, hint, attr);
#endif
}

/* a backward asks which forward it belongs to */
static dnnl_status_t choose(dnnl_primitive_desc_t *pd, const struct um_dnn_conv *p,
                            dnnl_engine_t engine, const_dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t hint = NULL;
    struct um_dnn_conv    f    = *p;
    dnnl_status_t         st;

    if (p->shape.way == UM_DNN_FORWARD)
        return forward_pd(pd, p, engine, attr);
    memset(f.desc, 0, sizeof f.desc);
    f.shape.way = UM_DNN_FORWARD;
    st          = describe(&f);
    f.shape.way = p->shape.way;
    if (st == dnnl_success)
        st = forward_pd(&hint, &f, engine, NULL);
    if (st == dnnl_success)
        st = backward_pd(pd, p, engine, attr, hint);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    for (int i = 0; i < NDESC; i++)
        um_dnn_free_desc(&f.desc[i]);
    return st;
}

/* What bfloat16 does without, by way of float: oneDNN's reference loops, hundreds of times slower,
 * and the gradient by x from an odd number of channels, which its 1x1 kernel of version 2.6 gets
 * wrong (it reads channels in pairs, and beyond the last place) */
static dnnl_status_t refuse(const struct um_dnn_conv *p, const_dnnl_primitive_desc_t pd)
{
    const char   *name = NULL;
    dnnl_status_t st   = dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name);

    if (st != dnnl_success || p->shape.dt == UM_F32)
        return st;
    if ((name && strncmp(name, "ref", 3) == 0) ||
        (p->shape.way == UM_DNN_DATA && p->shape.cout % 2 != 0))
        return dnnl_unimplemented;
    return st;
}

/* w between its owner's layout and the plan's */
static dnnl_status_t make_reorder(struct um_dnn_conv *p, dnnl_engine_t engine)
{
    const int             from = p->shape.way == UM_DNN_WEIGHTS ? W : PLAIN, to = W + PLAIN - from;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t         st = dnnl_reorder_primitive_desc_create(&pd, DESC(p->desc[from]), engine,
                                                                  DESC(p->desc[to]), engine, NULL);

    if (st == dnnl_success)
        st = dnnl_primitive_create(&p->reorder, pd);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    return st;
}

static dnnl_status_t take(struct um_dnn_conv *p, const_dnnl_primitive_desc_t pd)
{
    const dnnl_query_t which =
        p->shape.way == UM_DNN_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md;
    const desc_ref scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    dnnl_status_t  st;

    um_dnn_free_desc(&p->desc[W]);
    st = um_dnn_copy_desc(&p->desc[W], dnnl_primitive_desc_query_md(pd, which, 0));
    if (st != dnnl_success)
        return st;
    p->weights = dnnl_memory_desc_get_size(DESC(p->desc[W]));
    if (!scratch)
        return dnnl_success;
    p->scratch = dnnl_memory_desc_get_size(scratch);
    return um_dnn_copy_desc(&p->desc[SCRATCH], scratch);
}

static dnnl_status_t make(struct um_dnn_conv *p, dnnl_engine_t engine)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd   = NULL;
    dnnl_status_t         st   = describe(p);

    if (st == dnnl_success)
        st = dnnl_primitive_attr_create(&attr);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success)
        st = choose(&pd, p, engine, attr);
    if (st == dnnl_success)
        st = refuse(p, pd);
    if (st == dnnl_success)
        st = take(p, pd);
    if (st == dnnl_success)
        st = make_reorder(p, engine);
    if (st == dnnl_success)
        st = dnnl_primitive_create(&p->primitive, pd);
    p->made = st == dnnl_success;
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return st;
}

/* ---- the store ---------------------------------------------------------------------------------
 */

void um_dnn_conv_free(struct um_dnn_conv *p)
{
    for (int i = 0; i < p->views; i++)
        if (p->memory[i])
            dnnl_memory_destroy(p->memory[i]);
    free(p->memory);
    if (p->primitive)
        dnnl_primitive_destroy(p->primitive);
    if (p->reorder)
        dnnl_primitive_destroy(p->reorder);
    for (int i = 0; i < NDESC; i++)
        um_dnn_free_desc(&p->desc[i]);
    free(p);
}

/* a place for one more plan: a new one, or the one unused for longest */
static int place(struct um_dnn *d)
{
    int oldest = 0;

    if (d->convs < UM_DNN_CONVS)
        return d->convs++;
    for (int i = 1; i < UM_DNN_CONVS; i++)
        if (d->conv[i]->used < d->conv[oldest]->used)
            oldest = i;
    um_dnn_conv_free(d->conv[oldest]);
    return oldest;
}

static struct um_dnn_conv *plan_new(const struct um_dev *dev, const struct um_dnn_conv_shape *shape)
{
    struct um_dnn_conv *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->shape  = *shape;
    p->views  = dev->workers * NDESC;
    p->memory = calloc((size_t)p->views, sizeof *p->memory);
    if (p->memory)
        return p;
    free(p);
    return NULL;
}

int um_dnn_conv(struct um_dev *dev, const struct um_dnn_conv_shape *shape,
                struct um_dnn_conv **plan)
{
    struct um_dnn_conv *p  = NULL;
    dnnl_status_t       st = dnnl_success;
    struct um_dnn      *d;

    UM_TRY(um_dnn_open(dev));
    d = dev->dnn;
    for (int i = 0; i < d->convs && !p; i++)
        if (memcmp(&d->conv[i]->shape, shape, sizeof *shape) == 0)
            p = d->conv[i];
    if (!p) {
        if (!(p = plan_new(dev, shape)))
            return um_fail(UM_ENOMEM, "out of memory");
        d->conv[place(d)] = p;
        um_dnn_one_thread();
        st = make(p, d->engine); /* a refusal is remembered: bfloat16 has another way */
    }
    p->used = ++d->clock;
    *plan   = p->made ? p : NULL;
    return !p->made && shape->dt == UM_F32 ? failed("plan this shape", st) : UM_OK;
}

size_t um_dnn_conv_scratch(const struct um_dnn_conv *plan)
{
    return plan->scratch;
}

size_t um_dnn_conv_weights(const struct um_dnn_conv *plan)
{
    return plan->weights;
}

/* ---- running -----------------------------------------------------------------------------------
 */

struct operand {
    int         desc, arg;
    const void *data;
};

static int run(struct um_dev *dev, int worker, const struct um_dnn_conv *plan,
               dnnl_primitive_t primitive, const struct operand *o, int n)
{
    dnnl_exec_arg_t args[NDESC];
    dnnl_status_t   st = dnnl_success;

    um_dnn_one_thread();
    for (int i = 0; i < n && st == dnnl_success; i++) {
        dnnl_memory_t *own = &plan->memory[worker * NDESC + o[i].desc];

        st      = um_dnn_view(own, DESC(plan->desc[o[i].desc]), dev->dnn->engine, o[i].data);
        args[i] = (dnnl_exec_arg_t){ o[i].arg, *own };
    }
    if (st == dnnl_success)
        st = um_dnn_execute(dev, worker, primitive, args, n);
    return st == dnnl_success ? UM_OK : failed("run", st);
}

int um_dnn_conv_pack(struct um_dev *dev, int worker, const struct um_dnn_conv *plan, void *packed,
                     const float *w)
{
    const struct operand o[2] = { { PLAIN, DNNL_ARG_FROM, w }, { W, DNNL_ARG_TO, packed } };

    return run(dev, worker, plan, plan->reorder, o, 2);
}

int um_dnn_conv_unpack(struct um_dev *dev, int worker, const struct um_dnn_conv *plan, float *w,
                       const void *packed)
{
    const struct operand o[2] = { { W, DNNL_ARG_FROM, packed }, { PLAIN, DNNL_ARG_TO, w } };

    return run(dev, worker, plan, plan->reorder, o, 2);
}

int um_dnn_conv_run(struct um_dev *dev, int worker, const struct um_dnn_conv *plan, const void *x,
                    const void *w, const void *y, void *scratch)
{
    static const int arg[3][3] = {
        [UM_DNN_FORWARD] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST },
        [UM_DNN_DATA]    = { DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST },
        [UM_DNN_WEIGHTS] = { DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST },
    };
    const int           *a    = arg[plan->shape.way];
    const struct operand o[4] = {
        { X, a[X], x }, { W, a[W], w }, { Y, a[Y], y }, { SCRATCH, DNNL_ARG_SCRATCHPAD, scratch }
    };

    return run(dev, worker, plan, plan->primitive, o, plan->scratch ? 4 : 3);
}
