/* curves.c - rows of tables to curves */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plot/curves.h"

#include <math.h>
#include <string.h>

enum { VALUES_MAX = 32 };

/* what of one table goes into the panel */
struct part {
    const struct um_table *t;
    const char            *run; /* NULL: the only one */
    int                    nrun;
    int64_t                x, by; /* columns; -1: the row's number; none */
    int                    nvalues;
    const char            *value[VALUES_MAX]; /* the texts of `by`; NULL alone if there is none */
    const char            *series[VALUES_MAX];
    struct um_look         look[VALUES_MAX];
};

static int x_column(const struct um_table *t, const char *name, int64_t *col)
{
    if (name)
        return um_table_need(t, name, col);
    if ((*col = um_table_column(t, "step")) < 0)
        *col = um_table_column(t, "epoch");
    return UM_OK;
}

/* the texts of a column in order of appearance */
static int values_of(struct part *p)
{
    int hit = 0;

    if (p->by < 0) {
        p->nvalues = 1; /* NULL: whatever the row says */
        return UM_OK;
    }
    for (int64_t i = 0; i < p->t->rows; i++) {
        const char *s = um_table_text(p->t, i, p->by);

        if (p->nvalues > 0 && strcmp(s, p->value[hit]) == 0)
            continue;
        for (hit = 0; hit < p->nvalues && strcmp(s, p->value[hit]) != 0; hit++)
            ;
        if (hit < p->nvalues)
            continue;
        if (p->nvalues == VALUES_MAX)
            return um_fail(UM_ERANGE, "%s: %s: more than %d different texts, a curve each",
                           p->t->name, p->t->column[p->by], VALUES_MAX);
        p->value[p->nvalues++] = s;
    }
    return UM_OK;
}

/* the place of a text in the figure's list of them */
static int place_of(struct um_figure *f, const char *value, int *place)
{
    for (*place = 0; *place < f->nvalues; ++*place)
        if (strcmp(f->value[*place], value) == 0)
            return UM_OK;
    if (f->nvalues == UM_CURVES_MAX)
        return um_fail(UM_ERANGE, "more than %d different texts, a curve each", UM_CURVES_MAX);
    f->value[f->nvalues++] = value;
    return UM_OK;
}

static int series_of(struct um_figure *f, struct part *p, int v)
{
    const char *value = p->value[v];
    int         place = -1;

    if (value)
        UM_TRY(place_of(f, value, &place));
    if (!p->run) {
        p->look[v].colour = place;
        p->series[v]      = value;
        return UM_OK;
    }
    p->look[v].colour = p->nrun;
    p->look[v].tint   = place < 0 ? 0 : place;
    p->series[v]      = value ? um_sprintf(f->a, "%s %s", p->run, value) : p->run;
    return p->series[v] ? UM_OK : UM_ENOMEM;
}

static int part_open(struct um_figure *f, struct part *p, const struct um_want *w,
                     const struct um_curve_opts *o)
{
    p->by = -1;
    UM_TRY(x_column(p->t, o->x, &p->x));
    if (w->by)
        UM_TRY(um_table_need(p->t, w->by, &p->by));
    UM_TRY(values_of(p));
    for (int v = 0; v < p->nvalues; v++)
        UM_TRY(series_of(f, p, v));
    return UM_OK;
}

/* ---- one curve ---- */

/* NaN: not to be drawn. An axis needs room above and below, so that the last powers of ten are no
 * use */
static double shown(double x, bool logarithmic)
{
    return fabs(x) < 1e250 && (!logarithmic || x > 1e-250) ? x : NAN;
}

/* the points of column col where `by` is value, those at the same x taken together */
static int gather(struct um_arena *a, const struct part *p, const char *value, int64_t col,
                  const struct um_curve_opts *o, struct um_points *out)
{
    int64_t together = 0; /* finite values that the last point is the mean of */

    out->n = 0;
    out->x = um_alloc_array(a, p->t->rows, sizeof *out->x);
    out->y = um_alloc_array(a, p->t->rows, sizeof *out->y);
    if (!out->x || !out->y)
        return UM_ENOMEM;
    for (int64_t i = 0; i < p->t->rows; i++) {
        double x = (double)i + 1, y;

        if (value && strcmp(um_table_text(p->t, i, p->by), value) != 0)
            continue;
        if (p->x >= 0)
            UM_TRY(um_table_number(p->t, i, p->x, &x));
        UM_TRY(um_table_number(p->t, i, col, &y));
        if (isnan(x = shown(x, o->logx)))
            continue;
        if (out->n == 0 || out->x[out->n - 1] != x) {
            out->x[out->n]   = x;
            out->y[out->n++] = NAN;
            together         = 0;
        }
        if (!isnan(y = shown(y, o->logy))) {
            double *mean = &out->y[out->n - 1];

            *mean = together++ == 0 ? y : *mean + (y - *mean) / (double)together;
        }
    }
    return UM_OK;
}

static bool any_value(const struct um_points *p)
{
    for (int64_t i = 0; i < p->n; i++)
        if (!isnan(p->y[i]))
            return true;
    return false;
}

static int finish(struct um_arena *a, struct um_curve *c, int64_t window)
{
    if (window > 1) {
        c->raw    = c->line;
        c->line.y = um_alloc_array(a, c->line.n, sizeof *c->line.y);
        if (!c->line.y)
            return UM_ENOMEM;
        memcpy(c->line.y, c->raw.y, (size_t)c->line.n * sizeof *c->line.y);
        UM_TRY(um_points_smooth(a, &c->line, window));
        UM_TRY(um_points_thin(a, &c->raw));
    }
    return um_points_thin(a, &c->line);
}

static int add_curve(struct um_figure *f, struct um_panel *panel, const struct part *p, int v,
                     const struct um_want *w, int c, const struct um_curve_opts *o)
{
    struct um_mark  before = um_arena_mark(f->a);
    struct um_curve curve  = { .series = p->series[v], .look = p->look[v] };
    int64_t         col;

    UM_TRY(um_table_need(p->t, w->column[c], &col));
    UM_TRY(gather(f->a, p, p->value[v], col, o, &curve.line));
    if (!any_value(&curve.line)) {
        um_arena_rewind(f->a, before);
        return UM_OK;
    }
    if (panel->ncurves == UM_CURVES_MAX)
        return um_fail(UM_ERANGE, "%s: more than %d curves", w->title, UM_CURVES_MAX);
    UM_TRY(finish(f->a, &curve, o->smooth));
    curve.look.dash = c;
    curve.column    = !w->column[1] ? NULL : w->shown[c] ? w->shown[c] : w->column[c];
    panel->curve[panel->ncurves++] = curve;
    return UM_OK;
}

/* a panel of one series tells its columns apart by colour, which is seen better than dashes */
static int settle(struct um_figure *f, struct um_panel *panel, bool runs)
{
    const struct um_look first = panel->curve[0].look;

    if (panel->ncurves == 1)
        panel->curve[0].look.dash = 0;
    for (int i = 0; i < panel->ncurves; i++)
        if (panel->curve[i].look.colour != first.colour || panel->curve[i].look.tint != first.tint)
            return UM_OK;
    for (int i = 0; i < panel->ncurves && panel->ncurves > 1; i++) {
        struct um_curve *c = &panel->curve[i];

        c->look = (struct um_look){ .colour = c->look.dash };
        if (runs && !(c->column = um_sprintf(f->a, "%s %s", c->series, c->column)))
            return UM_ENOMEM;
        c->series = NULL;
    }
    return UM_OK;
}

int um_curves_panel(struct um_figure *f, const struct um_want *w, const struct um_curve_opts *o,
                    const struct um_table *const *table, const char *const *label, int n)
{
    struct um_panel *panel;
    const char      *xlabel = NULL;

    if (f->npanels == UM_PANELS_MAX)
        return um_fail(UM_ERANGE, "more than %d panels", UM_PANELS_MAX);
    if (!(panel = um_calloc_array(f->a, 1, sizeof *panel)))
        return UM_ENOMEM;
    for (int i = 0; i < n; i++) {
        struct part p = { .t = table[i], .run = n > 1 ? label[i] : NULL, .nrun = i };

        if (!p.t)
            continue;
        UM_TRY(part_open(f, &p, w, o));
        xlabel = p.x < 0 ? "row" : p.t->column[p.x];
        for (int v = 0; v < p.nvalues; v++)
            for (int c = 0; c < UM_WANT_MAX && w->column[c]; c++)
                UM_TRY(add_curve(f, panel, &p, v, w, c, o));
    }
    if (panel->ncurves == 0)
        return 0;
    panel->title  = w->title;
    panel->xlabel = xlabel;
    panel->logx   = o->logx;
    panel->logy   = o->logy;
    UM_TRY(settle(f, panel, n > 1));
    f->panel[f->npanels++] = panel;
    return 1;
}
