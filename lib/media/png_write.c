/* png_write.c - PNG by libpng's simplified interface, which needs no longjmp */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/png_write.h"

#include <stdlib.h>
#include <string.h>

#include <png.h>

enum { SIDE_MAX = 1000000 };

static int check(int64_t width, int64_t height, int channels)
{
    if (width < 1 || height < 1 || width > SIDE_MAX || height > SIDE_MAX ||
        (channels != 1 && channels != 3) || width > INT32_MAX / height / channels)
        return um_fail(UM_ERANGE, "PNG: %lld x %lld pixels of %d channels: cannot be written",
                       (long long)width, (long long)height, channels);
    return UM_OK;
}

static int encode(struct um_outfile *out, const void *pixels, int64_t width, int64_t height,
                  png_uint_32 format)
{
    png_image        image;
    png_alloc_size_t size;
    void            *bytes;
    int              st;

    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width   = (png_uint_32)width;
    image.height  = (png_uint_32)height;
    image.format  = format;
    size          = PNG_IMAGE_PNG_SIZE_MAX(image);
    bytes         = malloc(size);
    if (!bytes)
        return um_fail(UM_ENOMEM, "PNG: out of memory");
    if (png_image_write_to_memory(&image, bytes, &size, 0, pixels, 0, NULL))
        st = um_outfile_write(out, bytes, size);
    else
        st = um_fail(UM_ENOMEM, "PNG: %s", image.message);
    png_image_free(&image);
    free(bytes);
    return st;
}

int um_png_write(struct um_outfile *out, const uint8_t *pixels, int64_t width, int64_t height,
                 int channels)
{
    UM_TRY(check(width, height, channels));
    return encode(out, pixels, width, height, channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY);
}

int um_png_write16(struct um_outfile *out, const uint16_t *pixels, int64_t width, int64_t height)
{
    UM_TRY(check(width, height, 1));
    return encode(out, pixels, width, height, PNG_FORMAT_LINEAR_Y); /* libpng's word for 16 bits */
}
