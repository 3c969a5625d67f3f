/* adamw.c - one kernel call for all parameters: each is a span with its own decay and clip */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/adamw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int um_clip_parse(const char *text, struct um_adamw_opts *opts)
{
    const bool   global = strncmp(text, "global:", 7) == 0;
    const char  *at     = text + (global ? 7 : 0);
    char        *end;
    const double x = strtod(at, &end);

    if (end == at || *end || !isfinite(x) || !(x >= 0))
        return um_fail(UM_EUSAGE, "--clip %s: expected N, global:N or 0", text);
    opts->clip     = x == 0 ? UM_CLIP_NONE : global ? UM_CLIP_GLOBAL : UM_CLIP_TENSOR;
    opts->max_norm = x;
    return UM_OK;
}

static int zeros(struct um_dev *dev, size_t bytes, void **p)
{
    const struct um_kernels *k = um_dev_kernels(dev);

    UM_TRY(k->alloc(dev, bytes, p));
    return k->zero(dev, *p, bytes);
}

int um_adamw_new(struct um_adamw **out, struct um_params *ps, const struct um_adamw_opts *opts)
{
    const size_t     n = (size_t)ps->n + 1, block = (size_t)ps->total * sizeof(float);
    struct um_adamw *o = calloc(1, sizeof *o);
    int              st;

    if (!o)
        return um_fail(UM_ENOMEM, "out of memory");
    o->ps      = ps;
    o->opts    = *opts;
    o->frozen  = calloc(n, sizeof *o->frozen);
    o->host    = calloc(n + 1, sizeof *o->host);
    o->span    = calloc(n, sizeof *o->span);
    o->index   = calloc(n, sizeof *o->index);
    o->updates = calloc(n, sizeof *o->updates);
    if (!o->frozen || !o->host || !o->span || !o->index || !o->updates)
        st = um_fail(UM_ENOMEM, "out of memory");
    else if ((st = zeros(ps->dev, block, (void **)&o->m)) >= 0 &&
             (st = zeros(ps->dev, block, (void **)&o->u)) >= 0 &&
             (st = zeros(ps->dev, n * sizeof *o->sums, (void **)&o->sums)) >= 0)
        st = zeros(ps->dev, n * sizeof *o->factor, (void **)&o->factor);
    if (st < 0) {
        um_adamw_free(o);
        return st;
    }
    *out = o;
    return UM_OK;
}

void um_adamw_free(struct um_adamw *o)
{
    if (!o)
        return;
    const struct um_kernels *k       = um_dev_kernels(o->ps->dev);
    void *const              block[] = { o->m, o->u, o->sums, o->factor };

    for (size_t i = 0; i < sizeof block / sizeof *block; i++)
        if (block[i])
            k->free(o->ps->dev, block[i]);
    free(o->frozen);
    free(o->host);
    free(o->span);
    free(o->index);
    free(o->updates);
    free(o);
}

static bool updated(const struct um_adamw *o, int i)
{
    return !o->ps->list[i].buffer && !o->frozen[i];
}

/* the tensors that are updated, as spans; how many */
static int spans(struct um_adamw *o)
{
    int n = 0;

    for (int i = 0; i < o->ps->n; i++) {
        const struct um_param *p  = &o->ps->list[i];
        const double           wd = p->decay || o->opts.decay_all ? o->opts.weight_decay : 0;

        if (!updated(o, i))
            continue;
        o->index[n]  = i;
        o->span[n++] = (struct um_span){ p->offset, p->count, 1, (float)wd };
    }
    return n;
}

/* the spans from .. to-1, which have had as many updates */
static int launch(struct um_adamw *o, int from, int to, double lr)
{
    const struct um_adamw_opts *p   = &o->opts;
    struct um_dev              *dev = o->ps->dev;

    return um_dev_kernels(dev)->adamw(dev, &(struct um_adam){ .w      = o->ps->value,
                                                              .m      = o->m,
                                                              .u      = o->u,
                                                              .g      = o->ps->grad,
                                                              .span   = o->span + from,
                                                              .spans  = to - from,
                                                              .t      = o->updates[o->index[from]],
                                                              .lr     = (float)lr,
                                                              .b1     = (float)p->beta1,
                                                              .b2     = (float)p->beta2,
                                                              .eps    = (float)p->eps,
                                                              .factor = o->factor + from });
}

/* how much each gradient is shortened, on the device; the sums it is made of come to the host */
static int shorten(struct um_adamw *o)
{
    struct um_dev           *dev   = o->ps->dev;
    const struct um_kernels *k     = um_dev_kernels(dev);
    const bool               all   = o->opts.clip == UM_CLIP_GLOBAL;
    const double             most  = o->opts.clip == UM_CLIP_NONE ? INFINITY : o->opts.max_norm;
    const size_t             bytes = (size_t)o->spans * sizeof *o->sums;

    UM_TRY(k->zero(dev, o->sums, bytes));
    UM_TRY(k->sumsq(dev, o->sums, o->ps->grad, o->span, o->spans));
    UM_TRY(k->clip(dev, o->factor, o->sums, o->also, o->spans, all, most));
    o->host[o->spans] = 0;
    if (o->also)
        UM_TRY(k->fetch(dev, o->host + o->spans, o->also, sizeof *o->also));
    return k->fetch(dev, o->host, o->sums, bytes);
}

int um_adamw_start(struct um_adamw *o, double lr, const double *also)
{
    o->also  = also;
    o->spans = spans(o);
    UM_TRY(shorten(o));
    for (int i = 0; i < o->spans; i++)
        o->updates[o->index[i]]++;
    for (int from = 0, to; from < o->spans; from = to) {
        for (to = from + 1;
             to < o->spans && o->updates[o->index[to]] == o->updates[o->index[from]];)
            to++;
        UM_TRY(launch(o, from, to, lr));
    }
    return UM_OK;
}

void um_adamw_undo(struct um_adamw *o)
{
    for (int i = 0; i < o->spans; i++)
        o->updates[o->index[i]]--;
    o->spans = 0;
}

int um_adamw_finish(struct um_adamw *o, struct um_update *done)
{
    const int n   = o->spans;
    double    all = 0;

    *done = (struct um_update){ 0 };
    for (int i = 0; i <= n; i++)
        if (!isfinite(o->host[i])) {
            um_adamw_undo(o);
            return i < n ? um_fail(UM_ENONFINITE, "the gradient of %s is not finite",
                                   o->ps->list[o->index[i]].name)
                         : um_fail(UM_ENONFINITE, "the loss is not finite");
        }
    for (int i = 0; i < n; i++)
        all += o->host[i];
    done->norm = sqrt(all);
    for (int i = 0; i < n && o->opts.clip != UM_CLIP_NONE; i++)
        done->clipped +=
            (o->opts.clip == UM_CLIP_GLOBAL ? done->norm : sqrt(o->host[i])) > o->opts.max_norm;
    o->spans = 0;
    return UM_OK;
}

int um_adamw_step(struct um_adamw *o, double lr, struct um_update *done)
{
    UM_TRY(um_adamw_start(o, lr, NULL));
    UM_TRY(um_dev_kernels(o->ps->dev)->sync(o->ps->dev));
    return um_adamw_finish(o, done);
}
