/* tape.c - the context: a step's beginning, its sticky error, variables, the walk backwards */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "nn/nn_int.h"

/* ---- the context ---- */

int um_nn_new(struct um_nn **nn, struct um_dev *dev, const struct um_nn_opts *opts)
{
    struct um_nn *n;
    int           st;

    *nn = NULL;
    if (opts->dtype != UM_F32 && opts->dtype != UM_BF16)
        return um_fail(UM_EDTYPE, "activations are float32 or bfloat16, not %s",
                       um_dtype_name(opts->dtype));
    if (!(n = calloc(1, sizeof *n)))
        return um_fail(UM_ENOMEM, "out of memory");
    n->dev       = dev;
    n->k         = um_dev_kernels(dev);
    n->dtype     = opts->dtype;
    n->frozen    = opts->frozen;
    n->recompute = opts->recompute;
    if ((st = um_arena_new(&n->arena)) < 0) {
        free(n);
        return st;
    }
    *nn = n;
    return UM_OK;
}

void um_nn_free(struct um_nn *nn)
{
    if (!nn)
        return;
    nn_packs_free(nn);
    nn_memory_free(nn);
    free(nn->watch.uses);
    um_arena_free(nn->arena);
    free(nn);
}

int um_nn_begin(struct um_nn *nn, bool grad, bool train, uint64_t seed, uint64_t step)
{
    if (step > UINT32_MAX)
        return um_fail(UM_ERANGE, "step %llu: at most 2^32 - 1", (unsigned long long)step);
    UM_TRY(nn_memory_reset(nn));
    um_arena_reset(nn->arena);
    nn_watch_begin(nn);
    nn->last   = NULL;
    nn->walked = nn->walking = nn->again = false;
    nn->grad = nn->taped = grad;
    nn->train            = train;
    nn->seed             = seed;
    nn->step             = step;
    nn->place = nn->samples = nn->rows = 0;
    nn->status                         = UM_OK;
    nn->steps++;
    return UM_OK;
}

void um_nn_place(struct um_nn *nn, int64_t samples, int64_t rows)
{
    nn->samples = (uint64_t)samples;
    nn->rows    = (uint64_t)rows;
}

int um_nn_status(const struct um_nn *nn)
{
    if (nn->status < 0)
        um_seterrmsg(nn->message);
    return nn->status;
}

struct um_dev *um_nn_dev(const struct um_nn *nn)
{
    return nn->dev;
}

enum um_dtype um_nn_dtype(const struct um_nn *nn)
{
    return nn->dtype;
}

void *um_nn_host(struct um_nn *nn, size_t bytes)
{
    void *p = nn->status < 0 ? NULL : um_alloc(nn->arena, bytes);

    if (!p && nn->status >= 0)
        (void)nn_ok(nn, UM_ENOMEM, "host memory of the step");
    return p;
}

/* ---- errors ---- */

static void stick(struct um_nn *nn, int st)
{
    nn->status = st;
    snprintf(nn->message, sizeof nn->message, "%s", um_errmsg());
}

bool nn_ok(struct um_nn *nn, int st, const char *op)
{
    if (st >= 0)
        return nn->status >= 0;
    if (nn->status >= 0)
        stick(nn, um_context(st, "%s", op));
    return false;
}

bool nn_bad(struct um_nn *nn, const struct um_var *x)
{
    if (nn->status >= 0 && !x)
        stick(nn, um_fail(UM_EMISSING, "an operation was given no variable"));
    return nn->status < 0;
}

struct um_var *um_nn_fail(struct um_nn *nn, int st, const char *fmt, ...)
{
    char    text[UM_ERRMSG_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (nn->status >= 0)
        stick(nn, um_fail(st, "%s", text));
    return NULL;
}

struct um_var *nn_misfit(struct um_nn *nn, const char *op, const char *an, const struct um_var *a,
                         const char *bn, const struct um_var *b)
{
    char sa[UM_SHAPE_TEXT], sb[UM_SHAPE_TEXT];

    return um_nn_fail(nn, UM_ESHAPE, "%s: %s %s %s does not fit %s %s %s", op, an,
                      um_dtype_name(a->dt), nn_shape(a, sa), bn, b ? um_dtype_name(b->dt) : "",
                      b ? nn_shape(b, sb) : "");
}

/* ---- variables ---- */

int64_t nn_count(const struct um_var *x)
{
    int64_t n = 1;

    for (int i = 0; i < x->ndim; i++)
        n *= x->dim[i];
    return n;
}

int64_t nn_last(const struct um_var *x)
{
    return x->ndim ? x->dim[x->ndim - 1] : 1;
}

int64_t nn_rows(const struct um_var *x)
{
    int64_t n = 1;

    for (int i = 0; i + 1 < x->ndim; i++)
        n *= x->dim[i];
    return n;
}

char *nn_shape(const struct um_var *x, char buf[UM_SHAPE_TEXT])
{
    size_t n = 0;

    n += (size_t)snprintf(buf, UM_SHAPE_TEXT, "[");
    for (int i = 0; i < x->ndim && n < UM_SHAPE_TEXT; i++)
        n += (size_t)snprintf(buf + n, UM_SHAPE_TEXT - n, "%s%lld", i ? "," : "",
                              (long long)x->dim[i]);
    if (n < UM_SHAPE_TEXT)
        snprintf(buf + n, UM_SHAPE_TEXT - n, "]");
    return buf;
}

bool nn_same(const struct um_var *a, const struct um_var *b)
{
    return a->dt == b->dt && a->ndim == b->ndim &&
           memcmp(a->dim, b->dim, (size_t)a->ndim * sizeof a->dim[0]) == 0;
}

bool nn_float(enum um_dtype dt)
{
    return dt == UM_F32 || dt == UM_BF16;
}

/* a variable without data; refuses more than 4 dims and sizes that overflow */
static struct um_var *blank(struct um_nn *nn, enum um_dtype dt, int ndim, const int64_t *dim)
{
    struct um_var *v;
    int64_t        n = 1;

    if (nn->status < 0)
        return NULL;
    if (ndim < 0 || ndim > UM_VAR_DIM)
        return um_nn_fail(nn, UM_ESHAPE, "a variable of %d dims: at most %d", ndim, UM_VAR_DIM);
    for (int i = 0; i < ndim; i++)
        if (dim[i] < 0 || __builtin_mul_overflow(n, dim[i], &n))
            return um_nn_fail(nn, UM_ERANGE, "a variable with dim %lld", (long long)dim[i]);
    if (!(v = um_calloc_array(nn->arena, 1, sizeof *v)))
        return (void)nn_ok(nn, UM_ENOMEM, "variable"), NULL;
    v->dt   = dt;
    v->ndim = ndim;
    memcpy(v->dim, dim, (size_t)ndim * sizeof *dim);
    return v;
}

struct um_var *nn_var(struct um_nn *nn, enum um_dtype dt, int ndim, const int64_t *dim)
{
    struct um_var *v = blank(nn, dt, ndim, dim);

    if (!v || !(v->data = nn_alloc_elems(nn, nn_count(v), dt)))
        return NULL;
    return v;
}

struct um_var *nn_like(struct um_nn *nn, enum um_dtype dt, const struct um_var *x)
{
    return nn_var(nn, dt, x->ndim, x->dim);
}

struct um_var *um_nn_input(struct um_nn *nn, enum um_dtype dt, int ndim, const int64_t *dim,
                           const void *host)
{
    struct um_var *v = nn_var(nn, dt, ndim, dim);
    const size_t   n = v ? (size_t)nn_count(v) * um_dtype_size(dt) : 0;

    if (!v || (n && !nn_ok(nn, nn->k->upload(nn->dev, v->data, host, n), "input")))
        return NULL;
    return v;
}

struct um_var *um_nn_there(struct um_nn *nn, enum um_dtype dt, int ndim, const int64_t *dim,
                           const void *data)
{
    struct um_var *v = blank(nn, dt, ndim, dim);

    if (v)
        v->data = (void *)(uintptr_t)data;
    return v;
}

struct um_var *um_nn_keep(struct um_nn *nn, const struct um_var *x)
{
    struct um_var *v = nn_bad(nn, x) ? NULL : nn_like(nn, UM_F32, x);

    if (!v ||
        !nn_ok(nn, nn->k->cast(nn->dev, v->data, UM_F32, x->data, x->dt, nn_count(x)), "keep"))
        return NULL;
    return v;
}

struct um_var *um_nn_zeros(struct um_nn *nn, enum um_dtype dt, int ndim, const int64_t *dim)
{
    struct um_var *v = nn_var(nn, dt, ndim, dim);

    if (!v ||
        !nn_ok(nn, nn->k->zero(nn->dev, v->data, (size_t)nn_count(v) * um_dtype_size(dt)), "zeros"))
        return NULL;
    return v;
}

struct um_var *um_nn_param(struct um_nn *nn, struct um_params *ps, int index)
{
    const struct um_param *p;
    struct um_var         *v;

    if (nn->status < 0)
        return NULL;
    if (index < 0 || index >= ps->n)
        return um_nn_fail(nn, UM_EMISSING, "parameter %d of %d", index, ps->n);
    p = &ps->list[index];
    if (!ps->value)
        return um_nn_fail(nn, UM_EMISSING, "parameter %s has no value yet", p->name);
    if (!(v = blank(nn, UM_F32, p->ndim, p->dim)))
        return NULL;
    v->data  = ps->value + p->offset;
    v->param = true;
    v->needs = nn->grad && ps->grad && !p->buffer;
    v->grad  = v->needs ? ps->grad + p->offset : NULL;
    return nn_watch_use(nn, ps, index, v);
}

struct um_var *um_nn_param_named(struct um_nn *nn, struct um_params *ps, const char *name)
{
    const int i = um_params_find(ps, name);

    if (i < 0 && nn->status >= 0)
        return um_nn_fail(nn, UM_EMISSING, "no parameter %s", name);
    return um_nn_param(nn, ps, i);
}

const void *nn_as(struct um_nn *nn, const struct um_var *x, enum um_dtype dt)
{
    void *p;

    if (x->dt == dt)
        return x->data;
    p = nn_alloc_elems(nn, nn_count(x), dt);
    if (!p || !nn_ok(nn, nn->k->cast(nn->dev, p, dt, x->data, x->dt, nn_count(x)), "cast"))
        return NULL;
    return p;
}

/* ---- the tape ---- */

struct um_var *nn_record(struct um_nn *nn, struct um_var *y, nn_back *back, const void *op,
                         size_t size, bool needs)
{
    struct nn_node *node;
    void           *copy;

    if (!nn->grad || !needs)
        return y;
    node = um_alloc(nn->arena, sizeof *node);
    copy = um_alloc(nn->arena, size);
    if (!node || !copy)
        return (void)nn_ok(nn, UM_ENOMEM, "tape"), NULL;
    memcpy(copy, op, size);
    *node    = (struct nn_node){ .back = back, .op = copy, .y = y, .prev = nn->last };
    nn->last = node;
    y->needs = true;
    return y;
}

static int grad_new(struct um_nn *nn, const struct um_var *x, void **g)
{
    *g = nn_alloc_elems(nn, nn_count(x), x->dt);
    return *g ? UM_OK : nn->status;
}

int nn_grad_open(struct um_nn *nn, struct um_var *x, void **g)
{
    UM_TRY(grad_new(nn, x, g));
    if (!x->grad) {
        x->grad = *g;
        nn_own(nn, *g);
    }
    return UM_OK;
}

int nn_grad_close(struct um_nn *nn, struct um_var *x, void *g)
{
    if (g == x->grad)
        return UM_OK;
    return nn->k->add(nn->dev, x->dt, x->grad, x->grad, g, nn_count(x));
}

int nn_grad_sum(struct um_nn *nn, struct um_var *x, void **g)
{
    if (!x->grad) {
        UM_TRY(grad_new(nn, x, &x->grad));
        nn_own(nn, x->grad);
        UM_TRY(nn->k->zero(nn->dev, x->grad, (size_t)nn_count(x) * um_dtype_size(x->dt)));
    }
    *g = x->grad;
    return UM_OK;
}

int nn_grad_add(struct um_nn *nn, struct um_var *x, const void *g)
{
    const int64_t n = nn_count(x);

    if (x->grad)
        return nn->k->add(nn->dev, x->dt, x->grad, x->grad, g, n);
    UM_TRY(grad_new(nn, x, &x->grad));
    nn_own(nn, x->grad);
    return nn->k->cast(nn->dev, x->grad, x->dt, g, x->dt, n);
}

int nn_grad_give(struct um_nn *nn, struct um_var *x, const struct um_var *y)
{
    if (x->grad)
        return nn_grad_add(nn, x, y->grad);
    x->grad   = y->grad;
    nn->given = true;
    return UM_OK;
}

struct um_drop nn_drop(struct um_nn *nn, float p, uint64_t first)
{
    struct um_rng rng;
    uint64_t      hi;

    if (!nn->train || !(p > 0))
        return (struct um_drop){ 0, 0, 0 };
    rng = um_rng_at(nn->seed, UM_RNG_DROPOUT, nn->place++, (uint32_t)nn->step);
    hi  = um_rng_u32(&rng);
    return (struct um_drop){ p, hi << 32 | um_rng_u32(&rng), first };
}

/* what belongs to a node is given back once it was walked: its result's gradient, unless that was
 * passed on, and what its backward worked in */
int nn_walk(struct um_nn *nn)
{
    for (const struct nn_node *n = nn->last; n; n = n->prev) {
        if (!n->y->grad) /* the loss does not depend on it */
            continue;
        nn->given = false;
        UM_TRY(n->back(nn, n->op, n->y));
        if (!nn->given)
            nn_give_back(nn, n->y->grad);
        nn_give_back_scratch(nn);
    }
    return UM_OK;
}

int um_nn_backward(struct um_nn *nn, struct um_var *loss)
{
    const float one = 1;

    UM_TRY(um_nn_status(nn));
    if (!nn->grad || nn->walked)
        return um_fail(UM_EUNSUPPORTED, nn->grad ? "backward: the tape was walked already"
                                                 : "backward: no tape was recorded");
    if (!loss || loss->dt != UM_F32 || nn_count(loss) != 1)
        return um_fail(UM_ESHAPE, "backward: the loss is not one float");
    if (!loss->needs)
        return um_fail(UM_EMISSING, "backward: the loss depends on no parameter");
    nn->walked  = true;
    nn->walking = true;
    UM_TRY(grad_new(nn, loss, &loss->grad));
    nn_own(nn, loss->grad);
    UM_TRY(nn->k->upload(nn->dev, loss->grad, &one, sizeof one));
    (void)(nn_ok(nn, nn_watch_tell(nn, false), "backward") && nn_ok(nn, nn_walk(nn), "backward") &&
           nn_ok(nn, nn_watch_tell(nn, true), "backward"));
    nn->walking = false;
    return um_nn_status(nn);
}

/* x's data as float, on the device, in *data */
static int readable(struct um_nn *nn, const struct um_var *x, const void **data)
{
    UM_TRY(um_nn_status(nn));
    if (!x)
        return um_fail(UM_EMISSING, "read: no variable");
    if (!nn_float(x->dt))
        return um_fail(UM_EDTYPE, "read: a variable of %s", um_dtype_name(x->dt));
    return (*data = nn_as(nn, x, UM_F32)) ? UM_OK : um_nn_status(nn);
}

int um_nn_read(struct um_nn *nn, const struct um_var *x, float *host)
{
    const void *data;

    UM_TRY(readable(nn, x, &data));
    return nn->k->download(nn->dev, host, data, (size_t)nn_count(x) * sizeof *host);
}

int um_nn_fetch(struct um_nn *nn, const struct um_var *x, float *host)
{
    const void *data;

    UM_TRY(readable(nn, x, &data));
    UM_TRY(nn->k->fetch(nn->dev, host, data, (size_t)nn_count(x) * sizeof *host));
    return nn->k->mark ? nn->k->mark(nn->dev) : UM_OK;
}

int um_nn_wait(struct um_nn *nn)
{
    return nn->k->wait ? nn->k->wait(nn->dev) : nn->k->sync(nn->dev);
}
