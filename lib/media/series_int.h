/* series_int.h - what the files that read series share */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_SERIES_INT_H
#define UM_MEDIA_SERIES_INT_H

#include "media/dicom.h"
#include "media/planes.h"

/* um_series_take - room for the voxels of n slices like d, once it is known that they may be so
 * many; fills in the volume but for its affine. `floats`: float32, else as stored. */
UM_RESULT_USED int um_series_take(struct um_arena *a, const struct um_dicom *d, int64_t n,
                                  bool floats, const struct um_scan_opts *opts,
                                  struct um_scan *out);

/* um_series_put - frame s->frame of d to place i of the voxels, stored or in Hounsfield units */
UM_RESULT_USED int um_series_put(struct um_arena *a, const struct um_dicom *d,
                                 const struct um_plane_at *s, int64_t i, struct um_scan *out);

/* um_series_settle - slope, intercept and notes, once all voxels are there */
UM_RESULT_USED int um_series_settle(struct um_arena *a, struct um_scan *out);

#endif
