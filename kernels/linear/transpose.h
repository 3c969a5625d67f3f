/* transpose.h - tiles of a matrix transposed in registers, for operands that products want the
 * other way round
 *
 * Lane l of vector i goes to lane i of vector l, by exchanging the halves, quarters, .. of pairs of
 * vectors. Halves (bfloat16) go two to a lane's room, so that a tile is four times as large.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_LINEAR_TRANSPOSE_H
#define UM_KERNELS_LINEAR_TRANSPOSE_H

#include "kernels/share.h"
#include "kernels/vec.h"

enum { UM_WL = 2 * UM_VL }; /* halves in a vector */
typedef uint16_t um_vw __attribute__((vector_size(UM_VL * 4)));

/* one exchange, s a constant: of each pair of vectors a and b the lanes whose number has not, or
 * has, bit s */
#define UM_EXCHANGE(name, vec, lane_t, lanes)                                                      \
    static inline __attribute__((always_inline)) void name(vec v[lanes], int s)                    \
    {                                                                                              \
        lane_t low, high;                                                                          \
                                                                                                   \
        for (int l = 0; l < (lanes); l++) {                                                        \
            low[l]  = (__typeof__(low[0]))(l & s ? (lanes) + l - s : l);                           \
            high[l] = (__typeof__(low[0]))(l & s ? (lanes) + l : l + s);                           \
        }                                                                                          \
        for (int i = 0; i < (lanes); i++)                                                          \
            if (!(i & s) && (i | s) < (lanes)) {                                                   \
                const vec a = v[i], b = v[i | s];                                                  \
                                                                                                   \
                v[i]     = UM_SHUFFLE(a, b, low, lanes);                                           \
                v[i | s] = UM_SHUFFLE(a, b, high, lanes);                                          \
            }                                                                                      \
    }

#ifdef __clang__ /* has shuffles by constants alone, which these are once made into code */
#define UM_SHUFFLE(a, b, by, lanes)                                                                \
    __extension__({                                                                                \
        __typeof__((a) + (a)) r_;                                                                  \
        for (int l_ = 0; l_ < (lanes); l_++)                                                       \
            r_[l_] = by[l_] < (lanes) ? (a)[by[l_]] : (b)[by[l_] - (lanes)];                       \
        r_;                                                                                        \
    })
#else
#define UM_SHUFFLE(a, b, by, lanes) __builtin_shuffle(a, b, by)
#endif

UM_EXCHANGE(um_exchange_float, um_vf, um_vi, UM_VL)
UM_EXCHANGE(um_exchange_half, um_vw, um_vw, UM_WL)

static inline __attribute__((always_inline)) void um_transpose_tile(um_vf v[UM_VL])
{
    um_exchange_float(v, 1);
    um_exchange_float(v, 2);
    if (UM_VL > 4)
        um_exchange_float(v, UM_VL > 4 ? 4 : 1);
    if (UM_VL > 8)
        um_exchange_float(v, UM_VL > 8 ? 8 : 1);
}

/* y [cols,rows], dense = x [rows,cols]^T, rows of x ld apart */
static inline void um_transpose_float(float *y, const float *x, int64_t rows, int64_t cols,
                                      int64_t ld)
{
    um_vf v[UM_VL];

    for (int64_t i = 0; i < rows; i += UM_VL)
        for (int64_t j = 0; j < cols; j += UM_VL) {
            for (int64_t l = 0; l < UM_VL; l++)
                v[l] = l < rows - i ? um_vloadf(x, (i + l) * ld + j, cols - j) : um_vset(0);
            um_transpose_tile(v);
            for (int64_t l = 0; l < um_min(UM_VL, cols - j); l++)
                um_vstoref(y, (j + l) * rows + i, rows - i, v[l]);
        }
}

/* elements at .. at+k-1 of x, rounded if they are float; the lanes from k on are 0 */
static inline um_vw um_load_halves(const void *x, enum um_dtype dtx, int64_t at, int64_t k)
{
    um_vh half[2] = { { 0 } };
    um_vw w;

    if (dtx == UM_BF16 && k >= UM_WL) {
        memcpy(&w, (const uint16_t *)x + at, sizeof w);
        return w;
    }
    if (k > 0)
        half[0] = um_vbf16_of(um_vload(x, dtx, at, k));
    if (k > UM_VL)
        half[1] = um_vbf16_of(um_vload(x, dtx, at + UM_VL, k - UM_VL));
    memcpy(&w, half, sizeof w);
    return w;
}

static inline void um_store_halves(uint16_t *y, int64_t k, um_vw w)
{
    um_vh half[2];

    if (k >= UM_WL) {
        memcpy(y, &w, sizeof w);
        return;
    }
    memcpy(half, &w, sizeof w);
    um_vstore_half(y, 0, k, half[0]);
    if (k > UM_VL)
        um_vstore_half(y, UM_VL, k - UM_VL, half[1]);
}

/* the same, y bfloat16 and x bfloat16 or float */
static inline void um_transpose_half(uint16_t *y, const void *x, enum um_dtype dtx, int64_t rows,
                                     int64_t cols, int64_t ld)
{
    um_vw v[UM_WL];

    for (int64_t i = 0; i < rows; i += UM_WL)
        for (int64_t j = 0; j < cols; j += UM_WL) {
            for (int64_t l = 0; l < UM_WL; l++)
                v[l] = um_load_halves(x, dtx, (i + l) * ld + j, l < rows - i ? cols - j : 0);
            um_exchange_half(v, 1);
            um_exchange_half(v, 2);
            um_exchange_half(v, 4);
            if (UM_WL > 8)
                um_exchange_half(v, UM_WL > 8 ? 8 : 1);
            if (UM_WL > 16)
                um_exchange_half(v, UM_WL > 16 ? 16 : 1);
            for (int64_t l = 0; l < um_min(UM_WL, cols - j); l++)
                um_store_halves(y + (j + l) * rows + i, rows - i, v[l]);
        }
}

#endif
