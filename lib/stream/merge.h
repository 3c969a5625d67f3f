/* merge.h - the tensors of another stream, by key */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_STREAM_MERGE_H
#define UM_STREAM_MERGE_H

#include "stream/join.h"

struct um_merge;

enum um_unmatched { UM_UNMATCHED_ERROR, UM_UNMATCHED_KEEP, UM_UNMATCHED_DROP };

/* um_merge_open - a file with an index; its headers are joined to j */
UM_API UM_RESULT_USED int um_merge_open(struct um_merge **m, const char *path,
                                        enum um_unmatched unmatched, struct um_join *j);
/* um_merge_record - put the partner's tensors and meta into rec: 1; 0: no partner, and it is to be
 * dropped; UM_EMISSING: no partner, and that is an error; UM_EDUPLICATE, UM_EMISMATCH: see
 * um_record_merge. NULL m: 1 */
UM_API UM_RESULT_USED int um_merge_record(struct um_merge *m, struct um_arena *a,
                                          struct um_record *rec);
/* um_merge_seen - a record of that key was there, though it is not wanted. Takes NULL. <0: the
 * index could not be read */
UM_API UM_RESULT_USED int um_merge_seen(struct um_merge *m, const char *key);
/* um_merge_close - UM_EMISSING if st >= 0 and a record of the file never had a partner, and that is
 * an error. Returns st or its own error. Takes NULL */
UM_API UM_RESULT_USED int um_merge_close(struct um_merge *m, int st);

#endif
