/* media_picture.c - JPEG and PNG readers, on files made here */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jpeglib.h>

#include "base/file.h"
#include "media/image.h"
#include "media/jpeg.h"
#include "media/jpeg_write.h"
#include "media/png.h"
#include "png_rig.h"
#include "with_arena.h"

static const struct um_image_opts plain = { .max_pixels = 1 << 20 };

/* colour space, components, quality, whether progressive */
static size_t make_jpeg(const uint8_t *px, int w, int h, int comps, J_COLOR_SPACE in,
                        J_COLOR_SPACE stored, int progressive, uint8_t **bytes)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr       err;
    unsigned long               n = 0;

    *bytes = NULL;
    c.err  = jpeg_std_error(&err);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, bytes, &n);
    c.image_width      = (JDIMENSION)w;
    c.image_height     = (JDIMENSION)h;
    c.input_components = comps;
    c.in_color_space   = in;
    jpeg_set_defaults(&c);
    jpeg_set_colorspace(&c, stored);
    jpeg_set_quality(&c, 100, TRUE);
    if (progressive)
        jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < h; y++) {
        JSAMPROW row = (JSAMPROW)px + (size_t)(y * w * comps);

        (void)jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    return n;
}

static void assert_near(const uint8_t *a, const uint8_t *b, int n, int tol)
{
    for (int i = 0; i < n; i++)
        assert_in_range(abs(a[i] - b[i]), 0, tol);
}

static void jpeg_colours(void **state)
{
    enum { W = 40, H = 24 };
    uint8_t        rgb[W * H * 3], cmyk[W * H * 4], want[W * H], *bytes;
    struct um_grey g;
    size_t         n;

    (void)state;
    for (int i = 0; i < W * H; i++) { /* smooth, so that coding changes it little */
        rgb[3 * i]     = (uint8_t)(i % W * 6);
        rgb[3 * i + 1] = (uint8_t)(i / W * 10);
        rgb[3 * i + 2] = (uint8_t)(255 - i % W * 5);
        want[i] = (uint8_t)((299 * rgb[3 * i] + 587 * rgb[3 * i + 1] + 114 * rgb[3 * i + 2] + 500) /
                            1000);
        for (int k = 0; k < 3; k++)
            cmyk[4 * i + k] = rgb[3 * i + k]; /* Adobe: 255 - ink */
        cmyk[4 * i + 3] = 255;
    }
    for (int progressive = 0; progressive < 2; progressive++) {
        n = make_jpeg(rgb, W, H, 3, JCS_RGB, JCS_YCbCr, progressive, &bytes);
        assert_int_equal(um_jpeg_read(arena, bytes, n, &plain, &g), UM_OK);
        assert_int_equal(g.width, W);
        assert_int_equal(g.height, H);
        assert_near(g.px, want, W * H, 2);
        free(bytes);
    }
    n = make_jpeg(rgb, W, H, 3, JCS_RGB, JCS_RGB, 0, &bytes);
    assert_int_equal(um_jpeg_read(arena, bytes, n, &plain, &g), UM_OK);
    assert_near(g.px, want, W * H, 2);
    free(bytes);
    n = make_jpeg(cmyk, W, H, 4, JCS_CMYK, JCS_CMYK, 0, &bytes);
    assert_int_equal(um_jpeg_read(arena, bytes, n, &plain, &g), UM_OK);
    assert_near(g.px, want, W * H, 2);
    free(bytes);
    n = make_jpeg(cmyk, W, H, 4, JCS_CMYK, JCS_YCCK, 0, &bytes);
    assert_int_equal(um_jpeg_read(arena, bytes, n, &plain, &g), UM_OK);
    assert_near(g.px, want, W * H, 3);
    free(bytes);
}

static void jpeg_write_and_read(void **state)
{
    enum { W = 33, H = 65 };
    uint8_t            px[W * H], *bytes;
    size_t             n;
    struct um_grey     g;
    struct um_outfile *f;
    char               path[] = "/tmp/um-jpeg-XXXXXX";
    const int          fd     = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    (void)close(fd);
    for (int i = 0; i < W * H; i++)
        px[i] = (uint8_t)(i % W * 7);
    assert_int_equal(um_outfile_open(&f, path), UM_OK);
    assert_int_equal(um_jpeg_write(f, px, 0, H, 90), UM_ERANGE);
    assert_int_equal(um_jpeg_write(f, px, W, H, 101), UM_ERANGE);
    assert_int_equal(um_outfile_close(f, um_jpeg_write(f, px, W, H, 100), 0), UM_OK);
    assert_int_equal(um_file_read(arena, path, 1 << 20, &bytes, &n), UM_OK);
    assert_int_equal(um_jpeg_read(arena, bytes, n, &plain, &g), UM_OK);
    assert_near(g.px, px, W * H, 2);
    (void)unlink(path);
}

static void jpeg_damage(void **state)
{
    enum { W = 200, H = 160 };
    uint8_t             *px = malloc(W * H), *bytes, *more;
    struct um_grey       g;
    struct um_image_opts small = { .max_pixels = W * H - 1 };

    (void)state;
    for (int i = 0; i < W * H; i++)
        px[i] = (uint8_t)(i * 7919 >> 4);
    for (int progressive = 0; progressive < 2; progressive++) {
        const size_t n = make_jpeg(px, W, H, 1, JCS_GRAYSCALE, JCS_GRAYSCALE, progressive, &bytes);

        for (size_t cut = 0; cut < n; cut += cut < n - 20 ? 997 : 1)
            assert_int_equal(um_jpeg_read(arena, bytes, cut, &plain, &g), UM_EFORMAT);
        assert_int_equal(um_jpeg_read(arena, bytes, n, &small, &g), UM_ERANGE);
        assert_non_null(strstr(um_errmsg(), "200 x 160"));
        more = calloc(1, n + 5); /* bytes after the end are no harm */
        memcpy(more, bytes, n);
        more[n] = 1;
        assert_int_equal(um_jpeg_read(arena, more, n + 5, &plain, &g), UM_OK);
        free(more);
        free(bytes);
    }
    free(px);
}

/* a header that promises 60000 x 60000 pixels in a few hundred bytes */
static void jpeg_bomb(void **state)
{
    static uint8_t       px[64 * 64];
    struct um_image_opts large = { .max_pixels = INT64_MAX / 8 };
    struct um_grey       g;
    uint8_t             *bytes;
    const size_t         n = make_jpeg(px, 64, 64, 1, JCS_GRAYSCALE, JCS_GRAYSCALE, 0, &bytes);

    (void)state;
    for (size_t i = 0; i + 8 < n; i++)
        if (bytes[i] == 0xff && bytes[i + 1] == 0xc0) {
            bytes[i + 5] = bytes[i + 7] = 60000 >> 8;
            bytes[i + 6] = bytes[i + 8] = 60000 & 255;
        }
    assert_int_equal(um_jpeg_read(arena, bytes, n, &large, &g), UM_EFORMAT);
    assert_non_null(strstr(um_errmsg(), "cannot hold"));
    free(bytes);
}

static void jpeg_fast(void **state)
{
    enum { W = 801, H = 600 };
    uint8_t             *px   = malloc(W * H), *bytes;
    struct um_image_opts fast = { .max_pixels = 1 << 20, .fast_side = 256 };
    struct um_grey       g;
    size_t               n;

    (void)state;
    memset(px, 77, W * H);
    n = make_jpeg(px, W, H, 1, JCS_GRAYSCALE, JCS_GRAYSCALE, 0, &bytes);
    assert_int_equal(um_jpeg_read(arena, bytes, n, &fast, &g), UM_OK);
    assert_int_equal(g.width, 401); /* a half; a quarter would be under 256 */
    assert_int_equal(g.height, 300);
    assert_int_equal(g.file_width, W);
    assert_int_equal(g.file_height, H);
    for (int64_t i = 0; i < g.width * g.height; i++)
        assert_int_equal(g.px[i], 77);
    fast.fast_short = 301; /* a half has 300 */
    assert_int_equal(um_jpeg_read(arena, bytes, n, &fast, &g), UM_OK);
    assert_int_equal(g.eighths, 8);
    free(bytes);
    fast.fast_short = 0;
    n               = make_jpeg(px, W, 3, 1, JCS_GRAYSCALE, JCS_GRAYSCALE, 0, &bytes);
    assert_int_equal(um_jpeg_read(arena, bytes, n, &fast, &g), UM_OK);
    assert_int_equal(g.eighths, 4); /* 3 rows become 1.5 */
    fast.fast_side = 8;
    assert_int_equal(um_jpeg_read(arena, bytes, n, &fast, &g), UM_OK);
    assert_int_equal(g.eighths, 4); /* a quarter would leave less than a row */
    free(bytes);
    free(px);
}

/* ---- PNG ---- */

static void png_kinds(void **state)
{
    static struct sink s;
    struct um_grey     g;
    const uint8_t      deep[]  = { 0, 0, 0, 128, 0, 129, 255, 255, 1, 1, 1, 129 };
    const uint8_t      deep8[] = { 0, 0, 1, 255, 1, 1 }; /* 128/257 = 0.498, 129/257 = 0.502 */
    const uint8_t      rgba[]  = { 255, 255, 255, 255, 255, 255, 255, 0,
                                   200, 100, 50,  128, 10,  20,  30,  255 };
    /* 124.2 * 128/255 = 62.34; 2.99 + 11.74 + 3.42 = 18.15 */
    const uint8_t rgba8[] = { 255, 0, 62, 18 };
    const uint8_t la[] = { 100, 255, 100, 51, 255, 1, 7, 0 }, la8[] = { 100, 20, 1, 0 };
    const uint8_t index[] = { 0, 1, 2, 0 };
    /* 0.299 255 = 76.245; 0.587 255 128/255 = 75.136; 0.114 255 = 29.07 */
    const uint8_t index8[] = { 76, 75, 29, 76 };
    const uint8_t bits[] = { 0xb0 }, bits8[] = { 255, 0, 255, 255 };
    /* 16-bit colour: (0.299 1000 + 0.587 30000 + 0.114 65535)/257 = 98.76 */
    const uint8_t rgb16[]  = { 1000 >> 8, 1000 & 255, 30000 >> 8, 30000 & 255, 255, 255 };
    const uint8_t rgb168[] = { 99 };

    (void)state;
    for (int interlace = 0; interlace < 2; interlace++) {
        make_png(&s, deep, 3, 2, PNG_COLOR_TYPE_GRAY, 16, interlace);
        assert_int_equal(um_png_read(arena, s.bytes, s.n, &plain, &g), UM_OK);
        assert_int_equal(g.width, 3);
        assert_int_equal(g.height, 2);
        assert_memory_equal(g.px, deep8, 5);
        assert_int_equal(g.px[5], 1); /* 385/257 = 1.498 */
        make_png(&s, rgba, 2, 2, PNG_COLOR_TYPE_RGB_ALPHA, 8, interlace);
        assert_int_equal(um_png_read(arena, s.bytes, s.n, &plain, &g), UM_OK);
        assert_memory_equal(g.px, rgba8, 4);
        make_png(&s, la, 4, 1, PNG_COLOR_TYPE_GRAY_ALPHA, 8, interlace);
        assert_int_equal(um_png_read(arena, s.bytes, s.n, &plain, &g), UM_OK);
        assert_memory_equal(g.px, la8, 4);
        make_png(&s, index, 2, 2, PNG_COLOR_TYPE_PALETTE, 8, interlace);
        assert_int_equal(um_png_read(arena, s.bytes, s.n, &plain, &g), UM_OK);
        assert_memory_equal(g.px, index8, 4);
        make_png(&s, bits, 4, 1, PNG_COLOR_TYPE_GRAY, 1, interlace);
        assert_int_equal(um_png_read(arena, s.bytes, s.n, &plain, &g), UM_OK);
        assert_memory_equal(g.px, bits8, 4);
        make_png(&s, rgb16, 1, 1, PNG_COLOR_TYPE_RGB, 16, interlace);
        assert_int_equal(um_png_read(arena, s.bytes, s.n, &plain, &g), UM_OK);
        assert_memory_equal(g.px, rgb168, 1);
    }
}

/* every cut and every flipped bit of a small file is noticed: all chunks carry checksums */
static void png_damage(void **state)
{
    static struct sink         s;
    uint8_t                    px[64];
    struct um_grey             g;
    const struct um_image_opts one = { .max_pixels = 63 };

    (void)state;
    for (int i = 0; i < 64; i++)
        px[i] = (uint8_t)(i * 31);
    make_png(&s, px, 8, 8, PNG_COLOR_TYPE_GRAY, 8, 0);
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &one, &g), UM_ERANGE);
    for (size_t cut = 0; cut < s.n; cut++)
        assert_true(um_png_read(arena, s.bytes, cut, &plain, &g) < 0);
    for (size_t bit = 0; bit < 8 * s.n; bit++) {
        const uint8_t mask = (uint8_t)(1 << bit % 8);

        s.bytes[bit / 8] ^= mask;
        if (um_png_read(arena, s.bytes, s.n, &plain, &g) == UM_OK)
            assert_memory_equal(g.px, px, sizeof px); /* nothing but the same picture */
        s.bytes[bit / 8] ^= mask;
    }
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &plain, &g), UM_OK);
}

static void png_bomb(void **state)
{
    static struct sink         s;
    static uint8_t             px[64];
    const struct um_image_opts large = { .max_pixels = INT64_MAX / 8 };
    struct um_grey             g;
    uint32_t                   crc;

    (void)state;
    make_png(&s, px, 8, 8, PNG_COLOR_TYPE_GRAY, 8, 0);
    memcpy(s.bytes + 16, "\0\1\0\0\0\1\0\0", 8); /* 65536 x 65536 */
    crc = 0xffffffffu;
    for (int i = 12; i < 29; i++) {
        crc ^= s.bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    crc = ~crc;
    for (int i = 0; i < 4; i++)
        s.bytes[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &large, &g), UM_EFORMAT);
    assert_non_null(strstr(um_errmsg(), "cannot hold"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jpeg_colours), cmocka_unit_test(jpeg_write_and_read),
        cmocka_unit_test(jpeg_damage),  cmocka_unit_test(jpeg_bomb),
        cmocka_unit_test(jpeg_fast),    cmocka_unit_test(png_kinds),
        cmocka_unit_test(png_damage),   cmocka_unit_test(png_bomb),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
