/* nifti.h - a file of the NIfTI family in memory -> a view of its voxels
 *
 * NIfTI-1 and -2, single files (.nii) and pairs (.hdr, .img), and Analyze 7.5 pairs, either byte
 * order, extensions skipped. Nothing in the header is believed before it is held against the bytes
 * that are there.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_NIFTI_H
#define UM_MEDIA_NIFTI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "media/scan.h"

/* what the first bytes say; the last three are headers whose voxels lie in another file */
enum um_nifti_kind {
    UM_NIFTI_NOT = 0,
    UM_NIFTI_1,
    UM_NIFTI_2,
    UM_NIFTI_PAIR,
    UM_NIFTI_PAIR_2,
    UM_NIFTI_ANALYZE
};
UM_API enum um_nifti_kind um_nifti_kind(const uint8_t *bytes, size_t n);

/* um_nifti_promise - *bytes of a whole single file whose first n bytes these are: up to the last
 * voxel of the last frame; 0: a header whose voxels lie in another file. Errors as um_nifti_read.
 */
UM_API UM_RESULT_USED int um_nifti_promise(const uint8_t *head, size_t n, int64_t max_voxels,
                                           size_t *bytes);

/* um_nifti_read - bytes[0..n-1] are kept by the view and changed: brought to this machine's byte
 * order and moved to an aligned place. Slope 0 or NaN means no scaling. Positions in metres or
 * micrometres become millimetres. Bytes behind the voxels are noted (in the arena).
 *
 * Returns UM_OK; UM_EFORMAT: not NIfTI, a size of 0, more voxels promised than there are bytes,
 * spacing that is not a positive number, a form without three axes; UM_ERANGE: more than
 * max_voxels, no such frame; UM_ESHAPE: several frames and none chosen; UM_EUNSUPPORTED: a header
 * without its voxels, more than four dimensions, datatypes that are not one real number;
 * UM_ENONFINITE.
 */
UM_API UM_RESULT_USED int um_nifti_read(struct um_arena *a, uint8_t *bytes, size_t n,
                                        const struct um_scan_opts *opts, struct um_scan *out);

/* um_nifti_read_pair - the header in bytes[0..n-1], a file at the path `header`; its voxels come
 * from the file of that name beside it, or, where voxels is NULL, from the .img or .img.gz of the
 * header's name. They are read into the arena. Analyze does not record left and right, which a note
 * says: see analyze.c for what is assumed. Errors as um_nifti_read and um_block_read (block.h). */
UM_API UM_RESULT_USED int um_nifti_read_pair(struct um_arena *a, const char *header,
                                             const uint8_t *bytes, size_t n, const char *voxels,
                                             const struct um_scan_opts *opts, struct um_scan *out);

/* um_nifti_header_of - voxels alone cannot be told by their content: 1 and the path of the header
 * beside them, if `path` ends in .img or .img.gz and there is a file of the same name with .hdr; 0
 * if not. UM_ENOMEM. */
UM_RESULT_USED int um_nifti_header_of(struct um_arena *a, const char *path, const char **header);

#endif
