/* keys.c - open tables of digests and numbers */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* Many small tables instead of a large one: they grow one at a time, so that never more than one of
 * them is there twice. */
enum { TABLES = 64, FIRST = 32 }; /* slots of a table at first */

struct slot {
    uint64_t lo;
    uint32_t hi, number; /* number 0: free */
};

struct table {
    struct slot *slot;
    size_t       nslot, n;
};

struct um_keys {
    struct table table[TABLES];
};

int um_keys_new(struct um_keys **k)
{
    *k = calloc(1, sizeof **k);
    return *k ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

void um_keys_free(struct um_keys *k)
{
    for (int i = 0; k && i < TABLES; i++)
        free(k->table[i].slot);
    free(k);
}

/* where the digest is, or the free place where it belongs */
static struct slot *place(const struct table *t, const struct slot *s)
{
    /* the upper 32 bits as a fraction of the table */
    size_t i = (size_t)(((s->lo >> 32) * t->nslot) >> 32);

    while (t->slot[i].number && (t->slot[i].lo != s->lo || t->slot[i].hi != s->hi))
        i = i + 1 < t->nslot ? i + 1 : 0;
    return &t->slot[i];
}

static int grow(struct table *t)
{
    struct table more = { .nslot = t->nslot ? t->nslot / 2 * 3 : FIRST, .n = t->n };

    if (!(more.slot = calloc(more.nslot, sizeof *more.slot)))
        return um_fail(UM_ENOMEM, "out of memory");
    for (size_t i = 0; i < t->nslot; i++)
        if (t->slot[i].number)
            *place(&more, &t->slot[i]) = t->slot[i];
    free(t->slot);
    *t = more;
    return UM_OK;
}

void um_keys_clear(struct um_keys *k)
{
    for (int i = 0; i < TABLES; i++) {
        if (k->table[i].n > 0)
            memset(k->table[i].slot, 0, k->table[i].nslot * sizeof(struct slot));
        k->table[i].n = 0;
    }
}

int um_keys_add(struct um_keys *k, const char *key, int64_t number, int64_t *earlier)
{
    uint64_t      h[2];
    struct slot   s, *at;
    struct table *t;

    if (number > UINT32_MAX)
        return um_fail(UM_ERANGE, "more than %lld keys", (long long)UINT32_MAX);
    um_hash128(key, strlen(key), h);
    t = &k->table[h[1] >> 32 & (TABLES - 1)];
    s = (struct slot){ h[0], (uint32_t)h[1], (uint32_t)number };
    if (t->n >= t->nslot / 4 * 3)
        UM_TRY(grow(t));
    at = place(t, &s);
    if (at->number) {
        if (earlier)
            *earlier = at->number;
        return UM_EDUPLICATE;
    }
    *at = s;
    t->n++;
    return UM_OK;
}
