/* prepare.h - one row of a manifest -> one record: files read, geometry and window applied
 *
 * A picture becomes `image` uint8 [1,S,S]; a volume `volume` float32 [D,H,W] in 0..1; its mask, if
 * there is one, `mask` uint8 on the same grid ([1,S,S] or [D,H,W]). Which it is, the file's content
 * says. Boxes become `boxes` float32 [n,4] on the square. Everything the manifest knows about the
 * row goes into meta, and so does where the grid lies: pixels and extent of a picture, affine and
 * spacing of a volume; and levels, as two numbers.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_DATASET_PREPARE_H
#define UM_DATASET_PREPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "dataset/filter.h"
#include "dataset/manifest.h"
#include "grid/area.h"
#include "stream/tensor.h"

struct um_prepare {
    const char       *root;            /* the folder of relative paths; "" the current one */
    int64_t           image_size;      /* S */
    int64_t           volume_size[3];  /* D, H, W */
    bool              sized;           /* volume_size was asked for: with a spacing too */
    double            spacing[3];      /* mm along x, y, z; 0: none, resize to volume_size */
    bool              crop_foreground; /* volumes: to the box of what lies above the window's end */
    bool              point;     /* linear between samples, not anti-aliased, when shrinking too */
    bool              stretch;   /* pictures: both sides to S, instead of zeros at the shorter */
    bool              box_mask;  /* pictures: draw `mask` from `boxes` */
    double            window[2]; /* HU that become 0 and 1 */
    int64_t           frame;     /* of volumes with several; -1: there must be one only */
    bool              replace;   /* voxels that are not finite: nan_hu instead of an error */
    double            nan_hu;
    bool              fast_decode;
    bool              dicom_window; /* DICOM pictures: by their window, not as stored */
    const char       *series; /* of a folder of DICOM files with several; NULL: the only one */
    bool              allow_gaps, allow_duplicates; /* of slices in such a folder */
    int64_t           max_pixels;
    enum um_filter    mask_filter;
    double            mask_threshold; /* NaN: masks must hold whole numbers */
    struct um_filters filters;
};

enum { UM_NOTES = 8 };

struct um_prepared {
    struct um_record *rec; /* NULL if dropped */
    enum um_drop      drop;
    const char       *note[UM_NOTES]; /* what the user should know; the first `notes` */
    int               notes;
};

/* um_prepare_row - `a` holds the record and the notes, `scratch` what is needed on the way (the
 * caller resets both). Errors name the file; those of the row itself name the column. */
UM_API UM_RESULT_USED int um_prepare_row(const struct um_prepare *p, const struct um_manifest *m,
                                         const struct um_row *row, struct um_arena *a,
                                         struct um_arena *scratch, struct um_prepared *out);

#endif
