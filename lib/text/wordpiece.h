/* wordpiece.h - text -> ids, exactly those of Hugging Face's BERT tokenizer */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TEXT_WORDPIECE_H
#define UM_TEXT_WORDPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "text/vocab.h"

enum { UM_IDS_MIN = 3, UM_IDS_MAX = 8192 }; /* what may be asked for as length */

/* um_wordpiece_encode - the ids of text[0..n-1] and which of them are real
 *
 * Words as in words.h. A word is cut from the left into the longest pieces there are, those after
 * the first from among the pieces with ##; a word where that fails, or of more than 100 characters,
 * is one [UNK]. In front comes [CLS], at the end [SEP], then [PAD]; where more than length - 2
 * pieces come, the first length - 2 are kept.
 *
 * ids   [length] int32 out   mask [length] uint8 out: 1 on real ids, 0 on padding
 * cut   whether pieces were left out; may be NULL
 *
 * Returns the number of real ids, 2..length. UM_EFORMAT: not UTF-8, with the byte offset;
 * UM_ERANGE: length is not UM_IDS_MIN..UM_IDS_MAX. Allocates nothing; any number of threads may
 * share v. */
UM_API UM_RESULT_USED int um_wordpiece_encode(const struct um_vocab *v, const char *text, size_t n,
                                              bool cased, int64_t length, int32_t *ids,
                                              uint8_t *mask, bool *cut);

#endif
