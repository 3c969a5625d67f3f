/* vocab.c - reading a vocabulary into a trie */
/* SPDX-License-Identifier: Apache-2.0 */
#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "text/utf8.h"

enum { FILE_MAX = 1 << 24 }; /* bytes; also bounds the nodes, whose numbers have 24 bits */

static uint32_t slot_of(const struct um_vocab *v, uint32_t key)
{
    return (key * 0x9e3779b1u) >> v->shift;
}

/* the node that byte c leads to from node; 0 if there is no such edge (none leads to node 0) */
static uint32_t follow(const struct um_vocab *v, uint32_t node, unsigned char c)
{
    const uint32_t key = node << 8 | c;

    for (uint32_t i = slot_of(v, key);; i = (i + 1) & v->mask) {
        if (v->edge[i].key == key)
            return v->edge[i].to;
        if (v->edge[i].key == 0)
            return 0;
    }
}

static uint32_t follow_or_add(struct um_vocab *v, uint32_t node, unsigned char c)
{
    const uint32_t key = node << 8 | c;
    uint32_t       i   = slot_of(v, key);

    while (v->edge[i].key != 0 && v->edge[i].key != key)
        i = (i + 1) & v->mask;
    if (v->edge[i].key == 0) {
        v->edge[i]        = (struct um_vocab_edge){ key, v->nodes };
        v->id[v->nodes++] = -1;
    }
    return v->edge[i].to;
}

int32_t um_vocab_longest(const struct um_vocab *v, const char *s, size_t n, int inside,
                         size_t *used)
{
    uint32_t node = inside ? 1 : 0;
    int32_t  best = -1;

    for (size_t i = 0; i < n && (node = follow(v, node, (unsigned char)s[i])) != 0; i++)
        if (v->id[node] >= 0) {
            best  = v->id[node];
            *used = i + 1;
        }
    return best;
}

/* the next line of text, without its end; false after the last */
static bool next_line(const char **text, const char *end, const char **line, size_t *n)
{
    const char *lf;

    if (*text == end)
        return false;
    *line = *text;
    lf    = memchr(*text, '\n', (size_t)(end - *text));
    *n    = (size_t)((lf ? lf : end) - *line);
    *text = lf ? lf + 1 : end;
    if (*n > 0 && (*line)[*n - 1] == '\r')
        --*n;
    return true;
}

static int add_piece(struct um_vocab *v, const char *s, size_t n)
{
    const bool inside = n > 2 && s[0] == '#' && s[1] == '#';
    uint32_t   node   = inside ? 1 : 0;
    int32_t   *id;

    if (n == 0)
        return um_fail(UM_EFORMAT, "line %d is empty", v->size + 1);
    if (n > UM_VOCAB_PIECE)
        return um_fail(UM_EFORMAT, "line %d: a piece of %zu bytes, at most %d allowed", v->size + 1,
                       n, UM_VOCAB_PIECE);
    if (memchr(s, 0, n))
        return um_fail(UM_EFORMAT, "line %d holds a NUL", v->size + 1);
    if (v->size == UM_VOCAB_MAX)
        return um_fail(UM_ERANGE, "more than %d lines", UM_VOCAB_MAX);
    for (size_t i = inside ? 2 : 0; i < n; i++)
        node = follow_or_add(v, node, (unsigned char)s[i]);
    id = &v->id[node];
    if (*id >= 0)
        return um_fail(UM_EDUPLICATE, "lines %d and %d are the same piece, \"%.*s\"", *id + 1,
                       v->size + 1, (int)(n < 60 ? n : 60), s);
    *id = v->size++;
    return UM_OK;
}

static int find_specials(struct um_vocab *v)
{
    for (int i = 0; i < UM_NSPECIAL; i++) {
        const size_t  n    = strlen(um_special_name[i]);
        size_t        used = 0;
        const int32_t id   = um_vocab_longest(v, um_special_name[i], n, 0, &used);

        if (id < 0 || used != n)
            return um_fail(UM_EMISSING, "no %s in it: not a BERT vocabulary", um_special_name[i]);
        v->special[i] = id;
    }
    if (v->special[UM_PAD] != 0)
        return um_fail(UM_ERANGE, "[PAD] is on line %d: it must be the first",
                       v->special[UM_PAD] + 1);
    return UM_OK;
}

/* room for as many nodes as there can be: one a byte, and the two roots */
static int make_room(struct um_vocab *v, size_t bytes)
{
    uint32_t bits = 4;

    if (bytes + 2 > FILE_MAX)
        return um_fail(UM_ERANGE, "%zu bytes: too large for a vocabulary", bytes);
    while (((size_t)1 << bits) < 2 * (bytes + 2))
        bits++;
    v->mask  = (1u << bits) - 1;
    v->shift = 32 - bits;
    v->edge  = calloc((size_t)1 << bits, sizeof *v->edge);
    v->id    = malloc((bytes + 2) * sizeof *v->id);
    if (!v->edge || !v->id)
        return um_fail(UM_ENOMEM, "out of memory");
    v->id[0] = v->id[1] = -1;
    v->nodes            = 2;
    return UM_OK;
}

static int fill(struct um_vocab *v, const char *text, size_t n)
{
    const char     *s = text, *line;
    size_t          len;
    struct um_hash *h;
    int             st = UM_OK;

    UM_TRY(um_utf8_check(text, n));
    UM_TRY(make_room(v, n));
    UM_TRY(um_hash_new(&h));
    while (st == UM_OK && next_line(&s, text + n, &line, &len)) {
        um_hash_add(h, line, len);
        um_hash_add(h, "\n", 1);
        st = add_piece(v, line, len);
    }
    um_hash_hex(h, v->digest);
    um_hash_free(h);
    return st < 0 ? st : find_specials(v);
}

int um_vocab_parse(struct um_vocab **v, const char *name, const char *text, size_t n)
{
    struct um_vocab *made = calloc(1, sizeof *made);
    int              st;

    if (!made)
        return um_fail(UM_ENOMEM, "%s: out of memory", name);
    st = fill(made, text, n);
    if (st < 0) {
        um_vocab_free(made);
        return um_context(st, "%s", name);
    }
    *v = made;
    return UM_OK;
}

int um_vocab_load(struct um_vocab **v, const char *path)
{
    struct um_arena *a = NULL;
    uint8_t         *data;
    size_t           n;
    int              st;

    UM_TRY(um_arena_new(&a));
    st = um_file_read(a, path, FILE_MAX, &data, &n);
    if (st >= 0)
        st = um_vocab_parse(v, path, (const char *)data, n);
    um_arena_free(a);
    return st;
}

void um_vocab_free(struct um_vocab *v)
{
    if (!v)
        return;
    free(v->edge);
    free(v->id);
    free(v);
}
