/* foreground.h - the smallest box that holds everything above a level */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_GRID_FOREGROUND_H
#define UM_GRID_FOREGROUND_H

#include "base/arena.h"
#include "grid/triangle.h"
#include "grid/volume.h"

/* a box of voxels: z, y, x */
struct um_box3 {
    int64_t first[3], n[3];
};

/* um_volume_foreground - of the voxels above `level` HU; all voxels are counted too (count may be
 * NULL). UM_EMISSING: there are none; UM_ENONFINITE as um_volume_row; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_volume_foreground(struct um_arena *a, const struct um_volume *v,
                                               double level, struct um_hu_count *count,
                                               struct um_box3 *box);

/* um_array_foreground - of x[dim[0],dim[1],dim[2]] above 0 */
UM_API UM_RESULT_USED int um_array_foreground(const float *x, const int64_t dim[3],
                                              struct um_box3 *box);

#endif
