/* turn.c - reversing rows and columns, and exchanging them */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grid/turn.h"

enum { TILE = 32 }; /* columns become rows tile by tile, so that lines of cache are used up */

/* for each orientation: is the file's x reversed, its y, and do they change places afterwards */
static const struct {
    char x, y, swap;
} how[9] = { { 0, 0, 0 }, { 0, 0, 0 }, { 1, 0, 0 }, { 1, 1, 0 }, { 0, 1, 0 },
             { 0, 0, 1 }, { 0, 1, 1 }, { 1, 1, 1 }, { 1, 0, 1 } };

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int um_grey_turn(struct um_arena *a, int orientation, struct um_grey *g)
{
    const int     o = orientation >= 1 && orientation <= 8 ? orientation : 1;
    const int64_t w = g->width, h = g->height, across = how[o].swap ? h : 1,
                  down = how[o].swap ? 1 : w;
    uint8_t *out;

    if (o == 1)
        return UM_OK;
    if (g->eighths != 8)
        return um_fail(UM_ERANGE, "a picture that was shrunk on the way cannot be turned");
    out = um_alloc_array(a, w * h, 1);
    if (!out)
        return UM_ENOMEM;
    for (int64_t top = 0; top < h; top += TILE)
        for (int64_t left = 0; left < w; left += TILE)
            for (int64_t y = top; y < least(top + TILE, h); y++) {
                const uint8_t *row = g->px + (how[o].y ? h - 1 - y : y) * w;

                for (int64_t x = left; x < least(left + TILE, w); x++)
                    out[x * across + y * down] = row[how[o].x ? w - 1 - x : x];
            }
    g->px = out;
    if (how[o].swap) {
        const int64_t file_w = g->file_width;
        const double  mm     = g->mm[0];

        g->width       = h;
        g->height      = w;
        g->file_width  = g->file_height;
        g->file_height = file_w;
        g->mm[0]       = g->mm[1];
        g->mm[1]       = mm;
    }
    return UM_OK;
}
