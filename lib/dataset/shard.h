/* shard.h - is a shard of a data set there already, whole, and the one that would be made? */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_DATASET_SHARD_H
#define UM_DATASET_SHARD_H

#include <stdbool.h>

#include "stream/umt.h"

struct um_shard; /* one that is there */

/* um_shard_open - look at the file without reading its records: its footer, the checksum of its
 * index, its header
 *
 * Returns 1: *s, which has the header that it would be given; 0: no such file, or a stream that is
 * not whole (*cut says so; it is to be made anew). UM_EMISMATCH: made by another tool, version or
 * option (named), or of several parts; UM_EFORMAT: no tensor stream; UM_EUNSUPPORTED: not a regular
 * file. */
UM_API UM_RESULT_USED int um_shard_open(struct um_shard **s, const char *path,
                                        const struct um_value *header, bool *cut);

/* um_shard_row - the next row of the manifest that belongs into it, by its key. It may have none
 * (dropped, or rejected); its records come in the order of the rows. */
UM_API UM_RESULT_USED int um_shard_row(struct um_shard *s, const char *key);

/* um_shard_close - after the last row; takes NULL. With st >= 0: UM_EMISMATCH if it holds a record
 * that none of the rows has, or, with `all`, a row has no record. Returns st or its own error. */
UM_API UM_RESULT_USED int um_shard_close(struct um_shard *s, int st, bool all);

#endif
