/* series.h - a volume from DICOM: a folder of slices, or one file of many frames (enhanced CT)
 *
 * Voxels are the stored values, 8 or 16 bits wide as in the files, and the volume's slope and
 * intercept turn them into Hounsfield units; where slices differ in these, a modality LUT takes
 * their place, or padding is made air (um_planes_padding), the voxels are float32 Hounsfield units
 * already. Rows and columns are those of the slices, from the first one along the normal to the
 * last. SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_SERIES_H
#define UM_MEDIA_SERIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "media/folder.h"
#include "media/scan.h"

/* um_series_read - the slices in a folder (planes.h says how they are put together)
 *
 * What is left of a slice that was not written to its end is UM_EFORMAT: an empty file, one of
 * zeros, one named .dcm that is not DICOM, a picture's header without pixels. Other files that are
 * not DICOM, DICOM files without pixels (DICOMDIR, reports) and localizers are left out; a note
 * counts them. Files are read one at a time: memory is that of the voxels, of one file, and about
 * one kilobyte a file. The voxels are in the arena.
 *
 * Returns UM_OK; UM_EMISSING: no DICOM pictures in it, or not the series asked for; UM_ESHAPE:
 * several series (the message lists them: UID, description, files); UM_EMISMATCH: slices of other
 * sizes or types, patients or frames of reference; UM_ERANGE: more than max_voxels; errors of
 * single files with their names, as um_dicom_open, um_dicom_frame and um_planes_arrange give them.
 */
UM_API UM_RESULT_USED int um_series_read(struct um_arena *a, const struct um_folder *folder,
                                         const struct um_scan_opts *opts, struct um_scan *out);

/* um_series_frames - the frames of one file, bytes[0..n-1], by the plane positions that its
 * functional groups hold. UM_EMISSING: they hold none; otherwise as above. */
UM_API UM_RESULT_USED int um_series_frames(struct um_arena *a, const uint8_t *bytes, size_t n,
                                           const struct um_scan_opts *opts, struct um_scan *out);

#endif
