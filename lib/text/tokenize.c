/* tokenize.c - meta `report` -> `ids`, `ids_mask` */
/* SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenize.h"

#include <string.h>

#include "stream/umt.h"
#include "text/report.h"
#include "text/wordpiece.h"

int um_tokenize_text(const struct um_tokenize_opts *opts, struct um_arena *a,
                     const struct um_record *rec, const char **text)
{
    const struct um_value      *v  = um_map_get(&rec->meta, "report");
    const struct um_report_opts ro = { .strict = opts->strict };
    struct um_report            report;
    int                         st;

    if (!v || v->kind == UM_NIL) {
        if (opts->pass && !um_record_find(rec, "ids"))
            return 0;
        return um_fail(UM_EMISSING, "meta `report` missing: um-preprocess keeps it from the "
                                    "manifest; --missing pass lets such records through");
    }
    if (v->kind != UM_STR)
        return um_fail(UM_EFORMAT, "meta `report`: expected text");
    *text = v->s;
    if (!opts->clean)
        return 1;
    st = um_report_clean(a, v->s, (size_t)v->n, &ro, &report);
    if (st < 0)
        return um_context(st, "meta `report`");
    if (report.sentences == 0)
        return um_fail(UM_EMISSING,
                       "meta `report`: nothing left after cleaning: no sentence of two "
                       "words or more");
    *text = report.text;
    return 1;
}

int um_tokenize_record(const struct um_tokenize_opts *opts, struct um_arena *a,
                       struct um_record *rec)
{
    struct um_tensor ids, mask;
    const char      *text;
    int              st = um_tokenize_text(opts, a, rec, &text);

    if (st <= 0)
        return st;
    UM_TRY(um_tensor_new(a, "ids", UM_I32, 1, &opts->length, &ids));
    UM_TRY(um_tensor_new(a, "ids_mask", UM_U8, 1, &opts->length, &mask));
    st = um_wordpiece_encode(opts->vocab, text, strlen(text), opts->cased, opts->length, ids.data,
                             mask.data, NULL);
    if (st < 0)
        return um_context(st, "meta `report`");
    if (st == 2)
        return um_fail(UM_EMISSING, "meta `report`: no word in it");
    UM_TRY(um_record_set(a, rec, &ids));
    return um_record_set(a, rec, &mask);
}

static int learn_record(const struct um_tokenize_opts *opts, struct um_vocab_train *t,
                        struct um_arena *a, const struct um_record *rec, int64_t *skipped)
{
    const char *text;
    int         st = um_tokenize_text(opts, a, rec, &text);

    if (st > 0)
        st = um_vocab_train_add(t, text, strlen(text));
    if (st < 0 && st != UM_ENOMEM && opts->skip)
        ++*skipped, st = UM_OK;
    return st < 0 ? um_context(st, "record %s", rec->key) : UM_OK;
}

int um_tokenize_learn(const struct um_tokenize_opts *opts, struct um_vocab_train *t,
                      const char *path, int64_t *skipped)
{
    struct um_reader *r   = NULL;
    struct um_arena  *a   = NULL;
    struct um_record *rec = NULL;
    int               st;

    UM_TRY(um_arena_new(&a));
    st = um_reader_open(&r, path);
    while (st >= 0 && (st = um_reader_next(r, a, &rec)) > 0) {
        if (st == UM_NEXT_RECORD)
            st = learn_record(opts, t, a, rec, skipped);
        um_arena_reset(a);
    }
    um_reader_close(r);
    um_arena_free(a);
    return st;
}
