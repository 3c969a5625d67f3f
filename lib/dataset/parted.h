/* parted.h - a manifest whose rows are drawn into train, valid and test
 *
 * The manifest is held whole: about its own size in memory, and a hundred bytes a row.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_DATASET_PARTED_H
#define UM_DATASET_PARTED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/file.h"
#include "dataset/manifest.h"
#include "dataset/split.h"

struct um_parted_opts {
    const char *by;          /* rows alike in this column stay together; "row": none do */
    uint32_t    seed;        /* of either draw */
    double      valid, test; /* as in struct um_split */
    double      subset;      /* share of the groups that train to keep */
    const char *rounding;    /* of it: "even", "floor", "ceil" */
    bool        drawn;       /* rows come out as they were drawn: train, valid, test, the others */
};

/* zero it, set opts, then um_parted_read; um_parted_free whatever came of it */
struct um_parted {
    struct um_parted_opts opts;
    struct um_manifest   *m;
    struct um_arena      *a;
    struct um_row       **row;
    enum um_part         *part;  /* of each row */
    int64_t              *order; /* the rows as they are written; those left out are not in it */
    int64_t               n, cap, nout;
    int64_t               by, split; /* columns; -1: each row by itself; there is none */
};

/* um_parted_read - all rows of the file (NULL or "-": standard input). UM_EMISSING: no column `by`,
 * or a row where it is empty; UM_EFORMAT: a split other than train, valid, test or nothing; errors
 * of um_manifest_open and um_manifest_next. */
UM_API UM_RESULT_USED int um_parted_read(struct um_parted *t, const char *path);

/* um_parted_split - draw valid and test from the rows whose split is train or empty; rows that are
 * valid or test already stay. Groups are drawn in the order of their names. Errors of
 * um_split_draw.
 * um_parted_subset - leave out all but a share of the groups that train; UM_ERANGE: none is left */
UM_API UM_RESULT_USED int um_parted_split(struct um_parted *t);
UM_API UM_RESULT_USED int um_parted_subset(struct um_parted *t);

/* um_parted_write - the manifest with its column split set, or added at the end; rows: how many of
 * each part were written */
UM_API UM_RESULT_USED int um_parted_write(const struct um_parted *t, struct um_outfile *out,
                                          int64_t rows[UM_NPART]);
/* um_parted_shared - groups with rows in more than one part: a leak that the manifest came with */
UM_API UM_RESULT_USED int um_parted_shared(const struct um_parted *t, int64_t *n);
UM_API void               um_parted_free(struct um_parted *t);

#endif
