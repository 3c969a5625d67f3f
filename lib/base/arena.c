/* arena.c - a chain of chunks; each new chunk is as large as all before it together, up to 64 MiB
 *
 * Chunks of LARGE and more lie in huge pages: a volume costs a hundred page faults instead of ten
 * thousand. Those that two turns running had no use for are given back, so that what is held
 * follows the largest records of late, not the sum of all sizes there were.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE /* madvise */
#include "base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 64, FIRST = 1 << 16, GROWTH = 1 << 26, LARGE = 1 << 22, HUGE_PAGE = 1 << 21 };

struct chunk {
    struct chunk *next;
    size_t        size, used; /* of the bytes after the head, both multiples of ALIGN */
    int           idle;       /* resets since it was used */
    char         *data;
};

struct um_arena {
    struct chunk *first, *last; /* last: the one being filled; those after it are empty */
    size_t        total;        /* bytes in all chunks */
};

int um_arena_new(struct um_arena **arena)
{
    *arena = calloc(1, sizeof **arena);
    if (!*arena)
        return um_fail(UM_ENOMEM, "out of memory");
    return UM_OK;
}

static struct chunk *chunk_new(size_t size)
{
    struct chunk *c    = calloc(1, sizeof *c);
    void         *data = NULL;

    /* not aligned_alloc: that wants whole huge pages */
    if (c && posix_memalign(&data, size < LARGE ? ALIGN : HUGE_PAGE, size) == 0)
        c->data = data;
#ifdef MADV_HUGEPAGE
    if (c && c->data && size >= LARGE)
        (void)madvise(c->data, size, MADV_HUGEPAGE); /* a wish: it is as good without */
#endif
    if (!c || !c->data) {
        free(c);
        return NULL;
    }
    c->size = size;
    return c;
}

/* Large sizes rounded up to an eighth of their magnitude, so that records of much the same size use
 * the same chunks; what is not touched costs nothing. */
static size_t rounded(size_t size)
{
    size_t unit = LARGE / 8;

    if (size < LARGE)
        return size;
    while (unit <= size / 16)
        unit *= 2;
    return (size + unit - 1) / unit * unit;
}

/* after *from, the smallest empty chunk that is large enough, moved to *from; NULL: there is none
 */
static struct chunk *best_fit(struct chunk **from, size_t size)
{
    struct chunk **best = NULL, *c;

    for (struct chunk **at = from; *at; at = &(*at)->next)
        if ((*at)->size >= size && (!best || (*at)->size < (*best)->size))
            best = at;
    if (!best)
        return NULL;
    c            = *best;
    *best        = c->next;
    c->next      = *from;
    return *from = c;
}

/* the chunk that has room: the current one, a kept empty one after it, or a new one */
static struct chunk *room(struct um_arena *a, size_t size)
{
    struct chunk **next = a->last ? &a->last->next : &a->first, *c;

    if (a->last && a->last->size - a->last->used >= size)
        return a->last;
    c = best_fit(next, size);
    if (!c) {
        const size_t more = a->total < FIRST ? FIRST : a->total < GROWTH ? a->total : GROWTH;
        const size_t want = rounded(size > more ? size : more);

        c = chunk_new(want);
        if (!c && want > size)
            c = chunk_new(size);
        if (!c)
            return NULL;
        a->total += c->size;
        c->next = *next;
        *next   = c;
    }
    return a->last = c;
}

void *um_alloc(struct um_arena *arena, size_t size)
{
    struct chunk *c;
    char         *p;

    if (size > SIZE_MAX / 4) {
        (void)um_fail(UM_ENOMEM, "out of memory: %zu bytes wanted", size);
        return NULL;
    }
    size = size ? (size + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
    c    = room(arena, size);
    if (!c) {
        (void)um_fail(UM_ENOMEM, "out of memory: %zu bytes wanted", size);
        return NULL;
    }
    p = c->data + c->used;
    c->used += size;
#ifdef UM_POISON
    memset(p, 0xff, size);
#endif
    return p;
}

void *um_alloc_array(struct um_arena *arena, int64_t n, size_t size)
{
    if (n < 0 || (size && (uint64_t)n > SIZE_MAX / 4 / size)) {
        (void)um_fail(UM_ENOMEM, "out of memory: %lld elements of %zu bytes wanted", (long long)n,
                      size);
        return NULL;
    }
    return um_alloc(arena, (size_t)n * size);
}

void *um_calloc_array(struct um_arena *arena, int64_t n, size_t size)
{
    void *p = um_alloc_array(arena, n, size);

    if (p)
        memset(p, 0, (size_t)n * size);
    return p;
}

char *um_strndup(struct um_arena *arena, const char *s, size_t n)
{
    char *p = um_alloc(arena, n + 1);

    if (p) {
        memcpy(p, s, n);
        p[n] = 0;
    }
    return p;
}

char *um_strdup(struct um_arena *arena, const char *s)
{
    return um_strndup(arena, s, strlen(s));
}

char *um_sprintf(struct um_arena *arena, const char *fmt, ...)
{
    va_list ap;
    char   *p = NULL;
    int     n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0 && (p = um_alloc(arena, (size_t)n + 1))) {
        va_start(ap, fmt);
        (void)vsnprintf(p, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    return p;
}

struct um_mark um_arena_mark(const struct um_arena *arena)
{
    return (struct um_mark){ arena->last, arena->last ? arena->last->used : 0 };
}

void um_arena_rewind(struct um_arena *arena, struct um_mark mark)
{
    struct chunk *keep = mark.chunk;

    for (struct chunk *c = keep ? keep->next : arena->first; c; c = c->next)
        c->used = 0;
    if (keep)
        keep->used = mark.used;
    arena->last = keep ? keep : arena->first;
}

/* whether the chunk is kept for the next turn */
static bool worth_keeping(struct chunk *c)
{
    c->idle = c->used ? 0 : c->idle + 1;
    c->used = 0;
    return c->size < LARGE || c->idle < 2;
}

void um_arena_reset(struct um_arena *arena)
{
    for (struct chunk **at = &arena->first, *c; (c = *at);) {
        if (worth_keeping(c)) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        arena->total -= c->size;
        free(c->data);
        free(c);
    }
    arena->last = arena->first;
}

size_t um_arena_used(const struct um_arena *arena)
{
    size_t n = 0;

    for (const struct chunk *c = arena->first; c; c = c->next)
        n += c->used;
    return n;
}

size_t um_arena_held(const struct um_arena *arena)
{
    return arena->total;
}

void um_arena_free(struct um_arena *arena)
{
    if (!arena)
        return;
    for (struct chunk *c = arena->first, *next; c; c = next) {
        next = c->next;
        free(c->data);
        free(c);
    }
    free(arena);
}
