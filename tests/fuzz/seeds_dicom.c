/* seeds_dicom.c - small DICOM files of the codings and kinds that um-phantom does not write, for
 * the fuzzer to begin with
 *
 * usage: seeds_dicom DIR     writes DIR/dicom
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include <libdeflate.h>

#include "base/file.h"
#include "tests/unit/dicom_codes.h"
#include "tests/unit/dicom_test.h"

#define UID "1.2.840.10008.1.2"

static const char *root;
static struct dcm  f;

static void must(int st)
{
    if (st < 0) {
        (void)fprintf(stderr, "seeds_dicom: %s\n", um_errmsg());
        exit(1);
    }
}

static void save(const char *name)
{
    struct um_outfile *o;
    char               path[4096];

    (void)snprintf(path, sizeof path, "%s/dicom", root);
    must(um_mkdirs(path));
    (void)snprintf(path, sizeof path, "%s/dicom/%s", root, name);
    must(um_outfile_open(&o, path));
    must(um_outfile_close(o, um_outfile_write(o, f.bytes, f.n), 0));
}

static void native(void)
{
    static const char *const syntax[] = { UID, UID ".1", UID ".2" };
    const struct dcm_kind    k        = { 5, 7, 16, 12, 11, 0, 1, NULL },
                          colour      = { 3, 4, 8, 8, 7, 0, 3, "RGB" };
    uint16_t v[35];

    for (unsigned i = 0; i < 35; i++)
        v[i] = (uint16_t)(i * 117);
    for (int s = 0; s < 3; s++) {
        char name[16];

        dcm_begin(&f, syntax[s]);
        dcm_text(&f, 0x00080060, "CS", "DX");
        dcm_kind(&f, &k);
        dcm_text(&f, 0x00281050, "DS", "40\\50");
        dcm_text(&f, 0x00281051, "DS", "400\\350");
        dcm_text(&f, 0x00281052, "DS", "-1024");
        dcm_text(&f, 0x00281053, "DS", "1");
        dcm_text(&f, 0x00281056, "LO", s ? "SIGMOID" : "LINEAR_EXACT");
        dcm_values(&f, v, 35);
        (void)snprintf(name, sizeof name, "native%d", s);
        save(name);
    }
    dcm_begin(&f, UID ".1");
    dcm_kind(&f, &colour);
    dcm_head(&f, 0x7fe00010, "OW", 36);
    dcm_bytes(&f, v, 36);
    save("colour");
}

static void coded(const char *name, const char *syntax, const uint8_t *code, size_t n, size_t parts)
{
    dcm_begin(&f, syntax);
    dcm_kind(&f, &(struct dcm_kind){ 32, 33, 16, 12, 11, 0, 1, NULL });
    dcm_fragments(&f, code, n, parts);
    save(name);
}

static void rle(void)
{
    static const uint8_t code[]  = { 0xfd, 1, 1, 1, 2, 0xff, 3, 0x80 };
    uint8_t              all[72] = { 2, 0, 0, 0, 64, 0, 0, 0, 66, 0, 0, 0 };

    memcpy(all + 64, code, 8);
    dcm_begin(&f, UID ".5");
    dcm_kind(&f, &(struct dcm_kind){ 2, 2, 16, 16, 15, 0, 1, NULL });
    dcm_fragments(&f, all, 72, 1);
    save("rle");
}

static void deflated(void)
{
    struct libdeflate_compressor *z = libdeflate_alloc_compressor(6);
    static uint8_t                packed[DICOM_ROOM];
    const uint16_t                v[6] = { 1, 2, 3, 4, 5, 6 };
    size_t                        head;

    dcm_begin(&f, UID ".1");
    head = f.n;
    dcm_kind(&f, &(struct dcm_kind){ 2, 3, 16, 16, 15, 0, 1, "MONOCHROME1" });
    dcm_values(&f, v, 6);
    const size_t n = libdeflate_deflate_compress(z, f.bytes + head, f.n - head, packed, DICOM_ROOM);
    libdeflate_free_compressor(z);
    dcm_begin(&f, UID ".1.99");
    dcm_bytes(&f, packed, n);
    save("deflated");
}

/* a table of four entries; in a sequence of one item */
static void table(uint32_t sequence)
{
    dcm_head(&f, sequence, "SQ", 0xffffffff);
    dcm_head(&f, 0xfffee000, "", 0xffffffff);
    dcm_head(&f, 0x00283002, "US", 6);
    dcm_u16(&f, 4);
    dcm_u16(&f, 0);
    dcm_u16(&f, 12);
    dcm_head(&f, 0x00283006, "OW", 8);
    dcm_bytes(&f, "\1\0\2\0\3\0\4\0", 8);
    dcm_head(&f, 0xfffee00d, "", 0);
    dcm_head(&f, 0xfffee0dd, "", 0);
}

static void tables(void)
{
    static const uint8_t px[4] = { 0, 1, 2, 3 };

    dcm_begin(&f, UID ".1");
    dcm_kind(&f, &(struct dcm_kind){ 2, 2, 8, 8, 7, 0, 1, "PALETTE COLOR" });
    for (uint32_t c = 0; c < 3; c++) {
        dcm_head(&f, 0x00281101 + c, "US", 6);
        dcm_u16(&f, 4);
        dcm_u16(&f, 0);
        dcm_u16(&f, 16);
    }
    for (uint32_t c = 0; c < 3; c++) {
        dcm_head(&f, 0x00281201 + c, "OW", 8);
        dcm_bytes(&f, "\1\0\2\10\3\0\4\60", 8);
    }
    dcm_head(&f, 0x7fe00010, "OB", 4);
    dcm_bytes(&f, px, 4);
    save("palette");
    dcm_begin(&f, UID ".1");
    dcm_kind(&f, &(struct dcm_kind){ 2, 2, 8, 8, 7, 0, 1, NULL });
    table(0x00283000);
    table(0x00283010);
    dcm_head(&f, 0x7fe00010, "OB", 4);
    dcm_bytes(&f, px, 4);
    save("tables");
}

/* an element in a sequence of one item, nested as functional groups are */
static void group(uint32_t sequence, uint32_t tag, const char *text)
{
    dcm_head(&f, sequence, "SQ", 0xffffffff);
    dcm_head(&f, 0xfffee000, "", 0xffffffff);
    dcm_text(&f, tag, "DS", text);
    dcm_head(&f, 0xfffee00d, "", 0);
    dcm_head(&f, 0xfffee0dd, "", 0);
}

static void enhanced(void)
{
    static const uint16_t    v[18] = { 1000, 2000, 3000 };
    static const char *const at[3] = { "0\\0\\0", "0\\0\\2", "0\\0\\4" };

    dcm_begin(&f, UID ".1");
    dcm_text(&f, 0x00280008, "IS", "3");
    dcm_kind(&f, &(struct dcm_kind){ 2, 3, 16, 16, 15, 0, 1, NULL });
    dcm_head(&f, 0x52009229, "SQ", 0xffffffff);
    dcm_head(&f, 0xfffee000, "", 0xffffffff);
    group(0x00209116, 0x00200037, "1\\0\\0\\0\\1\\0");
    group(0x00289110, 0x00280030, "0.5\\0.75");
    group(0x00289145, 0x00281052, "-1024");
    dcm_head(&f, 0xfffee00d, "", 0);
    dcm_head(&f, 0xfffee0dd, "", 0);
    dcm_head(&f, 0x52009230, "SQ", 0xffffffff);
    for (int i = 0; i < 3; i++) {
        dcm_head(&f, 0xfffee000, "", 0xffffffff);
        group(0x00209113, 0x00200032, at[i]);
        dcm_head(&f, 0xfffee00d, "", 0);
    }
    dcm_head(&f, 0xfffee0dd, "", 0);
    dcm_values(&f, v, 18);
    save("enhanced");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: seeds_dicom DIR\n");
        return 2;
    }
    root = argv[1];
    native();
    coded("j2k", UID ".4.90", code_j2k, sizeof code_j2k, 1);
    coded("jls", UID ".4.80", code_jls, sizeof code_jls, 2);
    coded("lossless", UID ".4.70", code_lossless, sizeof code_lossless, 1);
    rle();
    deflated();
    tables();
    enhanced();
    return 0;
}
