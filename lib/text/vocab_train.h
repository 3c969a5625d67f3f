/* vocab_train.h - a WordPiece vocabulary out of one's own reports
 *
 * Byte pair encoding over the words' characters, with ## on every piece inside a word:
 *
 *   1. Words as in words.h are counted; special tokens and words of more than 100 characters are
 *      left out.
 *   2. The alphabet: the 1,000 most frequent characters, or as many as half the vocabulary has room
 *      for (equal counts: the lower code point first). Words with another character are left out.
 *   3. The vocabulary begins with [PAD] [UNK] [CLS] [SEP] [MASK], then every character of the
 *      alphabet in the order of code points, as a piece that begins a word, then all of them with
 * ##.
 *   4. Every word is a row of such pieces. Again and again the pair of neighbours that is seen most
 *      often, over all words times their counts, becomes one piece wherever it stands and goes to
 * the end of the vocabulary (equal counts: the pair whose left, then right piece came first). A
 *      piece that two different pairs spell is there once.
 *   5. The end is a vocabulary of the size asked for, or no pair left that is seen twice.
 *
 * The same counts give the same vocabulary, whatever the order of the texts. Source: Sennrich et
 * al., "Neural Machine Translation of Rare Words with Subword Units", ACL 2016; pieces as BERT has
 * them. Hugging Face's WordPieceTrainer works alike.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TEXT_VOCAB_TRAIN_H
#define UM_TEXT_VOCAB_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

enum { UM_VOCAB_TRAIN_MIN = 16 }; /* pieces: five special tokens and something to spell with */

struct um_vocab_train; /* the words so far */

/* um_vocab_train_new - no words yet; cased as the vocabulary will be used. Owner frees. UM_ENOMEM.
 */
UM_API UM_RESULT_USED int um_vocab_train_new(struct um_vocab_train **t, bool cased);
UM_API void               um_vocab_train_free(struct um_vocab_train *t); /* takes NULL */

/* um_vocab_train_add - count the words of text[0..n-1]. UM_EFORMAT: not UTF-8; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_vocab_train_add(struct um_vocab_train *t, const char *text, size_t n);

/* um_vocab_train_run - learn at most `size` pieces (UM_VOCAB_TRAIN_MIN..UM_VOCAB_MAX); *text, in
 * the arena, is the bytes of a vocab.txt. Returns the number of pieces. UM_EMISSING: no words were
 * added; UM_ERANGE; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_vocab_train_run(const struct um_vocab_train *t, int64_t size,
                                             struct um_arena *a, char **text, size_t *n);

#endif
