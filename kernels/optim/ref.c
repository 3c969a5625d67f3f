/* optim/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/optim/optim.h"

#include <math.h>

int um_ref_sumsq(struct um_dev *dev, double *sum, const float *x, int64_t n)
{
    double s = 0;

    (void)dev;
    UM_TRY(um_check_rows("sumsq", n, 1));
    for (int64_t i = 0; i < n; i++)
        s += (double)x[i] * (double)x[i];
    *sum += s;
    return UM_OK;
}

int um_ref_adamw(struct um_dev *dev, float *w, float *m, float *u, const float *g, int64_t n,
                 float gscale, float lr, float b1, float b2, float eps, float wd, int64_t t)
{
    const double c1 = 1 - pow((double)b1, (double)t), c2 = 1 - pow((double)b2, (double)t);

    (void)dev;
    UM_TRY(um_check_rows("adamw", n, 1));
    if (t < 1)
        return um_fail(UM_ERANGE, "adamw: step %lld is before the first", (long long)t);
    for (int64_t i = 0; i < n; i++) {
        const double gi   = (double)g[i] * (double)gscale;
        const double mi   = (double)b1 * (double)m[i] + (1 - (double)b1) * gi;
        const double ui   = (double)b2 * (double)u[i] + (1 - (double)b2) * gi * gi;
        const double step = mi / c1 / (sqrt(ui / c2) + (double)eps);

        w[i] = (float)((double)w[i] * (1 - (double)lr * (double)wd) - (double)lr * step);
        m[i] = (float)mi;
        u[i] = (float)ui;
    }
    return UM_OK;
}
