/* panels.c - from runs to panels */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plot/panels.h"

#include <string.h>
#include <sys/stat.h>

enum kind { OTHER, LOG, VALID };

static const struct known {
    enum kind      kind;
    struct um_want want;
} known[] = {
    { LOG, { "loss", { "loss" }, "modality", { NULL } } },
    { LOG, { "contrastive loss, image and report", { "vl" }, "modality", { NULL } } },
    { LOG, { "self-distillation, class token", { "icl" }, "modality", { NULL } } },
    { LOG, { "self-distillation, patches", { "pcl" }, "modality", { NULL } } },
    { LOG, { "learning rate", { "lr" }, NULL, { NULL } } },
    { LOG, { "temperature", { "temperature" }, NULL, { NULL } } },
    { LOG, { "gradient norm", { "grad_norm" }, "modality", { NULL } } },
    { LOG,
      { "entropy of the teacher, class token",
        { "entropy_cls", "entropy_mean_cls" },
        "modality",
        { "mean of each", "of mean q" } } },
    { LOG,
      { "entropy of the teacher, patches",
        { "entropy_patch", "entropy_mean_patch" },
        "modality",
        { "mean of each", "of mean q" } } },
    { VALID, { "held-out loss", { "loss" }, "set", { NULL } } },
    { VALID, { "held-out R@1", { "i2t_r1", "t2i_r1" }, "set", { "i2t", "t2i" } } },
    { VALID, { "held-out R@5", { "i2t_r5", "t2i_r5" }, "set", { "i2t", "t2i" } } },
    { VALID, { "held-out R@10", { "i2t_r10", "t2i_r10" }, "set", { "i2t", "t2i" } } },
    { VALID, { "held-out median rank", { "i2t_median", "t2i_median" }, "set", { "i2t", "t2i" } } },
    { VALID,
      { "X-ray to CT, 1 - cos",
        { "true_distance", "random_distance" },
        NULL,
        { "same patient", "others" } } },
    { VALID, { "X-ray to CT of its patient, R@1", { "cross_r1" }, NULL, { NULL } } },
};

/* ---- runs ---- */

static int open_folder(struct um_arena *a, struct um_run *r)
{
    static const char *const file[UM_RUN_TABLES] = { "log.tsv", "valid.tsv", "timing.tsv" };
    int                      n                   = 0;

    for (int i = 0; i < UM_RUN_TABLES; i++) {
        const char      *path = um_sprintf(a, "%s/%s", r->path, file[i]);
        struct um_table *t    = NULL;
        struct stat      sb;

        if (!path)
            return UM_ENOMEM;
        if (i > 0 && (stat(path, &sb) != 0 || sb.st_size == 0))
            continue;
        UM_TRY(um_table_read(&t, path));
        r->table[n] = t;
        if (t->rows > 0) {
            n++;
            continue;
        }
        r->table[n] = NULL;
        um_table_free(t);
        if (i == 0)
            return um_fail(UM_EMISSING, "%s: no line after the header", path);
    }
    return UM_OK;
}

/* names without the folder that all have in common, and without "/log.tsv" */
static int name_runs(struct um_arena *a, struct um_run *run, int n)
{
    size_t common = strlen(run[0].path);

    for (int i = 0; i < n; i++) {
        size_t      same = 0, end = strlen(run[i].path);
        const char *base = strrchr(run[i].path, '/');
        char       *name;

        for (; same < common && run[i].path[same] == run[0].path[same]; same++)
            ;
        common = same;
        if (base && (strcmp(base, "/log.tsv") == 0 || strcmp(base, "/valid.tsv") == 0))
            end = (size_t)(base - run[i].path);
        while (end > 1 && run[i].path[end - 1] == '/')
            end--;
        if (!(name = um_strndup(a, run[i].path, end)))
            return UM_ENOMEM;
        run[i].label = name;
    }
    while (common > 0 && run[0].path[common - 1] != '/')
        common--;
    for (int i = 0; i < n && n > 1; i++)
        if (strlen(run[i].label) > common)
            run[i].label += common;
    return UM_OK;
}

int um_runs_open(struct um_arena *a, struct um_run *run, const char *const *path, int n)
{
    for (int i = 0; i < n; i++)
        run[i] = (struct um_run){ .path = path[i] };
    for (int i = 0; i < n; i++) {
        struct stat sb;

        run[i].folder = stat(path[i], &sb) == 0 && S_ISDIR(sb.st_mode);
        if (run[i].folder) {
            UM_TRY(open_folder(a, &run[i]));
            continue;
        }
        UM_TRY(um_table_read(&run[i].table[0], path[i]));
        if (run[i].table[0]->rows == 0)
            return um_fail(UM_EMISSING, "%s: no line after the header", run[i].table[0]->name);
    }
    return name_runs(a, run, n);
}

void um_runs_close(struct um_run *run, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < UM_RUN_TABLES; k++)
            um_table_free(run[i].table[k]);
}

/* ---- panels ---- */

static bool has(const struct um_table *t, const char *column)
{
    return um_table_column(t, column) >= 0;
}

static enum kind kind_of(const struct um_table *t)
{
    if (has(t, "step") && has(t, "loss") && has(t, "modality"))
        return LOG;
    return has(t, "set") && has(t, "i2t_r1") ? VALID : OTHER;
}

static bool has_all(const struct um_table *t, const struct um_want *w)
{
    for (int i = 0; i < UM_WANT_MAX && w->column[i]; i++)
        if (!has(t, w->column[i]))
            return false;
    return true;
}

/* by what a panel is split: as asked, else as it fits */
static const char *split_by(const struct um_panel_opts *o, const char *fits)
{
    return !o->by ? fits : strcmp(o->by, "none") == 0 ? NULL : o->by;
}

static void labels_of(const struct um_run *run, int n, const char *label[UM_RUNS_MAX])
{
    for (int i = 0; i < n; i++)
        label[i] = run[i].label;
}

static int known_panel(struct um_figure *f, const struct um_run *run, int n, const struct known *k,
                       const struct um_panel_opts *o)
{
    const struct um_table *table[UM_RUNS_MAX] = { NULL };
    const char            *label[UM_RUNS_MAX];
    struct um_want         w = k->want;
    struct um_curve_opts   c = o->curve;

    if (k->kind == VALID || !k->want.by)
        c.smooth = 1; /* no noise to take out, but a delay to put in */
    for (int i = 0; i < n; i++)
        for (int j = 0; j < UM_RUN_TABLES && run[i].table[j] && !table[i]; j++)
            if (kind_of(run[i].table[j]) == k->kind && has_all(run[i].table[j], &w))
                table[i] = run[i].table[j];
    for (int i = 0; i < n && w.by; i++) /* a folder's other table need not know what is asked */
        if (table[i] && (!o->by || !run[i].folder || !split_by(o, NULL) || has(table[i], o->by)))
            w.by = split_by(o, k->want.by);
    labels_of(run, n, label);
    return um_curves_panel(f, &w, &c, table, label, n);
}

/* each column of numbers of a table that nothing is known of */
static int other_panels(struct um_figure *f, const struct um_run *run, int n,
                        const struct um_panel_opts *o)
{
    const struct um_table *first = run[0].table[0], *table[UM_RUNS_MAX];
    const char            *label[UM_RUNS_MAX];
    const char            *x = o->curve.x ? o->curve.x : has(first, "step") ? "step" : "epoch";

    labels_of(run, n, label);
    for (int i = 0; i < n; i++)
        table[i] = run[i].table[0];
    for (int64_t c = 0; c < first->cols; c++) {
        const char    *name = first->column[c];
        struct um_want w    = { name, { name }, split_by(o, NULL), { NULL } };

        if (strcmp(name, x) == 0 || (w.by && strcmp(name, w.by) == 0) ||
            !um_table_numeric(first, c))
            continue;
        if (f->npanels == UM_PANELS_MAX)
            return um_fail(UM_ERANGE, "%s: more than %d columns of numbers: choose by --y",
                           first->name, UM_PANELS_MAX);
        UM_TRY(um_curves_panel(f, &w, &o->curve, table, label, n));
    }
    return UM_OK;
}

/* "A+B" into a want; the text is cut up */
static int parse_panel(struct um_arena *a, char *text, struct um_want *w)
{
    int n = 0;

    if (!(w->title = um_strdup(a, text)))
        return UM_ENOMEM;
    for (char *at = text; at; n++) {
        char *plus = strchr(at, '+');

        if (plus)
            *plus++ = 0;
        if (!*at)
            return um_fail(UM_EUSAGE, "--y %s: a name is missing", w->title);
        if (n == UM_WANT_MAX)
            return um_fail(UM_EUSAGE, "--y %s: more than %d columns in a panel", w->title,
                           UM_WANT_MAX);
        w->column[n] = at;
        at           = plus;
    }
    return UM_OK;
}

/* the run's table that has these columns; a lone table says itself what it lacks */
static int table_for(const struct um_run *r, const struct um_want *w, const struct um_table **t)
{
    for (int j = 0; j < UM_RUN_TABLES && r->table[j]; j++)
        if (has_all(*t = r->table[j], w))
            return UM_OK;
    *t = r->table[0];
    if (r->folder)
        return um_fail(UM_EMISSING, "%s: no table with a line has the column%s %s", r->path,
                       w->column[1] ? "s" : "", w->title);
    return UM_OK;
}

static int asked_panel(struct um_figure *f, const struct um_run *run, int n, struct um_want *w,
                       const struct um_panel_opts *o)
{
    const struct um_table *table[UM_RUNS_MAX];
    const char            *label[UM_RUNS_MAX];
    struct um_curve_opts   c = o->curve;
    int                    st;

    for (int i = 0; i < n; i++)
        UM_TRY(table_for(&run[i], w, &table[i]));
    if (kind_of(table[0]) == VALID)
        c.smooth = 1;
    w->by = split_by(o, has(table[0], "modality") ? "modality"
                        : has(table[0], "set")    ? "set"
                                                  : NULL);
    labels_of(run, n, label);
    if ((st = um_curves_panel(f, w, &c, table, label, n)) == 0)
        return um_fail(UM_EMISSING, "%s: %s: no value%s to draw", table[0]->name, w->title,
                       o->curve.logy ? " above 0" : "");
    return st;
}

static int asked_panels(struct um_figure *f, const struct um_run *run, int n,
                        const struct um_panel_opts *o)
{
    char *at = um_strdup(f->a, o->y);

    if (!at)
        return UM_ENOMEM;
    while (at) {
        struct um_want w     = { 0 };
        char          *comma = strchr(at, ',');

        if (comma)
            *comma++ = 0;
        UM_TRY(parse_panel(f->a, at, &w));
        UM_TRY(asked_panel(f, run, n, &w, o));
        at = comma;
    }
    return UM_OK;
}

int um_runs_figure(struct um_figure *f, const struct um_run *run, int n,
                   const struct um_panel_opts *o)
{
    bool all_other = true;

    if (n < 1 || n > UM_RUNS_MAX)
        return um_fail(UM_ERANGE, "%d runs, expected 1 to %d", n, UM_RUNS_MAX);
    if (o->y)
        return asked_panels(f, run, n, o);
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        UM_TRY(known_panel(f, run, n, &known[k], o));
    for (int i = 0; i < n; i++)
        all_other &= kind_of(run[i].table[0]) == OTHER;
    if (f->npanels == 0 && all_other)
        UM_TRY(other_panels(f, run, n, o));
    if (f->npanels == 0)
        return um_fail(UM_EMISSING, "%s: no column of numbers%s to draw", run[0].table[0]->name,
                       o->curve.logy ? " above 0" : "");
    return UM_OK;
}
