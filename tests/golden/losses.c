/* losses.c - CLIP's loss through the projections; distillation over several steps */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "model/distill.h"
#include "tests/golden/golden.h"
#include "train/schedule.h"

static int run_clip(struct gold *g)
{
    struct um_var *v, *r, *L;

    UM_TRY(um_nn_begin(g->nn, true, true, 0, 0));
    v = um_model_project_vision(g->nn, g->m, UM_3D, gold_input(g, "cls"));
    r = um_model_project_text(g->nn, g->m, UM_3D, gold_input(g, "text"));
    L = um_model_contrastive(g->nn, g->m, v, r, NULL);
    UM_TRY(gold_judge_var(g, "vectors/v", v));
    UM_TRY(gold_judge_var(g, "vectors/r", r));
    UM_TRY(gold_judge_var(g, "loss/vl", L));
    UM_TRY(um_nn_backward(g->nn, L));
    UM_TRY(gold_judge_values(g, "statistics", g->m->ps));
    return gold_judge_gradients(g);
}

/* ---- distillation ---- */

enum { STEPS = 8 };

static const double MOMENTUM = 0.9;

/* a teacher whose head has the values in.teacher.NAME */
static int teacher_of(struct gold *g, struct um_model **m)
{
    static const char *const part[] = { "mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias",
                                        "mlp.4.weight", "mlp.4.bias", "last.weight_v" };

    UM_TRY(gold_student(g->dev, m));
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
        char                    in[64], name[64];
        const struct um_tensor *t;
        int                     k;

        (void)snprintf(in, sizeof in, "teacher.%s", part[i]);
        (void)snprintf(name, sizeof name, "head.%s", part[i]);
        k = um_params_find((*m)->ps, name);
        if (k < 0 || !(t = gold_in(g, in)))
            return um_fail(UM_EMISSING, "no %s", name);
        UM_TRY(um_dev_kernels(g->dev)->upload(g->dev, (*m)->ps->value + (*m)->ps->list[k].offset,
                                              t->data,
                                              (size_t)(*m)->ps->list[k].count * sizeof(float)));
    }
    return um_dev_kernels(g->dev)->sync(g->dev);
}

static int judge_logits(struct gold *g, struct um_model *teacher, int64_t step)
{
    struct um_var *z, *zt;

    UM_TRY(um_nn_begin(g->nn, false, false, 0, 0));
    z  = um_model_head(g->nn, g->m, gold_part(g, "y", step));
    zt = um_model_head(g->nn, teacher, gold_part(g, "yt", step));
    UM_TRY(gold_judge_var(g, "logits/z", z));
    return gold_judge_var(g, "logits/zt", zt);
}

/* step t is the first of epoch t: losses, gradients, centres, teacher */
static int distill_step(struct gold *g, struct um_model *teacher, struct um_params *centres,
                        int64_t t, float *icl, float *pcl)
{
    const struct um_distill_opts o = { .tau_s = 0.1f,
                                       .tau_t = (float)um_schedule_ramp(0.04, 0.07, 5, t) };
    struct um_distilled          d;
    struct um_var               *L;

    UM_TRY(um_params_zero_grad(g->m->ps));
    UM_TRY(um_nn_begin(g->nn, true, true, 0, 0));
    um_model_distill(g->nn, g->m, gold_part(g, "y", t), teacher, gold_part(g, "yt", t), centres, &o,
                     &d);
    L = um_weighted_sum(g->nn, (struct um_var *const[]){ d.icl, d.pcl }, (float[]){ 1, 1 }, 2);
    UM_TRY(um_nn_status(g->nn));
    UM_TRY(um_nn_read(g->nn, d.icl, icl));
    UM_TRY(um_nn_read(g->nn, d.pcl, pcl));
    UM_TRY(um_nn_backward(g->nn, L));
    UM_TRY(um_model_follow(centres, 0, d.zmean));
    if (t == STEPS - 1)
        UM_TRY(judge_logits(g, teacher, t));
    return um_dev_kernels(g->dev)->lerp(g->dev, teacher->ps->value, g->m->ps->value,
                                        (float)(1 - um_schedule_momentum(MOMENTUM, t, STEPS)),
                                        teacher->ps->total);
}

static int distill(struct gold *g, struct um_model *teacher, struct um_params *centres)
{
    float icl[STEPS], pcl[STEPS];

    for (int64_t t = 0; t < STEPS; t++)
        UM_TRY(distill_step(g, teacher, centres, t, &icl[t], &pcl[t]));
    UM_TRY(gold_judge(g, "losses/icl", icl, STEPS));
    UM_TRY(gold_judge(g, "losses/pcl", pcl, STEPS));
    UM_TRY(gold_judge_values(g, "centres", centres));
    UM_TRY(gold_judge_values(g, "teacher", teacher->ps));
    return gold_judge_gradients(g);
}

static int run_distill(struct gold *g)
{
    struct um_model  *teacher = NULL;
    struct um_params *centres = NULL;
    int               st      = teacher_of(g, &teacher);

    if (st >= 0 && (st = um_model_centres(&centres, g->dev, &g->m->cfg, false)) >= 0)
        st = distill(g, teacher, centres);
    um_params_free(centres);
    um_model_free(teacher);
    return st;
}

const struct gold_case gold_losses[] = { { "clip", true, run_clip },
                                         { "distill", true, run_distill },
                                         { NULL, false, NULL } };
