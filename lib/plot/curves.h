/* curves.h - columns of tables to the curves of a panel */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PLOT_CURVES_H
#define UM_PLOT_CURVES_H

#include "plot/figure.h"
#include "plot/table.h"

enum { UM_WANT_MAX = 8 };

struct um_curve_opts {
    const char *x;      /* column; NULL: the first of step and epoch, else the row's number */
    int64_t     smooth; /* values that a point is the mean of: itself and those before; 1: none */
    bool        logx, logy;
};

struct um_want { /* a panel that is asked for */
    const char *title;
    const char *column[UM_WANT_MAX]; /* NULL after the last */
    const char *by;                  /* a curve for each text of this column; NULL: one curve */
    const char *shown[UM_WANT_MAX];  /* for the legend; NULL: the column's name */
};

/* um_curves_panel - draw the columns of n tables into one panel
 *
 * table [n], label [n]: runs and their names (shown if n > 1); a table may be NULL: that run has no
 * such curve. A curve for each table, text of `by`, and column. Points of a curve that follow each
 * other at the same x are taken together, as the mean of their values; values that are NaN
 * or beyond 1e250, or not above 0 on a logarithmic axis, are gaps. Then comes smoothing; then
 * curves of more than 4,096 points are thinned to the first, smallest, largest and last of each of
 * 1,024 pieces, which looks the same. A curve of gaps alone is left out.
 *
 * Returns 1: f has a panel more; 0: no curve has a value; UM_EMISSING: a column is not there (names
 * it); UM_EFORMAT: not a number (names file, line, column); UM_ERANGE: more than 64 curves or 24
 * panels; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_curves_panel(struct um_figure *f, const struct um_want *w,
                                          const struct um_curve_opts   *o,
                                          const struct um_table *const *table,
                                          const char *const *label, int n);

/* um_points_smooth - y[i] becomes the mean of the last `window` finite values up to i; gaps stay.
 * UM_ENOMEM. */
UM_API UM_RESULT_USED int um_points_smooth(struct um_arena *a, struct um_points *p, int64_t window);
/* um_points_thin - see above. UM_ENOMEM. */
UM_API UM_RESULT_USED int um_points_thin(struct um_arena *a, struct um_points *p);

#endif
