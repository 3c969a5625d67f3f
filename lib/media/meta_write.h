/* meta_write.h - a volume to a MetaImage file (.mha), or a header with its voxels (.mhd, .raw) */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_META_WRITE_H
#define UM_MEDIA_META_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/file.h"
#include "base/status.h"

/* what is written, as MetaImage or NRRD (nrrd_write.h); zero-initialise, then fill in */
struct um_meta_out {
    const void   *data;  /* [depth,height,width], C order: x runs fastest, as in the file */
    enum um_dtype dtype; /* uint8, int16, int32, int64, float32 or float64 */
    int64_t       depth, height, width; /* each at least 1 */
    const double *affine;               /* three rows: voxel centre (x,y,z,1) -> RAS+ millimetres */
    bool          deflate;              /* compressed: zlib in a MetaImage, gzip in a NRRD */
    int           level;                /* 1 (fast) to 12 (small); 0: 6 */
    const char *data_file; /* name of the file of voxels, beside the header; NULL: in the header */
};

/* um_meta_write - one volume; the header to `out`, and the voxels to `voxels`, or behind the header
 * where voxels is NULL (both outputs are the caller's to close)
 *
 * Positions are written left, back, head, as the format has them; direction and spacing are the
 * columns of the affine and their lengths. With voxels, data_file says what the header calls them.
 * The same input gives the same bytes for one build of libdeflate.
 *
 * Returns UM_OK; UM_ERANGE: a side below 1; UM_EDTYPE; UM_EFORMAT: an axis of length 0; voxels and
 * data_file not given together; UM_ENONFINITE: NaN in the affine; UM_ENOMEM; UM_EIO, UM_EPIPE.
 */
UM_API UM_RESULT_USED int um_meta_write(struct um_outfile *out, struct um_outfile *voxels,
                                        const struct um_meta_out *v);

#endif
