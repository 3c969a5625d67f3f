/* exif.h - which way up a picture was taken */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_EXIF_H
#define UM_MEDIA_EXIF_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* um_exif_orientation - the orientation, 1 to 8, that a JPEG's first EXIF segment or a PNG's eXIf
 * chunk gives in its first directory; 1 (upright) where there is none, or one that cannot be read:
 * metadata never stops a picture. See um_grey_turn for what the numbers mean. */
UM_API int um_exif_orientation(const uint8_t *bytes, size_t n);

#endif
