/* index_find.c - records by key: a table of their numbers, made by the first search */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "stream/index_int.h"

int um_index_key(struct um_index *ix, int64_t i, char key[UM_MAX_KEY + 1])
{
    struct um_index_scratch *s = um_index_scratch(ix);
    struct um_index_entry    e;

    if (!s)
        return um_fail(UM_ENOMEM, "out of memory");
    const int st = um_index_entry(ix, i, s, &e);
    if (st >= 0)
        memcpy(key, e.key, strlen(e.key) + 1);
    um_index_give(ix, s);
    return st < 0 ? um_context(st, "%s", ix->name) : UM_OK;
}

/* Records in ascending order, so that equal keys of several parts are met in ascending order. */
static int fill_table(struct um_index *ix, struct um_index_scratch *s, int64_t *slot,
                      uint64_t slots)
{
    struct um_index_entry e;

    for (uint64_t i = 0; i < slots; i++)
        slot[i] = -1;
    for (int64_t i = 0; i < ix->n; i++) {
        UM_TRY(um_index_entry(ix, i, s, &e));
        uint64_t at = um_hash64(e.key, strlen(e.key)) & (slots - 1);

        while (slot[at] >= 0)
            at = (at + 1) & (slots - 1);
        slot[at] = i;
    }
    return UM_OK;
}

/* with ix->lock */
static int make_table(struct um_index *ix, struct um_index_scratch *s)
{
    uint64_t slots = 16;
    int      st;

    while (slots < 2 * (uint64_t)ix->n)
        slots *= 2;
    int64_t *slot = malloc(slots * sizeof *slot);
    if (!slot)
        return um_fail(UM_ENOMEM, "out of memory: a table of %llu keys", (unsigned long long)slots);
    if ((st = fill_table(ix, s, slot, slots)) < 0) {
        free(slot);
        return st;
    }
    ix->slot  = slot;
    ix->slots = slots;
    return UM_OK;
}

static int find(struct um_index *ix, struct um_index_scratch *s, const char *key, int64_t from,
                int64_t *found)
{
    struct um_index_entry e;

    (void)pthread_mutex_lock(&ix->lock);
    const int st = ix->slot ? UM_OK : make_table(ix, s);
    (void)pthread_mutex_unlock(&ix->lock);
    UM_TRY(st);
    for (uint64_t at = um_hash64(key, strlen(key)) & (ix->slots - 1); ix->slot[at] >= 0;
         at          = (at + 1) & (ix->slots - 1)) {
        *found = ix->slot[at];
        if (*found < from)
            continue;
        UM_TRY(um_index_entry(ix, *found, s, &e));
        if (strcmp(e.key, key) == 0)
            return 1;
    }
    return 0;
}

int um_index_find(struct um_index *ix, const char *key, int64_t from, int64_t *i)
{
    struct um_index_scratch *s = um_index_scratch(ix);

    if (!s)
        return um_fail(UM_ENOMEM, "out of memory");
    const int st = find(ix, s, key, from, i);
    um_index_give(ix, s);
    return st < 0 ? um_context(st, "%s", ix->name) : st;
}
