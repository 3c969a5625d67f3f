/* vocab.h - a WordPiece vocabulary: the lines of a vocab.txt, a line's number being its id
 *
 * Read once, then shared by all threads: nothing in it changes.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TEXT_VOCAB_H
#define UM_TEXT_VOCAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"
#include "text/words.h"

enum {
    UM_VOCAB_MAX   = 1000000, /* pieces */
    UM_VOCAB_PIECE = 1024     /* bytes of a piece */
};

struct um_vocab {
    int32_t size;                 /* V: pieces */
    int32_t special[UM_NSPECIAL]; /* ids of [PAD] (always 0), [UNK], [CLS], [SEP], [MASK] */
    char    digest[UM_HASH_HEX];  /* XXH3-128 of the pieces, each with a line feed after it: of the
                                     file itself if its lines end so */

    /* the rest is private to vocab.c. A trie: node 0 is the start of a word, node 1 the middle
     * (pieces with ##, which is left out); an edge is a slot of a hash table keyed by (node, byte)
     */
    struct um_vocab_edge *edge;
    uint32_t              mask, shift; /* slots - 1, and 32 - log2(slots) */
    int32_t              *id;          /* of the piece that ends at a node, or -1 */
    uint32_t              nodes;
};

struct um_vocab_edge {
    uint32_t key; /* node << 8 | byte; 0, which is no edge's key, for an empty slot */
    uint32_t to;
};

/* um_vocab_load - read a vocab.txt of at most UM_VOCAB_MAX lines; a carriage return at the end of a
 * line is not part of it. UM_EFORMAT: not UTF-8, an empty or overlong line; UM_EDUPLICATE: a piece
 * twice, with both lines; UM_EMISSING: no such file, or a special token is not in it; UM_ERANGE:
 * too many lines, or [PAD] is not the first. Messages name the file and the line. */
UM_API UM_RESULT_USED int um_vocab_load(struct um_vocab **v, const char *path);
/* um_vocab_parse - the same from n bytes in memory; name is for messages */
UM_API UM_RESULT_USED int um_vocab_parse(struct um_vocab **v, const char *name, const char *text,
                                         size_t n);
UM_API void               um_vocab_free(struct um_vocab *v); /* takes NULL */

/* um_vocab_longest - the longest piece that s[0..n-1] begins with, at the start (inside = 0) or in
 * the middle (1) of a word: its id and in *used its bytes; -1 if there is none */
UM_API int32_t um_vocab_longest(const struct um_vocab *v, const char *s, size_t n, int inside,
                                size_t *used);

#endif
