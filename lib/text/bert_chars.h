/* bert_chars.h - what a character is to BERT's tokenizer, the same for every libutf8proc
 *
 * Ids are part of a trained model, so the classes must not move with the Unicode version of a
 * library. They are frozen where Hugging Face's tokenizers froze theirs: categories as of Unicode
 * 8.0, canonical order as of 9.0; only the small letters follow Unicode to 17.0.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TEXT_BERT_CHARS_H
#define UM_TEXT_BERT_CHARS_H

#include <stdint.h>

enum um_char {
    UM_CHAR_LETTER = 0, /* part of a word: everything that is none of the others */
    UM_CHAR_DROP,       /* control, format and private use characters, NUL, U+FFFD */
    UM_CHAR_SPACE,      /* white space */
    UM_CHAR_PUNCT,      /* categories P*, and every ASCII character that is printed and no letter or
                           digit */
    UM_CHAR_MARK,       /* non-spacing marks (accents), dropped when lower-casing */
    UM_CHAR_CJK         /* ideographs: a word each */
};

enum um_char um_char_class(int32_t c);

/* um_char_decompose - the canonical decomposition (NFD) of c into out; how many, 1..4 */
int um_char_decompose(int32_t c, int32_t out[4]);

/* um_char_order - canonical combining class of a character that is no UM_CHAR_MARK; 0: a starter.
 * um_char_mark_order - of one that is: 0 or not 0 is all that matters, as it will be dropped */
int um_char_order(int32_t c);
int um_char_mark_order(int32_t c);

/* um_char_lower - the small letter of a character that um_char_decompose() gave, or itself */
int32_t um_char_lower(int32_t c);

#endif
