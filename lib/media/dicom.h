/* dicom.h - a DICOM file in memory -> what its header says, and its stored values
 *
 * Transfer syntaxes: implicit and explicit VR, either byte order, deflated; RLE and baseline JPEG
 * by um itself; JPEG of 12 bits, lossless JPEG, JPEG-LS and JPEG 2000 by GDCM, in a process
 * of its own (gdcm.h) that is started at the first such file. Files without the preamble are read
 * too. Nothing in the header is believed before it is held against the bytes that are there.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_DICOM_H
#define UM_MEDIA_DICOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "media/dicom_walk.h"

enum { UM_DICOM_UID_MAX = 65, UM_DICOM_TEXT_MAX = 65 };

enum um_dicom_coding {
    UM_DICOM_NATIVE,
    UM_DICOM_RLE,
    UM_DICOM_JPEG,     /* baseline and extended */
    UM_DICOM_LOSSLESS, /* JPEG lossless */
    UM_DICOM_JPEG_LS,
    UM_DICOM_JPEG_2000
};

enum um_dicom_colours {
    UM_DICOM_MONOCHROME1, /* the smallest value is white */
    UM_DICOM_MONOCHROME2,
    UM_DICOM_PALETTE,
    UM_DICOM_RGB, /* YBR_RCT and YBR_ICT too: their decoder gives RGB */
    UM_DICOM_YBR,
    UM_DICOM_YBR_422 /* as YBR, but native pixels lie as Y Y Cb Cr */
};

enum um_dicom_voi { UM_DICOM_LINEAR, UM_DICOM_LINEAR_EXACT, UM_DICOM_SIGMOID };

/* where a picture's plane lies in the patient; positions to the left, the back and the head */
struct um_dicom_plane {
    bool   has_position, has_orientation, has_spacing;
    double position[3];    /* mm, of the first pixel's centre */
    double orientation[6]; /* the way columns count up, the way rows do */
    double spacing[2];     /* mm between rows, between columns */
    int  padding[2]; /* stored values outside of what was seen, first to last; first > last: none */
    bool has_slope, has_inter;
    bool has_lut;        /* a modality LUT, which goes before slope and intercept */
    double slope, inter; /* value = slope * stored + inter; 1 and 0 where it is not said */
};

struct um_dicom {
    struct um_dicom_walk  data;          /* the data set: bytes, total, byte order */
    const char           *syntax, *name; /* the transfer syntax: its UID; for messages */
    enum um_dicom_coding  coding;
    enum um_dicom_colours colours;
    bool                  cut;        /* the header is a picture's, and there are no pixels */
    bool                  has_pixels; /* the fields up to `inside` mean nothing without */
    int64_t               rows, columns, frames, samples;
    int                   allocated, stored, high; /* bits: 8 or 16; used; the highest used */
    bool                  is_signed, planar;
    bool                  swapped;             /* native bytes lie in words, the second one first */
    size_t                pixels_at, pixels_n; /* in the file: native values, or fragments */
    bool                  inside;   /* data.bytes was inflated: pixels_at is no place in the file */
    const size_t         *fragment; /* where they begin, and behind the last the end */
    int64_t               fragments; /* of compressed pixels, once um_dicom_index was called */
    const int64_t        *first;     /* fragment of each frame, and behind the last `fragments` */
    char sop_class[UM_DICOM_UID_MAX], instance_uid[UM_DICOM_UID_MAX], study[UM_DICOM_UID_MAX],
        series[UM_DICOM_UID_MAX];
    char    modality[UM_DICOM_TEXT_MAX], patient[UM_DICOM_TEXT_MAX], description[UM_DICOM_TEXT_MAX];
    char    frame_of_reference[UM_DICOM_UID_MAX];
    bool    localizer;             /* its image type says so: a scout */
    int64_t instance, acquisition; /* numbers; INT64_MAX if there is none */
    struct um_dicom_plane plane;   /* of the file; frames may have their own */
    double mm[2];             /* of a picture's pixel along y and x, 0: not known: pixel spacing, or
                                 imager pixel spacing, or nominal scanned pixel spacing */
    double            aspect; /* height of a pixel over its width; 0: not known */
    bool              no_colours; /* no photometric interpretation: MONOCHROME2 is assumed */
    double            thickness;  /* mm; 0: not known */
    bool              has_window;
    double            center, width; /* the first window */
    enum um_dicom_voi voi;
};

/* um_dicom_is - whether the bytes begin as DICOM files do: "DICM" at byte 128, or a data set */
UM_API bool um_dicom_is(const uint8_t *bytes, size_t n);

/* um_dicom_is_volume - whether the beginning of a file says that it is an enhanced CT or MR */
UM_API bool um_dicom_is_volume(const uint8_t *bytes, size_t n);

/* um_dicom_open - read the header in bytes[0..n-1], the beginning of a file of `total` bytes
 *
 * d keeps the bytes. A deflated data set is inflated into the arena. Returns UM_OK; UM_DICOM_MORE
 * (n < total): the header is longer than n; UM_EFORMAT: not DICOM, cut, or a header that cannot be;
 * UM_ERANGE: more than max_pixels; UM_EUNSUPPORTED: a transfer syntax, kind of pixels or colours
 * that is not read (the message names it); UM_ENOMEM. A file without pixels is no error. */
UM_API UM_RESULT_USED int um_dicom_open(struct um_arena *a, const uint8_t *bytes, size_t n,
                                        size_t total, int64_t max_pixels, struct um_dicom *d);

/* um_dicom_need_pixels - UM_EMISSING with a message if there are none */
UM_API UM_RESULT_USED int um_dicom_need_pixels(const struct um_dicom *d);

/* um_dicom_value_size - bytes of a stored value: 1 or 2. um_dicom_frame_size - of a frame. */
UM_API size_t um_dicom_value_size(const struct um_dicom *d);
UM_API size_t um_dicom_frame_size(const struct um_dicom *d);

/* um_dicom_plain - whether the file holds stored values just as um_dicom_frame gives them, one
 * frame after the other from pixels_at on */
UM_API bool um_dicom_plain(const struct um_dicom *d);

/* um_dicom_index - find the fragments of compressed pixels, the whole file being in memory; the
 * lists are in the arena. Needed once before um_dicom_frame. UM_EFORMAT: not a list of fragments,
 * or one in which frames cannot be told apart; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_dicom_index(struct um_arena *a, struct um_dicom *d);

/* um_dicom_frame - the stored values of frame `frame`, from 0
 *
 * out  [rows,columns,samples] of uint8, int8, uint16 or int16: this machine's byte order, colours
 *      interleaved, unused bits cleared or filled with the sign; um_dicom_frame_size bytes
 * luma set if the frame is one channel of 8 bits, [rows,columns], whatever `samples` says: Y of
 *      native YBR_FULL_422, the luma of a coloured baseline JPEG (jpeg.h)
 *
 * `a` holds scratch. UM_EFORMAT: cut or damaged, or a picture inside that is not of the header's
 * size; UM_EUNSUPPORTED: a codec, and um was built without GDCM; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_dicom_frame(struct um_arena *a, const struct um_dicom *d,
                                         int64_t frame, void *out, bool *luma);

#endif
