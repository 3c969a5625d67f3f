/* probe.h - a linear classifier on frozen features */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TRAIN_PROBE_H
#define UM_TRAIN_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "eval/score.h"
#include "kernels/kernels.h"

struct um_probe_opts {
    double  lr, weight_decay;
    int64_t batch, epochs;
    int64_t patience; /* stop when the validation loss has not fallen for so many epochs; 0: never,
                         and the last weights are taken */
    uint64_t seed;
    bool     standardize; /* features to mean 0 and deviation 1 of the training records */
};
/* method.md 9.1 */
#define UM_PROBE_INIT                                                                              \
    {                                                                                              \
        .lr = 5e-4, .weight_decay = 1e-6, .batch = 48, .epochs = 50, .patience = 10, .seed = 42    \
    }

struct um_probe {
    int64_t        width, K; /* C; outputs */
    const float   *x;        /* [n,C] all features */
    const float   *y;        /* [n,K] 0, 1, NaN: sigmoid and binary cross entropy; or NULL */
    const int32_t *of;       /* [n] class: softmax and cross entropy */
    /* numbers of records */
    const int64_t *train, *valid, *test;
    int64_t        ntrain, nvalid, ntest;
};

struct um_probe_result {
    int64_t epochs; /* run */
    int64_t best;   /* the one whose weights were tested, from 1; 0: the initial ones */
    double  loss;   /* validation loss of it; NaN without validation */
};

/* um_probe_fit - train, and apply to the test records: out [ntest,K]
 *
 *     z = W x + b,  W [K,C] and b [K] uniform in +-1/sqrt(C) at first
 *     loss: mean over records and labels of the binary cross entropy, or over records of the cross
 *     entropy; AdamW (0.9, 0.999, 1e-8), constant rate, batches of a new order each epoch (the last
 *     may be smaller); the weights after the epoch of the lowest validation loss are tested.
 *
 * UM_ERANGE: no training or test record; UM_ENONFINITE: a loss is not finite; UM_ENOMEM.
 * Source: method.md 9.1. Departure: one feature per record, of its centre crop, not of random crops
 * encoded anew each epoch ("protocol cached"). */
UM_API UM_RESULT_USED int um_probe_fit(struct um_dev *dev, const struct um_probe *p,
                                       const struct um_probe_opts *o, float *out,
                                       struct um_probe_result *result);

/* a line of a table, or several */
struct um_probe_cell {
    double                 fraction;
    int64_t                ntrain, nvalid, ntest;
    struct um_probe_result fit;
    struct um_score       *score; /* in the arena */
    int                    nscore;
};

/* um_probe_cell - train on a fraction of the training records (drawn by the lower 32 bits of
 * o->seed: the first round-half-even(f n), at least one, of the legacy permutation,
 * base/mt19937.h), validate and test on all; figures with intervals from `reps` resamples. */
UM_API UM_RESULT_USED int um_probe_cell(struct um_dev *dev, const struct um_labelled *f,
                                        double fraction, const struct um_probe_opts *o,
                                        int64_t reps, struct um_arena *a,
                                        struct um_probe_cell *cell);

#endif
