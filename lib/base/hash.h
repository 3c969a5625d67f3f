/* hash.h - digests (XXH3-128) of content: models, vocabularies, data, keys */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_BASE_HASH_H
#define UM_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct um_hash; /* a running digest */

UM_API UM_RESULT_USED int um_hash_new(struct um_hash **h);
UM_API void               um_hash_add(struct um_hash *h, const void *data, size_t n);
UM_API void               um_hash_free(struct um_hash *h); /* takes NULL */

/* um_hash_hex - the digest so far as 32 hexadecimal digits and a NUL (canonical, big endian) */
#define UM_HASH_HEX 33
UM_API void um_hash_hex(const struct um_hash *h, char hex[UM_HASH_HEX]);
UM_API void um_hash_bytes_hex(const void *data, size_t n, char hex[UM_HASH_HEX]);

/* um_hash64 - XXH3-64 of n bytes: hash tables, keyed draws, splits by patient */
UM_API uint64_t um_hash64(const void *data, size_t n);

/* um_hash128 - XXH3-128 of n bytes as two words, the low one first: to tell texts apart */
UM_API void um_hash128(const void *data, size_t n, uint64_t h[2]);

#endif
