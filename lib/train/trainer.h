/* trainer.h - a run in progress, shared by the files that make it up */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TRAIN_TRAINER_H
#define UM_TRAIN_TRAINER_H

#include "load/loader.h"
#include "train/checkpoint.h"
#include "train/pretrain.h"
#include "train/schedule.h"
#include "train/step.h"

struct trainer {
    struct um_data                 *d;
    const struct um_pretrain_opts  *o;
    const struct um_pretrain_hooks *hooks;

    struct um_training now; /* model, teacher, centres, optimiser */
    struct um_step    *step;
    struct um_arena   *arena;
    struct um_sampler  sampler;
    struct um_loader  *loader;
    struct um_runlog  *log;
    struct um_schedule lr;
    struct um_guard   *guard;
    const char       **meta; /* what a resumed run must agree with; part of the weights */
    struct um_state    state;
    int64_t            steps, per_epoch;
    int64_t            saved; /* step of the newest checkpoint, -1: none */
    int64_t            pairs; /* since the last timing line */
    int64_t            skips; /* steps passed over in a row */
    /* steps of each modality in a row that look like either collapse; joint ones count as 2D */
    int64_t uniform[UM_MODALITIES], single[UM_MODALITIES];
    double  held;
};

/* every decision of the run as pairs, into t->meta */
int trainer_describe(struct trainer *t);
/* the held-out records: lines of valid.tsv, t->held, and the best weights */
int trainer_hold_out(struct trainer *t);
/* RUN/NAME.safetensors: student, teacher, decisions */
int trainer_save_model(struct trainer *t, const char *name);
/* lines of um_pretrain_explain(); o as the run's own step has it */
int trainer_explain(struct trainer *t, const struct um_step_opts *o, const char *path);
/* after a step, mod that of its (first) batch: a warning when L_icl has been within 1e-3 of log M
 * or above for 1000 steps of that modality in a row (the uniform collapse), or the entropy of the
 * mean target at [CLS] under 0.1 for 50 (one prototype takes all), and again after as many more
 * (method.md 7.3) */
void trainer_watch(struct trainer *t, enum um_modality mod, const struct um_losses *l);

static inline const char *mod_name(enum um_modality mod)
{
    return mod == UM_2D ? "2d" : "3d";
}

#endif
