/* export.c - picking a tensor and handing it to the writer of its format */
/* SPDX-License-Identifier: Apache-2.0 */
#include "picture/export.h"

#include "media/nifti_write.h"
#include "media/png_write.h"
#include "picture/onto.h"
#include "picture/picture.h"
#include "stream/npy.h"

const char *um_export_ext(enum um_export e)
{
    return e == UM_EXPORT_NPY ? "npy" : e == UM_EXPORT_PNG ? "png" : "nii.gz";
}

const struct um_tensor *um_export_pick(const struct um_record *rec, enum um_export e,
                                       const char *name)
{
    static const char *const suits[3][5] = {
        { NULL },
        { "image", "volume", "attention", "mask", NULL },
        { "volume", "mask", "image", NULL },
    };

    if (name)
        return um_record_find(rec, name);
    for (const char *const *s = suits[e]; *s; s++)
        if (um_record_find(rec, *s))
            return um_record_find(rec, *s);
    return rec->ntensor == 1 ? &rec->tensor[0] : NULL;
}

static int write_png(struct um_outfile *out, struct um_arena *scratch, const struct um_record *rec,
                     const struct um_tensor *t)
{
    struct um_picture p;

    UM_TRY(um_picture_tensor(scratch, rec, t, &p));
    return um_png_write(out, p.pixel, p.width, p.height, p.channels);
}

static int as_float(struct um_arena *scratch, const struct um_tensor *t, struct um_nifti_out *v)
{
    const int64_t n = um_tensor_count(t);
    float        *f = um_alloc_array(scratch, n, sizeof *f);

    if (!f)
        return UM_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        f[i] = (float)um_elem_get(t->data, t->dtype, i);
    v->data  = f;
    v->dtype = UM_F32;
    return UM_OK;
}

static int write_nii(struct um_outfile *out, struct um_arena *scratch, const struct um_record *rec,
                     const struct um_tensor *t, bool gzip)
{
    struct um_nifti_out v      = { .data = t->data, .dtype = t->dtype, .gzip = gzip };
    int64_t             dim[3] = { 1, 1, 1 };
    int                 skip   = 0;
    double              affine[12], mm[3] = { 1, 1, 1 };
    char                text[UM_SHAPE_TEXT];

    while (skip < t->ndim - 3 && t->dim[skip] == 1)
        skip++;
    if (t->ndim - skip > 3 || t->ndim < 2)
        return um_fail(UM_ESHAPE, "%s: a tensor %s is no volume: [D,H,W] expected", t->name,
                       um_shape_text(t, text, sizeof text));
    for (int i = skip; i < t->ndim; i++)
        dim[3 - (t->ndim - i)] = t->dim[i];
    v.depth  = dim[0];
    v.height = dim[1];
    v.width  = dim[2];
    if (um_meta_numbers(rec, "affine", 12, affine))
        v.affine = affine;
    else if (!um_meta_numbers(rec, "spacing", 3, mm))
        (void)um_meta_numbers(rec, "spacing", 2, mm + 1);
    for (int i = 0; i < 3; i++)
        v.spacing[i] = mm[2 - i];
    if (t->dtype == UM_I64 || t->dtype == UM_F16 || t->dtype == UM_BF16)
        UM_TRY(as_float(scratch, t, &v));
    return um_nifti_write(out, &v);
}

int um_export_write(struct um_outfile *out, struct um_arena *scratch, enum um_export e,
                    const struct um_record *rec, const struct um_tensor *t, bool gzip)
{
    switch (e) {
    case UM_EXPORT_NPY: return um_npy_write(out, t);
    case UM_EXPORT_PNG: return write_png(out, scratch, rec, t);
    case UM_EXPORT_NII: return write_nii(out, scratch, rec, t, gzip);
    }
    return um_fail(UM_EUNSUPPORTED, "no such format");
}

int um_export_view(struct um_outfile *out, struct um_arena *scratch, const struct um_view *v,
                   const struct um_record *rec, const struct um_tensor *t, unsigned *has)
{
    struct um_picture p;

    UM_TRY(um_view_picture(scratch, v, rec, t, &p, has));
    return um_png_write(out, p.pixel, p.width, p.height, p.channels);
}
