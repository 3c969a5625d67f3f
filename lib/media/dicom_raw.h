/* dicom_raw.h - what a DICOM header says of its pixels, before it is checked */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_DICOM_RAW_H
#define UM_MEDIA_DICOM_RAW_H

#include "media/dicom.h"

/* numbers that are still -1 were not there */
struct um_dicom_raw {
    int    rows, columns, samples, allocated, stored, high, is_signed, planar, padding, limit;
    double frames, imager[2], scanned[2], aspect[2]; /* 0: not there */
    char   photometric[UM_DICOM_TEXT_MAX], type[UM_DICOM_TEXT_MAX];
    bool   floats;
};

/* um_dicom_settle - fill in d by it, once it agrees with itself and with the bytes that are there;
 * fails as um_dicom_open does */
UM_RESULT_USED int um_dicom_settle(struct um_dicom *d, const struct um_dicom_raw *r,
                                   int64_t max_pixels);

#endif
