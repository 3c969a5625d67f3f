/* meta_write.c - the header's lines, then the voxels as they are or deflated */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/meta_write.h"

#include "media/deflate.h"
#include "media/lps.h"

static const char *type_of(enum um_dtype t)
{
    switch (t) {
    case UM_U8: return "MET_UCHAR";
    case UM_I16: return "MET_SHORT";
    case UM_I32: return "MET_INT";
    case UM_I64: return "MET_LONG_LONG";
    case UM_F32: return "MET_FLOAT";
    case UM_F64: return "MET_DOUBLE";
    default: return NULL;
    }
}

/* letters of where the axes come from, as other programs write them; they are for people: the
 * matrix counts */
static void letters(const struct um_lps *lps, char out[4])
{
    static const char from[3][3] = { "RL", "AP", "IS" };

    for (int c = 0; c < 3; c++) {
        int most = 0;

        for (int r = 1; r < 3; r++)
            if (lps->direction[c][r] * lps->direction[c][r] >
                lps->direction[c][most] * lps->direction[c][most])
                most = r;
        out[c] = from[most][lps->direction[c][most] < 0];
    }
    out[3] = 0;
}

static int put_head(struct um_outfile *out, const struct um_meta_out *v, const struct um_lps *lps,
                    size_t packed)
{
    const double(*d)[3] = lps->direction;
    char axes[4];

    letters(lps, axes);
    UM_TRY(um_outfile_printf(out,
                             "ObjectType = Image\nNDims = 3\nBinaryData = True\n"
                             "BinaryDataByteOrderMSB = False\nCompressedData = %s\n",
                             v->deflate ? "True" : "False"));
    if (v->deflate)
        UM_TRY(um_outfile_printf(out, "CompressedDataSize = %zu\n", packed));
    UM_TRY(um_outfile_printf(
        out,
        "TransformMatrix = %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g\n"
        "Offset = %.17g %.17g %.17g\nCenterOfRotation = 0 0 0\nAnatomicalOrientation = %s\n",
        d[0][0], d[0][1], d[0][2], d[1][0], d[1][1], d[1][2], d[2][0], d[2][1], d[2][2],
        lps->origin[0], lps->origin[1], lps->origin[2], axes));
    return um_outfile_printf(out,
                             "ElementSpacing = %.17g %.17g %.17g\nDimSize = %lld %lld %lld\n"
                             "ElementType = %s\nElementDataFile = %s\n",
                             lps->spacing[0], lps->spacing[1], lps->spacing[2], (long long)v->width,
                             (long long)v->height, (long long)v->depth, type_of(v->dtype),
                             v->data_file ? v->data_file : "LOCAL");
}

int um_meta_write(struct um_outfile *out, struct um_outfile *voxels, const struct um_meta_out *v)
{
    struct um_lps      lps;
    struct um_deflated body;
    int                st;

    if (!type_of(v->dtype))
        return um_fail(UM_EDTYPE, "MetaImage: cannot hold %s", um_dtype_name(v->dtype));
    if (!voxels != !v->data_file)
        return um_fail(UM_EFORMAT, "MetaImage: voxels of their own need a file and its name");
    st = um_lps_of(v->affine, &lps);
    if (st < 0)
        return um_context(st, "MetaImage");
    UM_TRY(um_deflate_volume(&body, v, UM_DEFLATE_ZLIB));
    st = put_head(out, v, &lps, body.n);
    if (st >= 0)
        st = um_outfile_write(voxels ? voxels : out, body.bytes, body.n);
    um_deflated_free(&body);
    return st;
}
