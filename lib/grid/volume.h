/* volume.h - voxels of any type and axis order, seen as a [z,y,x] array of Hounsfield units
 *
 * The voxels stay as they were stored; the view says where voxel (z,y,x) lies and what its number
 * means. A volume is never copied to be turned around.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_GRID_VOLUME_H
#define UM_GRID_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum um_voxel {
    UM_VOX_U8,
    UM_VOX_I8,
    UM_VOX_U16,
    UM_VOX_I16,
    UM_VOX_U32,
    UM_VOX_I32,
    UM_VOX_U64,
    UM_VOX_I64,
    UM_VOX_F32,
    UM_VOX_F64
};
UM_API size_t um_voxel_size(enum um_voxel type); /* bytes */

enum { UM_VOXEL_SIDE_MAX = 8192 }; /* longest side that is resized */

struct um_volume {
    const void   *voxels; /* of voxel (0,0,0); native byte order, aligned to its size */
    enum um_voxel type;
    int64_t       dim[3];       /* z, y, x */
    int64_t       step[3];      /* elements from one voxel to the next along z, y, x; may be < 0 */
    double        slope, inter; /* HU = slope * stored + inter */
    double        affine[12];   /* three rows: voxel centre (x,y,z,1) -> RAS+ millimetres */
    bool          replace;      /* voxels that are not finite become `instead` HU */
    float         instead;
};

/* um_volume_row - hu[0..dim[2]-1] = row (z,y); in float32: 8- and 16-bit types and float32 are
 * scaled in float32 (off by at most 2 ulp), wider ones in float64 and rounded once.
 * UM_ENONFINITE names the voxel, unless v->replace. */
UM_API UM_RESULT_USED int um_volume_row(const struct um_volume *v, int64_t z, int64_t y, float *hu);

/* um_volume_spacing - mm along x, y, z: lengths of the affine's columns */
UM_API void um_affine_spacing(const double affine[12], double spacing[3]);

/* um_volume_crop - the view becomes n[] voxels (z, y, x) from first[] on, which must lie within it;
 * the affine follows */
UM_API void um_volume_crop(struct um_volume *v, const int64_t first[3], const int64_t n[3]);

#endif
