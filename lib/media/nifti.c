/* nifti.c - checking a NIfTI header against its voxels */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/nifti.h"

#include <math.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <nifti2_io.h>

#include "media/beside.h"
#include "media/block.h"
#include "media/nifti_int.h"

enum { DIM_MAX = 7, SPM_INT8 = 130, SPM_UINT16 = 132, SPM_UINT32 = 136 };

static int voxel_type(int datatype, enum um_voxel *type)
{
    switch (datatype) {
    case NIFTI_TYPE_UINT8: *type = UM_VOX_U8; return UM_OK;
    case SPM_INT8:
    case NIFTI_TYPE_INT8: *type = UM_VOX_I8; return UM_OK;
    case SPM_UINT16:
    case NIFTI_TYPE_UINT16: *type = UM_VOX_U16; return UM_OK;
    case NIFTI_TYPE_INT16: *type = UM_VOX_I16; return UM_OK;
    case SPM_UINT32:
    case NIFTI_TYPE_UINT32: *type = UM_VOX_U32; return UM_OK;
    case NIFTI_TYPE_INT32: *type = UM_VOX_I32; return UM_OK;
    case NIFTI_TYPE_UINT64: *type = UM_VOX_U64; return UM_OK;
    case NIFTI_TYPE_INT64: *type = UM_VOX_I64; return UM_OK;
    case NIFTI_TYPE_FLOAT32: *type = UM_VOX_F32; return UM_OK;
    case NIFTI_TYPE_FLOAT64: *type = UM_VOX_F64; return UM_OK;
    default:
        return um_fail(UM_EUNSUPPORTED, "datatype %d (%s) is not one real number a voxel", datatype,
                       nifti_datatype_to_string(datatype));
    }
}

/* sizes 1..7, all above the fourth one 1 */
static int check_dims(struct um_nifti_head *h, const struct um_scan_opts *opts, struct um_scan *out)
{
    if (h->dim[0] < 1 || h->dim[0] > DIM_MAX)
        return um_fail(UM_EFORMAT, "%lld dimensions, 1 to %d expected", (long long)h->dim[0],
                       DIM_MAX);
    for (int i = 1; i <= DIM_MAX; i++) {
        if (i > h->dim[0])
            h->dim[i] = 1;
        if (h->dim[i] < 1)
            return um_fail(UM_EFORMAT, "dimension %d is %lld, must be at least 1", i,
                           (long long)h->dim[i]);
        if (i > 4 && h->dim[i] > 1)
            return um_fail(UM_EUNSUPPORTED,
                           "%lld dimensions (the size along number %d is %lld): not a volume",
                           (long long)h->dim[0], i, (long long)h->dim[i]);
    }
    return um_scan_sizes(h->dim + 1, opts, out);
}

/* Where the voxels may begin. Of less than 352 libnifti makes 348, also of 0, and nibabel refuses
 * it: what it means nobody can say. */
static int check_offset(const struct um_nifti_head *h, int least)
{
    if (!(h->offset >= least) || h->offset > 9e15 || h->offset != floor(h->offset))
        return um_fail(UM_EFORMAT, "vox_offset is %g: a whole number from %d on expected",
                       h->offset, least);
    return UM_OK;
}

/* header, voxels of all frames, and what stands between */
static int whole_file(const struct um_nifti_head *h, const struct um_scan_opts *opts,
                      const struct um_scan *s, size_t *bytes)
{
    int64_t n;

    UM_TRY(check_offset(h, h->least));
    UM_TRY(um_scan_all(opts, s, &n));
    *bytes = (size_t)h->offset + (size_t)n * um_voxel_size(s->volume.type);
    return UM_OK;
}

static int check_spacing(const struct um_nifti_head *h)
{
    for (int i = 1; i <= 3; i++)
        if (!isfinite(h->pixdim[i]) || (h->sform <= 0 && h->pixdim[i] == 0))
            return um_fail(UM_EFORMAT, "spacing along axis %d is %g mm, must be positive", i,
                           h->pixdim[i]);
    return UM_OK;
}

static int read_affine(const struct um_nifti_head *h, struct um_scan *out)
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
            return um_fail(UM_ENONFINITE, "the %s holds %g", out->form, a[i]);
        a[i] *= scale;
    }
    return UM_OK;
}

static int read_scale(const struct um_nifti_head *h, struct um_volume *v)
{
    const bool none = h->slope == 0 || isnan(h->slope);

    v->slope = none ? 1 : h->slope;
    v->inter = none ? 0 : h->inter;
    if (!isfinite(v->slope) || !isfinite(v->inter))
        return um_fail(UM_ENONFINITE, "scl_slope is %g, scl_inter %g", h->slope, h->inter);
    return UM_OK;
}

static int read_all_but_voxels(const uint8_t *bytes, size_t n, const struct um_scan_opts *opts,
                               struct um_nifti_head *h, struct um_scan *out)
{
    *out = (struct um_scan){ 0 };
    UM_TRY(um_nifti_head_read(bytes, n, h));
    UM_TRY(check_dims(h, opts, out));
    UM_TRY(voxel_type(h->datatype, &out->volume.type));
    if (h->bits != 0 && h->bits != 8 * (int)um_voxel_size(out->volume.type))
        um_scan_note(out, "bitpix contradicts datatype, which is gone by");
    if (h->kind == UM_NIFTI_ANALYZE)
        return um_analyze_space(h, out);
    UM_TRY(read_affine(h, out));
    return read_scale(h, &out->volume);
}

static bool alone(const struct um_nifti_head *h)
{
    return h->kind == UM_NIFTI_1 || h->kind == UM_NIFTI_2;
}

int um_nifti_promise(const uint8_t *head, size_t n, int64_t max_voxels, size_t *bytes)
{
    const struct um_scan_opts opts = { .max_voxels = max_voxels };
    struct um_nifti_head      h;
    struct um_scan            s;
    int                       st = read_all_but_voxels(head, n, &opts, &h, &s);

    *bytes = 0;
    if (st >= 0 && alone(&h))
        st = whole_file(&h, &opts, &s, bytes);
    return st < 0 ? um_context(st, "NIfTI") : UM_OK;
}

static int read_single(struct um_arena *a, uint8_t *bytes, size_t n,
                       const struct um_scan_opts *opts, struct um_scan *out)
{
    struct um_volume    *v = &out->volume;
    struct um_nifti_head h;
    size_t               promised, size;

    UM_TRY(read_all_but_voxels(bytes, n, opts, &h, out));
    if (!alone(&h))
        return um_fail(UM_EUNSUPPORTED, "a header whose voxels lie in another file");
    UM_TRY(whole_file(&h, opts, out, &promised));
    size = um_voxel_size(v->type);
    if (promised > n)
        return um_fail(UM_EFORMAT,
                       "cut: the header promises %lld x %lld x %lld x %lld voxels of %zu bytes "
                       "from byte %.0f on, the file has %zu bytes",
                       (long long)h.dim[1], (long long)h.dim[2], (long long)h.dim[3],
                       (long long)h.dim[4], size, h.offset, n);
    v->voxels = um_scan_settle(um_scan_frame(opts, out, bytes + (size_t)h.offset),
                               (size_t)(v->dim[0] * v->step[0]) * size, size, h.swapped);
    return um_scan_over(a, out, n - promised);
}

int um_nifti_read(struct um_arena *a, uint8_t *bytes, size_t n, const struct um_scan_opts *opts,
                  struct um_scan *out)
{
    const int st = read_single(a, bytes, n, opts, out);

    return st < 0 ? um_context(st, "NIfTI") : UM_OK;
}

/* ---- pairs ---- */

static bool there(const char *path)
{
    return path && access(path, F_OK) == 0;
}

int um_nifti_header_of(struct um_arena *a, const char *path, const char **header)
{
    static const char *const end[][2] = {
        { ".img", ".hdr" }, { ".img.gz", ".hdr.gz" }, { ".img", ".hdr.gz" }, { ".img.gz", ".hdr" }
    };
    const size_t n = strlen(path);

    for (size_t i = 0; i < sizeof end / sizeof end[0]; i++) {
        const size_t m = strlen(end[i][0]);

        if (n < m || strcasecmp(path + n - m, end[i][0]) != 0)
            continue;
        *header = um_beside_swap(a, path, end[i][0], end[i][1]);
        if (!*header)
            return UM_ENOMEM;
        if (there(*header))
            return 1;
    }
    return 0;
}

/* the file of voxels beside a header, plain or compressed: its name within their folder */
static int voxels_of(struct um_arena *a, const char *header, const char **name)
{
    const size_t n   = strlen(header);
    const bool   gz  = n > 3 && strcasecmp(header + n - 3, ".gz") == 0;
    const char  *img = um_beside_swap(a, header, gz ? ".hdr.gz" : ".hdr", ".img"), *found = img;
    const char  *slash;

    if (img && !there(img)) {
        const char *packed = um_sprintf(a, "%s.gz", img);

        found = there(packed) ? packed : img;
    }
    if (!found)
        return UM_ENOMEM;
    slash = strrchr(found, '/');
    *name = slash ? slash + 1 : found;
    return UM_OK;
}

/* SPM's transform beside an Analyze header, which may hold what the header does not */
static int note_mat(struct um_arena *a, const char *header, struct um_scan *out)
{
    const size_t n   = strlen(header);
    const bool   gz  = n > 3 && strcasecmp(header + n - 3, ".gz") == 0;
    const char  *mat = um_beside_swap(a, header, gz ? ".hdr.gz" : ".hdr", ".mat");

    if (!mat)
        return UM_ENOMEM;
    if (there(mat))
        um_scan_note(out, "SPM's .mat beside the header is not read: place and left and right may "
                          "differ; NIfTI keeps both");
    return UM_OK;
}

static int read_pair(struct um_arena *a, const char *header, const uint8_t *bytes, size_t n,
                     const char *voxels, const struct um_scan_opts *opts, struct um_scan *out)
{
    struct um_block      b = { 0 };
    struct um_nifti_head h;
    bool                 gzip;
    void                *p;

    UM_TRY(read_all_but_voxels(bytes, n, opts, &h, out));
    if (h.kind == UM_NIFTI_ANALYZE)
        UM_TRY(note_mat(a, header, out));
    UM_TRY(check_offset(&h, 0));
    UM_TRY(um_scan_all(opts, out, &b.n));
    if (!voxels)
        UM_TRY(voxels_of(a, header, &voxels));
    UM_TRY(um_block_is_gzip(a, header, voxels, &gzip));
    b.type       = out->volume.type;
    b.coding     = gzip ? UM_CODING_GZIP : UM_CODING_RAW;
    b.swapped    = h.swapped;
    b.skip_bytes = (int64_t)h.offset;
    b.file       = &voxels;
    b.files      = 1;
    UM_TRY(um_block_read(a, header, &b, &p));
    out->volume.voxels = um_scan_frame(opts, out, p);
    return um_scan_over(a, out, b.over);
}

int um_nifti_read_pair(struct um_arena *a, const char *header, const uint8_t *bytes, size_t n,
                       const char *voxels, const struct um_scan_opts *opts, struct um_scan *out)
{
    const int st = read_pair(a, header, bytes, n, voxels, opts, out);

    if (st >= 0)
        return UM_OK;
    return um_context(st, um_nifti_kind(bytes, n) == UM_NIFTI_ANALYZE
                              ? "Analyze 7.5 (or a damaged NIfTI-1 header)"
                              : "NIfTI pair");
}
