/* mt19937.c - MT19937 and the permutations made from it */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mt19937.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LAG = 397 };

void um_mt_seed(struct um_mt *mt, uint32_t seed)
{
    mt->state[0] = seed;
    for (uint32_t i = 1; i < UM_MT_N; i++)
        mt->state[i] = 1812433253u * (mt->state[i - 1] ^ mt->state[i - 1] >> 30) + i;
    mt->next = UM_MT_N;
}

/* the next 624 words: each from its own top bit, its neighbour's other bits and the word LAG on */
static void turn(struct um_mt *mt)
{
    uint32_t *s = mt->state;

    for (int i = 0; i < UM_MT_N; i++) {
        const uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % UM_MT_N] & 0x7fffffffu);

        s[i] = s[(i + LAG) % UM_MT_N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    mt->next = 0;
}

uint32_t um_mt_u32(struct um_mt *mt)
{
    if (mt->next >= UM_MT_N)
        turn(mt);
    uint32_t y = mt->state[mt->next++];

    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

uint32_t um_mt_uniform(struct um_mt *mt, uint32_t m)
{
    uint32_t mask = m, x;

    if (m == 0)
        return 0;
    for (int shift = 1; shift < 32; shift *= 2)
        mask |= mask >> shift;
    do
        x = um_mt_u32(mt) & mask;
    while (x > m);
    return x;
}

void um_mt_permutation(uint32_t seed, int64_t *a, int64_t n)
{
    struct um_mt mt;

    um_mt_seed(&mt, seed);
    for (int64_t i = 0; i < n; i++)
        a[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = um_mt_uniform(&mt, (uint32_t)i);
        const int64_t t = a[i];

        a[i] = a[j];
        a[j] = t;
    }
}

int64_t um_mt_sample_count(double f, int64_t n)
{
    return (int64_t)nearbyint(f * (double)n);
}

int um_mt_split(uint32_t seed, int64_t n, double f, int64_t *train, int64_t *test, int64_t *n_test)
{
    const double k = ceil(f * (double)n);
    int64_t     *a;

    if (!(f > 0 && f < 1) || n < 2 || n > UINT32_MAX || k >= (double)n)
        return um_fail(UM_ERANGE, "a split of %lld records with %g held out leaves a part empty",
                       (long long)n, f);
    if (!(a = calloc((size_t)n, sizeof *a)))
        return um_fail(UM_ENOMEM, "out of memory");
    *n_test = (int64_t)k;
    um_mt_permutation(seed, a, n);
    memcpy(test, a, (size_t)*n_test * sizeof *a);
    memcpy(train, a + *n_test, (size_t)(n - *n_test) * sizeof *a);
    free(a);
    return UM_OK;
}
