/* area.h - resizing 8-bit pictures: exact area average, nearest, padding to a square
 *
 * Along an axis of n_in samples made n_out:
 *     n_out <= n_in  output i is the mean over [i n_in/n_out, (i+1) n_in/n_out), fractions counted
 *     n_out >  n_in  linear between samples, half-pixel centres, clamped at the edges
 * Weights are whole numbers with a common sum, so the mean is exact and rounded once, half up: the
 * same on every machine.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_GRID_AREA_H
#define UM_GRID_AREA_H

#include <stdint.h>

#include "base/arena.h"
#include "grid/grey.h"

/* the weights of one axis: output i = sum over k < count[i] of weight[i * most + k] in[first[i] +
 * k] divided by total */
struct um_boxes {
    int64_t   n_in, per, n_out, most;
    int64_t  *first, *count;
    uint32_t *weight;
    uint64_t  total;
};

enum { UM_SIDE_MAX = 1 << 23 }; /* sides up to here keep all sums within 64 bits */

/* um_boxes_new - in the arena. The picture is n_in / per samples long, which need not be whole:
 * then the last sample lies partly outside (only for shrinking). UM_ERANGE: sides
 * outside 1..UM_SIDE_MAX, n_in / per < n_out with per > 1; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_boxes_new(struct um_arena *a, int64_t n_in, int64_t per, int64_t n_out,
                                       struct um_boxes *b);

/* um_fit - the size a w x h picture takes in a square: the longer side becomes `side`, the other
 * max(1, floor(side * shorter / longer)) */
UM_API void um_fit(int64_t w, int64_t h, int64_t side, int64_t *fit_w, int64_t *fit_h);

enum um_filter { UM_FILTER_AREA, UM_FILTER_NEAREST };

/* um_grey_square - fit the picture into out[side,side]: resized as um_fit says (by the sides it has
 * in its file), floor(pad/2) zeros before and the rest after. UM_FILTER_NEAREST takes the sample
 * that the output pixel's centre falls into. `a` holds scratch only. Errors as um_boxes_new. */
UM_API UM_RESULT_USED int um_grey_square(struct um_arena *a, const struct um_grey *in, int64_t side,
                                         enum um_filter filter, uint8_t *out);

#endif
