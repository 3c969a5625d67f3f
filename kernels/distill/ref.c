/* distill/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/distill/distill.h"

#include <math.h>

#include "kernels/load.h"

/* element j of row i of the two softmaxes' arguments */
static double student(const struct um_distill *d, int64_t i, int64_t j)
{
    return um_load(d->x, d->dt, i * d->c + j) / (double)d->tau_s;
}

static double teacher(const struct um_distill *d, int64_t i, int64_t j)
{
    return (um_load(d->t, d->dt, i * d->c + j) - (double)d->centre[j]) / (double)d->tau_t;
}

typedef double argument(const struct um_distill *d, int64_t i, int64_t j);

static double log_sum_exp(const struct um_distill *d, int64_t i, argument *f)
{
    double max = -INFINITY, sum = 0;

    for (int64_t j = 0; j < d->c; j++)
        max = fmax(max, f(d, i, j));
    for (int64_t j = 0; j < d->c; j++)
        sum += exp(f(d, i, j) - max);
    return max + log(sum);
}

int um_ref_distill_fwd(struct um_dev *dev, float *loss, float *lse, float *qmean, float *entropy,
                       const struct um_distill *d)
{
    double sum = 0, sure = 0;

    (void)dev;
    UM_TRY(um_check_distill("distill_fwd", d));
    for (int64_t i = 0; i < d->n; i++) {
        const double ls = log_sum_exp(d, i, student), lt = log_sum_exp(d, i, teacher);
        double       h = 0, e = 0;

        for (int64_t j = 0; j < d->c; j++) {
            const double q = exp(teacher(d, i, j) - lt);

            h += q * (ls - student(d, i, j));
            e += q * (lt - teacher(d, i, j));
        }
        lse[2 * i]     = (float)ls;
        lse[2 * i + 1] = (float)lt;
        sum += (double)d->weight[i] * h;
        sure += (double)d->weight[i] * e;
    }
    for (int64_t j = 0; qmean && d->n > 0 && j < d->c; j++) {
        double q = (double)qmean[j];

        for (int64_t i = 0; i < d->n; i++)
            q += (double)d->weight[i] * exp(teacher(d, i, j) - (double)lse[2 * i + 1]);
        qmean[j] = (float)q;
    }
    if (d->n > 0)
        *loss = (float)((double)*loss + sum);
    if (entropy && d->n > 0)
        *entropy = (float)((double)*entropy + sure);
    return UM_OK;
}

int um_ref_distill_bwd(struct um_dev *dev, void *dx, const float *gloss, const float *lse,
                       const struct um_distill *d)
{
    (void)dev;
    UM_TRY(um_check_distill("distill_bwd", d));
    for (int64_t i = 0; i < d->n; i++) {
        const double g = (double)*gloss * (double)d->weight[i] / (double)d->tau_s;

        for (int64_t j = 0; j < d->c; j++)
            um_store(dx, d->dt, i * d->c + j,
                     g * (exp(student(d, i, j) - (double)lse[2 * i]) -
                          exp(teacher(d, i, j) - (double)lse[2 * i + 1])));
    }
    return UM_OK;
}

int um_ref_entropy(struct um_dev *dev, double *h, const float *q, int64_t n)
{
    (void)dev;
    *h = 0;
    for (int64_t j = 0; j < n; j++)
        *h -= q[j] > 0 ? (double)q[j] * log((double)q[j]) : 0;
    return UM_OK;
}
