/* numerals.h - voxels written as text: decimal numbers, or their bytes in hexadecimal */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_NUMERALS_H
#define UM_MEDIA_NUMERALS_H

#include <stddef.h>
#include <stdint.h>

#include "grid/volume.h"

/* um_numerals_read - bytes / size of type numbers, parted by white space or commas; nothing but
 * these may be in text[0..n-1]. um_numerals_hex - that many bytes, two digits each, white space
 * anywhere between. UM_EFORMAT: too few, too many, not a number; UM_ERANGE: one its type does not
 * hold. */
UM_RESULT_USED int um_numerals_read(const uint8_t *text, size_t n, enum um_voxel type, void *out,
                                    size_t bytes);
UM_RESULT_USED int um_numerals_hex(const uint8_t *text, size_t n, uint8_t *out, size_t bytes);

#endif
