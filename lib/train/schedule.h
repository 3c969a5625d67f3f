/* schedule.h - the learning rate: linear warm-up, then half a cosine */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TRAIN_SCHEDULE_H
#define UM_TRAIN_SCHEDULE_H

#include <stdint.h>

#include "base/status.h"

struct um_schedule {
    double  low, peak; /* first and last rate, 1e-8; highest, 2e-5 */
    int64_t warmup;    /* W steps */
    int64_t total;     /* T steps */
};

/* um_schedule_lr - the rate of step t, 0 <= t < T
 *
 *     lr(t) = low + (peak - low) t / W                                 t < W
 *     lr(t) = low + (peak - low) (1 + cos(pi (t - W) / (T - W))) / 2   t >= W
 *
 * Source: He et al., section 4; method.md section 8. */
UM_API double um_schedule_lr(const struct um_schedule *s, int64_t t);

/* um_schedule_warmup - W = round(share T), at most T */
UM_API int64_t um_schedule_warmup(double share, int64_t total);

#endif
