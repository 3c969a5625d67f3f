/* vocab_train.c - counting words and their characters; the pairs are in vocab_pairs.c */
/* SPDX-License-Identifier: Apache-2.0 */
#include "text/vocab_train.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "text/utf8.h"
#include "text/vocab.h"
#include "text/vocab_pairs.h"
#include "text/words.h"

enum { ALPHABET = 1000, CODES = 0x110000 };

struct um_vocab_train {
    bool             cased;
    struct um_arena *arena; /* the words' bytes */
    struct counted  *word;  /* open addressing; s NULL: free */
    size_t           slots, n;
    int              st; /* of the walk over a text */
};

struct counted {
    const char *s;
    size_t      n;
    int64_t     count;
};

int um_vocab_train_new(struct um_vocab_train **t, bool cased)
{
    struct um_vocab_train *made = calloc(1, sizeof *made);

    if (made) {
        made->cased = cased;
        made->slots = 1024;
        made->word  = calloc(made->slots, sizeof *made->word);
    }
    if (!made || !made->word || um_arena_new(&made->arena) < 0) {
        um_vocab_train_free(made);
        return um_fail(UM_ENOMEM, "out of memory");
    }
    *t = made;
    return UM_OK;
}

void um_vocab_train_free(struct um_vocab_train *t)
{
    if (!t)
        return;
    um_arena_free(t->arena);
    free(t->word);
    free(t);
}

/* the slot of a word: its own, or the free one where it belongs */
static struct counted *find(struct counted *word, size_t slots, const char *s, size_t n)
{
    size_t i = (size_t)um_hash64(s, n) & (slots - 1);

    while (word[i].s && (word[i].n != n || memcmp(word[i].s, s, n) != 0))
        i = (i + 1) & (slots - 1);
    return &word[i];
}

static int grow(struct um_vocab_train *t)
{
    struct counted *wide = calloc(2 * t->slots, sizeof *wide);

    if (!wide)
        return um_fail(UM_ENOMEM, "out of memory: %zu words", t->n);
    for (size_t i = 0; i < t->slots; i++)
        if (t->word[i].s)
            *find(wide, 2 * t->slots, t->word[i].s, t->word[i].n) = t->word[i];
    free(t->word);
    t->word = wide;
    t->slots *= 2;
    return UM_OK;
}

static int count_word(void *user, const struct um_word *word)
{
    struct um_vocab_train *t = user;
    struct counted        *c;

    if (word->special >= 0 || word->chars > UM_WORD_CHARS)
        return 0;
    if (2 * t->n >= t->slots && (t->st = grow(t)) < 0)
        return 1;
    c = find(t->word, t->slots, word->s, word->n);
    if (!c->s) {
        c->s = um_strndup(t->arena, word->s, word->n);
        c->n = word->n;
        t->n++;
        if (!c->s) {
            t->st = UM_ENOMEM;
            return 1;
        }
    }
    c->count++;
    return 0;
}

int um_vocab_train_add(struct um_vocab_train *t, const char *text, size_t n)
{
    UM_TRY(um_utf8_check(text, n));
    t->st = UM_OK;
    (void)um_words_each(text, n, t->cased, count_word, t);
    return t->st;
}

/* ---- the alphabet ---- */

struct letter {
    int32_t code;
    int64_t count;
};

static int by_count(const void *a, const void *b)
{
    const struct letter *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return x->code < y->code ? -1 : 1;
}

static int by_code(const void *a, const void *b)
{
    const struct letter *x = a, *y = b;

    return x->code < y->code ? -1 : x->code > y->code;
}

/* letter[0..*n-1]: the alphabet in the order of code points; rank[code]: place in it, or -1 */
static int alphabet(const struct um_vocab_train *t, int64_t most, struct um_arena *a,
                    struct letter **letter, int64_t *n, int32_t **rank)
{
    int64_t *count = um_calloc_array(a, CODES, sizeof *count);
    int64_t  k     = 0;

    *rank = um_alloc_array(a, CODES, sizeof **rank);
    if (!count || !*rank)
        return UM_ENOMEM;
    for (size_t i = 0; i < t->slots; i++)
        for (const char *s = t->word[i].s, *start = s; s && s < start + t->word[i].n;)
            count[um_utf8_next(s, &s)] += t->word[i].count;
    for (int32_t c = 0; c < CODES; c++)
        k += count[c] > 0;
    if (!(*letter = um_alloc_array(a, k, sizeof **letter)))
        return UM_ENOMEM;
    k = 0;
    for (int32_t c = 0; c < CODES; c++) {
        (*rank)[c] = -1;
        if (count[c] > 0)
            (*letter)[k++] = (struct letter){ c, count[c] };
    }
    qsort(*letter, (size_t)k, sizeof **letter, by_count);
    *n = k < most ? k : most;
    qsort(*letter, (size_t)*n, sizeof **letter, by_code);
    for (int64_t i = 0; i < *n; i++)
        (*rank)[(*letter)[i].code] = (int32_t)i;
    return UM_OK;
}

/* ---- words as rows of pieces ---- */

static int by_bytes(const void *a, const void *b)
{
    const struct counted *x = *(const struct counted *const *)a;
    const struct counted *y = *(const struct counted *const *)b;
    const size_t          n = x->n < y->n ? x->n : y->n;
    const int             d = memcmp(x->s, y->s, n);

    return d ? d : x->n < y->n ? -1 : x->n > y->n;
}

/* one word into p, unless it has a character outside the alphabet */
static void add_row(struct um_pairs *p, const struct counted *w, const int32_t *rank,
                    int64_t letters)
{
    struct um_pair_word *row = &p->word[p->words];
    const char          *s   = w->s;

    *row = (struct um_pair_word){ p->piece + p->pieces, 0, w->count };
    while (s < w->s + w->n) {
        const int32_t r = rank[um_utf8_next(s, &s)];

        if (r < 0)
            return;
        row->piece[row->n] = (int32_t)(UM_NSPECIAL + r + (row->n > 0 ? letters : 0));
        row->n++;
    }
    p->pieces += row->n;
    p->words++;
}

/* the words in the order of their bytes: the table's order depends on how it grew */
static int rows(const struct um_vocab_train *t, struct um_arena *a, const int32_t *rank,
                int64_t letters, struct um_pairs *p)
{
    const struct counted **sorted = um_alloc_array(a, (int64_t)t->n, sizeof *sorted);
    size_t                 n = 0, bytes = 0;

    if (!sorted)
        return UM_ENOMEM;
    for (size_t i = 0; i < t->slots; i++)
        if (t->word[i].s) {
            sorted[n++] = &t->word[i];
            bytes += t->word[i].n;
        }
    qsort(sorted, n, sizeof *sorted, by_bytes);
    p->word  = um_alloc_array(a, (int64_t)n, sizeof *p->word);
    p->piece = um_alloc_array(a, (int64_t)bytes, sizeof *p->piece);
    if (!p->word || !p->piece)
        return UM_ENOMEM;
    for (size_t i = 0; i < n; i++)
        add_row(p, sorted[i], rank, letters);
    return UM_OK;
}

/* ---- the vocabulary ---- */

/* special tokens, characters, characters with ##: what the rows are spelled with */
static int first_pieces(struct um_pairs *p, const struct letter *letter, int64_t letters)
{
    char buf[8];

    for (int i = 0; i < UM_NSPECIAL; i++)
        UM_TRY(um_pairs_add(p, um_special_name[i], strlen(um_special_name[i]), false));
    for (int inside = 0; inside < 2; inside++)
        for (int64_t i = 0; i < letters; i++)
            UM_TRY(um_pairs_add(p, buf, um_utf8_put(letter[i].code, buf), inside));
    return UM_OK;
}

static int write_text(const struct um_pairs *p, struct um_arena *a, char **text, size_t *n)
{
    char *to;

    *n = 0;
    for (int32_t i = 0; i < p->size; i++)
        *n += p->name[i].n + (p->name[i].inside ? 3 : 1);
    if (!(to = *text = um_alloc(a, *n + 1)))
        return UM_ENOMEM;
    for (int32_t i = 0; i < p->size; i++) {
        if (p->name[i].inside)
            *to++ = '#', *to++ = '#';
        memcpy(to, p->name[i].s, p->name[i].n);
        to += p->name[i].n;
        *to++ = '\n';
    }
    *to = 0;
    return p->size;
}

int um_vocab_train_run(const struct um_vocab_train *t, int64_t size, struct um_arena *a,
                       char **text, size_t *n)
{
    const int64_t   half = (size - UM_NSPECIAL) / 2;
    struct um_pairs p    = { .arena = a, .room = (int32_t)size };
    struct letter  *letter;
    int64_t         letters;
    int32_t        *rank;

    if (size < UM_VOCAB_TRAIN_MIN || size > UM_VOCAB_MAX)
        return um_fail(UM_ERANGE, "a vocabulary of %lld pieces: %d to %d allowed", (long long)size,
                       UM_VOCAB_TRAIN_MIN, UM_VOCAB_MAX);
    if (t->n == 0)
        return um_fail(UM_EMISSING, "no words to learn a vocabulary from");
    UM_TRY(alphabet(t, half < ALPHABET ? half : ALPHABET, a, &letter, &letters, &rank));
    UM_TRY(rows(t, a, rank, letters, &p));
    UM_TRY(um_pairs_open(&p));
    UM_TRY(first_pieces(&p, letter, letters));
    UM_TRY(um_pairs_merge(&p));
    return write_text(&p, a, text, n);
}
