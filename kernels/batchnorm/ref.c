/* batchnorm/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/batchnorm/batchnorm.h"

#include <math.h>

#include "kernels/load.h"

/* mean and sum of squared differences of column j */
static void column(const void *x, enum um_dtype dt, int64_t n, int64_t c, int64_t j, double *mean,
                   double *ss)
{
    double m = 0, s = 0;

    for (int64_t i = 0; i < n; i++)
        m += um_load(x, dt, i * c + j) / (double)n;
    for (int64_t i = 0; i < n; i++) {
        const double d = um_load(x, dt, i * c + j) - m;

        s += d * d;
    }
    *mean = m;
    *ss   = s;
}

int um_ref_batchnorm_fwd(struct um_dev *dev, enum um_dtype dt, void *y, float *mean, float *rstd,
                         float *var, const void *x, const float *gamma, const float *beta,
                         int64_t n, int64_t c, float eps)
{
    (void)dev;
    UM_TRY(um_check_act("batchnorm_fwd", dt, n, c));
    if (n < 1)
        return um_fail(UM_ERANGE, "batchnorm_fwd: statistics of no rows");
    for (int64_t j = 0; j < c; j++) {
        double m, ss;

        column(x, dt, n, c, j, &m, &ss);
        const double r = 1 / sqrt(ss / (double)n + (double)eps);
        for (int64_t i = 0; i < n; i++)
            um_store(y, dt, i * c + j,
                     (um_load(x, dt, i * c + j) - m) * r * um_load_or(gamma, j, 1) +
                         um_load_or(beta, j, 0));
        mean[j] = (float)m;
        rstd[j] = (float)r;
        var[j]  = (float)(n > 1 ? ss / (double)(n - 1) : ss);
    }
    return UM_OK;
}

int um_ref_batchnorm_eval(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                          const float *gamma, const float *beta, const float *mean,
                          const float *var, int64_t n, int64_t c, float eps)
{
    (void)dev;
    UM_TRY(um_check_act("batchnorm_eval", dt, n, c));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++) {
            const double r = 1 / sqrt((double)var[j] + (double)eps);

            um_store(y, dt, i * c + j,
                     (um_load(x, dt, i * c + j) - (double)mean[j]) * r * um_load_or(gamma, j, 1) +
                         um_load_or(beta, j, 0));
        }
    return UM_OK;
}

int um_ref_batchnorm_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, float *dgamma,
                         float *dbeta, const void *dy, const void *x, const float *gamma,
                         const float *mean, const float *rstd, int64_t n, int64_t c)
{
    (void)dev;
    UM_TRY(um_check_act("batchnorm_bwd", dt, n, c));
    for (int64_t j = 0; n > 0 && j < c; j++) {
        const double m = (double)mean[j], r = (double)rstd[j];
        double       e = 0, ex = 0;

        for (int64_t i = 0; i < n; i++) {
            const double d = um_load(dy, dt, i * c + j);

            e += d;
            ex += d * (um_load(x, dt, i * c + j) - m) * r;
        }
        for (int64_t i = 0; i < n; i++) {
            const double xhat = (um_load(x, dt, i * c + j) - m) * r;

            um_store(dx, dt, i * c + j,
                     um_load_or(gamma, j, 1) * r *
                         (um_load(dy, dt, i * c + j) - e / (double)n - xhat * ex / (double)n));
        }
        if (gamma) {
            dgamma[j] = (float)((double)dgamma[j] + ex);
            dbeta[j]  = (float)((double)dbeta[j] + e);
        }
    }
    return UM_OK;
}

int um_ref_lerp(struct um_dev *dev, float *run, const float *x, float momentum, int64_t n)
{
    (void)dev;
    UM_TRY(um_check_rows("lerp", n, 1));
    for (int64_t j = 0; j < n; j++)
        run[j] = (float)((1 - (double)momentum) * (double)run[j] + (double)momentum * (double)x[j]);
    return UM_OK;
}
