/* dicom_write.h - pixels to a DICOM file: one X-ray, or one slice of a CT series */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_DICOM_WRITE_H
#define UM_MEDIA_DICOM_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/status.h"

/* what is written; zero-initialise, then fill in. Texts may be NULL (left out or empty), are UTF-8,
 * and hold at most 64 bytes without control characters and backslashes. */
struct um_dicom_out {
    const void *pixels; /* [rows,columns], from the top, no padding: uint8 if bits is 8; uint16, or
                           int16 if is_signed, else */
    int64_t     rows, columns; /* each 1..65535 */
    int         bits;          /* stored: 1..16; up to 8 take a byte a pixel, more take two */
    bool        is_signed, monochrome1; /* monochrome1: the smallest value is white */
    const char *modality;               /* "CT", "DX", "CR"; NULL: "OT" (secondary capture) */
    const char *study_uid, *series_uid, *sop_uid; /* NULL: made from the pixels (um_dicom_uid) */
    const char *patient, *view, *description;     /* id; PA or AP; of the series */
    int         instance;                         /* number in the series */
    double      spacing[2];  /* mm between rows, between columns; 0: not known */
    bool        geometry;    /* position and orientation are known; spacing must be, too */
    double      position[3]; /* mm of the first pixel's centre: to the left, the back, the head */
    double      orientation[6]; /* directions of a row (the way columns count up) and of a column */
    double      thickness;      /* mm; 0: not known */
    double      slope, inter;   /* value = slope * stored + inter; slope 0: none */
    double      center, width;  /* the window, in values; width 0: none */
};

/* um_dicom_write - append one file to `out` (the caller closes it)
 *
 * Explicit VR, little endian, uncompressed, with preamble and file meta information. The same input
 * gives the same bytes: no time and no random number is in it.
 *
 * Returns UM_OK; UM_ERANGE: a side or bits out of range, a text too long; UM_EFORMAT: control
 * characters in a text, spacing not positive; UM_ENONFINITE; UM_EIO, UM_EPIPE.
 */
UM_API UM_RESULT_USED int um_dicom_write(struct um_outfile *out, const struct um_dicom_out *v);

/* um_dicom_uid - a unique identifier made from any text, always the same: "2.25." and its digest as
 * a decimal number */
enum { UM_DICOM_UID = 65 };
UM_API void um_dicom_uid(const char *text, char uid[UM_DICOM_UID]);

#endif
