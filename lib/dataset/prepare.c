/* prepare.c - a row's report and labels; its files are for prepare_picture.c and prepare_volume.c
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset/prepare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"
#include "dataset/prepare_int.h"
#include "grid/levels.h"
#include "media/image.h"
#include "text/report.h"

enum { REPORT_MAX = 1 << 24 };

const char *um_job_get(const struct um_job *j, enum um_column col)
{
    return um_row_get(j->m, j->row, col);
}

void um_job_note(struct um_job *j, const char *text)
{
    const char *kept = text && j->out->notes < UM_NOTES ? um_strdup(j->a, text) : NULL;

    if (kept) /* text may lie in scratch, which is reset before notes are said */
        j->out->note[j->out->notes++] = kept;
}

static const char *path_of(const struct um_job *j, enum um_column col)
{
    const char *path = um_job_get(j, col), *root = path[0] == '/' ? "" : j->p->root;

    return um_sprintf(j->scratch, "%s%s%s", root, *root ? "/" : "", path);
}

int um_job_levels(struct um_job *j, struct um_levels *l)
{
    double ends[2];

    if (!*um_job_get(j, UM_COL_LEVELS))
        return UM_OK;
    UM_TRY(um_levels_parse(um_job_get(j, UM_COL_LEVELS), l));
    ends[0] = (double)l->lo / UM_LEVELS_UNIT;
    ends[1] = (double)l->hi / UM_LEVELS_UNIT;
    return um_map_set_nums(j->a, &j->rec->meta, "levels", ends, 2);
}

int um_job_tensor(struct um_job *j, const char *name, enum um_dtype dtype, int ndim,
                  const int64_t *dim, struct um_tensor *t)
{
    UM_TRY(um_tensor_new(j->a, name, dtype, ndim, dim, t));
    return um_record_set(j->a, j->rec, t);
}

/* ---- report ---- */

static int read_report(struct um_job *j)
{
    const char *file = um_job_get(j, UM_COL_REPORT_FILE), *path;
    uint8_t    *bytes;
    size_t      n;
    int         st;

    j->report = um_job_get(j, UM_COL_REPORT);
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

/* a lateral picture that was never fetched: a set of frontal ones can be had without the others */
static bool is_absent(const struct um_job *j, const char *image)
{
    return *um_job_get(j, UM_COL_VIEW) && access(image, F_OK) != 0 && errno == ENOENT;
}

/* the view is looked at first: a lateral picture need not be decoded, nor its report cut up */
static int filter(struct um_job *j)
{
    const struct um_filters *f     = &j->p->filters;
    struct um_report_opts    cut   = { .strict = f->strict };
    struct um_report         r     = { 0 };
    const char              *image = path_of(j, UM_COL_IMAGE);

    if (!image)
        return UM_ENOMEM;
    if (f->frontal && !um_view_is_frontal(um_job_get(j, UM_COL_VIEW)) &&
        (um_image_is_picture(image) || is_absent(j, image))) {
        j->out->drop = UM_DROP_FRONTAL;
        return UM_OK;
    }
    if (f->sentences == 0 && f->words == 0)
        return UM_OK;
    UM_TRY(um_report_clean(j->scratch, j->report, strlen(j->report), &cut, &r));
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
    const char *rest = text;
    char       *end;
    double      x;

    *v = (struct um_value){ .kind = UM_NIL };
    if (!*text)
        return UM_OK;
    if (!um_number_at(&rest, &x) || *rest)
        return um_fail(UM_EFORMAT, "column label.%s: \"%s\" is not a number", name, text);
    errno               = 0;
    const int64_t whole = strtoll(text, &end, 10);

    *v = errno == 0 && !*end ? (struct um_value){ .kind = UM_INT, .i = whole }
                             : (struct um_value){ .kind = UM_FLOAT, .f = x };
    return UM_OK;
}

static int set_labels(struct um_job *j)
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

static int set_meta(struct um_job *j)
{
    static const struct {
        enum um_column col;
        const char    *name;
    } plain[]             = { { UM_COL_VIEW, "view" },
                              { UM_COL_PATIENT, "patient" },
                              { UM_COL_SPLIT, "split" },
                              { UM_COL_CLASS, "class" } };
    struct um_value *meta = &j->rec->meta;

    UM_TRY(check_split(um_job_get(j, UM_COL_SPLIT)));
    if (*j->report)
        UM_TRY(um_map_set_str(j->a, meta, "report", j->report));
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (*um_job_get(j, plain[i].col))
            UM_TRY(um_map_set_str(j->a, meta, plain[i].name, um_job_get(j, plain[i].col)));
    UM_TRY(set_labels(j));
    for (int64_t i = 0; i < j->row->ncol; i++)
        if (um_manifest_column(j->m, i) == UM_COL_OTHER && *j->row->field[i])
            UM_TRY(um_map_set_str(j->a, meta, um_manifest_name(j->m, i), j->row->field[i]));
    return UM_OK;
}

/* ---- all of it ---- */

/* the image and its mask; each failure with the file it is about */
static int read_image(struct um_job *j)
{
    const char      *path = path_of(j, UM_COL_IMAGE), *mask = path_of(j, UM_COL_MASK);
    struct um_image  im, mim;
    struct um_placed at;
    int              st;

    if (!path || !mask)
        return UM_ENOMEM;
    UM_TRY(um_image_open(j->scratch, path, j->p->max_pixels, &im));
    at.volume = um_image_is_volume(&im);
    st        = at.volume ? um_job_volume(j, &im, &at) : um_job_picture(j, &im, &at);
    if (st < 0)
        return um_context(st, "%s", path);
    if (!*um_job_get(j, UM_COL_MASK))
        return UM_OK;
    st = um_image_open(j->scratch, mask, j->p->max_pixels, &mim);
    if (st < 0) /* which names the file itself */
        return um_context(st, "mask");
    st = at.volume ? um_job_volume_mask(j, &mim, &at) : um_job_picture_mask(j, &mim, &at);
    return st < 0 ? um_context(st, "mask %s", mask) : UM_OK;
}

int um_prepare_row(const struct um_prepare *p, const struct um_manifest *m,
                   const struct um_row *row, struct um_arena *a, struct um_arena *scratch,
                   struct um_prepared *out)
{
    struct um_job j = { .p = p, .m = m, .row = row, .a = a, .scratch = scratch, .out = out };

    *out = (struct um_prepared){ 0 };
    UM_TRY(um_record_new(a, um_job_get(&j, UM_COL_KEY), &j.rec));
    UM_TRY(read_report(&j));
    if (!*um_job_get(&j, UM_COL_IMAGE) && !*j.report)
        return um_fail(UM_EMISSING, "line %lld has no image and no report%s", (long long)row->line,
                       *um_job_get(&j, UM_COL_REPORT_FILE) ? ": its report_file is empty" : "");
    if (*um_job_get(&j, UM_COL_MASK) && !*um_job_get(&j, UM_COL_IMAGE))
        return um_fail(UM_EMISSING, "line %lld has a mask and no image", (long long)row->line);
    if (*um_job_get(&j, UM_COL_LEVELS) && !*um_job_get(&j, UM_COL_IMAGE))
        return um_fail(UM_EMISSING, "line %lld has levels and no image", (long long)row->line);
    if (*um_job_get(&j, UM_COL_BOXES) && !*um_job_get(&j, UM_COL_IMAGE))
        return um_fail(UM_EMISSING, "line %lld has boxes and no image", (long long)row->line);
    UM_TRY(filter(&j));
    if (out->drop != UM_DROP_NONE)
        return UM_OK;
    UM_TRY(set_meta(&j));
    if (*um_job_get(&j, UM_COL_IMAGE))
        UM_TRY(read_image(&j));
    out->rec = j.rec;
    return UM_OK;
}
