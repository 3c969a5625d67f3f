/* nifti_write.c - the 348-byte header, four zero bytes, the voxels; gzip by libdeflate */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/nifti_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>
#include <nifti2_io.h>

#include "media/nifti.h"

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

/* `head` with room behind it for the voxels' place, then the voxels */
static int write_file(struct um_outfile *out, const void *head, size_t room,
                      const struct um_nifti_out *v)
{
    const size_t n = (size_t)(v->depth * v->height * v->width) * um_dtype_size(v->dtype);

    if (!v->gzip) {
        UM_TRY(um_outfile_write(out, head, room));
        return um_outfile_write(out, v->data, n);
    }
    struct libdeflate_compressor *z =
        libdeflate_alloc_compressor(v->gzip_level ? v->gzip_level : GZIP_LEVEL);
    const size_t bound = z ? libdeflate_gzip_compress_bound(z, room + n) : 0;
    char        *raw   = malloc(room + n);
    char        *gz    = malloc(bound ? bound : 1);
    int          st    = UM_ENOMEM;

    if (z && raw && gz) {
        memcpy(raw, head, room);
        memcpy(raw + room, v->data, n);
        const size_t got = libdeflate_gzip_compress(z, raw, room + n, gz, bound);
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
    char                  head[HEAD] = { 0 };
    struct nifti_1_header h;

    UM_TRY(fill_header(&h, v));
    memcpy(head, &h, sizeof h);
    return write_file(out, head, sizeof head, v);
}

/* what is the file's own, in the fields that both versions name alike */
#define OWN_FIELDS(h, v, offset)                                                                   \
    do {                                                                                           \
        (h)->datatype    = code_of((v)->dtype);                                                    \
        (h)->bitpix      = (short)(8 * um_dtype_size((v)->dtype));                                 \
        (h)->dim[0]      = 3;                                                                      \
        (h)->vox_offset  = offset;                                                                 \
        (h)->scl_slope   = 0;                                                                      \
        (h)->scl_inter   = 0;                                                                      \
        (h)->cal_max     = 0;                                                                      \
        (h)->cal_min     = 0;                                                                      \
        (h)->intent_code = 0;                                                                      \
        (h)->intent_p1   = 0;                                                                      \
        (h)->intent_p2   = 0;                                                                      \
        (h)->intent_p3   = 0;                                                                      \
        memset((h)->intent_name, 0, sizeof(h)->intent_name);                                       \
        memset((h)->aux_file, 0, sizeof(h)->aux_file);                                             \
        for (int i = 4; i < 8; i++) {                                                              \
            (h)->dim[i]    = 1;                                                                    \
            (h)->pixdim[i] = 0;                                                                    \
        }                                                                                          \
    } while (0)

/* sides beyond the header's number of dimensions are 1; all together v's voxels */
static int check_like(int64_t dim[3], int64_t ndim, const struct um_nifti_out *v)
{
    int64_t left = v->width * v->height * v->depth;

    if (!code_of(v->dtype))
        return um_fail(UM_EDTYPE, "NIfTI: cannot hold %s", um_dtype_name(v->dtype));
    for (int i = 0; i < 3; i++) {
        if (i >= ndim)
            dim[i] = 1;
        if (dim[i] < 1 || left % dim[i] != 0)
            left = 0;
        else
            left /= dim[i];
    }
    if (left != 1)
        return um_fail(UM_ESHAPE, "NIfTI: %lld x %lld x %lld voxels under a header of others",
                       (long long)v->width, (long long)v->height, (long long)v->depth);
    return UM_OK;
}

int um_nifti_write_like(struct um_outfile *out, const void *bytes, size_t n,
                        const struct um_nifti_out *v)
{
    enum { ROOM_2 = 544 };
    const enum um_nifti_kind kind         = um_nifti_kind(bytes, n);
    char                     head[ROOM_2] = { 0 };
    int64_t                  dim[3];
    nifti_1_header           one;
    nifti_2_header           two;

    if (kind != UM_NIFTI_1 && kind != UM_NIFTI_2)
        return um_fail(UM_EFORMAT, "not a NIfTI file");
    memcpy(kind == UM_NIFTI_1 ? (void *)&one : (void *)&two, bytes,
           kind == UM_NIFTI_1 ? sizeof one : sizeof two);
    if (kind == UM_NIFTI_1) {
        if (one.sizeof_hdr != (int)sizeof one)
            (void)swap_nifti_header(&one, 1);
        for (int i = 0; i < 3; i++)
            dim[i] = one.dim[1 + i];
        UM_TRY(check_like(dim, one.dim[0], v));
        OWN_FIELDS(&one, v, HEAD);
        for (int i = 0; i < 3; i++)
            one.dim[1 + i] = (short)dim[i];
        memcpy(head, &one, sizeof one);
        return write_file(out, head, HEAD, v);
    }
    if (two.sizeof_hdr != (int)sizeof two)
        (void)swap_nifti_header(&two, 2);
    for (int i = 0; i < 3; i++)
        dim[i] = two.dim[1 + i];
    UM_TRY(check_like(dim, two.dim[0], v));
    OWN_FIELDS(&two, v, ROOM_2);
    memcpy(&two.dim[1], dim, sizeof dim);
    memcpy(head, &two, sizeof two);
    return write_file(out, head, ROOM_2, v);
}
