/* trainer.h - a run in progress, shared by the files that make it up */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TRAIN_TRAINER_H
#define UM_TRAIN_TRAINER_H

#include "load/loader.h"
#include "train/ahead.h"
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
    struct um_ahead   *ahead; /* its batches on the device; NULL: it is the host */
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
    float   theta[2]; /* before and after an update */
    /* for batches.tsv, NULL unless it is written: the records of a batch, of all ranks */
    char    *keys;  /* [N] of UM_MAX_KEY + 1 bytes */
    int32_t *rows;  /* [N,K] of their slices */
    int64_t  noted; /* how many of this rank's are there */
};

/* every decision of the run as pairs, into t->meta */
int trainer_describe(struct trainer *t);
/* the held-out records: lines of valid.tsv, t->held, and the best weights */
int trainer_hold_out(struct trainer *t);
/* st; UM_ENOMEM of the device: its message says what the run holds */
int trainer_shortage(struct trainer *t, int st);
/* RUN/NAME.safetensors: student, teacher, decisions */
int trainer_save_model(struct trainer *t, const char *name);
/* lines of um_pretrain_explain(); o as the run's own step has it */
int trainer_explain(struct trainer *t, const struct um_step_opts *o, const char *path);
/* after a step, mod that of its (first) batch: a warning when L_icl has been within 1e-3 of log M
 * or above for 1000 steps of that modality in a row (the uniform collapse), or the entropy of the
 * mean target at [CLS] under 0.1 for 50 (one prototype takes all), and again after as many more
 * (method.md 7.3) */
void trainer_watch(struct trainer *t, enum um_modality mod, const struct um_losses *l);

/* batches.tsv, if it was asked for: memory; a part of a batch once its slices are chosen (as
 * `chosen` of um_step_opts, user: the trainer); the lines of a batch of all ranks, in its order,
 * which all ranks call together: none if one of them could not choose for all of its part */
int trainer_note_begin(struct trainer *t);
int trainer_note_part(void *user, const struct um_part *p, const struct um_view *v);
int trainer_note_batch(struct trainer *t, const struct um_batch *b);

/* records of the largest batch */
static inline int64_t trainer_batch(const struct um_pretrain_opts *o)
{
    return o->batch[UM_2D] > o->batch[UM_3D] ? o->batch[UM_2D] : o->batch[UM_3D];
}

static inline const char *mod_name(enum um_modality mod)
{
    return mod == UM_2D ? "2d" : "3d";
}

#endif
