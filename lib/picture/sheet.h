/* sheet.h - a contact sheet: thumbnails of records in rows, their keys beneath */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PICTURE_SHEET_H
#define UM_PICTURE_SHEET_H

#include "picture/view.h"

enum { UM_SHEET_CELL = 160 }; /* pixels of a thumbnail's side */

/* zeroed but for the first two; thumbnails alone are kept */
struct um_sheet {
    struct um_arena      *arena; /* lives as long as the sheet */
    const struct um_view *view;
    int                   n, cap;
    bool                  two; /* a second line beneath one of them at least */
    struct um_sheet_cell *cell;
};

/* um_sheet_add - the middle slice of a tensor of rec, or those that the view names, each with the
 * key and, of several, its number; beneath it split, class and the labels that are above 0, where
 * the record has them. *has: as um_view_picture. Errors as um_scene_open. */
UM_API UM_RESULT_USED int um_sheet_add(struct um_sheet *s, const struct um_record *rec,
                                       const struct um_tensor *t, unsigned *has);
/* um_sheet_draw - all of it, about as wide as high; UM_EMISSING if nothing was added */
UM_API UM_RESULT_USED int um_sheet_draw(const struct um_sheet *s, struct um_picture *p);

#endif
