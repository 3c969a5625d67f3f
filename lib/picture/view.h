/* view.h - what of a tensor is looked at, and what is laid over it
 *
 * A tensor [D,H,W], [1,H,W] or [H,W] is shown slice by slice. A slice is gray: 0..1 (or what
 * --window says) as black to white. It is drawn as wide and high as it is in the patient
 * (meta.spacing, or meta.affine), enlarged by a whole factor where it is small. Over it, in its own
 * pixels: attention  heat map (picture.h), its opacity 0.6 times the value over the record's
 * largest mask       colours by label, opacity 0.35, outlined; values above 127: a share of 255
 *     boxes      outlines
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_PICTURE_VIEW_H
#define UM_PICTURE_VIEW_H

#include "picture/picture.h"

enum {
    UM_OVER_MASK      = 1,
    UM_OVER_BOXES     = 2,
    UM_OVER_ATTENTION = 4,
    UM_NOVER          = 3,
    UM_HAS_PLANES     = 8
};
UM_API const char *um_over_name(int bit); /* "mask", ... */

enum um_plane { UM_AXIAL = 0, UM_CORONAL, UM_SAGITTAL };

/* which slices; number: that one, from 0 */
enum um_slices {
    UM_SLICES_DEFAULT = 0,
    UM_SLICES_ALL,
    UM_SLICES_MIDDLE,
    UM_SLICES_EVEN,
    UM_SLICES_ONE
};

struct um_view {
    unsigned over;     /* UM_OVER_... */
    bool     windowed; /* the values that become black and white: */
    /* HU, where meta.window says what 0 and 1 are; else as they are, but a uint8 tensor has no HU:
     * it stays as it is under a window that reaches out of 0..255 */
    double         window[2];
    enum um_plane  plane; /* of volumes; a picture has one */
    enum um_slices slices;
    int64_t        number; /* of the slice, or how many evenly spread ones */
    int64_t        crop;   /* pictures: the N x N pixels in the middle; 0: all */
};

/* um_view_slices, um_view_over - read "all", "middle", "even=K" or N; "mask,boxes,attention" in any
 * choice and order. UM_ERANGE otherwise. */
UM_API UM_RESULT_USED int um_view_slices(const char *text, struct um_view *v);
UM_API UM_RESULT_USED int um_view_over(const char *text, struct um_view *v);
/* um_view_plain - does it change nothing? Then um_picture_tensor draws pixel for pixel. */
UM_API bool um_view_plain(const struct um_view *v);

/* one tensor looked at; all of it but what the functions below need is private */
struct um_scene {
    const struct um_view   *view;
    const struct um_record *rec;
    const struct um_tensor *t, *mask, *boxes, *attention;
    int64_t                 dim[3];           /* z, y, x */
    enum um_plane           plane;            /* axial for a picture */
    int64_t                 first, n;         /* slices: see um_scene_number */
    int64_t                 rows, cols;       /* samples of a slice that are shown */
    int64_t                 top, left;        /* of a crop */
    int64_t                 width, height;    /* pixels of a slice as drawn */
    double                  lo, hi;           /* values that become black and white */
    double                  mean, full;       /* attention that is 0 and 1: mean, mean + full */
    bool                    share;            /* the mask is one */
    uint8_t                 rank[256];        /* of a label among the mask's, from 1 */
    int64_t                 cells[3];         /* attention: slabs, rows, columns */
    int64_t                 seen[3], side[2]; /* its corner z, y, x on the grid; its sides y, x */
    unsigned                has; /* UM_OVER_... that the record has; UM_HAS_PLANES: a volume */
};

/* um_scene_open - box > 0: fit slices into so many pixels square. slices: where the view says none.
 * UM_ESHAPE: no slices; UM_EMISMATCH: mask, boxes or attention do not belong
 * to the tensor; UM_EDTYPE; UM_ERANGE: no such slice, a crop larger than the picture, too large. */
UM_API UM_RESULT_USED int um_scene_open(const struct um_view *v, const struct um_record *rec,
                                        const struct um_tensor *t, enum um_slices slices,
                                        int64_t box, struct um_scene *s);
/* um_scene_number - the slice that the i-th picture shows, 0 <= i < n */
UM_API int64_t um_scene_number(const struct um_scene *s, int64_t i);
/* um_scene_slice - draw it: 3 channels if anything is asked to be laid over, else 1 */
UM_API UM_RESULT_USED int um_scene_slice(struct um_arena *a, const struct um_scene *s, int64_t i,
                                         struct um_picture *p);

/* um_view_picture - all slices of the view side by side, in rows, z from the top left. *has:
 * as um_scene.has. Errors as um_scene_open. */
UM_API UM_RESULT_USED int um_view_picture(struct um_arena *a, const struct um_view *v,
                                          const struct um_record *rec, const struct um_tensor *t,
                                          struct um_picture *p, unsigned *has);

/* um_view_label - the colour of the label that is number `rank`, from 1, among those of a record's
 * mask in rising order: seven that the colour-blind tell apart (Okabe and Ito), then the same
 * lighter, then deeper but none so dark that it would not show on black, then from the first again.
 * By rank, as two of a few labels whose values are far apart must not get one colour. */
UM_API void um_view_label(int rank, uint8_t rgb[3]);

#endif
