/* view.h - what each network is shown of a part of a batch (method.md 4, 6, 7.4)
 *
 * The teacher sees all of it, and its attention decides: on the volume which slices join it, on the
 * complete sequence which tokens the student keeps. Decisions are made once, on the host; every
 * pass of the part is built from them.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_VIEW_H
#define UM_TRAIN_VIEW_H

#include "load/loader.h"
#include "model/sequence.h"
#include "train/method.h"

enum { UM_VIEWS = 2 };

struct um_view {
    enum um_modality mod;
    int64_t          n, K, T; /* samples; slices, tokens of each */
    const float     *x;       /* pixels of the batch, */
    const float     *there;   /* and on the device, or NULL */
    int32_t         *z;       /* [n K] rows of the slices, ascending in each sample */
    float           *slices;  /* [n K,s,s] */
    uint8_t         *masked;  /* [n T]: not 0 where the student does not see; NULL: sees all */
    int32_t         *keep;    /* [n,kept], with `drop`; NULL: masked tokens are replaced */
    int64_t          kept;    /* tokens that the student sees of each sample, where masked */
};

struct um_looker {
    struct um_model        *m, *teacher; /* teacher NULL: none */
    const struct um_method *method;
    struct um_nn *nn; /* passes without gradient; their outputs live until the next call */
    uint64_t      seed;
    /* what the device is given while the host waits for an attention: called at the first, and set
     * to NULL then; or NULL */
    int (*meanwhile)(void *user);
    void *user;
};

/* what is still to be done meanwhile, if nobody had to wait */
UM_API UM_RESULT_USED int um_looker_meanwhile(struct um_looker *l);

/* samples from .. from+n of a batch */
struct um_part {
    const struct um_batch *b;
    int64_t                from, n;
};

/* um_look - decide about a part: view[0], and with two views of an X-ray view[1], in the arena.
 * seen (may be NULL): [n,1+T,C] of the teacher for each complete view, in the looker's memory;
 * NULL entries where there is no self-distillation. masks: the student will be masked (else, for
 * the held-out part, slices alone are chosen). UM_ENONFINITE: an attention is not finite. */
UM_API UM_RESULT_USED int um_look(struct um_looker *l, const struct um_part *p, int64_t step,
                                  bool masks, struct um_arena *a, struct um_view view[UM_VIEWS],
                                  struct um_var *seen[UM_VIEWS]);

/* um_view_pass - a view through a network: whole, or as the student sees it. attn: see
 * struct um_sequence. NULL: see um_nn_status(nn). */
UM_API struct um_var *um_view_pass(struct um_nn *nn, struct um_model *m, const struct um_view *v,
                                   bool masked, float *attn, bool last);

/* um_view_pick - the teacher's outputs [n,1+T,C] at the places that the student has: all, or with
 * `drop` [CLS] and the kept ones */
UM_API struct um_var *um_view_pick(struct um_nn *nn, const struct um_view *v, struct um_var *y);

#endif
