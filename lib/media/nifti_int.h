/* nifti_int.h - a header of the NIfTI family, between the files that read it */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_NIFTI_INT_H
#define UM_MEDIA_NIFTI_INT_H

#include "media/nifti.h"

/* the fields that matter, of any version */
struct um_nifti_head {
    enum um_nifti_kind kind;
    int64_t            dim[8];
    double             pixdim[8], offset, slope, inter, quatern[6], srow[12];
    int                datatype, bits, qform, sform, units;
    int                orient, origin[3]; /* of Analyze 7.5 alone */
    int                least; /* where the voxels of a single file may begin: behind the header and
                                 four bytes that tell of extensions */
    bool swapped;
};

/* um_nifti_head_read - UM_EFORMAT if bytes[0..n-1] begin with none of them */
UM_RESULT_USED int um_nifti_head_read(const uint8_t *bytes, size_t n, struct um_nifti_head *h);

/* um_analyze_space - affine, form, notes, slope and intercept of an Analyze header whose sizes are
 * known to be sane. UM_EFORMAT: spacing that is not positive. */
UM_RESULT_USED int um_analyze_space(const struct um_nifti_head *h, struct um_scan *out);

#endif
