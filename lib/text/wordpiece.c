/* wordpiece.c - greedy longest match over the words of a text */
/* SPDX-License-Identifier: Apache-2.0 */
#include "text/wordpiece.h"

#include <string.h>

#include "text/utf8.h"

struct encode {
    const struct um_vocab *v;
    int32_t               *ids;
    int64_t                n, room; /* n goes past room by what is cut off */
};

static void push(struct encode *e, int32_t id)
{
    if (e->n < e->room)
        e->ids[e->n] = id;
    e->n++;
}

static int add_word(void *user, const struct um_word *word)
{
    struct encode *e  = user;
    const int64_t  n0 = e->n;
    size_t         at = 0, used;

    if (word->special >= 0) {
        push(e, e->v->special[word->special]);
    } else if (word->chars > UM_WORD_CHARS) {
        push(e, e->v->special[UM_UNK]);
    } else {
        while (at < word->n) {
            const int32_t id = um_vocab_longest(e->v, word->s + at, word->n - at, at > 0, &used);

            if (id < 0) {
                e->n = n0; /* the whole word, not just its rest */
                push(e, e->v->special[UM_UNK]);
                break;
            }
            push(e, id);
            at += used;
        }
    }
    return e->n > e->room; /* enough is known: the rest is cut off */
}

int um_wordpiece_encode(const struct um_vocab *v, const char *text, size_t n, bool cased,
                        int64_t length, int32_t *ids, uint8_t *mask, bool *cut)
{
    struct encode e = { v, ids, 1, length - 1 };

    if (length < UM_IDS_MIN || length > UM_IDS_MAX)
        return um_fail(UM_ERANGE, "a length of %lld ids: %d to %d allowed", (long long)length,
                       UM_IDS_MIN, UM_IDS_MAX);
    UM_TRY(um_utf8_check(text, n));
    ids[0] = v->special[UM_CLS];
    (void)um_words_each(text, n, cased, add_word, &e);
    if (cut)
        *cut = e.n > e.room;
    if (e.n > e.room)
        e.n = e.room;
    ids[e.n++] = v->special[UM_SEP];
    for (int64_t i = 0; i < length; i++) {
        mask[i] = i < e.n;
        if (i >= e.n)
            ids[i] = v->special[UM_PAD];
    }
    return (int)e.n;
}
