/* philox.c - Philox4x32-10 and the draws made from it */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/philox.h"

#include <math.h>

static void round_once(uint32_t c[4], const uint32_t k[2])
{
    const uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
    const uint32_t c1 = c[1], c3 = c[3];

    c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k[0];
    c[1] = (uint32_t)p1;
    c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k[1];
    c[3] = (uint32_t)p0;
}

void um_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t k[2] = { key[0], key[1] };

    for (int i = 0; i < 4; i++)
        out[i] = ctr[i];
    for (int i = 0; i < 10; i++) {
        round_once(out, k);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
}

struct um_rng um_rng_at(uint64_t seed, enum um_purpose purpose, uint64_t record, uint32_t step)
{
    /* key and counter are 192 bits: the seed goes through one block with the purpose, so that the
     * full counter but its low word is free for (record, step) */
    const uint32_t c[4] = { (uint32_t)purpose, 0x756d, 0, 0 };
    const uint32_t k[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    uint32_t       mixed[4];

    um_philox(c, k, mixed);
    return (struct um_rng){ .key = { mixed[0], mixed[1] },
                            .ctr = { 0, step, (uint32_t)record, (uint32_t)(record >> 32) } };
}

uint32_t um_rng_u32(struct um_rng *r)
{
    if (r->left == 0) {
        um_philox(r->ctr, r->key, r->block);
        r->ctr[0]++;
        r->left = 4;
    }
    return r->block[4 - r->left--];
}

double um_rng_uniform(struct um_rng *r)
{
    const uint64_t hi = um_rng_u32(r) >> 5, lo = um_rng_u32(r) >> 6;

    return (double)(hi << 26 | lo) * 0x1p-53;
}

double um_rng_range(struct um_rng *r, double a, double b)
{
    return a + (b - a) * um_rng_uniform(r);
}

double um_rng_normal(struct um_rng *r)
{
    const double u = 1 - um_rng_uniform(r), v = um_rng_uniform(r); /* u in (0,1] */

    return sqrt(-2 * log(u)) * cos(6.283185307179586477 * v);
}

uint64_t um_rng_below(struct um_rng *r, uint64_t n)
{
    const uint64_t limit = UINT64_MAX - UINT64_MAX % n; /* a multiple of n */
    uint64_t       x;

    do {
        const uint64_t hi = um_rng_u32(r);
        x                 = hi << 32 | um_rng_u32(r);
    } while (x >= limit);
    return x % n;
}

void um_rng_permute(struct um_rng *r, int64_t *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        a[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = (int64_t)um_rng_below(r, (uint64_t)i + 1);
        const int64_t t = a[i];
        a[i]            = a[j];
        a[j]            = t;
    }
}
