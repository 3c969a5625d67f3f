/* dicom_check.c - what a DICOM header says of its pixels, against itself and the bytes there */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "media/dicom_raw.h"

static const struct {
    const char           *name;
    enum um_dicom_colours colours;
    int                   samples;
} colours[] = {
    { "MONOCHROME1", UM_DICOM_MONOCHROME1, 1 },
    { "MONOCHROME2", UM_DICOM_MONOCHROME2, 1 },
    { "PALETTE COLOR", UM_DICOM_PALETTE, 1 },
    { "RGB", UM_DICOM_RGB, 3 },
    { "YBR_FULL", UM_DICOM_YBR, 3 },
    { "YBR_FULL_422", UM_DICOM_YBR_422, 3 },
    { "YBR_RCT", UM_DICOM_RGB, 3 },
    { "YBR_ICT", UM_DICOM_RGB, 3 },
};

static int check_colours(struct um_dicom *d, const char *text)
{
    for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++)
        if (strcmp(text, colours[i].name) == 0) {
            if (d->samples != colours[i].samples)
                return um_fail(UM_EFORMAT, "DICOM: %s with %lld samples a pixel", text,
                               (long long)d->samples);
            d->colours = colours[i].colours;
            return UM_OK;
        }
    if (*text || d->samples != 1)
        return um_fail(UM_EUNSUPPORTED, "DICOM: photometric interpretation \"%s\" is not read",
                       text);
    d->colours    = UM_DICOM_MONOCHROME2; /* old files say nothing */
    d->no_colours = true;
    return UM_OK;
}

static int check_bits(struct um_dicom *d, const struct um_dicom_raw *r)
{
    if (r->allocated < 0)
        return um_fail(UM_EFORMAT, "DICOM: pixels, but no number of bits allocated");
    d->allocated = r->allocated;
    d->stored    = r->stored >= 0 ? r->stored : r->allocated;
    d->high      = r->high >= 0 ? r->high : d->stored - 1;
    d->is_signed = r->is_signed == 1;
    d->swapped   = d->swapped && d->allocated == 8;
    if (d->allocated != 8 && d->allocated != 16)
        return um_fail(UM_EUNSUPPORTED, "DICOM: %d bits allocated a value, 8 and 16 are read",
                       d->allocated);
    if (d->stored < 1 || d->stored > d->allocated || d->high < d->stored - 1 ||
        d->high >= d->allocated)
        return um_fail(UM_EFORMAT, "DICOM: %d bits stored, up to bit %d of %d", d->stored, d->high,
                       d->allocated);
    return UM_OK;
}

static void set_mm(struct um_dicom *d, const struct um_dicom_raw *r)
{
    const double *mm[] = { d->plane.spacing, r->imager, r->scanned };

    for (int i = 0; i < 3 && d->aspect <= 0; i++)
        if (mm[i][0] > 0 && mm[i][1] > 0) {
            memcpy(d->mm, mm[i], sizeof d->mm);
            d->aspect = mm[i][0] / mm[i][1];
        }
    if (d->aspect <= 0 && r->aspect[0] > 0 && r->aspect[1] > 0)
        d->aspect = r->aspect[0] / r->aspect[1];
}

/* one that the bits in use cannot hold is in no pixel */
static void set_padding(struct um_dicom *d, const struct um_dicom_raw *r)
{
    const int least = d->is_signed ? -(1 << (d->stored - 1)) : 0,
              most  = least + (1 << d->stored) - 1;
    const int end   = r->limit < 0 ? r->padding : r->limit;
    const int p     = d->is_signed ? (int16_t)r->padding : r->padding,
              q     = d->is_signed ? (int16_t)end : end;

    d->plane.padding[0] = 1; /* none */
    d->plane.padding[1] = 0;
    if (r->padding < 0)
        return;
    d->plane.padding[0] = p < q ? p : q;
    d->plane.padding[1] = p < q ? q : p;
    if (d->plane.padding[0] < least)
        d->plane.padding[0] = least;
    if (d->plane.padding[1] > most)
        d->plane.padding[1] = most;
}

/* nothing here overflows: sides are 16 bits */
static int check_sizes(struct um_dicom *d, const struct um_dicom_raw *r, int64_t max_pixels)
{
    if (r->rows < 0 || r->columns < 0)
        return um_fail(UM_EFORMAT, "DICOM: pixels, but no number of %s",
                       r->rows < 0 ? "rows" : "columns");
    if (r->rows < 1 || r->columns < 1)
        return um_fail(UM_EFORMAT, "DICOM: %d rows and %d columns", r->rows, r->columns);
    if (!(r->frames >= 0 && r->frames <= 2147483647.0))
        return um_fail(UM_EFORMAT, "DICOM: %g frames", r->frames);
    d->rows    = r->rows;
    d->columns = r->columns;
    d->samples = r->samples < 0 ? 1 : r->samples;
    d->planar  = r->planar == 1;
    d->frames  = r->frames < 1 ? 1 : (int64_t)r->frames;
    if (d->samples != 1 && d->samples != 3)
        return um_fail(UM_EUNSUPPORTED, "DICOM: %lld samples a pixel, 1 and 3 are read",
                       (long long)d->samples);
    if (d->frames > max_pixels / (d->rows * d->columns))
        return um_fail(
            UM_ERANGE, "DICOM: %lld x %lld x %lld pixels, at most %lld allowed (--max-pixels)",
            (long long)d->columns, (long long)d->rows, (long long)d->frames, (long long)max_pixels);
    return UM_OK;
}

/* the bytes a native frame takes in the file */
static uint64_t native_size(const struct um_dicom *d)
{
    const uint64_t pixels = (uint64_t)(d->rows * d->columns);

    return d->colours == UM_DICOM_YBR_422 && d->coding == UM_DICOM_NATIVE
               ? 2 * pixels
               : pixels * (uint64_t)d->samples * (uint64_t)(d->allocated / 8);
}

/* The most pixels that a byte is believed to hold: RLE and lossless JPEG cannot do better, and what
 * the others could in principle no picture needs. */
static uint64_t most_pixels(const struct um_dicom *d)
{
    switch (d->coding) {
    case UM_DICOM_RLE: return 64;
    case UM_DICOM_LOSSLESS: return 16;
    default: return 16384;
    }
}

static int check_bytes(const struct um_dicom *d)
{
    const uint64_t pixels = (uint64_t)(d->rows * d->columns) * (uint64_t)d->frames;
    const uint64_t bytes  = native_size(d) * (uint64_t)d->frames;
    const uint64_t want   = d->swapped ? bytes + bytes % 2 : bytes; /* whole words */

    if (d->colours == UM_DICOM_YBR_422 && d->coding == UM_DICOM_NATIVE &&
        (d->columns % 2 || d->allocated != 8))
        return um_fail(UM_EUNSUPPORTED, "DICOM: YBR_FULL_422 of %d bits and %lld columns",
                       d->allocated, (long long)d->columns);
    if (d->coding == UM_DICOM_NATIVE
            ? d->pixels_n < want
            : pixels / most_pixels(d) > d->pixels_n || d->pixels_n < 8 * (uint64_t)d->frames)
        return um_fail(UM_EFORMAT,
                       "DICOM: cut: %lld x %lld x %lld pixels of %d bits promised, %zu bytes of "
                       "pixels there",
                       (long long)d->columns, (long long)d->rows, (long long)d->frames,
                       (int)d->samples * d->allocated, d->pixels_n);
    return UM_OK;
}

int um_dicom_settle(struct um_dicom *d, const struct um_dicom_raw *r, int64_t max_pixels)
{
    UM_TRY(check_sizes(d, r, max_pixels));
    UM_TRY(check_bits(d, r));
    set_padding(d, r);
    set_mm(d, r);
    UM_TRY(check_colours(d, r->photometric));
    return check_bytes(d);
}
