/* pretrain.h - a whole training run: epochs, held-out records, logs, checkpoints, resuming
 *
 * A run is a folder: model.safetensors (after the last step: student and teacher),
 * best.safetensors (lowest held-out loss), ckpt-STEP.safetensors, log.tsv, valid.tsv, timing.tsv.
 * The held-out records are looked at before the first step too, unless valid_every is 0.
 * All but timing.tsv have the same bytes for the same data, options, seed and number of ranks,
 * however often the run was stopped, killed and resumed.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_PRETRAIN_H
#define UM_TRAIN_PRETRAIN_H

#include "load/data.h"
#include "ranks/ranks.h"
#include "train/adamw.h"
#include "train/method.h"

struct um_pretrain_opts {
    const char          *run; /* folder; made if it is not there */
    struct um_method     method;
    int64_t              epochs; /* 0: the initial weights are written, nothing else */
    int64_t              steps;  /* all in all; 0: those of the epochs. A pipe needs it. */
    double               warmup; /* epochs of rising rate; negative: 0.4 of all steps */
    double               lr, lr_low;
    int64_t              batch[UM_MODALITIES]; /* of all parts and ranks together */
    bool                 own[UM_MODALITIES]; /* given for it alone: which option a message names */
    enum um_mix          mix;
    int64_t              parts; /* a batch is computed in so many (of each rank) */
    struct um_ranks     *ranks; /* processes that share each batch; NULL: one */
    struct um_adamw_opts optim;
    uint64_t             seed;
    enum um_dtype        precision;   /* of products: UM_F32, UM_BF16 */
    bool                 recompute;   /* blocks are run again for the backward: less memory */
    bool                 skip;        /* steps whose loss is not finite, instead of stopping */
    bool                 batches;     /* batches.tsv: every record of every step */
    int64_t              valid_every; /* epochs between looks at the held-out records; 0: none */
    int64_t              every;       /* steps between checkpoints; 0: one after each epoch */
    int64_t              keep;        /* checkpoints kept */
    int64_t              stop_after;  /* stop as if asked to when that many steps are done; 0: no */
    bool                 resume;      /* from the newest checkpoint; none there: from the start */
    int                  workers;     /* threads that read */
    struct um_pool      *pool;        /* for measures of the held-out records; may be NULL */
    int64_t              window;      /* of a pipe: records to draw from; 0: the loader's */
};

struct um_pretrain_now { /* for a progress line */
    int64_t step, steps; /* done, of */
    double  loss;        /* of this step */
    double  held;        /* newest held-out loss; NaN: none */
    double  waited;      /* seconds spent waiting for data so far */
};

struct um_pretrain_hooks {
    void *user;
    void (*told)(void *user, const struct um_pretrain_now *now); /* after each step; may be NULL */
    bool (*stop)(void *user);                   /* asked after each step; may be NULL */
    void (*warn)(void *user, const char *text); /* what a person should know; may be NULL */
};

/* um_pretrain_steps - steps of the whole run, and of an epoch (of a pipe: all) */
UM_API int64_t um_pretrain_steps(const struct um_data *d, const struct um_pretrain_opts *o,
                                 int64_t *per_epoch);

/* um_pretrain_check - before the first step. UM_ERANGE: a modality with data does not fill one
 * batch, parts do not divide a batch, or what um_method_check() says; with the numbers */
UM_API UM_RESULT_USED int um_pretrain_check(const struct um_data          *d,
                                            const struct um_model_config  *cfg,
                                            const struct um_pretrain_opts *o);

/* um_pretrain_explain - the plan of a run, as TSV, to a file (path NULL: standard output): sizes,
 * parameters, operations, steps, every decision; and, from trial steps of each modality on a few
 * made-up samples, memory and hours at the speed measured. m is not changed but for its running
 * statistics. Errors as um_pretrain_run. */
UM_API UM_RESULT_USED int um_pretrain_explain(struct um_model *m, struct um_data *d,
                                              const struct um_pretrain_opts *o, const char *path);

/* um_pretrain_run - train m, which has its initial values, on scanned data
 *
 * UM_ESTOPPED: hooks->stop said so (or stop_after was reached); a checkpoint was written and the
 * same options with `resume` go on from it. UM_EMISMATCH: the folder holds a run and resume was not
 * asked for, or its checkpoint belongs to another configuration, other data or options (the message
 * names the first difference), or another process is training there. UM_ENONFINITE: a loss or
 * gradient is not finite: names the step, the records in the batch, and the last checkpoint. */
UM_API UM_RESULT_USED int um_pretrain_run(struct um_model *m, struct um_data *d,
                                          const struct um_pretrain_opts  *o,
                                          const struct um_pretrain_hooks *hooks);

#endif
