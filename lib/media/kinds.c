/* kinds.c - telling kinds of files apart: one line each */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/kinds.h"

#include <string.h>

#include "media/dicom.h"
#include "media/dicom_grey.h"
#include "media/jpeg.h"
#include "media/meta.h"
#include "media/nifti.h"
#include "media/nrrd.h"
#include "media/png.h"
#include "media/series.h"
#include "media/slices.h"

/* kinds people will try; the longest sign that fits wins by coming first */
static const struct {
    size_t      at, n;
    const char *sign, *name;
} known[] = {
    { 0, 4, "CDF\001", "MINC (NetCDF)" },
    { 0, 4, "CDF\002", "MINC (NetCDF)" },
    { 0, 8, "\x89HDF\r\n\x1a\n", "HDF5 or MINC-2" },
    { 0, 6, "MATRIX", "ECAT" },
    { 0, 4, "II*\0", "TIFF" },
    { 0, 4, "MM\0*", "TIFF" },
    { 0, 4, "GIF8", "GIF" },
    { 8, 4, "WEBP", "WebP" },
    { 0, 12, "\0\0\0\014jP  \r\n\x87\n", "JPEG 2000" },
    { 0, 4, "\xff\x4f\xff\x51", "JPEG 2000" },
    { 0, 4, "\0\0\0\001", "FreeSurfer MGH" },
    { 0, 4, "%PDF", "PDF" },
    { 0, 4, "PK\003\004", "zip" },
    { 0, 6,
      "\xfd"
      "7zXZ",
      "xz" },
    { 0, 4, "\x28\xb5\x2f\xfd", "zstd (a tensor stream?)" },
    { 0, 3, "BZh", "bzip2" },
    { 0, 2, "BM", "BMP" },
};

static bool is_jpeg(const uint8_t *bytes, size_t n)
{
    return n >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

static bool is_png(const uint8_t *bytes, size_t n)
{
    return n >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

/* some write an Analyze header into the 128 bytes that DICOM leaves free */
static bool is_nifti(const uint8_t *bytes, size_t n)
{
    const enum um_nifti_kind kind = um_nifti_kind(bytes, n);

    return kind != UM_NIFTI_NOT &&
           !(kind == UM_NIFTI_ANALYZE && n >= 132 && memcmp(bytes + 128, "DICM", 4) == 0);
}

static int nifti(struct um_arena *a, const struct um_image *im, const struct um_scan_opts *opts,
                 struct um_scan *out)
{
    const enum um_nifti_kind kind = um_nifti_kind(im->bytes, im->n);

    return kind == UM_NIFTI_1 || kind == UM_NIFTI_2
               ? um_nifti_read(a, im->bytes, im->n, opts, out)
               : um_nifti_read_pair(a, im->path, im->bytes, im->n, im->voxels, opts, out);
}

static int meta(struct um_arena *a, const struct um_image *im, const struct um_scan_opts *opts,
                struct um_scan *out)
{
    return um_meta_read(a, im->path, im->bytes, im->n, opts, out);
}

static int nrrd(struct um_arena *a, const struct um_image *im, const struct um_scan_opts *opts,
                struct um_scan *out)
{
    return um_nrrd_read(a, im->path, im->bytes, im->n, opts, out);
}

static int dicom(struct um_arena *a, const struct um_image *im, const struct um_scan_opts *opts,
                 struct um_scan *out)
{
    return um_series_frames(a, im->bytes, im->n, opts, out);
}

/* one frame is a picture; more are an enhanced CT, or refused as such */
static int dicom_tell(struct um_arena *a, int64_t max_pixels, struct um_image *im)
{
    struct um_dicom d;

    UM_TRY(um_dicom_open(a, im->bytes, im->n, im->n, max_pixels, &d));
    im->volume = d.frames > 1;
    return um_dicom_need_pixels(&d);
}

/* the first that fits */
static const struct um_reader_of readers[] = {
    { "JPEG", is_jpeg, um_jpeg_read, NULL, um_slices_read, NULL, NULL },
    { "PNG", is_png, um_png_read, NULL, um_slices_read, NULL, NULL },
    { "NIfTI or Analyze", is_nifti, NULL, nifti, NULL, NULL, um_nifti_promise },
    { "DICOM", um_dicom_is, um_dicom_grey, dicom, um_series_read, dicom_tell, NULL },
    { "MetaImage", um_meta_is, NULL, meta, NULL, NULL, NULL },
    { "NRRD", um_nrrd_is, NULL, nrrd, NULL, NULL, NULL },
};
enum { NREADERS = sizeof readers / sizeof readers[0] };

const struct um_reader_of *um_kind_of(const uint8_t *bytes, size_t n)
{
    for (int i = 0; i < NREADERS; i++)
        if (readers[i].is(bytes, n))
            return &readers[i];
    return NULL;
}

#define EXPECTED "expected JPEG, PNG, DICOM, NIfTI, Analyze, MetaImage or NRRD"

const char *um_kind_name(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (n >= known[i].at + known[i].n &&
            memcmp(bytes + known[i].at, known[i].sign, known[i].n) == 0)
            return known[i].name;
    return NULL;
}

int um_kind_refuse(const uint8_t *bytes, size_t n, const char *where)
{
    const char *name = um_kind_name(bytes, n);

    if (name)
        return um_fail(UM_EUNSUPPORTED, "%s%s, " EXPECTED, where, name);
    if (n == 0)
        return um_fail(UM_EFORMAT, "%sempty, " EXPECTED, where);
    return um_fail(UM_EFORMAT, "%snot an image: " EXPECTED, where);
}
