/* vocab_pairs.c - byte pair encoding with a heap of pairs
 *
 * A merge touches only the words that have the pair: their pairs are taken from the counts, the two
 * pieces become one, and their pairs are added again. The heap is lazy: an entry whose count is no
 * longer its pair's is put back with the new count when it comes up. That is sound because between
 * two merges a pair's count only falls, except for the pairs that hold the piece just made, and
 * those get a fresh entry.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/vocab_pairs.h"

#include <string.h>

#include "base/hash.h"
#include "text/words.h"

struct pair {
    int32_t left, right;
    int64_t count;
    int64_t seen; /* first of its list, -1: none */
    bool    changed;
};

struct seen {
    int64_t word, next;
};

struct top {
    int64_t count;
    int32_t pair;
};

/* room for one more in an array of the arena; the old one stays behind until the arena is reset,
 * which at most doubles what is used */
static void *one_more(struct um_arena *a, void *old, int64_t n, int64_t *cap, size_t size)
{
    void *wide;

    if (n < *cap)
        return old;
    *cap = *cap ? 2 * *cap : 1024;
    wide = um_alloc_array(a, *cap, size);
    if (wide && n > 0)
        memcpy(wide, old, (size_t)n * size);
    return wide;
}

/* ---- names ---- */

static uint64_t slots_for(int64_t n)
{
    uint64_t slots = 16;

    while (slots < 2 * (uint64_t)n)
        slots *= 2;
    return slots;
}

static int32_t *free_slots(struct um_arena *a, uint64_t slots)
{
    int32_t *t = um_alloc_array(a, (int64_t)slots, sizeof *t);

    if (t)
        memset(t, 0xff, slots * sizeof *t);
    return t;
}

int um_pairs_open(struct um_pairs *p)
{
    const uint64_t slots = slots_for(p->room);

    p->names   = slots - 1;
    p->name    = um_alloc_array(p->arena, p->room, sizeof *p->name);
    p->by_name = free_slots(p->arena, slots);
    p->ids     = 1023;
    p->by_ids  = free_slots(p->arena, 1024);
    return p->name && p->by_name && p->by_ids ? UM_OK : UM_ENOMEM;
}

int um_pairs_add(struct um_pairs *p, const char *s, size_t n, bool inside)
{
    uint64_t i = (um_hash64(s, n) + inside) & p->names;
    char    *copy;

    for (; p->by_name[i] >= 0; i = (i + 1) & p->names) {
        const struct um_piece_name *m = &p->name[p->by_name[i]];

        if (m->n == n && m->inside == inside && memcmp(m->s, s, n) == 0)
            return p->by_name[i];
    }
    if (!(copy = um_strndup(p->arena, s, n)))
        return UM_ENOMEM;
    p->name[p->size] = (struct um_piece_name){ copy, n, inside };
    p->by_name[i]    = p->size;
    return p->size++;
}

/* ---- pairs ---- */

static uint64_t mix(int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;

    return h ^ h >> 32;
}

static int32_t *pair_slot(struct um_pairs *p, int32_t left, int32_t right)
{
    uint64_t i = mix(left, right) & p->ids;

    while (p->by_ids[i] >= 0 &&
           (p->pair[p->by_ids[i]].left != left || p->pair[p->by_ids[i]].right != right))
        i = (i + 1) & p->ids;
    return &p->by_ids[i];
}

static int widen(struct um_pairs *p)
{
    const uint64_t slots = 2 * (p->ids + 1);

    if (!(p->by_ids = free_slots(p->arena, slots)))
        return UM_ENOMEM;
    p->ids = slots - 1;
    for (int32_t i = 0; i < (int32_t)p->npair; i++)
        *pair_slot(p, p->pair[i].left, p->pair[i].right) = i;
    return UM_OK;
}

/* the pair's number, made if new */
static int pair_of(struct um_pairs *p, int32_t left, int32_t right)
{
    int32_t *slot = pair_slot(p, left, right);

    if (*slot >= 0)
        return *slot;
    if (p->npair == INT32_MAX)
        return um_fail(UM_ENOMEM, "too many pairs of pieces");
    p->pair = one_more(p->arena, p->pair, p->npair, &p->pair_cap, sizeof *p->pair);
    if (!p->pair)
        return UM_ENOMEM;
    *slot             = (int32_t)p->npair;
    p->pair[p->npair] = (struct pair){ left, right, 0, -1, false };
    if (2 * (uint64_t)++p->npair > p->ids)
        UM_TRY(widen(p));
    return (int)p->npair - 1;
}

static int remember(struct um_pairs *p, struct pair *pair, int64_t word)
{
    if (pair->seen >= 0 && p->seen[pair->seen].word == word)
        return UM_OK;
    p->seen = one_more(p->arena, p->seen, p->nseen, &p->seen_cap, sizeof *p->seen);
    if (!p->seen)
        return UM_ENOMEM;
    p->seen[p->nseen] = (struct seen){ word, pair->seen };
    pair->seen        = p->nseen++;
    return UM_OK;
}

/* note that a pair got more frequent */
static int note(struct um_pairs *p, int32_t which)
{
    if (p->pair[which].changed)
        return UM_OK;
    p->changed = one_more(p->arena, p->changed, p->nchanged, &p->changed_cap, sizeof *p->changed);
    if (!p->changed)
        return UM_ENOMEM;
    p->pair[which].changed    = true;
    p->changed[p->nchanged++] = which;
    return UM_OK;
}

/* add the pairs of one word to the counts; those with `fresh` in them (-1: all) are new to it */
static int add_pairs(struct um_pairs *p, int64_t word, int32_t fresh)
{
    const struct um_pair_word *w = &p->word[word];

    for (int64_t i = 0; i + 1 < w->n; i++) {
        const int which = pair_of(p, w->piece[i], w->piece[i + 1]);

        if (which < 0)
            return which;
        p->pair[which].count += w->count;
        if (fresh >= 0 && w->piece[i] != fresh && w->piece[i + 1] != fresh)
            continue;
        UM_TRY(remember(p, &p->pair[which], word));
        UM_TRY(note(p, which));
    }
    return UM_OK;
}

static void take_pairs(struct um_pairs *p, int64_t word)
{
    const struct um_pair_word *w = &p->word[word];

    for (int64_t i = 0; i + 1 < w->n; i++)
        p->pair[*pair_slot(p, w->piece[i], w->piece[i + 1])].count -= w->count;
}

/* ---- the heap: most frequent first, then the older pieces ---- */

static bool before(const struct um_pairs *p, struct top x, struct top y)
{
    const struct pair *a = &p->pair[x.pair], *b = &p->pair[y.pair];

    if (x.count != y.count)
        return x.count > y.count;
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

static int heap_push(struct um_pairs *p, int32_t which)
{
    const struct top t = { p->pair[which].count, which };
    int64_t          i = p->nheap;

    p->heap = one_more(p->arena, p->heap, p->nheap, &p->heap_cap, sizeof *p->heap);
    if (!p->heap)
        return UM_ENOMEM;
    for (p->nheap++; i > 0 && before(p, t, p->heap[(i - 1) / 2]); i = (i - 1) / 2)
        p->heap[i] = p->heap[(i - 1) / 2];
    p->heap[i] = t;
    return UM_OK;
}

static struct top heap_pop(struct um_pairs *p)
{
    const struct top first = p->heap[0], last = p->heap[--p->nheap];
    int64_t          i = 0, k;

    while ((k = 2 * i + 1) < p->nheap) {
        if (k + 1 < p->nheap && before(p, p->heap[k + 1], p->heap[k]))
            k++;
        if (!before(p, p->heap[k], last))
            break;
        p->heap[i] = p->heap[k];
        i          = k;
    }
    p->heap[i] = last;
    return first;
}

/* entries for all pairs that got more frequent; one seen once is never merged */
static int push_changed(struct um_pairs *p)
{
    for (int64_t i = 0; i < p->nchanged; i++) {
        const int32_t which = p->changed[i];

        p->pair[which].changed = false;
        if (p->pair[which].count >= 2)
            UM_TRY(heap_push(p, which));
    }
    p->nchanged = 0;
    return UM_OK;
}

/* the most frequent pair now: 1, or 0 if none is seen twice */
static int next_pair(struct um_pairs *p, int32_t *which)
{
    while (p->nheap > 0) {
        const struct top t     = heap_pop(p);
        const int64_t    count = p->pair[t.pair].count;

        *which = t.pair;
        if (count == t.count)
            return 1;
        if (count >= 2 && count < t.count)
            UM_TRY(heap_push(p, t.pair));
    }
    return 0;
}

/* ---- merging ---- */

static void merge_row(struct um_pair_word *w, int32_t left, int32_t right, int32_t made)
{
    int64_t k = 0;

    for (int64_t i = 0; i < w->n; k++) {
        const bool hit = i + 1 < w->n && w->piece[i] == left && w->piece[i + 1] == right;

        w->piece[k] = hit ? made : w->piece[i];
        i += hit ? 2 : 1;
    }
    w->n = k;
}

static bool has_pair(const struct um_pair_word *w, int32_t left, int32_t right)
{
    for (int64_t i = 0; i + 1 < w->n; i++)
        if (w->piece[i] == left && w->piece[i + 1] == right)
            return true;
    return false;
}

static int merge(struct um_pairs *p, int32_t which)
{
    const int32_t               left = p->pair[which].left, right = p->pair[which].right;
    const struct um_piece_name *l = &p->name[left], *r = &p->name[right];
    char                        both[UM_WORD_CHARS * 4];
    int                         made;

    memcpy(both, l->s, l->n);
    memcpy(both + l->n, r->s, r->n);
    if ((made = um_pairs_add(p, both, l->n + r->n, l->inside)) < 0)
        return made;
    for (int64_t s = p->pair[which].seen; s >= 0; s = p->seen[s].next) {
        const int64_t word = p->seen[s].word;

        if (!has_pair(&p->word[word], left, right))
            continue; /* merged away since, or listed twice */
        take_pairs(p, word);
        merge_row(&p->word[word], left, right, made);
        UM_TRY(add_pairs(p, word, made));
    }
    return push_changed(p);
}

int um_pairs_merge(struct um_pairs *p)
{
    int32_t which = 0;
    int     st    = UM_OK;

    for (int64_t i = 0; i < p->words; i++)
        UM_TRY(add_pairs(p, i, -1));
    UM_TRY(push_changed(p));
    while (p->size < p->room && (st = next_pair(p, &which)) > 0)
        UM_TRY(merge(p, which));
    return st < 0 ? st : UM_OK;
}
