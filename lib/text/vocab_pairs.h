/* vocab_pairs.h - the pairs of neighbouring pieces, and merging the most frequent (vocab_train.h)
 *
 * Private to the room. All memory is in the arena.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TEXT_VOCAB_PAIRS_H
#define UM_TEXT_VOCAB_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct um_pair_word {
    int32_t *piece; /* ids */
    int64_t  n, count;
};

struct um_piece_name {
    const char *s; /* without ## */
    size_t      n;
    bool        inside;
};

struct um_pairs {
    struct um_arena     *arena;
    struct um_pair_word *word;  /* filled by the caller */
    int32_t             *piece; /* the ids of all words, one after the other */
    int64_t              words, pieces;
    int32_t              size, room; /* pieces in the vocabulary; at most */

    struct um_piece_name *name;
    int32_t              *by_name; /* hash table of ids; -1 free */
    uint64_t              names;   /* slots - 1 */

    struct pair *pair;
    int64_t      npair, pair_cap;
    int32_t     *by_ids; /* hash table of pairs; -1 free */
    uint64_t     ids;    /* slots - 1 */
    struct seen *seen;   /* linked lists: words that have, or had, a pair */
    int64_t      nseen, seen_cap;
    struct top  *heap;
    int64_t      nheap, heap_cap;
    int32_t     *changed; /* pairs that the merge under way made more frequent */
    int64_t      nchanged, changed_cap;
};

/* um_pairs_open - memory for p->room names. um_pairs_add - a piece to the end of the vocabulary (s
 * is copied), or the same piece that is there already: its id. um_pairs_merge - until the
 * vocabulary is full or no pair is seen twice. UM_ENOMEM. */
UM_RESULT_USED int um_pairs_open(struct um_pairs *p);
int                um_pairs_add(struct um_pairs *p, const char *s, size_t n, bool inside);
UM_RESULT_USED int um_pairs_merge(struct um_pairs *p);

#endif
