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

/* um_picture_slice - one gray slice of an image or volume: z, or the middle one if z < 0 */
UM_API UM_RESULT_USED int um_picture_slice(struct um_arena *a, const struct um_tensor *t, int64_t z,
                                           struct um_picture *p);

/* um_picture_fit - from drawn into a box of w x h at (x,y) of `to`, shrunk by averaging where it is
 * larger, enlarged by a whole factor where it is smaller (aspect kept), centred. Both gray. */
UM_API void um_picture_fit(struct um_picture *to, int64_t x, int64_t y, int64_t w, int64_t h,
                           const struct um_picture *from);

/* um_picture_text - at most `letters` characters at (x,y), white; of a longer text the end */
UM_API void um_picture_text(struct um_picture *to, int64_t x, int64_t y, const char *text,
                            int letters);

/* A contact sheet: thumbnails in rows, their keys beneath. Thumbnails alone are kept. */
enum { UM_SHEET_CELL = 160 };
struct um_sheet {
    struct um_arena   *arena; /* lives as long as the sheet */
    int                n, cap;
    struct um_picture *cell;
};

/* um_sheet_add - the image, or the middle slice of the volume; a zeroed sheet with an arena */
UM_API UM_RESULT_USED int um_sheet_add(struct um_sheet *s, const char *key,
                                       const struct um_tensor *t);
/* um_sheet_draw - all of it, about as wide as high; UM_EMISSING if nothing was added */
UM_API UM_RESULT_USED int um_sheet_draw(const struct um_sheet *s, struct um_picture *p);

#endif
