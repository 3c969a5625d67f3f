/* rows/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/rows/rows.h"

#include "kernels/load.h"

int um_ref_rows(struct um_dev *dev, void *y, enum um_dtype dty, const void *x, enum um_dtype dtx,
                int64_t B, int64_t n, int64_t c, int64_t sy, int64_t oy, int64_t sx, int64_t ox,
                bool acc)
{
    const int64_t stride[4] = { sy, oy, sx, ox };

    (void)dev;
    UM_TRY(um_check_copy(dty, dtx, B, n, c, stride));
    for (int64_t b = 0; b < B; b++) {
        for (int64_t i = 0; i < n * c; i++) {
            const int64_t at  = (b * sy + oy) * c + i;
            const double  was = acc ? um_load(y, dty, at) : 0;

            um_store(y, dty, at, was + um_load(x, dtx, (b * sx + ox) * c + i));
        }
    }
    return UM_OK;
}

int um_ref_embed_fwd(struct um_dev *dev, enum um_dtype dt, void *y, const float *table,
                     const int32_t *ids, int64_t n, int64_t v, int64_t c)
{
    (void)dev;
    UM_TRY(um_check_ids("embed_fwd", dt, ids, n, v, c));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++)
            um_store(y, dt, i * c + j, (double)table[ids[i] * c + j]);
    return UM_OK;
}

int um_ref_embed_bwd(struct um_dev *dev, enum um_dtype dt, float *dtable, const void *dy,
                     const int32_t *ids, int64_t n, int64_t v, int64_t c)
{
    (void)dev;
    UM_TRY(um_check_ids("embed_bwd", dt, ids, n, v, c));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++)
            dtable[ids[i] * c + j] += (float)um_load(dy, dt, i * c + j);
    return UM_OK;
}

int um_ref_patches(struct um_dev *dev, enum um_dtype dt, void *y, const float *x, int64_t B,
                   int64_t D, int64_t H, int64_t W, int64_t pz, int64_t py, int64_t px, float scale,
                   float shift)
{
    const int64_t dim[3] = { D, H, W }, patch[3] = { pz, py, px };

    (void)dev;
    UM_TRY(um_check_patches(dt, B, dim, patch));
    for (int64_t b = 0; b < B; b++)
        for (int64_t z = 0; z < D; z++)
            for (int64_t i = 0; i < H; i++)
                for (int64_t j = 0; j < W; j++) {
                    const int64_t token = (z / pz * (H / py) + i / py) * (W / px) + j / px;
                    const int64_t place = (z % pz * py + i % py) * px + j % px;
                    const double  v     = (double)x[((b * D + z) * H + i) * W + j];

                    um_store(y, dt, b * D * H * W + token * pz * py * px + place,
                             v * (double)scale + (double)shift);
                }
    return UM_OK;
}

int um_ref_transpose(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, int64_t B,
                     int64_t r, int64_t c)
{
    (void)dev;
    UM_TRY(um_check_transpose(dt, B, r, c));
    for (int64_t b = 0; b < B; b++)
        for (int64_t i = 0; i < r; i++)
            for (int64_t j = 0; j < c; j++)
                um_store(y, dt, (b * c + j) * r + i, um_load(x, dt, (b * r + i) * c + j));
    return UM_OK;
}
