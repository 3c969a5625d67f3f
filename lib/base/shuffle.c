/* shuffle.c - the swap-or-not shuffle over Philox */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/shuffle.h"

void um_shuffle_begin(struct um_shuffle *s, struct um_rng *r, int64_t n)
{
    s->n      = (uint64_t)n;
    s->rounds = 24;
    for (uint64_t most = s->n; most > 1; most = (most + 1) / 2)
        s->rounds += 6;
    for (int i = 0; i < 2; i++)
        s->key[i] = um_rng_u32(r);
    for (int i = 0; i < s->rounds && n > 0; i++)
        s->pair[i] = um_rng_below(r, s->n);
}

int64_t um_shuffle_at(const struct um_shuffle *s, int64_t i)
{
    uint64_t x = (uint64_t)i;

    for (int r = 0; r < s->rounds; r++) {
        const uint64_t other  = s->pair[r] >= x ? s->pair[r] - x : s->pair[r] + (s->n - x);
        const uint64_t large  = other > x ? other : x;
        const uint32_t ctr[4] = { (uint32_t)r, 0x73686600, (uint32_t)large,
                                  (uint32_t)(large >> 32) };
        uint32_t       bits[4];

        um_philox(ctr, s->key, bits);
        x = bits[0] & 1 ? other : x;
    }
    return (int64_t)x;
}
