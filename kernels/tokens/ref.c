/* tokens/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/tokens/tokens.h"

#include "kernels/load.h"

int um_ref_pick_fwd(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                    const int32_t *idx, int64_t B, int64_t n, int64_t T, int64_t c)
{
    (void)dev;
    UM_TRY(um_check_pick("pick_fwd", dt, idx, B, n, T, c));
    for (int64_t i = 0; i < B * n; i++)
        for (int64_t j = 0; j < c; j++)
            um_store(y, dt, i * c + j, um_load(x, dt, (i / n * T + idx[i]) * c + j));
    return UM_OK;
}

int um_ref_pick_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy,
                    const int32_t *idx, int64_t B, int64_t n, int64_t T, int64_t c)
{
    (void)dev;
    UM_TRY(um_check_pick("pick_bwd", dt, idx, B, n, T, c));
    for (int64_t b = 0; b < B; b++)
        for (int64_t t = 0; t < T; t++)
            for (int64_t j = 0; j < c; j++) {
                double sum = 0;

                for (int64_t i = 0; i < n; i++)
                    if (idx[b * n + i] == t)
                        sum += um_load(dy, dt, (b * n + i) * c + j);
                um_store(dx, dt, (b * T + t) * c + j, sum);
            }
    return UM_OK;
}

int um_ref_mask_fwd(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, const float *v,
                    const uint8_t *mask, int64_t n, int64_t c)
{
    (void)dev;
    UM_TRY(um_check_act("mask_fwd", dt, n, c));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++)
            um_store(y, dt, i * c + j, mask[i] ? (double)v[j] : um_load(x, dt, i * c + j));
    return UM_OK;
}

int um_ref_mask_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, float *dv, const void *dy,
                    const uint8_t *mask, int64_t n, int64_t c)
{
    (void)dev;
    UM_TRY(um_check_act("mask_bwd", dt, n, c));
    for (int64_t j = 0; j < c; j++) {
        double sum = (double)dv[j];

        for (int64_t i = 0; i < n; i++) {
            const double g = um_load(dy, dt, i * c + j);

            sum += mask[i] ? g : 0;
            um_store(dx, dt, i * c + j, mask[i] ? 0 : g);
        }
        dv[j] = (float)sum;
    }
    return UM_OK;
}
