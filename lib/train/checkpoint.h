/* checkpoint.h - everything a run needs to go on as if it had never stopped
 *
 * RUN/ckpt-STEP.safetensors: the model under its usual names (so that it loads as weights, too) and
 * its teacher (`teacher.`), the `centre.`s, `optim.m.` and `optim.v.` moments, `optim.n` updates of
 * each tensor, `state.` counters; um.config, the training options (train.*) and the digest of the
 * data in the metadata. Written beside its name, synced and renamed: a file
 * of that name is always whole. There is no state of a random generator: draws are keyed by step.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_CHECKPOINT_H
#define UM_TRAIN_CHECKPOINT_H

#include "load/loader.h"
#include "model/model.h"
#include "train/adamw.h"
#include "train/runlog.h"

struct um_state {
    int64_t step;                  /* steps done: the position in the data follows from it */
    int64_t skipped;               /* of them without an update: not finite */
    int64_t log_bytes[UM_RUNLOGS]; /* of the run's logs at that moment */
    double  best;                  /* lowest held-out loss so far; infinity: none yet */
    int64_t best_step;             /* where it was */

    struct um_taken taken; /* what a pipe had sent; else 0 */
};

/* what is trained; teacher and centres NULL where the method has none */
struct um_training {
    struct um_model  *m, *teacher;
    struct um_params *centres;
    struct um_adamw  *optim;
};

/* um_checkpoint_write - RUN/ckpt-STEP.safetensors. meta: key, value, ..., NULL: what a run that
 * resumes must agree with. */
UM_API UM_RESULT_USED int um_checkpoint_write(const char *run, const struct um_training *t,
                                              const struct um_state *s, const char *const *meta);

/* um_checkpoint_find - the checkpoint of the highest step in RUN: its path in the arena, or NULL */
UM_API UM_RESULT_USED int um_checkpoint_find(const char *run, struct um_arena *a, char **path);

/* um_checkpoint_read - into what was made with the same configuration. UM_EMISMATCH: an
 * entry of meta (or um.config) differs, naming it with both values; else as um_model_load. */
UM_API UM_RESULT_USED int um_checkpoint_read(const char *path, const struct um_training *t,
                                             struct um_state *s, const char *const *meta);

/* um_checkpoint_prune - remove all but the newest `keep` checkpoints (keep >= 1), and what a killed
 * run left of files it had not finished */
UM_API UM_RESULT_USED int um_checkpoint_prune(const char *run, int64_t keep);

#endif
