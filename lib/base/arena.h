/* arena.h - memory that is freed all at once: one arena per record or per training step
 *
 * Allocation bumps a pointer in 64-byte steps; um_arena_reset() gives everything back to the arena
 * but keeps the pages, so that a loop allocates nothing after its first turns (pieces of 4 MiB and
 * more that two turns running had no use for go back to the system). Not thread safe: one
 * arena per worker. Built with -DUM_POISON (the sanitizer builds), fresh memory is filled with
 * 0xff, which is NaN in every float type, so that a forgotten initialisation shows.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_BASE_ARENA_H
#define UM_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct um_arena;

/* um_arena_new - an empty arena; UM_ENOMEM if there is no memory. Owner frees with um_arena_free.
 */
UM_API UM_RESULT_USED int um_arena_new(struct um_arena **arena);

/* um_alloc - size bytes aligned to 64, uninitialised, valid until reset/free; NULL (with message)
 * if memory ran out. size 0 gives a valid pointer. um_alloc_array checks n * size for overflow and
 * refuses negative n. um_calloc_array zeroes. um_strdup/um_strndup copy text. */
UM_API void *um_alloc(struct um_arena *arena, size_t size);
UM_API void *um_alloc_array(struct um_arena *arena, int64_t n, size_t size);
UM_API void *um_calloc_array(struct um_arena *arena, int64_t n, size_t size);
UM_API char *um_strdup(struct um_arena *arena, const char *s);
UM_API char *um_strndup(struct um_arena *arena, const char *s, size_t n);
UM_API       UM_PRINTF(2, 3) char *um_sprintf(struct um_arena *arena, const char *fmt, ...);

/* um_arena_mark / um_arena_rewind - give back what was allocated since the mark */
struct um_mark {
    void  *chunk;
    size_t used;
};
UM_API struct um_mark um_arena_mark(const struct um_arena *arena);
UM_API void           um_arena_rewind(struct um_arena *arena, struct um_mark mark);

UM_API void   um_arena_reset(struct um_arena *arena);
UM_API size_t um_arena_used(const struct um_arena *arena); /* bytes handed out since the reset */
UM_API size_t um_arena_held(const struct um_arena *arena); /* bytes taken from the system */
UM_API void   um_arena_free(struct um_arena *arena);       /* takes NULL */

#endif
