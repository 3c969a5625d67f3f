/* transpose.h - matrices with gaps between their rows, turned over from either dtype to either
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_TRANSPOSE_H
#define UM_KERNELS_TRANSPOSE_H

#include "kernels/linear/transpose.h"
#include "kernels/vec.h"

/* y [cols,rows] = x [rows,cols]^T, rows ldy and ldx apart; rounded where the dtypes differ */
static inline void um_transpose_block(void *y, enum um_dtype dty, int64_t ldy, const void *x,
                                      enum um_dtype dtx, int64_t ldx, int64_t rows, int64_t cols)
{
    um_vf v[UM_VL];

    if ((rows == 1 && ldy == 1) || (cols == 1 && ldx == 1)) { /* both lie in one piece */
        for (int64_t i = 0; i < rows * cols; i += UM_VL)
            um_vstore(y, dty, i, rows * cols - i, um_vload(x, dtx, i, rows * cols - i));
        return;
    }
    for (int64_t i = 0; i < rows; i += UM_VL)
        for (int64_t j = 0; j < cols; j += UM_VL) {
            for (int64_t l = 0; l < UM_VL; l++)
                v[l] = l < rows - i ? um_vload(x, dtx, (i + l) * ldx + j, cols - j) : um_vset(0);
            um_transpose_tile(v);
            for (int64_t l = 0; l < UM_VL && l < cols - j; l++)
                um_vstore(y, dty, (j + l) * ldy + i, rows - i, v[l]);
        }
}

#endif
