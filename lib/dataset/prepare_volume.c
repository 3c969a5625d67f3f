/* prepare_volume.c - a volume onto the grid that was asked for, and its mask along with it */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "dataset/prepare_int.h"
#include "grid/mask.h"
#include "grid/triangle.h"

enum { SIDE_MAX = 4096 };

static int open_volume(struct um_job *j, const struct um_image *im, bool labels, struct um_scan *f)
{
    struct um_scan_opts opts = { .max_voxels       = j->p->max_pixels,
                                 .frame            = j->p->frame,
                                 .labels           = labels,
                                 .threshold        = j->p->mask_threshold,
                                 .slices           = um_job_get(j, UM_COL_SLICES),
                                 .series           = j->p->series,
                                 .allow_gaps       = j->p->allow_gaps,
                                 .allow_duplicates = j->p->allow_duplicates };

    if (!labels)
        UM_TRY(um_job_levels(j, &opts.levels));
    UM_TRY(um_image_volume(j->scratch, im, &opts, f));
    f->volume.replace = j->p->replace;
    f->volume.instead = (float)j->p->nan_hu;
    return UM_OK;
}

/* ---- the grid ---- */

/* v onto the spacing, or the size; without a spacing a size is a resize, with one a crop or pad */
static int lay(struct um_job *j, const struct um_volume *v, struct um_placed *at)
{
    const struct um_prepare *p = j->p;
    double                   mm[3], voxels = 1;

    um_affine_spacing(v->affine, mm);
    for (int i = 0; i < 3; i++) {
        if (p->spacing[0] > 0)
            UM_TRY(
                um_axis_spacing(v->dim[i], mm[2 - i], p->spacing[2 - i], SIDE_MAX, &at->axis[i]));
        else
            at->axis[i] = um_axis_resize(v->dim[i], p->volume_size[i]);
        voxels *= (double)at->axis[i].n_out;
    }
    if (voxels > (double)p->max_pixels)
        return um_fail(
            UM_ERANGE, "%lld x %lld x %lld voxels %s, at most %lld allowed (--max-pixels)",
            (long long)at->axis[0].n_out, (long long)at->axis[1].n_out,
            (long long)at->axis[2].n_out, p->spacing[0] > 0 ? "at that spacing" : "by --size",
            (long long)p->max_pixels);
    return UM_OK;
}

static void dims(const struct um_axis axis[3], int64_t dim[3])
{
    for (int i = 0; i < 3; i++)
        dim[i] = axis[i].n_out;
}

/* with a spacing and a size: that many voxels around the centre */
static void centre(struct um_job *j, struct um_axis axis[3])
{
    for (int i = 0; j->p->spacing[0] > 0 && j->p->sized && i < 3; i++)
        um_axis_centre(&axis[i], j->p->volume_size[i]);
}

static int resize(struct um_job *j, const struct um_volume *v, const double window[2],
                  const struct um_axis axis[3], float *out, struct um_hu_count *count)
{
    return um_volume_resize(j->scratch, v, window, axis, j->p->point, out, count);
}

/* the rows of from[] that lie in the grid of to[], which differs by its crop alone */
static void copy_part(const float *x, const struct um_axis from[3], const struct um_axis to[3],
                      float *out)
{
    int64_t n[3], shift[3];

    dims(from, n);
    for (int i = 0; i < 3; i++)
        shift[i] = to[i].lead - from[i].lead;
    memset(out, 0, (size_t)(to[0].n_out * to[1].n_out * to[2].n_out) * sizeof *out);
    for (int64_t z = 0; z < to[0].n_out; z++)
        for (int64_t y = 0; y < to[1].n_out; y++, out += to[2].n_out) {
            const int64_t fz = z + shift[0], fy = y + shift[1], lo = shift[2] < 0 ? -shift[2] : 0,
                          hi = n[2] - shift[2] < to[2].n_out ? n[2] - shift[2] : to[2].n_out;

            if (fz >= 0 && fz < n[0] && fy >= 0 && fy < n[1] && lo < hi)
                memcpy(out + lo, x + (fz * n[1] + fy) * n[2] + lo + shift[2],
                       (size_t)(hi - lo) * sizeof *out);
        }
}

/* ---- the volume ---- */

/* the whole on the spacing, then what of it lies above 0 */
static int spaced_foreground(struct um_job *j, const struct um_volume *v, const double window[2],
                             struct um_placed *at, struct um_hu_count *count)
{
    struct um_axis   whole[3];
    struct um_tensor t;
    struct um_box3   box;
    int64_t          dim[3];
    float           *x;

    memcpy(whole, at->axis, sizeof whole);
    dims(whole, dim);
    x = um_alloc_array(j->scratch, dim[0] * dim[1] * dim[2], sizeof *x);
    if (!x)
        return UM_ENOMEM;
    UM_TRY(resize(j, v, window, whole, x, count));
    UM_TRY(um_array_foreground(x, dim, &box));
    for (int i = 0; i < 3; i++)
        um_axis_crop(&at->axis[i], box.first[i], box.n[i]);
    centre(j, at->axis);
    dims(at->axis, dim);
    UM_TRY(um_job_tensor(j, "volume", UM_F32, 3, dim, &t));
    copy_part(x, whole, at->axis, t.data);
    return UM_OK;
}

static int write_volume(struct um_job *j, const struct um_volume *v, const double window[2],
                        struct um_placed *at, struct um_hu_count *count)
{
    struct um_tensor t;
    int64_t          dim[3];

    UM_TRY(lay(j, v, at));
    if (j->p->crop_foreground && j->p->spacing[0] > 0)
        return spaced_foreground(j, v, window, at, count);
    centre(j, at->axis);
    dims(at->axis, dim);
    UM_TRY(um_job_tensor(j, "volume", UM_F32, 3, dim, &t));
    return resize(j, v, window, at->axis, t.data, count);
}

static int set_geometry(struct um_job *j, const struct um_volume *v, const double window[2],
                        const struct um_placed *at)
{
    double affine[12], spacing[3];

    um_affine_onto(v->affine, at->axis, affine);
    um_affine_spacing(affine, spacing);
    UM_TRY(um_map_set_nums(j->a, &j->rec->meta, "spacing", spacing, 3));
    UM_TRY(um_map_set_nums(j->a, &j->rec->meta, "affine", affine, 12));
    return um_map_set_nums(j->a, &j->rec->meta, "window", window, 2);
}

int um_job_volume(struct um_job *j, const struct um_image *im, struct um_placed *at)
{
    const double       levels[2] = { 0, 255 };
    const double      *window;
    struct um_hu_count count = { 0 };
    struct um_volume   v;
    struct um_scan     f;

    if (*um_job_get(j, UM_COL_BOXES))
        return um_fail(UM_ESHAPE, "a volume, and boxes lie on pictures");
    UM_TRY(open_volume(j, im, false, &f));
    window    = f.grey ? levels : j->p->window;
    v         = f.volume;
    at->whole = v;
    at->part  = (struct um_box3){ .n = { v.dim[0], v.dim[1], v.dim[2] } };
    if (j->p->crop_foreground && !(j->p->spacing[0] > 0)) {
        UM_TRY(um_volume_foreground(j->scratch, &v, window[0], &count, &at->part));
        um_volume_crop(&v, at->part.first, at->part.n);
    }
    UM_TRY(write_volume(j, &v, window, at, count.total ? NULL : &count));
    for (int i = 0; i < f.notes; i++)
        um_job_note(j, f.note[i]);
    if (!f.grey)
        um_job_note(j, um_hu_advice(j->scratch, &f.volume, &count));
    return set_geometry(j, &v, window, at);
}

/* ---- its mask ---- */

/* same shape, and corners within a tenth of the smallest spacing */
static int check_grid(const struct um_volume *mask, const struct um_volume *image)
{
    double spacing[3], least, worst = 0;

    if (memcmp(mask->dim, image->dim, sizeof mask->dim) != 0)
        return um_fail(
            UM_EMISMATCH, "%lld x %lld x %lld voxels (z, y, x), the image has %lld x %lld x %lld",
            (long long)mask->dim[0], (long long)mask->dim[1], (long long)mask->dim[2],
            (long long)image->dim[0], (long long)image->dim[1], (long long)image->dim[2]);
    um_affine_spacing(image->affine, spacing);
    least = fmin(spacing[0], fmin(spacing[1], spacing[2]));
    for (int corner = 0; corner < 8; corner++)
        for (int r = 0; r < 3; r++) {
            double d = mask->affine[4 * r + 3] - image->affine[4 * r + 3];

            for (int c = 0; c < 3; c++)
                d += (corner >> c & 1) * (double)(image->dim[2 - c] - 1) *
                     (mask->affine[4 * r + c] - image->affine[4 * r + c]);
            worst = fmax(worst, fabs(d));
        }
    if (!(worst <= 0.1 * least))
        return um_fail(UM_EMISMATCH, "lies up to %g mm away from the image", worst);
    return UM_OK;
}

int um_job_volume_mask(struct um_job *j, const struct um_image *im, const struct um_placed *at)
{
    struct um_scan   f;
    struct um_tensor t;
    int64_t          dim[3];

    UM_TRY(open_volume(j, im, true, &f));
    UM_TRY(check_grid(&f.volume, &at->whole));
    um_volume_crop(&f.volume, at->part.first, at->part.n);
    dims(at->axis, dim);
    UM_TRY(um_job_tensor(j, "mask", UM_U8, 3, dim, &t));
    return um_mask_resize(j->scratch, &f.volume, j->p->mask_filter, j->p->mask_threshold, at->axis,
                          t.data);
}
