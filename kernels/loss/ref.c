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

int um_ref_xent_soft_fwd(struct um_dev *dev, float *loss, float *lse, const float *x,
                         const float *q, int64_t rs, int64_t cs, int64_t n, int64_t c, float scale)
{
    double sum = 0;

    (void)dev;
    UM_TRY(um_check_rows("xent_soft_fwd", n, c));
    for (int64_t i = 0; i < n; i++) {
        const double l = log_sum_exp(x + i * rs, cs, c);

        lse[i] = (float)l;
        for (int64_t j = 0; j < c; j++)
            if (q[i * rs + j * cs] != 0) /* else x may be -infinity */
                sum += (double)q[i * rs + j * cs] * (l - (double)x[i * rs + j * cs]);
    }
    if (n > 0)
        *loss = (float)((double)*loss + (double)scale * sum);
    return UM_OK;
}

int um_ref_xent_soft_bwd(struct um_dev *dev, float *dx, const float *gloss, const float *x,
                         const float *q, int64_t rs, int64_t cs, const float *lse, int64_t n,
                         int64_t c, float scale)
{
    const double g = (double)*gloss * (double)scale;

    (void)dev;
    UM_TRY(um_check_rows("xent_soft_bwd", n, c));
    for (int64_t i = 0; i < n; i++) {
        double all = 0;

        for (int64_t j = 0; j < c; j++)
            all += (double)q[i * rs + j * cs];
        for (int64_t j = 0; j < c; j++) {
            const int64_t at = i * rs + j * cs;
            const double  p  = exp((double)x[at] - (double)lse[i]);

            dx[at] = (float)(g * (p * all - (double)q[at]));
        }
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

/* log(1 + e^x) */
static double softplus(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

/* f of logit x and target y, and its slope */
static double focal(const struct um_focal *f, double x, double y, double *slope)
{
    const double u = 2 * y - 1, gamma = (double)f->gamma, alpha = (double)f->alpha;
    const double a    = f->alpha < 0 ? 1 : alpha * y + (1 - alpha) * (1 - y);
    const double w    = a * exp(-gamma * softplus(x * u)); /* log s = -log(1 + e^(x u)) */
    const double bce  = softplus(x) - x * y;
    const double hit  = 1 / (1 + exp(-x * u)); /* 1 - s */
    const double grow = 1 / (1 + exp(-x)) - y;

    *slope = w * (grow - gamma * u * hit * bce);
    return w * bce;
}

int um_ref_focal_fwd(struct um_dev *dev, float *loss, const struct um_focal *f)
{
    double sum = 0, slope;

    (void)dev;
    UM_TRY(um_check_focal("focal_fwd", f));
    for (int64_t i = 0; i < f->n; i++)
        if (!isnan(f->y[i]))
            sum += focal(f, (double)f->x[i], (double)f->y[i], &slope);
    if (f->n > 0)
        *loss = (float)((double)*loss + (double)f->scale * sum);
    return UM_OK;
}

int um_ref_focal_bwd(struct um_dev *dev, float *dx, const float *gloss, const struct um_focal *f)
{
    (void)dev;
    UM_TRY(um_check_focal("focal_bwd", f));
    for (int64_t i = 0; i < f->n; i++) {
        double slope;

        (void)focal(f, (double)f->x[i], (double)f->y[i], &slope);
        dx[i] = isnan(f->y[i]) ? 0 : (float)((double)*gloss * (double)f->scale * slope);
    }
    return UM_OK;
}
