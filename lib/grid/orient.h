/* orient.h - any axis order and direction -> x to the patient's left, y to the back, z to the head
 *
 * By exchanging and reversing axes only, never by resampling; an oblique volume takes the nearest
 * of the 48 arrangements.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_GRID_ORIENT_H
#define UM_GRID_ORIENT_H

#include "grid/volume.h"

/* um_volume_orient - turn the view around so that its axes run LPS+ as nearly as they can
 *
 * The affine goes along: it still maps (x,y,z) voxel centres to RAS+ mm, so its diagonal becomes
 * (-, -, +) for a volume that is not oblique. Of the six axis orders the one with the largest sum
 * of |cosine| is taken (the first of equals, from x,y,z on). Returns UM_OK; UM_EFORMAT: an axis of
 * length zero, or axes that lie in one plane; UM_ENONFINITE: NaN or infinity in the affine.
 */
UM_API UM_RESULT_USED int um_volume_orient(struct um_volume *v);

#endif
