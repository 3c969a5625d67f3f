/* tokenize.h - a record's report: its text after cleaning, its ids */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TEXT_TOKENIZE_H
#define UM_TEXT_TOKENIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "stream/tensor.h"
#include "text/vocab.h"
#include "text/vocab_train.h"

struct um_tokenize_opts {
    const struct um_vocab *vocab;
    bool                   clean;  /* as report.h; else the text goes to the tokenizer as it is */
    bool                   strict; /* sentences of report.h */
    bool                   cased;
    bool                   pass;   /* a record without a report is let through */
    bool                   skip;   /* um_tokenize_learn passes over a record without a text */
    int64_t                length; /* ids, UM_IDS_MIN..UM_IDS_MAX */
};

/* um_tokenize_text - the text that record's meta `report` gives to the tokenizer: 1, or 0 if there
 * is none and opts->pass (but `ids` without the report they came from is an error even then: they
 * may be of another vocabulary). UM_EMISSING: no report, or nothing left of it; UM_EFORMAT: not
 * text. */
UM_API UM_RESULT_USED int um_tokenize_text(const struct um_tokenize_opts *opts, struct um_arena *a,
                                           const struct um_record *rec, const char **text);

/* um_tokenize_record - add ids [length] int32 and ids_mask [length] uint8 (see wordpiece.h), or
 * nothing if um_tokenize_text gives 0. Returns UM_OK; errors as there, and UM_EMISSING for a report
 * without a word. */
UM_API UM_RESULT_USED int um_tokenize_record(const struct um_tokenize_opts *opts,
                                             struct um_arena *a, struct um_record *rec);

/* um_tokenize_learn - give the texts of a stream's records (path NULL or "-": standard input) to t.
 * Errors of the stream, and of a record, which they name; with opts->skip the latter only add 1 to
 * *skipped. */
UM_API UM_RESULT_USED int um_tokenize_learn(const struct um_tokenize_opts *opts,
                                            struct um_vocab_train *t, const char *path,
                                            int64_t *skipped);

#endif
