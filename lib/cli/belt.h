/* belt.h - the moving belt under a flow: slots filled in order, worked on by any thread, written in
 * order
 *
 * Three counters chase each other around a ring: written <= taken <= filled <= written + nslot. The
 * calling thread fills and writes; workers take. Private to lib/cli.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_CLI_BELT_H
#define UM_CLI_BELT_H

#include <pthread.h>

#include "cli/flow.h"

struct um_emit { /* what one item became, still in order */
    const struct um_writer_opts *opts;
    struct um_packed           **packed;
    int                          n, cap;
};

struct slot {
    struct um_arena *arena;
    void            *item;
    const char      *key;
    struct um_emit   emit;
    double           took; /* seconds of work */
    bool             done;
    int              st;
    char             msg[UM_ERRMSG_MAX];
};

struct belt {
    /* what to do with an item, set by the owner */
    const struct um_tool   *tool;
    const struct um_common *common;
    const void             *owner;
    int (*work)(const void *owner, int worker, struct slot *s);
    /* or on many at once, in the calling thread: the items of up to nslot slots in order; <0 ends
     */
    int (*work_group)(const void *owner, struct slot *const *s, int n);
    int64_t group_size; /* with work_group: the number of slots */
    void (*free_item)(void *item);
    double (*progress)(const void *owner, int64_t count, double *total); /* done, total */

    struct um_writer_opts opts;
    struct um_outfile    *out, *rejects;
    struct um_writer     *writer;
    struct um_progress   *bar;
    bool                  lent;            /* bar is the owner's */
    int64_t               before;          /* items of earlier runs that bar counts too */
    int64_t               count, rejected; /* items written, of them skipped */
    double                took;            /* the mean of an item's seconds of late */
    char                 *first;           /* message of the first one skipped */

    pthread_mutex_t lock;
    pthread_cond_t  wake, done;
    pthread_t      *thread;
    struct slot    *slot, **group;
    int             jobs, nthread, nslot;
    int64_t         filled, taken, written; /* the caller alone changes filled and written */
    bool            stop, failed; /* failed: an item or the output; nothing more is written */
};

/* belt_open - outputs opened, nothing read yet; on an error belt_close is still to be called */
int belt_open(struct belt *b, const char *unit);
/* belt_slot - an empty slot, once there is room; writes what is finished meanwhile */
int belt_slot(struct belt *b, struct slot **s);
/* belt_push - the slot from belt_slot is filled: item, key */
int belt_push(struct belt *b);
/* belt_drain - everything on the belt finished and written; the first error in order */
int belt_drain(struct belt *b);
/* belt_settle - the feeding ended with st: drain. Where the input failed (st < 0), items before the
 * place are still on the belt; if one of those failed too, that is the first error in order. */
int belt_settle(struct belt *b, int st);
/* belt_close - workers joined, all freed, output finished if st >= 0; returns st or its own error
 */
int belt_close(struct belt *b, int st);

#endif
