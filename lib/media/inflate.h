/* inflate.h - deflated bytes whose inflated size a header tells */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_INFLATE_H
#define UM_MEDIA_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { UM_DEFLATE_RATIO = 1032 }; /* the most that deflate can shrink */

/* um_inflate - exactly `want` bytes from in[0..n-1], a zlib stream or (gzip) all members of a gzip
 * file. Zero bytes behind the end are padding.
 *
 * um_inflate_fits - whether n bytes can hold `want` at all: to be asked before memory is taken.
 *
 * UM_EFORMAT: cut, damaged (checksum), followed by other bytes, or more or fewer bytes inside;
 * UM_ENOMEM. */
UM_API UM_RESULT_USED int um_inflate(const uint8_t *in, size_t n, bool gzip, void *out,
                                     size_t want);
static inline bool        um_inflate_fits(size_t n, size_t want)
{
    return want / UM_DEFLATE_RATIO <= n;
}

#endif
