/* turn.h - a picture the right way up */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_GRID_TURN_H
#define UM_GRID_TURN_H

#include "base/arena.h"
#include "grid/grey.h"

/* um_grey_turn - lay the picture as EXIF's orientation says it is seen
 *
 *     1  as it is              5  rows become columns
 *     2  left and right change 6  a quarter turn clockwise
 *     3  half a turn           7  rows become columns, then half a turn
 *     4  top and bottom change 8  a quarter turn anticlockwise
 *
 * From 5 on width and height change places. g->px becomes a copy in the arena, unless the
 * orientation is 1 (or no such number). UM_ENOMEM; UM_ERANGE if g was decoded at less than its full
 * size, whose last pixels must stay last. */
UM_API UM_RESULT_USED int um_grey_turn(struct um_arena *a, int orientation, struct um_grey *g);

#endif
