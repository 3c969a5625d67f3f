/* patches.h - images and volumes cut into the tokens of T_2D and T_3D
 *
 * Here and not with the model, because it is what cropping is: index work on pictures. The model
 * cuts for itself, on its device (um_patches of nn.h); a stream of patches is for everybody else.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_PATCHES_H
#define UM_MEDIA_PATCHES_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "stream/tensor.h"

struct um_patches_opts {
    int64_t crop;         /* side of the centre crop of uint8 images; 0: none */
    int64_t patch_2d;     /* side of an image's patch, 16 */
    int64_t patch_3d[3];  /* z, y, x of a volume's, 4 16 16 */
    float   scale, shift; /* applied to values in 0..1: 1, 0; or 2, -1 for the range -1..1 */
};

/* um_patches_cut - x [D,H,W] -> out [T,P], both in C order
 *
 *     out[(s * R + r) * C + c, (z * py + y) * px + u] = x[s * pz + z, r * py + y, c * px + u]
 *
 * with S = D/pz, R = H/py, C = W/px, T = S R C and P = pz py px; patch = pz, py, px divide dim. */
UM_API void um_patches_cut(float *out, const float *x, const int64_t dim[3],
                           const int64_t patch[3]);

/* um_patches_image - image uint8 [1,H,W]: rows and columns floor((H - crop)/2).. and
 * floor((W - crop)/2).., divided by 255; float32 [1,H,W]: as it is. out: float32 [T,P] named
 * "patches", grid: R, C. Returns the number of grid's entries (2). UM_ESHAPE: not [1,H,W], smaller
 * than the crop, or not whole patches; UM_EDTYPE; UM_ENONFINITE; UM_ENOMEM.
 * um_patches_volume - volume float32 [D,H,W]; grid: S, R, C; returns 3. Errors alike. */
UM_API UM_RESULT_USED int um_patches_image(struct um_arena *a, const struct um_tensor *image,
                                           const struct um_patches_opts *opts,
                                           struct um_tensor *out, int64_t grid[3]);
UM_API UM_RESULT_USED int um_patches_volume(struct um_arena *a, const struct um_tensor *volume,
                                            const struct um_patches_opts *opts,
                                            struct um_tensor *out, int64_t grid[3]);

/* um_patches_record - the patches of the record's image or volume, and meta `grid` (a list of
 * integers). UM_EMISSING: it has neither; UM_EMISMATCH: both; errors as above. */
UM_API UM_RESULT_USED int um_patches_record(struct um_arena *a, const struct um_patches_opts *opts,
                                            struct um_record *rec);

#endif
