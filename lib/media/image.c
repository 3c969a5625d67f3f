/* image.c - telling kinds of files apart */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/image.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "media/gunzip.h"
#include "media/jpeg.h"
#include "media/orient.h"
#include "media/png.h"

enum { HEAD_MAX = 1 << 24 }; /* bytes a file may hold besides its voxels */

/* kinds people will try; the longest sign that fits wins by coming first */
static const struct {
    size_t      at, n;
    const char *sign, *name;
} known[] = {
    { 128, 4, "DICM", "DICOM" },
    { 0, 4, "CDF\001", "MINC (NetCDF)" },
    { 0, 4, "CDF\002", "MINC (NetCDF)" },
    { 0, 8, "\x89HDF\r\n\x1a\n", "HDF5 or MINC-2" },
    { 0, 6, "MATRIX", "ECAT" },
    { 0, 4, "NRRD", "NRRD" },
    { 0, 10, "ObjectType", "MetaImage" },
    { 0, 5, "NDims", "MetaImage" },
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

static int refuse(const uint8_t *bytes, size_t n, const char *where)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (n >= known[i].at + known[i].n &&
            memcmp(bytes + known[i].at, known[i].sign, known[i].n) == 0)
            return um_fail(UM_EUNSUPPORTED, "%s%s, expected JPEG, PNG or NIfTI", where,
                           known[i].name);
    if (n == 0)
        return um_fail(UM_EFORMAT, "%sempty, expected JPEG, PNG or NIfTI", where);
    return um_fail(UM_EFORMAT, "%snot an image: expected JPEG, PNG or NIfTI", where);
}

/* some write an Analyze header into the 128 bytes that DICOM leaves free */
static bool is_dicom(const struct um_image *im)
{
    return im->n >= 132 && memcmp(im->bytes + 128, "DICM", 4) == 0;
}

static bool begins(const uint8_t *bytes, size_t n, enum um_image_kind *kind)
{
    static const uint8_t jpeg[] = { 0xff, 0xd8, 0xff };
    static const uint8_t png[]  = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

    if (n >= sizeof jpeg && memcmp(bytes, jpeg, sizeof jpeg) == 0)
        *kind = UM_IMAGE_JPEG;
    else if (n >= sizeof png && memcmp(bytes, png, sizeof png) == 0)
        *kind = UM_IMAGE_PNG;
    else
        return false;
    return true;
}

bool um_image_is_picture(const char *path)
{
    uint8_t            head[16];
    enum um_image_kind kind;
    const int          fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const ssize_t      n  = fd < 0 ? -1 : read(fd, head, sizeof head);

    if (fd >= 0)
        (void)close(fd);
    return n > 0 && begins(head, (size_t)n, &kind);
}

static int tell(struct um_arena *a, size_t max, struct um_image *im)
{
    const char        *where = "";
    enum um_nifti_kind nifti;

    if (begins(im->bytes, im->n, &im->kind))
        return UM_OK;
    if (um_gzip_is(im->bytes, im->n)) {
        where = "inside the gzip: ";
        UM_TRY(um_gunzip(a, im->bytes, im->n, max, &im->bytes, &im->n));
    }
    nifti    = um_nifti_kind(im->bytes, im->n);
    im->kind = UM_IMAGE_NIFTI;
    if (nifti == UM_NIFTI_NOT || (nifti == UM_NIFTI_ANALYZE && is_dicom(im)))
        return refuse(im->bytes, im->n, where);
    return UM_OK;
}

int um_image_open(struct um_arena *a, const char *path, int64_t max_pixels, struct um_image *im)
{
    const size_t max = (size_t)max_pixels * 8 + HEAD_MAX;
    int          st;

    UM_TRY(um_file_read(a, path, max, &im->bytes, &im->n));
    st = tell(a, max, im);
    return st < 0 ? um_context(st, "%s", path) : UM_OK;
}

int um_image_grey(struct um_arena *a, const struct um_image *im, const struct um_image_opts *opts,
                  struct um_grey *out)
{
    switch (im->kind) {
    case UM_IMAGE_JPEG: return um_jpeg_read(a, im->bytes, im->n, opts, out);
    case UM_IMAGE_PNG: return um_png_read(a, im->bytes, im->n, opts, out);
    default: return um_fail(UM_ESHAPE, "a volume, expected a picture");
    }
}

int um_image_volume(const struct um_image *im, const struct um_nifti_opts *opts,
                    struct um_nifti *out)
{
    if (im->kind != UM_IMAGE_NIFTI)
        return um_fail(UM_ESHAPE, "a picture, expected a volume");
    UM_TRY(um_nifti_read(im->bytes, im->n, opts, out));
    return um_volume_orient(&out->volume);
}
