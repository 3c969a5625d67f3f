/* dicom_grey.h - a DICOM file of one picture -> gray pixels
 *
 * As stored (the default): y = 255 v / max, v the stored value and max the largest one in the file,
 * rounded half up, clipped to 0..255. Window, VOI LUT and rescale are not looked at.
 *
 * By window: the stored value goes through the modality LUT, or slope and intercept; then through
 * the VOI LUT if there is one, else the first window, else the range from the smallest to the
 * largest value in the file; 0..255, rounded half up. The window's function (PS3.3 C.11.2.1.2, .3):
 *     LINEAR        ((x - (center - 0.5)) / (width - 1) + 0.5) 255, clipped
 *     LINEAR_EXACT  ((x - center) / width + 0.5) 255, clipped
 *     SIGMOID       255 / (1 + exp(-4 (x - center) / width))
 *
 * Padding (pixel padding value, range limit) counts for neither the largest nor the smallest value.
 * No photometric interpretation is MONOCHROME2, and pixels are square: notes say where that is not
 * said or not so.
 * MONOCHROME1 is inverted at the end, both ways, and then padding is made 0. Colours become luma
 * (grey.h) both ways: RGB and palettes 0.299 R + 0.587 G + 0.114 B, YBR its Y, by 255 over the
 * largest number of their bits. SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_DICOM_GREY_H
#define UM_MEDIA_DICOM_GREY_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "grid/grey.h"

/* um_dicom_grey - out->px in the arena. UM_EMISSING: no pixels; UM_ESHAPE: several frames, or one
 * slice of a CT as stored (its values are no levels of gray: it is taken by window alone);
 * otherwise as um_dicom_open and um_dicom_frame; UM_EFORMAT: a damaged LUT. */
UM_API UM_RESULT_USED int um_dicom_grey(struct um_arena *a, const uint8_t *bytes, size_t n,
                                        const struct um_image_opts *opts, struct um_grey *out);

#endif
