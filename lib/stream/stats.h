/* stats.h - what the numbers of a tensor are like: range, mean, spread, NaN */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_STREAM_STATS_H
#define UM_STREAM_STATS_H

#include "stream/tensor.h"

struct um_stats {
    int64_t count;    /* elements, NaN not among them */
    int64_t nan;      /* elements that are NaN */
    double  min, max; /* NaN if count is 0 */
    double  mean;     /* sum / count; NaN if count is 0 */
    double  m2;       /* sum of (x - mean)^2 */
};

/* um_stats_tensor - of all elements, in double, by two passes (the one-pass formula cancels when
 * |mean| >> spread). int64 beyond 2^53 is rounded. An infinity makes the mean infinite or NaN, and
 * m2 NaN, as in NumPy. */
UM_API void um_stats_tensor(const struct um_tensor *t, struct um_stats *s);

/* um_stats_add - *all becomes the statistics of both together (Chan, Golub and LeVeque's update);
 * begin with a zeroed *all */
UM_API void um_stats_add(struct um_stats *all, const struct um_stats *more);

/* um_stats_std - sqrt(m2 / count), the population's; NaN if count is 0 */
UM_API double um_stats_std(const struct um_stats *s);

#endif
