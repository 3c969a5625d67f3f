/* resample_to.h - an array that lies somewhere in space, sampled at the voxels of another grid
 *
 * For predictions made on a resized grid, wanted on the grid of the file they came from. With the
 * array's affine A and the grid's affine B, both from (x,y,z,1) to millimetres, voxel v of the
 * grid is sample p = A^-1 B v of the array. An array of n samples along an axis covers
 * -0.5 <= p + e < n - 0.5, e = 1e-6; a voxel that it does not cover gets the background.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_GRID_RESAMPLE_TO_H
#define UM_GRID_RESAMPLE_TO_H

#include <stddef.h>

#include "grid/volume.h"

/* um_affine_invert - of the upper three rows of a 4 x 4 matrix. UM_EFORMAT: no inverse (the axes
 * lie in one plane, one has length 0); UM_ENONFINITE */
UM_API UM_RESULT_USED int um_affine_invert(const double affine[12], double inverse[12]);

/* um_affine_multiply - first b, then a */
UM_API void um_affine_multiply(const double a[12], const double b[12], double out[12]);

/* um_resample_nearest - out[v] = in[floor(p + e + 0.5)], for labels: half way between two
 * samples (on an axis that grew from 24 to 32 a third of all voxels are) rounding errors must not
 * pick one here and the other there
 *
 * in    [D,H,W] of `size` bytes each (1, 2, 4 or 8), dim = D, H, W, at `affine`
 * to    the grid: its dims, steps and affine are used. out has an element for each of its voxels;
 *       voxel (z,y,x) goes to out + first + z step[0] + y step[1] + x step[2], first being what
 * makes the least of these 0: out has the stored order of the grid's file. background: bytes 0.
 * covered (may be NULL): how many voxels of the grid the array covers.
 * UM_EFORMAT, UM_ENONFINITE as um_affine_invert. */
UM_API UM_RESULT_USED int um_resample_nearest(const void *in, size_t size, const int64_t dim[3],
                                              const double affine[12], const struct um_volume *to,
                                              void *out, int64_t *covered);

/* um_resample_linear - the same for float32: linear between the eight samples around p, the nearest
 * ones beyond the first and last of an axis; background 0. Sums in double, rounded once. */
UM_API UM_RESULT_USED int um_resample_linear(const float *in, const int64_t dim[3],
                                             const double affine[12], const struct um_volume *to,
                                             float *out, int64_t *covered);

#endif
