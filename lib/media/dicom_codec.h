/* dicom_codec.h - one compressed picture of a DICOM file -> its values */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_DICOM_CODEC_H
#define UM_MEDIA_DICOM_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "media/dicom.h"

/* um_dicom_decode - in[0..n-1], by RLE, by jpeg.h, or by GDCM (gdcm_ask.h); out and luma as for
 * um_dicom_frame, but unused bits are as they come. UM_EFORMAT, UM_EUNSUPPORTED, UM_ENOMEM. */
UM_RESULT_USED int um_dicom_decode(struct um_arena *a, const struct um_dicom *d, const uint8_t *in,
                                   size_t n, uint8_t *out, bool *luma);

/* um_dicom_picture - the sizes that a JPEG, JPEG-LS or JPEG 2000 codestream says it has, and where
 * in the bytes it begins. UM_EFORMAT: it says none. */
struct um_dicom_picture {
    size_t   at;
    uint32_t width, height;
    unsigned components, bits;
};
UM_API UM_RESULT_USED int um_dicom_picture(const uint8_t *in, size_t n, bool jpeg_2000,
                                           struct um_dicom_picture *p);

#endif
