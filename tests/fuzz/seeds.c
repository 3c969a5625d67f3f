/* seeds.c - volumes in forms that um-phantom does not write, for the fuzzers to begin with
 *
 * usage: seeds DIR FILE.nii     writes DIR/meta, DIR/nrrd and, of FILE, DIR/nifti and DIR/analyze
 *
 * The files of voxels that some headers name are those that fuzz_volume.c makes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const char *root;

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
    static const char head[] = "ObjectType = Image\nNDims = 3\nBinaryData = True\n"
                               "BinaryDataByteOrderMSB = True\nDimSize = 8 4 4\n"
                               "Position = 1 2 3\nElementSpacing = 1 2 3\n";

    text("meta", "beside", head, "ElementType = MET_SHORT\nElementDataFile = v.raw\n");
    text("meta", "end", head,
         "HeaderSize = -1\nElementType = MET_DOUBLE\nElementDataFile = v.raw\n");
    text("meta", "packed", head,
         "CompressedData = True\nElementType = MET_USHORT\nElementDataFile = v.z\n");
    text("meta", "list", head,
         "ElementType = MET_SHORT\nElementDataFile = LIST\nv1.raw\nv2.raw\nv3.raw\nv4.raw\n");
    text("meta", "pattern", head, "ElementType = MET_SHORT\nElementDataFile = v%d.raw 1 4 1\n");
    text("meta", "text",
         "NDims = 3\nDimSize = 2 3 1\nBinaryData = False\nElementType = MET_FLOAT\n",
         "ElementDataFile = LOCAL\n1 2.5 -3e2\n4 5 nan\n");
    text("meta", "frames",
         "NDims = 4\nDimSize = 2 2 2 2\nElementType = MET_UCHAR\nElementSize = 1 1 1 1\n",
         "ElementToIntensityFunctionSlope = 2\nElementDataFile = LOCAL\n0123456789abcdef");
}

static void nrrds(void)
{
    static const char head[] = "NRRD0004\n# remark\ntype: short\ndimension: 3\nsizes: 8 4 4\n"
                               "space: RAS\nspace directions: (1,0,0) (0,0.5,0) (0,0,-2)\n"
                               "space origin: (1,2,3)\nspace units: \"mm\" \"mm\" \"mm\"\n"
                               "kinds: domain domain domain\nendian: big\nkey:=value\n";

    text("nrrd", "beside", head, "encoding: raw\ndata file: v.raw\n");
    text("nrrd", "skip", head, "encoding: raw\nline skip: 1\nbyte skip: -1\ndata file: v.raw\n");
    text("nrrd", "packed", head, "encoding: gz\ndata file: v.gz\n");
    text("nrrd", "list", head, "encoding: raw\ndata file: LIST\nv1.raw\nv2.raw\nv3.raw\nv4.raw\n");
    text("nrrd", "pattern", head, "encoding: raw\ndata file: v%d.raw 1 4 1\n");
    text("nrrd", "text", head, "encoding: ascii\ndatafile: v.txt\n");
    text("nrrd", "hex", "NRRD0001\ntype: uchar\ndimension: 3\nsizes: 2 2 1\nspacings: 1 .5 1\n",
         "encoding: hex\n\n00 ff\n7f80\n");
    text("nrrd", "frames",
         "NRRD0005\ntype: uint8\ndimension: 4\nsizes: 2 2 2 2\nkinds: list domain domain domain\n"
         "space directions: none (1,0,0) (0,1,0) (0,0,1)\nspace: LAS\n",
         "encoding: raw\n\n0123456789abcdef");
}

/* a single file is also a pair's header with the voxels behind it, once 4 bytes are cut out */
static void pairs(const char *path)
{
    const float      scale[2] = { 2, -1000 };
    struct um_arena *a;
    uint8_t         *bytes;
    size_t           n;

    must(um_arena_new(&a));
    must(um_file_read(a, path, 1 << 20, &bytes, &n));
    memcpy(bytes + 112, scale, sizeof scale); /* scl_slope, scl_inter */
    save("nifti", "scaled", bytes, n);
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
    um_arena_free(a);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: seeds DIR FILE.nii\n");
        return 2;
    }
    root = argv[1];
    metas();
    nrrds();
    pairs(argv[2]);
    return 0;
}
