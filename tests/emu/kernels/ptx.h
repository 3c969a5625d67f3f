/* ptx.h - the emulator's own kernels/ptx.h: the same functions, by exchanges within a warp
 *
 * Fragments lie in the lanes as the PTX manual has it for m16n8k16 of bf16: with g = lane/4, t =
 * lane%4, a[0..3]: rows g, g+8, g, g+8 and columns 2t, 2t, 2t+8, 2t+8 (two of them a register)
 *   b[0..1]: rows 2t, 2t+8 of column g;  d[0..3]: (g, 2t), (g, 2t+1), (g+8, 2t), (g+8, 2t+1)
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_PTX_H
#define UM_KERNELS_PTX_H

#include "tests/emu/device.h"

static inline float um_emu_bf16(uint32_t two, int which)
{
    const uint32_t bits = which ? two & 0xffff0000u : two << 16;
    float          f;

    memcpy(&f, &bits, sizeof f);
    return f;
}

/* d += a b */
static inline void um_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    uint32_t             mine[6] = { a[0], a[1], a[2], a[3], b[0], b[1] };
    const unsigned char *all     = um_emu::exchange(0xffffffffu, mine, sizeof mine);
    const int            g = um_emu::lane() / 4, t = um_emu::lane() % 4;
    uint32_t             r[6];

    for (int half = 0; half < 2; half++) /* rows g, g + 8 */
        for (int j = 0; j < 2; j++) {    /* columns 2t, 2t + 1 */
            float s = 0;

            for (int k = 0; k < 16; k++) {
                uint32_t q[6];
                memcpy(r, all + (size_t)(g * 4 + k % 8 / 2) * um_emu::SLOT, sizeof r);
                memcpy(q, all + (size_t)((2 * t + j) * 4 + k % 8 / 2) * um_emu::SLOT, sizeof q);
                s += um_emu_bf16(r[(k / 8) * 2 + half], k % 2) * um_emu_bf16(q[4 + k / 8], k % 2);
            }
            d[half * 2 + j] += s;
        }
}

/* matrices of 8 rows of 16 bytes, rows' addresses from lanes 8 i .. 8 i + 7 */
static inline void um_emu_ldmatrix(uint32_t *r, int n, const void *row, bool trans)
{
    const int l = um_emu::lane();

    if ((uintptr_t)row % 16 != 0)
        um_emu::die("ldmatrix from %p", row);
    const unsigned char zero[16] = {},
                        *all     = um_emu::exchange(0xffffffffu, l < 8 * n ? row : zero, 16);
    for (int m = 0; m < n; m++) {
        uint16_t two[2];

        for (int e = 0; e < 2; e++) {
            const int i = trans ? l % 4 * 2 + e : l / 4, j = trans ? l / 4 : l % 4 * 2 + e;
            memcpy(two + e, all + (size_t)(8 * m + i) * um_emu::SLOT + 2 * (size_t)j, 2);
        }
        r[m] = (uint32_t)two[0] | (uint32_t)two[1] << 16;
    }
}

static inline void um_ldmatrix_x4(uint32_t r[4], const void *row)
{
    um_emu_ldmatrix(r, 4, row, false);
}

static inline void um_ldmatrix_x4_trans(uint32_t r[4], const void *row)
{
    um_emu_ldmatrix(r, 4, row, true);
}

static inline void um_ldmatrix_x2(uint32_t r[2], const void *row)
{
    um_emu_ldmatrix(r, 2, row, false);
}

static inline void um_ldmatrix_x2_trans(uint32_t r[2], const void *row)
{
    um_emu_ldmatrix(r, 2, row, true);
}

static inline void um_cp_async16(void *shared, const void *global, bool valid)
{
    um_emu::async_copy(shared, global, 16, valid);
}

static inline void um_cp_async_commit()
{
    um_emu::async_commit();
}

template <int N> static inline void um_cp_async_wait()
{
    um_emu::async_wait(N);
}

static inline float um_exp2(float x)
{
    const float y = exp2f(x);

    return y < 0x1p-126f ? 0 : y; /* NaN stays */
}

#endif
