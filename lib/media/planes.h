/* planes.h - pictures with a place in the patient -> the geometry of one volume
 *
 * What DICOM says of each slice decides, never names or instance numbers: slices are sorted by the
 * dot product of position and normal (row direction x column direction).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_PLANES_H
#define UM_MEDIA_PLANES_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "media/dicom.h"
#include "media/scan.h"

struct um_plane_at {
    const char           *name;  /* of the file, for messages; NULL: a frame of the only file */
    int64_t               frame; /* in its file */
    int64_t               instance, acquisition; /* INT64_MAX: none */
    const char           *uid;                   /* of the instance; NULL or "": none */
    struct um_dicom_plane plane;
    double                along; /* mm along the normal, and the number of its place from 0: */
    int64_t               place; /* um_planes_arrange sets them */
    /* what the reader needs to come back to it */
    int64_t file;
    size_t  pixels_at;
};

/* um_planes_arrange - sort s[0..*n-1] and fill in out->volume: dim[0] (1 and 2 are the caller's
 * rows and columns), affine, slope and inter; out->form; notes in the arena
 *
 * All slices need position, orientation and pixel spacing, the latter two alike; rescale slope,
 * intercept and modality LUT are there in all or in none (else UM_EMISMATCH). Two at one place
 * are UM_EDUPLICATE (with opts->allow_duplicates all but one are left out and *n shrinks, unless
 * nothing tells scans apart: planes_double.h); a step that is over 1 % away from the median step is
 * UM_EMISSING (with opts->allow_gaps all are taken as equally far apart, and a note says so).
 * UM_EMISMATCH: another orientation or spacing, or positions off the line from the first to the
 * last by more than half a pixel; UM_ESHAPE: one slice alone. The messages name the files. */
UM_API UM_RESULT_USED int um_planes_arrange(struct um_arena *a, struct um_plane_at *s, int64_t *n,
                                            const struct um_scan_opts *opts, struct um_scan *out);

/* um_planes_rescale - whether one slope and intercept for all slices will not do: they differ,
 * there is a modality LUT, or padding has to be made air */
UM_API bool um_planes_rescale(const struct um_plane_at *s, int64_t n);

/* um_planes_padding - whether that stored value is padding to be made air (UM_PLANES_AIR): above
 * what 12 bits of a CT reach, 3071 HU. Lower padding is left as it is: mostly it is below air
 * already, and between the two a value may be tissue's as well, whatever the header says. */
enum { UM_PLANES_AIR = -1024 };
UM_API bool um_planes_padding(const struct um_dicom_plane *p, int stored);

#endif
