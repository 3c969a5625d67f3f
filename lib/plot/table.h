/* table.h - a table with a header and tabs between: what logs are
 *
 * Read whole, also from a pipe; nothing in it is trusted. A last line without its line feed is
 * being written or was cut, and is left out.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_PLOT_TABLE_H
#define UM_PLOT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct um_table {
    char     *name; /* for messages: the path, or "standard input" */
    char     *text;
    int64_t   rows, cols; /* rows without the header: row 0 is line 2 */
    char    **column;     /* [cols] names, all different */
    uint32_t *cell;       /* [rows,cols] places in text */
    bool      cut;        /* a last line was left out */
};

/* um_table_read - the table at path; "-": standard input. At most 512 MiB and 1,024 columns.
 *
 * UM_EMISSING: no such file; UM_EIO; UM_ERANGE: too large; UM_EFORMAT: empty, without a complete
 * line, a NUL byte, a line with another number of fields than the header (named), a name in the
 * header that is empty or there twice; UM_ENOMEM. Owner frees. */
UM_API UM_RESULT_USED int um_table_read(struct um_table **t, const char *path);
UM_API void               um_table_free(struct um_table *t); /* takes NULL */

/* um_table_column - the number of a column, or -1 */
UM_API int64_t um_table_column(const struct um_table *t, const char *name);
/* um_table_need - *col of a column that must be there; UM_EMISSING names those that are */
UM_API UM_RESULT_USED int um_table_need(const struct um_table *t, const char *name, int64_t *col);

UM_API const char *um_table_text(const struct um_table *t, int64_t row, int64_t col);
/* um_table_number - a cell as a number; "nan" and "inf" are numbers. UM_EFORMAT names file, line
 * and column. */
UM_API UM_RESULT_USED int um_table_number(const struct um_table *t, int64_t row, int64_t col,
                                          double *x);
/* um_table_numeric - does the column begin with a number? (true without rows) */
UM_API bool um_table_numeric(const struct um_table *t, int64_t col);

#endif
