/* um-plot - draw curves from the tables that runs write
 *
 * reads   tables with a header and tabs between (log.tsv, valid.tsv, any other), or folders of runs
 * writes  a picture (PNG, SVG), or a drawing in characters
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "plot/gnuplot.h"
#include "plot/panels.h"

static struct config {
    struct um_common common;
    const char      *y, *x, *by, *log, *to, *size, *title;
    int64_t          smooth;
} cfg = { .common = UM_COMMON_INIT, .log = "none", .to = "auto", .smooth = 1 };

static const struct um_opt opts[] = {
    UM_OPT_STR(0, "y", "A,B+C", &cfg.y, false, "columns: a panel of A, one of B and C together"),
    UM_OPT_STR(0, "x", "COL", &cfg.x, false, "along the bottom: step, epoch, any column"),
    UM_OPT_STR(0, "by", "COL|none", &cfg.by, false, "a curve for each text of this column"),
    UM_OPT_INT(0, "smooth", "N", &cfg.smooth, 1, 1e9, false, "running mean of N values"),
    UM_OPT_CHOICE(0, "log", "none|x|y|xy", &cfg.log, false, "logarithmic axes"),
    UM_OPT_CHOICE(0, "to", "auto|png|svg|text", &cfg.to, false,
                  "kind of picture; auto: as the name of -o ends, text for a terminal"),
    UM_OPT_STR(0, "size", "WxH", &cfg.size, false, "pixels; of text: characters of each panel"),
    UM_OPT_STR(0, "title", "TEXT", &cfg.title, false, "above everything"),
    UM_OPT_OUTPUT(&cfg.common),
    UM_OPT_FLAG('v', "verbose", &cfg.common.verbose, false, "say more"),
    UM_OPT_END
};

static const struct um_tool tool = {
    "um-plot",
    "draw curves from the tables that runs write",
    "[table|folder ...]",
    "  um-plot run                                     on the terminal, also while it is training\n"
    "  um-plot run -o curves.png\n"
    "  um-plot a b c --y loss,grad_norm --smooth 50 -o compare.svg\n"
    "  um-plot run/log.tsv --y vl+icl+pcl --by none --log y\n",
    opts,
    &cfg.common
};

static bool ends(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

static int kind(enum um_picture *as)
{
    const char *to = cfg.to, *o = cfg.common.output;
    const bool  out = !o || strcmp(o, "-") == 0, terminal = out && isatty(STDOUT_FILENO);

    if (strcmp(to, "auto") == 0 && out)
        to = terminal ? "text" : "png";
    else if (strcmp(to, "auto") == 0)
        to = ends(o, ".png") ? "png" : ends(o, ".svg") ? "svg" : ends(o, ".txt") ? "text" : NULL;
    if (!to)
        return um_usage("%s ends in none of .png, .svg and .txt: say --to png, svg or text", o);
    *as = strcmp(to, "png") == 0   ? UM_PICTURE_PNG
          : strcmp(to, "svg") == 0 ? UM_PICTURE_SVG
                                   : UM_PICTURE_TEXT;
    if (terminal && *as == UM_PICTURE_PNG)
        return um_usage("a picture is not written to a terminal: name a file with -o");
    return UM_OK;
}

static int size(struct um_gnuplot_opts *g)
{
    const bool     text = g->as == UM_PICTURE_TEXT;
    const int      lo = text ? 20 : 100, hi = text ? 1000 : 10000;
    struct winsize ws = { 0 };
    char           rest;

    if (!cfg.size) { /* text is as wide as the terminal, if there is one */
        if (text && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
            g->width = ws.ws_col - 1 < lo ? lo : ws.ws_col - 1 > 160 ? 160 : ws.ws_col - 1;
        return UM_OK;
    }
    if (strspn(cfg.size, "0123456789x") != strlen(cfg.size) || strlen(cfg.size) > 15 ||
        sscanf(cfg.size, "%dx%d%c", &g->width, &g->height, &rest) != 2 || g->width < lo ||
        g->width > hi || g->height < (text ? 8 : lo) || g->height > hi)
        return um_usage("--size %s: expected WxH, %d to %d", cfg.size, lo, hi);
    return UM_OK;
}

static void note_cut(const struct um_run *run, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < UM_RUN_TABLES && run[i].table[k]; k++)
            if (run[i].table[k]->cut)
                um_note(&tool, "%s: the last line is not complete: left out",
                        run[i].table[k]->name);
}

static int draw(const struct um_figure *f, const struct um_gnuplot_opts *g)
{
    struct um_outfile *out;
    char               said[512];
    int                st;

    UM_TRY(um_outfile_open(&out, cfg.common.output));
    st = um_gnuplot_draw(f, g, out, said, sizeof said);
    if (st >= 0 && *said)
        um_note(&tool, "gnuplot: %s", said);
    return um_outfile_close(out, st, 0);
}

static int plot(struct um_arena *a, struct um_run *run, char **files, int n)
{
    struct um_panel_opts   o = { .curve = { .x      = cfg.x,
                                            .smooth = cfg.smooth,
                                            .logx   = strchr(cfg.log, 'x') != NULL,
                                            .logy   = strchr(cfg.log, 'y') != NULL },
                                 .y     = cfg.y,
                                 .by    = cfg.by };
    struct um_figure       f = { .a = a, .title = cfg.title };
    struct um_gnuplot_opts g = { UM_PICTURE_PNG, 0, 0 };

    UM_TRY(kind(&g.as));
    UM_TRY(size(&g));
    UM_TRY(um_runs_open(a, run, (const char *const *)files, n));
    note_cut(run, n);
    UM_TRY(um_runs_figure(&f, run, n, &o));
    return draw(&f, &g);
}

static int run_tool(char **files)
{
    struct um_run    run[UM_RUNS_MAX] = { 0 };
    struct um_arena *a;
    int              n = 0, st;

    for (files = um_inputs(files); files[n]; n++)
        if (n == UM_RUNS_MAX)
            return um_usage("more than %d tables or folders", UM_RUNS_MAX);
    UM_TRY(um_arena_new(&a));
    st = plot(a, run, files, n);
    um_runs_close(run, n);
    um_arena_free(a);
    return st;
}

int main(int argc, char **argv)
{
    return um_exit(&tool, run_tool(um_args(&tool, argc, argv)));
}
