/* overlay.h - colours laid over a gray slice; inside lib/picture only */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PICTURE_OVERLAY_H
#define UM_PICTURE_OVERLAY_H

#include "picture/view.h"

/* um_overlay_find - what of mask, boxes and attention the view asks for and the record has, checked
 * against the tensor. Errors as um_scene_open. */
UM_RESULT_USED int um_overlay_find(struct um_scene *s);

/* um_overlay_draw - over slice `number`, which is drawn in p: RGB, the scene's width and height */
UM_RESULT_USED int um_overlay_draw(struct um_arena *a, const struct um_scene *s, int64_t number,
                                   struct um_picture *p);

/* the sample z, y, x that pixel (x,y) of slice `number` shows */
void um_scene_sample(const struct um_scene *s, int64_t number, int64_t x, int64_t y, int64_t at[3]);

#endif
