/* pick.h - the wanted records of a feed, merged with their partners, in order or by lot */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_STREAM_PICK_H
#define UM_STREAM_PICK_H

#include "stream/feed.h"
#include "stream/merge.h"
#include "stream/select.h"

struct um_pick {
    struct um_feed   *feed;
    struct um_select *select;
    struct um_merge  *merge; /* or NULL */
    bool              meta;  /* does select look at meta? */
    int64_t           lot;   /* draw so many; 0: all. lot and shuffle need a random feed */
    bool              shuffle;
    uint64_t          seed;
    double            done, total; /* how far: bytes, or records when random; total -1: not known */
    /* what to do with each, from files[input] of the feed; < 0 ends the run */
    int (*each)(void *user, struct um_record *rec, int input);
    void *user;
};

/* um_pick_run - call each() for the wanted records; `arena` is reset after each */
UM_API UM_RESULT_USED int um_pick_run(struct um_pick *p, struct um_arena *arena);

#endif
