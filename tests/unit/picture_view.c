/* picture_view.c - slices, planes, windows and what is laid over them, pixel by pixel */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "picture/sheet.h"

static struct um_arena  *arena;
static struct um_record *rec;

/* a tensor of the record, from the first of its values */
static struct um_tensor put(const char *name, enum um_dtype dtype, int ndim, const int64_t *dim,
                            const void *data)
{
    struct um_tensor t;

    assert_int_equal(um_tensor_new(arena, name, dtype, ndim, dim, &t), UM_OK);
    memcpy(t.data, data, um_tensor_bytes(&t));
    assert_int_equal(um_record_set(arena, rec, &t), UM_OK);
    return t;
}

static void meta(const char *name, const double *x, int n)
{
    assert_int_equal(um_map_set_nums(arena, &rec->meta, name, x, n), UM_OK);
}

/* an 8 x 8 picture of one gray, drawn 32 times as large; view = its pixel (x,y) of the small grid
 */
static struct um_tensor gray(uint8_t level, int64_t side)
{
    static uint8_t px[256 * 256];
    const int64_t  dim[3] = { 1, side, side };

    memset(px, level, sizeof px);
    return put("image", UM_U8, 3, dim, px);
}

static const uint8_t *at(const struct um_picture *p, int64_t x, int64_t y)
{
    return &p->pixel[(y * p->width + x) * p->channels];
}

static void expect(const struct um_picture *p, int64_t x, int64_t y, int r, int g, int b)
{
    const uint8_t *px = at(p, x, y);

    if (px[0] != r || px[1] != g || px[2] != b)
        fail_msg("pixel %d,%d is %d,%d,%d, not %d,%d,%d", (int)x, (int)y, px[0], px[1], px[2], r, g,
                 b);
}

static void options(void **state)
{
    static const struct {
        const char    *text;
        enum um_slices slices;
        int            number;
    } good[]                 = { { "all", UM_SLICES_ALL, 0 },
                                 { "middle", UM_SLICES_MIDDLE, 0 },
                                 { "even=4", UM_SLICES_EVEN, 4 },
                                 { "0", UM_SLICES_ONE, 0 },
                                 { "17", UM_SLICES_ONE, 17 } };
    static const char *bad[] = { "", "x", "-1", "even=", "even=0", "1x", "even=-2", "99999999999" };
    static const char *over[] = { "masks", "mask,", ",mask", "mask,,boxes", "mask boxes" };
    struct um_view     v      = { 0 };

    (void)state;
    assert_true(um_view_plain(&v));
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(um_view_slices(good[i].text, &v), UM_OK);
        assert_int_equal(v.slices, good[i].slices);
        assert_int_equal(v.number, good[i].number);
        assert_false(um_view_plain(&v));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(um_view_slices(bad[i], &v), UM_ERANGE);
    assert_int_equal(um_view_over("attention,mask", &v), UM_OK);
    assert_int_equal(v.over, UM_OVER_ATTENTION | UM_OVER_MASK);
    for (size_t i = 0; i < sizeof over / sizeof *over; i++)
        assert_int_equal(um_view_over(over[i], &v), UM_ERANGE);
}

/* 4 slices of 2 rows and 3 columns, value 32 z + 8 y + x; each sample 64 pixels */
static struct um_tensor volume(void)
{
    const int64_t dim[3] = { 4, 2, 3 };
    uint8_t       x[24];

    for (int i = 0; i < 24; i++)
        x[i] = (uint8_t)(32 * (i / 6) + 8 * (i / 3 % 2) + i % 3);
    return put("volume", UM_U8, 3, dim, x);
}

static void planes_and_slices(void **state)
{
    const struct um_tensor t = volume();
    struct um_view         v = { .slices = UM_SLICES_MIDDLE };
    struct um_scene        s;
    struct um_picture      p;

    (void)state;
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_OK);
    assert_int_equal(s.n, 1);
    assert_int_equal(um_scene_number(&s, 0), 2);
    assert_int_equal(um_scene_slice(arena, &s, 0, &p), UM_OK);
    assert_true(p.width == 3 * 85 && p.height == 2 * 85 && p.channels == 1);
    assert_int_equal(*at(&p, 84, 84), 64);
    assert_int_equal(*at(&p, 85, 84), 65);
    assert_int_equal(*at(&p, 254, 169), 74);

    v.plane  = UM_CORONAL; /* rows from the head down */
    v.slices = UM_SLICES_ALL;
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_OK);
    assert_int_equal(s.n, 2);
    assert_int_equal(um_scene_slice(arena, &s, 1, &p), UM_OK);
    assert_true(p.width == 3 * 64 && p.height == 4 * 64);
    assert_int_equal(*at(&p, 0, 0), 32 * 3 + 8);
    assert_int_equal(*at(&p, 191, 255), 8 + 2);

    v.plane  = UM_SAGITTAL; /* front at the left */
    v.slices = UM_SLICES_EVEN;
    v.number = 2;
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_OK);
    assert_int_equal(s.n, 2);
    assert_int_equal(um_scene_number(&s, 0), 0);
    assert_int_equal(um_scene_number(&s, 1), 2);
    assert_int_equal(um_scene_slice(arena, &s, 1, &p), UM_OK);
    assert_true(p.width == 2 * 64 && p.height == 4 * 64);
    assert_int_equal(*at(&p, 0, 0), 32 * 3 + 2);
    assert_int_equal(*at(&p, 127, 255), 8 + 2);
    v.number = 9; /* there are three */
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_OK);
    assert_int_equal(s.n, 3);

    v = (struct um_view){ .slices = UM_SLICES_ONE, .number = 4 };
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_ERANGE);
    const struct um_tensor flat = gray(0, 8);
    assert_int_equal(s.has, UM_HAS_PLANES);
    v = (struct um_view){ .plane = UM_CORONAL }; /* a picture among volumes */
    assert_int_equal(um_scene_open(&v, rec, &flat, UM_SLICES_ALL, 0, &s), UM_OK);
    assert_true(s.has == 0 && s.plane == UM_AXIAL && s.rows == 8 && s.cols == 8);
}

/* voxels of 1 x 2 x 4 mm: a slice is as wide and high as in the patient */
static void aspect(void **state)
{
    const double mm[3] = { 1, 2, 4 }, mad[3] = { 1e-9, 1, 1 },
                 affine[12]  = { 0, -4, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0 };
    const struct um_tensor t = volume();
    struct um_view         v = { .slices = UM_SLICES_MIDDLE };
    struct um_scene        s;

    (void)state;
    meta("affine", affine, 12); /* x runs along 1 mm, y along 4, z along 2 */
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_OK);
    assert_true(s.width == 3 * 32 && s.height == 2 * 4 * 32);
    meta("spacing", mm, 3);
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_OK);
    assert_true(s.width == 3 * 64 && s.height == 4 * 64);
    v.plane = UM_SAGITTAL;
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_OK);
    assert_true(s.width == 2 * 32 && s.height == 8 * 32);
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 100, &s), UM_OK);
    assert_true(s.width == 2 * 12 && s.height == 8 * 12);
    meta("spacing", mad, 3); /* not believed */
    v.plane = UM_CORONAL;
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_OK);
    assert_true(s.width == 3 * 64 && s.height == 4 * 64);
}

static void windows(void **state)
{
    const double           hu[2]  = { -1000, 1000 };
    const int64_t          dim[2] = { 1, 4 };
    const float            f[4] = { 0, 0.42f, 0.62f, 1 }, raw[4] = { -1000, -160, 240, 1000 };
    const struct um_tensor t = put("image", UM_F32, 2, dim, f), r = put("hu", UM_F32, 2, dim, raw);
    struct um_view         v = { .windowed = true, .window = { -160, 240 } };
    struct um_picture      p;
    unsigned               has;

    (void)state;
    assert_int_equal(um_view_picture(arena, &v, rec, &r, &p, &has), UM_OK); /* no meta.window */
    for (int i = 0; i < 4; i++)
        assert_int_equal(*at(&p, 64 * i, 0), i < 2 ? 0 : 255);
    meta("window", hu, 2);
    v.window[1] = 1000;
    assert_int_equal(um_view_picture(arena, &v, rec, &t, &p, &has), UM_OK);
    assert_int_equal(*at(&p, 64, 0), 0);
    assert_int_equal(*at(&p, 128, 0), 88); /* 255 400/1160 */
    assert_int_equal(*at(&p, 192, 0), 255);

    const struct um_tensor bytes = gray(200, 8); /* an X-ray: not 200 HU */
    v.window[0]                  = -160;
    v.window[1]                  = 240;
    assert_int_equal(um_view_picture(arena, &v, rec, &bytes, &p, &has), UM_OK);
    assert_int_equal(*at(&p, 0, 0), 200);
    v.window[0] = 100;
    v.window[1] = 256;
    assert_int_equal(um_view_picture(arena, &v, rec, &bytes, &p, &has), UM_OK);
    assert_int_equal(*at(&p, 0, 0), 200);
    v.window[1] = 255;
    assert_int_equal(um_view_picture(arena, &v, rec, &bytes, &p, &has), UM_OK);
    assert_int_equal(*at(&p, 0, 0), 165); /* 255 100/155 */
}

static void crops(void **state)
{
    const int64_t     dim[3] = { 1, 6, 6 };
    uint8_t           x[36];
    struct um_view    v = { .crop = 3 };
    struct um_picture p;
    struct um_scene   s;
    unsigned          has;

    (void)state;
    for (int i = 0; i < 36; i++)
        x[i] = (uint8_t)i;
    const struct um_tensor t = put("image", UM_U8, 3, dim, x);
    assert_int_equal(um_view_picture(arena, &v, rec, &t, &p, &has), UM_OK);
    assert_int_equal(p.width, 255);
    assert_int_equal(*at(&p, 0, 0), 7); /* floor(3/2) before */
    assert_int_equal(*at(&p, 254, 254), 21);
    v.crop = 7;
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_ERANGE);
}

static void labels(void **state)
{
    const int64_t          dim[3] = { 1, 8, 8 };
    const struct um_tensor t      = gray(100, 8);
    struct um_view         v      = { .over = UM_OVER_MASK };
    struct um_picture      p;
    uint8_t                m[64] = { 0 }, seen[22][3];
    unsigned               has;

    (void)state;
    m[8 * 2 + 2] = m[8 * 2 + 3] = 1;
    m[8 * 3 + 2]                = 2;
    (void)put("mask", UM_U8, 3, dim, m);
    assert_int_equal(um_view_picture(arena, &v, rec, &t, &p, &has), UM_OK);
    assert_int_equal(has, UM_OVER_MASK);
    assert_true(p.width == 256 && p.channels == 3);
    expect(&p, 0, 0, 100, 100, 100);
    expect(&p, 63, 70, 100, 100, 100);
    expect(&p, 64, 70, 213, 94, 0);  /* outline */
    expect(&p, 65, 70, 140, 98, 65); /* 0.65 100 + 0.35 of vermilion */
    expect(&p, 96, 70, 140, 98, 65); /* no line between two of one label */
    expect(&p, 127, 70, 213, 94, 0);
    expect(&p, 70, 95, 213, 94, 0); /* one on either side between two labels */
    expect(&p, 70, 96, 86, 180, 233);
    expect(&p, 70, 97, 95, 128, 147);

    /* above 127: shares of 255 */
    m[8 * 2 + 2] = 255;
    m[8 * 2 + 3] = 51;
    (void)put("mask", UM_U8, 3, dim, m);
    assert_int_equal(um_view_picture(arena, &v, rec, &t, &p, &has), UM_OK);
    expect(&p, 70, 70, 140, 98, 65);
    expect(&p, 100, 70, 108, 100, 93); /* 0.35 51/255 of it */
    expect(&p, 95, 70, 213, 94, 0);
    expect(&p, 96, 70, 108, 100, 93);

    /* by rank among those there are */
    m[8 * 2 + 2] = m[8 * 2 + 3] = 2;
    m[8 * 3 + 2]                = 16;
    (void)put("mask", UM_U8, 3, dim, m);
    assert_int_equal(um_view_picture(arena, &v, rec, &t, &p, &has), UM_OK);
    expect(&p, 64, 70, 213, 94, 0);
    expect(&p, 70, 96, 86, 180, 233);
    expect(&p, 70, 97, 95, 128, 147);

    for (int i = 1; i < 22; i++) { /* 21 colours */
        um_view_label(i, seen[i]);
        for (int j = 1; j < i; j++)
            assert_memory_not_equal(seen[i], seen[j], 3);
        assert_true(seen[i][0] * 299 + seen[i][1] * 587 + seen[i][2] * 114 > 80 * 1000);
    }
    um_view_label(22, seen[0]);
    assert_memory_equal(seen[0], seen[1], 3);
}

static void boxes(void **state)
{
    const int64_t dim[2]     = { 4, 4 };
    const float   b[16]      = { 2, 3, 4.5f, 6, NAN, 0, 1, 1, -1e30f, 7, 1e30f, 1e30f, 5, 5, 4, 6 };
    const struct um_tensor t = gray(100, 8);
    struct um_view         v = { .over = UM_OVER_BOXES };
    struct um_picture      p;
    unsigned               has;

    (void)state;
    (void)put("boxes", UM_F32, 2, dim, b);
    assert_int_equal(um_view_picture(arena, &v, rec, &t, &p, &has), UM_OK);
    assert_int_equal(has, UM_OVER_BOXES);
    for (int x = 64; x < 144; x++) { /* 2 32 to 4.5 32 */
        expect(&p, x, 96, 240, 228, 66);
        expect(&p, x, 191, 240, 228, 66);
        expect(&p, x, 95, 40, 40, 40);
    }
    expect(&p, 64, 150, 240, 228, 66);
    expect(&p, 143, 150, 240, 228, 66);
    expect(&p, 63, 150, 40, 40, 40);
    expect(&p, 144, 150, 40, 40, 40);
    expect(&p, 65, 150, 100, 100, 100);
    expect(&p, 62, 94, 100, 100, 100);
    expect(&p, 10, 224, 240, 228, 66); /* far outside: the edge that is inside */
    expect(&p, 10, 255, 100, 100, 100);
    expect(&p, 5, 5, 100, 100, 100);

    v.crop = 4; /* the boxes move with the picture */
    assert_int_equal(um_view_picture(arena, &v, rec, &t, &p, &has), UM_OK);
    expect(&p, 1, 64, 240, 228, 66); /* y 3 of 2..6, 64 pixels a sample */
    expect(&p, 159, 100, 240, 228, 66);
}

static void attention_of_a_picture(void **state)
{
    const int64_t          dim[2] = { 1, 4 };
    const float            a[4]   = { 0, 4, NAN, 5 };
    const struct um_tensor t      = gray(100, 16);
    struct um_view         v      = { .over = UM_OVER_ATTENTION };
    struct um_picture      p;
    unsigned               has;

    (void)state;
    (void)put("attention", UM_F32, 2, dim, a);
    assert_int_equal(um_view_picture(arena, &v, rec, &t, &p, &has), UM_OK);
    assert_int_equal(has, UM_OVER_ATTENTION);
    /* the encoder saw 14 of 16: a sample is 16 pixels, cells begin at 16, 128 and 240 */
    expect(&p, 127, 20, 100, 100, 100);
    expect(&p, 128, 20, 131, 80, 80); /* a third of the mean above it: 0.2 of red */
    expect(&p, 128, 15, 100, 100, 100);
    expect(&p, 240, 20, 100, 100, 100);
    expect(&p, 20, 200, 100, 100, 100); /* NaN */
    expect(&p, 200, 200, 162, 162, 60); /* two thirds: 0.4 of yellow */
    v.crop = 8;
    assert_int_equal(um_view_picture(arena, &v, rec, &t, &p, &has), UM_OK);
    expect(&p, 128, 0, 131, 80, 80);
    expect(&p, 255, 255, 162, 162, 60);
    for (int i = 0; i < 4; i++)
        ((float *)um_record_find(rec, "attention")->data)[i] = 0.25f;
    assert_int_equal(um_view_picture(arena, &v, rec, &t, &p, &has), UM_OK); /* everywhere alike */
    expect(&p, 255, 255, 100, 100, 100);
}

static void attention_of_a_volume(void **state)
{
    const int64_t          dim[2] = { 2, 2 };
    const float            a[4]   = { 1, 0, 0, 0 };
    const struct um_tensor t      = volume();
    struct um_view         v      = { .over = UM_OVER_ATTENTION };
    struct um_picture      p;
    struct um_scene        s;
    unsigned               has;

    (void)state;
    (void)put("attention", UM_F32, 2, dim, a);
    assert_int_equal(um_view_picture(arena, &v, rec, &t, &p, &has), UM_OK);
    assert_int_equal(p.width, 2 * 255 + 1);
    expect(&p, 0, 0, 153, 153, 153);    /* slice 0, slab 0, cell 0: one and a half samples */
    expect(&p, 84, 169, 156, 156, 156); /* 0.4 8 + 0.6 255 */
    expect(&p, 170, 0, 2, 2, 2);        /* cell 1 */
    expect(&p, 256, 0, 166, 166, 166);  /* slice 1: 0.4 32 + 0.6 255 */
    expect(&p, 0, 171, 64, 64, 64);     /* slice 2: the other slab */

    v.over = UM_OVER_BOXES;
    (void)put("boxes", UM_F32, 2, (const int64_t[2]){ 0, 4 }, a);
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_EMISMATCH);
}

static void what_does_not_belong(void **state)
{
    const uint8_t          x[64] = { 0 };
    const struct um_tensor t     = gray(0, 8);
    struct um_view         v     = { .over = UM_OVER_MASK };
    struct um_scene        s;

    (void)state;
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s),
                     UM_OK); /* none: passed over */
    assert_int_equal(s.has, 0);
    (void)put("mask", UM_U8, 3, (const int64_t[3]){ 1, 4, 16 }, x);
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_EMISMATCH);
    (void)put("mask", UM_I16, 2, (const int64_t[2]){ 4, 8 }, x);
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_EDTYPE);
    v.over = UM_OVER_BOXES;
    (void)put("boxes", UM_F32, 2, (const int64_t[2]){ 2, 3 }, x);
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_ESHAPE);
    v.over = UM_OVER_ATTENTION;
    (void)put("attention", UM_U8, 2, (const int64_t[2]){ 2, 4 }, x);
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_EMISMATCH);
    (void)put("attention", UM_U8, 1, (const int64_t[1]){ 4 }, x);
    assert_int_equal(um_scene_open(&v, rec, &t, UM_SLICES_ALL, 0, &s), UM_ESHAPE);
}

static void sheets_hold_every_size(void **state)
{
    static const int64_t side[][2] = {
        { 1, 1 }, { 3, 500 }, { 500, 3 }, { 160, 160 }, { 161, 159 }
    };
    static uint8_t       white[500 * 500];
    const struct um_view v = { 0 };
    struct um_sheet      s = { .arena = arena, .view = &v };
    struct um_picture    p;
    unsigned             has;

    (void)state;
    memset(white, 255, sizeof white);
    assert_int_equal(um_sheet_draw(&s, &p), UM_EMISSING);
    for (int i = 0; i < 5; i++) {
        const struct um_tensor t = put("image", UM_U8, 2, side[i], white);

        assert_int_equal(um_sheet_add(&s, rec, &t, &has), UM_OK);
    }
    assert_int_equal(um_sheet_draw(&s, &p), UM_OK);
    assert_int_equal(p.width, 3 * 160 + 2);
    assert_int_equal(p.height, 2 * 170 + 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(*at(&p, i % 3 * 161 + 79, i / 3 * 171 + 79), 255);

    /* a second line as soon as one record has anything to say */
    assert_int_equal(um_map_set_str(arena, &rec->meta, "split", "train"), UM_OK);
    const struct um_tensor t = put("image", UM_U8, 2, side[3], white);
    assert_int_equal(um_sheet_add(&s, rec, &t, &has), UM_OK);
    assert_int_equal(um_sheet_draw(&s, &p), UM_OK);
    assert_int_equal(p.height, 2 * 180 + 1);
}

static int set_up(void **state)
{
    (void)state;
    return um_arena_new(&arena) < 0 || um_record_new(arena, "key", &rec) < 0;
}

static int tear_down(void **state)
{
    (void)state;
    um_arena_free(arena);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(options),
        TEST(planes_and_slices),
        TEST(aspect),
        TEST(windows),
        TEST(crops),
        TEST(labels),
        TEST(boxes),
        TEST(attention_of_a_picture),
        TEST(attention_of_a_volume),
        TEST(what_does_not_belong),
        TEST(sheets_hold_every_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
