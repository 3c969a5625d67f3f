/* ranks_int.h - inside the room: the struct, and how a call of the plug-in is judged */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_RANKS_RANKS_INT_H
#define UM_RANKS_RANKS_INT_H

#include <pthread.h>
#include <stdbool.h>

#include "ranks/plugin.h"
#include "ranks/ranks.h"

/* Bytes that move at a time: what one call of MPI is given always fits its int, and memory does not
 * grow with the array. */
enum { UM_RANKS_CHUNK = 1 << 22 };

struct um_ranks {
    int                           rank, size;
    int                           local, locals; /* of the ranks on this host */
    const struct um_ranks_plugin *plugin;        /* NULL: one process */
    pthread_t                     thread;        /* the only one that may call it */
    char                         *scratch;       /* [CHUNK + size * 8] */
    int                          *part;          /* [size + 1] */
    int                           agreed;        /* the last failure that all ranks know of, or 0 */
    char                          name[128];
};

/* is there anybody to talk to? */
static inline bool um_ranks_many(const struct um_ranks *r)
{
    return r && r->plugin;
}

/* um_ranks_did - the status of a call of the plug-in that returned `code` */
UM_RESULT_USED int um_ranks_did(struct um_ranks *r, int code, const char *what);

#endif
