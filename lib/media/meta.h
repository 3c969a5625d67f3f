/* meta.h - a MetaImage header in memory (.mha, .mhd) -> a view of its voxels
 *
 * Voxels behind the header (LOCAL), in a file beside it, or in one file for each slice (LIST, or a
 * pattern with %d); as they are, by zlib, or as text; either byte order.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_META_H
#define UM_MEDIA_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "media/scan.h"

/* um_meta_is - whether the bytes begin as a MetaImage header does: a line "ObjectType = Image" or
 * another of its first keys */
UM_API bool um_meta_is(const uint8_t *bytes, size_t n);

/* um_meta_read - bytes[0..n-1], the file at `path`, are kept by the view and changed
 *
 * Direction is TransformMatrix (Rotation, Orientation), whose rows are the axes' vectors to left,
 * back, head, as ITK writes them; without it the axes are taken to run so, with a note. The letters
 * of AnatomicalOrientation are not looked at: files in use mean both ends of the axes by them.
 * A fourth dimension is time. ElementToIntensityFunctionSlope and Offset are applied, with a note.
 *
 * Returns UM_OK; UM_EFORMAT: a field missing, twice, or not what it must be, fewer voxels than
 * promised, a name that leads elsewhere (beside.h); UM_ERANGE: more than max_voxels, no such frame;
 * UM_ESHAPE: several frames and none chosen; UM_EUNSUPPORTED: no image, more than one number a
 * voxel, more than four dimensions; UM_EMISSING, UM_EIO, UM_ENOMEM.
 */
UM_API UM_RESULT_USED int um_meta_read(struct um_arena *a, const char *path, uint8_t *bytes,
                                       size_t n, const struct um_scan_opts *opts,
                                       struct um_scan *out);

#endif
