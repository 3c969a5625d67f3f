/* flow.h - the loop of a streaming tool: records in, records out, in order, on -j threads
 *
 * A tool gives a function that turns one record into none, one or several; the flow opens inputs
 * and the output, carries headers over, keeps order, applies --on-error/--rejects, shows progress,
 * and closes everything so that no half-written file carries the final name. Same bytes for any -j.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_CLI_FLOW_H
#define UM_CLI_FLOW_H

#include "cli/cli.h"
#include "stream/umt.h"

struct um_emit; /* where a map function puts its output records */

/* um_emit_record - hand one record on (packed and compressed by this worker). rec may be reused. */
UM_API UM_RESULT_USED int um_emit_record(struct um_emit *e, const struct um_record *rec);

/* a record of a group */
struct um_flow_item {
    struct um_arena  *arena; /* this record's */
    struct um_record *rec;
    struct um_emit   *emit;
    int               st; /* UM_OK, or um_flow_fail's */
    char              msg[UM_ERRMSG_MAX];
};

/* um_flow_fail - this record failed with st and the calling thread's message; the others go on */
UM_API void um_flow_fail(struct um_flow_item *it, int st);

struct um_flow {
    const struct um_tool   *tool;
    const struct um_common *common;
    char                  **files; /* operands; none or "-": standard input */
    void                   *user;

    /* once per input part, in order, in the calling thread, before its records: may look at the
     * header, change the new one (model digest, window), or refuse the part. NULL: nothing. */
    int (*part)(void *user, struct um_arena *a, const struct um_value *in, struct um_value *out);
    /* once per record, in any worker (0..jobs-1); arena: this record's, reset afterwards */
    int (*map)(void *user, int worker, struct um_arena *a, struct um_record *rec,
               struct um_emit *e);

    /* instead of map, for work that is done on many records at once: the next n <= group_size
     * records in order, in the calling thread. Failed records are marked by um_flow_fail and emit
     * nothing; a negative return ends the run. Items may be worked on and emitted by any thread,
     * one at a time. Groups do not reach over parts. */
    int64_t group_size;
    int (*group)(void *user, struct um_flow_item *items, int n);
};

/* um_flow_run - run it all: parts map to parts one to one, inputs are read in turn. A failed record
 * ends the run (message: "record KEY: ...") or, with --on-error skip, is counted and listed with
 * --rejects: a line "KEY<TAB>status<TAB>reason" each. What a failed record emitted before it failed
 * is dropped. Errors of the input stream itself, of part() and of the output always end the run.
 * Returns UM_OK or the first error in stream order, whatever the threads' timing; on an error
 * nothing appears under the output's name. At most 2 jobs + 1 records are in memory. */
UM_API UM_RESULT_USED int um_flow_run(const struct um_flow *f);

/* A flow whose input is not a stream (um-preprocess: rows of a manifest). next() is called in the
 * calling thread: 1 an item (allocated by it) and its key (copied at once), 0 the end, <0 an error
 * that ends the run. Every item is given to free_item (may be NULL) exactly once: after map, or on
 * the way out if map never saw it. total: number of items if known, else 0. */
struct um_source {
    const struct um_tool   *tool;
    const struct um_common *common;
    void                   *user;
    int64_t                 total;
    const char             *unit;   /* "images" */
    const struct um_value  *header; /* of the one part written */
    int (*next)(void *user, void **item, const char **key);
    int (*map)(void *user, int worker, struct um_arena *a, void *item, struct um_emit *e);
    void (*free_item)(void *item);
    /* all items are done; the output does not have its name yet. NULL: nothing. */
    int (*end)(void *user);
    /* one of several runs: the line of all of them (NULL: one of its own), items worked on before;
     * `count` (may be NULL) is set to the items of this one */
    struct um_progress *bar;
    int64_t             before;
    int64_t            *count;
};
UM_API UM_RESULT_USED int um_source_run(const struct um_source *s);

#endif
