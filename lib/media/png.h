/* png.h - a PNG file in memory -> gray pixels (libpng) */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_PNG_H
#define UM_MEDIA_PNG_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "grid/grey.h"

/* um_png_read - decode bytes[0..n-1]: 1 to 16 bits, palette, interlaced, all of PNG
 *
 * Colour becomes luma, transparency lies over black, 16 bits become value/257 (out->wide and
 * out->most say of gray ones how much of that is used); rounded once. Gamma and colour profiles are
 * not applied. With opts->levels gray goes by levels.h, LO and HI being values as they are stored
 * in 1 to 16 bits; colours and palettes are refused (UM_EUNSUPPORTED). With opts->labels values are
 * those stored: gray of 1 to 16 bits, or the number in the palette; colours and transparency are
 * refused (UM_EUNSUPPORTED), and so is a value above 255 (UM_ERANGE). Checksums of all chunks
 * count, those of metadata too.
 *
 * out->px is in the arena. Returns UM_OK; UM_EFORMAT: not a PNG, cut, damaged, or more pixels than
 * n bytes can hold; UM_ERANGE: more than opts->max_pixels; UM_ENOMEM.
 */
UM_API UM_RESULT_USED int um_png_read(struct um_arena *a, const uint8_t *bytes, size_t n,
                                      const struct um_image_opts *opts, struct um_grey *out);

#endif
