/* picture.c - statistics, grays, montages and file names made from keys */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/names.h"
#include "picture/font.h"
#include "picture/picture.h"
#include "stream/stats.h"

static struct um_arena *arena;

static struct um_tensor tensor(const char *name, enum um_dtype dtype, int ndim, int64_t d,
                               int64_t h, int64_t w, const void *data)
{
    const int64_t    all[3] = { d, h, w };
    struct um_tensor t;

    assert_int_equal(um_tensor_new(arena, name, dtype, ndim, all + 3 - ndim, &t), UM_OK);
    memcpy(t.data, data, um_tensor_bytes(&t));
    return t;
}

static struct um_record *record(void)
{
    struct um_record *rec;

    assert_int_equal(um_record_new(arena, "key", &rec), UM_OK);
    return rec;
}

static void statistics_survive_an_offset(void **state)
{
    double           x[1000];
    struct um_stats  s, half, all = { 0 };
    struct um_tensor t;

    (void)state;
    for (int i = 0; i < 1000; i++)
        x[i] = 1e9 + i % 2; /* std 0.5: x^2 has no digits left for it */
    t = tensor("x", UM_F64, 1, 0, 0, 1000, x);
    um_stats_tensor(&t, &s);
    assert_true(fabs(um_stats_std(&s) - 0.5) <= 1e-9);
    for (int i = 0; i < 2; i++) {
        t = tensor("x", UM_F64, 1, 0, 0, i ? 700 : 300, x);
        um_stats_tensor(&t, &half);
        um_stats_add(&all, &half);
    }
    assert_int_equal(all.count, 1000);
    assert_true(fabs(all.mean - s.mean) <= 1e-6);
    assert_true(fabs(um_stats_std(&all) - 0.5) <= 1e-9);
}

static void statistics_count_nan_apart(void **state)
{
    const float            x[4] = { NAN, -2, NAN, 4 };
    const struct um_tensor t    = tensor("x", UM_F32, 1, 0, 0, 4, x),
                           none = tensor("x", UM_F32, 1, 0, 0, 0, x);
    struct um_stats s;

    (void)state;
    um_stats_tensor(&t, &s);
    assert_int_equal(s.nan, 2);
    assert_int_equal(s.count, 2);
    assert_true(s.min == -2 && s.max == 4 && s.mean == 1 && um_stats_std(&s) == 3);
    um_stats_tensor(&none, &s);
    assert_true(isnan(s.min) && isnan(s.mean) && isnan(um_stats_std(&s)));
}

static void grays(void **state)
{
    static const struct {
        const char   *name;
        enum um_dtype dtype;
        float         in[3];
        uint8_t       out[3];
    } t[] = {
        { "image", UM_F32, { 0, 0.5f, 1 }, { 0, 128, 255 } }, /* 0..1: as it is */
        { "image", UM_F32, { 0.2f, 0.2f, 0.4f }, { 51, 51, 102 } },
        { "x", UM_F32, { -1, 0, 1 }, { 0, 128, 255 } }, /* else: stretched */
        { "x", UM_F32, { NAN, 0, 10 }, { 0, 0, 255 } },
        { "x", UM_F32, { 7, 7, 7 }, { 0, 0, 0 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        const struct um_tensor x = tensor(t[i].name, t[i].dtype, 2, 0, 1, 3, t[i].in);
        struct um_picture      p;

        assert_int_equal(um_picture_tensor(arena, record(), &x, &p), UM_OK);
        assert_memory_equal(p.pixel, t[i].out, 3);
    }
    const uint8_t          labels[3] = { 0, 1, 3 }, shown[3] = { 0, 85, 255 };
    const struct um_tensor mask = tensor("mask", UM_U8, 2, 0, 1, 3, labels),
                           raw  = tensor("image", UM_U8, 2, 0, 1, 3, labels);
    struct um_picture p;

    assert_int_equal(um_picture_tensor(arena, record(), &mask, &p), UM_OK);
    assert_memory_equal(p.pixel, shown, 3);
    assert_int_equal(um_picture_tensor(arena, record(), &raw, &p), UM_OK);
    assert_memory_equal(p.pixel, labels, 3);
}

static void volumes_become_montages(void **state)
{
    const uint8_t          v[]         = { 1, 2, 3, 4, 5, 6 }; /* three slices of 1 x 2 */
    const uint8_t          want[3 * 5] = { 1, 2, 0, 3, 4, 0, 0, 0, 0, 0, 5, 6, 0, 0, 0 };
    const struct um_tensor t           = tensor("volume", UM_U8, 3, 3, 1, 2, v);
    struct um_picture      p;

    (void)state;
    assert_int_equal(um_picture_tensor(arena, record(), &t, &p), UM_OK);
    assert_int_equal(p.width, 5);
    assert_int_equal(p.height, 3);
    assert_memory_equal(p.pixel, want, sizeof want);
}

static void attention_takes_its_grid_from_meta(void **state)
{
    const float            a[12]   = { 0, 1, 0 };
    const struct um_tensor t       = tensor("attention", UM_F32, 2, 0, 1, 12, a);
    struct um_record      *rec     = record();
    struct um_value        item[2] = { { .kind = UM_INT, .i = 3 }, { .kind = UM_INT, .i = 4 } };
    const struct um_value  grid    = { .kind = UM_LIST, .n = 2, .item = item };
    struct um_picture      p;

    (void)state;
    assert_int_equal(um_picture_tensor(arena, rec, &t, &p), UM_OK);
    assert_int_equal(p.height * 12, p.width); /* 12 is no square: one row */
    assert_int_equal(um_map_set(arena, &rec->meta, "grid", &grid), UM_OK);
    assert_int_equal(um_picture_tensor(arena, rec, &t, &p), UM_OK);
    assert_int_equal(p.height * 4, p.width * 3);
    const uint8_t *second = &p.pixel[3 * (p.width / 4 + 1)];
    assert_int_equal(second[0] + second[1] + second[2], 3 * 255);
    item[1].i = INT64_MAX; /* a grid that does not fit is not believed */
    assert_int_equal(um_map_set(arena, &rec->meta, "grid", &grid), UM_OK);
    assert_int_equal(um_picture_tensor(arena, rec, &t, &p), UM_OK);
    assert_int_equal(p.height * 12, p.width);
}

static void what_cannot_be_drawn(void **state)
{
    const uint8_t          x[8] = { 0 };
    const struct um_tensor none = tensor("x", UM_U8, 3, 0, 4, 4, x);
    struct um_tensor       four = tensor("x", UM_U8, 1, 0, 0, 8, x);
    struct um_picture      p;

    (void)state;
    assert_int_equal(um_picture_tensor(arena, record(), &none, &p), UM_ESHAPE);
    four.ndim = 4;
    for (int i = 0; i < 4; i++)
        four.dim[i] = 1;
    assert_int_equal(um_picture_tensor(arena, record(), &four, &p), UM_ESHAPE);
    assert_int_equal(um_picture_new(arena, INT64_MAX, 2, 1, &p), UM_ERANGE);
}

static void letters_differ(void **state)
{
    uint64_t seen[256] = { 0 };

    (void)state;
    for (int c = 0; c < 256; c++) {
        for (int i = 0; i < UM_FONT_W * UM_FONT_H; i++)
            seen[c] = seen[c] * 2 + um_font_dot((unsigned char)c, i % UM_FONT_W, i / UM_FONT_W);
        for (int d = '!'; c <= '~' && d < c; d++)
            assert_true(seen[c] != seen[d]);
        if (c < ' ' || c > '~')
            assert_true(um_font_dot((unsigned char)c, 1, 0) == um_font_dot('?', 1, 0));
    }
    assert_int_equal(seen[' '], 0);
    for (int c = ' '; c <= '~'; c++) { /* tails beneath the line tell g from 9 and p from P */
        bool tail = false;

        for (int i = 0; i < UM_FONT_W * (UM_FONT_H - 7); i++)
            tail |= um_font_dot((unsigned char)c, i % UM_FONT_W, 7 + i / UM_FONT_W);
        assert_int_equal(tail, c != ' ' && strchr("gpqy", c) != NULL);
    }
}

static bool same_text(const char *a, bool begin, const char *b)
{
    struct um_picture p, q;

    assert_int_equal(um_picture_new(arena, 40, 12, 1, &p), UM_OK);
    assert_int_equal(um_picture_new(arena, 40, 12, 1, &q), UM_OK);
    um_picture_text(&p, 1, 1, a, 6, begin);
    um_picture_text(&q, 1, 1, b, 99, true);
    return memcmp(p.pixel, q.pixel, 40 * 12) == 0;
}

static void a_cut_text_is_marked(void **state)
{
    (void)state;
    assert_true(same_text("abcdef", false, "abcdef") && same_text("abcdef", true, "abcdef"));
    assert_true(same_text("p10/s50", false, "../s50"));
    assert_true(same_text("p10/s50", true, "p10/.."));
    assert_true(same_text("", false, "") && !same_text("g", false, "9"));
}

static void names_from_keys(void **state)
{
    struct um_names *n;
    const char      *path;

    (void)state;
    assert_false(um_names_many(NULL));
    assert_false(um_names_many("a.png"));
    assert_true(um_names_many("%s") && um_names_many("dir/"));
    assert_int_equal(um_names_new(&n), UM_OK);
    assert_int_equal(um_names_path(n, arena, "x-%s-%s", "../a/b", "png", &path), UM_OK);
    assert_string_equal(path, "x-_._a_b-_._a_b");
    assert_int_equal(um_names_path(n, arena, "x-%s-%s", "../a_b", "png", &path), UM_EDUPLICATE);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(um_names_path(n, arena, "%s", um_sprintf(arena, "k%d", i), "", &path),
                         UM_OK);
    assert_int_equal(um_names_path(n, arena, "%s", "k0", "", &path), UM_EDUPLICATE);
    um_names_free(n);
}

static int set_up(void **state)
{
    (void)state;
    return um_arena_new(&arena);
}

static int tear_down(void **state)
{
    (void)state;
    um_arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_survive_an_offset),
        cmocka_unit_test(statistics_count_nan_apart),
        cmocka_unit_test(grays),
        cmocka_unit_test(volumes_become_montages),
        cmocka_unit_test(attention_takes_its_grid_from_meta),
        cmocka_unit_test(what_cannot_be_drawn),
        cmocka_unit_test(letters_differ),
        cmocka_unit_test(a_cut_text_is_marked),
        cmocka_unit_test(names_from_keys),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
