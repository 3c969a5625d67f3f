/* dicom_codec.c - what a codestream says of itself is checked before anybody decodes it */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dicom_codec.h"

#include <stdio.h>
#include <string.h>

#include "media/gdcm_ask.h"
#include "media/jpeg.h"

/* ---- RLE: a header of 16 numbers, a segment for each byte of a value, the high one first ---- */

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* PackBits: `count` bytes, `by` apart */
static int unpack(const uint8_t *in, size_t n, uint8_t *out, size_t count, size_t by)
{
    size_t at = 0, done = 0;

    while (done < count) {
        const int c   = at < n ? (int8_t)in[at++] : -128;
        size_t    run = c >= 0 ? (size_t)c + 1 : (size_t)1 - (size_t)c;

        if (c == -128) { /* does nothing */
            if (at < n)
                continue;
            break;
        }
        run = run < count - done ? run : count - done;
        if ((c >= 0 ? run : 1) > n - at)
            break;
        for (size_t i = 0; i < run; i++)
            out[(done + i) * by] = in[c >= 0 ? at + i : at];
        at += c >= 0 ? run : 1;
        done += run;
    }
    return done == count ? UM_OK
                         : um_fail(UM_EFORMAT, "DICOM: RLE: cut: %zu of %zu values", done, count);
}

static int decode_rle(const struct um_dicom *d, const uint8_t *in, size_t n, uint8_t *out)
{
    const size_t size = um_dicom_value_size(d), by = (size_t)d->samples * size;
    const size_t pixels = (size_t)(d->rows * d->columns);

    if (n < 64 || le32(in) != by)
        return um_fail(UM_EFORMAT, "DICOM: RLE: %u segments, %zu expected", n < 64 ? 0 : le32(in),
                       by);
    for (size_t s = 0; s < by; s++) {
        const size_t at  = le32(in + 4 + 4 * s);
        const size_t end = s + 1 < by ? le32(in + 8 + 4 * s) : n;
        const size_t to  = s / size * size + (size - 1 - s % size);

        if (at < 64 || at > end || end > n)
            return um_fail(UM_EFORMAT, "DICOM: RLE: segment %zu lies outside the frame", s);
        UM_TRY(unpack(in + at, end - at, out + to, pixels, by));
    }
    return UM_OK;
}

/* ---- headers of codestreams ---- */

static unsigned be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* markers up to the frame header, SOF0..15 or SOF55 (JPEG-LS) */
static bool jpeg_picture(const uint8_t *in, size_t n, struct um_dicom_picture *p)
{
    size_t at = 2;

    if (n < 2 || be16(in) != 0xffd8)
        return false;
    while (at + 4 <= n) {
        const unsigned marker = in[at + 1];

        if (in[at] != 0xff || marker == 0xd9 || marker == 0xda)
            return false;
        if (marker == 0xff) {
            at++;
            continue;
        }
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) {
            at += 2;
            continue;
        }
        if ((marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 &&
             marker != 0xcc) ||
            marker == 0xf7) {
            if (n - at < 10)
                return false;
            p->bits       = in[at + 4];
            p->height     = be16(in + at + 5);
            p->width      = be16(in + at + 7);
            p->components = in[at + 9];
            return true;
        }
        at += 2 + (size_t)be16(in + at + 2);
    }
    return false;
}

/* the SIZ segment, which comes first; some files have the boxes of a .jp2 around the codestream.
 * All components must be alike, and not shrunk. */
static bool j2k_picture(const uint8_t *in, size_t n, struct um_dicom_picture *p)
{
    size_t at = 0;

    while (at < 512 && at + 4 <= n && be32(in + at) != 0xff4fff51)
        at++;
    if (at == 512 || n < at + 45)
        return false;
    p->at              = at;
    const uint8_t *siz = in + at + 4; /* its length */
    const uint32_t x = be32(siz + 4), y = be32(siz + 8), x0 = be32(siz + 12), y0 = be32(siz + 16);

    p->components = be16(siz + 36);
    if (x <= x0 || y <= y0 || p->components < 1 || p->components > 3 ||
        n < at + 42 + 3 * (size_t)p->components)
        return false;
    p->width  = x - x0;
    p->height = y - y0;
    p->bits   = (siz[38] & 0x7fU) + 1;
    for (unsigned c = 0; c < p->components; c++)
        if (siz[38 + 3 * c] != siz[38] || siz[39 + 3 * c] != 1 || siz[40 + 3 * c] != 1)
            return false;
    return true;
}

int um_dicom_picture(const uint8_t *in, size_t n, bool jpeg_2000, struct um_dicom_picture *p)
{
    memset(p, 0, sizeof *p);
    if (jpeg_2000 ? !j2k_picture(in, n, p) : !jpeg_picture(in, n, p))
        return um_fail(UM_EFORMAT, "DICOM: no %s picture where the pixels should be",
                       jpeg_2000 ? "JPEG 2000" : "JPEG");
    return UM_OK;
}

/* ---- decoders ---- */

static int by_gdcm(struct um_arena *a, const struct um_dicom *d, const struct um_dicom_picture *p,
                   const uint8_t *in, size_t n, uint8_t *out)
{
    const bool         narrow = p->bits <= 8 && d->allocated == 16;
    const size_t       values = (size_t)(d->rows * d->columns * d->samples);
    uint8_t           *to     = narrow ? um_alloc(a, values) : out;
    struct um_gdcm_job job    = { .rows      = (uint32_t)d->rows,
                                  .columns   = (uint32_t)d->columns,
                                  .samples   = (uint32_t)d->samples,
                                  .allocated = narrow ? 8 : (uint32_t)d->allocated,
                                  .stored    = p->bits,
                                  .is_signed = d->is_signed,
                                  .bytes     = (uint32_t)(n - p->at),
                                  .out       = narrow ? values : um_dicom_frame_size(d) };

    if (!to)
        return UM_ENOMEM;
    if (n - p->at > UINT32_MAX)
        return um_fail(UM_ERANGE, "DICOM: %s: %zu bytes in one picture", d->name, n);
    (void)snprintf(job.syntax, sizeof job.syntax, "%s", d->syntax);
    (void)snprintf(job.colours, sizeof job.colours, "%s",
                   d->samples == 1              ? "MONOCHROME2"
                   : d->colours == UM_DICOM_RGB ? "RGB"
                                                : "YBR_FULL");
    UM_TRY(um_gdcm_decode(&job, d->name, in + p->at, to));
    for (size_t i = 0; narrow && i < values; i++) {
        const int16_t v = d->is_signed ? (int8_t)to[i] : to[i];

        memcpy(out + 2 * i, &v, 2);
    }
    return UM_OK;
}

static int by_libjpeg(struct um_arena *a, const struct um_dicom *d, const uint8_t *in, size_t n,
                      uint8_t *out, bool *luma)
{
    const struct um_image_opts opts = { .max_pixels = d->rows * d->columns };
    struct um_grey             g;

    UM_TRY(um_jpeg_read(a, in, n, &opts, &g));
    if (g.width != d->columns || g.height != d->rows)
        return um_fail(UM_EFORMAT, "DICOM: a JPEG of %lld x %lld pixels inside", (long long)g.width,
                       (long long)g.height);
    memcpy(out, g.px, (size_t)(d->rows * d->columns));
    *luma = d->samples == 3;
    return UM_OK;
}

int um_dicom_decode(struct um_arena *a, const struct um_dicom *d, const uint8_t *in, size_t n,
                    uint8_t *out, bool *luma)
{
    struct um_dicom_picture p;

    if (d->coding == UM_DICOM_RLE)
        return decode_rle(d, in, n, out);
    UM_TRY(um_dicom_picture(in, n, d->coding == UM_DICOM_JPEG_2000, &p));
    if (p.width != d->columns || p.height != d->rows || p.components != d->samples || p.bits < 2 ||
        p.bits > (unsigned)d->allocated || p.bits > 16)
        return um_fail(
            UM_EFORMAT,
            "DICOM: %s: a picture of %u x %u pixels, %u components of %u bits, in a file "
            "of %lld x %lld, %lld of %d",
            d->name, p.width, p.height, p.components, p.bits, (long long)d->columns,
            (long long)d->rows, (long long)d->samples, d->allocated);
    if (d->coding == UM_DICOM_JPEG && p.bits == 8 && d->allocated == 8 &&
        d->colours != UM_DICOM_RGB)
        return by_libjpeg(a, d, in, n, out, luma);
    return by_gdcm(a, d, &p, in, n, out);
}
