/* rows.h - the glue of sequences: blocks of rows, embeddings, patches, transposes; equations in
 * kernels.h */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_KERNELS_ROWS_H
#define UM_KERNELS_ROWS_H

#include "kernels/backend.h"

#define UM_ROWS_OPS(X, b) X(b, rows) X(b, embed_fwd) X(b, embed_bwd) X(b, patches) X(b, transpose)

UM_ROWS_OPS(UM_DECLARE, ref)

/* what every backend refuses alike
 * um_check_copy - the sizes of rows; um_check_ids - the sizes of embed, and each id in 0..v-1
 * um_check_patches - pz | D, py | H, px | W; um_check_transpose - its sizes */
UM_RESULT_USED int um_check_copy(enum um_dtype dty, enum um_dtype dtx, int64_t B, int64_t n,
                                 int64_t c, const int64_t stride[4]);
UM_RESULT_USED int um_check_ids(const char *op, enum um_dtype dt, const int32_t *ids, int64_t n,
                                int64_t v, int64_t c);
UM_RESULT_USED int um_check_patches(enum um_dtype dt, int64_t B, const int64_t dim[3],
                                    const int64_t patch[3]);
UM_RESULT_USED int um_check_transpose(enum um_dtype dt, int64_t B, int64_t r, int64_t c);

#endif
