/* runlog.h - what a run writes down: log.tsv and timing.tsv
 *
 * log.tsv is the same for every run of the same seed, stopped and resumed or not: a line per step
 * and, after each epoch, one per modality and one for both of the held-out loss. timing.tsv has
 * what differs: seconds, rates, memory.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_RUNLOG_H
#define UM_TRAIN_RUNLOG_H

#include <stdint.h>

#include "base/status.h"

struct um_runlog;

struct um_logline {
    int64_t     step, epoch;
    const char *set;                   /* "train" or "valid" */
    const char *modality;              /* "2d", "3d", "all" */
    double      loss, lr, theta, norm; /* NaN where there is none: written as nan */
    int64_t     clipped;
};

/* um_runlog_open - the two files in the folder `run`; log.tsv is cut to log_bytes (a checkpoint's
 * um_state; 0: begun anew) and locked, so that no second run writes here. UM_EFORMAT: the log is
 * shorter than that; UM_EMISMATCH: another run has it. */
UM_API UM_RESULT_USED int um_runlog_open(struct um_runlog **l, const char *run, int64_t log_bytes);
UM_API UM_RESULT_USED int um_runlog_line(struct um_runlog *l, const struct um_logline *line);
/* um_runlog_timing - since the call before: pairs trained on, seconds waited for data */
UM_API UM_RESULT_USED int um_runlog_timing(struct um_runlog *l, int64_t step, int64_t epoch,
                                           int64_t pairs, double waited);
/* um_runlog_sync - all lines so far are on disk; *bytes of log.tsv */
UM_API UM_RESULT_USED int um_runlog_sync(struct um_runlog *l, int64_t *bytes);
UM_API UM_RESULT_USED int um_runlog_close(struct um_runlog *l, int st); /* takes NULL */

#endif
