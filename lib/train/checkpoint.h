/* checkpoint.h - everything a run needs to go on as if it had never stopped
 *
 * RUN/ckpt-STEP.safetensors: the model under its usual names (so that it loads as weights, too),
 * `optim.m.` and `optim.v.` moments, `state.` counters; um.config, the training options (train.*)
 * and the digest of the data in the metadata. Written beside its name, synced and renamed: a file
 * of that name is always whole. There is no state of a random generator: draws are keyed by step.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_CHECKPOINT_H
#define UM_TRAIN_CHECKPOINT_H

#include "model/model.h"
#include "train/adamw.h"

struct um_state {
    int64_t step;      /* steps done */
    int64_t updates;   /* of the optimiser */
    int64_t log_bytes; /* of log.tsv at that moment */
    double  best;      /* lowest held-out loss so far; infinity: none yet */
    int64_t best_step; /* where it was */
};

/* um_checkpoint_write - RUN/ckpt-STEP.safetensors. meta: key, value, ..., NULL: what a run that
 * resumes must agree with. */
UM_API UM_RESULT_USED int um_checkpoint_write(const char *run, const struct um_model *m,
                                              const struct um_adamw *o, const struct um_state *s,
                                              const char *const *meta);

/* um_checkpoint_find - the checkpoint of the highest step in RUN: its path in the arena, or NULL */
UM_API UM_RESULT_USED int um_checkpoint_find(const char *run, struct um_arena *a, char **path);

/* um_checkpoint_read - into a model and an optimiser of the same configuration. UM_EMISMATCH: an
 * entry of meta (or um.config) differs, naming it with both values; else as um_model_load. */
UM_API UM_RESULT_USED int um_checkpoint_read(const char *path, struct um_model *m,
                                             struct um_adamw *o, struct um_state *s,
                                             const char *const *meta);

/* um_checkpoint_prune - remove all but the newest `keep` checkpoints (keep >= 1), and what a killed
 * run left of files it had not finished */
UM_API UM_RESULT_USED int um_checkpoint_prune(const char *run, int64_t keep);

#endif
