/* umt.h - reading and writing tensor streams (.umt); the format is umt(5)
 *
 * A stream is one or more parts; a part is a header, records, a trailer, and (in files) an index.
 * One record is in memory at a time; memory does not grow with the stream but for what tells keys
 * that come twice (22 to 43 bytes a record) and the writer's index (16 bytes and the key).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_STREAM_UMT_H
#define UM_STREAM_UMT_H

#include <stdio.h>

#include "base/arena.h"
#include "base/file.h"
#include "stream/tensor.h"

/* ---- reading ---- */

struct um_reader;

/* um_reader_open - path NULL or "-": standard input. Nothing is read yet but a regular file's kind.
 */
UM_API UM_RESULT_USED int um_reader_open(struct um_reader **r, const char *path);
UM_API void               um_reader_close(struct um_reader *r); /* takes NULL */

/* the name that messages say, instead of the path */
UM_API UM_RESULT_USED int um_reader_rename(struct um_reader *r, const char *name);

/* um_reader_keep - from now on give records what they were read from (um_as_read), for a writer
 * that keeps frames */
UM_API void um_reader_keep(struct um_reader *r);

/* um_reader_wake - from now on give up with UM_ESTOPPED when *fd has something to read: so that
 * another thread can end a wait for a pipe. NULL: no more. *fd is the caller's. */
UM_API void um_reader_wake(struct um_reader *r, const int *fd);

/* um_reader_next - the next thing in the stream.
 *   UM_NEXT_RECORD (1)  *rec, allocated in `arena`, valid until the arena is reset
 *   UM_NEXT_PART   (2)  a new part begins: um_reader_header() is its header (always comes first)
 *   UM_NEXT_END    (0)  the stream ended after a trailer
 *   <0: UM_EFORMAT: cut, damaged, not a stream, unknown version, duplicate key (names the stream
 * and the last good key); UM_EIO; UM_ENOMEM. An error is final: the same again on every later call.
 */
enum { UM_NEXT_END = 0, UM_NEXT_RECORD = 1, UM_NEXT_PART = 2 };
UM_API UM_RESULT_USED int um_reader_next(struct um_reader *r, struct um_arena *arena,
                                         struct um_record **rec);

/* the current part's header, valid until the next part; "<name>" for messages; counters */
UM_API const struct um_value *um_reader_header(const struct um_reader *r);
UM_API const char            *um_reader_name(const struct um_reader *r);
UM_API int64_t                um_reader_bytes(const struct um_reader *r); /* compressed, so far */
/* bytes of the whole input if it is a regular file, -1 otherwise (progress) */
UM_API int64_t um_reader_size(const struct um_reader *r);

/* Random access by the index (regular files whose every part has one).
 * um_index_open UM_EUNSUPPORTED: no index ("written to a pipe: um-cat makes one").
 * Records are numbered 0..n-1 over all parts in file order. The index stays in the file: in memory
 * are 8 bytes to 32 records. UM_EFORMAT from any of the calls: damaged, or changed meanwhile. */
struct um_index;
UM_API UM_RESULT_USED int     um_index_open(struct um_index **ix, const char *path);
UM_API void                   um_index_close(struct um_index *ix);
UM_API int64_t                um_index_count(const struct um_index *ix);
UM_API const struct um_value *um_index_header(const struct um_index *ix,
                                              int64_t                i); /* of i's part */
/* parts, and the header of each: a part without records has one too */
UM_API int                    um_index_parts(const struct um_index *ix);
UM_API const struct um_value *um_index_part_header(const struct um_index *ix, int part);
/* thread safe: any number of threads may read at once (pread), each with its own arena */
UM_API UM_RESULT_USED int um_index_read(struct um_index *ix, int64_t i, struct um_arena *arena,
                                        struct um_record **rec);
/* the key of record i; thread safe */
UM_API UM_RESULT_USED int um_index_key(struct um_index *ix, int64_t i, char key[UM_MAX_KEY + 1]);
/* um_index_find - the first record with that key from `from` on: 1 and *i, or 0. The first search
 * reads all keys; from then on 16 to 32 bytes a record are in memory. Thread safe. */
UM_API UM_RESULT_USED int um_index_find(struct um_index *ix, const char *key, int64_t from,
                                        int64_t *i);

/* ---- writing ---- */

struct um_writer;
struct um_writer_opts {
    int  level; /* zstd 1..19; 0: raw blocks, same checksums */
    bool keep; /* the frame of a record that has not changed since it was read is written as it was,
                  whatever its level; only with um_reader_keep */
};

/* um_writer_open - writes to `out`, which the caller closes after um_writer_close */
UM_API UM_RESULT_USED int um_writer_open(struct um_writer **w, struct um_outfile *out,
                                         const struct um_writer_opts *opts);
/* um_writer_part - ends the part before, if any, and begins one with this header (a map with at
 * least "umt" and "history"; see um_header_new) */
UM_API UM_RESULT_USED int um_writer_part(struct um_writer *w, const struct um_value *header);
/* um_writer_record - UM_EDUPLICATE: the key was in this part already; UM_ERANGE: key or tensor out
 * of the format's limits (4 GiB). Small records are gathered into a shared frame until a fixed
 * size. */
UM_API UM_RESULT_USED int um_writer_record(struct um_writer *w, const struct um_record *rec);
/* um_writer_close - trailer, index, footer; st < 0: writes nothing more. Returns st or its own
 * error. A stream of no parts is not written: the caller gives at least one um_writer_part. */
UM_API UM_RESULT_USED int um_writer_close(struct um_writer *w, int st);

/* Parallel compression, same bytes as um_writer_record: um_pack() turns a record into bytes (and,
 * if it is large enough for a frame of its own, compresses it) in any thread; um_writer_packed()
 * writes them in order. */
struct um_packed;
UM_API UM_RESULT_USED int um_pack(const struct um_writer_opts *opts, const struct um_record *rec,
                                  struct um_packed **p);
UM_API void               um_packed_free(struct um_packed *p); /* takes NULL */
UM_API UM_RESULT_USED int um_writer_packed(struct um_writer *w, const struct um_packed *p);

/* um_header_new - a header for output that comes from `in` (NULL: a source): its fields and history
 * carried over, one history entry {tool, version, options, ...} appended */
UM_API UM_RESULT_USED int um_header_new(struct um_arena *a, const struct um_value *in,
                                        const char *tool, const struct um_value *options,
                                        struct um_value *header);

/* um_value_json - print a value as one line of JSON (NaN and infinities as null; bytes as a length)
 */
UM_API UM_RESULT_USED int um_value_json(struct um_arena *a, const struct um_value *v, char **json);

#endif
