/* prepare_picture.c - a picture into its square, its boxes and its mask along with it */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "dataset/boxes.h"
#include "dataset/prepare_int.h"
#include "grid/area.h"
#include "grid/levels.h"

enum { DARK16 = 65536 / 8, FLAT = 256 / 8 };

static int square(struct um_job *j, const char *name, const struct um_grey *g,
                  const struct um_fit *fit, enum um_filter filter)
{
    const int64_t    s = j->p->image_size, dim[3] = { 1, s, s };
    struct um_tensor t;

    UM_TRY(um_job_tensor(j, name, UM_U8, 3, dim, &t));
    return um_grey_square(j->scratch, g, fit, filter, s, t.data);
}

/* `pixels` of the file and `extent` in the square, so that a place in one is known in the other */
static int set_geometry(struct um_job *j, const struct um_placed *at)
{
    const struct um_grey *g         = &at->grey;
    const struct um_fit  *f         = &at->fit;
    const double          pixels[2] = { (double)g->file_width, (double)g->file_height };
    const double          extent[4] = { (double)f->x, (double)f->y, (double)(f->x + f->w),
                                        (double)(f->y + f->h) };
    const double          mm[2]     = { g->mm[0] * pixels[0] / (double)f->w,
                                        g->mm[1] * pixels[1] / (double)f->h };

    UM_TRY(um_map_set_nums(j->a, &j->rec->meta, "pixels", pixels, 2));
    UM_TRY(um_map_set_nums(j->a, &j->rec->meta, "extent", extent, 4));
    return g->mm[0] > 0 && g->mm[1] > 0 ? um_map_set_nums(j->a, &j->rec->meta, "spacing", mm, 2)
                                        : UM_OK;
}

/* 255 where the file's pixels lie in a box, from floor of one side to before the floor of the
 * other, as the masks of this task are drawn */
static int draw(struct um_job *j, const struct um_placed *at, const struct um_rects *r)
{
    struct um_grey g = at->grey;

    g.width   = g.file_width;
    g.height  = g.file_height;
    g.eighths = 8;
    g.px      = um_calloc_array(j->scratch, g.width * g.height, 1);
    if (!g.px)
        return UM_ENOMEM;
    for (int64_t i = 0; i < r->n; i++) {
        const double *b  = r->box[i];
        const int64_t x0 = (int64_t)floor(b[0]), x1 = (int64_t)floor(b[2]);

        for (int64_t y = (int64_t)floor(b[1]); y < (int64_t)floor(b[3]) && x1 > x0; y++)
            memset(g.px + y * g.width + x0, j->p->mask_filter == UM_FILTER_AREA ? 255 : 1,
                   (size_t)(x1 - x0));
    }
    return square(j, "mask", &g, &at->fit, j->p->mask_filter);
}

static bool has_boxes(const struct um_job *j)
{
    for (int64_t i = 0; i < um_manifest_ncol(j->m); i++)
        if (um_manifest_column(j->m, i) == UM_COL_BOXES)
            return true;
    return false;
}

/* a manifest with the column says of every picture which boxes there are, if only that none are */
static int boxes(struct um_job *j, const struct um_placed *at)
{
    const struct um_grey *g = &at->grey;
    const struct um_fit  *f = &at->fit;
    const double          w = (double)g->file_width, h = (double)g->file_height;
    struct um_rects       r;
    struct um_tensor      t;
    float                *out;

    if (!has_boxes(j))
        return UM_OK;
    UM_TRY(um_rects_parse(j->scratch, um_job_get(j, UM_COL_BOXES), w, h, &r));
    UM_TRY(um_job_tensor(j, "boxes", UM_F32, 2, (const int64_t[2]){ r.n, 4 }, &t));
    out = t.data;
    for (int64_t i = 0; i < 2 * r.n; i++) { /* corners */
        out[2 * i]     = (float)((double)f->x + r.box[i / 2][i % 2 * 2] * (double)f->w / w);
        out[2 * i + 1] = (float)((double)f->y + r.box[i / 2][i % 2 * 2 + 1] * (double)f->h / h);
    }
    if (!j->p->box_mask)
        return UM_OK;
    if (*um_job_get(j, UM_COL_MASK))
        return um_fail(UM_EFORMAT, "a mask file, and --box-mask would draw another");
    return draw(j, at, &r);
}

/* pictures that use less than an eighth of their range look black, and nobody looks at all of them.
 * Few texts, so that they can be counted: the bits in use, not the largest value itself. */
static void note_range(struct um_job *j, const struct um_grey *g, bool by_levels)
{
    int64_t full = 1, least = 255, most = 0;

    if (g->wide && g->most < DARK16) {
        while (full < g->most)
            full = 2 * full + 1;
        um_job_note(j, um_sprintf(j->scratch,
                                  "16 bits, and no value above %lld: near black, unless "
                                  "the column levels says what black and white are (0,%lld)",
                                  (long long)full, (long long)full));
    }
    for (int64_t i = 0; by_levels && i < g->width * g->height; i++) {
        least = g->px[i] < least ? g->px[i] : least;
        most  = g->px[i] > most ? g->px[i] : most;
    }
    if (by_levels && most - least < FLAT)
        um_job_note(j, "levels that leave less than an eighth of all grays: are they this file's?");
}

int um_job_picture(struct um_job *j, const struct um_image *im, struct um_placed *at)
{
    const int64_t        fast = j->p->fast_decode ? 2 * j->p->image_size : 0;
    struct um_image_opts opts = { .max_pixels   = j->p->max_pixels,
                                  .fast_side    = fast,
                                  .fast_short   = j->p->stretch ? fast : 0,
                                  .dicom_window = j->p->dicom_window };

    if (*um_job_get(j, UM_COL_SLICES))
        return um_fail(UM_ESHAPE, "a picture, and column slices goes with a folder of pictures");
    UM_TRY(um_job_levels(j, &opts.levels));
    UM_TRY(um_image_grey(j->scratch, im, &opts, &at->grey));
    for (int i = 0; i < at->grey.notes; i++)
        um_job_note(j, at->grey.note[i]);
    note_range(j, &at->grey, um_levels_given(&opts.levels));
    at->fit = j->p->stretch
                  ? um_fit_stretch(j->p->image_size)
                  : um_fit_pad(at->grey.file_width, at->grey.file_height, j->p->image_size);
    UM_TRY(square(j, "image", &at->grey, &at->fit, j->p->point ? UM_FILTER_POINT : UM_FILTER_AREA));
    UM_TRY(boxes(j, at));
    return set_geometry(j, at);
}

int um_job_picture_mask(struct um_job *j, const struct um_image *im, const struct um_placed *at)
{
    const struct um_image_opts opts = { .max_pixels = j->p->max_pixels,
                                        .labels     = true,
                                        .threshold  = j->p->mask_threshold };
    const struct um_grey      *of   = &at->grey;
    struct um_grey             g;

    UM_TRY(um_image_grey(j->scratch, im, &opts, &g));
    if (g.width != of->file_width || g.height != of->file_height)
        return um_fail(UM_EMISMATCH, "%lld x %lld pixels, the image has %lld x %lld",
                       (long long)g.width, (long long)g.height, (long long)of->file_width,
                       (long long)of->file_height);
    for (int64_t i = 0; j->p->mask_filter == UM_FILTER_AREA && i < g.width * g.height; i++)
        g.px[i] = g.px[i] ? 255 : 0; /* the share that is covered */
    return square(j, "mask", &g, &at->fit, j->p->mask_filter);
}
