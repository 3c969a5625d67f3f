/* shard.h - the part of a manifest that one file of a data set is made from, and whether that file
 * is there already SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_DATASET_SHARD_H
#define UM_DATASET_SHARD_H

#include <stdbool.h>

#include "base/hash.h"
#include "stream/umt.h"

/* rows kN..kN+N-1 of a manifest */
struct um_rows {
    int64_t n;                /* fewer than N in the last */
    char    hex[UM_HASH_HEX]; /* XXH3-128 of the header line and of these lines, a LF behind each */
};

/* um_rows_read - all of them, in the arena: the file is read once from front to end. Lines are
 * taken as um_manifest_next takes them: without LF, CRLF, and none that is empty. UM_EUNSUPPORTED:
 * not a regular file (path NULL or "-": standard input), which cannot be read again; UM_EIO;
 * UM_ENOMEM. */
UM_API UM_RESULT_USED int um_rows_read(struct um_arena *a, const char *path, int64_t size,
                                       struct um_rows **rows, int64_t *n);

/* um_rows_header - note in a header what a file is made from: "shard": {"rows": n, "digest": hex}
 */
UM_API UM_RESULT_USED int um_rows_header(struct um_arena *a, const struct um_rows *rows,
                                         struct um_value *header);

/* um_shard_there - look at a file without reading its records: its footer, the checksum of its
 * index, its header
 *
 * Returns 1: it has the header that it would be given, and *records of them; 0: no such file, or a
 * stream that is not whole (*cut says so; it is to be made anew). UM_EMISMATCH: made by another
 * tool, version or option (named), from other rows, or of several parts; UM_EFORMAT,
 * UM_EUNSUPPORTED: no tensor stream, or not a regular file. */
UM_API UM_RESULT_USED int um_shard_there(const char *path, const struct um_value *header, bool *cut,
                                         int64_t *records);

#endif
