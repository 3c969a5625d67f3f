/* nrrd_write.c - the header's fields, then the voxels as they are or gzipped */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/nrrd_write.h"

#include "media/deflate.h"
#include "media/lps.h"

static const char *type_of(enum um_dtype t)
{
    switch (t) {
    case UM_U8: return "uint8";
    case UM_I16: return "int16";
    case UM_I32: return "int32";
    case UM_I64: return "int64";
    case UM_F32: return "float";
    case UM_F64: return "double";
    default: return NULL;
    }
}

static int put_head(struct um_outfile *out, const struct um_meta_out *v, const struct um_lps *lps)
{
    UM_TRY(um_outfile_printf(out,
                             "NRRD0005\ntype: %s\ndimension: 3\n"
                             "space: left-posterior-superior\nsizes: %lld %lld %lld\n"
                             "space directions:",
                             type_of(v->dtype), (long long)v->width, (long long)v->height,
                             (long long)v->depth));
    for (int c = 0; c < 3; c++)
        UM_TRY(um_outfile_printf(
            out, " (%.17g,%.17g,%.17g)", lps->direction[c][0] * lps->spacing[c],
            lps->direction[c][1] * lps->spacing[c], lps->direction[c][2] * lps->spacing[c]));
    UM_TRY(um_outfile_printf(out,
                             "\nkinds: domain domain domain\n%sencoding: %s\n"
                             "space origin: (%.17g,%.17g,%.17g)\n",
                             um_dtype_size(v->dtype) > 1 ? "endian: little\n" : "",
                             v->deflate ? "gzip" : "raw", lps->origin[0], lps->origin[1],
                             lps->origin[2]));
    return v->data_file ? um_outfile_printf(out, "data file: %s\n\n", v->data_file)
                        : um_outfile_write(out, "\n", 1);
}

int um_nrrd_write(struct um_outfile *out, struct um_outfile *voxels, const struct um_meta_out *v)
{
    struct um_lps      lps;
    struct um_deflated body;
    int                st;

    if (!type_of(v->dtype))
        return um_fail(UM_EDTYPE, "NRRD: cannot hold %s", um_dtype_name(v->dtype));
    if (!voxels != !v->data_file)
        return um_fail(UM_EFORMAT, "NRRD: voxels of their own need a file and its name");
    st = um_lps_of(v->affine, &lps);
    if (st < 0)
        return um_context(st, "NRRD");
    UM_TRY(um_deflate_volume(&body, v, UM_DEFLATE_GZIP));
    st = put_head(out, v, &lps);
    if (st >= 0)
        st = um_outfile_write(voxels ? voxels : out, body.bytes, body.n);
    um_deflated_free(&body);
    return st;
}
