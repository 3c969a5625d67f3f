/* media_meta_write.c - MetaImage and NRRD files that we write: the headers' words, the voxels'
 * bytes */
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
#include <libdeflate.h>

#include "base/arena.h"
#include "media/meta_write.h"
#include "media/nrrd_write.h"

enum { NX = 4, NY = 3, NZ = 2, N = NX * NY * NZ };

static char             dir[64];
static struct um_arena *arena;
static int16_t          voxels[N];

/* x runs to the back, y to the right, z to the head */
static const double affine[12] = { 0, 0.75, 0, -10, -0.5, 0, 0, 20, 0, 0, 2, 30 };

static struct um_meta_out plain(void)
{
    return (struct um_meta_out){
        .data = voxels, .dtype = UM_I16, .depth = NZ, .height = NY, .width = NX, .affine = affine
    };
}

typedef int write_fn(struct um_outfile *, struct um_outfile *, const struct um_meta_out *);

/* writes a.hdr, and a.raw where v names it, and gives back both files' bytes */
static char *write_it(write_fn *fn, const struct um_meta_out *v, size_t *n, char **raw,
                      size_t *raw_n)
{
    struct um_outfile *f, *g = NULL;
    char               path[128], path2[128];
    uint8_t           *bytes;
    int                st;

    (void)snprintf(path, sizeof path, "%s/a.hdr", dir);
    (void)snprintf(path2, sizeof path2, "%s/a.raw", dir);
    assert_int_equal(um_outfile_open(&f, path), UM_OK);
    if (v->data_file)
        assert_int_equal(um_outfile_open(&g, path2), UM_OK);
    st = fn(f, g, v);
    assert_int_equal(st, UM_OK);
    assert_int_equal(um_outfile_close(f, st, 0), UM_OK);
    if (g) {
        assert_int_equal(um_outfile_close(g, st, 0), UM_OK);
        assert_int_equal(um_file_read(arena, path2, 1 << 20, &bytes, raw_n), UM_OK);
        *raw = (char *)bytes;
    }
    assert_int_equal(um_file_read(arena, path, 1 << 20, &bytes, n), UM_OK);
    return (char *)bytes;
}

static void assert_begins(const char *text, size_t n, const char *want)
{
    if (n < strlen(want) || memcmp(text, want, strlen(want)) != 0)
        fail_msg("\"%.*s\" does not begin with \"%s\"", (int)n, text, want);
}

static const char meta_head[] =
    "TransformMatrix = 0 1 0 -1 0 0 0 0 1\nOffset = 10 -20 30\nCenterOfRotation = 0 0 0\n"
    "AnatomicalOrientation = ALI\nElementSpacing = 0.5 0.75 2\nDimSize = 4 3 2\n"
    "ElementType = MET_SHORT\nElementDataFile = ";

static void meta(void **state)
{
    struct um_meta_out v = plain();
    size_t             n, raw_n   = 0;
    char              *text, *raw = NULL, *body, want[512];

    (void)state;
    (void)snprintf(want, sizeof want,
                   "ObjectType = Image\nNDims = 3\nBinaryData = True\n"
                   "BinaryDataByteOrderMSB = False\nCompressedData = False\n%sLOCAL\n",
                   meta_head);
    text = write_it(um_meta_write, &v, &n, NULL, NULL);
    assert_begins(text, n, want);
    assert_int_equal(n, strlen(want) + sizeof voxels);
    assert_memory_equal(text + strlen(want), voxels, sizeof voxels);

    v.deflate   = true;
    v.data_file = "a.raw";
    text        = write_it(um_meta_write, &v, &n, &raw, &raw_n);
    (void)snprintf(want, sizeof want,
                   "ObjectType = Image\nNDims = 3\nBinaryData = True\n"
                   "BinaryDataByteOrderMSB = False\nCompressedData = True\n"
                   "CompressedDataSize = %zu\n%sa.raw\n",
                   raw_n, meta_head);
    assert_begins(text, n, want);
    assert_int_equal(n, strlen(want));
    body                              = um_alloc(arena, sizeof voxels);
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    assert_int_equal(libdeflate_zlib_decompress(d, raw, raw_n, body, sizeof voxels, NULL), 0);
    libdeflate_free_decompressor(d);
    assert_memory_equal(body, voxels, sizeof voxels);
}

static void nrrd(void **state)
{
    static const char  want[] = "NRRD0005\ntype: int16\ndimension: 3\n"
                                "space: left-posterior-superior\nsizes: 4 3 2\n"
                                "space directions: (0,0.5,0) (-0.75,0,0) (0,0,2)\n"
                                "kinds: domain domain domain\nendian: little\nencoding: raw\n"
                                "space origin: (10,-20,30)\n";
    struct um_meta_out v      = plain();
    size_t             n, raw_n   = 0;
    char              *text, *raw = NULL;

    (void)state;
    text = write_it(um_nrrd_write, &v, &n, NULL, NULL);
    assert_begins(text, n, want);
    assert_int_equal(n, strlen(want) + 1 + sizeof voxels);
    assert_memory_equal(text + strlen(want) + 1, voxels, sizeof voxels);
    v.data_file = "a.raw";
    text        = write_it(um_nrrd_write, &v, &n, &raw, &raw_n);
    assert_begins(text, n, want);
    assert_begins(text + strlen(want), n - strlen(want), "data file: a.raw\n\n");
    assert_int_equal(raw_n, sizeof voxels);
    assert_memory_equal(raw, voxels, sizeof voxels);
}

static void refusals(void **state)
{
    static write_fn *const fn[] = { um_meta_write, um_nrrd_write };
    struct um_outfile     *f;
    struct um_meta_out     v;
    double                 bad[12];
    char                   path[128];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/bad", dir);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(um_outfile_open(&f, path), UM_OK);
        v = plain(), v.depth = 0;
        assert_int_equal(fn[k](f, NULL, &v), UM_ERANGE);
        v = plain(), v.dtype = UM_BF16;
        assert_int_equal(fn[k](f, NULL, &v), UM_EDTYPE);
        v = plain(), v.data_file = "b.raw";
        assert_int_equal(fn[k](f, NULL, &v), UM_EFORMAT);
        memcpy(bad, affine, sizeof bad);
        bad[7] = NAN;
        v = plain(), v.affine = bad;
        assert_int_equal(fn[k](f, NULL, &v), UM_ENONFINITE);
        memcpy(bad, affine, sizeof bad);
        bad[10] = 0;
        assert_int_equal(fn[k](f, NULL, &v), UM_EFORMAT);
        assert_int_equal(um_outfile_close(f, UM_ERANGE, 0), UM_ERANGE);
        assert_int_not_equal(access(path, F_OK), 0);
    }
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/um-meta-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    for (int i = 0; i < N; i++)
        voxels[i] = (int16_t)(i * 977 - 9000);
    return um_arena_new(&arena);
}

static int teardown(void **state)
{
    static const char *const left[] = { "a.hdr", "a.raw" };
    char                     path[128];

    (void)state;
    um_arena_free(arena);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, left[i]);
        (void)unlink(path);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(meta), cmocka_unit_test(nrrd),
                                        cmocka_unit_test(refusals) };

    return cmocka_run_group_tests(tests, setup, teardown);
}
