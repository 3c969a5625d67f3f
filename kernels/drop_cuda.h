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
    /* u >= p for u = (w >> 8) 2^-24: both sides are exact in double */
    return (double)(w >> 8) >= (double)d.p * 16777216.0 && d.p < 1 ? 1 / (1 - d.p) : 0;
}

#endif
