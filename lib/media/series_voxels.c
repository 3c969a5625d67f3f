/* series_voxels.c - the voxels of a series; files of many frames */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "media/dicom_lut.h"
#include "media/series.h"
#include "media/series_int.h"

enum {
    SHARED         = 0x52009229,
    PER_FRAME      = 0x52009230,
    POSITION       = 0x00209113,
    ORIENTATION    = 0x00209116,
    MEASURES       = 0x00289110,
    TRANSFORMATION = 0x00289145
};

int um_series_take(struct um_arena *a, const struct um_dicom *d, int64_t n, bool floats,
                   const struct um_scan_opts *opts, struct um_scan *out)
{
    struct um_volume *v = &out->volume;

    if (n > opts->max_voxels / (d->rows * d->columns))
        return um_fail(
            UM_ERANGE, "DICOM: %lld x %lld x %lld voxels, at most %lld allowed (--max-pixels)",
            (long long)d->columns, (long long)d->rows, (long long)n, (long long)opts->max_voxels);
    v->dim[0]  = n;
    v->dim[1]  = d->rows;
    v->dim[2]  = d->columns;
    v->step[2] = 1;
    v->step[1] = d->columns;
    v->step[0] = d->rows * d->columns;
    v->type    = floats              ? UM_VOX_F32
                 : d->allocated == 8 ? (d->is_signed ? UM_VOX_I8 : UM_VOX_U8)
                 : d->is_signed      ? UM_VOX_I16
                                     : UM_VOX_U16;
    v->voxels  = um_alloc_array(a, n * v->step[0], um_voxel_size(v->type));
    return v->voxels ? UM_OK : UM_ENOMEM;
}

/* in Hounsfield units, rounded once */
static void rescale(const struct um_dicom *d, const struct um_plane_at *s,
                    const struct um_dicom_lut *lut, const void *stored, float *hu, int64_t *padding)
{
    const size_t   n     = (size_t)(d->rows * d->columns);
    const uint8_t *bytes = stored;

    for (size_t i = 0; i < n; i++) {
        uint16_t u = 0;
        int      v;

        if (d->allocated == 8) {
            v = d->is_signed ? (int8_t)bytes[i] : bytes[i];
        } else {
            memcpy(&u, bytes + 2 * i, 2);
            v = d->is_signed ? (int16_t)u : u;
        }
        if (lut->there) {
            hu[i] = (float)um_dicom_lut_at(lut, v);
        } else if (um_planes_padding(&s->plane, v)) {
            hu[i] = UM_PLANES_AIR;
            ++*padding;
        } else {
            hu[i] = (float)(s->plane.slope * v + s->plane.inter);
        }
    }
}

int um_series_put(struct um_arena *a, const struct um_dicom *d, const struct um_plane_at *s,
                  int64_t i, struct um_scan *out)
{
    struct um_volume   *v    = &out->volume;
    struct um_dicom_lut lut  = { .there = false };
    const size_t        size = (size_t)v->step[0] * um_voxel_size(v->type);
    char               *to   = (char *)(uintptr_t)v->voxels + (size_t)i * size;
    void               *stored;
    bool                luma;

    if (v->type != UM_VOX_F32)
        return um_dicom_frame(a, d, s->frame, to, &luma);
    if (!(stored = um_alloc(a, um_dicom_frame_size(d))))
        return UM_ENOMEM;
    UM_TRY(um_dicom_frame(a, d, s->frame, stored, &luma));
    if (s->plane.has_lut)
        UM_TRY(um_dicom_lut_find(d, UM_DICOM_MODALITY_LUT, d->is_signed, &lut));
    rescale(d, s, &lut, stored, (float *)(void *)to, &out->padding);
    return UM_OK;
}

int um_series_settle(struct um_arena *a, struct um_scan *out)
{
    const char *note;

    if (out->volume.type == UM_VOX_F32) {
        out->volume.slope = 1;
        out->volume.inter = 0;
    }
    if (out->padding == 0)
        return UM_OK;
    note = um_sprintf(a, "%lld voxels of padding, over 3071 HU, are taken as air, %d HU",
                      (long long)out->padding, UM_PLANES_AIR);
    if (!note)
        return UM_ENOMEM;
    um_scan_note(out, note);
    return UM_OK;
}

/* ---- functional groups ---- */

/* one element, if it is in the first item of that sequence */
static int take(const struct um_dicom_walk *group, uint32_t sequence, uint32_t tag, double *v,
                int most, bool *has)
{
    struct um_dicom_element e;
    struct um_dicom_walk    items, item;
    int                     st;

    if ((st = um_dicom_find(*group, sequence, &e)) != 1)
        return st;
    um_dicom_items(group, &e, &items);
    if ((st = um_dicom_item(&items, &item)) != 1 || (st = um_dicom_find(item, tag, &e)) != 1)
        return st;
    if (um_dicom_numbers(&item, &e, v, most) >= most)
        *has = true;
    return UM_OK;
}

static int take_group(const struct um_dicom_walk *group, struct um_dicom_plane *p)
{
    UM_TRY(take(group, POSITION, 0x00200032, p->position, 3, &p->has_position));
    UM_TRY(take(group, ORIENTATION, 0x00200037, p->orientation, 6, &p->has_orientation));
    UM_TRY(take(group, MEASURES, 0x00280030, p->spacing, 2, &p->has_spacing));
    UM_TRY(take(group, TRANSFORMATION, 0x00281053, &p->slope, 1, &p->has_slope));
    return take(group, TRANSFORMATION, 0x00281052, &p->inter, 1, &p->has_inter);
}

/* what all frames share, then what each has for itself; 0 if there are no groups for all */
static int take_groups(const struct um_dicom *d, struct um_plane_at *s)
{
    struct um_dicom_element e;
    struct um_dicom_walk    items, item;
    struct um_dicom_plane   shared = d->plane;
    int64_t                 i      = 0;
    int                     st     = um_dicom_find(d->data, SHARED, &e);

    shared.has_position = false;
    if (st == 1) {
        um_dicom_items(&d->data, &e, &items);
        if ((st = um_dicom_item(&items, &item)) == 1)
            UM_TRY(take_group(&item, &shared));
    }
    if (st < 0 || (st = um_dicom_find(d->data, PER_FRAME, &e)) != 1)
        return st;
    um_dicom_items(&d->data, &e, &items);
    for (; i < d->frames && (st = um_dicom_item(&items, &item)) == 1; i++) {
        s[i] = (struct um_plane_at){
            .frame = i, .instance = i, .acquisition = INT64_MAX, .plane = shared
        };
        UM_TRY(take_group(&item, &s[i].plane));
    }
    return st < 0 ? st : i == d->frames;
}

static int check_frames(const struct um_dicom *d, const struct um_scan_opts *opts)
{
    UM_TRY(um_dicom_need_pixels(d));
    if (d->samples != 1 || d->colours > UM_DICOM_MONOCHROME2)
        return um_fail(UM_EUNSUPPORTED, "DICOM: %lld frames in colour: not a CT",
                       (long long)d->frames);
    return opts->frame > 0 ? um_fail(UM_ERANGE, "DICOM: one volume, no time frames") : UM_OK;
}

int um_series_frames(struct um_arena *a, const uint8_t *bytes, size_t n,
                     const struct um_scan_opts *opts, struct um_scan *out)
{
    struct um_dicom     d;
    struct um_plane_at *s;
    struct um_mark      mark;
    int64_t             many;
    int                 st;

    memset(out, 0, sizeof *out);
    UM_TRY(um_dicom_open(a, bytes, n, n, opts->max_voxels, &d));
    UM_TRY(check_frames(&d, opts));
    many = d.frames;
    if (!(s = um_alloc_array(a, many, sizeof *s)))
        return UM_ENOMEM;
    if ((st = take_groups(&d, s)) != 1)
        return st < 0 ? st
                      : um_fail(UM_EMISSING,
                                "DICOM: %lld frames, and where they lie in the patient "
                                "is not said: not a volume",
                                (long long)d.frames);
    UM_TRY(um_planes_arrange(a, s, &many, opts, out));
    UM_TRY(um_dicom_index(a, &d));
    UM_TRY(um_series_take(a, &d, many, um_planes_rescale(s, many), opts, out));
    mark = um_arena_mark(a);
    for (int64_t i = 0; i < many; i++) {
        UM_TRY(um_series_put(a, &d, &s[i], i, out));
        um_arena_rewind(a, mark);
    }
    out->frames = 1;
    return um_series_settle(a, out);
}
