/* load.h - elements of either activation type, and the dropout rule, for every backend on the host
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_LOAD_H
#define UM_KERNELS_LOAD_H

#include "base/philox.h"
#include "kernels/backend.h"

static inline double um_load(const void *p, enum um_dtype dt, int64_t i)
{
    return dt == UM_F32 ? (double)((const float *)p)[i]
                        : (double)um_bf16_to_f32(((const uint16_t *)p)[i]);
}

static inline void um_store(void *p, enum um_dtype dt, int64_t i, double v)
{
    if (dt == UM_F32)
        ((float *)p)[i] = (float)v;
    else
        ((uint16_t *)p)[i] = um_f32_to_bf16((float)v);
}

/* element i of an array that may be NULL: then `otherwise` */
static inline double um_load_or(const float *p, int64_t i, double otherwise)
{
    return p ? (double)p[i] : otherwise;
}

/* The dropout rule. Word i%4 of the Philox block with counter (i/4, 0, UM_DROP_TAG) and key seed
 * gives element i, counted from the whole array's first, its uniform number u = (word >> 8) 2^-24,
 * and the element is kept if u >= p. So it is kept if word >> 8 >= um_drop_limit(p), an integer
 * comparison without rounding. */
enum { UM_DROP_TAG = 0x64726f70 };

/* ceil(p 2^24): u >= p just when word >> 8 is at least this */
static inline uint32_t um_drop_limit(float p)
{
    const double   x = (double)p * 16777216.0;
    const uint32_t k = (uint32_t)x;

    return (double)k < x ? k + 1 : k;
}

/* what a kept element is multiplied by */
static inline float um_drop_scale(float p)
{
    return p < 1 ? 1 / (1 - p) : 0;
}

static inline bool um_drop_ok(struct um_drop d)
{
    return d.p >= 0 && d.p <= 1;
}

/* what element i is multiplied by: 0 or 1/(1-p) */
static inline float um_drop_factor(struct um_drop d, int64_t i)
{
    const uint64_t at = d.first + (uint64_t)i, block = at / 4;
    const uint32_t ctr[] = { (uint32_t)block, (uint32_t)(block >> 32), 0, UM_DROP_TAG };
    const uint32_t key[] = { (uint32_t)d.seed, (uint32_t)(d.seed >> 32) };
    uint32_t       out[4];

    if (!(d.p > 0))
        return 1;
    um_philox(ctr, key, out);
    return out[at & 3] >> 8 >= um_drop_limit(d.p) ? um_drop_scale(d.p) : 0;
}

#endif
