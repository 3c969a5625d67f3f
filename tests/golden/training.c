/* training.c - twenty updates of AdamW under its schedule; twenty steps of the whole student */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "model/distill.h"
#include "tests/golden/golden.h"
#include "train/adamw.h"
#include "train/schedule.h"

enum { STEPS = 20 };

static struct um_schedule plan(double peak)
{
    return (struct um_schedule){ 1e-8, peak, um_schedule_warmup(0.4, STEPS), STEPS };
}

static const struct um_adamw_opts PLAIN = {
    .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.05, .clip = UM_CLIP_NONE
};

/* ---- updates alone ---- */

enum { PARTS = 4, MOST = 64 };

static const struct {
    const char *name;
    bool        decay;
} parts[PARTS] = {
    { "matrix.weight", true }, { "kernel.weight", true }, { "matrix.bias", false }, { "pos", false }
};

/* the parameters w.NAME with their gradients of step t, g.NAME */
static int declare(struct gold *g, struct um_params *ps)
{
    const struct um_kernels *k = um_dev_kernels(g->dev);

    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < PARTS; i++) {
            char                    name[GOLD_NAME];
            const struct um_tensor *t;
            int                     st;

            snprintf(name, sizeof name, "w.%s", parts[i].name);
            if (!(t = gold_in(g, name)))
                return UM_EMISSING;
            st = pass == 0 ? um_params_add(ps, parts[i].name, t->ndim, t->dim, UM_INIT_ZERO, 0,
                                           parts[i].decay)
                           : k->upload(g->dev, ps->value + ps->list[i].offset, t->data,
                                       (size_t)ps->list[i].count * sizeof(float));
            UM_TRY(st);
        }
        if (pass == 0)
            UM_TRY(um_params_grad(ps));
        if (pass == 0)
            UM_TRY(um_params_alloc(ps));
    }
    return k->sync(g->dev);
}

static int update(struct gold *g, struct um_adamw *o, int64_t t, double lr,
                  float after[PARTS][STEPS * MOST])
{
    const struct um_params  *ps = o->ps;
    const struct um_kernels *k  = um_dev_kernels(g->dev);
    struct um_update         done;

    for (int i = 0; i < PARTS; i++) {
        const int64_t           n = ps->list[i].count;
        char                    name[GOLD_NAME];
        const struct um_tensor *x;

        snprintf(name, sizeof name, "g.%s", parts[i].name);
        if (!(x = gold_in(g, name)))
            return UM_EMISSING;
        UM_TRY(k->upload(g->dev, ps->grad + ps->list[i].offset, (const float *)x->data + t * n,
                         (size_t)n * sizeof(float)));
    }
    UM_TRY(um_adamw_step(o, lr, &done));
    UM_TRY(k->sync(g->dev));
    for (int i = 0; i < PARTS; i++) {
        const int64_t n = ps->list[i].count;

        if (n > MOST)
            return um_fail(UM_ERANGE, "%s has %lld values", parts[i].name, (long long)n);
        UM_TRY(k->download(g->dev, after[i] + t * n, ps->value + ps->list[i].offset,
                           (size_t)n * sizeof(float)));
    }
    return UM_OK;
}

static int updates(struct gold *g, struct um_adamw *o)
{
    static float             after[PARTS][STEPS * MOST];
    const struct um_schedule s = plan(0.03);
    float                    lr[STEPS];

    for (int64_t t = 0; t < STEPS; t++) {
        lr[t] = (float)um_schedule_lr(&s, t);
        UM_TRY(update(g, o, t, um_schedule_lr(&s, t), after));
    }
    UM_TRY(gold_judge(g, "rates/lr", lr, STEPS));
    for (int i = 0; i < PARTS; i++) {
        char name[GOLD_NAME];

        snprintf(name, sizeof name, "parameters/%s", parts[i].name);
        UM_TRY(gold_judge(g, name, after[i], STEPS * o->ps->list[i].count));
    }
    return UM_OK;
}

static int run_adamw(struct gold *g)
{
    struct um_params *ps;
    struct um_adamw  *o = NULL;
    int               st;

    UM_TRY(um_params_new(&ps, g->dev));
    if ((st = declare(g, ps)) >= 0 && (st = um_adamw_new(&o, ps, &PLAIN)) >= 0)
        st = updates(g, o);
    um_adamw_free(o);
    um_params_free(ps);
    return st;
}

/* ---- the whole student ---- */

struct run {
    struct gold      *g;
    struct um_model  *teacher;
    struct um_params *centres;
    struct um_adamw  *optim;
    float             loss[3][STEPS]; /* L_vl, L_icl, L_pcl */
};

/* input `name` of batch k */
static const struct um_tensor *batch(const struct run *r, const char *name, int64_t k)
{
    char full[GOLD_NAME];

    snprintf(full, sizeof full, "%s%d", name, (int)k);
    return gold_in(r->g, full);
}

/* the three losses of batch k: images and volumes in turn */
static int losses(struct run *r, int64_t k, struct um_var *L[3], struct um_distilled *d)
{
    const struct um_distill_opts o   = { .tau_s = 0.1f, .tau_t = 0.04f };
    const enum um_modality       mod = k % 2 ? UM_3D : UM_2D;
    struct um_nn                *nn  = r->g->nn;
    struct um_model             *m   = r->g->m;
    const struct um_tensor      *x = batch(r, "x", k), *ids = batch(r, "ids", k);
    const struct um_tensor      *mask = batch(r, "mask", k);
    struct um_var               *in, *y, *h;

    if (!x || !ids || !mask)
        return UM_EMISSING;
    in   = um_nn_input(nn, UM_F32, x->ndim, x->dim, x->data);
    y    = um_model_vision(nn, m, mod, in, NULL);
    h    = um_model_text(nn, m, ids->dim[0], ids->dim[1], ids->data, mask->data);
    L[0] = um_model_contrastive(nn, m,
                                um_model_project_vision(nn, m, mod, um_slice_tokens(nn, y, 0, 1)),
                                um_model_project_text(nn, m, mod, h), NULL);
    um_model_distill(nn, m, y, r->teacher, um_model_vision(nn, r->teacher, mod, in, NULL),
                     r->centres, &o, d);
    L[1] = d->icl;
    L[2] = d->pcl;
    return um_nn_status(nn);
}

static int step(struct run *r, int64_t t)
{
    const struct um_schedule s  = plan(2e-3);
    struct um_nn            *nn = r->g->nn;
    struct um_model         *m  = r->g->m;
    struct um_var           *L[3];
    struct um_distilled      d;
    struct um_update         done;

    UM_TRY(um_params_zero_grad(m->ps));
    UM_TRY(um_nn_begin(nn, true, true, 0, 0));
    UM_TRY(losses(r, t % 4, L, &d));
    for (int i = 0; i < 3; i++)
        UM_TRY(um_nn_read(nn, L[i], &r->loss[i][t]));
    UM_TRY(um_nn_backward(nn, um_weighted_sum(nn, L, (float[]){ 1, 1, 1 }, 3)));
    UM_TRY(um_adamw_step(r->optim, um_schedule_lr(&s, t), &done));
    UM_TRY(um_model_clamp(m));
    UM_TRY(um_model_follow(r->centres, 0, d.zmean));
    return um_dev_kernels(r->g->dev)->lerp(r->g->dev, r->teacher->ps->value, m->ps->value,
                                           (float)(1 - um_schedule_momentum(0.996, t, STEPS)),
                                           m->ps->total);
}

static int steps(struct run *r)
{
    UM_TRY(gold_student(r->g->dev, &r->teacher));
    UM_TRY(um_model_centres(&r->centres, r->g->dev, &r->g->m->cfg, false));
    UM_TRY(um_adamw_new(&r->optim, r->g->m->ps, &PLAIN));
    for (int64_t t = 0; t < STEPS; t++)
        UM_TRY(step(r, t));
    UM_TRY(gold_judge_each(r->g, "curve/vl", r->loss[0], STEPS));
    UM_TRY(gold_judge_each(r->g, "curve/icl", r->loss[1], STEPS));
    return gold_judge_each(r->g, "curve/pcl", r->loss[2], STEPS);
}

static int run_curve(struct gold *g)
{
    struct run r  = { .g = g };
    const int  st = steps(&r);

    um_adamw_free(r.optim);
    um_params_free(r.centres);
    um_model_free(r.teacher);
    return st;
}

const struct gold_case gold_training[] = { { "adamw", false, run_adamw },
                                           { "curve", false, run_curve },
                                           { NULL, false, NULL } };
