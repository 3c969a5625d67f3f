/* triangle.h - volumes onto another grid: a separable triangle filter
 *
 * Along an axis (axis.h) output i sits at c = (i + lead + 0.5) step - 0.5; the support is
 * r = max(1, step); input j weighs max(0, 1 - |j - c|/r), normalised to sum 1 over the j that
 * exist. Anti-aliased when shrinking, linear when growing. An output outside the input is 0.
 * Source: um-method(7), "CT volumes", step 4. With `point`, r = 1 always: plain linear sampling.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_GRID_TRIANGLE_H
#define UM_GRID_TRIANGLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "grid/axis.h"
#include "grid/volume.h"

/* voxels in the two ranges where a CT of a body has its peaks */
struct um_hu_count {
    int64_t air;    /* [-1100, -700] */
    int64_t tissue; /* [-150, 150] */
    int64_t total;
};

/* um_volume_resize - window to 0..1 with clipping, then the filter onto axis[] (z, y, x)
 *
 * out    [D,H,W] float32 in 0..1, in the volume's own frame (orient it first)
 * count  of the HU before the window; may be NULL
 *
 * y first, then z, then x; sums in float32 in ascending order, so that the bits depend on the
 * voxels alone, not on how they were stored; off by at most 2e-6 from exact arithmetic. Memory: the
 * slices that a plane touches, n_x H floats each, in `a` until its reset.
 * UM_ERANGE: a side over UM_VOXEL_SIDE_MAX; UM_ENONFINITE as um_volume_row; UM_ENOMEM.
 */
UM_API UM_RESULT_USED int um_volume_resize(struct um_arena *a, const struct um_volume *v,
                                           const double window[2], const struct um_axis axis[3],
                                           bool point, float *out, struct um_hu_count *count);

/* um_hu_count_add - count a row of HU in */
UM_API void um_hu_count_add(struct um_hu_count *count, const float *hu, int64_t n);

/* um_hu_advice - NULL if both peaks hold at least 1 % of the voxels; else what is likely wrong, a
 * static text. Reads the volume again when a peak is missing, to tell a wrong intercept apart. */
UM_API const char *um_hu_advice(struct um_arena *a, const struct um_volume *v,
                                const struct um_hu_count *count);

#endif
