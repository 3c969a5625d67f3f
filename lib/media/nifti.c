/* nifti.c - checking a NIfTI header against its file
 *
 * libnifti says what the fields mean (byte order, quaternions, datatypes); its readers are not
 * used, since they print and allocate what a header asks for.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "media/nifti.h"

#include <math.h>
#include <string.h>

#include <nifti2_io.h>

enum { SIZE_1 = 348, SIZE_2 = 540, DIM_MAX = 7 };

/* the fields that matter, of either version */
struct head {
    int64_t dim[8];
    double  pixdim[8], offset, slope, inter, quatern[6], srow[12];
    int     datatype, qform, sform, units;
    int     bytes; /* of the header itself */
    bool    swapped;
};

static int32_t int32_at(const uint8_t *p, bool swap)
{
    uint32_t u;

    memcpy(&u, p, 4);
    return (int32_t)(swap ? __builtin_bswap32(u) : u);
}

/* 0: no header of that size; 1: native byte order; -1: the other one */
static int order_of(const uint8_t *bytes, size_t n, int32_t size)
{
    if (n < (size_t)size)
        return 0;
    return int32_at(bytes, false) == size ? 1 : int32_at(bytes, true) == size ? -1 : 0;
}

enum um_nifti_kind um_nifti_kind(const uint8_t *bytes, size_t n)
{
    if (order_of(bytes, n, SIZE_1)) {
        const char *magic = (const char *)bytes + 344;

        return memcmp(magic, "n+1", 4) == 0   ? UM_NIFTI_1
               : memcmp(magic, "ni1", 4) == 0 ? UM_NIFTI_PAIR
                                              : UM_NIFTI_ANALYZE;
    }
    if (order_of(bytes, n, SIZE_2)) {
        const char *magic = (const char *)bytes + 4;

        return memcmp(magic, "n+2\0\r\n\032\n", 8) == 0   ? UM_NIFTI_2
               : memcmp(magic, "ni2\0\r\n\032\n", 8) == 0 ? UM_NIFTI_PAIR
                                                          : UM_NIFTI_NOT;
    }
    return UM_NIFTI_NOT;
}

/* both versions name the fields alike */
#define COPY_HEAD(h, f)                                                                            \
    do {                                                                                           \
        for (int i = 0; i < 8; i++) {                                                              \
            (h)->dim[i]    = (f).dim[i];                                                           \
            (h)->pixdim[i] = (f).pixdim[i];                                                        \
        }                                                                                          \
        (h)->offset     = (double)(f).vox_offset;                                                  \
        (h)->slope      = (f).scl_slope;                                                           \
        (h)->inter      = (f).scl_inter;                                                           \
        (h)->datatype   = (f).datatype;                                                            \
        (h)->qform      = (f).qform_code;                                                          \
        (h)->sform      = (f).sform_code;                                                          \
        (h)->units      = XYZT_TO_SPACE((f).xyzt_units);                                           \
        (h)->quatern[0] = (f).quatern_b;                                                           \
        (h)->quatern[1] = (f).quatern_c;                                                           \
        (h)->quatern[2] = (f).quatern_d;                                                           \
        (h)->quatern[3] = (f).qoffset_x;                                                           \
        (h)->quatern[4] = (f).qoffset_y;                                                           \
        (h)->quatern[5] = (f).qoffset_z;                                                           \
        for (int i = 0; i < 4; i++) {                                                              \
            (h)->srow[i]     = (f).srow_x[i];                                                      \
            (h)->srow[4 + i] = (f).srow_y[i];                                                      \
            (h)->srow[8 + i] = (f).srow_z[i];                                                      \
        }                                                                                          \
    } while (0)

static int read_head(const uint8_t *bytes, size_t n, struct head *h)
{
    nifti_1_header one;
    nifti_2_header two;

    switch (um_nifti_kind(bytes, n)) {
    case UM_NIFTI_1:
        memcpy(&one, bytes, sizeof one);
        h->swapped = order_of(bytes, n, SIZE_1) < 0;
        if (h->swapped)
            (void)swap_nifti_header(&one, 1);
        COPY_HEAD(h, one);
        h->bytes = SIZE_1;
        return UM_OK;
    case UM_NIFTI_2:
        memcpy(&two, bytes, sizeof two);
        h->swapped = order_of(bytes, n, SIZE_2) < 0;
        if (h->swapped)
            (void)swap_nifti_header(&two, 2);
        COPY_HEAD(h, two);
        h->bytes = SIZE_2;
        return UM_OK;
    case UM_NIFTI_PAIR:
        return um_fail(UM_EUNSUPPORTED, "NIfTI: a header whose voxels lie in another file (.hdr of "
                                        "a .hdr/.img pair): make one .nii of the two");
    case UM_NIFTI_ANALYZE:
        return um_fail(UM_EUNSUPPORTED, "an Analyze 7.5 header (or a damaged NIfTI-1 one): make a "
                                        ".nii of it and its .img");
    default: return um_fail(UM_EFORMAT, "not a NIfTI file");
    }
}

static int voxel_type(int datatype, enum um_voxel *type)
{
    switch (datatype) {
    case NIFTI_TYPE_UINT8: *type = UM_VOX_U8; return UM_OK;
    case NIFTI_TYPE_INT8: *type = UM_VOX_I8; return UM_OK;
    case NIFTI_TYPE_UINT16: *type = UM_VOX_U16; return UM_OK;
    case NIFTI_TYPE_INT16: *type = UM_VOX_I16; return UM_OK;
    case NIFTI_TYPE_UINT32: *type = UM_VOX_U32; return UM_OK;
    case NIFTI_TYPE_INT32: *type = UM_VOX_I32; return UM_OK;
    case NIFTI_TYPE_UINT64: *type = UM_VOX_U64; return UM_OK;
    case NIFTI_TYPE_INT64: *type = UM_VOX_I64; return UM_OK;
    case NIFTI_TYPE_FLOAT32: *type = UM_VOX_F32; return UM_OK;
    case NIFTI_TYPE_FLOAT64: *type = UM_VOX_F64; return UM_OK;
    default:
        return um_fail(UM_EUNSUPPORTED, "NIfTI: datatype %d (%s) is not one real number a voxel",
                       datatype, nifti_datatype_to_string(datatype));
    }
}

/* sizes 1..7, all above the third one but the frames 1; nothing overflows */
static int check_dims(struct head *h, const struct um_scan_opts *opts, struct um_scan *out)
{
    int64_t voxels = 1;

    if (h->dim[0] < 1 || h->dim[0] > DIM_MAX)
        return um_fail(UM_EFORMAT, "NIfTI: %lld dimensions, 1 to %d expected", (long long)h->dim[0],
                       DIM_MAX);
    for (int i = 1; i <= DIM_MAX; i++) {
        if (i > h->dim[0])
            h->dim[i] = 1;
        if (h->dim[i] < 1)
            return um_fail(UM_EFORMAT, "NIfTI: dimension %d is %lld, must be at least 1", i,
                           (long long)h->dim[i]);
        if (i > 4 && h->dim[i] > 1)
            return um_fail(
                UM_EUNSUPPORTED,
                "NIfTI: %lld dimensions (the size along number %d is %lld): not a volume",
                (long long)h->dim[0], i, (long long)h->dim[i]);
    }
    for (int i = 1; i <= 3; i++) {
        if (h->dim[i] > opts->max_voxels / voxels)
            return um_fail(UM_ERANGE,
                           "NIfTI: %lld x %lld x %lld voxels, at most %lld allowed (--max-pixels)",
                           (long long)h->dim[1], (long long)h->dim[2], (long long)h->dim[3],
                           (long long)opts->max_voxels);
        voxels *= h->dim[i];
    }
    out->frames = h->dim[4];
    if (opts->frame < 0 && out->frames > 1)
        return um_fail(UM_ESHAPE, "NIfTI: %lld time frames: --frame N picks one",
                       (long long)out->frames);
    if (opts->frame >= out->frames)
        return um_fail(UM_ERANGE, "NIfTI: frame %lld asked for, there are %lld (0 to %lld)",
                       (long long)opts->frame, (long long)out->frames, (long long)out->frames - 1);
    return UM_OK;
}

/* where the frame's voxels begin, once all that the header promises is known to be there */
static int check_data(const struct head *h, const struct um_scan_opts *opts, size_t n,
                      struct um_scan *out, size_t *at)
{
    const uint64_t voxels = (uint64_t)(h->dim[1] * h->dim[2] * h->dim[3]);
    uint64_t       frame;

    UM_TRY(voxel_type(h->datatype, &out->volume.type));
    frame = voxels * um_voxel_size(out->volume.type);
    if (!(h->offset >= h->bytes) || h->offset > 9e15 || h->offset != floor(h->offset))
        return um_fail(UM_EFORMAT, "NIfTI: voxels cannot begin at byte %g", h->offset);
    if (h->offset > (double)n || (uint64_t)out->frames > (n - (uint64_t)h->offset) / frame)
        return um_fail(UM_EFORMAT,
                       "NIfTI: cut: the header promises %lld x %lld x %lld x %lld voxels of %zu "
                       "bytes from byte %.0f on, the file has %zu bytes",
                       (long long)h->dim[1], (long long)h->dim[2], (long long)h->dim[3],
                       (long long)h->dim[4], um_voxel_size(out->volume.type), h->offset, n);
    *at = (size_t)h->offset + (size_t)frame * (size_t)(opts->frame > 0 ? opts->frame : 0);
    return UM_OK;
}

static int check_spacing(const struct head *h)
{
    for (int i = 1; i <= 3; i++)
        if (!isfinite(h->pixdim[i]) || (h->sform <= 0 && h->pixdim[i] == 0))
            return um_fail(UM_EFORMAT, "NIfTI: spacing along axis %d is %g mm, must be positive", i,
                           h->pixdim[i]);
    return UM_OK;
}

static int read_affine(const struct head *h, struct um_scan *out)
{
    double      *a     = out->volume.affine;
    const double scale = h->units == NIFTI_UNITS_METER    ? 1000
                         : h->units == NIFTI_UNITS_MICRON ? 0.001
                                                          : 1;

    UM_TRY(check_spacing(h));
    if (h->sform > 0) {
        out->form = "sform";
        memcpy(a, h->srow, sizeof h->srow);
    } else if (h->qform > 0) {
        const double      *q = h->quatern;
        const nifti_dmat44 m = nifti_quatern_to_dmat44(
            q[0], q[1], q[2], q[3], q[4], q[5], fabs(h->pixdim[1]), fabs(h->pixdim[2]),
            fabs(h->pixdim[3]), h->pixdim[0] < 0 ? -1 : 1);

        out->form = "qform";
        for (int i = 0; i < 12; i++)
            a[i] = m.m[i / 4][i % 4];
    } else {
        out->form = "spacing";
        um_scan_note(out,
                     "neither sform nor qform: axes taken to run right, front, head as stored");
        for (int i = 0; i < 12; i++)
            a[i] = i % 5 == 0 ? fabs(h->pixdim[1 + i / 5]) : 0;
    }
    for (int i = 0; i < 12; i++) {
        if (!isfinite(a[i]))
            return um_fail(UM_ENONFINITE, "NIfTI: the %s holds %g", out->form, a[i]);
        a[i] *= scale;
    }
    return UM_OK;
}

static int read_scale(const struct head *h, struct um_volume *v)
{
    const bool none = h->slope == 0 || isnan(h->slope);

    v->slope = none ? 1 : h->slope;
    v->inter = none ? 0 : h->inter;
    if (!isfinite(v->slope) || !isfinite(v->inter))
        return um_fail(UM_ENONFINITE, "NIfTI: scl_slope is %g, scl_inter %g", h->slope, h->inter);
    return UM_OK;
}

/* in place: an odd offset in front of the voxels, or the other byte order */
static void settle(uint8_t *at, size_t bytes, size_t size, bool swapped, struct um_volume *v)
{
    uint8_t *to = at - (uintptr_t)at % size;

    if (to != at)
        memmove(to, at, bytes);
    if (swapped && size > 1)
        nifti_swap_Nbytes((int64_t)(bytes / size), (int)size, to);
    v->voxels = to;
}

int um_nifti_read(uint8_t *bytes, size_t n, const struct um_scan_opts *opts, struct um_scan *out)
{
    struct um_volume *v = &out->volume;
    struct head       h;
    size_t            at = 0, size;

    memset(out, 0, sizeof *out);
    UM_TRY(read_head(bytes, n, &h));
    UM_TRY(check_dims(&h, opts, out));
    UM_TRY(check_data(&h, opts, n, out, &at));
    UM_TRY(read_affine(&h, out));
    UM_TRY(read_scale(&h, v));
    size = um_voxel_size(v->type);
    for (int i = 0; i < 3; i++)
        v->dim[i] = h.dim[3 - i];
    v->step[2] = 1;
    v->step[1] = v->dim[2];
    v->step[0] = v->dim[2] * v->dim[1];
    settle(bytes + at, (size_t)(v->dim[0] * v->step[0]) * size, size, h.swapped, v);
    return UM_OK;
}
