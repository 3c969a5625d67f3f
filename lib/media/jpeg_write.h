/* jpeg_write.h - gray pixels to a JPEG file */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_JPEG_WRITE_H
#define UM_MEDIA_JPEG_WRITE_H

#include <stdint.h>

#include "base/file.h"
#include "base/status.h"

/* um_jpeg_write - append one baseline gray JPEG (JFIF, no other metadata) to `f`, which the caller
 * closes
 *
 * grey     [h,w], rows from the top, no padding; read only
 * w, h     1..65500
 * quality  1..100, libjpeg's scale
 *
 * The same pixels give the same bytes for one build of libjpeg-turbo (accurate integer DCT).
 * Returns UM_OK; UM_ERANGE: sides or quality out of range; UM_ENOMEM; UM_EIO, UM_EPIPE.
 */
UM_API UM_RESULT_USED int um_jpeg_write(struct um_outfile *f, const uint8_t *grey, int w, int h,
                                        int quality);

#endif
