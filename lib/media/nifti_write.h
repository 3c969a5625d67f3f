/* nifti_write.h - a volume to a NIfTI-1 file (.nii, .nii.gz) */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_NIFTI_WRITE_H
#define UM_MEDIA_NIFTI_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/file.h"
#include "base/status.h"

/* what is written; zero-initialise, then fill in */
struct um_nifti_out {
    const void   *data;  /* [depth,height,width], C order: x runs fastest, as in the file */
    enum um_dtype dtype; /* uint8, int16, int32, float32 or float64 */
    int64_t       depth, height, width; /* each 1..32767: NIfTI-1's limit */
    double        spacing[3];           /* mm along x, y, z (width, height, depth); > 0 */
    /* the first three rows of the matrix from voxel centres (x,y,z,1) to RAS+ millimetres; NULL:
     * the position is not known (both form codes 0, spacing alone) */
    const double *affine;
    double        slope, inter; /* value = slope * stored + inter; slope 0: none */
    const char   *description;  /* at most 79 bytes are kept; may be NULL */
    bool          gzip;         /* the whole file compressed */
    int           gzip_level;   /* 1 (fast) to 12 (small); 0: 6 */
};

/* um_nifti_write - append one file to `out` (the caller closes it)
 *
 * The sform is the affine; the qform says the same when the affine is a rotation (or a mirror)
 * times voxel sizes, and is left unset (code 0) when it shears. With an affine the spacing written
 * is the length of its columns; `spacing` is then not looked at. The same input gives the same
 * bytes (the gzip header holds no time and no name) for one build of libdeflate.
 *
 * Returns UM_OK; UM_ERANGE: a side outside 1..32767; UM_EDTYPE; UM_ENONFINITE: NaN in the affine;
 * UM_EFORMAT: spacing not positive, or an affine column of length 0; UM_ENOMEM; UM_EIO, UM_EPIPE.
 */
UM_API UM_RESULT_USED int um_nifti_write(struct um_outfile *out, const struct um_nifti_out *v);

/* um_nifti_write_like - the same with the header of another file, which begins with head[0..n-1]
 *
 * Version, qform, sform, their codes, voxel sizes and units stay byte for byte as they are (in this
 * machine's byte order), so that a viewer lays one over the other. Datatype, scaling and the number
 * of frames are v's; intent, ranges for display, extensions and names of other files are left out.
 * The sides are the header's first three, and v must have as many voxels (UM_ESHAPE); its affine
 * and spacing are not looked at. UM_EFORMAT: no header of a NIfTI file. Else as um_nifti_write. */
UM_API UM_RESULT_USED int um_nifti_write_like(struct um_outfile *out, const void *head, size_t n,
                                              const struct um_nifti_out *v);

#endif
