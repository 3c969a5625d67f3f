/* png_rig.h - PNG files made in memory by libpng, for the tests of what reads them */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TESTS_PNG_RIG_H
#define UM_TESTS_PNG_RIG_H

#include <stdint.h>
#include <string.h>

#include <png.h>

struct sink {
    uint8_t bytes[1 << 16];
    size_t  n;
};

static void keep(png_structp png, png_bytep p, size_t n)
{
    struct sink *s = png_get_io_ptr(png);

    assert_true(s->n + n <= sizeof s->bytes);
    memcpy(s->bytes + s->n, p, n);
    s->n += n;
}

static void flush(png_structp png)
{
    (void)png;
}

static void make_png(struct sink *s, const uint8_t *px, int w, int h, int colour, int depth,
                     int interlace)
{
    static const png_color pal[3]   = { { 255, 0, 0 }, { 0, 255, 0 }, { 0, 0, 255 } };
    static const uint8_t   trans[3] = { 255, 128, 255 };
    png_structp            png  = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop              info = png_create_info_struct(png);
    size_t                 row;

    s->n = 0;
    png_set_write_fn(png, s, keep, flush);
    png_set_IHDR(png, info, (png_uint_32)w, (png_uint_32)h, depth, colour,
                 interlace ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, 0, 0);
    if (colour == PNG_COLOR_TYPE_PALETTE) {
        png_set_PLTE(png, info, pal, 3);
        png_set_tRNS(png, info, trans, 3, NULL);
    }
    png_write_info(png, info);
    row = png_get_rowbytes(png, info);
    for (int pass = 0; pass < png_set_interlace_handling(png); pass++)
        for (int y = 0; y < h; y++)
            png_write_row(png, px + (size_t)y * row);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
}

#endif
