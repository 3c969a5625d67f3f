/* nifti_head.c - the headers of NIfTI-1, NIfTI-2 and Analyze 7.5 as one
 *
 * libnifti says what the fields mean (byte order, quaternions, datatypes); its readers are not
 * used, since they print and allocate what a header asks for.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <nifti2_io.h>

#include "media/nifti_int.h"

enum { SIZE_1 = 348, SIZE_2 = 540, EXTENDER = 4 };

static int32_t int32_at(const uint8_t *p, bool swap)
{
    uint32_t u;

    memcpy(&u, p, 4);
    return (int32_t)(swap ? __builtin_bswap32(u) : u);
}

static int int16_at(const uint8_t *p, bool swap)
{
    uint16_t u;

    memcpy(&u, p, 2);
    return (int16_t)(swap ? __builtin_bswap16(u) : u);
}

/* 0: no header of that size; 1: native byte order; -1: the other one */
static int order_of(const uint8_t *bytes, size_t n, int32_t size)
{
    if (n < (size_t)size)
        return 0;
    return int32_at(bytes, false) == size ? 1 : int32_at(bytes, true) == size ? -1 : 0;
}

enum um_nifti_kind um_nifti_kind(const uint8_t *bytes, size_t n)
{
    if (order_of(bytes, n, SIZE_1)) {
        const char *magic = (const char *)bytes + 344;

        return memcmp(magic, "n+1", 4) == 0   ? UM_NIFTI_1
               : memcmp(magic, "ni1", 4) == 0 ? UM_NIFTI_PAIR
                                              : UM_NIFTI_ANALYZE;
    }
    if (order_of(bytes, n, SIZE_2)) {
        const char *magic = (const char *)bytes + 4;

        return memcmp(magic, "n+2\0\r\n\032\n", 8) == 0   ? UM_NIFTI_2
               : memcmp(magic, "ni2\0\r\n\032\n", 8) == 0 ? UM_NIFTI_PAIR_2
                                                          : UM_NIFTI_NOT;
    }
    return UM_NIFTI_NOT;
}

/* both versions name the fields alike */
#define COPY_HEAD(h, f)                                                                            \
    do {                                                                                           \
        for (int i = 0; i < 8; i++) {                                                              \
            (h)->dim[i]    = (f).dim[i];                                                           \
            (h)->pixdim[i] = (f).pixdim[i];                                                        \
        }                                                                                          \
        (h)->offset     = (double)(f).vox_offset;                                                  \
        (h)->slope      = (f).scl_slope;                                                           \
        (h)->inter      = (f).scl_inter;                                                           \
        (h)->datatype   = (f).datatype;                                                            \
        (h)->bits       = (f).bitpix;                                                              \
        (h)->qform      = (f).qform_code;                                                          \
        (h)->sform      = (f).sform_code;                                                          \
        (h)->units      = XYZT_TO_SPACE((f).xyzt_units);                                           \
        (h)->quatern[0] = (f).quatern_b;                                                           \
        (h)->quatern[1] = (f).quatern_c;                                                           \
        (h)->quatern[2] = (f).quatern_d;                                                           \
        (h)->quatern[3] = (f).qoffset_x;                                                           \
        (h)->quatern[4] = (f).qoffset_y;                                                           \
        (h)->quatern[5] = (f).qoffset_z;                                                           \
        for (int i = 0; i < 4; i++) {                                                              \
            (h)->srow[i]     = (f).srow_x[i];                                                      \
            (h)->srow[4 + i] = (f).srow_y[i];                                                      \
            (h)->srow[8 + i] = (f).srow_z[i];                                                      \
        }                                                                                          \
    } while (0)

int um_nifti_head_read(const uint8_t *bytes, size_t n, struct um_nifti_head *h)
{
    enum { ORIENT = 252, ORIGIN = 253 }; /* Analyze's, and SPM's in its originator */
    nifti_1_header one;
    nifti_2_header two;

    h->kind = um_nifti_kind(bytes, n);
    if (h->kind == UM_NIFTI_NOT)
        return um_fail(UM_EFORMAT, "not a header");
    if (h->kind == UM_NIFTI_2 || h->kind == UM_NIFTI_PAIR_2) {
        memcpy(&two, bytes, sizeof two);
        h->swapped = order_of(bytes, n, SIZE_2) < 0;
        if (h->swapped)
            (void)swap_nifti_header(&two, 2);
        COPY_HEAD(h, two);
        h->least = SIZE_2 + EXTENDER;
        return UM_OK;
    }
    memcpy(&one, bytes, sizeof one);
    h->swapped = order_of(bytes, n, SIZE_1) < 0;
    if (h->swapped)
        (void)swap_nifti_header(&one, 1);
    COPY_HEAD(h, one); /* what Analyze has, it has in the same places */
    h->least  = SIZE_1 + EXTENDER;
    h->orient = bytes[ORIENT];
    for (int i = 0; i < 3; i++)
        h->origin[i] = int16_at(bytes + ORIGIN + 2 * i, h->swapped);
    return UM_OK;
}
