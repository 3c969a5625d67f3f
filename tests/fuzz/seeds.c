/* seeds.c - one small volume in every form that um reads, for the fuzzers to begin with
 *
 * usage: seeds DIR     writes DIR/nifti, DIR/analyze, DIR/meta, DIR/nrrd and DIR/gunzip
 *
 * The files of voxels that some headers name are those that fuzz_volume.c makes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "media/meta_write.h"
#include "media/nifti_write.h"
#include "media/nrrd_write.h"

enum { NX = 8, NY = 4, NZ = 4, N = NX * NY * NZ };

static const char  *root;
static int16_t      voxels[N];
static const double affine[12] = { 0, 0.75, 0.125, -10, -0.5, 0, 0, 20, 0, 0, 2, 30 };

static void must(int st)
{
    if (st < 0) {
        (void)fprintf(stderr, "seeds: %s\n", um_errmsg());
        exit(1);
    }
}

static struct um_outfile *create(const char *folder, const char *name)
{
    struct um_outfile *f;
    char               path[4096];

    (void)snprintf(path, sizeof path, "%s/%s", root, folder);
    must(um_mkdirs(path));
    (void)snprintf(path, sizeof path, "%s/%s/%s", root, folder, name);
    must(um_outfile_open(&f, path));
    return f;
}

static void save(const char *folder, const char *name, const void *data, size_t n)
{
    struct um_outfile *f = create(folder, name);

    must(um_outfile_close(f, um_outfile_write(f, data, n), 0));
}

static void text(const char *folder, const char *name, const char *head, const char *tail)
{
    struct um_outfile *f = create(folder, name);

    must(um_outfile_close(f, um_outfile_printf(f, "%s%s", head, tail), 0));
}

static void metas(void)
{
    static const char  head[] = "ObjectType = Image\nNDims = 3\nBinaryData = True\n"
                                "BinaryDataByteOrderMSB = True\nDimSize = 8 4 4\n"
                                "Position = 1 2 3\nElementSpacing = 1 2 3\n";
    struct um_meta_out v      = {
             .data = voxels, .dtype = UM_I16, .depth = NZ, .height = NY, .width = NX, .affine = affine
    };
    struct um_outfile *f = create("meta", "local");

    must(um_outfile_close(f, um_meta_write(f, NULL, &v), 0));
    v.deflate = true;
    f         = create("meta", "deflated");
    must(um_outfile_close(f, um_meta_write(f, NULL, &v), 0));
    text("meta", "beside", head, "ElementType = MET_SHORT\nElementDataFile = v.raw\n");
    text("meta", "end", head,
         "HeaderSize = -1\nElementType = MET_DOUBLE\nElementDataFile = v.raw\n");
    text("meta", "packed", head,
         "CompressedData = True\nElementType = MET_USHORT\nElementDataFile = v.z\n");
    text("meta", "list", head,
         "ElementType = MET_SHORT\nElementDataFile = LIST\nv1.raw\nv2.raw\nv3.raw\nv4.raw\n");
    text("meta", "pattern", head, "ElementType = MET_SHORT\nElementDataFile = v%d.raw 1 4 1\n");
    text("meta", "text", "NDims = 2\nDimSize = 2 3\nBinaryData = False\nElementType = MET_FLOAT\n",
         "ElementDataFile = LOCAL\n1 2.5 -3e2\n4 5 nan\n");
    text("meta", "frames",
         "NDims = 4\nDimSize = 2 2 2 2\nElementType = MET_UCHAR\nElementSize = 1 1 1 1\n",
         "ElementToIntensityFunctionSlope = 2\nElementDataFile = LOCAL\n0123456789abcdef");
}

static void nrrds(void)
{
    static const char  head[] = "NRRD0004\n# remark\ntype: short\ndimension: 3\nsizes: 8 4 4\n"
                                "space: RAS\nspace directions: (1,0,0) (0,0.5,0) (0,0,-2)\n"
                                "space origin: (1,2,3)\nspace units: \"mm\" \"mm\" \"mm\"\n"
                                "kinds: domain domain domain\nendian: big\nkey:=value\n";
    struct um_meta_out v      = {
             .data = voxels, .dtype = UM_I16, .depth = NZ, .height = NY, .width = NX, .affine = affine
    };
    struct um_outfile *f = create("nrrd", "raw");

    must(um_outfile_close(f, um_nrrd_write(f, NULL, &v), 0));
    v.deflate = true;
    f         = create("nrrd", "gzip");
    must(um_outfile_close(f, um_nrrd_write(f, NULL, &v), 0));
    text("nrrd", "beside", head, "encoding: raw\ndata file: v.raw\n");
    text("nrrd", "skip", head, "encoding: raw\nline skip: 1\nbyte skip: -1\ndata file: v.raw\n");
    text("nrrd", "packed", head, "encoding: gz\ndata file: v.gz\n");
    text("nrrd", "list", head, "encoding: raw\ndata file: LIST\nv1.raw\nv2.raw\nv3.raw\nv4.raw\n");
    text("nrrd", "pattern", head, "encoding: raw\ndata file: v%d.raw 1 4 1\n");
    text("nrrd", "text", head, "encoding: ascii\ndatafile: v.txt\n");
    text("nrrd", "hex", "NRRD0001\ntype: uchar\ndimension: 2\nsizes: 2 2\nspacings: 1 0.5\n",
         "encoding: hex\n\n00 ff\n7f80\n");
    text("nrrd", "frames",
         "NRRD0005\ntype: uint8\ndimension: 4\nsizes: 2 2 2 2\nkinds: list domain domain domain\n"
         "space directions: none (1,0,0) (0,1,0) (0,0,1)\nspace: LAS\n",
         "encoding: raw\n\n0123456789abcdef");
}

static uint8_t *slurp(const char *folder, const char *name, size_t *n)
{
    static struct um_arena *a;
    uint8_t                *bytes;
    char                    path[4096];

    if (!a)
        must(um_arena_new(&a));
    (void)snprintf(path, sizeof path, "%s/%s/%s", root, folder, name);
    must(um_file_read(a, path, 1 << 20, &bytes, n));
    return bytes;
}

/* a single file is also a pair's header with the voxels behind it, once 4 bytes are cut out */
static void niftis(void)
{
    struct um_nifti_out v = { .data   = voxels,
                              .dtype  = UM_I16,
                              .depth  = NZ,
                              .height = NY,
                              .width  = NX,
                              .affine = affine,
                              .slope  = 2,
                              .inter  = -1000 };
    struct um_outfile  *f = create("nifti", "one");
    uint8_t            *bytes;
    size_t              n;

    must(um_outfile_close(f, um_nifti_write(f, &v), 0));
    v.gzip = true;
    f      = create("gunzip", "one.gz");
    must(um_outfile_close(f, um_nifti_write(f, &v), 0));
    bytes = slurp("nifti", "one", &n);
    memset(bytes + 108, 0, 4); /* vox_offset */
    memmove(bytes + 348, bytes + 352, n - 352);
    memcpy(bytes + 344, "ni1", 4);
    save("nifti", "pair", bytes, n - 4);
    memset(bytes + 344, 0, 4);
    memset(bytes + 252, 0, 92);
    save("analyze", "plain", bytes, n - 4);
    bytes[252] = 4;
    bytes[253] = bytes[255] = bytes[257] = 2;
    save("analyze", "origin", bytes, n - 4);
}

static void two_members(void)
{
    uint8_t *bytes, twice[8192];
    size_t   n;

    bytes = slurp("gunzip", "one.gz", &n);
    if (2 * n > sizeof twice)
        exit(1);
    memcpy(twice, bytes, n);
    memcpy(twice + n, bytes, n);
    save("gunzip", "twice.gz", twice, 2 * n);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: seeds DIR\n");
        return 2;
    }
    root = argv[1];
    for (int i = 0; i < N; i++)
        voxels[i] = (int16_t)(i * 97 - 1000);
    metas();
    nrrds();
    niftis();
    two_members();
    return 0;
}
