/* media_dicom.c - DICOM files made here: what they hold, and every way they can lie */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "media/dicom.h"
#include "media/dicom_grey.h"
#include "media/dicom_write.h"
#include "tests/unit/dicom_rig.h"

static const struct um_image_opts stored   = { .max_pixels = 100000 },
                                  windowed = { .max_pixels = 100000, .dicom_window = true };

static void every_order_gives_the_same(void **state)
{
    static const char *const syntax[] = { UID, UID ".1", UID ".2" };
    struct um_dicom          d;
    uint16_t                 out[15];
    bool                     luma;

    (void)state;
    for (int s = 0; s < 3; s++) {
        make(syntax[s], &deep);
        assert_int_equal(read_file(&d, out, &luma), UM_OK);
        assert_false(luma);
        assert_int_equal(d.rows, 3);
        assert_int_equal(d.columns, 5);
        assert_int_equal(um_dicom_plain(&d), s != 2);
        for (unsigned i = 0; i < 15; i++)
            assert_int_equal(out[i], (uint16_t)(0x9111 * (i + 1)));
    }
}

/* big endian words of two pixels hold the second one first; OB has no words */
static void bytes_in_words(void **state)
{
    static const uint8_t v[16] = { 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 0, 15 };
    struct um_dicom      d;
    uint8_t              out[15];
    bool                 luma;

    (void)state;
    for (int ow = 0; ow < 2; ow++) {
        dcm_begin(&f, UID ".2");
        dcm_kind(&f, &(struct dcm_kind){ 3, 5, 8, 8, 7, 0, 1, NULL });
        dcm_head(&f, 0x7fe00010, ow ? "OW" : "OB", 16);
        dcm_bytes(&f, v, 16);
        assert_int_equal(read_file(&d, out, &luma), UM_OK);
        for (int i = 0; i < 15; i++)
            assert_int_equal(out[i], ow ? i + 1 : v[i]);
    }
    dcm_begin(&f, UID ".2"); /* the last pixel lies in the second byte of a word */
    dcm_kind(&f, &(struct dcm_kind){ 3, 5, 8, 8, 7, 0, 1, NULL });
    dcm_head(&f, 0x7fe00010, "OW", 15);
    dcm_bytes(&f, v, 15);
    refused(UM_EFORMAT, "cut: 5 x 3 x 1 pixels of 8 bits promised, 15 bytes");
}

static void unused_bits(void **state)
{
    const struct dcm_kind twelve   = { 3, 5, 16, 12, 11, 0, 1, NULL },
                          high     = { 3, 5, 16, 12, 15, 0, 1, NULL },
                          negative = { 3, 5, 16, 12, 13, 1, 1, NULL };
    struct um_dicom d;
    uint16_t        out[15];
    bool            luma;

    (void)state;
    make(UID ".1", &twelve);
    assert_int_equal(read_file(&d, out, &luma), UM_OK);
    assert_false(um_dicom_plain(&d));
    for (unsigned i = 0; i < 15; i++)
        assert_int_equal(out[i], 0x9111 * (i + 1) & 0xfff);
    make(UID ".1", &high);
    assert_int_equal(read_file(&d, out, &luma), UM_OK);
    for (unsigned i = 0; i < 15; i++)
        assert_int_equal(out[i], (0x9111 * (i + 1) & 0xffff) >> 4);
    make(UID ".1", &negative);
    assert_int_equal(read_file(&d, out, &luma), UM_OK);
    for (unsigned i = 0; i < 15; i++) {
        const int v = (int)((0x9111 * (i + 1)) >> 2 & 0xfff);

        assert_int_equal((int16_t)out[i], v < 2048 ? v : v - 4096);
    }
}

/* what um_dicom_write makes, in f */
static void written(const struct um_dicom_out *v)
{
    char               path[] = "/tmp/um-dicom-XXXXXX";
    const int          fd     = mkstemp(path);
    struct um_outfile *o;
    uint8_t           *bytes;

    assert_true(fd >= 0 && close(fd) == 0);
    assert_int_equal(um_outfile_open(&o, path), UM_OK);
    assert_int_equal(um_outfile_close(o, um_dicom_write(o, v), 0), UM_OK);
    assert_int_equal(um_file_read(arena, path, DICOM_ROOM, &bytes, &f.n), UM_OK);
    memcpy(f.bytes, bytes, f.n);
    (void)unlink(path);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    for (int bits = 1; bits <= 16; bits++)
        for (int is_signed = 0; is_signed < 2; is_signed++) {
            uint16_t            v[7 * 3], out[7 * 3];
            struct um_dicom_out o = { .pixels    = v,
                                      .rows      = 7,
                                      .columns   = 3,
                                      .bits      = bits,
                                      .is_signed = is_signed,
                                      .modality  = "CR",
                                      .instance  = -3 };
            struct um_dicom     d;
            bool                luma;

            for (int i = 0; i < 21; i++) {
                const int x = (int)((unsigned)i * 40503U & ((1U << bits) - 1));
                const int s = is_signed && x >> (bits - 1) ? x - (1 << bits) : x;

                if (bits > 8)
                    v[i] = (uint16_t)s;
                else
                    ((uint8_t *)v)[i] = (uint8_t)s;
            }
            written(&o);
            assert_int_equal(read_file(&d, out, &luma), UM_OK);
            assert_int_equal(d.stored, bits);
            assert_int_equal(d.is_signed, is_signed);
            assert_int_equal(d.instance, -3);
            assert_memory_equal(out, v, bits > 8 ? 42 : 21);
        }
}

static void what_the_header_says(void **state)
{
    const int16_t             px[6] = { 0 };
    const struct um_dicom_out o     = { .pixels      = px,
                                        .rows        = 2,
                                        .columns     = 3,
                                        .bits        = 16,
                                        .is_signed   = true,
                                        .modality    = "CT",
                                        .study_uid   = "1.2.3",
                                        .series_uid  = "1.2.3.4",
                                        .patient     = "p7",
                                        .description = "Thorax 1.0",
                                        .instance    = 12,
                                        .spacing     = { 0.7, 0.123456789012345 },
                                        .geometry    = true,
                                        .position    = { -1.5, 2, 1e-7 },
                                        .orientation = { 1, 0, 0, 0, 0.8, -0.6 },
                                        .thickness   = 5,
                                        .slope       = 0.5,
                                        .inter       = -1024,
                                        .center      = 40,
                                        .width       = 400 };
    struct um_dicom           d;

    (void)state;
    written(&o);
    assert_int_equal(open_file(&d, f.n), UM_OK);
    assert_string_equal(d.study, "1.2.3");
    assert_string_equal(d.series, "1.2.3.4");
    assert_string_equal(d.modality, "CT");
    assert_string_equal(d.description, "Thorax 1.0");
    assert_true(d.plane.has_position && d.plane.has_orientation && d.plane.has_spacing);
    for (int i = 0; i < 3; i++)
        assert_true(d.plane.position[i] == o.position[i]);
    for (int i = 0; i < 6; i++)
        assert_true(d.plane.orientation[i] == o.orientation[i]);
    assert_true(d.plane.spacing[0] == 0.7);
    assert_float_equal(d.plane.spacing[1], o.spacing[1], 1e-13); /* 16 characters */
    assert_true(d.plane.slope == 0.5 && d.plane.inter == -1024 && d.thickness == 5);
    assert_true(d.has_window && d.center == 40 && d.width == 400);
}

static void writer_refuses(void **state)
{
    const uint8_t px[4] = { 0 };
    char          uid[UM_DICOM_UID];
    struct {
        struct um_dicom_out o;
        int                 st;
    } bad[] = { { { .rows = 0, .columns = 2, .bits = 8 }, UM_ERANGE },
                { { .rows = 2, .columns = 65536, .bits = 8 }, UM_ERANGE },
                { { .rows = 2, .columns = 2, .bits = 17 }, UM_ERANGE },
                { { .rows = 2, .columns = 2, .bits = 8, .patient = "a\nb" }, UM_EFORMAT },
                { { .rows = 2, .columns = 2, .bits = 8, .view = "a\\b" }, UM_EFORMAT },
                { { .rows = 2, .columns = 2, .bits = 8, .study_uid = "1.x" }, UM_EFORMAT },
                { { .rows = 2, .columns = 2, .bits = 8, .geometry = true }, UM_EFORMAT },
                { { .rows = 2, .columns = 2, .bits = 8, .slope = 1, .inter = INFINITY },
                  UM_ENONFINITE } };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct um_outfile *o;

        bad[i].o.pixels = px;
        assert_int_equal(um_outfile_open(&o, "/dev/null"), UM_OK);
        assert_int_equal(um_dicom_write(o, &bad[i].o), bad[i].st);
        assert_int_equal(um_outfile_close(o, UM_OK, 0), UM_OK);
    }
    um_dicom_uid("", uid); /* XXH3-128 of nothing is 99aa06d3014798d86001c324468d497f */
    assert_string_equal(uid, "2.25.204254712233039002205064565430793619839");
}

static void grey_is(const struct um_image_opts *opts, const uint8_t *want, size_t n)
{
    struct um_grey g;
    int            st = um_dicom_grey(arena, f.bytes, f.n, opts, &g);

    if (st != UM_OK)
        fail_msg("%s", um_errmsg());
    assert_int_equal(g.width * g.height, n);
    for (size_t i = 0; i < n; i++)
        if (g.px[i] != want[i])
            fail_msg("pixel %zu is %d, expected %d", i, g.px[i], want[i]);
}

static void pictures_as_stored(void **state)
{
    const int16_t       px[6] = { -5, 0, 1, 100, 333, 1000 };
    struct um_dicom_out o     = { .pixels    = px,
                                  .rows      = 2,
                                  .columns   = 3,
                                  .bits      = 16,
                                  .is_signed = true,
                                  .modality  = "DX",
                                  .center    = 1,
                                  .width     = 2 };

    (void)state;
    written(&o); /* 255 v / 1000 */
    grey_is(&stored, (const uint8_t[]){ 0, 0, 0, 26, 85, 255 }, 6);
    o.monochrome1 = true;
    written(&o);
    grey_is(&stored, (const uint8_t[]){ 255, 255, 255, 229, 170, 0 }, 6);
    o.pixels      = (const int16_t[6]){ -5, -4, -3, -2, -1, 0 };
    o.monochrome1 = false;
    written(&o);
    grey_is(&stored, (const uint8_t[6]){ 0 }, 6);
    o.modality = "CT";
    written(&o);
    struct um_grey g;
    assert_int_equal(um_dicom_grey(arena, f.bytes, f.n, &stored, &g), UM_ESHAPE);
    assert_non_null(strstr(um_errmsg(), "one slice of a CT: name the folder"));
}

static void pictures_by_window(void **state)
{
    const int16_t       px[6] = { 0, 984, 1064, 1100, 1264, 3000 };
    struct um_dicom_out o     = { .pixels   = px,
                                  .rows     = 2,
                                  .columns  = 3,
                                  .bits     = 12,
                                  .modality = "CT",
                                  .slope    = 1,
                                  .inter    = -1024,
                                  .center   = 40,
                                  .width    = 401 };

    (void)state;
    written(&o); /* HU -1024 -40 40 76 240 1976; ((x - 39.5) / 400 + 0.5) 255 */
    grey_is(&windowed, (const uint8_t[]){ 0, 77, 128, 151, 255, 255 }, 6);
    o.monochrome1 = true;
    written(&o);
    grey_is(&windowed, (const uint8_t[]){ 255, 178, 127, 104, 0, 0 }, 6);
    o.width       = 0; /* from the smallest value to the largest */
    o.monochrome1 = false;
    written(&o);
    grey_is(&windowed, (const uint8_t[]){ 0, 84, 90, 94, 107, 255 }, 6);
}

static void lookup_tables(void **state)
{
    static const uint8_t v[4] = { 1, 2, 3, 9 };

    (void)state;
    for (int undefined = 0; undefined < 2; undefined++) {
        dcm_begin(&f, UID ".1");
        dcm_kind(&f, &(struct dcm_kind){ 2, 2, 8, 8, 7, 0, 1, NULL });
        dcm_head(&f, 0x00283010, "SQ", undefined ? 0xffffffff : 8 + 14 + 14);
        dcm_head(&f, 0xfffee000, "", undefined ? 0xffffffff : 14 + 14);
        dcm_head(&f, 0x00283002, "US", 6);
        dcm_u16(&f, 3); /* entries, for 2, 3 and 4 */
        dcm_u16(&f, 2);
        dcm_u16(&f, 10);
        dcm_head(&f, 0x00283006, "US", 6);
        dcm_u16(&f, 0);
        dcm_u16(&f, 512);
        dcm_u16(&f, 1023);
        if (undefined) {
            dcm_head(&f, 0xfffee00d, "", 0);
            dcm_head(&f, 0xfffee0dd, "", 0);
        }
        dcm_head(&f, 0x7fe00010, "OB", 4);
        dcm_bytes(&f, v, 4);
        grey_is(&windowed, (const uint8_t[]){ 0, 0, 128, 255 }, 4);
    }
    f.n -= 1; /* cut */
    refused(UM_EFORMAT, "cut");
}

/* six 16-bit values with padding: `limit` 0 is none */
static void padded(const char *photometric, int is_signed, unsigned padding, unsigned limit,
                   const uint16_t v[6])
{
    dcm_begin(&f, UID ".1");
    dcm_kind(&f, &(struct dcm_kind){ 2, 3, 16, 16, 15, (unsigned)is_signed, 1, photometric });
    dcm_number(&f, 0x00280120, padding);
    if (limit)
        dcm_number(&f, 0x00280121, limit);
    dcm_text(&f, 0x00281050, "DS", "2000.5");
    dcm_text(&f, 0x00281051, "DS", "2001");
    dcm_values(&f, v, 6);
}

static void padding_is_black(void **state)
{
    const uint16_t body[6] = { 65535, 0, 1000, 2000, 4000, 65535 },
                   cold[6] = { 63536, 63536, 1000, 2000, 4000, 0 },
                   low[6]  = { 10, 20, 25, 3000, 4000, 1000 };
    struct um_dicom d;

    (void)state;
    padded(NULL, 0, 65535, 0, body);
    grey_is(&stored, (const uint8_t[]){ 0, 0, 64, 128, 255, 0 }, 6);
    grey_is(&windowed, (const uint8_t[]){ 0, 0, 0, 128, 255, 0 }, 6);
    padded("MONOCHROME1", 0, 65535, 0, body);
    grey_is(&stored, (const uint8_t[]){ 0, 255, 191, 127, 0, 0 }, 6);
    grey_is(&windowed, (const uint8_t[]){ 0, 255, 255, 127, 0, 0 }, 6);
    padded("MONOCHROME1", 1, 63536, 0, cold); /* -2000 */
    grey_is(&stored, (const uint8_t[]){ 0, 0, 191, 127, 0, 255 }, 6);
    for (int back = 0; back < 2; back++) { /* 10 to 20, whichever comes first */
        padded("MONOCHROME1", 0, back ? 20 : 10, back ? 10 : 20, low);
        grey_is(&stored, (const uint8_t[]){ 0, 0, 253, 64, 0, 191 }, 6);
    }
    padded(NULL, 0, 1, 65535, body); /* all of them */
    grey_is(&stored, (const uint8_t[6]){ 0 }, 6);
    grey_is(&windowed, (const uint8_t[6]){ 0 }, 6);
    dcm_begin(&f, UID ".1"); /* 12 bits hold no such value */
    dcm_kind(&f, &(struct dcm_kind){ 2, 3, 16, 12, 11, 0, 1, NULL });
    dcm_number(&f, 0x00280120, 65535);
    dcm_values(&f, body, 6);
    assert_int_equal(open_file(&d, f.n), UM_OK);
    assert_true(d.plane.padding[0] > d.plane.padding[1]);
}

/* no beginning of a file is taken for the whole, and none is read beyond its end */
static void cut_anywhere(void **state)
{
    struct um_dicom d;

    (void)state;
    make(UID ".1", &deep);
    for (size_t n = 0; n < f.n; n++) {
        const int st = open_file(&d, n);

        assert_true(st == UM_EFORMAT || (st == UM_OK && !d.has_pixels));
    }
    /* the same beginning of a file that is longer: more is asked for, or the header is complete */
    for (size_t n = 132; n < f.n; n++) {
        const int st = um_dicom_open(arena, f.bytes, n, f.n, 100000, &d);

        assert_true(st == UM_DICOM_MORE || (st == UM_OK && d.has_pixels && d.pixels_at <= n));
    }
}

static void without_preamble(void **state)
{
    struct um_dicom d;

    (void)state;
    for (int implicit = 0; implicit < 2; implicit++) {
        static const uint8_t zeros[200];

        memset(&f, 0, sizeof f);
        f.implicit = implicit;
        dcm_text(&f, 0x00080016, "UI", UID);
        dcm_text(&f, 0x00080060, "CS", "CT");
        dcm_kind(&f, &(struct dcm_kind){ 10, 10, 8, 8, 7, 0, 1, NULL });
        dcm_head(&f, 0x7fe00010, "OB", 200);
        dcm_bytes(&f, zeros, 200);
        assert_true(um_dicom_is(f.bytes, f.n));
        assert_int_equal(open_file(&d, f.n), UM_OK);
        assert_string_equal(d.modality, "CT");
        assert_true(d.has_pixels);
    }
}

static void headers_that_lie(void **state)
{
    static const struct {
        struct dcm_kind k;
        int             st;
        const char     *says;
    } bad[] = {
        { { 0, 5, 16, 16, 15, 0, 1, NULL }, UM_EFORMAT, "0 rows and 5 columns" },
        { { 65535, 65535, 16, 16, 15, 0, 1, NULL }, UM_ERANGE, "at most 100000 allowed" },
        { { 300, 300, 16, 16, 15, 0, 1, NULL }, UM_EFORMAT, "cut: 300 x 300 x 1 pixels" },
        { { 3, 5, 12, 12, 11, 0, 1, NULL }, UM_EUNSUPPORTED, "12 bits allocated" },
        { { 3, 5, 32, 32, 31, 0, 1, NULL }, UM_EUNSUPPORTED, "32 bits allocated" },
        { { 3, 5, 16, 0, 15, 0, 1, NULL }, UM_EFORMAT, "0 bits stored" },
        { { 3, 5, 16, 12, 16, 0, 1, NULL }, UM_EFORMAT, "up to bit 16" },
        { { 3, 5, 16, 12, 10, 0, 1, NULL }, UM_EFORMAT, "up to bit 10" },
        { { 3, 5, 16, 16, 15, 0, 2, NULL }, UM_EUNSUPPORTED, "2 samples" },
        { { 3, 5, 16, 16, 15, 0, 3, "MONOCHROME2" }, UM_EFORMAT, "3 samples" },
        { { 3, 5, 16, 16, 15, 0, 3, "HSV" }, UM_EUNSUPPORTED, "\"HSV\"" },
        { { 3, 5, 16, 16, 15, 0, 3, "RGB" }, UM_EFORMAT, "cut: 5 x 3 x 1 pixels of 48 bits" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        make(UID ".1", &bad[i].k);
        refused(bad[i].st, bad[i].says);
    }
    dcm_begin(&f, UID ".1");
    dcm_text(&f, 0x00280008, "IS", "2000000000");
    dcm_kind(&f, &deep);
    dcm_values(&f, (const uint16_t[15]){ 0 }, 15);
    refused(UM_ERANGE, "5 x 3 x 2000000000 pixels, at most");
    make("1.2.3", &deep);
    refused(UM_EUNSUPPORTED, "transfer syntax 1.2.3 is not read");
    dcm_begin(&f, UID ".4.90");
    dcm_kind(&f, &deep);
    dcm_values(&f, (const uint16_t[15]){ 0 }, 15);
    refused(UM_EFORMAT, "pixels not in fragments, but JPEG 2000");
}

static void lengths_that_lie(void **state)
{
    (void)state;
    dcm_begin(&f, UID ".1");
    dcm_head(&f, 0x00091010, "OB", 0xfffffff0);
    dcm_bytes(&f, "four", 4);
    refused(UM_EFORMAT, "element (0009,1010) at byte 172 promises 4294967280 bytes, there are 4");
    dcm_begin(&f, UID ".1");
    for (int i = 0; i < 40; i++) { /* sequences inside sequences */
        dcm_head(&f, 0x00081140, "SQ", 0xffffffff);
        dcm_head(&f, 0xfffee000, "", 0xffffffff);
    }
    refused(UM_EFORMAT, "sequences more than 16 deep");
    dcm_begin(&f, UID ".1");
    dcm_head(&f, 0x00081140, "SQ", 0xffffffff);
    dcm_head(&f, 0xfffee000, "", 0xffffffff);
    refused(UM_EFORMAT, "cut: an element that begins at byte");
    dcm_begin(&f, UID ".1");
    dcm_head(&f, 0x00081140, "SQ", 0xffffffff);
    dcm_text(&f, 0x00080060, "CS", "CT");
    refused(UM_EFORMAT, "no item at byte");
    dcm_begin(&f, UID ".1");
    dcm_text(&f, 0x00080060, "CS", "CT");
    dcm_text(&f, 0x00080070, "l1", "x");
    refused(UM_EFORMAT, "element (0008,0070) at byte 170 has no VR");
    f.n = 170;
    refused(UM_ERANGE, "frame 0 of 0"); /* nothing is wrong but that there are no pixels */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_gives_the_same),
        cmocka_unit_test(bytes_in_words),
        cmocka_unit_test(unused_bits),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_the_header_says),
        cmocka_unit_test(writer_refuses),
        cmocka_unit_test(pictures_as_stored),
        cmocka_unit_test(pictures_by_window),
        cmocka_unit_test(lookup_tables),
        cmocka_unit_test(padding_is_black),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(without_preamble),
        cmocka_unit_test(headers_that_lie),
        cmocka_unit_test(lengths_that_lie),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
