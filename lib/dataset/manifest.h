/* manifest.h - the table of files and reports that um-preprocess reads, row by row
 *
 * UTF-8, tab separated, one header line, LF or CRLF; no quoting: a " is a literal character. Known
 * columns, in any order: key, image, levels, mask, boxes, slices, report (the text), report_file (a
 * file of UTF-8), view, patient, split, class, label.NAME. Any other column is kept as a string.
 * `key` and one of image, report, report_file must be there. Empty lines are skipped. Rows are not
 * held: memory grows by 21 to 32 bytes a row, which tell a key that comes twice.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_DATASET_MANIFEST_H
#define UM_DATASET_MANIFEST_H

#include <stdint.h>

#include "base/status.h"

enum um_column {
    UM_COL_KEY = 0,
    UM_COL_IMAGE,
    UM_COL_LEVELS,
    UM_COL_MASK,
    UM_COL_BOXES,
    UM_COL_SLICES,
    UM_COL_REPORT,
    UM_COL_REPORT_FILE,
    UM_COL_VIEW,
    UM_COL_PATIENT,
    UM_COL_SPLIT,
    UM_COL_CLASS,
    UM_COL_LABEL, /* label.NAME; um_column_name gives NAME */
    UM_COL_OTHER
};

struct um_manifest;

/* one row, in one block of memory: um_row_free, or free */
struct um_row {
    int64_t     line; /* of the file, from 1 */
    int64_t     ncol;
    const char *field[]; /* ncol texts in the header's order, "" where empty */
};

/* um_manifest_open - reads the header. path NULL or "-": standard input.
 * UM_EFORMAT: no header, not UTF-8, an empty or reserved column name; UM_EDUPLICATE: a name twice;
 * UM_EMISSING: no such file, no key column, none of image, report, report_file; UM_EIO. */
UM_API UM_RESULT_USED int um_manifest_open(struct um_manifest **m, const char *path);
UM_API void               um_manifest_close(struct um_manifest *m); /* takes NULL */

/* um_manifest_folder - what its relative paths are relative to; "" for the current one */
UM_API const char *um_manifest_folder(const struct um_manifest *m);

UM_API int64_t        um_manifest_ncol(const struct um_manifest *m);
UM_API enum um_column um_manifest_column(const struct um_manifest *m, int64_t i);
UM_API const char    *um_manifest_name(const struct um_manifest *m, int64_t i);

/* um_manifest_shard - from here on give rows part, part + parts, part + 2 parts, ... alone (from
 * 0); keys are still held against those of all rows
 * um_manifest_block - from here on give rows from..to-1 alone (from 0), of those not read yet, then
 * 0; `from` must not be less than the last `to`
 * um_manifest_taken - rows given so far
 * um_manifest_total - rows there will be, counted by line ends; 0 where that cannot be known */
UM_API void    um_manifest_block(struct um_manifest *m, int64_t from, int64_t to);
UM_API void    um_manifest_shard(struct um_manifest *m, int64_t part, int64_t parts);
UM_API int64_t um_manifest_taken(const struct um_manifest *m);
UM_API int64_t um_manifest_total(const struct um_manifest *m);

/* um_manifest_next - 1: *row, owned by the caller; 0: the end; <0, final, with the line's number:
 * UM_EFORMAT: not UTF-8, a NUL, a row of other than ncol fields, an empty key, one over 1024 bytes
 * or with control characters; UM_EDUPLICATE; UM_EIO; UM_ENOMEM */
UM_API UM_RESULT_USED int um_manifest_next(struct um_manifest *m, struct um_row **row);
UM_API void               um_row_free(struct um_row *row); /* takes NULL */

/* um_row_get - the field of a column that occurs once; "" if the manifest has no such column */
UM_API const char *um_row_get(const struct um_manifest *m, const struct um_row *row,
                              enum um_column col);

#endif
