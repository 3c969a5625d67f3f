/* media_text_volumes.c - MetaImage and NRRD: what they hold, and every way their headers can lie */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "media/meta.h"
#include "media/meta_write.h"
#include "media/nrrd.h"
#include "media/nrrd_write.h"

enum { NX = 5, NY = 4, NZ = 3, N = NX * NY * NZ, TEXT = 4096 };

static char                      dir[64], path[128];
static struct um_arena          *arena;
static int16_t                   voxels[N];
static const struct um_scan_opts plain      = { .max_voxels = 1000, .frame = -1 };
static const double              affine[12] = { 0, 0.75, 0.125, -10, -0.5, 0, 0, 20, 0, 0, 2, 30 };

typedef int read_fn(struct um_arena *, const char *, uint8_t *, size_t, const struct um_scan_opts *,
                    struct um_scan *);

static void put(const char *name, const void *data, size_t n)
{
    struct um_outfile *f;
    char               to[256];

    (void)snprintf(to, sizeof to, "%s/%s", dir, name);
    assert_int_equal(um_outfile_open(&f, to), UM_OK);
    assert_int_equal(um_outfile_close(f, um_outfile_write(f, data, n), 0), UM_OK);
}

/* a header as text, and what stands behind it */
static int read_text(read_fn *fn, const char *head, const void *tail, size_t n,
                     const struct um_scan_opts *opts, struct um_scan *out)
{
    const size_t len   = strlen(head);
    uint8_t     *bytes = um_alloc(arena, len + n);

    memcpy(bytes, head, len);
    if (n > 0)
        memcpy(bytes + len, tail, n);
    return fn(arena, path, bytes, len + n, opts, out);
}

static void assert_refused(read_fn *fn, const char *head, int status, const char *text)
{
    struct um_scan out;

    assert_int_equal(read_text(fn, head, voxels, sizeof voxels, &plain, &out), status);
    if (!strstr(um_errmsg(), text))
        fail_msg("\"%s\" does not hold \"%s\"", um_errmsg(), text);
}

static void assert_holds(const struct um_scan *s, int64_t from)
{
    const struct um_volume *v = &s->volume;

    assert_int_equal(v->dim[0], NZ);
    assert_int_equal(v->dim[1], NY);
    assert_int_equal(v->dim[2], NX);
    for (int64_t z = 0, i = 0; z < NZ; z++)
        for (int64_t y = 0; y < NY; y++) {
            float row[NX];

            assert_int_equal(um_volume_row(v, z, y, row), UM_OK);
            for (int64_t x = 0; x < NX; x++, i++)
                assert_true(row[x] == (float)voxels[i] + (float)from);
        }
}

/* what is written comes back, affine too */
static void round_trip(void **state)
{
    static int (*const write[])(struct um_outfile *, struct um_outfile *,
                                const struct um_meta_out *) = { um_meta_write, um_nrrd_write };
    static read_fn *const read[]                            = { um_meta_read, um_nrrd_read };

    (void)state;
    for (int k = 0; k < 8; k++) {
        struct um_meta_out v = { .data      = voxels,
                                 .dtype     = UM_I16,
                                 .depth     = NZ,
                                 .height    = NY,
                                 .width     = NX,
                                 .affine    = affine,
                                 .deflate   = k & 1,
                                 .data_file = k & 2 ? "v.raw" : NULL };
        struct um_outfile *f, *g = NULL;
        struct um_scan     s;
        uint8_t           *bytes;
        size_t             n;
        char               other[128];

        (void)snprintf(other, sizeof other, "%s/v.raw", dir);
        assert_int_equal(um_outfile_open(&f, path), UM_OK);
        if (v.data_file)
            assert_int_equal(um_outfile_open(&g, other), UM_OK);
        assert_int_equal(um_outfile_close(f, write[k / 4](f, g, &v), 0), UM_OK);
        assert_int_equal(um_outfile_close(g, UM_OK, 0), UM_OK);
        assert_int_equal(um_file_read(arena, path, 1 << 20, &bytes, &n), UM_OK);
        assert_true(k / 4 ? um_nrrd_is(bytes, n) : um_meta_is(bytes, n));
        assert_int_equal(read[k / 4](arena, path, bytes, n, &plain, &s), UM_OK);
        assert_holds(&s, 0);
        assert_int_equal(s.notes, 0);
        for (int i = 0; i < 12; i++)
            assert_true(fabs(s.volume.affine[i] - affine[i]) <= 1e-12);
    }
}

#define META                                                                                       \
    "ObjectType = Image\nNDims = 3\nDimSize = 5 4 3\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n"        \
    "ElementSpacing = 1 2 3\nElementType = MET_SHORT\n"
#define LOCAL "ElementDataFile = LOCAL\n"
#define NRRD                                                                                       \
    "NRRD0004\ntype: short\ndimension: 3\nsizes: 5 4 3\nspace: RAS\n"                              \
    "space directions: (0,-0.5,0) (0.75,0,0) (0.125,0,2)\nspace origin: (-10, 20, 30)\n"
#define RAW "endian: little\nencoding: raw\n\n"

static void meta_files(void **state)
{
    struct um_scan s;
    char           name[16], text[TEXT];
    int            n = 0;

    (void)state;
    for (int z = 0; z < NZ; z++) {
        (void)snprintf(name, sizeof name, "s%03d", 2 * z);
        put(name, voxels + (size_t)z * NX * NY, sizeof(int16_t) * NX * NY);
    }
    assert_int_equal(
        read_text(um_meta_read, META "ElementDataFile = s%03d 0 4 2\n", NULL, 0, &plain, &s),
        UM_OK);
    assert_holds(&s, 0);
    assert_int_equal(read_text(um_meta_read,
                               META "ElementDataFile = LIST\ns000\r\ns002\n\n s004 \n", NULL, 0,
                               &plain, &s),
                     UM_OK);
    assert_holds(&s, 0);
    for (int i = 0; i < N; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%d%s", voxels[i], i % 7 ? " " : "\n");
    assert_int_equal(
        read_text(um_meta_read, META "BinaryData = False\n" LOCAL, text, (size_t)n, &plain, &s),
        UM_OK);
    assert_holds(&s, 0);
    put("v.raw", "xyz", 3);
    assert_int_equal(
        read_text(um_meta_read,
                  META "HeaderSize = -1\nElementToIntensityFunctionSlope = 1\n"
                       "ElementToIntensityFunctionOffset = -24\n" LOCAL,
                  (memcpy(text, "noise", 5), memcpy(text + 5, voxels, sizeof voxels), text),
                  5 + sizeof voxels, &plain, &s),
        UM_OK);
    assert_holds(&s, -24);
    assert_int_equal(s.notes, 1);
    assert_refused(um_meta_read, META "ElementDataFile = v.raw\n", UM_EFORMAT,
                   "cut: the header promises 120 bytes of voxels, 3 are there");
    assert_refused(um_meta_read, META "ElementDataFile = s%03d 0 6 2\n", UM_ERANGE, "4 files");
    assert_refused(um_meta_read, META "ElementDataFile = s%03d 0 2 2\n", UM_EFORMAT, "2 files");
    assert_int_equal(
        read_text(um_meta_read, META "ElementDataFile = LIST\ns000\ns002\n", NULL, 0, &plain, &s),
        UM_EFORMAT);
    assert_non_null(strstr(um_errmsg(), "2 files named"));
    assert_int_equal(read_text(um_meta_read, META, NULL, 0, &plain, &s), UM_EFORMAT);
    assert_non_null(strstr(um_errmsg(), "no ElementDataFile"));
}

static read_fn *const readers[] = { um_meta_read, um_nrrd_read };

/* a header of 7 bytes that nothing tells of, or bytes behind */
static void surplus(void **state)
{
    static const struct {
        const char *head;
        bool        refused;
        int64_t     at; /* where the voxels are looked for */
    } form[] = {
        { META "ElementDataFile = v.raw\n", true, 0 },
        { META "HeaderSize = 0\nElementDataFile = v.raw\n", false, 0 },
        { META "HeaderSize = 7\nElementDataFile = v.raw\n", false, 7 },
        { META LOCAL, false, 0 },
        { NRRD "endian: little\nencoding: raw\ndata file: v.raw\n\n", true, 0 },
        { NRRD "endian: little\nencoding: raw\ndata file: v.raw\nline skip: 1\n\n", true, 0 },
        { NRRD "endian: little\nencoding: raw\nbyte skip: 7\ndata file: v.raw\n\n", false, 7 },
        { NRRD RAW, false, 0 }
    };
    char           bytes[14 + sizeof voxels] = "\n";
    struct um_scan s;

    (void)state;
    memcpy(bytes + 7, voxels, sizeof voxels);
    put("v.raw", bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof form / sizeof form[0]; i++) {
        const int st = read_text(readers[i / 4], form[i].head, bytes, sizeof bytes, &plain, &s);

        if (form[i].refused) {
            assert_int_equal(st, UM_EFORMAT);
            assert_non_null(
                strstr(um_errmsg(), i == 5 ? "v.raw: 13 bytes more" : "v.raw: 14 bytes more"));
            continue;
        }
        assert_int_equal(st, UM_OK);
        assert_int_equal(s.notes, 1);
        assert_string_equal(s.note[0], form[i].at == 7
                                           ? "7 bytes behind the voxels: are the sizes right?"
                                           : "14 bytes behind the voxels: are the sizes right?");
        if (form[i].at == 7)
            assert_holds(&s, 0);
    }
}

static void meta_lies(void **state)
{
    static const struct {
        const char *head;
        int         status;
        const char *text;
    } lie[] = {
        { "ObjectType = Scene\n" LOCAL, UM_EUNSUPPORTED, "ObjectType Scene" },
        { "NDims = 5\n" LOCAL, UM_EUNSUPPORTED, "5 dimensions" },
        { "NDims = 3\nNDims = 3\n" LOCAL, UM_EFORMAT, "NDims is given twice" },
        { "NDims = 3\nDimSize = 4 4\n" LOCAL, UM_EFORMAT, "DimSize is not 3" },
        { "NDims = 3\nDimSize = 4 4 0\nElementType = MET_SHORT\n" LOCAL, UM_EFORMAT,
          "dimension 3 is 0" },
        { "NDims = 3\nDimSize = 999999999999 999999999999 9999999\nElementType = MET_SHORT\n" LOCAL,
          UM_ERANGE, "--max-pixels" },
        { "NDims = 3\nDimSize = 4 4 4\n" LOCAL, UM_EFORMAT, "no ElementType" },
        { "NDims = 3\nDimSize = 4 4 4\nElementType = MET_SHORT_ARRAY\n" LOCAL, UM_EUNSUPPORTED,
          "MET_SHORT_ARRAY" },
        { "NDims = 3\nDimSize = 4 4 4\nElementNumberOfChannels = 3\n" LOCAL, UM_EUNSUPPORTED,
          "3 channels" },
        { "NDims = 4\nDimSize = 2 2 2 2\nElementType = MET_SHORT\n" LOCAL, UM_ESHAPE, "--frame" },
        { META "CompressedData = Maybe\n" LOCAL, UM_EFORMAT, "Maybe" },
        { META "CompressedData = True\n" LOCAL, UM_EFORMAT, "zlib: cut or damaged" },
        { META "HeaderSize = -2\n" LOCAL, UM_EFORMAT, "HeaderSize -2" },
        { META "HeaderSize = 99999999999\n" LOCAL, UM_EFORMAT, "cut" },
        { META "Offset = 1 2\n" LOCAL, UM_EFORMAT, "not 3 numbers" },
        { META "Offset = 1 2 inf\n" LOCAL, UM_EFORMAT, "not 3 numbers" },
        { META "not a field\n" LOCAL, UM_EFORMAT, "line 7" },
        { META "ElementDataFile = ../secret\n", UM_EFORMAT, "only a file in the header's folder" },
        { META "ElementDataFile = /etc/passwd\n", UM_EFORMAT, "only a file in the header's" },
        { META "ElementDataFile = a/../../b\n", UM_EFORMAT, "only a file in the header's folder" },
        { META "ElementDataFile = \n", UM_EFORMAT, "empty" },
        { META "ElementDataFile = nothing.raw\n", UM_EMISSING, "nothing.raw: no such file" },
        { META "ElementDataFile = s%s%d.raw\n", UM_EFORMAT, "pattern" },
        { META "ElementDataFile = s%99999d.raw 1 3 1\n", UM_EFORMAT, "pattern" },
        { META "ElementDataFile = s%d.raw 3 1 1\n", UM_EFORMAT, "holds no file" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof lie / sizeof lie[0]; i++)
        assert_refused(um_meta_read, lie[i].head, lie[i].status, lie[i].text);
}

static void nrrd_space(void **state)
{
    static const char head[] = "NRRD0005\ntype: int16\ndimension: 3\nsizes: 5 4 3\n";
    struct um_scan    s;
    char              text[TEXT];

    (void)state;
    assert_int_equal(read_text(um_nrrd_read, NRRD RAW, voxels, sizeof voxels, &plain, &s), UM_OK);
    assert_holds(&s, 0);
    for (int i = 0; i < 12; i++)
        assert_true(s.volume.affine[i] == affine[i]);
    (void)snprintf(text, sizeof text, "%sspace units: \"cm\" \"cm\" \"cm\"\n%s", NRRD, RAW);
    text[strlen(text) - 1] = '\n';
    assert_int_equal(read_text(um_nrrd_read, text, voxels, sizeof voxels, &plain, &s), UM_OK);
    assert_true(s.volume.affine[1] == 7.5 && s.volume.affine[11] == 300);
    (void)snprintf(text, sizeof text, "%sspacings: 1 2 3\n%s", head, RAW);
    assert_int_equal(read_text(um_nrrd_read, text, voxels, sizeof voxels, &plain, &s), UM_OK);
    assert_true(s.volume.affine[0] == -1 && s.volume.affine[5] == -2 && s.volume.affine[10] == 3);
    assert_int_equal(s.notes, 1);
}

/* time may be the first axis or the last */
static void nrrd_frames(void **state)
{
    static const char   first[] = "NRRD0005\ntype: int16\ndimension: 4\nsizes: 2 5 4 3\n"
                                  "kinds: time domain domain domain\nspacings: nan 1 1 1\n" RAW;
    static const char   last[]  = "NRRD0005\ntype: int16\ndimension: 4\nsizes: 5 4 3 2\n" RAW;
    static const char   four[]  = "NRRD0005\ntype: int16\ndimension: 4\nsizes: 5 4 3 2\n"
                                  "space dimension: 4\nspace origin: (5,6,7,8)\nspace directions: "
                                  "(0,.5,0,0) (2,0,0,0) (0,0,3,0) (0,0,0,4)\n" RAW;
    struct um_scan_opts opts    = { .max_voxels = N, .frame = 1 };
    struct um_scan      s;
    int16_t             both[2 * N];

    (void)state;
    for (int i = 0; i < N; i++) {
        both[2 * i]     = -1;
        both[2 * i + 1] = voxels[i];
    }
    assert_int_equal(read_text(um_nrrd_read, first, both, sizeof both, &opts, &s), UM_OK);
    assert_int_equal(s.frames, 2);
    assert_holds(&s, 0);
    memcpy(both, both + 1, sizeof(int16_t));
    memcpy(both + N, voxels, sizeof voxels);
    assert_int_equal(read_text(um_nrrd_read, last, both, sizeof both, &opts, &s), UM_OK);
    assert_holds(&s, 0);
    assert_int_equal(read_text(um_nrrd_read, four, both, sizeof both, &opts, &s), UM_OK);
    assert_holds(&s, 0);
    assert_true(s.volume.affine[1] == -2 && s.volume.affine[3] == -5);
    assert_true(s.volume.affine[4] == -0.5 && s.volume.affine[7] == -6);
    assert_true(s.volume.affine[10] == 3 && s.volume.affine[11] == 7);
    opts.frame = 2;
    assert_int_equal(read_text(um_nrrd_read, last, both, sizeof both, &opts, &s), UM_ERANGE);
    opts.frame = -1;
    assert_int_equal(read_text(um_nrrd_read, last, both, sizeof both, &opts, &s), UM_ESHAPE);
}

static void nrrd_lies(void **state)
{
    static const struct {
        const char *head;
        int         status;
        const char *text;
    } lie[] = {
        { "NRRD0004\ntype: short\n", UM_EFORMAT, "not \"field: value\"" },
        { "NRRD0004\nsizes: 1\n\n", UM_EFORMAT, "no dimension" },
        { "NRRD0004\ndimension: 7\n\n", UM_EUNSUPPORTED, "7 dimensions" },
        { "NRRD0004\ndimension: 2\n\n", UM_EUNSUPPORTED, "a picture, not a volume" },
        { "NRRD0004\ntype: short\ndimension: 4\nsizes: 5 4 3 2\n"
          "space directions: (1,0,0,0) (0,1,0,0) (0,0,1,0) (0,0,.5,1)\n" RAW,
          UM_EUNSUPPORTED, "axis 4 runs through space and time" },
        { "NRRD0004\ntype: short\ndimension: 4\nsizes: 5 4 3 2\n"
          "space directions: (1,0,0,0) (0,1,0,0) (0,0,1) (0,0,0,1)\n" RAW,
          UM_EFORMAT, "4 vectors of 4 numbers" },
        { "NRRD0004\ndimension: 3\nsizes: 1 2\n\n", UM_EFORMAT, "sizes are not 3" },
        { "NRRD0004\ndimension: 3\nsizes: 1 -2 3\n\n", UM_EFORMAT, "size 2 is -2" },
        { "NRRD0004\ndimension: 3\nsizes: 1 2 3\ntype: block\n\n", UM_EUNSUPPORTED, "block" },
        { NRRD "\n", UM_EFORMAT, "no encoding" },
        { NRRD "encoding: bz2\n\n", UM_EUNSUPPORTED, "bzip2, expected raw, gzip" },
        { NRRD "encoding: raw\n\n", UM_EFORMAT, "endian is not given" },
        { NRRD "encoding: raw\nendian: middle\n\n", UM_EFORMAT, "endian middle" },
        { "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 1\nencoding: hex\n\n00 fz", UM_EFORMAT,
          "byte 4 of the voxels is not a hexadecimal digit" },
        { NRRD "encoding: gzip\nendian: big\n\n", UM_EFORMAT, "gzip: cut or damaged" },
        { NRRD "byte skip: 7\n" RAW, UM_EFORMAT, "cut: the header promises 120" },
        { NRRD "byte skip: -7\n" RAW, UM_EFORMAT, "skip" },
        { NRRD "line skip: 99999999\n" RAW, UM_EFORMAT, "99999999 lines" },
        { NRRD "sizes: 5 4 3\n" RAW, UM_EFORMAT, "sizes is given twice" },
        { NRRD "kinds: RGB-color domain domain\n" RAW, UM_EUNSUPPORTED, "RGB-color" },
        { NRRD "space units: \"furlong\"\n" RAW, UM_EUNSUPPORTED, "furlong" },
        { NRRD "data file: ../x\n" RAW, UM_EFORMAT, "only a file in the header's folder" },
        { NRRD "endian: little\nencoding: raw\ndata file: LIST 2\n", UM_EUNSUPPORTED, "LIST 2" },
        { "NRRD0004\ntype: short\ndimension: 3\nsizes: 5 4 3\nspace: scanner-xyz\n"
          "space directions: (1,0,0) (0,1,0) (0,0,1)\n" RAW,
          UM_EUNSUPPORTED, "scanner-xyz" },
        { "NRRD0004\ntype: short\ndimension: 3\nsizes: 5 4 3\nspace: RAS\n"
          "space directions: (1,0,0) (0,1,0) (0,0,x)\n" RAW,
          UM_EFORMAT, "3 vectors of 3 numbers" },
        { "NRRD0004\ntype: double\ndimension: 3\nsizes: 99999 99999 9999999\n" RAW, UM_ERANGE,
          "--max-pixels" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof lie / sizeof lie[0]; i++)
        assert_refused(um_nrrd_read, lie[i].head, lie[i].status, lie[i].text);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/um-text-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(path, sizeof path, "%s/header", dir);
    for (int i = 0; i < N; i++)
        voxels[i] = (int16_t)(i * 977 - 9000);
    return um_arena_new(&arena);
}

static int teardown(void **state)
{
    static const char *const left[] = { "header", "v.raw", "s000", "s002", "s004" };
    char                     to[256];

    (void)state;
    um_arena_free(arena);
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        (void)snprintf(to, sizeof to, "%s/%s", dir, left[i]);
        (void)unlink(to);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(round_trip), cmocka_unit_test(meta_files),
                                        cmocka_unit_test(surplus),    cmocka_unit_test(meta_lies),
                                        cmocka_unit_test(nrrd_space), cmocka_unit_test(nrrd_frames),
                                        cmocka_unit_test(nrrd_lies) };

    return cmocka_run_group_tests(tests, setup, teardown);
}
