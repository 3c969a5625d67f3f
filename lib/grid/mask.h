/* mask.h - a label volume onto the grid of its resized image */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_GRID_MASK_H
#define UM_GRID_MASK_H

#include <stdint.h>

#include "base/arena.h"
#include "grid/area.h"
#include "grid/axis.h"
#include "grid/volume.h"

/* um_mask_resize - a mask of the image's shape onto the image's axis[] (z, y, x), out [D,H,W] uint8
 *
 * NEAREST: the voxel that the output's centre falls into. AREA: 255 times the share of the output
 * voxel that is not 0, rounded half up; not for a spacing (UM_ERANGE). What lies outside is 0.
 * Values must be whole numbers in 0..255 (UM_ERANGE), unless `threshold` is finite: then a mask
 * with other values is made 1 where value >= threshold, 0 elsewhere, and masks of whole numbers
 * stay as they are.
 */
UM_API UM_RESULT_USED int um_mask_resize(struct um_arena *a, const struct um_volume *v,
                                         enum um_filter filter, double threshold,
                                         const struct um_axis axis[3], uint8_t *out);

#endif
