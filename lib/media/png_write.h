/* png_write.h - pixels to a PNG file */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_PNG_WRITE_H
#define UM_MEDIA_PNG_WRITE_H

#include <stdint.h>

#include "base/file.h"
#include "base/status.h"

/* um_png_write - append one 8-bit PNG to `out` (the caller closes it)
 *
 * pixels    [height,width,channels], rows from the top, no padding; read only
 * channels  1: gray; 3: R, G, B
 *
 * The same pixels give the same bytes (no time stamp, no text) for one build of libpng and zlib.
 * Returns UM_OK; UM_ERANGE: a side below 1 or above 1,000,000, or channels other than 1 and 3;
 * UM_ENOMEM; UM_EIO, UM_EPIPE from writing.
 */
UM_API UM_RESULT_USED int um_png_write(struct um_outfile *out, const uint8_t *pixels, int64_t width,
                                       int64_t height, int channels);

/* um_png_write16 - the same for gray of 16 bits, as numbers of this machine */
UM_API UM_RESULT_USED int um_png_write16(struct um_outfile *out, const uint16_t *pixels,
                                         int64_t width, int64_t height);

#endif
