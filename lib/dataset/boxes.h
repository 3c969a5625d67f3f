/* boxes.h - the manifest's `boxes`: rectangles on a picture */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_DATASET_BOXES_H
#define UM_DATASET_BOXES_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

struct um_rects {
    int64_t n;
    double (*box)[4]; /* x0 y0 x1 y1; x0 < x1, y0 < y1, within the picture */
};

/* um_rects_parse - "x0,y0,x1,y1;x0,y0,x1,y1;..." in pixels of a w x h file, x to the right, y down;
 * "" is none. What reaches out of the picture by a pixel or less is cut off there. UM_EFORMAT:
 * other text; UM_ERANGE: a box without area, outside, or further out. Messages name the box by
 * number, from 1. */
UM_API UM_RESULT_USED int um_rects_parse(struct um_arena *a, const char *text, double w, double h,
                                         struct um_rects *r);

#endif
