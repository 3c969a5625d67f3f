/* pick.c - in the order of the input, or by the index in any other */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/pick.h"

#include <stdlib.h>

#include "stream/gather.h"

/* a record that number and key have chosen: 1 if it is wanted, and merged with its partner */
static int complete(struct um_pick *p, struct um_arena *arena, struct um_record *rec)
{
    const int st = um_merge_record(p->merge, arena, rec);

    return st > 0 ? um_select_meta(p->select, &rec->meta) : st;
}

static int in_order(struct um_pick *p, struct um_arena *arena)
{
    struct um_record *rec;
    int               st, input;

    p->total = (double)um_feed_size(p->feed);
    for (int64_t i = 0; (st = um_feed_next(p->feed, arena, &rec, &input)) > 0; i++) {
        p->done = (double)um_feed_bytes(p->feed);
        if (um_select_key(p->select, i, rec->key)) {
            const int go = complete(p, arena, rec);

            UM_TRY(go > 0 ? p->each(p->user, rec, input) : go);
        } else {
            UM_TRY(um_merge_seen(p->merge, rec->key));
        }
        um_arena_reset(arena);
    }
    return st;
}

/* the numbers of the records that are wanted; they are only read if more than the key matters */
static int choose(struct um_pick *p, struct um_arena *arena, int64_t *number, double *draw,
                  int64_t *n)
{
    *n = 0;
    for (int64_t i = 0; i < um_feed_count(p->feed); i++) {
        struct um_record *rec;
        char              key[UM_MAX_KEY + 1];
        int               input;

        UM_TRY(um_feed_key(p->feed, i, key));
        int go = um_select_key(p->select, i, key);
        if (!go)
            UM_TRY(um_merge_seen(p->merge, key));
        if (go && (p->meta || p->merge)) {
            UM_TRY(um_feed_read(p->feed, i, arena, &rec, &input));
            UM_TRY(go = complete(p, arena, rec));
            um_arena_reset(arena);
        }
        if (go) {
            draw[*n]       = um_select_draw(p->seed, key);
            number[(*n)++] = i;
        }
    }
    return UM_OK;
}

/* what is left of the numbers goes on, in their order */
static int give(struct um_pick *p, struct um_arena *arena, const int64_t *number, int64_t n)
{
    struct um_gather *g;
    struct um_record *rec;
    int               st, input;

    UM_TRY(um_gather_open(&g, p->feed, number, n));
    p->total = (double)n;
    while ((st = um_gather_next(g, arena, &rec, &input)) > 0) {
        p->done++;
        if ((st = complete(p, arena, rec)) >= 0)
            st = p->each(p->user, rec, input);
        um_arena_reset(arena);
        if (st < 0)
            break;
    }
    um_gather_close(g);
    return st;
}

static int by_index(struct um_pick *p, struct um_arena *arena, int64_t *number, double *draw)
{
    int64_t n;

    UM_TRY(choose(p, arena, number, draw, &n));
    UM_TRY(um_select_lot(p->seed, p->lot, p->shuffle, number, draw, n, &n));
    return give(p, arena, number, n);
}

int um_pick_run(struct um_pick *p, struct um_arena *arena)
{
    if (!p->lot && !p->shuffle)
        return in_order(p, arena);
    const size_t count  = (size_t)um_feed_count(p->feed) + 1;
    int64_t     *number = malloc(count * sizeof *number);
    double      *draw   = malloc(count * sizeof *draw);
    const int    st =
        number && draw ? by_index(p, arena, number, draw) : um_fail(UM_ENOMEM, "out of memory");
    free(number);
    free(draw);
    return st;
}
