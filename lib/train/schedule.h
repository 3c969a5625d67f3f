/* schedule.h - what changes with the step: learning rate, the teacher's momentum and temperature */
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

/* um_schedule_momentum - the teacher's momentum after update t of T, 0 <= t < T
 *
 *     m_t = 1 - (1 - m_0) (1 + cos(pi t / T)) / 2,   m_0 = 0.996
 *
 * teacher <- m_t teacher + (1 - m_t) student. Source: method.md 7.1. */
UM_API double um_schedule_momentum(double m0, int64_t t, int64_t total);

/* um_schedule_ramp - the teacher's temperature in an epoch: from `from` in the first straight to
 * `to` in the last of `epochs`, then `to`; epochs < 2: `to` at once
 *
 *     tau_e = from + (to - from) min(1, e / (epochs - 1)),   0.04 to 0.07 over 30
 *
 * Source: method.md 7.3 (an option there; the default is 0.04 throughout). */
UM_API double um_schedule_ramp(double from, double to, int64_t epochs, int64_t epoch);

#endif
