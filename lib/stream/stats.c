/* stats.c - two passes over a tensor; merging what several tensors gave */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/stats.h"

#include <math.h>

/* NaN without a sign, which inf - inf has on some machines: it would be printed */
static double plain(double x)
{
    return isnan(x) ? NAN : x;
}

void um_stats_tensor(const struct um_tensor *t, struct um_stats *s)
{
    const int64_t n   = um_tensor_count(t);
    double        sum = 0;

    *s = (struct um_stats){ .min = NAN, .max = NAN, .mean = NAN };
    for (int64_t i = 0; i < n; i++) {
        const double x = um_elem_get(t->data, t->dtype, i);

        if (isnan(x)) {
            s->nan++;
            continue;
        }
        s->count++;
        sum += x;
        s->min = fmin(s->min, x); /* fmin and fmax pass over the NaN they start from */
        s->max = fmax(s->max, x);
    }
    if (s->count == 0)
        return;
    s->mean = plain(sum / (double)s->count);
    for (int64_t i = 0; i < n; i++) {
        const double x = um_elem_get(t->data, t->dtype, i), d = x - s->mean;

        if (!isnan(x))
            s->m2 += d * d;
    }
    s->m2 = plain(s->m2);
}

void um_stats_add(struct um_stats *all, const struct um_stats *more)
{
    const int64_t nan = all->nan + more->nan;

    if (all->count == 0) {
        *all = *more;
    } else if (more->count > 0) {
        const double n = (double)(all->count + more->count), d = more->mean - all->mean;

        all->m2 = plain(all->m2 + more->m2 + d * d * (double)all->count * (double)more->count / n);
        all->mean = plain(all->mean + d * (double)more->count / n);
        all->count += more->count;
        all->min = fmin(all->min, more->min);
        all->max = fmax(all->max, more->max);
    }
    all->nan = nan;
}

double um_stats_std(const struct um_stats *s)
{
    return s->count > 0 ? sqrt(s->m2 / (double)s->count) : NAN;
}
