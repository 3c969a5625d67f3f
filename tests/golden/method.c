/* method.c - twenty steps of the whole method as um-train takes them, whole and in two parts,
 * against tests/oracle/unimedi.py; tests/oracle/golden_method.py says what is in the files */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/distill.h"
#include "tests/golden/golden.h"
#include "train/adamw.h"
#include "train/schedule.h"
#include "train/step.h"

enum { STEPS = 20, MOST = 8, MODS = UM_3D + 1, ZS = 512, TOKENS = 2048 };

/* what a file's `args` say */
struct setting {
    struct um_method     method;
    struct um_adamw_opts optim;
    bool                 joint;
};

/* a batch's memory */
struct pairs {
    struct um_batch b;
    float          *x;
    uint64_t        text[MOST], patient[MOST];
    int32_t         rows[MOST];
    const char     *key[MOST];
};

/* one number a step, in the order of `column` */
enum { LOSS, VL, ICL, PCL, TEMPERATURE, SURE, SURE_P, SPREAD, SPREAD_P, CURVES };
enum { NORM = CURVES, LR, PACE, CLIPPED, COLUMNS };
static const char *const column[COLUMNS] = {
    "curve/loss",
    "curve/vl",
    "curve/icl",
    "curve/pcl",
    "curve/temperature",
    "curve/entropy_cls",
    "curve/entropy_patch",
    "curve/entropy_mean_cls",
    "curve/entropy_mean_patch",
    "gradient/norm",
    "rates/lr",
    "rates/pace",
    "rates/clipped",
};

struct run {
    struct gold      *g;
    struct setting    of;
    struct um_model  *m, *teacher;
    struct um_params *centres;
    struct um_adamw  *optim;
    struct um_step   *step;
    float            *start; /* the weights' initial values */
    struct pairs      pairs[MODS];
    int64_t           t;
    float             log[COLUMNS][STEPS];
    /* what was chosen: rows of slices of every step; tokens kept in the first batch of each */
    float   z[ZS], kept[MODS][TOKENS];
    int64_t zs, tokens[MODS], seen[MODS]; /* how many; samples so far */
};

/* ---- batches ---- */

static const struct um_tensor *input(const struct run *r, const char *name, int mod)
{
    char full[GOLD_NAME];

    snprintf(full, sizeof full, "%s%s", name, mod == UM_2D ? "2d" : "3d");
    return gold_in(r->g, full);
}

/* equal reports have equal numbers: that of the first of them */
static uint64_t report(const struct um_tensor *ids, int64_t i)
{
    const int32_t *id = ids->data;
    const int64_t  T  = ids->dim[1];
    int64_t        j  = 0;

    while (memcmp(id + i * T, id + j * T, (size_t)T * sizeof *id) != 0)
        j++;
    return (uint64_t)j;
}

static int read_pairs(struct run *r, int mod)
{
    const struct um_tensor *x = input(r, "x", mod), *ids = input(r, "ids", mod);
    const struct um_tensor *mask = input(r, "mask", mod);
    struct pairs           *p    = &r->pairs[mod];
    int64_t                 n    = 1;

    if (!x || !ids || !mask)
        return UM_EMISSING;
    for (int i = 0; i < x->ndim; i++)
        n *= x->dim[i];
    if (x->dim[0] > MOST)
        return um_fail(UM_ERANGE, "a batch of %lld", (long long)x->dim[0]);
    if (!(p->x = malloc((size_t)n * sizeof *p->x)))
        return um_fail(UM_ENOMEM, "out of memory");
    for (int64_t i = 0; i < n; i++)
        p->x[i] = (float)((const uint8_t *)x->data)[i] / 255.0f;
    for (int64_t i = 0; i < x->dim[0]; i++) {
        p->text[i] = report(ids, i);
        p->key[i]  = "";
        for (int64_t k = 0; k < ids->dim[1]; k++)
            p->rows[i] += ((const uint8_t *)mask->data)[i * ids->dim[1] + k];
    }
    p->b = (struct um_batch){ .mod     = (enum um_modality)mod,
                              .N       = x->dim[0],
                              .n       = x->dim[0],
                              .length  = ids->dim[1],
                              .x       = p->x,
                              .ids     = ids->data,
                              .mask    = mask->data,
                              .rows    = p->rows,
                              .text    = p->text,
                              .patient = p->patient,
                              .key     = p->key };
    return UM_OK;
}

/* ---- what is chosen: a part's slices and tokens ---- */

static int note(void *user, const struct um_part *p, const struct um_view *v)
{
    struct run   *r     = user;
    const int     mod   = (int)v->mod;
    const bool    first = r->seen[mod] < p->b->N;
    const int64_t nz = v->n * v->K, nt = v->n * v->T;

    r->seen[mod] += v->n;
    if (r->zs + nz > ZS || (first && r->tokens[mod] + nt > TOKENS))
        return um_fail(UM_ERANGE, "%lld slices, %lld tokens", (long long)nz, (long long)nt);
    for (int64_t i = 0; i < nz; i++)
        r->z[r->zs++] = (float)v->z[i];
    for (int64_t i = 0; first && i < nt; i++)
        r->kept[mod][r->tokens[mod]++] = !v->masked[i];
    return UM_OK;
}

/* ---- the steps ---- */

/* X-rays and volumes in turn; joint: both at once, which an epoch has one of */
static int one_step(struct run *r)
{
    const struct um_method  *o    = &r->of.method;
    const struct um_schedule plan = { 1e-8, 5e-4, um_schedule_warmup(0.4, STEPS), STEPS };
    const int64_t            t = r->t, per_epoch = r->of.joint ? 1 : 2, epoch = t / per_epoch;
    const double     lr = um_schedule_lr(&plan, t), m = um_schedule_momentum(o->ema, t, STEPS);
    struct um_losses l;
    struct um_update done;
    float            theta;

    r->optim->frozen[um_params_find(r->m->ps, "head.last.weight_v")] = epoch == 0;
    UM_TRY(um_step_begin(r->step, t, epoch));
    if (r->of.joint || t % 2 == 0)
        UM_TRY(um_step_add(r->step, &r->pairs[UM_2D].b));
    if (r->of.joint || t % 2 == 1)
        UM_TRY(um_step_add(r->step, &r->pairs[UM_3D].b));
    UM_TRY(um_step_end(r->step, &l));
    UM_TRY(um_model_theta(r->m, &theta));
    UM_TRY(um_adamw_step(r->optim, lr, &done));
    UM_TRY(um_model_clamp(r->m));
    UM_TRY(um_step_follow(r->step, m));
    const double now[COLUMNS] = { l.loss,
                                  l.vl,
                                  l.icl,
                                  l.pcl,
                                  exp(-(double)theta),
                                  l.sure[0],
                                  l.sure[1],
                                  l.spread[0],
                                  l.spread[1],
                                  done.norm,
                                  lr,
                                  1 - m,
                                  (double)done.clipped };

    for (int i = 0; i < COLUMNS; i++)
        r->log[i][t] = (float)now[i];
    return UM_OK;
}

static int fetch(const struct um_params *ps, float **host)
{
    const struct um_kernels *k = um_dev_kernels(ps->dev);
    const size_t             n = (size_t)ps->total * sizeof **host;

    if (!(*host = malloc(n)))
        return um_fail(UM_ENOMEM, "out of memory");
    UM_TRY(k->sync(ps->dev));
    return k->download(ps->dev, *host, ps->value, n);
}

static int begin(struct run *r, int64_t parts)
{
    struct um_dev *dev = r->g->dev;

    UM_TRY(read_pairs(r, UM_2D));
    UM_TRY(read_pairs(r, UM_3D));
    UM_TRY(um_model_load(&r->m, dev, "tests/golden/method-start.safetensors", NULL));
    UM_TRY(fetch(r->m->ps, &r->start));
    UM_TRY(um_model_teacher(&r->teacher, r->m));
    UM_TRY(um_model_centres(&r->centres, dev, &r->m->cfg, r->of.method.centres));
    UM_TRY(um_params_grad(r->m->ps));
    UM_TRY(um_adamw_new(&r->optim, r->m->ps, &r->of.optim));
    return um_step_new(&r->step, &(struct um_step_opts){ .m         = r->m,
                                                         .teacher   = r->teacher,
                                                         .centres   = r->centres,
                                                         .method    = &r->of.method,
                                                         .precision = r->g->dt,
                                                         .parts     = parts,
                                                         .most      = MOST,
                                                         .chosen    = note,
                                                         .user      = r });
}

/* ---- results ---- */

/* how far the values of ps that the file has went from the start */
static int judge_way(struct run *r, const char *group, const struct um_params *ps)
{
    float *x  = NULL;
    int    st = fetch(ps, &x);

    for (int i = 0; i < ps->n && st >= 0; i++) {
        const struct um_param *p    = &ps->list[i];
        const int              from = um_params_find(r->m->ps, p->name);
        char                   name[GOLD_NAME];

        for (int64_t k = 0; k < p->count; k++)
            x[p->offset + k] -= r->start[r->m->ps->list[from].offset + k];
        snprintf(name, sizeof name, "%s/%s", group, p->name);
        if (um_safetensors_find(r->g->file, name))
            st = gold_judge(r->g, name, x + p->offset, p->count);
    }
    free(x);
    return st;
}

static int judge(struct run *r)
{
    for (int i = 0; i < COLUMNS; i++)
        UM_TRY(i < CURVES ? gold_judge_each(r->g, column[i], r->log[i], STEPS)
                          : gold_judge(r->g, column[i], r->log[i], STEPS));
    UM_TRY(gold_judge(r->g, "chosen/z", r->z, r->zs));
    UM_TRY(gold_judge(r->g, "chosen/kept2d", r->kept[UM_2D], r->tokens[UM_2D]));
    UM_TRY(gold_judge(r->g, "chosen/kept3d", r->kept[UM_3D], r->tokens[UM_3D]));
    UM_TRY(gold_judge_values(r->g, "centres", r->centres));
    UM_TRY(gold_judge_values(r->g, "statistics", r->m->ps));
    UM_TRY(judge_way(r, "way", r->m->ps));
    return judge_way(r, "teacher", r->teacher->ps);
}

static void end(struct run *r)
{
    um_step_free(r->step);
    um_adamw_free(r->optim);
    um_params_free(r->centres);
    um_model_free(r->teacher);
    um_model_free(r->m);
    free(r->start);
    free(r->pairs[UM_2D].x);
    free(r->pairs[UM_3D].x);
    free(r);
}

static struct setting setting_of(const char *file)
{
    struct setting    s = { .method = UM_METHOD_INIT, .optim = UM_ADAMW_INIT };
    struct um_method *o = &s.method;

    o->ema = 0.9;
    if (strncmp(file, "method-drop", 11) == 0) {
        o->drop = o->centres = o->full = o->same_text = true;
        o->slices                                     = 2;
        o->lambda_icl = 0.5, o->lambda_pcl = 2;
        o->tau_to = 0.07, o->tau_epochs = 6;
        s.optim.max_norm = 0.5;
    } else if (strncmp(file, "method-joint", 12) == 0) {
        s.joint = o->spread = true;
        o->slices           = 3;
        o->keep.share       = 0.3;
    }
    return s;
}

static int run(struct gold *g, int64_t parts)
{
    struct run *r = calloc(1, sizeof *r);
    int         st;

    if (!r)
        return um_fail(UM_ENOMEM, "out of memory");
    r->g  = g;
    r->of = setting_of(g->of->name);
    st    = begin(r, parts);
    for (; r->t < STEPS && st >= 0; r->t++)
        st = one_step(r);
    if (st >= 0)
        st = judge(r);
    end(r);
    return st;
}

static int run_whole(struct gold *g)
{
    return run(g, 1);
}

static int run_parts(struct gold *g)
{
    return run(g, 2);
}

const struct gold_case gold_method[] = { { "method", false, run_whole },
                                         { "method in parts", false, run_parts },
                                         { "method-drop", false, run_whole },
                                         { "method-drop in parts", false, run_parts },
                                         { "method-joint", false, run_whole },
                                         { "method-joint in parts", false, run_parts },
                                         { NULL, false, NULL } };
