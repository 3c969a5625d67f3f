/* dicom_lut.h - lookup tables of a DICOM file */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_DICOM_LUT_H
#define UM_MEDIA_DICOM_LUT_H

#include "media/dicom.h"

enum { UM_DICOM_MODALITY_LUT = 0x00283000, UM_DICOM_VOI_LUT = 0x00283010 };

/* a table as the file holds it: entries for values first, first + 1, ...; both ends go on */
struct um_dicom_lut {
    struct um_dicom_walk    w;
    struct um_dicom_element data;
    int64_t                 entries, first;
    unsigned                bits;
    bool                    bytes; /* an entry takes one, not two */
    bool                    there;
};

/* um_dicom_lut - the table that a descriptor and its data in `w` make. is_signed: what its first
 * value is where the descriptor has no VR. UM_EFORMAT: cut, or no proper descriptor. */
UM_RESULT_USED int um_dicom_lut(const struct um_dicom_walk    *w,
                                const struct um_dicom_element *descriptor,
                                const struct um_dicom_element *data, bool is_signed,
                                struct um_dicom_lut *l);

/* um_dicom_lut_find - the table in the first item of a sequence of d; l->there is false if there is
 * none, which is no error */
UM_RESULT_USED int um_dicom_lut_find(const struct um_dicom *d, uint32_t sequence, bool is_signed,
                                     struct um_dicom_lut *l);

/* um_dicom_lut_at - the entry of a value */
unsigned um_dicom_lut_at(const struct um_dicom_lut *l, int64_t value);

#endif
