/* slice.h - the slices of a volume that draw the class token's attention (method.md 4.2, 4.3) */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MODEL_SLICE_H
#define UM_MODEL_SLICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "stream/tensor.h"

enum { UM_SLICE_MAX = 4096 };

struct um_slice {
    int64_t z;
    int64_t rank; /* 0: the best */
    float   score;
};

/* um_slice_score - how much of [CLS]'s attention falls on each slice (Eq. 2)
 *
 *     g_s = 1/P sum over p of attention[s,p],   score[z] = g_{floor(z S / D)}
 *
 * attention  [S,P] float32: a_t of Eq. 1, unitless, >= 0; S slabs of P tokens
 * depth      D >= 1, slices of the volume; S must divide it (a slab is D/S slices thick)
 * score      [D] float32, out, in the arena
 *
 * UM_ESHAPE unless S divides D; UM_EDTYPE; UM_ENONFINITE if attention holds NaN or infinity;
 * UM_ENOMEM. Source: method.md 4.2, Eq. 2 of the paper. */
UM_API UM_RESULT_USED int um_slice_score(struct um_arena *a, const struct um_tensor *attention,
                                         int64_t depth, struct um_tensor *score);

/* um_slice_select - the k best slices by (score descending, z ascending), written in ascending z
 *
 * score   [D] as um_slice_score gives it; slab: slices of a slab, D/S
 * spread  the middle slice, z = s slab + slab/2, of each of the k best slabs instead
 * best    room for k
 *
 * UM_ERANGE if there are fewer than k slices (slabs, with spread) or k is not in 1..UM_SLICE_MAX.
 */
UM_API UM_RESULT_USED int um_slice_select(const struct um_tensor *score, int64_t slab, int64_t k,
                                          bool spread, struct um_slice *best);

/* um_slice_pick - k slices of `depth` by any rule, in ascending z
 *
 *     attention   um_slice_select of the score
 *     random      uniformly, without repetition, by rng
 *     uniform     z = floor((i + 1/2) depth / k)
 *     middle      the k around depth / 2
 *
 * score is read for `attention` alone, rng for `random`. Errors as um_slice_select. */
enum um_select {
    UM_SELECT_NONE = 0, /* volumes go without slices */
    UM_SELECT_ATTENTION,
    UM_SELECT_RANDOM,
    UM_SELECT_UNIFORM,
    UM_SELECT_MIDDLE
};
/* none, attention, random, uniform, middle; UM_EUSAGE */
UM_API UM_RESULT_USED int um_select_parse(const char *text, enum um_select *select);
UM_API const char        *um_select_name(enum um_select select);

struct um_rng;
UM_API UM_RESULT_USED int um_slice_pick(enum um_select rule, int64_t depth, int64_t slab, int64_t k,
                                        bool spread, const struct um_tensor *score,
                                        struct um_rng *rng, struct um_slice *best);

/* um_slice_image - row z of volume [D,H,W] float32, as an image [1,size,size] float32 in the arena:
 * bilinear, half-pixel centres, edges clamped (size = H = W copies it). No crop, no flip. */
UM_API UM_RESULT_USED int um_slice_image(struct um_arena *a, const struct um_tensor *volume,
                                         int64_t z, int64_t size, struct um_tensor *image);

/* um_slice_position - millimetres (right, front, head: RAS+) of the centre of slice z of a volume
 * [D,H,W], by the affine of its meta: rows of [3,4] from voxel centres (x,y,z) */
UM_API void um_slice_position(const double affine[12], const int64_t dim[3], int64_t z,
                              double mm[3]);

#endif
