/* layernorm/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/layernorm/layernorm.h"

#include <math.h>

#include "kernels/load.h"

int um_ref_layernorm_fwd(struct um_dev *dev, void *y, enum um_dtype dty, float *mean, float *rstd,
                         const void *x, enum um_dtype dtx, const float *gamma, const float *beta,
                         int64_t n, int64_t c, float eps)
{
    (void)dev;
    UM_TRY(um_check_act("layernorm_fwd", dtx, n, c));
    UM_TRY(um_check_act("layernorm_fwd", dty, n, c));
    for (int64_t i = 0; i < n; i++) {
        double m = 0, v = 0;

        for (int64_t j = 0; j < c; j++)
            m += um_load(x, dtx, i * c + j) / (double)c;
        for (int64_t j = 0; j < c; j++) {
            const double d = um_load(x, dtx, i * c + j) - m;

            v += d * d / (double)c;
        }
        const double r = 1 / sqrt(v + (double)eps);
        for (int64_t j = 0; j < c; j++)
            um_store(y, dty, i * c + j,
                     (um_load(x, dtx, i * c + j) - m) * r * (double)gamma[j] + (double)beta[j]);
        mean[i] = (float)m;
        rstd[i] = (float)r;
    }
    return UM_OK;
}

int um_ref_layernorm_bwd(struct um_dev *dev, void *dx, enum um_dtype dtx, bool acc, float *dgamma,
                         float *dbeta, const void *dy, enum um_dtype dty, const void *x,
                         const float *gamma, const float *mean, const float *rstd, int64_t n,
                         int64_t c)
{
    (void)dev;
    UM_TRY(um_check_act("layernorm_bwd", dtx, n, c));
    UM_TRY(um_check_act("layernorm_bwd", dty, n, c));
    for (int64_t i = 0; i < n; i++) {
        const double m = (double)mean[i], r = (double)rstd[i];
        double       e = 0, ex = 0;

        for (int64_t j = 0; j < c; j++) {
            const double g = um_load(dy, dty, i * c + j) * (double)gamma[j];

            e += g / (double)c;
            ex += g * (um_load(x, dtx, i * c + j) - m) * r / (double)c;
        }
        for (int64_t j = 0; j < c; j++) {
            const double g = um_load(dy, dty, i * c + j) * (double)gamma[j];

            um_store(dx, dtx, i * c + j,
                     (acc ? um_load(dx, dtx, i * c + j) : 0) +
                         r * (g - e - (um_load(x, dtx, i * c + j) - m) * r * ex));
        }
    }
    for (int64_t j = 0; n > 0 && j < c; j++) {
        double g = (double)dgamma[j], b = (double)dbeta[j];

        for (int64_t i = 0; i < n; i++) {
            const double d = um_load(dy, dty, i * c + j);

            g += d * (um_load(x, dtx, i * c + j) - (double)mean[i]) * (double)rstd[i];
            b += d;
        }
        dgamma[j] = (float)g;
        dbeta[j]  = (float)b;
    }
    return UM_OK;
}
