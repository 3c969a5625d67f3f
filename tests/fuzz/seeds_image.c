/* seeds_image.c - one small picture in every kind of JPEG and PNG, for the fuzzers to begin with
 *
 * usage: seeds_image DIR     writes DIR/jpeg and DIR/png
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jpeglib.h>
#include <png.h>

enum { W = 24, H = 17 };

static const char *root;

static FILE *create(const char *folder, const char *name)
{
    char  path[4096];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", root, folder);
    (void)mkdir(path, 0777);
    (void)snprintf(path, sizeof path, "%s/%s/%s", root, folder, name);
    f = fopen(path, "wb");
    if (!f) {
        perror(path);
        exit(1);
    }
    return f;
}

struct kind {
    const char   *name;
    int           channels;
    J_COLOR_SPACE in, file;
    boolean       progressive, arithmetic;
    unsigned      restart;
    int           orientation;
};

static void jpeg(const struct kind *k)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr       err;
    JSAMPLE                     row[W * 4];
    JSAMPROW                    rows[1] = { row };
    FILE                       *f       = create("jpeg", k->name);
    JOCTET exif[] = { 'E', 'x',  'i', 'f', 0, 0, 'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1,
                      1,   0x12, 0,   3,   0, 0, 0,   1,   0, 0,   0, 0, 0, 0, 0, 0 };

    c.err = jpeg_std_error(&err);
    jpeg_create_compress(&c);
    jpeg_stdio_dest(&c, f);
    c.image_width      = W;
    c.image_height     = H;
    c.input_components = k->channels;
    c.in_color_space   = k->in;
    jpeg_set_defaults(&c);
    jpeg_set_colorspace(&c, k->file);
    if (k->progressive)
        jpeg_simple_progression(&c);
    c.arith_code       = k->arithmetic;
    c.restart_interval = k->restart;
    jpeg_start_compress(&c, TRUE);
    if (k->orientation) {
        exif[25] = (JOCTET)k->orientation;
        jpeg_write_marker(&c, JPEG_APP0 + 1, exif, sizeof exif);
    }
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W * k->channels; x++)
            row[x] = (JSAMPLE)(x * 5 + y * 11);
        (void)jpeg_write_scanlines(&c, rows, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    (void)fclose(f);
}

static void png(const char *name, int colour, int depth, int interlace, int transparent)
{
    FILE              *f    = create("png", name);
    png_structp        p    = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop          info = p ? png_create_info_struct(p) : NULL;
    png_color          palette[4] = { { 0, 0, 0 }, { 255, 0, 0 }, { 0, 255, 0 }, { 9, 99, 255 } };
    png_byte           pixels[H][W * 8], alpha[2] = { 0, 128 };
    png_bytep          rows[H];
    const png_color_16 clear = { 0, 3, 3, 3, 3 };

    if (!info || setjmp(png_jmpbuf(p)))
        exit(1);
    for (int y = 0; y < H; y++) {
        rows[y] = pixels[y];
        for (int x = 0; x < W * 8; x++)
            pixels[y][x] =
                (png_byte)(colour == PNG_COLOR_TYPE_PALETTE ? (x + y) % 4 * (depth < 8 ? 0x11 : 1)
                                                            : x * 3 + y * 13);
    }
    png_init_io(p, f);
    png_set_IHDR(p, info, W, H, depth, colour, interlace, PNG_COMPRESSION_TYPE_BASE,
                 PNG_FILTER_TYPE_BASE);
    if (colour == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(p, info, palette, 4);
    if (transparent)
        png_set_tRNS(p, info, alpha, colour == PNG_COLOR_TYPE_PALETTE ? 2 : 0, &clear);
    png_set_rows(p, info, rows);
    png_write_png(p, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&p, &info);
    (void)fclose(f);
}

int main(int argc, char **argv)
{
    static const struct kind kinds[] = {
        { "grey", 1, JCS_GRAYSCALE, JCS_GRAYSCALE, FALSE, FALSE, 0, 6 },
        { "ycc", 3, JCS_RGB, JCS_YCbCr, FALSE, FALSE, 1, 0 },
        { "rgb", 3, JCS_RGB, JCS_RGB, FALSE, FALSE, 0, 3 },
        { "cmyk", 4, JCS_CMYK, JCS_CMYK, FALSE, FALSE, 0, 0 },
        { "ycck", 4, JCS_CMYK, JCS_YCCK, TRUE, FALSE, 0, 0 },
        { "progressive", 1, JCS_GRAYSCALE, JCS_GRAYSCALE, TRUE, FALSE, 0, 5 },
        { "arithmetic", 1, JCS_GRAYSCALE, JCS_GRAYSCALE, FALSE, TRUE, 0, 0 },
    };

    if (argc != 2) {
        (void)fprintf(stderr, "usage: seeds_image DIR\n");
        return 2;
    }
    root = argv[1];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        jpeg(&kinds[i]);
    png("grey1", PNG_COLOR_TYPE_GRAY, 1, PNG_INTERLACE_NONE, 0);
    png("grey16", PNG_COLOR_TYPE_GRAY, 16, PNG_INTERLACE_ADAM7, 1);
    png("grey4", PNG_COLOR_TYPE_GRAY, 4, PNG_INTERLACE_ADAM7, 1);
    png("alpha", PNG_COLOR_TYPE_GRAY_ALPHA, 8, PNG_INTERLACE_NONE, 0);
    png("rgb", PNG_COLOR_TYPE_RGB, 8, PNG_INTERLACE_NONE, 1);
    png("rgba16", PNG_COLOR_TYPE_RGB_ALPHA, 16, PNG_INTERLACE_ADAM7, 0);
    png("palette2", PNG_COLOR_TYPE_PALETTE, 2, PNG_INTERLACE_NONE, 1);
    png("palette8", PNG_COLOR_TYPE_PALETTE, 8, PNG_INTERLACE_ADAM7, 0);
    return 0;
}
