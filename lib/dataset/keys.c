/* keys.c - an open table of digests and lines */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { FIRST = 1024 }; /* slots */

struct slot {
    uint64_t lo;
    uint32_t hi, line; /* line 0: free */
};

struct um_keys {
    struct slot *slot;
    size_t       nslot, n;
};

int um_keys_new(struct um_keys **k)
{
    *k = calloc(1, sizeof **k);
    return *k ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

void um_keys_free(struct um_keys *k)
{
    if (k)
        free(k->slot);
    free(k);
}

/* where the digest is, or the free place where it belongs; nslot is a power of two */
static struct slot *place(struct slot *slot, size_t nslot, const struct slot *s)
{
    for (size_t i = (size_t)s->lo & (nslot - 1);; i = (i + 1) & (nslot - 1))
        if (!slot[i].line || (slot[i].lo == s->lo && slot[i].hi == s->hi))
            return &slot[i];
}

static int grow(struct um_keys *k)
{
    const size_t want = k->nslot ? 2 * k->nslot : FIRST;
    struct slot *slot = calloc(want, sizeof *slot);

    if (!slot)
        return um_fail(UM_ENOMEM, "out of memory");
    for (size_t i = 0; i < k->nslot; i++)
        if (k->slot[i].line)
            *place(slot, want, &k->slot[i]) = k->slot[i];
    free(k->slot);
    k->slot  = slot;
    k->nslot = want;
    return UM_OK;
}

int um_keys_add(struct um_keys *k, const char *key, int64_t line)
{
    uint64_t    h[2];
    struct slot s, *at;

    if (line > UINT32_MAX)
        return um_fail(UM_ERANGE, "more than %lld lines", (long long)UINT32_MAX);
    if (k->n >= k->nslot / 4 * 3)
        UM_TRY(grow(k));
    um_hash128(key, strlen(key), h);
    s  = (struct slot){ h[0], (uint32_t)h[1], (uint32_t)line };
    at = place(k->slot, k->nslot, &s);
    if (at->line)
        return um_fail(UM_EDUPLICATE, "key \"%s\" was on line %lld already", key,
                       (long long)at->line);
    *at = s;
    k->n++;
    return UM_OK;
}
