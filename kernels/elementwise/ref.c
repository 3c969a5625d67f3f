/* elementwise/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/elementwise/elementwise.h"

#include <math.h>

#include "kernels/load.h"

int um_ref_add(struct um_dev *dev, enum um_dtype dt, void *y, const void *a, const void *b,
               int64_t n)
{
    (void)dev;
    UM_TRY(um_check_act("add", dt, n, 1));
    for (int64_t i = 0; i < n; i++)
        um_store(y, dt, i, um_load(a, dt, i) + um_load(b, dt, i));
    return UM_OK;
}

int um_ref_cast(struct um_dev *dev, void *y, enum um_dtype dty, const void *x, enum um_dtype dtx,
                int64_t n)
{
    (void)dev;
    UM_TRY(um_check_act("cast", dtx, n, 1));
    UM_TRY(um_check_act("cast", dty, n, 1));
    for (int64_t i = 0; i < n; i++)
        um_store(y, dty, i, um_load(x, dtx, i));
    return UM_OK;
}

int um_ref_dropout(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, int64_t n,
                   struct um_drop drop)
{
    (void)dev;
    UM_TRY(um_check_act("dropout", dt, n, 1));
    if (!um_drop_ok(drop))
        return um_fail(UM_ERANGE, "dropout: probability %g is not in 0..1", (double)drop.p);
    for (int64_t i = 0; i < n; i++) {
        const float f = um_drop_factor(drop, i);

        um_store(y, dt, i, f > 0 ? um_load(x, dt, i) * (double)f : 0);
    }
    return UM_OK;
}

int um_ref_drop_path(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, int64_t B,
                     int64_t n, struct um_drop drop)
{
    (void)dev;
    UM_TRY(um_check_drop_path(dt, B, n, drop));
    for (int64_t b = 0; b < B; b++) {
        const float f = um_drop_factor(drop, b);

        for (int64_t i = b * n; i < (b + 1) * n; i++)
            um_store(y, dt, i, f > 0 ? um_load(x, dt, i) * (double)f : 0);
    }
    return UM_OK;
}

int um_ref_expscale_fwd(struct um_dev *dev, float *y, const float *x, const float *theta, int64_t n)
{
    (void)dev;
    UM_TRY(um_check_rows("expscale_fwd", n, 1));
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)((double)x[i] * exp((double)*theta));
    return UM_OK;
}

int um_ref_expscale_bwd(struct um_dev *dev, float *dx, float *dtheta, const float *dy,
                        const float *x, const float *theta, int64_t n)
{
    double sum = 0;

    (void)dev;
    UM_TRY(um_check_rows("expscale_bwd", n, 1));
    for (int64_t i = 0; i < n; i++) {
        const double e = exp((double)*theta);

        sum += (double)dy[i] * (double)x[i] * e;
        dx[i] = (float)((double)dy[i] * e);
    }
    if (n > 0)
        *dtheta = (float)((double)*dtheta + sum);
    return UM_OK;
}
