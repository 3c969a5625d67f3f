/* figure.h - panels of curves: what is drawn, before anything says how */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PLOT_FIGURE_H
#define UM_PLOT_FIGURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

enum { UM_PANELS_MAX = 24, UM_CURVES_MAX = 64 };

struct um_points {
    int64_t n;
    double *x, *y; /* x finite and, as a log has it, ascending; y NaN: a gap */
};

/* how a curve looks. Several runs: a colour each, a tint for each text of `by`; one run: a colour
 * for each of these texts. The same in every panel. Columns of a panel differ by their dashes;
 * where nothing else differs they take colours. */
struct um_look {
    int colour; /* 0, 1, ...; -1: black */
    int tint;   /* 0: as it is; 1, 2, ...: lighter, darker */
    int dash;   /* 0: a full line; 1, 2, ... */
};

struct um_curve {
    const char      *series, *column; /* "run text" and the column's name; NULL: need not be told */
    struct um_look   look;
    struct um_points line;
    struct um_points raw; /* before smoothing, drawn faintly; n = 0: none */
};

struct um_panel {
    const char     *title, *xlabel;
    bool            logx, logy;
    int             ncurves;
    struct um_curve curve[UM_CURVES_MAX];
};

struct um_figure {
    struct um_arena *a;     /* holds all of it */
    const char      *title; /* NULL: none */
    int              npanels;
    struct um_panel *panel[UM_PANELS_MAX];
    int         nvalues; /* texts of `by` so far: the place in this list is their colour or tint */
    const char *value[UM_CURVES_MAX];
};

#endif
