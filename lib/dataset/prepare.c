/* prepare.c - a row's report, labels, picture or volume, and mask */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset/prepare.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "grid/mask.h"
#include "grid/triangle.h"
#include "media/image.h"
#include "text/report.h"

enum { REPORT_MAX = 1 << 24 };

struct job {
    const struct um_prepare  *p;
    const struct um_manifest *m;
    const struct um_row      *row;
    struct um_arena          *a, *scratch;
    struct um_prepared       *out;
    struct um_record         *rec;
    const char               *report; /* "" if there is none */
};

static const char *get(const struct job *j, enum um_column col)
{
    return um_row_get(j->m, j->row, col);
}

static void note(struct job *j, const char *text)
{
    if (text && j->out->notes < UM_NOTES)
        j->out->note[j->out->notes++] = text;
}

static const char *path_of(const struct job *j, enum um_column col)
{
    const char *path = get(j, col), *root = path[0] == '/' ? "" : j->p->root;

    return um_sprintf(j->scratch, "%s%s%s", root, *root ? "/" : "", path);
}

/* ---- report ---- */

static int read_report(struct job *j)
{
    const char *file = get(j, UM_COL_REPORT_FILE), *path;
    uint8_t    *bytes;
    size_t      n;
    int         st;

    j->report = get(j, UM_COL_REPORT);
    if (!*file)
        return UM_OK;
    if (*j->report)
        return um_fail(UM_EFORMAT, "both report and report_file are given");
    path = path_of(j, UM_COL_REPORT_FILE);
    if (!path)
        return UM_ENOMEM;
    UM_TRY(um_file_read(j->a, path, REPORT_MAX, &bytes, &n));
    st = um_report_check((const char *)bytes, n);
    if (st < 0)
        return um_context(st, "%s", path);
    j->report = (const char *)bytes + (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
    return UM_OK;
}

/* the view is looked at first: a lateral picture need not be decoded, nor its report cut up */
static int filter(struct job *j)
{
    const struct um_filters *f     = &j->p->filters;
    struct um_report         r     = { 0 };
    const char              *image = path_of(j, UM_COL_IMAGE);

    if (!image)
        return UM_ENOMEM;
    if (f->frontal && !um_view_is_frontal(get(j, UM_COL_VIEW)) && um_image_is_picture(image)) {
        j->out->drop = UM_DROP_FRONTAL;
        return UM_OK;
    }
    if (f->sentences == 0 && f->words == 0)
        return UM_OK;
    UM_TRY(um_report_clean(j->scratch, j->report, strlen(j->report), NULL, &r));
    if (r.sentences < f->sentences)
        j->out->drop = UM_DROP_SENTENCES;
    else if (r.words < f->words)
        j->out->drop = UM_DROP_WORDS;
    return UM_OK;
}

/* ---- meta ---- */

/* "" is nil; otherwise a finite number, whole ones as such */
static int label_value(const char *name, const char *text, struct um_value *v)
{
    char *end;

    *v = (struct um_value){ .kind = UM_NIL };
    if (!*text)
        return UM_OK;
    errno = 0;
    v->i  = strtoll(text, &end, 10);
    if (errno == 0 && end != text && !*end) {
        v->kind = UM_INT;
        return UM_OK;
    }
    v->i    = 0;
    v->f    = strtod(text, &end);
    v->kind = UM_FLOAT;
    if (end == text || *end || !isfinite(v->f))
        return um_fail(UM_EFORMAT, "column label.%s: \"%s\" is not a number", name, text);
    return UM_OK;
}

static int set_labels(struct job *j)
{
    struct um_value map = { .kind = UM_MAP }, v;

    for (int64_t i = 0; i < j->row->ncol; i++) {
        const char *name = um_manifest_name(j->m, i);

        if (um_manifest_column(j->m, i) != UM_COL_LABEL)
            continue;
        UM_TRY(label_value(name, j->row->field[i], &v));
        UM_TRY(um_map_set(j->a, &map, name, &v));
    }
    return map.n > 0 ? um_map_set(j->a, &j->rec->meta, "label", &map) : UM_OK;
}

static int check_split(const char *split)
{
    if (*split && strcmp(split, "train") != 0 && strcmp(split, "valid") != 0 &&
        strcmp(split, "test") != 0)
        return um_fail(UM_EFORMAT, "column split: \"%s\", expected train, valid or test", split);
    return UM_OK;
}

static int set_meta(struct job *j)
{
    static const struct {
        enum um_column col;
        const char    *name;
    } plain[]             = { { UM_COL_VIEW, "view" },
                              { UM_COL_PATIENT, "patient" },
                              { UM_COL_SPLIT, "split" },
                              { UM_COL_CLASS, "class" } };
    struct um_value *meta = &j->rec->meta;

    UM_TRY(check_split(get(j, UM_COL_SPLIT)));
    if (*j->report)
        UM_TRY(um_map_set_str(j->a, meta, "report", j->report));
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (*get(j, plain[i].col))
            UM_TRY(um_map_set_str(j->a, meta, plain[i].name, get(j, plain[i].col)));
    UM_TRY(set_labels(j));
    for (int64_t i = 0; i < j->row->ncol; i++)
        if (um_manifest_column(j->m, i) == UM_COL_OTHER && *j->row->field[i])
            UM_TRY(um_map_set_str(j->a, meta, um_manifest_name(j->m, i), j->row->field[i]));
    return UM_OK;
}

/* ---- pictures ---- */

static int new_tensor(struct job *j, const char *name, enum um_dtype dtype, const int64_t dim[3],
                      struct um_tensor *t)
{
    UM_TRY(um_tensor_new(j->a, name, dtype, 3, dim, t));
    return um_record_set(j->a, j->rec, t);
}

static int square(struct job *j, const char *name, const struct um_grey *g, enum um_filter filter)
{
    const int64_t    s = j->p->image_size, dim[3] = { 1, s, s };
    struct um_tensor t;

    UM_TRY(new_tensor(j, name, UM_U8, dim, &t));
    return um_grey_square(j->scratch, g, s, filter, t.data);
}

static int picture_mask(struct job *j, const struct um_image *im, const struct um_grey *of)
{
    const struct um_image_opts opts = { .max_pixels = j->p->max_pixels };
    struct um_grey             g;

    UM_TRY(um_image_grey(j->scratch, im, &opts, &g));
    if (g.width != of->file_width || g.height != of->file_height)
        return um_fail(UM_EMISMATCH, "%lld x %lld pixels, the image has %lld x %lld",
                       (long long)g.width, (long long)g.height, (long long)of->file_width,
                       (long long)of->file_height);
    for (int64_t i = 0; j->p->mask_filter == UM_FILTER_AREA && i < g.width * g.height; i++)
        g.px[i] = g.px[i] ? 255 : 0; /* the share that is covered */
    return square(j, "mask", &g, j->p->mask_filter);
}

static int picture(struct job *j, const struct um_image *im, struct um_grey *g)
{
    const struct um_image_opts opts = { .max_pixels = j->p->max_pixels,
                                        .fast_side = j->p->fast_decode ? 2 * j->p->image_size : 0 };

    UM_TRY(um_image_grey(j->scratch, im, &opts, g));
    return square(j, "image", g, UM_FILTER_AREA);
}

/* ---- volumes ---- */

static int open_volume(struct job *j, const struct um_image *im, struct um_scan *f)
{
    const struct um_scan_opts opts = { .max_voxels = j->p->max_pixels, .frame = j->p->frame };

    UM_TRY(um_image_volume(j->scratch, im, &opts, f));
    f->volume.replace = j->p->replace;
    f->volume.instead = (float)j->p->nan_hu;
    return UM_OK;
}

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

static int volume_mask(struct job *j, const struct um_image *im, const struct um_volume *of)
{
    struct um_scan   f;
    struct um_tensor t;

    UM_TRY(open_volume(j, im, &f));
    UM_TRY(check_grid(&f.volume, of));
    UM_TRY(new_tensor(j, "mask", UM_U8, j->p->volume_size, &t));
    return um_mask_resize(j->scratch, &f.volume, j->p->mask_filter, j->p->mask_threshold,
                          j->p->volume_size, t.data);
}

static int set_geometry(struct job *j, const struct um_volume *v)
{
    double affine[12], spacing[3];

    um_affine_resized(v->affine, v->dim, j->p->volume_size, affine);
    um_affine_spacing(affine, spacing);
    UM_TRY(um_map_set_nums(j->a, &j->rec->meta, "spacing", spacing, 3));
    UM_TRY(um_map_set_nums(j->a, &j->rec->meta, "affine", affine, 12));
    return um_map_set_nums(j->a, &j->rec->meta, "window", j->p->window, 2);
}

static int volume(struct job *j, const struct um_image *im, struct um_scan *f)
{
    struct um_hu_count count;
    struct um_tensor   t;

    UM_TRY(open_volume(j, im, f));
    UM_TRY(new_tensor(j, "volume", UM_F32, j->p->volume_size, &t));
    UM_TRY(
        um_volume_resize(j->scratch, &f->volume, j->p->window, j->p->volume_size, t.data, &count));
    for (int i = 0; i < f->notes; i++)
        note(j, f->note[i]);
    note(j, um_hu_advice(j->scratch, &f->volume, &count));
    return set_geometry(j, &f->volume);
}

/* ---- all of it ---- */

/* the image and its mask; each failure with the file it is about */
static int read_image(struct job *j)
{
    const char     *path = path_of(j, UM_COL_IMAGE), *mask = path_of(j, UM_COL_MASK);
    struct um_image im, mim;
    struct um_grey  g;
    struct um_scan  f;
    int             st;

    if (!path || !mask)
        return UM_ENOMEM;
    UM_TRY(um_image_open(j->scratch, path, j->p->max_pixels, &im));
    st = um_image_is_volume(&im) ? volume(j, &im, &f) : picture(j, &im, &g);
    if (st < 0)
        return um_context(st, "%s", path);
    if (!*get(j, UM_COL_MASK))
        return UM_OK;
    UM_TRY(um_image_open(j->scratch, mask, j->p->max_pixels, &mim));
    st = um_image_is_volume(&im) ? volume_mask(j, &mim, &f.volume) : picture_mask(j, &mim, &g);
    return st < 0 ? um_context(st, "mask %s", mask) : UM_OK;
}

int um_prepare_row(const struct um_prepare *p, const struct um_manifest *m,
                   const struct um_row *row, struct um_arena *a, struct um_arena *scratch,
                   struct um_prepared *out)
{
    struct job j = { .p = p, .m = m, .row = row, .a = a, .scratch = scratch, .out = out };

    *out = (struct um_prepared){ 0 };
    UM_TRY(um_record_new(a, get(&j, UM_COL_KEY), &j.rec));
    UM_TRY(read_report(&j));
    if (!*get(&j, UM_COL_IMAGE) && !*j.report && !*get(&j, UM_COL_REPORT_FILE))
        return um_fail(UM_EMISSING, "line %lld has no image and no report", (long long)row->line);
    if (*get(&j, UM_COL_MASK) && !*get(&j, UM_COL_IMAGE))
        return um_fail(UM_EMISSING, "line %lld has a mask and no image", (long long)row->line);
    UM_TRY(filter(&j));
    if (out->drop != UM_DROP_NONE)
        return UM_OK;
    UM_TRY(set_meta(&j));
    if (*get(&j, UM_COL_IMAGE))
        UM_TRY(read_image(&j));
    out->rec = j.rec;
    return UM_OK;
}
