/* gather.c - a window of the wanted order, as long as its records fit */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/gather.h"

#include <stdlib.h>

enum { FIRST = 256, MOST = 1 << 18 }; /* records of a window */

/* one place of the window; in file order while it is filled */
struct place {
    int64_t number;
    int64_t turn; /* in the wanted order, from the window's first */
};

struct held {
    struct um_record *rec; /* NULL: had no room, to be read when its turn comes */
    int               input;
};

struct um_gather {
    struct um_feed  *feed;
    struct um_arena *arena; /* the window's records */
    const int64_t   *number;
    int64_t          n, at;        /* at: of the next record */
    int64_t          from, to;     /* the window */
    int64_t          length, room; /* of the next window; of the lists below */
    struct place    *place;
    struct held     *held;
};

int um_gather_open(struct um_gather **out, struct um_feed *feed, const int64_t *number, int64_t n)
{
    struct um_gather *g = calloc(1, sizeof *g);

    if (!g)
        return um_fail(UM_ENOMEM, "out of memory");
    *g           = (struct um_gather){ .feed = feed, .number = number, .n = n, .length = FIRST };
    const int st = um_arena_new(&g->arena);
    if (st < 0)
        um_gather_close(g);
    else
        *out = g;
    return st;
}

void um_gather_close(struct um_gather *g)
{
    if (!g)
        return;
    um_arena_free(g->arena);
    free(g->place);
    free(g->held);
    free(g);
}

static int by_number(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

static int make_room(struct um_gather *g)
{
    if (g->length <= g->room)
        return UM_OK;
    free(g->place);
    free(g->held);
    g->room  = g->length;
    g->place = malloc((size_t)g->room * sizeof *g->place);
    g->held  = malloc((size_t)g->room * sizeof *g->held);
    return g->place && g->held ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

/* the next window; a longer one next time if it was small, a shorter one if it was too large */
static int fill(struct um_gather *g)
{
    const int64_t n = g->n - g->at < g->length ? g->n - g->at : g->length;
    int64_t       i = 0;

    UM_TRY(make_room(g));
    g->from = g->at;
    g->to   = g->at + n;
    um_arena_reset(g->arena);
    for (int64_t k = 0; k < n; k++)
        g->place[k] = (struct place){ g->number[g->at + k], k };
    qsort(g->place, (size_t)n, sizeof *g->place, by_number);
    for (; i < n && um_arena_used(g->arena) < UM_GATHER_HELD; i++) {
        struct held *h = &g->held[g->place[i].turn];

        UM_TRY(um_feed_read(g->feed, g->place[i].number, g->arena, &h->rec, &h->input));
    }
    if (i == n && um_arena_used(g->arena) < UM_GATHER_HELD / 4 && g->length < MOST)
        g->length *= 2;
    else if (i < n && g->length > 1)
        g->length /= 2;
    for (; i < n; i++)
        g->held[g->place[i].turn].rec = NULL;
    return UM_OK;
}

int um_gather_next(struct um_gather *g, struct um_arena *arena, struct um_record **rec, int *input)
{
    if (g->at == g->n)
        return 0;
    if (g->at == g->to)
        UM_TRY(fill(g));
    const struct held *h = &g->held[g->at - g->from];
    *rec                 = h->rec;
    *input               = h->input;
    if (!h->rec)
        UM_TRY(um_feed_read(g->feed, g->number[g->at], arena, rec, input));
    g->at++;
    return 1;
}
