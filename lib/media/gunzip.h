/* gunzip.h - a whole gzip file in memory, inflated by libdeflate */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_GUNZIP_H
#define UM_MEDIA_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* um_gzip_is - whether the bytes begin as a gzip file does */
UM_API bool um_gzip_is(const uint8_t *bytes, size_t n);

/* um_gunzip_head - the first *outn bytes inside, at most `room` of them, into out. UM_EFORMAT: cut
 * or damaged before that; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_gunzip_head(const uint8_t *in, size_t n, uint8_t *out, size_t room,
                                         size_t *outn);

/* um_gunzip - inflate all members of in[0..n-1] into the arena; *outn bytes, aligned to 64
 *
 * Memory grows with what is really there: no more than four times the inflated size, one buffer
 * never beyond max, and nothing is taken for a size that the file only claims and deflate cannot
 * reach (1,032 times its own). Zero bytes after the last member are padding and no
 * error.
 *
 * Returns UM_OK; UM_EFORMAT: cut, damaged (checksum), or followed by other bytes; UM_ERANGE: more
 * than max bytes; UM_ENOMEM.
 */
UM_API UM_RESULT_USED int um_gunzip(struct um_arena *a, const uint8_t *in, size_t n, size_t max,
                                    uint8_t **out, size_t *outn);

#endif
