/* scan.h - a volume as a file or a folder holds it: what every reader of volumes takes and gives
 *
 * A reader is given the bytes of the file that was named (already inflated) and its path, so that
 * it can find what lies beside it. It checks everything a header says against what is there,
 * before memory is taken, and gives the voxels in stored order; um_image_volume turns them.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_SCAN_H
#define UM_MEDIA_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "grid/volume.h"

struct um_scan_opts {
    int64_t max_voxels; /* of one frame; more are refused */
    int64_t frame;      /* of a file with time frames, from 0; -1: there must be one only */
};

enum { UM_SCAN_NOTES = 4 };

struct um_scan {
    struct um_volume volume; /* x, y, z are the axes as stored, first to third */
    int64_t          frames;
    const char      *form; /* where the affine comes from: "sform", "qform", "spacing", ... */
    const char      *note[UM_SCAN_NOTES]; /* what the user should know; the first `notes` */
    int              notes;
    bool             grey; /* pictures' levels 0..255, not Hounsfield units */
};

/* um_scan_note - add one; text lives as long as the scan. More than fit are left out. */
static inline void um_scan_note(struct um_scan *s, const char *text)
{
    if (s->notes < UM_SCAN_NOTES)
        s->note[s->notes++] = text;
}

#endif
