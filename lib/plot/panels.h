/* panels.h - which panels the tables of runs deserve */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PLOT_PANELS_H
#define UM_PLOT_PANELS_H

#include "plot/curves.h"

enum { UM_RUN_TABLES = 3, UM_RUNS_MAX = 32 };

/* a table, or a run's folder: log.tsv and, if they are there, valid.tsv and timing.tsv */
struct um_run {
    const char      *path;
    const char      *label; /* the part of the path that tells runs apart */
    bool             folder;
    struct um_table *table[UM_RUN_TABLES]; /* NULL after the last */
};

/* um_runs_open - run[0..n-1] of the paths; what was opened stays open on failure. Errors of
 * um_table_read; UM_EMISSING: a folder without log.tsv. Tables without a row in a folder are left
 * out; UM_EMISSING if it is log.tsv, or a file. */
UM_API UM_RESULT_USED int um_runs_open(struct um_arena *a, struct um_run *run,
                                       const char *const *path, int n);
UM_API void               um_runs_close(struct um_run *run, int n);

struct um_panel_opts {
    struct um_curve_opts curve;
    const char *y; /* "A,B+C": a panel of A, and one of B and C together; NULL: what runs deserve */
    const char *by; /* a curve for each text of this column; "none": one curve; NULL: as it fits */
};

/* um_runs_figure - the panels of all runs, each run a curve (or more) in each
 *
 * Without y: of a training log (columns step, modality, loss) the loss and its parts, learning
 * rate, temperature, gradient norm, entropies; of a table of validations (set, i2t_r1) held-out
 * loss, retrieval, distances: those that have a value. Of any other table each column of numbers.
 * Without by: modality or set where the table has it. Learning rate, temperature and validations,
 * which have no noise to take out, are not smoothed. Errors as um_curves_panel; UM_EMISSING also
 * if there is nothing to draw. */
UM_API UM_RESULT_USED int um_runs_figure(struct um_figure *f, const struct um_run *run, int n,
                                         const struct um_panel_opts *o);

#endif
