/* feed.h - several streams as one sequence of records, in order or at random */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_STREAM_FEED_H
#define UM_STREAM_FEED_H

#include "stream/join.h"
#include "stream/umt.h"

struct um_feed_opts {
    bool random; /* by the index: um_feed_read; otherwise um_feed_next */
    bool keep;   /* give records what they were read from: um_reader_keep; um_feed_next alone */
    bool spool;  /* copy pipes into a file first (in TMPDIR, without a name); `random` does too */
};

struct um_feed;

/* um_feed_open - open the files (none, or "-": standard input) and join their headers. Of a file
 * the headers of all parts are known then, of a pipe that of its first part. UM_EMISMATCH: headers
 * do not go together; UM_EUNSUPPORTED: no index, and `random` was asked for. */
UM_API UM_RESULT_USED int um_feed_open(struct um_feed **f, char **files,
                                       const struct um_feed_opts *opts);
UM_API void               um_feed_close(struct um_feed *f); /* takes NULL */
UM_API struct um_join    *um_feed_join(struct um_feed *f);

/* um_feed_next - 1 a record, from files[*input]; 0 the end. UM_EMISMATCH: a later part of a pipe
 * has another header than those that were joined */
UM_API UM_RESULT_USED int um_feed_next(struct um_feed *f, struct um_arena *arena,
                                       struct um_record **rec, int *input);
/* records 0..n-1 of all files, in order, when `random` */
UM_API int64_t            um_feed_count(const struct um_feed *f);
UM_API UM_RESULT_USED int um_feed_key(struct um_feed *f, int64_t i, char key[UM_MAX_KEY + 1]);
UM_API UM_RESULT_USED int um_feed_read(struct um_feed *f, int64_t i, struct um_arena *arena,
                                       struct um_record **rec, int *input);

/* bytes read by um_feed_next, and of all inputs (-1: not known) */
UM_API int64_t um_feed_bytes(const struct um_feed *f);
UM_API int64_t um_feed_size(const struct um_feed *f);

#endif
