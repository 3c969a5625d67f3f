/* drop_cuda.h - the dropout rule of kernels/load.h on the device: the same elements drop */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_KERNELS_DROP_CUDA_H
#define UM_KERNELS_DROP_CUDA_H

#include "kernels/cuda.h"

/* Philox4x32-10 as base/philox.h */
static __device__ inline void um_philox_cuda(uint4 *c, uint32_t k0, uint32_t k1)
{
    for (int i = 0; i < 10; i++) {
        const uint32_t h0 = __umulhi(0xD2511F53u, c->x), l0 = 0xD2511F53u * c->x;
        const uint32_t h1 = __umulhi(0xCD9E8D57u, c->z), l1 = 0xCD9E8D57u * c->z;

        *c = make_uint4(h1 ^ c->y ^ k0, l1, h0 ^ c->w ^ k1, l0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* ceil(p 2^24), exact in float too: u = (word >> 8) 2^-24 >= p just when word >> 8 is at least this
 */
static __device__ inline uint32_t um_drop_limit_cuda(float p)
{
    return (uint32_t)ceilf(p * 16777216.0f);
}

/* what element i is multiplied by: 0 or 1/(1-p) */
static __device__ inline float um_drop_factor(struct um_drop d, uint64_t i)
{
    i += d.first;
    const uint64_t block = i / 4;
    uint4          c     = make_uint4((uint32_t)block, (uint32_t)(block >> 32), 0, 0x64726f70u);

    if (!(d.p > 0))
        return 1;
    um_philox_cuda(&c, (uint32_t)d.seed, (uint32_t)(d.seed >> 32));
    const uint32_t w = i % 4 == 0 ? c.x : i % 4 == 1 ? c.y : i % 4 == 2 ? c.z : c.w;
    return w >> 8 >= um_drop_limit_cuda(d.p) && d.p < 1 ? 1 / (1 - d.p) : 0;
}

/* f[k] = the factor of element i + k, k < V: one block of Philox for four elements where they begin
 * one */
template <int V>
static __device__ inline void um_drop_factors(float *f, struct um_drop d, uint64_t i)
{
    const uint64_t at = i + d.first;

    if constexpr (V % 4 == 0) {
        if (at % 4 == 0 && d.p > 0) {
            const uint32_t limit = um_drop_limit_cuda(d.p);
            const float    keep  = d.p < 1 ? 1 / (1 - d.p) : 0;

#pragma unroll
            for (int k = 0; k < V; k += 4) {
                const uint64_t b = (at + (uint64_t)k) / 4;
                uint4          c = make_uint4((uint32_t)b, (uint32_t)(b >> 32), 0, 0x64726f70u);

                um_philox_cuda(&c, (uint32_t)d.seed, (uint32_t)(d.seed >> 32));
                f[k]     = c.x >> 8 >= limit ? keep : 0;
                f[k + 1] = c.y >> 8 >= limit ? keep : 0;
                f[k + 2] = c.z >> 8 >= limit ? keep : 0;
                f[k + 3] = c.w >> 8 >= limit ? keep : 0;
            }
            return;
        }
    }
    for (int k = 0; k < V; k++)
        f[k] = um_drop_factor(d, i + (uint64_t)k);
}

#endif
