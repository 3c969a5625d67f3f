/* nrrd.h - a NRRD header in memory (.nrrd, .nhdr) -> a view of its voxels
 *
 * Voxels behind the header or in files beside it; encodings raw, gzip, text and hex; either byte
 * order. Of several axes that are not in space one is left, which is time; so is
 * the axis whose vector has its fourth number alone.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_NRRD_H
#define UM_MEDIA_NRRD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "media/scan.h"

/* um_nrrd_is - whether the bytes begin with "NRRD000" and a digit */
UM_API bool um_nrrd_is(const uint8_t *bytes, size_t n);

/* um_nrrd_read - bytes[0..n-1], the file at `path`, are kept by the view and changed
 *
 * Directions are the space directions in the anatomical space that `space` names (RAS, LAS, LPS);
 * without one, axes are taken to run left, back, head, with the file's spacings, and a note says
 * so. Lengths are in millimetres unless `space units` says m, cm or um.
 *
 * Returns UM_OK; UM_EFORMAT: a field missing, twice, or not what it must be, fewer voxels than
 * promised, a name that leads elsewhere (beside.h); UM_ERANGE: more than max_voxels, no such frame;
 * UM_ESHAPE: several frames and none chosen; UM_EUNSUPPORTED: bzip2, blocks, a space that is not
 * the patient's, axes of colours or vectors; UM_EMISSING, UM_EIO, UM_ENOMEM.
 */
UM_API UM_RESULT_USED int um_nrrd_read(struct um_arena *a, const char *path, uint8_t *bytes,
                                       size_t n, const struct um_scan_opts *opts,
                                       struct um_scan *out);

#endif
