/* optim/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/optim/optim.h"

#include <math.h>

int um_ref_sumsq(struct um_dev *dev, double *sum, const float *x, const struct um_span *span,
                 int64_t spans)
{
    (void)dev;
    UM_TRY(um_check_spans("sumsq", span, spans));
    for (int64_t i = 0; i < spans; i++) {
        const float *v = x + span[i].from;
        double       s = 0;

        for (int64_t k = 0; k < span[i].n; k++)
            s += (double)v[k] * (double)v[k];
        sum[i] += s;
    }
    return UM_OK;
}

int um_ref_clip(struct um_dev *dev, float *factor, const double *sum, const double *also,
                int64_t spans, bool all, double most)
{
    double whole = 0;
    bool   good  = !also || isfinite(*also);

    (void)dev;
    UM_TRY(um_check_clip(spans, most));
    for (int64_t i = 0; i < spans; i++) {
        whole += sum[i];
        good = good && isfinite(sum[i]);
    }
    for (int64_t i = 0; i < spans; i++) {
        const double length = sqrt(all ? whole : sum[i]);

        factor[i] = !good ? NAN : length > most ? (float)(most / length) : 1;
    }
    return UM_OK;
}

/* float k of the block, by the group of span s and its factor; c1, c2: 1 - b^t */
static void update(const struct um_adam *a, const struct um_span *s, double scale, int64_t k,
                   double c1, double c2)
{
    const double b1 = (double)a->b1, b2 = (double)a->b2, lr = (double)a->lr;
    const double g = (double)a->g[k] * scale;
    const double m = b1 * (double)a->m[k] + (1 - b1) * g;
    const double u = b2 * (double)a->u[k] + (1 - b2) * g * g;

    a->w[k] = (float)((double)a->w[k] * (1 - lr * (double)s->wd) -
                      lr * (m / c1 / (sqrt(u / c2) + (double)a->eps)));
    a->m[k] = (float)m;
    a->u[k] = (float)u;
}

int um_ref_adamw(struct um_dev *dev, const struct um_adam *a)
{
    (void)dev;
    UM_TRY(um_check_adam(a));
    const double c1 = 1 - pow((double)a->b1, (double)a->t);
    const double c2 = 1 - pow((double)a->b2, (double)a->t);

    for (int64_t i = 0; i < a->spans; i++) {
        const float scale = a->span[i].gscale * (a->factor ? a->factor[i] : 1);

        for (int64_t k = 0; k < a->span[i].n && !isnan(scale); k++)
            update(a, &a->span[i], (double)scale, a->span[i].from + k, c1, c2);
    }
    return UM_OK;
}
