/* step_int.h - inside a step: a part of a batch through the student, and its losses
 *
 * pass.c has what is done with one part, parts.c batches of several and of several processes,
 * step.c the rest. SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_STEP_INT_H
#define UM_TRAIN_STEP_INT_H

#include "train/late.h"
#include "train/means.h"
#include "train/reduce.h"
#include "train/step.h"

struct um_step {
    struct um_step_opts o;
    struct um_looker    looker;
    struct um_nn       *nn;     /* the student's tape */
    struct um_nn       *reader; /* texts whose encoder does not learn; NULL: it does */
    struct um_nn       *keeper; /* what parts wait with while others are looked at */
    struct um_contrast *contrast;
    struct um_means    *means;  /* NULL without self-distillation */
    struct um_reduce   *reduce; /* NULL for one rank */
    struct um_losses    sum;    /* of the batches so far */
    struct um_late     *late;   /* those of this process that are still on the device */
    int64_t             step, epoch;
    int                 batch; /* of the step: the one in hand */
    bool                closed;
    struct um_arena    *arena; /* decisions of a batch */
};

struct pass {
    struct um_part part;
    struct um_view view[UM_VIEWS];
    struct um_var *seen[UM_VIEWS]; /* the teacher's outputs, in the looker's memory or kept */
    struct um_var *read;           /* texts' vectors that get no gradient, or NULL */
    /* of the tape in hand */
    struct um_var *cls, *text; /* [n,C], [n,Ct] */
    struct um_var *icl, *pcl;  /* [1], or NULL */
};

/* ---- pass.c ---- */

/* the student's tape of a part, empty; grad: with one */
int step_pass_begin(struct um_step *s, const struct um_part *p, bool grad);
/* the part's texts through an encoder: [n,Ct] */
struct um_var *step_texts(struct um_nn *nn, struct um_model *m, const struct um_part *p);
/* x->read, where the text encoder does not learn */
int step_freeze(struct um_step *s, struct pass *x);
/* decides about a part, begins its tape, and encodes its texts meanwhile */
int step_look(struct um_step *s, struct pass *x, bool grad);
/* both encoders, texts unless they are there: y [n,1+T,C] of each view; x->cls is the first view's,
 * masked or complete */
void step_encode(struct um_step *s, struct pass *x, struct um_var *y[UM_VIEWS]);
/* x->icl and x->pcl: losses of each view, their mean; with two views [CLS] answers the other one */
int step_distil(struct um_step *s, struct pass *x, struct um_var *const y[UM_VIEWS]);
/* the sum of up to four terms with their weights; those that are NULL are left out */
struct um_var *step_total(struct um_nn *nn, struct um_var *const *term, const float *w, int n);

/* losses, which come to the host at the end of the step: x [1] counts `share` in *sum, and must be
 * finite; those of a pass; what has come, after a sync of the device */
int step_later(struct um_step *s, const struct um_var *x, double *sum, double share);
int step_note(struct um_step *s, const struct pass *x, double share);
int step_settle(struct um_step *s);
int step_finite(void *losses);

/* ---- parts.c ---- */

/* all ranks contrast the same vectors, so that each has the whole gradient of its own samples */
int step_parts(struct um_step *s, const struct um_batch *b);

#endif
