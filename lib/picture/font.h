/* font.h - letters for pictures: ASCII, 5 x 7 pixels in a cell of 6 x 9, tails beneath the line */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PICTURE_FONT_H
#define UM_PICTURE_FONT_H

#include <stdbool.h>

#include "base/status.h"

enum { UM_FONT_W = 6, UM_FONT_H = 9 };

/* um_font_dot - is pixel (x,y), 0 <= x < UM_FONT_W, 0 <= y < UM_FONT_H, of character c set?
 * Anything but printable ASCII looks like '?'. */
UM_API bool um_font_dot(unsigned char c, int x, int y);

#endif
