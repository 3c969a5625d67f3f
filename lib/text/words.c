/* words.c - one pass over the text, a word at a time, in buffers of fixed size */
/* SPDX-License-Identifier: Apache-2.0 */
#include "text/words.h"

#include <string.h>

#include "text/bert_chars.h"
#include "text/utf8.h"

const char *const um_special_name[UM_NSPECIAL] = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" };

struct walk {
    bool cased;
    int (*each)(void *user, const struct um_word *word);
    void          *user;
    struct um_word word;
    char           buf[UM_WORD_CHARS * 4];
    /* characters that canonical order may still put before one another; a run too long for here is
     * part of a word too long to be anything but [UNK], whatever the order */
    int32_t held[UM_WORD_CHARS + 1];
    int     nheld;
};

static int flush(struct walk *w)
{
    int st = 0;

    if (w->word.chars > 0)
        st = w->each(w->user, &w->word);
    w->word.n     = 0;
    w->word.chars = 0;
    return st;
}

static void put(struct walk *w, int32_t c)
{
    if (++w->word.chars <= UM_WORD_CHARS)
        w->word.n += um_utf8_put(c, w->buf + w->word.n);
}

/* a character in its final form */
static int add(struct walk *w, int32_t c)
{
    int st;

    if (um_char_class(c) != UM_CHAR_PUNCT) {
        put(w, c);
        return 0;
    }
    if ((st = flush(w)) != 0)
        return st;
    put(w, c);
    return flush(w);
}

/* the held characters are in order now: nothing that comes can go before them */
static int settle(struct walk *w)
{
    int st = 0;

    for (int i = 0; i < w->nheld && st == 0; i++)
        st = add(w, um_char_lower(w->held[i]));
    w->nheld = 0;
    return st;
}

static void hold(struct walk *w, int32_t c, int order)
{
    int i = w->nheld;

    if (i > UM_WORD_CHARS)
        return;
    for (; i > 0 && um_char_order(w->held[i - 1]) > order; i--)
        w->held[i] = w->held[i - 1];
    w->held[i] = c;
    w->nheld++;
}

/* one character of a decomposition: dropped, held back, or added in small */
static int add_lower(struct walk *w, int32_t c)
{
    int order, st;

    if (um_char_class(c) == UM_CHAR_MARK)
        return w->nheld > 0 && um_char_mark_order(c) == 0 ? settle(w) : 0;
    if ((order = um_char_order(c)) != 0) {
        hold(w, c, order);
        return 0;
    }
    if ((st = settle(w)) != 0)
        return st;
    return add(w, um_char_lower(c));
}

static int letters(struct walk *w, int32_t c)
{
    int32_t   part[4];
    const int n  = w->cased ? 0 : um_char_decompose(c, part);
    int       st = 0;

    if (w->cased)
        return add(w, c);
    for (int i = 0; i < n && st == 0; i++)
        st = add_lower(w, part[i]);
    return st;
}

static int end_word(struct walk *w)
{
    const int st = settle(w);

    return st != 0 ? st : flush(w);
}

static int character(struct walk *w, int32_t c)
{
    const enum um_char is = um_char_class(c);
    int                st;

    if (is == UM_CHAR_DROP)
        return 0;
    if (is == UM_CHAR_SPACE)
        return end_word(w);
    if (is != UM_CHAR_CJK)
        return letters(w, c);
    if ((st = end_word(w)) != 0 || (st = letters(w, c)) != 0)
        return st;
    return end_word(w);
}

/* the special token spelled at s, or -1 */
static int special_at(const char *s, const char *end)
{
    for (int i = 0; i < UM_NSPECIAL; i++) {
        const size_t n = strlen(um_special_name[i]);

        if ((size_t)(end - s) >= n && memcmp(s, um_special_name[i], n) == 0)
            return i;
    }
    return -1;
}

static int special(struct walk *w, int which)
{
    struct um_word word = { um_special_name[which], 0, 0, which };
    const int      st   = end_word(w);

    word.n     = strlen(word.s);
    word.chars = (int64_t)word.n;
    return st != 0 ? st : w->each(w->user, &word);
}

int um_words_each(const char *text, size_t n, bool cased,
                  int (*each)(void *user, const struct um_word *word), void *user)
{
    struct walk w;
    const char *end = text + n;
    int         st  = 0, which;

    w.cased = cased;
    w.each  = each;
    w.user  = user;
    w.nheld = 0;
    w.word  = (struct um_word){ w.buf, 0, 0, -1 };
    while (text < end && st == 0) {
        const char c = *text;

        if (c >= 'a' && c <= 'z' && w.nheld == 0 && w.word.chars < UM_WORD_CHARS) {
            w.buf[w.word.n++] = c; /* nearly all there is: not worth a call */
            w.word.chars++;
            text++;
        } else if (c == '[' && (which = special_at(text, end)) >= 0) {
            st = special(&w, which);
            text += strlen(um_special_name[which]);
        } else {
            st = character(&w, um_utf8_next(text, &text));
        }
    }
    return st != 0 ? st : end_word(&w);
}
