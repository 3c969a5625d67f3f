/* words.h - text -> words, as BERT's basic tokenizer cuts it
 *
 * In this order: drop NUL, U+FFFD and control characters; white space to a space; spaces around
 * every CJK ideograph; unless cased, NFD without the non-spacing marks, then small letters one by
 * one; words are what is between spaces, and every punctuation character is a word of its own. A
 * special token's name spelled out in the text ([CLS], case and all) is that token and is not
 * changed: so does Hugging Face, and so a text for masked modelling can say [MASK].
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TEXT_WORDS_H
#define UM_TEXT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { UM_WORD_CHARS = 100 }; /* a longer word is [UNK] to BERT */

/* the special tokens, in the order of a vocabulary made here */
enum um_special { UM_PAD = 0, UM_UNK, UM_CLS, UM_SEP, UM_MASK, UM_NSPECIAL };
UM_API extern const char *const um_special_name[UM_NSPECIAL]; /* "[PAD]" ... */

struct um_word {
    const char *s; /* n bytes of UTF-8, valid during the call; not NUL-terminated */
    size_t      n;
    int64_t     chars;   /* code points; where more than UM_WORD_CHARS, s holds the first of them */
    int         special; /* an enum um_special, or -1 */
};

/* um_words_each - call each(user, word) for the words of text[0..n-1] (checked UTF-8, see utf8.h)
 * in order. A non-zero result of each() ends the walk and is returned; else UM_OK. Allocates
 * nothing. */
UM_API int um_words_each(const char *text, size_t n, bool cased,
                         int (*each)(void *user, const struct um_word *word), void *user);

#endif
