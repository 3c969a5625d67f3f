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
    o->host    = calloc(n, sizeof *o->host);
    o->span    = calloc(n, sizeof *o->span);
    o->index   = calloc(n, sizeof *o->index);
    o->updates = calloc(n, sizeof *o->updates);
    if (!o->frozen || !o->host || !o->span || !o->index || !o->updates)
        st = um_fail(UM_ENOMEM, "out of memory");
    else if ((st = zeros(ps->dev, block, (void **)&o->m)) >= 0 &&
             (st = zeros(ps->dev, block, (void **)&o->u)) >= 0)
        st = zeros(ps->dev, n * sizeof *o->sums, (void **)&o->sums);
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
    void *const              block[] = { o->m, o->u, o->sums };

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

/* host[i] = |g| of span i; the length of all */
static int lengths(struct um_adamw *o, int n, double *norm)
{
    struct um_dev           *dev = o->ps->dev;
    const struct um_kernels *k   = um_dev_kernels(dev);
    double                   all = 0;

    UM_TRY(k->zero(dev, o->sums, (size_t)n * sizeof *o->sums));
    UM_TRY(k->sumsq(dev, o->sums, o->ps->grad, o->span, n));
    UM_TRY(k->sync(dev));
    UM_TRY(k->download(dev, o->host, o->sums, (size_t)n * sizeof *o->host));
    for (int i = 0; i < n; i++) {
        all += o->host[i];
        o->host[i] = sqrt(o->host[i]);
        if (!isfinite(o->host[i]))
            return um_fail(UM_ENONFINITE, "the gradient of %s is not finite",
                           o->ps->list[o->index[i]].name);
    }
    *norm = sqrt(all);
    return UM_OK;
}

/* the spans from .. to-1, which have had as many updates */
static int launch(struct um_adamw *o, int from, int to, double lr)
{
    const struct um_adamw_opts *p   = &o->opts;
    struct um_dev              *dev = o->ps->dev;

    return um_dev_kernels(dev)->adamw(dev, &(struct um_adam){ .w     = o->ps->value,
                                                              .m     = o->m,
                                                              .u     = o->u,
                                                              .g     = o->ps->grad,
                                                              .span  = o->span + from,
                                                              .spans = to - from,
                                                              .t     = o->updates[o->index[from]],
                                                              .lr    = (float)lr,
                                                              .b1    = (float)p->beta1,
                                                              .b2    = (float)p->beta2,
                                                              .eps   = (float)p->eps });
}

int um_adamw_step(struct um_adamw *o, double lr, struct um_update *done)
{
    const struct um_adamw_opts *p = &o->opts;
    const int                   n = spans(o);

    *done = (struct um_update){ 0 };
    UM_TRY(lengths(o, n, &done->norm));
    for (int i = 0; i < n; i++) {
        const double len = p->clip == UM_CLIP_GLOBAL ? done->norm : o->host[i];

        o->updates[o->index[i]]++;
        if (p->clip != UM_CLIP_NONE && len > p->max_norm) {
            o->span[i].gscale = (float)(p->max_norm / len);
            done->clipped++;
        }
    }
    for (int from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && o->updates[o->index[to]] == o->updates[o->index[from]];)
            to++;
        UM_TRY(launch(o, from, to, lr));
    }
    return UM_OK;
}
