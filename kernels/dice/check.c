/* dice/check.c - what every backend refuses alike, and what the host's do with the sums */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/dice/dice.h"

#include <math.h>

int um_check_dice(const char *op, const struct um_dice *d)
{
    UM_TRY(um_check_rows(op, d->B, d->C));
    if (d->S < 0 || (d->S > 0 && d->B > 0 && d->B * d->C > INT64_MAX / 16 / d->S))
        return um_fail(UM_ERANGE, "%s: %lld samples of %lld classes and %lld places", op,
                       (long long)d->B, (long long)d->C, (long long)d->S);
    if (d->first < 0 || d->first >= d->C)
        return um_fail(UM_ERANGE, "%s: classes from %lld on, of %lld", op, (long long)d->first,
                       (long long)d->C);
    if (!d->y == !d->target)
        return um_fail(UM_ERANGE, "%s: expected targets as floats or as classes", op);
    return UM_OK;
}

int um_check_classes(const char *op, const struct um_dice *d)
{
    UM_TRY(um_check_dice(op, d));
    for (int64_t i = 0; d->target && i < d->B * d->S; i++)
        if (d->target[i] < -1 || d->target[i] >= d->C)
            return um_fail(UM_ERANGE,
                           "%s: class %d at place %lld of sample %lld is not in -1..%lld", op,
                           (int)d->target[i], (long long)(i % d->S), (long long)(i / d->S),
                           (long long)d->C - 1);
    return UM_OK;
}

double um_dice_term(const struct um_dice *d, const double sum[3])
{
    const double dice = (2 * sum[0] + (double)d->top) / (sum[1] + sum[2] + (double)d->bottom);

    return d->log ? -log(dice) : 1 - dice;
}

void um_dice_slope(const struct um_dice *d, const double sum[3], double ab[2])
{
    const double top    = 2 * sum[0] + (double)d->top;
    const double bottom = sum[1] + sum[2] + (double)d->bottom;
    const double by     = d->log ? top / bottom : 1;

    ab[0] = -2 / bottom / by;
    ab[1] = top / bottom / bottom / by;
}

void um_dice_add(const struct um_dice *d, float *loss, const double *sums)
{
    double all = 0;

    for (int64_t g = 0; g < um_dice_groups(d); g++)
        if (g % d->C >= d->first)
            all += um_dice_term(d, sums + 3 * g);
    if (d->B > 0 && d->S > 0)
        *loss = (float)((double)*loss + (double)d->scale * all);
}
