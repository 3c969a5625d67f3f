/* media_dicom_codes.c - compressed DICOM files: every coding, fragments, damage */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <libdeflate.h>

#include "media/dicom_codec.h"
#include "tests/unit/dicom_codes.h"
#include "tests/unit/dicom_rig.h"

static void codes(void **state)
{
    const struct dcm_kind k = { 32, 33, 16, 12, 11, 0, 1, NULL };
    const struct {
        const char    *syntax;
        const uint8_t *code;
        size_t         n;
    } all[] = { { UID ".4.90", code_j2k, sizeof code_j2k },
                { UID ".4.80", code_jls, sizeof code_jls },
                { UID ".4.70", code_lossless, sizeof code_lossless } };
    static uint16_t out[33 * 32];
    struct um_dicom d;
    bool            luma;

    (void)state;
    for (size_t c = 0; c < 3; c++)
        for (size_t parts = 1; parts < 4; parts++) {
            dcm_begin(&f, all[c].syntax);
            dcm_kind(&f, &k);
            dcm_fragments(&f, all[c].code, all[c].n, parts);
            const int st = read_file(&d, out, &luma);

            if (st == UM_EUNSUPPORTED && strstr(um_errmsg(), "without GDCM")) {
                print_message("um was built without GDCM\n");
                skip();
            }
            assert_int_equal(st, UM_OK);
            for (int i = 0; i < 33 * 32; i++)
                assert_int_equal(out[i], 1000 + 20 * (i % 33) + 3 * (i / 33));
        }
    dcm_begin(&f, UID ".4.90");
    dcm_kind(&f, &(struct dcm_kind){ 32, 34, 16, 12, 11, 0, 1, NULL });
    dcm_fragments(&f, code_j2k, sizeof code_j2k, 1);
    refused(UM_EFORMAT,
            "a picture of 33 x 32 pixels, 1 components of 12 bits, in a file of 34 x 32");
}

static void rle(void **state)
{
    /* two segments: high bytes 1 1 1 1, low bytes 1 2 3 and one more 3 */
    uint8_t         code[64 + 2 + 6] = { 2, 0, 0, 0, 64, 0, 0, 0, 66, 0, 0, 0 };
    struct um_dicom d;
    uint16_t        out[4];
    bool            luma;

    (void)state;
    memcpy(code + 64, (const uint8_t[]){ 0xfd, 1, 1, 1, 2, 0xff, 3, 0x80 }, 8);
    for (int cut = 0; cut < 2; cut++) {
        dcm_begin(&f, UID ".5");
        dcm_kind(&f, &(struct dcm_kind){ 2, 2, 16, 16, 15, 0, 1, NULL });
        dcm_fragments(&f, code, cut ? 70 : sizeof code, 1);
        if (cut) {
            refused(UM_EFORMAT, "RLE: cut: 2 of 4 values");
            continue;
        }
        assert_int_equal(read_file(&d, out, &luma), UM_OK);
        assert_memory_equal(out, ((const uint16_t[]){ 257, 258, 259, 259 }), 8);
    }
    code[8] = 63;
    dcm_begin(&f, UID ".5");
    dcm_kind(&f, &(struct dcm_kind){ 2, 2, 16, 16, 15, 0, 1, NULL });
    dcm_fragments(&f, code, sizeof code, 1);
    refused(UM_EFORMAT, "RLE: segment 0 lies outside the frame");
}

enum { BOMB = 40 << 20 };

static void deflated(void **state)
{
    struct libdeflate_compressor *z = libdeflate_alloc_compressor(6);
    struct um_dicom               d;
    uint16_t                      out[15];
    static uint8_t                packed[DICOM_ROOM];
    uint8_t                      *zeros = calloc(1, BOMB);
    bool                          luma;

    (void)state;
    make(UID ".1", &deep);
    const size_t head = 132 + 8 + 20,
                 n = libdeflate_deflate_compress(z, f.bytes + head, f.n - head, packed, DICOM_ROOM);
    dcm_begin(&f, UID ".1.99");
    dcm_bytes(&f, packed, n);
    assert_int_equal(read_file(&d, out, &luma), UM_OK);
    assert_false(um_dicom_plain(&d));
    assert_int_equal(out[14], (uint16_t)(0x9111 * 15));
    f.n -= 3;
    refused(UM_EFORMAT, "deflated: cut or damaged");
    /* room for 100,000 pixels is 800,000 bytes and 16 MB of header */
    const size_t bomb = libdeflate_deflate_compress(z, zeros, BOMB, packed, DICOM_ROOM);
    dcm_begin(&f, UID ".1.99");
    dcm_bytes(&f, packed, bomb);
    refused(UM_ERANGE, "deflated: more than 17577216 bytes inside");
    libdeflate_free_compressor(z);
    free(zeros);
}

static void frames_and_fragments(void **state)
{
    static const uint8_t code[64 + 8] = { 2, 0, 0, 0, 64, 0, 0, 0, 66, 0, 0, 0 };

    (void)state;
    dcm_begin(&f, UID ".5");
    dcm_text(&f, 0x00280008, "IS", "2");
    dcm_kind(&f, &(struct dcm_kind){ 2, 2, 16, 16, 15, 0, 1, NULL });
    dcm_fragments(&f, code, sizeof code, 1);
    refused(UM_EFORMAT, "2 frames in 1 fragments");
    dcm_begin(&f, UID ".5");
    dcm_text(&f, 0x00280008, "IS", "2");
    dcm_kind(&f, &(struct dcm_kind){ 2, 2, 16, 16, 15, 0, 1, NULL });
    dcm_fragments(&f, code, sizeof code, 3);
    refused(UM_EFORMAT, "2 frames in 3 fragments: which is whose is not said");
}

/* no memory is taken for more pixels than the bytes can be believed to hold */
static void too_few_bytes(void **state)
{
    const struct {
        const char *syntax;
        unsigned    side;
    } huge[] = {
        { UID ".5", 256 }, { UID ".4.70", 128 }, { UID ".4.90", 4000 }, { UID ".4.80", 4000 }
    };
    static const uint8_t code[100];
    struct um_dicom      d;

    (void)state;
    for (int i = 0; i < 4; i++) {
        dcm_begin(&f, huge[i].syntax);
        dcm_kind(&f, &(struct dcm_kind){ huge[i].side, huge[i].side, 16, 16, 15, 0, 1, NULL });
        dcm_fragments(&f, code, 100, 1);
        assert_int_equal(um_dicom_open(arena, f.bytes, f.n, f.n, 1 << 29, &d), UM_EFORMAT);
        assert_non_null(strstr(um_errmsg(), "124 bytes of pixels there"));
    }
}

static void codestream_headers(void **state)
{
    struct um_dicom_picture p;
    uint8_t                 bytes[sizeof code_j2k];

    (void)state;
    assert_int_equal(um_dicom_picture(code_lossless, sizeof code_lossless, false, &p), UM_OK);
    assert_int_equal(p.width, 33);
    assert_int_equal(p.height, 32);
    for (size_t n = 0; n < sizeof code_j2k; n++) { /* exactly n bytes may be looked at */
        uint8_t *cut = um_alloc(arena, n);

        memcpy(cut, code_j2k, n);
        assert_true(um_dicom_picture(cut, n, true, &p) <= 0);
        memcpy(cut, code_jls, n < sizeof code_jls ? n : sizeof code_jls);
        assert_true(um_dicom_picture(cut, n, false, &p) <= 0);
    }
    memcpy(bytes, code_j2k, sizeof bytes);
    memset(bytes + 8, 0xff, 4); /* four billion columns */
    assert_int_equal(um_dicom_picture(bytes, sizeof bytes, true, &p), UM_OK);
    assert_int_equal(p.width, 0xffffffff);
    bytes[16] = 0xff;
    memset(bytes + 16, 0xff, 4); /* none is left of them */
    assert_int_equal(um_dicom_picture(bytes, sizeof bytes, true, &p), UM_EFORMAT);
}

/* GDCM may end at a damaged code: then that picture is refused, and the next one is read */
static void damaged_codes(void **state)
{
    static uint16_t out[33 * 32];
    struct um_dicom d;
    bool            luma;
    int             ended = 0;

    (void)state;
    for (size_t at = 0; at < sizeof code_lossless; at += at < 48 ? 1 : 9) {
        dcm_begin(&f, UID ".4.70");
        dcm_kind(&f, &(struct dcm_kind){ 32, 33, 16, 12, 11, 0, 1, NULL });
        dcm_fragments(&f, code_lossless, sizeof code_lossless, 1);
        f.bytes[f.n - 8 - sizeof code_lossless + at] ^= 0x5a;
        const int st = read_file(&d, out, &luma);

        if (st == UM_EUNSUPPORTED && strstr(um_errmsg(), "without GDCM"))
            skip();
        assert_true(st == UM_OK || st == UM_EFORMAT);
        ended += st == UM_EFORMAT && strstr(um_errmsg(), "GDCM ended at it") != NULL;
    }
    print_message("GDCM ended %d times\n", ended);
    dcm_begin(&f, UID ".4.70");
    dcm_kind(&f, &(struct dcm_kind){ 32, 33, 16, 12, 11, 0, 1, NULL });
    dcm_fragments(&f, code_lossless, sizeof code_lossless, 1);
    assert_int_equal(read_file(&d, out, &luma), UM_OK);
    assert_int_equal(out[33 * 32 - 1], 1000 + 20 * 32 + 3 * 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes),
        cmocka_unit_test(damaged_codes),
        cmocka_unit_test(rle),
        cmocka_unit_test(deflated),
        cmocka_unit_test(frames_and_fragments),
        cmocka_unit_test(too_few_bytes),
        cmocka_unit_test(codestream_headers),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
