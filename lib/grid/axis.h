/* axis.h - where the samples of a new grid lie along one axis of an old one
 *
 * Output i of an axis sits at input position c = (i + lead + 0.5) step - 0.5, in voxels of the
 * input, whose first centre is 0. Three ways to make a grid, which may follow one another:
 *     resize   step = n_in/n_out, lead 0: the field of view is kept
 *     spacing  step = to/from mm, lead 0: the near edge is kept; n_out = round(n_in/step), at least
 *              1, so that the far edge moves by at most half an output voxel
 *     crop     n_out samples from number `lead` on, which may lie outside (lead < 0: padding)
 * Volumes, their masks and their affine are all moved by the same three axes.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_GRID_AXIS_H
#define UM_GRID_AXIS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct um_axis {
    int64_t n_in, n_out, lead;
    double  step;
    int64_t span; /* step = n_in/span exactly; 0: step is no such ratio */
};

UM_API struct um_axis um_axis_resize(int64_t n_in, int64_t n_out);

/* um_axes_resize - three of them; from, to, axis: z, y, x */
UM_API void um_axes_resize(const int64_t from[3], const int64_t to[3], struct um_axis axis[3]);

/* um_axis_spacing - from, to: millimetres. UM_ERANGE: one that is not a positive number, or more
 * than `most` samples. */
UM_API UM_RESULT_USED int um_axis_spacing(int64_t n_in, double from, double to, int64_t most,
                                          struct um_axis *a);

/* um_axis_crop - output 0 becomes what output `first` was; n samples */
UM_API void um_axis_crop(struct um_axis *a, int64_t first, int64_t n);

/* um_axis_centre - crop or pad to n samples: floor(d/2) of a difference d before, the rest after */
UM_API void um_axis_centre(struct um_axis *a, int64_t n);

/* um_axis_at - c of output i */
static inline double um_axis_at(const struct um_axis *a, int64_t i)
{
    return ((double)(i + a->lead) + 0.5) * a->step - 0.5;
}

/* um_axis_inside - whether c lies within the input's voxels, -0.5 to n_in - 0.5 */
UM_API bool um_axis_inside(const struct um_axis *a, int64_t i);

/* um_axis_nearest - the input voxel that output i's centre falls into; -1: none */
UM_API int64_t um_axis_nearest(const struct um_axis *a, int64_t i);

/* um_affine_onto - the affine of the new grid; axis[] z, y, x */
UM_API void um_affine_onto(const double affine[12], const struct um_axis axis[3], double out[12]);

#endif
