/* dicom_lut.c - descriptors and data of lookup tables */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dicom_lut.h"

#include <string.h>

enum { DESCRIPTOR = 0x00283002, DATA = 0x00283006 };

int um_dicom_lut(const struct um_dicom_walk *w, const struct um_dicom_element *descriptor,
                 const struct um_dicom_element *data, bool is_signed, struct um_dicom_lut *l)
{
    unsigned entries, first, bits;

    if (!um_dicom_u16(w, descriptor, 0, &entries) || !um_dicom_u16(w, descriptor, 1, &first) ||
        !um_dicom_u16(w, descriptor, 2, &bits) || bits < 1 || bits > 16)
        return um_fail(UM_EFORMAT, "DICOM: a lookup table without a proper descriptor");
    *l         = (struct um_dicom_lut){ .w = *w, .data = *data, .bits = bits, .there = true };
    l->entries = entries ? entries : 65536;
    if (*descriptor->vr) /* else it is not said, and the caller knows better */
        is_signed = strcmp(descriptor->vr, "SS") == 0;
    l->first = is_signed ? (int16_t)first : (int64_t)first;
    l->bytes = (int64_t)data->n < 2 * l->entries;
    if ((int64_t)data->n < l->entries || (l->bytes && bits > 8))
        return um_fail(UM_EFORMAT, "DICOM: cut: a lookup table of %lld entries in %zu bytes",
                       (long long)l->entries, data->n);
    return UM_OK;
}

unsigned um_dicom_lut_at(const struct um_dicom_lut *l, int64_t value)
{
    int64_t  i = value - l->first;
    unsigned v = 0;

    i = i < 0 ? 0 : i < l->entries ? i : l->entries - 1;
    if (l->bytes)
        return l->w.bytes[l->data.at + (size_t)i];
    (void)um_dicom_u16(&l->w, &l->data, (size_t)i, &v);
    return v;
}

int um_dicom_lut_find(const struct um_dicom *d, uint32_t sequence, bool is_signed,
                      struct um_dicom_lut *l)
{
    struct um_dicom_element e, descriptor, data;
    struct um_dicom_walk    items, item;
    int                     st = um_dicom_find(d->data, sequence, &e);

    l->there = false;
    if (st != 1)
        return st;
    um_dicom_items(&d->data, &e, &items);
    if ((st = um_dicom_item(&items, &item)) != 1 ||
        (st = um_dicom_find(item, DESCRIPTOR, &descriptor)) != 1 ||
        (st = um_dicom_find(item, DATA, &data)) != 1)
        return st;
    return um_dicom_lut(&item, &descriptor, &data, is_signed, l);
}
