/* step.c - a step: a batch at once or in parts, and what is known at its end */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/step_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- setting up ---- */

void um_step_leave(struct um_step *s)
{
    if (!s)
        return;
    um_reduce_free(s->reduce);
    s->reduce = NULL;
}

void um_step_free(struct um_step *s)
{
    if (!s)
        return;
    um_step_leave(s);
    um_late_free(s->late);
    um_nn_free(s->looker.nn);
    um_nn_free(s->nn);
    um_nn_free(s->reader);
    um_nn_free(s->keeper);
    um_contrast_free(s->contrast);
    um_means_free(s->means);
    um_arena_free(s->arena);
    free(s);
}

static int make_means(struct um_step *s)
{
    if (!um_method_distils(s->o.method))
        return UM_OK;
    if (s->o.m->cfg.prototypes < 1 || !s->o.teacher || !s->o.centres)
        return um_fail(UM_EMISSING, "self-distillation without a head, a teacher or centres");
    return um_means_new(&s->means, s->o.m->ps->dev, s->o.m->cfg.prototypes);
}

/* projections and theta have the gradient of the whole batch on every rank */
static bool alike(const void *user, const struct um_param *p)
{
    (void)user;
    return strncmp(p->name, "proj.", 5) == 0 || strcmp(p->name, "logit_scale") == 0;
}

/* in no loss of this method */
static bool unused(const void *user, const struct um_param *p)
{
    const struct um_method *o = user;

    return (o->freeze_text && strncmp(p->name, "text.", 5) == 0) ||
           (!um_method_distils(o) && strncmp(p->name, "head.", 5) == 0);
}

static int make_reduce(struct um_step *s)
{
    if (um_ranks_size(s->o.ranks) == 1)
        return UM_OK;
    return um_reduce_new(&s->reduce, &(struct um_reduce_opts){ .ranks  = s->o.ranks,
                                                               .ps     = s->o.m->ps,
                                                               .nn     = s->nn,
                                                               .shared = alike,
                                                               .unused = unused,
                                                               .user   = s->o.method,
                                                               .bucket = s->o.bucket });
}

int um_step_new(struct um_step **out, const struct um_step_opts *o)
{
    struct um_dev          *dev   = o->m->ps->dev;
    const struct um_nn_opts nn    = { .dtype = o->precision, .recompute = o->recompute };
    const struct um_nn_opts plain = { .dtype = o->precision };
    struct um_step         *s     = calloc(1, sizeof *s);
    int                     st;

    *out = NULL;
    if (!s)
        return um_fail(UM_ENOMEM, "out of memory");
    s->o      = *o;
    s->looker = (struct um_looker){
        .m = o->m, .teacher = o->teacher, .method = o->method, .seed = o->seed
    };
    if ((st = um_arena_new(&s->arena)) < 0 || (st = um_late_new(&s->late, dev)) < 0 ||
        (st = um_nn_new(&s->nn, dev, &nn)) < 0 ||
        (st = um_nn_new(&s->looker.nn, dev, &plain)) < 0 ||
        (o->method->freeze_text && (st = um_nn_new(&s->reader, dev, &plain)) < 0) ||
        (st = um_nn_new(&s->keeper, dev, &plain)) < 0 ||
        (st = um_contrast_new(&s->contrast, o->m, o->precision, o->most)) < 0 ||
        (st = make_means(s)) < 0 || (st = make_reduce(s)) < 0) {
        um_step_free(s);
        return st;
    }
    *out = s;
    return UM_OK;
}

const char *um_step_note(const struct um_step *s)
{
    return s->reduce ? um_reduce_why(s->reduce) : "";
}

size_t um_step_peak(const struct um_step *s)
{
    return um_nn_peak(s->nn) + um_nn_peak(s->looker.nn) + um_nn_peak(s->keeper) +
           (s->reader ? um_nn_peak(s->reader) : 0);
}

size_t um_step_held(const struct um_step *s)
{
    return um_nn_held(s->nn) + um_nn_held(s->looker.nn) + um_nn_held(s->keeper) +
           (s->reader ? um_nn_held(s->reader) : 0);
}

/* ---- a batch at once ---- */

static int run_whole(struct um_step *s, const struct um_batch *b)
{
    const struct um_method *o = s->o.method;
    struct pass             x = { .part = { b, 0, b->n } };
    struct um_var          *y[UM_VIEWS], *v, *r, *vl;

    UM_TRY(step_freeze(s, &x));
    UM_TRY(step_look(s, &x, true));
    step_encode(s, &x, y);
    if (x.seen[0])
        UM_TRY(step_distil(s, &x, y));
    v  = um_model_project_vision(s->nn, s->o.m, b->mod, x.cls);
    r  = um_model_project_text(s->nn, s->o.m, b->mod, x.text);
    vl = um_contrast_loss(s->nn, s->o.m, v, r, o->same_text ? b->text : NULL, 1);
    UM_TRY(um_nn_status(s->nn));
    UM_TRY(step_later(s, vl, &s->sum.vl, 1));
    UM_TRY(step_note(s, &x, 1));
    struct um_var *const term[] = { vl, x.icl, x.pcl };
    const float          w[]    = { 1, (float)o->lambda_icl, (float)o->lambda_pcl };

    return um_nn_backward(s->nn, step_total(s->nn, term, w, 3));
}

/* ---- sums over ranks ---- */

static int reduce(struct um_step *s)
{
    double part[] = { s->sum.icl, s->sum.pcl };

    UM_TRY(um_ranks_sum_double(s->o.ranks, part, 2));
    s->sum.icl = part[0], s->sum.pcl = part[1];
    if (s->means)
        UM_TRY(um_means_share(s->means, s->o.ranks, s->reduce));
    return um_reduce_end(s->reduce);
}

/* ---- the step ---- */

int um_step_begin(struct um_step *s, int64_t step, int64_t epoch)
{
    if (s->reduce)
        UM_TRY(um_reduce_drop(s->reduce));
    s->step   = step;
    s->epoch  = epoch;
    s->sum    = (struct um_losses){ 0 };
    s->batch  = -1;
    s->closed = false;
    if (s->means)
        um_means_begin(s->means);
    UM_TRY(um_late_begin(s->late));
    return um_params_zero_grad(s->o.m->ps);
}

/* what an earlier batch of the step did comes first */
static int earlier(struct um_step *s, int st)
{
    char text[UM_ERRMSG_MAX];

    (void)snprintf(text, sizeof text, "%s", um_errmsg());
    if (um_late_bad(s->late) < 0 && um_ranks_size(s->o.ranks) == 1) {
        UM_TRY(um_dev_kernels(s->o.m->ps->dev)->sync(s->o.m->ps->dev));
        UM_TRY(step_settle(s));
        um_seterrmsg(text);
    }
    return st;
}

int um_step_add(struct um_step *s, const struct um_batch *b)
{
    int st;

    s->batch++;
    um_arena_reset(s->arena);
    st = s->o.parts > 1 || um_ranks_size(s->o.ranks) > 1 ? step_parts(s, b) : run_whole(s, b);
    return st == UM_ENONFINITE ? earlier(s, st) : st;
}

int um_step_close(struct um_step *s)
{
    const bool shared = um_ranks_size(s->o.ranks) > 1;

    s->closed = true;
    if (shared) {
        UM_TRY(um_dev_kernels(s->o.m->ps->dev)->sync(s->o.m->ps->dev));
        UM_TRY(um_ranks_agree(s->o.ranks, step_settle(s)));
        UM_TRY(reduce(s));
        UM_TRY(step_finite(&s->sum));
    }
    return s->means ? um_means_close(s->means) : UM_OK;
}

const double *um_step_health(const struct um_step *s)
{
    return um_ranks_size(s->o.ranks) > 1 ? NULL : um_late_health(s->late);
}

int um_step_blame(const struct um_step *s)
{
    const int bad = um_late_bad(s->late);

    return bad >= 0 ? bad : s->batch;
}

int um_step_end(struct um_step *s, struct um_losses *out)
{
    const struct um_method *o = s->o.method;

    if (!s->closed)
        UM_TRY(um_step_close(s));
    UM_TRY(um_dev_kernels(s->o.m->ps->dev)->sync(s->o.m->ps->dev));
    UM_TRY(step_settle(s));
    *out      = s->sum;
    out->loss = out->vl;
    if (um_method_distils(o))
        out->loss += o->lambda_icl * out->icl;
    if (um_method_patches(o))
        out->loss += o->lambda_pcl * out->pcl;
    out->icl = um_method_distils(o) ? out->icl : NAN;
    out->pcl = um_method_patches(o) ? out->pcl : NAN;
    for (int i = 0; i < 2; i++) {
        out->sure[i] = out->spread[i] = NAN;
        if (s->means)
            um_means_entropy(s->means, i, &out->sure[i], &out->spread[i]);
    }
    return UM_OK;
}

int um_step_follow(struct um_step *s, double momentum)
{
    if (s->o.teacher)
        UM_TRY(um_model_teach(s->o.teacher, s->o.m, 1 - momentum));
    return s->means ? um_means_follow(s->means, s->o.centres) : UM_OK;
}
