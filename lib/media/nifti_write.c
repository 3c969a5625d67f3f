/* nifti_write.c - the 348-byte header, four zero bytes, the voxels; gzip by libdeflate */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/nifti_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>
#include <nifti2_io.h>

enum { HEAD = 352, SIDE_MAX = 32767, GZIP_LEVEL = 6 };

static short code_of(enum um_dtype t)
{
    switch (t) {
    case UM_U8: return NIFTI_TYPE_UINT8;
    case UM_I16: return NIFTI_TYPE_INT16;
    case UM_I32: return NIFTI_TYPE_INT32;
    case UM_F32: return NIFTI_TYPE_FLOAT32;
    case UM_F64: return NIFTI_TYPE_FLOAT64;
    default: return 0;
    }
}

/* the quaternion, if rotation times voxel sizes says all that the affine says */
static void set_qform(struct nifti_1_header *h, const nifti_dmat44 *m)
{
    double       b, c, d, x, y, z, dx, dy, dz, fac, worst = 0, size = 0;
    nifti_dmat44 back;

    nifti_dmat44_to_quatern(*m, &b, &c, &d, &x, &y, &z, &dx, &dy, &dz, &fac);
    back = nifti_quatern_to_dmat44(b, c, d, x, y, z, dx, dy, dz, fac);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            worst = fmax(worst, fabs(back.m[i][j] - m->m[i][j]));
            size  = fmax(size, fabs(m->m[i][j]));
        }
    if (!(worst <= 1e-5 * size))
        return;
    h->qform_code = NIFTI_XFORM_SCANNER_ANAT;
    h->quatern_b  = (float)b;
    h->quatern_c  = (float)c;
    h->quatern_d  = (float)d;
    h->qoffset_x  = (float)x;
    h->qoffset_y  = (float)y;
    h->qoffset_z  = (float)z;
    h->pixdim[0]  = (float)fac;
}

static int set_affine(struct nifti_1_header *h, const double *a)
{
    nifti_dmat44 m = { { { 0 } } };

    for (int i = 0; i < 12; i++) {
        if (!isfinite(a[i]))
            return um_fail(UM_ENONFINITE, "NIfTI: the affine holds NaN or infinity");
        m.m[i / 4][i % 4] = a[i];
    }
    m.m[3][3] = 1;
    for (int j = 0; j < 3; j++) {
        const double n = sqrt(a[j] * a[j] + a[4 + j] * a[4 + j] + a[8 + j] * a[8 + j]);

        if (!(n > 0))
            return um_fail(UM_EFORMAT, "NIfTI: column %d of the affine is zero", j);
        h->pixdim[1 + j] = (float)n;
        h->srow_x[j]     = (float)a[j];
        h->srow_y[j]     = (float)a[4 + j];
        h->srow_z[j]     = (float)a[8 + j];
    }
    h->srow_x[3]  = (float)a[3];
    h->srow_y[3]  = (float)a[7];
    h->srow_z[3]  = (float)a[11];
    h->sform_code = NIFTI_XFORM_SCANNER_ANAT;
    set_qform(h, &m);
    return UM_OK;
}

static int fill_header(struct nifti_1_header *h, const struct um_nifti_out *v)
{
    const int64_t dim[3] = { v->width, v->height, v->depth };

    memset(h, 0, sizeof *h);
    h->sizeof_hdr = 348;
    h->datatype   = code_of(v->dtype);
    if (!h->datatype)
        return um_fail(UM_EDTYPE, "NIfTI: cannot hold %s", um_dtype_name(v->dtype));
    h->bitpix = (short)(8 * um_dtype_size(v->dtype));
    h->dim[0] = 3;
    for (int i = 0; i < 7; i++)
        h->dim[1 + i] = 1;
    h->pixdim[0] = 1;
    for (int i = 0; i < 3; i++) {
        if (dim[i] < 1 || dim[i] > SIDE_MAX)
            return um_fail(UM_ERANGE, "NIfTI: a side of %lld voxels, 1 to %d can be written",
                           (long long)dim[i], SIDE_MAX);
        if (!v->affine && !(v->spacing[i] > 0 && isfinite(v->spacing[i])))
            return um_fail(UM_EFORMAT, "NIfTI: spacing %g mm, must be positive", v->spacing[i]);
        h->dim[1 + i]    = (short)dim[i];
        h->pixdim[1 + i] = (float)v->spacing[i];
    }
    h->vox_offset = HEAD;
    h->scl_slope  = (float)v->slope;
    h->scl_inter  = (float)v->inter;
    h->xyzt_units = NIFTI_UNITS_MM;
    if (v->description)
        (void)snprintf(h->descrip, sizeof h->descrip, "%s", v->description);
    memcpy(h->magic, "n+1", 4);
    return v->affine ? set_affine(h, v->affine) : UM_OK;
}

static int write_gzip(struct um_outfile *out, const struct nifti_1_header *h, const void *data,
                      size_t n, int level)
{
    struct libdeflate_compressor *z     = libdeflate_alloc_compressor(level ? level : GZIP_LEVEL);
    const size_t                  bound = z ? libdeflate_gzip_compress_bound(z, HEAD + n) : 0;
    char                         *raw   = calloc(1, HEAD + n);
    char                         *gz    = malloc(bound ? bound : 1);
    int                           st    = UM_ENOMEM;

    if (z && raw && gz) {
        memcpy(raw, h, sizeof *h);
        memcpy(raw + HEAD, data, n);
        const size_t got = libdeflate_gzip_compress(z, raw, HEAD + n, gz, bound);
        st               = got ? um_outfile_write(out, gz, got) : UM_ENOMEM;
    }
    if (st == UM_ENOMEM)
        st = um_fail(UM_ENOMEM, "NIfTI: out of memory");
    libdeflate_free_compressor(z);
    free(raw);
    free(gz);
    return st;
}

int um_nifti_write(struct um_outfile *out, const struct um_nifti_out *v)
{
    static const char     gap[HEAD - sizeof(struct nifti_1_header)];
    struct nifti_1_header h;

    UM_TRY(fill_header(&h, v));
    const size_t n = (size_t)(v->depth * v->height * v->width) * um_dtype_size(v->dtype);
    if (v->gzip)
        return write_gzip(out, &h, v->data, n, v->gzip_level);
    UM_TRY(um_outfile_write(out, &h, sizeof h));
    UM_TRY(um_outfile_write(out, gap, sizeof gap));
    return um_outfile_write(out, v->data, n);
}
