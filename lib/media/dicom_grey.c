/* dicom_grey.c - a table from stored values to gray, made once a file */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dicom_grey.h"

#include <math.h>
#include <string.h>

#include "media/dicom.h"
#include "media/dicom_lut.h"

enum { RED = 0x00281101, RED_DATA = 0x00281201, RED_SEGMENTS = 0x00281221 };
/* ---- gray files ---- */

struct job {
    struct um_arena       *a;
    const struct um_dicom *d;
    void                  *stored;
    uint8_t               *px;
    size_t                 n;            /* pixels */
    int                    least, most;  /* stored values that occur */
    uint8_t                table[65536]; /* gray of stored value v, at its bits */
};

static int value_at(const struct um_dicom *d, const void *stored, size_t i)
{
    uint16_t u;

    if (d->allocated == 8) {
        const uint8_t b = ((const uint8_t *)stored)[i];

        return d->is_signed ? (int8_t)b : b;
    }
    memcpy(&u, (const char *)stored + 2 * i, 2);
    return d->is_signed ? (int16_t)u : u;
}

#define RANGE(type)                                                                                \
    do {                                                                                           \
        const type *v     = j->stored;                                                             \
        type        least = v[0], most = v[0];                                                     \
        for (size_t i = 1; i < j->n; i++) {                                                        \
            least = v[i] < least ? v[i] : least;                                                   \
            most  = v[i] > most ? v[i] : most;                                                     \
        }                                                                                          \
        j->least = least;                                                                          \
        j->most  = most;                                                                           \
    } while (0)

/* of values of a byte: by which of the 256 occur */
static void tighten(struct job *j)
{
    bool there[256] = { false };

    for (size_t i = 0; i < j->n; i++)
        there[((const uint8_t *)j->stored)[i]] = true;
    while (!there[j->least & 0xff])
        j->least++;
    while (!there[j->most & 0xff])
        j->most--;
}

static void find_range(struct job *j)
{
    if (j->d->allocated == 16 && j->d->is_signed) {
        RANGE(int16_t);
    } else if (j->d->allocated == 16) {
        RANGE(uint16_t);
    } else {
        j->least = j->d->is_signed ? -128 : 0;
        j->most  = j->d->is_signed ? 127 : 255;
        tighten(j);
    }
}

static bool is_padding(const struct um_dicom *d, int v)
{
    return v >= d->plane.padding[0] && v <= d->plane.padding[1];
}

/* the range without padding; false: there is nothing else */
static bool skip_padding(struct job *j)
{
    int least = j->most, most = j->least;

    const int *padding = j->d->plane.padding;

    if (padding[0] > padding[1] || padding[0] > j->most || padding[1] < j->least)
        return true;
    for (size_t i = 0; i < j->n; i++) {
        const int v = value_at(j->d, j->stored, i);

        if (is_padding(j->d, v))
            continue;
        least = v < least ? v : least;
        most  = v > most ? v : most;
    }
    j->least = least;
    j->most  = most;
    return least <= most && !(least == most && is_padding(j->d, least));
}

/* where in the table the gray of v is: at its bits */
static unsigned place(const struct job *j, int v)
{
    return (unsigned)v & (j->d->allocated == 8 ? 0xff : 0xffff);
}

static void by_table(struct job *j)
{
    const uint8_t  *narrow = j->stored;
    const uint16_t *wide   = j->stored;

    if (j->d->allocated == 8)
        for (size_t i = 0; i < j->n; i++)
            j->px[i] = j->table[narrow[i]];
    else
        for (size_t i = 0; i < j->n; i++)
            j->px[i] = j->table[wide[i]];
}

static uint8_t level(double y)
{
    return y >= 255 ? 255 : y > 0 ? (uint8_t)floor(y + 0.5) : 0;
}

static double windowed(const struct um_dicom *d, double x)
{
    const double c = d->center, w = d->width;

    if (d->voi == UM_DICOM_SIGMOID)
        return 255 / (1 + exp(-4 * (x - c) / w));
    if (d->voi == UM_DICOM_LINEAR_EXACT)
        return ((x - c) / w + 0.5) * 255;
    if (w <= 1)
        return x <= c - 0.5 ? 0 : 255;
    return ((x - (c - 0.5)) / (w - 1) + 0.5) * 255;
}

static double rescaled(const struct um_dicom *d, const struct um_dicom_lut *modality, int v)
{
    return modality->there ? (double)um_dicom_lut_at(modality, v)
                           : d->plane.slope * v + d->plane.inter;
}

static int by_window(struct job *j)
{
    const struct um_dicom *d = j->d;
    struct um_dicom_lut    modality, voi;
    double                 ends[2], lo, hi;

    UM_TRY(um_dicom_lut_find(d, UM_DICOM_MODALITY_LUT, d->is_signed, &modality));
    /* its first value is signed where what goes in may be */
    UM_TRY(um_dicom_lut_find(d, UM_DICOM_VOI_LUT,
                             !modality.there && (d->is_signed || d->plane.inter < 0), &voi));
    ends[0] = rescaled(d, &modality, j->least);
    ends[1] = rescaled(d, &modality, j->most);
    if (!isfinite(ends[0]) || !isfinite(ends[1]))
        return um_fail(UM_ENONFINITE, "DICOM: rescale slope %g, intercept %g", d->plane.slope,
                       d->plane.inter);
    lo = fmin(ends[0], ends[1]);
    hi = fmax(ends[0], ends[1]);
    for (int v = j->least; v <= j->most; v++) {
        const double x = rescaled(d, &modality, v);
        double       y;

        if (voi.there) /* within int64: clamped to where tables can be */
            y = um_dicom_lut_at(&voi, (int64_t)floor(fmin(fmax(x, -1e6), 1e6) + 0.5)) * 255.0 /
                ((1U << voi.bits) - 1);
        else if (d->has_window)
            y = windowed(d, x);
        else
            y = hi > lo ? (x - lo) / (hi - lo) * 255 : 0;
        j->table[place(j, v)] = level(y);
    }
    return UM_OK;
}

static void as_stored(struct job *j)
{
    for (int v = j->least; v <= j->most; v++)
        j->table[place(j, v)] =
            v <= 0 ? 0 : (uint8_t)um_div_round((uint64_t)v * 255, (uint64_t)j->most);
}

static int mono(struct job *j, bool window)
{
    const int *padding = j->d->plane.padding;

    find_range(j);
    if (!skip_padding(j)) {
        memset(j->px, 0, j->n);
        return UM_OK;
    }
    if (window)
        UM_TRY(by_window(j));
    else
        as_stored(j);
    for (int v = j->least; j->d->colours == UM_DICOM_MONOCHROME1 && v <= j->most; v++)
        j->table[place(j, v)] = (uint8_t)(255 - j->table[place(j, v)]);
    for (int v = padding[0]; v <= padding[1]; v++)
        j->table[place(j, v)] = 0;
    by_table(j);
    return UM_OK;
}

/* ---- colours ---- */

static uint8_t of_luma(uint64_t luma1000, uint64_t full)
{
    const uint64_t y = um_div_round(luma1000 * 255, 1000 * full);

    return (uint8_t)(y < 255 ? y : 255);
}

static int palette(struct job *j)
{
    struct um_dicom_element descriptor, data;
    struct um_dicom_lut     l[3];
    int                     st;

    for (uint32_t c = 0; c < 3; c++) {
        if ((st = um_dicom_find(j->d->data, RED_SEGMENTS + c, &data)) != 0)
            return st < 0 ? st
                          : um_fail(UM_EUNSUPPORTED, "DICOM: a palette in segments is not read");
        if ((st = um_dicom_find(j->d->data, RED + c, &descriptor)) != 1 ||
            (st = um_dicom_find(j->d->data, RED_DATA + c, &data)) != 1)
            return st < 0 ? st : um_fail(UM_EFORMAT, "DICOM: PALETTE COLOR without its palette");
        UM_TRY(um_dicom_lut(&j->d->data, &descriptor, &data, j->d->is_signed, &l[c]));
        if (l[c].bits != l[0].bits)
            return um_fail(UM_EFORMAT, "DICOM: a palette of %u and %u bits", l[0].bits, l[c].bits);
    }
    find_range(j);
    for (int v = j->least; v <= j->most; v++)
        j->table[place(j, v)] =
            of_luma(um_luma1000(um_dicom_lut_at(&l[0], v), um_dicom_lut_at(&l[1], v),
                                um_dicom_lut_at(&l[2], v)),
                    (1U << l[0].bits) - 1);
    by_table(j);
    return UM_OK;
}

static int colour(struct job *j)
{
    const struct um_dicom *d    = j->d;
    const uint64_t         full = (1U << d->stored) - 1;

    if (d->is_signed)
        return um_fail(UM_EUNSUPPORTED, "DICOM: signed colours are not read");
    for (size_t i = 0; i < j->n; i++) {
        const uint64_t r = (uint64_t)value_at(d, j->stored, 3 * i);

        j->px[i] = of_luma(d->colours == UM_DICOM_RGB
                               ? um_luma1000(r, (uint64_t)value_at(d, j->stored, 3 * i + 1),
                                             (uint64_t)value_at(d, j->stored, 3 * i + 2))
                               : 1000 * r,
                           full);
    }
    return UM_OK;
}

/* ---- all of it ---- */

static int notes(struct um_arena *a, const struct um_dicom *d, struct um_grey *out)
{
    const char *text;

    if (d->no_colours)
        um_grey_note(out, "DICOM: no photometric interpretation: taken as MONOCHROME2");
    if (d->aspect <= 0 || fabs(d->aspect - 1) <= 0.01)
        return UM_OK;
    text = um_sprintf(a, "DICOM: a pixel is %.4g times as high as wide, and is taken as square",
                      d->aspect);
    if (!text)
        return UM_ENOMEM;
    um_grey_note(out, text);
    return UM_OK;
}

static int check(const struct um_dicom *d, const struct um_image_opts *opts)
{
    UM_TRY(um_dicom_need_pixels(d));
    if (d->frames > 1)
        return um_fail(UM_ESHAPE, "DICOM: %lld frames, a picture has one", (long long)d->frames);
    if (!opts->dicom_window && strcmp(d->modality, "CT") == 0)
        return um_fail(UM_ESHAPE,
                       "DICOM: one slice of a CT: name the folder of its series, or take "
                       "it as a picture by --dicom=window");
    return UM_OK;
}

int um_dicom_grey(struct um_arena *a, const uint8_t *bytes, size_t n,
                  const struct um_image_opts *opts, struct um_grey *out)
{
    struct um_dicom d;
    struct job     *j;
    bool            luma;

    UM_TRY(um_dicom_open(a, bytes, n, n, opts->max_pixels, &d));
    UM_TRY(check(&d, opts));
    UM_TRY(um_dicom_index(a, &d));
    j = um_alloc(a, sizeof *j);
    if (!j || !(j->stored = um_alloc(a, um_dicom_frame_size(&d))))
        return UM_ENOMEM;
    j->a = a;
    j->d = &d;
    j->n = (size_t)(d.rows * d.columns);
    UM_TRY(um_dicom_frame(a, &d, 0, j->stored, &luma));
    *out = (struct um_grey){ .width       = d.columns,
                             .height      = d.rows,
                             .file_width  = d.columns,
                             .file_height = d.rows,
                             .eighths     = 8,
                             .mm          = { d.mm[1], d.mm[0] } };
    UM_TRY(notes(a, &d, out));
    if (luma || !(out->px = um_alloc(a, j->n))) {
        out->px = luma ? j->stored : NULL;
        return luma ? UM_OK : UM_ENOMEM;
    }
    j->px = out->px;
    return d.colours == UM_DICOM_PALETTE ? palette(j)
           : d.samples == 3              ? colour(j)
                                         : mono(j, opts->dicom_window);
}
