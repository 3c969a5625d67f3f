/* loss/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/loss/loss.h"

#include <math.h>

#include "kernels/load.h"

static double log_sum_exp(const float *x, int64_t cs, int64_t c)
{
    double max = -INFINITY, sum = 0;

    for (int64_t j = 0; j < c; j++)
        max = fmax(max, (double)x[j * cs]);
    for (int64_t j = 0; j < c; j++)
        sum += exp((double)x[j * cs] - max);
    return max + log(sum);
}

int um_ref_xent_fwd(struct um_dev *dev, float *loss, float *lse, const float *x, int64_t rs,
                    int64_t cs, const int32_t *target, int64_t n, int64_t c, float scale)
{
    double sum = 0;

    (void)dev;
    UM_TRY(um_check_targets("xent_fwd", target, n, c));
    for (int64_t i = 0; i < n; i++) {
        const double l = log_sum_exp(x + i * rs, cs, c);

        lse[i] = (float)l;
        if (target[i] >= 0)
            sum += l - (double)x[i * rs + target[i] * cs];
    }
    if (n > 0)
        *loss = (float)((double)*loss + (double)scale * sum);
    return UM_OK;
}

int um_ref_xent_bwd(struct um_dev *dev, float *dx, const float *gloss, const float *x, int64_t rs,
                    int64_t cs, const float *lse, const int32_t *target, int64_t n, int64_t c,
                    float scale)
{
    (void)dev;
    UM_TRY(um_check_targets("xent_bwd", target, n, c));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++) {
            const int64_t at = i * rs + j * cs;
            const double  p  = exp((double)x[at] - (double)lse[i]);

            dx[at] = target[i] < 0
                         ? 0
                         : (float)((double)*gloss * (double)scale * (p - (j == target[i] ? 1 : 0)));
        }
    return UM_OK;
}

int um_ref_bce_fwd(struct um_dev *dev, float *loss, const float *x, const float *y, int64_t n,
                   float scale)
{
    double sum = 0;

    (void)dev;
    UM_TRY(um_check_rows("bce_fwd", n, 1));
    for (int64_t i = 0; i < n; i++) {
        const double v = (double)x[i];

        if (!isnan(y[i]))
            sum += (v < 0 ? 0 : v) - v * (double)y[i] + log1p(exp(-fabs(v)));
    }
    if (n > 0)
        *loss = (float)((double)*loss + (double)scale * sum);
    return UM_OK;
}

int um_ref_bce_bwd(struct um_dev *dev, float *dx, const float *gloss, const float *x,
                   const float *y, int64_t n, float scale)
{
    (void)dev;
    UM_TRY(um_check_rows("bce_bwd", n, 1));
    for (int64_t i = 0; i < n; i++) {
        const double s = 1 / (1 + exp(-(double)x[i]));

        dx[i] = isnan(y[i]) ? 0 : (float)((double)*gloss * (double)scale * (s - (double)y[i]));
    }
    return UM_OK;
}
