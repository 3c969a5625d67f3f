/* rows.h - row after row of a volume, however its axes were stored
 *
 * Where y or z runs fastest in memory, neighbours along x lie far apart, and every voxel of a row
 * costs a cache line. So a block of rows is turned at once, out of lines that are read once.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_GRID_ROWS_H
#define UM_GRID_ROWS_H

#include <stdint.h>

#include "base/arena.h"
#include "grid/volume.h"

struct um_rows {
    const struct um_volume *v;
    int                     fast;    /* the axis along which neighbours lie side by side */
    struct um_volume        block;   /* the turned part of v, x running fastest */
    int64_t                 at[2];   /* z and y where it begins */
    int64_t                 n[2];    /* planes and rows in it; 0 before the first */
    int64_t                 most[2]; /* that it has room for */
    void                   *voxels;  /* NULL: rows are read where they lie */
};

/* um_rows_new - begin on v, which must outlive it. Memory for the block, at most 32 MiB, comes from
 * `a`. UM_ENOMEM. */
UM_RESULT_USED int um_rows_new(struct um_arena *a, const struct um_volume *v, struct um_rows *r);

/* um_rows_get - as um_volume_row, bit for bit; cheapest in ascending order, z outside */
UM_RESULT_USED int um_rows_get(struct um_rows *r, int64_t z, int64_t y, float *hu);

#endif
