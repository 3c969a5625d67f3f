/* runlog.h - what a run writes down: log.tsv, valid.tsv, batches.tsv and timing.tsv
 *
 * log.tsv has a line for each training step, valid.tsv one for each set of each look at the
 * held-out records, batches.tsv (on request) one for each record of each step; they are the same
 * for every run of the same seed, stopped and resumed or not. timing.tsv has what differs: seconds,
 * rates, waiting, memory. The first line of each names the columns; um-train(1) explains them.
 *
 * log.tsv and batches.tsv number the step and epoch that a line is of, from 0; valid.tsv those done
 * before the look, so that its step n has the weights that line n of log.tsv began with; timing.tsv
 * has the steps done, and the epoch of the last.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_RUNLOG_H
#define UM_TRAIN_RUNLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct um_runlog;

/* what is not there is NaN, and written as nan */
struct um_logline {
    int64_t     step, epoch;
    const char *modality; /* "2d", "3d", "2d,3d" */
    double      loss, vl, icl, pcl;
    double      lr, momentum, temperature, norm;
    int64_t     clipped;
    double      sure[2], spread[2]; /* struct um_losses */
    uint64_t    batch;              /* digest of the keys, in order */
};

struct um_validline {
    int64_t     step, epoch;
    const char *set; /* "2d", "3d", "all" */
    int64_t     pairs;
    double      loss;
    double      i2t[4], t2i[4];       /* R@1, R@5, R@10, median rank; equal reports match */
    double      strict[2];            /* R@1 both ways, equal reports being rivals */
    double      own, others, cross_1; /* distances of true and of other 2D-3D pairs; R@1 */
};

/* bytes of log.tsv, valid.tsv, batches.tsv */
enum { UM_RUNLOGS = 3 };

/* um_runlog_open - the files in the folder `run`; all but timing.tsv are cut to `bytes` (a
 * checkpoint's um_state; 0: begun anew), and log.tsv is locked, so that no second run writes here.
 * batches: write batches.tsv too. UM_EFORMAT: one is shorter than that; UM_EMISMATCH: another run
 * has it. */
UM_API UM_RESULT_USED int um_runlog_open(struct um_runlog **l, const char *run, bool batches,
                                         const int64_t bytes[UM_RUNLOGS]);
/* each takes NULL and then does nothing: of several processes one writes */
UM_API UM_RESULT_USED int um_runlog_line(struct um_runlog *l, const struct um_logline *line);
UM_API UM_RESULT_USED int um_runlog_valid(struct um_runlog *l, const struct um_validline *line);
/* a record of a step, with the n rows of its slices */
UM_API UM_RESULT_USED int um_runlog_record(struct um_runlog *l, int64_t step, const char *modality,
                                           const char *key, const int32_t *z, int64_t n);
/* um_runlog_timing - since the call before: pairs trained on, seconds waited for data */
UM_API UM_RESULT_USED int um_runlog_timing(struct um_runlog *l, int64_t step, int64_t epoch,
                                           int64_t pairs, double waited);
/* um_runlog_sync - all lines so far are on disk; the bytes of each file */
UM_API UM_RESULT_USED int um_runlog_sync(struct um_runlog *l, int64_t bytes[UM_RUNLOGS]);
UM_API UM_RESULT_USED int um_runlog_close(struct um_runlog *l, int st); /* takes NULL */

#endif
