/* nrrd_int.h - a NRRD header's fields, between the two files that read it */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_NRRD_INT_H
#define UM_MEDIA_NRRD_INT_H

#include "media/lines.h"
#include "media/scan.h"

enum um_nrrd_key {
    UM_NRRD_DIMENSION,
    UM_NRRD_TYPE,
    UM_NRRD_SIZES,
    UM_NRRD_ENCODING,
    UM_NRRD_ENDIAN,
    UM_NRRD_SPACINGS,
    UM_NRRD_SPACE,
    UM_NRRD_SPACE_DIM,
    UM_NRRD_DIRECTIONS,
    UM_NRRD_ORIGIN,
    UM_NRRD_UNITS,
    UM_NRRD_KINDS,
    UM_NRRD_LINE_SKIP,
    UM_NRRD_BYTE_SKIP,
    UM_NRRD_DATA,
    UM_NRRD_KEYS
};

enum { UM_NRRD_AXES = 4 };

struct um_nrrd {
    char           *value[UM_NRRD_KEYS]; /* NULL: not given */
    struct um_lines rest;                /* behind the header */
    int             dims;
    int64_t         size[UM_NRRD_AXES];
    int             time; /* the axis that is not in space; -1: none */
};

/* um_nrrd_space - which axes lie in space, and where: h->time, out->volume.affine, form, notes.
 * Errors as um_nrrd_read. */
UM_RESULT_USED int um_nrrd_space(struct um_nrrd *h, struct um_scan *out);

#endif
