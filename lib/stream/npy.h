/* npy.h - a tensor as a NumPy file (.npy, version 1.0) */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_STREAM_NPY_H
#define UM_STREAM_NPY_H

#include "base/file.h"
#include "stream/tensor.h"

/* um_npy_header - the header alone, for ndim (0..UM_MAX_DIM + 1) dims; the elements follow, little
 * endian, C order. bfloat16, which NumPy lacks, is not written (UM_EDTYPE): see um_npy_write. */
UM_API UM_RESULT_USED int um_npy_header(struct um_outfile *out, enum um_dtype dtype, int ndim,
                                        const int64_t *dim);

/* um_npy_write - header and elements appended to `out`; bfloat16 becomes float32, exactly. The same
 * tensor gives the same bytes. UM_ENOMEM; UM_EIO, UM_EPIPE from writing. */
UM_API UM_RESULT_USED int um_npy_write(struct um_outfile *out, const struct um_tensor *t);

/* the dtype of the file for a tensor of dtype t */
UM_API enum um_dtype um_npy_dtype(enum um_dtype t);

/* um_npy_elements - the elements alone, as um_npy_write writes them */
UM_API UM_RESULT_USED int um_npy_elements(struct um_outfile *out, const struct um_tensor *t);

#endif
