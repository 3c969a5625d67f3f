/* plans.h - what a device keeps of work it has planned once: a bounded table of plans by their keys
 *
 * Work that is described to a library (descriptors, layouts, the algorithm chosen) costs more to
 * describe than to start, and a training step asks for the same shapes again and again. A plan is
 * the caller's struct, allocated by calloc, whose first bytes are its key: all that the choice
 * depends on, compared byte by byte, so its padding must be zero. A full table empties itself:
 * reports of varying lengths make shapes without end, and those in use come back at once.
 * Host only, C and C++, no threads.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_PLANS_H
#define UM_KERNELS_PLANS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { UM_PLANS = 4096, UM_PLANS_SLOTS = 2 * UM_PLANS };

struct um_plans {
    size_t key; /* bytes, a multiple of 8 */
    void (*drop)(void *plan);
    int   n;
    void *slot[UM_PLANS_SLOTS];
};

/* um_plans_new - an empty table; drop releases what a plan holds (NULL: nothing), not the plan.
 * NULL: out of memory */
static inline struct um_plans *um_plans_new(size_t key, void (*drop)(void *plan))
{
    struct um_plans *t = (struct um_plans *)calloc(1, sizeof *t);

    if (t) {
        t->key  = key;
        t->drop = drop;
    }
    return t;
}

/* FNV-1a over words, its high bits mixed down: the table's index takes the low ones */
static inline uint64_t um_plans_hash(const void *key, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u, w;

    for (size_t i = 0; i < n; i += sizeof w) {
        memcpy(&w, (const char *)key + i, sizeof w);
        h = (h ^ w) * 0x100000001b3u;
        h ^= h >> 29;
    }
    return h ^ h >> 32;
}

/* where the plan with this key is, or the empty slot where it would be: half of them always are */
static inline void **um_plans_at(struct um_plans *t, const void *key)
{
    uint64_t i = um_plans_hash(key, t->key) % UM_PLANS_SLOTS;

    while (t->slot[i] && memcmp(t->slot[i], key, t->key) != 0)
        i = (i + 1) % UM_PLANS_SLOTS;
    return &t->slot[i];
}

/* um_plans_find - the plan with this key, or NULL; valid until the next um_plans_keep */
static inline void *um_plans_find(struct um_plans *t, const void *key)
{
    return *um_plans_at(t, key);
}

static inline void um_plans_clear(struct um_plans *t)
{
    for (int i = 0; i < UM_PLANS_SLOTS; i++) {
        if (t->slot[i] && t->drop)
            t->drop(t->slot[i]);
        free(t->slot[i]);
        t->slot[i] = NULL;
    }
    t->n = 0;
}

/* um_plans_keep - the table owns plan, whose key it does not have yet */
static inline void um_plans_keep(struct um_plans *t, void *plan)
{
    if (t->n == UM_PLANS)
        um_plans_clear(t);
    *um_plans_at(t, plan) = plan;
    t->n++;
}

static inline void um_plans_free(struct um_plans *t)
{
    if (t)
        um_plans_clear(t);
    free(t);
}

#endif
