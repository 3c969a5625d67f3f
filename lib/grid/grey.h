/* grey.h - what every reader of 2D files gives: one 8-bit gray channel
 *
 * Luma is 0.299 R + 0.587 G + 0.114 B. All arithmetic on the way to 8 bits is exact in integers and
 * rounded once, half up: colour, transparency over black and 16 bits go through one division.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_GRID_GREY_H
#define UM_GRID_GREY_H

#include <stdbool.h>
#include <stdint.h>

enum { UM_GREY_NOTES = 2 };

struct um_grey {
    uint8_t *px; /* [height,width], rows from the top */
    int64_t  width, height;
    /* sides of the picture in the file, and how much of them is left: 8 of 8 but for --fast-decode.
     * A last pixel may then stand for less than the others: width = ceil(file_width eighths / 8).
     */
    int64_t     file_width, file_height, eighths;
    double      mm[2];               /* of a pixel of the file along x and y; 0: not known */
    bool        wide;                /* 16 bits of gray that were divided by 257, */
    int64_t     most;                /* and the largest value among them */
    const char *note[UM_GREY_NOTES]; /* what the user should know; the first `notes` */
    int         notes;
};

/* um_grey_note - add one; text lives as long as the pixels. More than fit are left out. */
static inline void um_grey_note(struct um_grey *g, const char *text)
{
    if (g->notes < UM_GREY_NOTES)
        g->note[g->notes++] = text;
}

/* levels.h; lo == hi: none */
struct um_levels {
    int64_t lo, hi; /* in units of 1/10000 */
};

/* what a reader of images may spend and how it may decode */
struct um_image_opts {
    int64_t max_pixels; /* more pixels or voxels than this are refused before memory is taken */
    int64_t fast_side;  /* JPEG: 0 exact; else a scaled DCT may be used that leaves the longer side
                           at least this long */
    int64_t fast_short; /* and the shorter side at least this, and a pixel */
    bool    dicom_window; /* DICOM: by its window, not as stored (dicom_grey.h) */
    bool    labels;       /* a mask: values as they are stored, not gray levels (png.h) */
    double  threshold;    /* with labels, of a picture that does not keep them (JPEG): 1 from here
                             on; NaN: it is refused */
    struct um_levels levels; /* PNG of gray: the stored values that become black and white; other
                                pictures and labels are refused */
};

/* 1000 times the luma, a weighted sum of whole numbers */
static inline uint64_t um_luma1000(uint64_t r, uint64_t g, uint64_t b)
{
    return 299 * r + 587 * g + 114 * b;
}

/* n / d rounded to nearest, half up */
static inline uint64_t um_div_round(uint64_t n, uint64_t d)
{
    return (2 * n + d) / (2 * d);
}

#endif
