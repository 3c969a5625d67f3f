/* script.c - a figure in gnuplot's words */
/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plot/gnuplot.h"
#include "text/utf8.h"

enum {
    FEW  = 50, /* curves of fewer points show them */
    NAME = 20  /* characters of a name in a legend: gnuplot leaves out a legend that is too wide */
};

/* Okabe and Ito, 2008: told apart with any of the usual colour blindnesses; its yellow, which is
 * hardly seen on white, is a gray here */
static const char *const colour[] = { "0072b2", "d55e00", "009e73", "cc79a7",
                                      "e69f00", "56b4e9", "000000", "808080" };
/* strokes and gaps, in units of the line's width */
static const char *const dash[] = { "1", "(9,5)", "(2,4)", "(12,4,2,4)" };

enum {
    COLOURS = sizeof colour / sizeof *colour,
    DASHES  = sizeof dash / sizeof *dash,
    BLACK   = 6,
    GRAY    = 7
};

struct layout {
    int    rows, cols, width, height;
    double scale; /* of letters and lines: 1 for panels of 480 by 320 pixels */
};

/* text between single quotes, where gnuplot expands nothing; one line, well-formed, the last `most`
 * characters of it. No quote may stand inside: gnuplot reads '' as one, but at the beginning as the
 * end of the string */
static void quote(FILE *s, const char *text, int most)
{
    const bool good  = um_utf8_check(text, strlen(text)) == UM_OK;
    int        chars = 0;

    for (const char *t = text; *t; t++)
        chars += !good || (*t & 0xc0) != 0x80;
    (void)fputs(chars > most ? "'\u2026" : "'", s);
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;

        if (!good || (c & 0xc0) != 0x80)
            chars--;
        if (chars >= most)
            continue;
        if (c == '\'')
            (void)fputs("\u2019", s);
        else
            (void)fputc(c < 0x20 || c == 0x7f || (c > 0x7f && !good) ? '?' : c, s);
    }
    (void)fputc('\'', s);
}

static struct layout arrange(int n, const struct um_gnuplot_opts *o)
{
    struct layout l = { .cols = n == 1 ? 1 : n <= 4 ? 2 : n <= 9 ? 3 : 4 };
    double        across, down;

    l.rows   = (n + l.cols - 1) / l.cols;
    l.width  = o->width ? o->width : n == 1 ? 720 : 480 * l.cols;
    l.height = o->height ? o->height : n == 1 ? 460 : 320 * l.rows;
    across   = (double)l.width / (480. * l.cols);
    down     = (double)l.height / (320. * l.rows);
    l.scale  = fmin(across, down);
    l.scale  = l.scale < 0.5 ? 0.5 : l.scale > 8 ? 8 : l.scale;
    return l;
}

static void terminal(FILE *s, const struct um_gnuplot_opts *o, const struct layout *l)
{
    (void)fputs("set encoding utf8\n", s);
    if (o->as == UM_PICTURE_TEXT) {
        (void)fprintf(s, "set terminal dumb nofeed mono noenhanced size %d,%d\n",
                      o->width ? o->width : 79, o->height ? o->height : 20);
        return;
    }
    if (o->as == UM_PICTURE_SVG)
        (void)fprintf(
            s,
            "set terminal svg noenhanced size %d,%d font 'sans-serif,%.3g' linewidth %.3g "
            "background rgb 'white'\n",
            l->width, l->height, 12 * l->scale, l->scale);
    else
        (void)fprintf(s,
                      "if (strstrt(GPVAL_TERMINALS.' ', ' pngcairo ') > 0) {\n"
                      "set terminal pngcairo noenhanced size %d,%d font 'Sans,9' fontscale %.3g "
                      "linewidth %.3g background rgb 'white'\n} else {\n"
                      "set terminal png truecolor noenhanced size %d,%d fontscale %.3g linewidth "
                      "%.3g background rgb 'white'\n}\n",
                      l->width, l->height, l->scale, l->scale, l->width, l->height, l->scale,
                      l->scale);
    (void)fputs("set border 3 lc rgb '#606060' lw 0.8\nset tics nomirror out scale 0.5 "
                "textcolor rgb '#404040'\nset grid lc rgb '#e6e6e6' lt 1 lw 0.7\n",
                s);
}

/* ---- data ---- */

static bool finite_at(const struct um_points *p, int64_t i)
{
    return i >= 0 && i < p->n && !isnan(p->y[i]);
}

/* is there a point that a line would not show? */
static bool lonely(const struct um_points *p)
{
    for (int64_t i = 0; i < p->n; i++)
        if (finite_at(p, i) && !finite_at(p, i - 1) && !finite_at(p, i + 1))
            return true;
    return false;
}

static void data(FILE *s, const char *kind, int i, const struct um_points *p)
{
    (void)fprintf(s, "$%s%d << end\n", kind, i);
    for (int64_t k = 0; k < p->n; k++)
        if (isnan(p->y[k]))
            (void)fprintf(s, "%.12g NaN\n", p->x[k]);
        else
            (void)fprintf(s, "%.12g %.9g\n", p->x[k], p->y[k]);
    (void)fputs("end\n", s);
}

struct range {
    double lo, hi;
};

static struct range range_of(const struct um_panel *p, bool y)
{
    struct range r = { INFINITY, -INFINITY };

    for (int c = 0; c < p->ncurves; c++) {
        const struct um_points *both[] = { &p->curve[c].line, &p->curve[c].raw };

        for (int k = 0; k < 2; k++)
            for (int64_t i = 0; i < both[k]->n; i++) {
                const double v = y ? both[k]->y[i] : both[k]->x[i];

                r.lo = v < r.lo ? v : r.lo;
                r.hi = v > r.hi ? v : r.hi;
            }
    }
    return r;
}

/* a short piece of a logarithmic axis: places at equal distance, seven at most */
static void few_tics(FILE *s, struct range r)
{
    const double whole = pow(10, floor(log10((r.hi - r.lo) / 3)));
    const double wide  = (r.hi - r.lo) / whole;
    const double step  = wide > 12 ? 5 * whole : wide > 6 ? 2 * whole : whole;
    const double first = ceil(r.lo / step);

    for (int k = 0; k < 8 && (first + k) * step <= r.hi; k++)
        (void)fprintf(s, k > 0 ? ", %.6g" : "%.6g", (first + k) * step);
}

/* labels of a logarithmic axis: gnuplot labels decades alone, of which there may be none. 1, 2 and
 * 5 times these */
static void log_tics(FILE *s, char name, struct range r)
{
    static const int times[] = { 1, 2, 5 };
    const char      *comma   = "";

    if (!(r.hi / r.lo < 2000 && r.hi / r.lo > 1.0001)) {
        (void)fprintf(s, "set %ctics autofreq\n", name);
        return;
    }
    (void)fprintf(s, "set %ctics (", name);
    if (r.hi / r.lo < 5)
        few_tics(s, r);
    for (int k = 0; k < 15 && r.hi / r.lo >= 5; k++) {
        const double v = pow(10, floor(log10(r.lo)) + (double)(k / 3)) * times[k % 3];

        if (v < r.lo || v > r.hi)
            continue;
        (void)fprintf(s, "%s%.6g", comma, v);
        comma = ", ";
    }
    (void)fputs(")\n", s);
}

/* an axis of one value, or nearly, gets room on both sides */
static void axis(FILE *s, char name, struct range r, bool logarithmic)
{
    const bool one = !(r.hi - r.lo > 1e-9 * fmax(fabs(r.lo), fabs(r.hi)));

    if (one && logarithmic) {
        r = (struct range){ r.lo / 2, r.hi * 2 };
    } else if (one) {
        const double room = fmax(fabs(r.lo) / 10, 1e-6);

        r = (struct range){ r.lo - room, r.hi + room };
    } else if (name == 'y' && logarithmic) { /* gnuplot's own choice is whole decades */
        const double room = pow(r.hi, 0.05) / pow(r.lo, 0.05);

        r = (struct range){ r.lo / room, r.hi * room };
    } else if (name == 'y') {
        (void)fputs("unset logscale y\nset ytics autofreq\nset yrange [*:*]\n", s);
        return;
    }
    (void)fprintf(s, "%sset logscale %c\nset %crange [%.12g:%.12g]\n", logarithmic ? "" : "un",
                  name, name, r.lo, r.hi);
    if (logarithmic)
        log_tics(s, name, r);
    else
        (void)fprintf(s, "set %ctics autofreq\n", name);
}

/* ---- panels ---- */

/* "#rrggbb": the colour as it is, half-way to white, half-way to black */
static void hue(FILE *s, struct um_look look, const char *faint)
{
    const unsigned long c =
        strtoul(colour[look.colour < 0 ? BLACK : look.colour % COLOURS], NULL, 16);
    const unsigned tint = (unsigned)look.tint % 3;

    (void)fprintf(s, "lc rgb '#%s", faint);
    for (int shift = 16; shift >= 0; shift -= 8) {
        const unsigned v = (unsigned)(c >> shift) & 255;

        (void)fprintf(s, "%02x", tint == 0 ? v : tint == 1 ? 255 - (255 - v) / 2 : v / 2);
    }
    (void)fputc('\'', s);
}

/* the curve itself has no title: the legend is made of entries that stand for many */
static void curve(FILE *s, const struct um_curve *c, int i)
{
    if (c->raw.n > 0) {
        (void)fprintf(s, "$r%d using 1:2 with lines lt 1 lw 0.7 ", i);
        hue(s, c->look, "b0");
        (void)fputs(" notitle, ", s);
    }
    (void)fprintf(s, "$c%d using 1:2 with %s dt %s lw 1.6 ", i,
                  c->line.n <= FEW || lonely(&c->line) ? "linespoints pt 7 ps 0.4" : "lines",
                  dash[c->look.dash % DASHES]);
    hue(s, c->look, "");
    (void)fputs(" notitle", s);
}

static void entry(FILE *s, struct um_look look, const char *name)
{
    (void)fprintf(s, ", NaN with lines dt %s lw 2 ", dash[look.dash % DASHES]);
    hue(s, look, "");
    (void)fputs(" title ", s);
    quote(s, name, NAME);
}

static bool same_series(const struct um_curve *a, const struct um_curve *b)
{
    return a->look.colour == b->look.colour && a->look.tint == b->look.tint;
}

/* an entry for each series, then one for each kind of dash; or, where colours are columns, for each
 * of these */
static void legend(FILE *s, const struct um_panel *p)
{
    for (int i = 0, j; i < p->ncurves; i++) {
        const struct um_curve *c    = &p->curve[i];
        struct um_look         look = c->look;

        for (j = 0; j < i && !same_series(&p->curve[j], c); j++)
            ;
        look.dash = 0;
        if (j == i && (c->series || c->column))
            entry(s, look, c->series ? c->series : c->column);
    }
    for (int i = 0, j; i < p->ncurves; i++) {
        const struct um_curve *c = &p->curve[i];

        for (j = 0; j < i && p->curve[j].look.dash != c->look.dash; j++)
            ;
        if (j == i && c->series && c->column)
            entry(s, (struct um_look){ GRAY, 0, c->look.dash }, c->column);
    }
}

/* the dumb terminal has a letter for each line type */
static void text_curve(FILE *s, const struct um_curve *c, int i)
{
    char name[512];

    (void)snprintf(name, sizeof name, "%s%s%s", c->series ? c->series : "",
                   c->series && c->column ? " " : "", c->column ? c->column : "");
    (void)fprintf(s, "%s$c%d using 1:2 with %s lt %d title ", i > 0 ? ", " : "", i,
                  lonely(&c->line) ? "linespoints" : "lines", i + 1);
    quote(s, name, NAME);
}

static void titles(FILE *s, const struct um_panel *p, bool text)
{
    const char *const dark = text ? "" : " textcolor rgb '#303030'";

    (void)fputs("set title ", s);
    quote(s, p->title, 3 * NAME);
    (void)fprintf(s, "%s\nset xlabel ", dark);
    quote(s, p->xlabel, 2 * NAME);
    (void)fprintf(s, "%s\n", dark);
    (void)fputs(text ? "set key outside bottom center horizontal samplen 2 width 2\n"
                     : "set key outside right top vertical Left reverse samplen 1.5 spacing 0.95 "
                       "textcolor rgb '#303030'\n",
                s);
}

static void panel(FILE *s, const struct um_panel *p, bool text)
{
    for (int c = 0; c < p->ncurves; c++) {
        data(s, "c", c, &p->curve[c].line);
        if (!text && p->curve[c].raw.n > 0)
            data(s, "r", c, &p->curve[c].raw);
    }
    axis(s, 'x', range_of(p, false), p->logx);
    axis(s, 'y', range_of(p, true), p->logy);
    titles(s, p, text);
    (void)fputs("plot ", s);
    for (int c = 0; c < p->ncurves; c++) {
        if (text) {
            text_curve(s, &p->curve[c], c);
            continue;
        }
        if (c > 0)
            (void)fputs(", ", s);
        curve(s, &p->curve[c], c);
    }
    if (!text)
        legend(s, p);
    (void)fputs(text ? "\nprint ''\n" : "\n", s); /* the last line of a drawing has no end */
}

static void figure(FILE *s, const struct um_figure *f, const struct um_gnuplot_opts *o)
{
    const struct layout l    = arrange(f->npanels, o);
    const bool          text = o->as == UM_PICTURE_TEXT;

    terminal(s, o, &l);
    if (text)
        (void)fputs("set print '-'\n", s);
    if (text && f->title) {
        (void)fputs("print ", s);
        quote(s, f->title, 6 * NAME);
        (void)fputc('\n', s);
    }
    if (!text) {
        (void)fprintf(s, "set multiplot layout %d,%d", l.rows, l.cols);
        if (f->title) {
            (void)fputs(" title ", s);
            quote(s, f->title, 6 * NAME);
        }
        (void)fputc('\n', s);
    }
    for (int i = 0; i < f->npanels; i++)
        panel(s, f->panel[i], text);
    if (!text)
        (void)fputs("unset multiplot\n", s);
    (void)fputs("unset output\n", s);
}

int um_gnuplot_script(const struct um_figure *f, const struct um_gnuplot_opts *o, char **script,
                      size_t *n)
{
    FILE *s = open_memstream(script, n);
    bool  bad;

    if (!s)
        return um_fail(UM_ENOMEM, "out of memory");
    figure(s, f, o);
    bad = ferror(s) != 0;
    if (fclose(s) != 0 || bad) {
        free(*script);
        return um_fail(UM_ENOMEM, "out of memory");
    }
    return UM_OK;
}
