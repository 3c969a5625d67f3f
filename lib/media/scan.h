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

#include "base/arena.h"
#include "grid/grey.h"
#include "grid/volume.h"

struct um_scan_opts {
    int64_t max_voxels; /* of one frame; more are refused */
    int64_t frame;      /* of a file with time frames, from 0; -1: there must be one only */
    bool    labels;     /* a mask: pictures of a folder are read as such (grey.h) */
    double  threshold;
    /* folders of pictures (slices.h) */
    const char      *slices; /* those to take; NULL or "": all */
    struct um_levels levels; /* stored values that become 0 and 255 (levels.h); labels have none */
    /* folders of DICOM files (series.h) */
    const char *series;                       /* UID of the one to read; NULL: there must be one */
    bool        allow_gaps, allow_duplicates; /* of slices */
};

enum { UM_SCAN_NOTES = 6 };

struct um_scan {
    struct um_volume volume; /* x, y, z are the axes as stored, first to third */
    int64_t          frames;
    const char      *form; /* where the affine comes from: "sform", "qform", "spacing", ... */
    const char      *note[UM_SCAN_NOTES]; /* what the user should know; the first `notes` */
    int              notes;
    int64_t          padding; /* DICOM: voxels of it that were made air */
    bool             grey;    /* pictures' levels 0..255, not Hounsfield units */
};

/* um_scan_note - add one; text lives as long as the scan. More than fit are left out. */
static inline void um_scan_note(struct um_scan *s, const char *text)
{
    if (s->notes < UM_SCAN_NOTES)
        s->note[s->notes++] = text;
}

/* um_scan_sizes - what a header says of sizes: dim[0..3] are x, y, z and frames
 *
 * Sets frames, and dim and step of the volume for x running fastest. Returns UM_OK; UM_EFORMAT: a
 * size below 1; UM_ERANGE: more than max_voxels a frame, no such frame; UM_ESHAPE: several frames
 * and none chosen. */
UM_RESULT_USED int um_scan_sizes(const int64_t dim[4], const struct um_scan_opts *opts,
                                 struct um_scan *out);

/* um_scan_all - *n: voxels of all frames; UM_ERANGE if they take more than 8 bytes for each of
 * max_voxels. um_scan_frame - where the chosen frame begins, the frames lying one behind the other.
 * Both after um_scan_sizes, with the volume's type set. */
UM_RESULT_USED int um_scan_all(const struct um_scan_opts *opts, const struct um_scan *s,
                               int64_t *n);
void *um_scan_frame(const struct um_scan_opts *opts, const struct um_scan *s, void *voxels);

/* um_scan_over - note that so many bytes lie behind the voxels, unless it is none. UM_ENOMEM. */
UM_RESULT_USED int um_scan_over(struct um_arena *a, struct um_scan *s, size_t bytes);

/* um_scan_settle - bytes of voxels, `size` each, in this machine's byte order and at an aligned
 * place: in place, or up to size - 1 bytes before. Returns where they are. */
void *um_scan_settle(uint8_t *at, size_t bytes, size_t size, bool swapped);

#endif
