/* jpeg.h - a JPEG file in memory -> gray pixels (libjpeg-turbo) */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_JPEG_H
#define UM_MEDIA_JPEG_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "grid/grey.h"

/* um_jpeg_read - decode bytes[0..n-1] (baseline, progressive, arithmetic; 8 bits)
 *
 * Gray: as decoded. YCbCr: the Y plane as decoded. RGB (Adobe transform 0): luma. CMYK and YCCK:
 * luma of (1 - c)(1 - k), with Adobe's inverted storage undone. Accurate integer DCT; with
 * opts->fast_side a 1/2, 1/4 or 1/8 DCT when the longer side stays long enough.
 * Bytes after the end marker and stray bytes between markers are no error.
 *
 * out->px is in the arena. Returns UM_OK; UM_EFORMAT: not a JPEG, cut, or damaged; UM_EUNSUPPORTED:
 * 12 bits, lossless, or colours it does not know; UM_ERANGE: more than max_pixels, or more pixels
 * than n bytes can hold; UM_ENOMEM.
 */
UM_API UM_RESULT_USED int um_jpeg_read(struct um_arena *a, const uint8_t *bytes, size_t n,
                                       const struct um_image_opts *opts, struct um_grey *out);

#endif
