/* nifti.h - a NIfTI file in memory -> a view of its voxels
 *
 * NIfTI-1 and -2, single file (.nii), either byte order, extensions skipped. Nothing in the header
 * is believed before it is held against the bytes that are there.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_NIFTI_H
#define UM_MEDIA_NIFTI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "media/scan.h"

/* what the first bytes say; UM_NIFTI_PAIR and _ANALYZE are headers whose voxels lie in another file
 */
enum um_nifti_kind { UM_NIFTI_NOT = 0, UM_NIFTI_1, UM_NIFTI_2, UM_NIFTI_PAIR, UM_NIFTI_ANALYZE };
UM_API enum um_nifti_kind um_nifti_kind(const uint8_t *bytes, size_t n);

/* um_nifti_read - bytes[0..n-1] are kept by the view and changed: brought to this machine's byte
 * order and moved to an aligned place. Slope 0 or NaN means no scaling. Positions in metres or
 * micrometres become millimetres.
 *
 * Returns UM_OK; UM_EFORMAT: not NIfTI, a size of 0, more voxels promised than there are bytes,
 * spacing that is not a positive number, a form without three axes; UM_ERANGE: more than
 * max_voxels, no such frame; UM_ESHAPE: several frames and none chosen; UM_EUNSUPPORTED: a header
 * without its voxels, more than four dimensions, datatypes that are not one real number;
 * UM_ENONFINITE.
 */
UM_API UM_RESULT_USED int um_nifti_read(uint8_t *bytes, size_t n, const struct um_scan_opts *opts,
                                        struct um_scan *out);

#endif
