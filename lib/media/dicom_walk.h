/* dicom_walk.h - the data elements of a DICOM data set, one after the other
 *
 * Every length is held against the bytes that are there before it is followed; nothing is copied
 * and no memory is taken. Explicit or implicit VR, either byte order, sequences and items of
 * defined or undefined length, 16 levels deep at most.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_DICOM_WALK_H
#define UM_MEDIA_DICOM_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* where a walk stands. Of a file that is longer than what was read of it, the first n bytes are
 * here; the lengths of elements are held against `total`. */
struct um_dicom_walk {
    const uint8_t *bytes;
    size_t         n, total, at;
    bool           implicit, big;
};

/* one element. The value is bytes + at: n bytes, without the delimiters that end it. */
struct um_dicom_element {
    uint32_t tag;
    char     vr[3]; /* "" in implicit VR and for items */
    size_t   at, n;
    bool     undefined; /* the length is: a sequence, or pixels in fragments */
    bool     implicit;  /* how the elements in its items are written */
};

enum { UM_DICOM_PIXELS = 0x7fe00010, UM_DICOM_MORE = 2 };

/* um_dicom_next - 1: the next element; 0: the end of the data set or item; UM_DICOM_MORE: the walk
 * goes on in bytes that were not read; UM_EFORMAT: a length beyond the end, no VR, items that do
 * not end, too deep. The pixels' value may reach beyond n, not beyond total; fragments are not
 * skipped: nothing is looked for behind pixels. */
UM_API UM_RESULT_USED int um_dicom_next(struct um_dicom_walk *w, struct um_dicom_element *e);

/* um_dicom_items - a walk over the items of a sequence, for um_dicom_item
 * um_dicom_item - 1: the next item (or fragment) and a walk over its elements; 0: there are no
 * more */
UM_API void um_dicom_items(const struct um_dicom_walk *w, const struct um_dicom_element *e,
                           struct um_dicom_walk *items);
UM_API UM_RESULT_USED int um_dicom_item(struct um_dicom_walk *items, struct um_dicom_walk *item);

/* um_dicom_find - 1: the first element of that tag in the rest of the walk, 0: there is none */
UM_API UM_RESULT_USED int um_dicom_find(struct um_dicom_walk w, uint32_t tag,
                                        struct um_dicom_element *e);

/* um_dicom_u16 - number i of a value of 16-bit numbers; false if there are not so many */
UM_API bool um_dicom_u16(const struct um_dicom_walk *w, const struct um_dicom_element *e, size_t i,
                         unsigned *v);

/* um_dicom_text - the value without the blanks and zeros around it, cut to size - 1 bytes; control
 * characters become '?' */
UM_API void um_dicom_text(const struct um_dicom_walk *w, const struct um_dicom_element *e,
                          char *text, size_t size);

/* um_dicom_numbers - how many finite numbers a decimal or integer string begins with; the first
 * `most` of them in v */
UM_API int um_dicom_numbers(const struct um_dicom_walk *w, const struct um_dicom_element *e,
                            double *v, int most);

#endif
