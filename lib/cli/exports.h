/* exports.h - a tensor of each record into files: one a record, or all of them as one array */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_CLI_EXPORTS_H
#define UM_CLI_EXPORTS_H

#include "picture/export.h"

struct um_exports;

struct um_exports_opts {
    const struct um_tool *tool; /* who warns */
    enum um_export        format;
    const char           *tensor; /* NULL: see um_export_pick */
    const char *path;  /* as -o: NULL for standard output; with %s or a last "/" a file a record */
    bool        stack; /* NPY alone: one array [N,...] of all records, in one file */
    const char *like;  /* NII alone: onto the grid of this file (picture/onto.h); %s: the key */
    bool        sheet; /* PNG alone: one contact sheet (picture/sheet.h) */
    const struct um_view *view; /* PNG alone: how to look (picture/view.h) */
};

/* um_exports_open - UM_EUSAGE: stack or sheet for another format, or into many files; a path
 * that ends as another format's do; a terminal */
UM_API UM_RESULT_USED int um_exports_open(struct um_exports           **x,
                                          const struct um_exports_opts *opts);

/* um_exports_record - write rec's tensor; a record that has none is passed over; with `like`, a
 * warning if it lies elsewhere. UM_EUSAGE: a
 * second record and only one file; UM_ESHAPE, UM_EDTYPE: does not stack on the first one. */
UM_API UM_RESULT_USED int um_exports_record(struct um_exports *x, struct um_arena *scratch,
                                            const struct um_record *rec);

/* um_exports_close - finish the files if st >= 0 (UM_EMISSING: no record had the tensor, or what
 * was to be laid over it; UM_ESHAPE: another plane, and no record had a volume), drop the
 * unfinished one otherwise. Returns st or its own error. Takes NULL. */
UM_API UM_RESULT_USED int um_exports_close(struct um_exports *x, int st);

#endif
