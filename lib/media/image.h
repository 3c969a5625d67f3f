/* image.h - a file of any kind we read, told by its content and never by its name */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_IMAGE_H
#define UM_MEDIA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "grid/grey.h"
#include "media/folder.h"
#include "media/scan.h"

/* a file in memory, of a kind we read (a gzipped one is inflated already), or a folder of such */
struct um_image {
    const struct um_reader_of *kind;
    const char                *path;  /* the caller's; of a pair, the header's */
    uint8_t                   *bytes; /* NULL: a folder */
    size_t                     n;
    const char                *voxels; /* of a pair: name of its other file; NULL: not known yet */
    struct um_folder           folder; /* path NULL: a file */
    bool                       volume; /* um_image_volume reads it */
};

/* um_image_open - read the file into the arena and tell its kind; list a folder and tell it by the
 * first file in it that is a slice
 *
 * A file of voxels alone (.img of a NIfTI or Analyze pair) is known by the header beside it.
 * UM_EMISSING, UM_EIO, UM_EFORMAT (a device or FIFO; empty; a damaged .gz; not an image),
 * UM_EUNSUPPORTED (a kind that is known but not read: the message names it), UM_ERANGE (more bytes
 * than max_pixels voxels of 8 bytes could take). A single NIfTI file, compressed or not, is read
 * only so far as its header promises, and an eighth and 64 KiB more: UM_EFORMAT where it is longer.
 * Messages name the path. */
UM_API UM_RESULT_USED int um_image_open(struct um_arena *a, const char *path, int64_t max_pixels,
                                        struct um_image *im);

/* um_image_is_volume - whether um_image_volume reads it; else um_image_grey does */
UM_API bool um_image_is_volume(const struct um_image *im);

/* um_image_is_picture - whether a file there begins as a picture does; false if it cannot be read
 */
UM_API bool um_image_is_picture(const char *path);

/* um_image_grey - decode a picture; with opts->labels, a mask: PNG as stored, a JPEG cut at the
 * threshold (UM_ERANGE without one), no DICOM (UM_EUNSUPPORTED) (see jpeg.h, png.h, dicom_grey.h)
 * and lay it as EXIF says it is seen; one that is turned is never shrunk on the way. opts->levels
 * are for PNG that are no labels (UM_EUNSUPPORTED). UM_ESHAPE if it is a volume. */
UM_API UM_RESULT_USED int um_image_grey(struct um_arena *a, const struct um_image *im,
                                        const struct um_image_opts *opts, struct um_grey *out);

/* um_image_volume - the voxels of a volume in the canonical frame (see nifti.h, series.h,
 * orient.h); they may stay in im->bytes, and are changed there. UM_ESHAPE if it is a picture,
 * or one slice. */
UM_API UM_RESULT_USED int um_image_volume(struct um_arena *a, const struct um_image *im,
                                          const struct um_scan_opts *opts, struct um_scan *out);

#endif
