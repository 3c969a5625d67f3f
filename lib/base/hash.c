/* hash.c - XXH3 by libxxhash */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <stdio.h>
#include <xxhash.h>

int um_hash_new(struct um_hash **h)
{
    XXH3_state_t *s = XXH3_createState();

    if (!s || XXH3_128bits_reset(s) != XXH_OK) {
        (void)XXH3_freeState(s);
        return um_fail(UM_ENOMEM, "out of memory");
    }
    *h = (struct um_hash *)s;
    return UM_OK;
}

void um_hash_add(struct um_hash *h, const void *data, size_t n)
{
    (void)XXH3_128bits_update((XXH3_state_t *)h, data, n);
}

void um_hash_free(struct um_hash *h)
{
    (void)XXH3_freeState((XXH3_state_t *)h);
}

static void hex_of(XXH128_hash_t d, char hex[UM_HASH_HEX])
{
    (void)snprintf(hex, UM_HASH_HEX, "%016llx%016llx", (unsigned long long)d.high64,
                   (unsigned long long)d.low64);
}

void um_hash_hex(const struct um_hash *h, char hex[UM_HASH_HEX])
{
    hex_of(XXH3_128bits_digest((const XXH3_state_t *)h), hex);
}

void um_hash_bytes_hex(const void *data, size_t n, char hex[UM_HASH_HEX])
{
    hex_of(XXH3_128bits(data, n), hex);
}

uint64_t um_hash64(const void *data, size_t n)
{
    return XXH3_64bits(data, n);
}

void um_hash128(const void *data, size_t n, uint64_t h[2])
{
    const XXH128_hash_t x = XXH3_128bits(data, n);

    h[0] = x.low64;
    h[1] = x.high64;
}
