/* area.h - resizing 8-bit pictures: exact area average, nearest, padding to a square
 *
 * Along an axis of n_in samples made n_out:
 *     n_out <= n_in  output i is the mean over [i n_in/n_out, (i+1) n_in/n_out), fractions counted
 *     n_out >  n_in  linear between samples, half-pixel centres, clamped at the edges; so too for
 *                    any n_out where UM_FILTER_POINT asks for it
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
/* um_points_new - linear between samples, whether n_out is more or less than n_in */
UM_API UM_RESULT_USED int um_points_new(struct um_arena *a, int64_t n_in, int64_t n_out,
                                        struct um_boxes *b);

/* the rectangle of a square that a picture fills */
struct um_fit {
    int64_t x, y, w, h;
};

/* um_fit_pad - the longer side of a w x h picture becomes `side`, the other
 * max(1, floor(side * shorter / longer)); floor(pad/2) before and the rest after
 * um_fit_stretch - both sides become `side` */
UM_API struct um_fit um_fit_pad(int64_t w, int64_t h, int64_t side);
UM_API struct um_fit um_fit_stretch(int64_t side);

/* how samples are made: the mean of the area; the sample under the output's centre; linear between
 * the four around it, not anti-aliased */
enum um_filter { UM_FILTER_AREA, UM_FILTER_NEAREST, UM_FILTER_POINT };

/* um_grey_square - the picture (with the sides it has in its file) resized into the rectangle `fit`
 * of out[side,side], zeros around it. `a` holds scratch only. Errors as um_boxes_new; UM_ERANGE:
 * UM_FILTER_POINT of a picture that was shrunk by its decoder. */
UM_API UM_RESULT_USED int um_grey_square(struct um_arena *a, const struct um_grey *in,
                                         const struct um_fit *fit, enum um_filter filter,
                                         int64_t side, uint8_t *out);

#endif
