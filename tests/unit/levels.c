/* levels.c - stored values that become black and white, against the definition in 128 bits */
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

#include "base/philox.h"
#include "grid/levels.h"
#include "media/image.h"
#include "media/png.h"
#include "png_rig.h"
#include "with_arena.h"

/* floor(255 t alpha / full + 1/2), t = (v - lo) / (hi - lo) clipped to 0..1: all multiplied out */
static uint8_t defined(int64_t lo, int64_t hi, int64_t v, uint64_t alpha, uint64_t full)
{
    const int64_t     sign = hi > lo ? 1 : -1, num = sign * (v * UM_LEVELS_UNIT - lo);
    const int64_t     den = sign * (hi - lo);
    unsigned __int128 n;

    if (num <= 0)
        return 0;
    n = (unsigned __int128)(num < den ? num : den) * 255 * alpha;
    return (uint8_t)((2 * n + (unsigned __int128)den * full) / (2 * (unsigned __int128)den * full));
}

static struct um_levels of(const char *text)
{
    struct um_levels l = { 0, 0 };

    assert_int_equal(um_levels_parse(text, &l), UM_OK);
    return l;
}

static void texts_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t     lo, hi;
    } good[] = {
        { "0,4095", 0, 40950000 },
        { "4095,0", 40950000, 0 },
        { "-0.5,1000.0001", -5000, 10000001 },
        { "-.25,1.", -2500, 10000 },
        { "-1000000,1000000.0000", -10000000000, 10000000000 },
        { "000000000012,1", 120000, 10000 },
    };
    struct um_levels l;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        l = of(good[i].text);
        assert_int_equal(l.lo, good[i].lo);
        assert_int_equal(l.hi, good[i].hi);
        assert_true(um_levels_given(&l));
    }
}

static void other_texts_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "0",
        "0,",
        ",1",
        "0,1,",
        "0,1 ",
        " 0,1",
        "0, 1",
        "1,1",
        "1.0,1",
        "0,1e3",
        "0,1.00001",
        "0,1000001",
        "-1000000.0001,0",
        "0;1",
        "a,b",
        "0,+1",
        "--1,0",
        "0,0x10",
        "nan,1",
        "0,inf",
        "-,1",
        ".,1",
        "0,.",
        "0,-.",
        "0,99999999999999999999999",
        "0,1000000.0001",
        "1.2.3,4",
    };
    struct um_levels l;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        l = (struct um_levels){ 3, 4 };
        if (um_levels_parse(bad[i], &l) != UM_EFORMAT)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_non_null(strstr(um_errmsg(), "column levels: \""));
        assert_true(l.lo == 3 && l.hi == 4);
    }
    l = (struct um_levels){ 0, 0 };
    assert_false(um_levels_given(&l));
}

static void every_value(void **state)
{
    static const char *const text[] = { "0,255",
                                        "255,0",
                                        "0,65535",
                                        "65535,0",
                                        "0,4095",
                                        "4095,0",
                                        "200.5,3800.5",
                                        "-100,1000",
                                        "1000,-100",
                                        "70000,80000",
                                        "5,6",
                                        "6,5",
                                        "0,0.0001",
                                        "-1000000,1000000",
                                        "1000000,-1000000",
                                        "511.9999,512.0001" };

    (void)state;
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        const struct um_levels l = of(text[i]);

        for (int v = 0; v < 65536; v++) {
            assert_int_equal(um_level(&l, (uint64_t)v, 255, 255), defined(l.lo, l.hi, v, 1, 1));
            assert_int_equal(um_level(&l, (uint64_t)v, 65535, 65535), defined(l.lo, l.hi, v, 1, 1));
        }
    }
}

/* the halves, by hand: 255 v / 510 = v / 2 */
static void half_up(void **state)
{
    const struct um_levels up = of("0,510"), down = of("510,0");

    (void)state;
    for (uint64_t v = 0; v <= 510; v++) {
        assert_int_equal(um_level(&up, v, 255, 255), (v + 1) / 2);
        assert_int_equal(um_level(&down, v, 255, 255), (510 - v + 1) / 2);
    }
    assert_int_equal(um_level(&up, 511, 255, 255), 255);
    assert_int_equal(um_level(&down, 511, 255, 255), 0);
    /* once: 128 of 255 of 1.5 is 0.753, of 1.5 rounded first 1.004; 127 and 128: 0.498 and 0.502 */
    assert_int_equal(um_level(&up, 3, 128, 255), 1);
    assert_int_equal(um_level(&up, 2, 127, 255), 0);
    assert_int_equal(um_level(&up, 2, 128, 255), 1);
}

/* any ends, any alpha, and the farthest there are */
static void drawn(void **state)
{
    const int64_t far = 1000000LL * UM_LEVELS_UNIT;
    struct um_rng r   = um_rng_at(7, UM_RNG_TEST, 0, 0);

    (void)state;
    for (int i = 0; i < 300000; i++) {
        const bool       deep = i % 2;
        const uint64_t   full = deep ? 65535 : 255, alpha = um_rng_below(&r, full + 1);
        const int64_t    most = i % 3 ? 70000LL * UM_LEVELS_UNIT : deep ? far : 255 * far;
        struct um_levels l    = { (int64_t)um_rng_below(&r, 2 * (uint64_t)most + 1) - most,
                                  (int64_t)um_rng_below(&r, 2 * (uint64_t)most + 1) - most };
        const uint64_t   v    = um_rng_below(&r, full + 1);

        if (i % 101 == 0)
            l = (struct um_levels){ i % 202 ? most : -most, i % 202 ? -most : most };
        if (um_levels_given(&l))
            assert_int_equal(um_level(&l, v, alpha, full),
                             defined(l.lo, l.hi, (int64_t)v, alpha, full));
    }
}

/* ---- PNG files ---- */

static struct um_image_opts by(const char *levels)
{
    return (struct um_image_opts){ .max_pixels = 1 << 20, .levels = of(levels) };
}

/* every value of gray of 1 to 8 bits, and 256 of 16, stored in a square of 16 */
static void stored_values(void **state)
{
    static struct sink s;
    struct um_grey     g;

    (void)state;
    for (int depth = 1; depth <= 16; depth *= 2)
        for (int interlace = 0; interlace < 2; interlace++)
            for (int ends = 0; ends < 3; ends++) {
                static const char *const   text[]  = { "0.5,200", "3,0", "4095,100.25" };
                const struct um_image_opts opts    = by(text[ends]);
                uint8_t                    px[512] = { 0 }, want[256];

                for (int i = 0; i < 256; i++) {
                    const int v = depth == 16 ? i * 257 % 5000 : i & ((1 << depth) - 1);

                    if (depth == 16) {
                        px[2 * i]     = (uint8_t)(v >> 8);
                        px[2 * i + 1] = (uint8_t)v;
                    } else {
                        px[i * depth / 8] |= (uint8_t)(v << (8 - depth - i * depth % 8));
                    }
                    want[i] = defined(opts.levels.lo, opts.levels.hi, v, 1, 1);
                }
                make_png(&s, px, 16, 16, PNG_COLOR_TYPE_GRAY, depth, interlace);
                assert_int_equal(um_png_read(arena, s.bytes, s.n, &opts, &g), UM_OK);
                assert_memory_equal(g.px, want, sizeof want);
                assert_false(g.wide);
            }
}

static void alpha(void **state)
{
    static struct sink         s;
    const uint8_t              la[]   = { 30, 255, 30, 51, 10, 255, 5, 200, 25, 0 };
    const uint8_t              deep[] = { 0x10, 0, 0xff, 0xff, 0x10, 0, 0x80, 0, 0x0f, 0xff, 0, 1 };
    const struct um_image_opts narrow = by("10,30"), turned = by("30,10"), wide = by("0,4095.5");
    struct um_grey             g;

    (void)state;
    make_png(&s, la, 5, 1, PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0);
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &narrow, &g), UM_OK);
    assert_memory_equal(g.px, ((uint8_t[]){ 255, 51, 0, 0, 0 }), 5);
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &turned, &g), UM_OK); /* black is black */
    assert_memory_equal(g.px, ((uint8_t[]){ 0, 0, 255, 200, 0 }), 5);
    make_png(&s, deep, 3, 1, PNG_COLOR_TYPE_GRAY_ALPHA, 16, 0);
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &wide, &g), UM_OK);
    assert_memory_equal(g.px, ((uint8_t[]){ 255, 128, 0 }), 3); /* 255 32768 / 65535 = 127.502 */
    assert_false(g.wide);
}

static void how_much_is_used(void **state)
{
    static struct sink         s;
    const struct um_image_opts plain = { .max_pixels = 100 };
    const uint8_t  deep[] = { 0, 9, 0x1f, 0xff, 0, 255, 1, 0 }, more[] = { 0x20, 0, 0x21, 0 };
    struct um_grey g = { .wide = true, .most = 70000 };

    (void)state;
    make_png(&s, deep, 2, 2, PNG_COLOR_TYPE_GRAY, 16, 0);
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &plain, &g), UM_OK);
    assert_true(g.wide);
    assert_int_equal(g.most, 0x1fff);
    make_png(&s, deep, 2, 1, PNG_COLOR_TYPE_GRAY_ALPHA, 16, 1); /* alpha is not looked at */
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &plain, &g), UM_OK);
    assert_true(g.wide);
    assert_int_equal(g.most, 255);
    make_png(&s, more, 2, 1, PNG_COLOR_TYPE_GRAY, 16, 0);
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &plain, &g), UM_OK);
    assert_int_equal(g.most, 0x2100);
    make_png(&s, deep, 4, 1, PNG_COLOR_TYPE_GRAY, 8, 0);
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &plain, &g), UM_OK);
    assert_false(g.wide);
    make_png(&s, deep, 1, 1, PNG_COLOR_TYPE_RGB, 16, 0);
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &plain, &g), UM_OK);
    assert_false(g.wide);
}

static void colours(void **state)
{
    static struct sink         s;
    const uint8_t              px[16] = { 0, 1, 2 };
    const struct um_image_opts opts   = by("0,2");
    struct um_grey             g;

    (void)state;
    make_png(&s, px, 1, 1, PNG_COLOR_TYPE_RGB, 8, 0);
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &opts, &g), UM_EUNSUPPORTED);
    assert_string_equal(um_errmsg(), "PNG: levels are for gray, this one has colours");
    make_png(&s, px, 1, 1, PNG_COLOR_TYPE_RGB_ALPHA, 16, 0);
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &opts, &g), UM_EUNSUPPORTED);
    make_png(&s, px, 3, 1, PNG_COLOR_TYPE_PALETTE, 8, 0);
    assert_int_equal(um_png_read(arena, s.bytes, s.n, &opts, &g), UM_EUNSUPPORTED);
    assert_string_equal(um_errmsg(), "PNG: levels are for gray, this one has a palette");
}

/* through um_image_grey, which knows the other kinds of files */
static void refusals(void **state)
{
    static struct sink   s;
    char                 path[] = "/tmp/um-levels-XXXXXX";
    const int            fd     = mkstemp(path);
    const uint8_t        px[]   = { 0, 1, 2, 255 };
    struct um_image_opts opts   = by("0,2");
    struct um_image      im;
    struct um_grey       g;

    (void)state;
    make_png(&s, px, 4, 1, PNG_COLOR_TYPE_GRAY, 8, 0);
    assert_true(fd >= 0 && write(fd, s.bytes, s.n) == (ssize_t)s.n);
    assert_int_equal(um_image_open(arena, path, 100, &im), UM_OK);
    assert_int_equal(um_image_grey(arena, &im, &opts, &g), UM_OK);
    assert_memory_equal(g.px, ((uint8_t[]){ 0, 128, 255, 255 }), 4);
    opts.labels = true;
    assert_int_equal(um_image_grey(arena, &im, &opts, &g), UM_EUNSUPPORTED);
    assert_non_null(strstr(um_errmsg(), "labels are taken as stored"));
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, "\xff\xd8\xff\xe0", 4, 0), 4);
    assert_int_equal(um_image_open(arena, path, 100, &im), UM_OK);
    opts.labels = false;
    assert_int_equal(um_image_grey(arena, &im, &opts, &g), UM_EUNSUPPORTED);
    assert_string_equal(um_errmsg(), "JPEG: levels are for gray PNG");
    (void)close(fd);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read), cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(every_value),    cmocka_unit_test(half_up),
        cmocka_unit_test(drawn),          cmocka_unit_test(stored_values),
        cmocka_unit_test(alpha),          cmocka_unit_test(how_much_is_used),
        cmocka_unit_test(colours),        cmocka_unit_test(refusals),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
