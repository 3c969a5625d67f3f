/* picture.h - tensors as something to look at: 8-bit pixels, montages, heat maps, contact sheets */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PICTURE_PICTURE_H
#define UM_PICTURE_PICTURE_H

#include "stream/tensor.h"

struct um_picture {
    int64_t  width, height;
    int      channels; /* 1 gray, 3 R G B */
    uint8_t *pixel;    /* [height,width,channels], in the caller's arena */
};

/* um_picture_new - all black. UM_ERANGE: more than 2^28 pixels, or a side below 1. */
UM_API UM_RESULT_USED int um_picture_new(struct um_arena *a, int64_t width, int64_t height,
                                         int channels, struct um_picture *p);

/* um_picture_tensor - draw a tensor of `rec`
 *
 *   [H,W], [1,H,W]  the image
 *   [D,H,W]         its slices side by side, in rows, z from the top left
 *   [N]             one row of cells, as a heat map
 *   "attention" [S,P]  a heat map per slab: P cells on meta.grid's last two sides, or a square
 *
 * Grays: uint8 as it is (a "mask" and its largest value is white); floats within 0..1 with 1 as
 * white; anything else from its smallest to its largest value. NaN is black. Heat maps go from
 * black at 0 (or the smallest, if that is negative) over red and yellow to white at the largest.
 *
 * UM_ESHAPE: other numbers of dims, or a side of 0; UM_ERANGE: too large; UM_ENOMEM.
 */
UM_API UM_RESULT_USED int um_picture_tensor(struct um_arena *a, const struct um_record *rec,
                                            const struct um_tensor *t, struct um_picture *p);

/* ---- what the other files of this room draw with ---- */

/* um_picture_dims - the last three dims as slices, rows, columns: 1 to 3 dims, no side of 0.
 * UM_ESHAPE */
UM_API UM_RESULT_USED int um_picture_dims(const struct um_tensor *t, int64_t d[3]);
/* um_picture_range - the values that are black and white (see above) */
UM_API void um_picture_range(const struct um_tensor *t, double *lo, double *hi);
/* um_picture_gray - of value x */
UM_API uint8_t um_picture_gray(double x, double lo, double hi);
/* um_picture_heat - 0 black, red, yellow, 1 white */
UM_API void um_picture_heat(double v, uint8_t rgb[3]);
/* um_picture_cells - rows and columns of P cells: meta.grid's last two sides if they fit, a square,
 * or one row */
UM_API void um_picture_cells(const struct um_record *rec, int64_t cells, int64_t *rows,
                             int64_t *cols);

/* um_picture_tiles - room for n tiles of w x h in rows, about as many rows as columns, a pixel
 * apart; errors as um_picture_new. um_picture_tile copies the i-th into its place. */
UM_API UM_RESULT_USED int um_picture_tiles(struct um_arena *a, int64_t n, int64_t w, int64_t h,
                                           int channels, struct um_picture *p);
UM_API void               um_picture_tile(struct um_picture *p, int64_t i, int64_t n,
                                          const struct um_picture *tile);

/* um_picture_text - at most `letters` characters at (x,y), white; of a longer text the end, or with
 * `begin` the beginning, two of them being dots where it is cut */
UM_API void um_picture_text(struct um_picture *to, int64_t x, int64_t y, const char *text,
                            int letters, bool begin);

#endif
