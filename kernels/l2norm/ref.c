/* l2norm/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/l2norm/l2norm.h"

#include <math.h>

#include "kernels/load.h"

int um_ref_l2norm_fwd(struct um_dev *dev, enum um_dtype dt, void *y, float *norm, const void *x,
                      int64_t n, int64_t c, float eps)
{
    (void)dev;
    UM_TRY(um_check_act("l2norm_fwd", dt, n, c));
    for (int64_t i = 0; i < n; i++) {
        double s = 0;

        for (int64_t j = 0; j < c; j++)
            s += um_load(x, dt, i * c + j) * um_load(x, dt, i * c + j);
        s       = sqrt(s);
        norm[i] = (float)(s < (double)eps ? (double)eps : s); /* NaN stays NaN */
        for (int64_t j = 0; j < c; j++)
            um_store(y, dt, i * c + j, um_load(x, dt, i * c + j) / (double)norm[i]);
    }
    return UM_OK;
}

int um_ref_l2norm_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy, const void *y,
                      const float *norm, int64_t n, int64_t c, float eps)
{
    (void)dev;
    UM_TRY(um_check_act("l2norm_bwd", dt, n, c));
    for (int64_t i = 0; i < n; i++) {
        double dot = 0;

        for (int64_t j = 0; norm[i] > eps && j < c; j++)
            dot += um_load(y, dt, i * c + j) * um_load(dy, dt, i * c + j);
        for (int64_t j = 0; j < c; j++)
            um_store(dx, dt, i * c + j,
                     (um_load(dy, dt, i * c + j) - um_load(y, dt, i * c + j) * dot) /
                         (double)norm[i]);
    }
    return UM_OK;
}
