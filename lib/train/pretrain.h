/* pretrain.h - a whole training run: epochs, held-out loss, logs, checkpoints, resuming
 *
 * A run is a folder: model.safetensors (after the last step), best.safetensors (lowest held-out
 * loss), ckpt-STEP.safetensors, log.tsv, timing.tsv. All but timing.tsv have the same bytes for the
 * same data, options and seed, however often the run was stopped, killed and resumed.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_PRETRAIN_H
#define UM_TRAIN_PRETRAIN_H

#include "load/data.h"
#include "train/adamw.h"

struct um_pretrain_opts {
    const char          *run;    /* folder; made if it is not there */
    int64_t              epochs; /* 0: the initial weights are written, nothing else */
    double               warmup; /* epochs */
    double               lr, lr_low;
    int64_t              batch[UM_MODALITIES];
    struct um_adamw_opts optim;
    double               temperature; /* fixed; 0: learned */
    uint64_t             seed;
    enum um_dtype        precision;  /* of products: UM_F32, UM_BF16 */
    bool                 recompute;  /* blocks are run again for the backward: less memory */
    int64_t              every;      /* steps between checkpoints; 0: one after each epoch */
    int64_t              keep;       /* checkpoints kept */
    int64_t              stop_after; /* stop as if asked to when that many steps are done; 0: no */
    bool                 resume;     /* from the newest checkpoint; none there: from the start */
};

/* um_temperature_parse - "learned" (0) or a number from 0.01; UM_EUSAGE */
UM_API UM_RESULT_USED int um_temperature_parse(const char *text, double *temperature);

struct um_pretrain_now { /* for a progress line */
    int64_t step, steps; /* done, of */
    double  loss;        /* of this step */
    double  held;        /* newest held-out loss; NaN: none */
};

struct um_pretrain_hooks {
    void *user;
    void (*told)(void *user, const struct um_pretrain_now *now); /* after each step; may be NULL */
    bool (*stop)(void *user); /* asked after each step; may be NULL */
};

/* steps of an epoch, and of the whole run */
UM_API int64_t um_pretrain_steps(const struct um_data *d, const struct um_pretrain_opts *o,
                                 int64_t *per_epoch);

/* um_pretrain_check - UM_ERANGE: a modality with data does not fill one batch; with the numbers */
UM_API UM_RESULT_USED int um_pretrain_check(const struct um_data          *d,
                                            const struct um_pretrain_opts *o);

/* um_pretrain_explain - numbers of parameters, pairs and steps, as TSV, to a file (path NULL:
 * standard output) */
UM_API UM_RESULT_USED int um_pretrain_explain(const struct um_data *d, const struct um_model *m,
                                              const struct um_pretrain_opts *o, const char *path);

/* um_pretrain_run - train m, which has its initial values, on scanned data
 *
 * UM_OK: model.safetensors is there. UM_ESTOPPED: hooks->stop or stop_after; a checkpoint is there.
 * UM_EMISMATCH: the folder holds a checkpoint and o->resume is false; or a checkpoint of another
 * configuration, other options or other data, naming what differs. UM_ENONFINITE: the loss or a
 * gradient is not finite: the step and the keys of its records; nothing was updated by it. */
UM_API UM_RESULT_USED int um_pretrain_run(struct um_model *m, const struct um_data *d,
                                          const struct um_pretrain_opts  *o,
                                          const struct um_pretrain_hooks *hooks);

#endif
