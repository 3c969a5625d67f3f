/* onto.c - reading the file whose grid is wanted, and filling it */
/* SPDX-License-Identifier: Apache-2.0 */
#include "picture/onto.h"

#include <math.h>
#include <string.h>

#include "grid/axis.h"
#include "grid/resample_to.h"
#include "media/image.h"
#include "media/nifti.h"
#include "media/nifti_write.h"
#include "picture/picture.h"

enum { HEAD = 540 }; /* the longest NIfTI header */

/* an array in space */
struct placed {
    const struct um_tensor *t;
    int64_t                 dim[3];
    double                  affine[12];
};

bool um_meta_numbers(const struct um_record *rec, const char *name, int n, double *x)
{
    const struct um_value *v = um_map_get(&rec->meta, name);

    if (!v || v->kind != UM_LIST || v->n != n)
        return false;
    for (int i = 0; i < n; i++) {
        const struct um_value *e = &v->item[i];

        if (e->kind != UM_INT && e->kind != UM_FLOAT)
            return false;
        x[i] = e->kind == UM_INT ? (double)e->i : e->f;
    }
    return true;
}

/* attention's cells are blocks of the volume, over the same field of view */
static int place_attention(const struct um_record *rec, struct placed *p)
{
    const struct um_tensor *volume = um_record_find(rec, "volume");
    double                  affine[12];
    struct um_axis          axis[3];

    if (!volume || volume->ndim != 3)
        return um_fail(UM_EMISSING, "attention: where it lies is known beside `volume` only");
    p->dim[0] = p->t->dim[0];
    um_picture_cells(rec, p->t->dim[1], &p->dim[1], &p->dim[2]);
    for (int i = 0; i < 3; i++)
        if (p->dim[i] < 1 || p->dim[i] > volume->dim[i])
            return um_fail(UM_ESHAPE, "attention: %lld cells along a side of %lld voxels",
                           (long long)p->dim[i], (long long)volume->dim[i]);
    memcpy(affine, p->affine, sizeof affine);
    um_axes_resize(volume->dim, p->dim, axis);
    um_affine_onto(affine, axis, p->affine);
    return UM_OK;
}

static int place(const struct um_record *rec, const struct um_tensor *t, struct placed *p)
{
    int  skip = 0;
    char text[UM_SHAPE_TEXT];

    *p = (struct placed){ .t = t, .dim = { 1, 1, 1 } };
    if (!um_meta_numbers(rec, "affine", 12, p->affine))
        return um_fail(UM_EMISSING, "no meta.affine, which says where a volume lies: it comes from "
                                    "um-preprocess");
    if (strcmp(t->name, "attention") == 0 && t->ndim == 2)
        return place_attention(rec, p);
    while (skip < t->ndim - 3 && t->dim[skip] == 1)
        skip++;
    if (t->ndim - skip != 3 || um_tensor_count(t) == 0)
        return um_fail(UM_ESHAPE, "%s: a tensor %s is no volume: [D,H,W] expected", t->name,
                       um_shape_text(t, text, sizeof text));
    memcpy(p->dim, t->dim + skip, sizeof p->dim);
    return UM_OK;
}

static int as_float(struct um_arena *scratch, const struct um_tensor *t, float **f)
{
    const int64_t n = um_tensor_count(t);

    if (!(*f = um_alloc_array(scratch, n, sizeof **f)))
        return UM_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        (*f)[i] = (float)um_elem_get(t->data, t->dtype, i);
    return UM_OK;
}

/* of either, what both have */
static double shared(const struct placed *p, const struct um_volume *to, int64_t covered)
{
    double mine = 1, its = 1, mm[3], its_mm[3];

    um_affine_spacing(p->affine, mm);
    um_affine_spacing(to->affine, its_mm);
    for (int i = 0; i < 3; i++) {
        mine *= mm[i] * (double)p->dim[i];
        its *= its_mm[i] * (double)to->dim[i];
    }
    const double part = (double)covered / (double)(to->dim[0] * to->dim[1] * to->dim[2]);

    return fmax(part, fmin(1, part * its / mine));
}

static int sample(struct um_arena *scratch, const struct placed *p, const struct um_volume *to,
                  struct um_nifti_out *v, int64_t *covered)
{
    const int64_t n    = to->dim[0] * to->dim[1] * to->dim[2];
    const size_t  size = p->t->dtype >= UM_F16 ? sizeof(float) : um_dtype_size(p->t->dtype);
    void         *data = um_alloc_array(scratch, n, size);
    float        *f;

    if (!data)
        return UM_ENOMEM;
    v->data  = data;
    v->dtype = p->t->dtype;
    if (p->t->dtype < UM_F16)
        return um_resample_nearest(p->t->data, size, p->dim, p->affine, to, data, covered);
    v->dtype = UM_F32;
    UM_TRY(as_float(scratch, p->t, &f));
    return um_resample_linear(f, p->dim, p->affine, to, data, covered);
}

static int write_onto(struct um_outfile *out, struct um_arena *scratch, struct um_image *im,
                      const struct placed *p, bool gzip, double *share)
{
    const struct um_scan_opts opts       = { .max_voxels = UM_ONTO_MAX, .frame = 0 };
    const bool                own        = um_nifti_kind(im->bytes, im->n) != UM_NIFTI_NOT;
    uint8_t                   head[HEAD] = { 0 };
    struct um_nifti_out       v          = { .gzip = gzip };
    struct um_scan            f;
    int64_t                   covered;

    if (own) /* the view's steps keep to the order in the file; reading may move the voxels */
        memcpy(head, im->bytes, im->n < HEAD ? im->n : HEAD);
    UM_TRY(um_image_volume(scratch, im, &opts, &f));
    if (!own) {
        f.volume.step[2] = 1;
        f.volume.step[1] = f.volume.dim[2];
        f.volume.step[0] = f.volume.dim[2] * f.volume.dim[1];
        v.affine         = f.volume.affine;
    }
    v.width  = f.volume.dim[2];
    v.height = f.volume.dim[1];
    v.depth  = f.volume.dim[0];
    UM_TRY(sample(scratch, p, &f.volume, &v, &covered));
    *share = shared(p, &f.volume, covered);
    return own ? um_nifti_write_like(out, head, im->n < HEAD ? im->n : HEAD, &v)
               : um_nifti_write(out, &v);
}

int um_export_onto(struct um_outfile *out, struct um_arena *scratch, const struct um_record *rec,
                   const struct um_tensor *t, const char *like, bool gzip, double *share)
{
    struct um_image im;
    struct placed   p;
    int             st;

    UM_TRY(place(rec, t, &p));
    if (t->dtype == UM_I64)
        return um_fail(UM_EDTYPE, "%s: int64 labels: NIfTI viewers take int32 at most", t->name);
    UM_TRY(um_image_open(scratch, like, UM_ONTO_MAX, &im));
    st = write_onto(out, scratch, &im, &p, gzip, share);
    return st < 0 ? um_context(st, "%s", like) : UM_OK;
}
