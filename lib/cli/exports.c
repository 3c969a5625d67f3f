/* exports.c - which file a record goes to; stacking through a temporary file, since the number of
 * records stands in front of them and is known at the end alone
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/exports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "cli/names.h"
#include "media/png_write.h"
#include "picture/onto.h"
#include "picture/sheet.h"
#include "stream/npy.h"

static const double LITTLE = 0.01; /* of both grids in common: another patient's, as a rule */

struct um_exports {
    struct um_exports_opts opts;
    bool                   many;
    int64_t                files; /* records written */
    struct um_names       *names;
    struct um_outfile     *out, *spool; /* one file; what will be stacked */
    FILE                  *spool_file;
    struct um_tensor       first; /* dtype and shape of what is stacked */
    struct um_sheet        sheet;
    unsigned               laid; /* UM_OVER_..., UM_HAS_PLANES of any record */
};

static int open_spool(struct um_exports *x)
{
    if (x->opts.format != UM_EXPORT_NPY || x->many)
        return um_usage("--stack makes one array: it goes with --npy and one file");
    x->spool_file = tmpfile();
    if (!x->spool_file)
        return um_fail_errno("a temporary file");
    return um_outfile_wrap(&x->spool, fileno(x->spool_file));
}

static int open_sheet(struct um_exports *x)
{
    if (x->opts.format != UM_EXPORT_PNG || x->many)
        return um_usage("a contact sheet is one picture: it goes into one file");
    x->sheet.view = x->opts.view;
    return um_arena_new(&x->sheet.arena);
}

static bool ends_in(const char *path, const char *end)
{
    const size_t n = path ? strlen(path) : 0, m = strlen(end);

    return path && n >= m && strcasecmp(path + n - m, end) == 0;
}

/* a name that would have other programs take the file for something else */
static int check_ending(enum um_export e, const char *path)
{
    static const char *const known[]  = { ".npy",  ".png",  ".nii",  ".gz",  ".mha", ".mhd",
                                          ".nrrd", ".nhdr", ".hdr",  ".img", ".dcm", ".jpg",
                                          ".jpeg", ".tif",  ".tiff", ".npz", ".umt", NULL };
    static const char *const own[][3] = { { ".npy" }, { ".png" }, { ".nii", ".gz" } };
    static const char *const name[]   = { "an array (.npy)", "a picture (.png)",
                                          "NIfTI (.nii, .nii.gz)" };

    for (int i = 0; own[e][i]; i++)
        if (ends_in(path, own[e][i]))
            return UM_OK;
    for (int i = 0; known[i]; i++)
        if (ends_in(path, known[i]))
            return um_usage("-o %s: what is written is %s, not %s", path, name[e], known[i]);
    return UM_OK;
}

int um_exports_open(struct um_exports **out, const struct um_exports_opts *opts)
{
    struct um_exports *x = calloc(1, sizeof *x);
    int                st;

    if (!x)
        return um_fail(UM_ENOMEM, "out of memory");
    x->opts = *opts;
    x->many = um_names_many(opts->path);
    st      = check_ending(opts->format, opts->path);
    if (st >= 0)
        st = um_names_new(&x->names);
    if (st >= 0 && !x->many)
        st = um_stream_open(&x->out, opts->path);
    if (st >= 0 && opts->stack)
        st = open_spool(x);
    if (st >= 0 && opts->sheet)
        st = open_sheet(x);
    if (st < 0)
        return um_exports_close(x, st);
    *out = x;
    return UM_OK;
}

static int stack(struct um_exports *x, const struct um_tensor *t)
{
    char a[UM_SHAPE_TEXT], b[UM_SHAPE_TEXT];

    if (x->files == 1)
        x->first = *t;
    if (t->dtype != x->first.dtype)
        return um_fail(UM_EDTYPE, "%s: %s among %s does not stack", t->name,
                       um_dtype_name(t->dtype), um_dtype_name(x->first.dtype));
    if (t->ndim != x->first.ndim ||
        memcmp(t->dim, x->first.dim, (size_t)t->ndim * sizeof *t->dim) != 0)
        return um_fail(UM_ESHAPE, "%s: %s among %s does not stack", t->name,
                       um_shape_text(t, a, sizeof a), um_shape_text(&x->first, b, sizeof b));
    return um_npy_elements(x->spool, t);
}

static int write_onto(struct um_exports *x, struct um_arena *scratch, struct um_outfile *f,
                      const struct um_record *rec, const struct um_tensor *t, const char *path)
{
    const char *like = x->opts.like, *at = strstr(like, "%s");
    double      share;

    if (at)
        like = um_sprintf(scratch, "%.*s%s%s", (int)(at - like), like, rec->key, at + 2);
    if (!like)
        return UM_ENOMEM;
    UM_TRY(um_export_onto(f, scratch, rec, t, like, ends_in(path, ".gz"), &share));
    if (share <= 0)
        um_warn(x->opts.tool, "record %s: nothing of %s lies on %s", rec->key, t->name, like);
    else if (!(share >= LITTLE))
        um_warn(x->opts.tool, "record %s: only %.2g %% of %s lies on %s", rec->key, 100 * share,
                t->name, like);
    return UM_OK;
}

static int write_one(struct um_exports *x, struct um_arena *scratch, struct um_outfile *f,
                     const struct um_record *rec, const struct um_tensor *t, const char *path)
{
    unsigned has;

    if (x->opts.format == UM_EXPORT_PNG && !um_view_plain(x->opts.view)) {
        UM_TRY(um_export_view(f, scratch, x->opts.view, rec, t, &has));
        x->laid |= has;
        return UM_OK;
    }
    return x->opts.like ? write_onto(x, scratch, f, rec, t, path)
                        : um_export_write(f, scratch, x->opts.format, rec, t, ends_in(path, ".gz"));
}

int um_exports_record(struct um_exports *x, struct um_arena *scratch, const struct um_record *rec)
{
    const enum um_export    e    = x->opts.format;
    const struct um_tensor *t    = um_export_pick(rec, e, x->opts.tensor);
    const char             *path = x->opts.path;
    struct um_outfile      *f;
    unsigned                has;

    if (!t)
        return UM_OK;
    x->files++;
    if (x->opts.stack)
        return stack(x, t);
    if (x->opts.sheet) {
        UM_TRY(um_sheet_add(&x->sheet, rec, t, &has));
        x->laid |= has;
        return UM_OK;
    }
    if (!x->many && x->files > 1)
        return um_usage("several records: name a file for each, -o 'folder/%%s.%s', or pick one",
                        um_export_ext(e));
    if (!x->many)
        return write_one(x, scratch, x->out, rec, t, path);
    UM_TRY(um_names_path(x->names, scratch, path, rec->key, um_export_ext(e), &path));
    UM_TRY(um_outfile_open(&f, path));
    return um_outfile_close(f, write_one(x, scratch, f, rec, t, path), 0);
}

static int unspool(struct um_exports *x)
{
    int64_t dim[UM_MAX_DIM + 1] = { x->files };
    char    buf[1 << 14];
    size_t  n;

    memcpy(dim + 1, x->first.dim, (size_t)x->first.ndim * sizeof *dim);
    UM_TRY(um_outfile_flush(x->spool));
    UM_TRY(um_npy_header(x->out, um_npy_dtype(x->first.dtype), x->first.ndim + 1, dim));
    rewind(x->spool_file);
    while ((n = fread(buf, 1, sizeof buf, x->spool_file)) > 0)
        UM_TRY(um_outfile_write(x->out, buf, n));
    return ferror(x->spool_file) ? um_fail_errno("a temporary file") : UM_OK;
}

static int draw_sheet(struct um_exports *x)
{
    struct um_picture p;

    UM_TRY(um_sheet_draw(&x->sheet, &p));
    return um_png_write(x->out, p.pixel, p.width, p.height, p.channels);
}

/* what was to be laid over or cut, and no record had */
static int check_laid(const struct um_exports *x)
{
    const unsigned missing = x->opts.view ? x->opts.view->over & ~x->laid : 0;

    for (int bit = 1; bit < 1 << UM_NOVER; bit *= 2)
        if (missing & (unsigned)bit)
            return um_fail(UM_EMISSING, "--overlay: no record has a tensor %s", um_over_name(bit));
    if (x->opts.view && x->opts.view->plane && !(x->laid & UM_HAS_PLANES))
        return um_fail(UM_ESHAPE, "--plane: a picture has no other planes, and no record showed a "
                                  "volume; with pictures beside them: -t volume");
    return UM_OK;
}

int um_exports_close(struct um_exports *x, int st)
{
    if (!x)
        return st;
    if (st >= 0 && x->files == 0)
        st = x->opts.tensor
                 ? um_fail(UM_EMISSING, "no record has a tensor %s", x->opts.tensor)
                 : um_fail(UM_EMISSING, "no tensor that suits the format: name it with --tensor");
    if (st >= 0)
        st = check_laid(x);
    if (st >= 0 && x->spool)
        st = unspool(x);
    if (st >= 0 && x->opts.sheet)
        st = draw_sheet(x);
    st = um_outfile_close(x->spool, st, 0);
    st = um_outfile_close(x->out, st, 0);
    if (x->spool_file)
        (void)fclose(x->spool_file);
    um_arena_free(x->sheet.arena);
    um_names_free(x->names);
    free(x);
    return st;
}
