/* media_upright.c - EXIF orientations and turning; natural order of names */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "grid/turn.h"
#include "media/exif.h"
#include "media/slices.h"
#include "with_arena.h"

enum { ROOM = 256 };

/* what is seen of abc/def */
static void all_eight(void **state)
{
    static const char *const seen[9] = { "abcdef", "abcdef", "cbafed", "fedcba", "defabc",
                                         "adbecf", "daebfc", "fcebda", "cfbead" };

    (void)state;
    for (int o = 0; o <= 9; o++) {
        uint8_t        px[6] = "abcde";
        struct um_grey g     = { .px          = px,
                                 .width       = 3,
                                 .height      = 2,
                                 .file_width  = 3,
                                 .file_height = 2,
                                 .eighths     = 8,
                                 .mm          = { 1, 2 } };

        px[5] = 'f';
        assert_int_equal(um_grey_turn(arena, o, &g), UM_OK);
        assert_memory_equal(g.px, seen[o <= 8 ? o : 1], 6);
        assert_int_equal(g.width, o >= 5 && o <= 8 ? 2 : 3);
        assert_int_equal(g.file_height, o >= 5 && o <= 8 ? 3 : 2);
        assert_true(g.mm[0] == (o >= 5 && o <= 8 ? 2 : 1));
        g.eighths = 4;
        assert_int_equal(um_grey_turn(arena, 3, &g), UM_ERANGE);
    }
}

/* larger than a tile, not square: turning back gives the same */
static void there_and_back(void **state)
{
    static const int back[9] = { 0, 1, 2, 3, 4, 5, 8, 7, 6 };
    static uint8_t   px[70 * 45];

    (void)state;
    for (size_t i = 0; i < sizeof px; i++)
        px[i] = (uint8_t)(i * 31 + i / 70);
    for (int o = 1; o <= 8; o++) {
        struct um_grey g = {
            .px = px, .width = 70, .height = 45, .file_width = 70, .file_height = 45, .eighths = 8
        };

        assert_int_equal(um_grey_turn(arena, o, &g), UM_OK);
        assert_int_equal(um_grey_turn(arena, back[o], &g), UM_OK);
        assert_memory_equal(g.px, px, sizeof px);
    }
}

/* a directory with one other entry before the orientation */
static size_t tiff(uint8_t *to, bool big, int type, int value)
{
    static const uint8_t little[] = { 'I', 'I', '*', 0, 8, 0,    0, 0, 2, 0, 0, 1, 3, 0, 1, 0, 0,
                                      0,   9,   9,   0, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0 };
    static const uint8_t other[]  = { 'M', 'M', 0, '*', 0, 0, 0,    8, 0, 2, 1, 0, 0, 3, 0, 0, 0,
                                      1,   9,   9, 0,   0, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0 };

    memcpy(to, big ? other : little, sizeof little);
    to[big ? 25 : 24] = (uint8_t)type;
    to[big ? 31 : 30] = (uint8_t)value;
    return sizeof little;
}

static size_t jpeg(uint8_t *to, bool big, int type, int value)
{
    static const uint8_t head[] = { 0xff, 0xd8, 0xff, 0xe0, 0,   4,   'J', 'F', 0xff, 0xff,
                                    0xe1, 0,    42,   'E',  'x', 'i', 'f', 0,   0 };
    size_t               n      = sizeof head;

    memcpy(to, head, n);
    n += tiff(to + n, big, type, value);
    memcpy(to + n, "\xff\xda", 2);
    return n + 2;
}

static void orientations(void **state)
{
    uint8_t bytes[ROOM] = { 0 };
    size_t  n           = 0;

    (void)state;
    for (int o = 0; o <= 9; o++)
        for (int big = 0; big < 2; big++) {
            const int want = o >= 1 && o <= 8 ? o : 1;

            n = jpeg(bytes, big, 3, o);
            assert_int_equal(um_exif_orientation(bytes, n), want);
            memcpy(bytes, "\x89PNG\r\n\x1a\n\0\0\0\042eXIf", 16);
            n = 16 + tiff(bytes + 16, big, 3, o) + 4;
            assert_int_equal(um_exif_orientation(bytes, n), want);
            assert_int_equal(um_exif_orientation(bytes, n - 5), 1);
        }
    n = jpeg(bytes, true, 4, 6); /* not a short */
    assert_int_equal(um_exif_orientation(bytes, n), 1);
    n = jpeg(bytes, false, 3, 6);
    for (size_t cut = 0; cut + 2 < n; cut++)
        assert_int_equal(um_exif_orientation(bytes, cut), 1);
    bytes[23] = 0xff; /* the directory lies far away */
    assert_int_equal(um_exif_orientation(bytes, n), 1);
    assert_int_equal(um_exif_orientation((const uint8_t *)"GIF89a", 6), 1);
}

static void natural_order(void **state)
{
    static const char *const sorted[] = { "",        "1",        "2",     "10",
                                          "010a",    "a1b2",     "a1b10", "a002.png",
                                          "a10.png", "a10b.png", "b" };

    (void)state;
    for (size_t i = 0; i + 1 < sizeof sorted / sizeof sorted[0]; i++) {
        assert_true(um_natural_order(sorted[i], sorted[i + 1]) < 0);
        assert_true(um_natural_order(sorted[i + 1], sorted[i]) > 0);
        assert_true(um_natural_order(sorted[i], sorted[i]) == 0);
    }
    assert_true(um_natural_order("a01", "a1") != 0);
    assert_true(um_natural_order("99999999999999999999", "100000000000000000000") < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_eight),
                                        cmocka_unit_test(there_and_back),
                                        cmocka_unit_test(orientations),
                                        cmocka_unit_test(natural_order) };

    return cmocka_run_group_tests(tests, setup, teardown);
}
