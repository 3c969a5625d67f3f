/* softmax/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/softmax/softmax.h"

#include <math.h>

#include "kernels/load.h"

int um_ref_softmax_fwd(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, int64_t n,
                       int64_t c)
{
    (void)dev;
    UM_TRY(um_check_act("softmax_fwd", dt, n, c));
    for (int64_t i = 0; i < n; i++) {
        double max = -INFINITY, sum = 0;

        for (int64_t j = 0; j < c; j++)
            max = fmax(max, um_load(x, dt, i * c + j));
        for (int64_t j = 0; j < c; j++)
            sum += exp(um_load(x, dt, i * c + j) - max);
        for (int64_t j = 0; j < c; j++)
            um_store(y, dt, i * c + j, exp(um_load(x, dt, i * c + j) - max) / sum);
    }
    return UM_OK;
}

int um_ref_softmax_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy,
                       const void *y, int64_t n, int64_t c)
{
    (void)dev;
    UM_TRY(um_check_act("softmax_bwd", dt, n, c));
    for (int64_t i = 0; i < n; i++) {
        double dot = 0;

        for (int64_t j = 0; j < c; j++)
            dot += um_load(dy, dt, i * c + j) * um_load(y, dt, i * c + j);
        for (int64_t j = 0; j < c; j++)
            um_store(dx, dt, i * c + j,
                     um_load(y, dt, i * c + j) * (um_load(dy, dt, i * c + j) - dot));
    }
    return UM_OK;
}
