/* schedule.c - what changes with the step */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/schedule.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

double um_schedule_lr(const struct um_schedule *s, int64_t t)
{
    const double span = s->peak - s->low;

    if (t < s->warmup)
        return s->low + span * (double)t / (double)s->warmup;
    if (s->total <= s->warmup)
        return s->peak;
    return s->low +
           span * (1 + cos(PI * (double)(t - s->warmup) / (double)(s->total - s->warmup))) / 2;
}

int64_t um_schedule_warmup(double share, int64_t total)
{
    const int64_t w = llround(share * (double)total);

    return w < 0 ? 0 : w < total ? w : total;
}

double um_schedule_momentum(double m0, int64_t t, int64_t total)
{
    return 1 - (1 - m0) * (1 + cos(PI * (double)t / (double)total)) / 2;
}

double um_schedule_ramp(double from, double to, int64_t epochs, int64_t epoch)
{
    if (epoch >= epochs - 1)
        return to;
    return from + (to - from) * (double)epoch / (double)(epochs - 1);
}
