/* lps.h - directions and spacing in millimetres to the left, back and head, as MetaImage, NRRD and
 * DICOM have them, and the affine to RAS+ that a volume keeps */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_LPS_H
#define UM_MEDIA_LPS_H

#include "base/status.h"

struct um_lps {
    double direction[3][3]; /* [c]: unit vector of axis c (x, y, z) */
    double spacing[3];      /* mm along axis c */
    double origin[3];       /* centre of voxel (0,0,0) */
};

/* um_lps_of - what an affine says. UM_ENONFINITE; UM_EFORMAT: an axis of length 0. */
UM_API UM_RESULT_USED int um_lps_of(const double affine[12], struct um_lps *lps);

/* um_lps_affine - three rows: voxel centre (x,y,z,1) -> RAS+ millimetres */
UM_API void um_lps_affine(const struct um_lps *lps, double affine[12]);

#endif
