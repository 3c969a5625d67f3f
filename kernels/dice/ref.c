/* dice/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/dice/dice.h"

#include <math.h>

#include "kernels/load.h"

/* p of class j at place s of sample b */
static double probability(const struct um_dice *d, int64_t b, int64_t j, int64_t s)
{
    const double x   = (double)d->x[um_dice_at(d, b, j, s)];
    double       sum = 0;

    if (!d->softmax)
        return 1 / (1 + exp(-x));
    for (int64_t k = 0; k < d->C; k++) /* e^x / sum e^x, without a large e^x */
        sum += exp((double)d->x[um_dice_at(d, b, k, s)] - x);
    return 1 / sum;
}

/* y of class j at place s of sample b, or NaN */
static double label(const struct um_dice *d, int64_t b, int64_t j, int64_t s)
{
    if (d->y)
        return (double)d->y[um_dice_at(d, b, j, s)];
    if (d->target[b * d->S + s] < 0)
        return (double)NAN;
    return d->target[b * d->S + s] == j ? 1 : 0;
}

int um_ref_dice_fwd(struct um_dev *dev, float *loss, double *sums, const struct um_dice *d)
{
    (void)dev;
    UM_TRY(um_check_classes("dice_fwd", d));
    for (int64_t i = 0; i < 3 * um_dice_groups(d); i++)
        sums[i] = 0;
    for (int64_t b = 0; b < d->B; b++)
        for (int64_t j = 0; j < d->C; j++)
            for (int64_t s = 0; s < d->S; s++) {
                const double p = probability(d, b, j, s), y = label(d, b, j, s);
                double      *sum = sums + 3 * (d->batch ? j : b * d->C + j);

                if (isnan(y))
                    continue;
                sum[0] += p * y;
                sum[1] += d->square ? p * p : p;
                sum[2] += d->square ? y * y : y;
            }
    um_dice_add(d, loss, sums);
    return UM_OK;
}

/* d loss / dp of class j at place s of sample b, over g scale */
static double slope(const struct um_dice *d, const double *sums, int64_t b, int64_t j, int64_t s,
                    double p)
{
    const double y = label(d, b, j, s);
    double       ab[2];

    if (j < d->first || isnan(y))
        return 0;
    um_dice_slope(d, sums + 3 * (d->batch ? j : b * d->C + j), ab);
    return ab[0] * y + ab[1] * (d->square ? 2 * p : 1);
}

int um_ref_dice_bwd(struct um_dev *dev, float *dx, const float *gloss, const double *sums,
                    const struct um_dice *d)
{
    const double g = (double)*gloss * (double)d->scale;

    (void)dev;
    UM_TRY(um_check_classes("dice_bwd", d));
    for (int64_t b = 0; b < d->B; b++)
        for (int64_t s = 0; s < d->S; s++)
            for (int64_t j = 0; j < d->C; j++) {
                const double p   = probability(d, b, j, s);
                double       own = slope(d, sums, b, j, s, p), mean = 0;

                for (int64_t k = 0; d->softmax && k < d->C; k++) {
                    const double q = probability(d, b, k, s);

                    mean += q * slope(d, sums, b, k, s, q);
                }
                own                        = d->softmax ? p * (own - mean) : p * (1 - p) * own;
                dx[um_dice_at(d, b, j, s)] = (float)(g * own);
            }
    return UM_OK;
}
