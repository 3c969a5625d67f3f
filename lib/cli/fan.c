/* fan.c - output streams by number or by name */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/keys.h"
#include "cli/cli.h"
#include "cli/names.h"

struct sink {
    struct um_outfile *out;
    struct um_writer  *writer;
};

struct um_fan {
    struct um_fan_opts opts;
    struct um_arena   *arena;
    struct um_value    header;
    struct um_keys    *keys; /* of all files together */
    int64_t            nkeys;
    struct sink       *sink;
    int                n;
    int64_t            count; /* records so far */
};

static int numbered(struct um_fan *f, int64_t number, const char **path)
{
    return um_names_numbered(f->arena, "-o", f->opts.path, number, path);
}

static int named(struct um_fan *f, const char *name, const char **path)
{
    const char *at = strstr(f->opts.path, "%s");

    *path = um_sprintf(f->arena, "%.*s%s%s", (int)(at - f->opts.path), f->opts.path, name, at + 2);
    return *path ? UM_OK : UM_ENOMEM;
}

static int open_sink(struct um_fan *f, struct sink *s, const char *path)
{
    const struct um_writer_opts opts = { .level = f->opts.level, .keep = f->opts.keep };

    if (path)
        UM_TRY(um_names_folder(f->arena, path));
    UM_TRY(um_stream_open(&s->out, path));
    UM_TRY(um_writer_open(&s->writer, s->out, &opts));
    return um_writer_part(s->writer, &f->header);
}

static int close_writer(struct sink *s, int st)
{
    st        = um_writer_close(s->writer, st);
    s->writer = NULL;
    return st;
}

static int close_file(struct sink *s, int st)
{
    st     = um_outfile_close(s->out, st, 0);
    s->out = NULL;
    return st;
}

static bool by_name(const struct um_fan *f)
{
    return f->opts.names > 0 && f->opts.path && strstr(f->opts.path, "%s");
}

static int open_all(struct um_fan *f, const struct um_value *header)
{
    const char *path = f->opts.path;

    UM_TRY(um_arena_new(&f->arena));
    UM_TRY(um_keys_new(&f->keys));
    UM_TRY(um_value_copy(f->arena, header, &f->header));
    const int n = by_name(f) ? f->opts.names : f->opts.shards ? (int)f->opts.shards : 1;
    if (!(f->sink = um_calloc_array(f->arena, n, sizeof *f->sink)))
        return UM_ENOMEM;
    f->n = n;
    for (int i = 0; i < n; i++) {
        if (by_name(f))
            UM_TRY(named(f, f->opts.name[i], &path));
        else if (f->opts.shards || f->opts.every)
            UM_TRY(numbered(f, i, &path));
        UM_TRY(open_sink(f, &f->sink[i], path));
    }
    return UM_OK;
}

int um_fan_open(struct um_fan **fan, const struct um_fan_opts *opts, const struct um_value *header)
{
    struct um_fan *f = calloc(1, sizeof *f);

    if (!f)
        return um_fail(UM_ENOMEM, "out of memory");
    f->opts      = *opts;
    const int st = open_all(f, header);
    if (st < 0)
        return um_fan_close(f, st);
    *fan = f;
    return UM_OK;
}

static int twice(const char *key)
{
    return um_fail(UM_EDUPLICATE, "record %s: the key came before; --rename-duplicates or --prefix",
                   key);
}

/* a key of its own for rec; a hidden collision costs another turn */
static int own_key(struct um_fan *f, struct um_arena *a, struct um_record *rec)
{
    const char *key = rec->key;
    int         st  = um_keys_add(f->keys, key, ++f->nkeys, NULL);

    for (int64_t i = 2; st == UM_EDUPLICATE && f->opts.rename; i++) {
        if (!(rec->key = um_sprintf(a, "%s~%" PRId64, key, i)))
            return UM_ENOMEM;
        st = um_keys_add(f->keys, rec->key, f->nkeys, NULL);
    }
    return st == UM_EDUPLICATE ? twice(key) : st;
}

/* the file is full: finish it, begin the next */
static int turn(struct um_fan *f)
{
    const char *path;
    int         st = close_writer(&f->sink[0], UM_OK);

    UM_TRY(close_file(&f->sink[0], st));
    UM_TRY(numbered(f, f->count / f->opts.every, &path));
    return open_sink(f, &f->sink[0], path);
}

int um_fan_record(struct um_fan *f, struct um_arena *a, struct um_record *rec, const char *name)
{
    const bool alone = f->n == 1 && !f->opts.every && !f->opts.rename;
    int        to    = 0;

    UM_TRY(alone ? UM_OK : own_key(f, a, rec)); /* the writer of one file knows its keys */
    if (f->opts.every && f->count > 0 && f->count % f->opts.every == 0)
        UM_TRY(turn(f));
    if (by_name(f))
        while (to < f->n - 1 && strcmp(f->opts.name[to], name) != 0)
            to++;
    else if (f->opts.shards)
        to = (int)(f->count % f->opts.shards);
    f->count++;
    const int st = um_writer_record(f->sink[to].writer, rec);
    return st == UM_EDUPLICATE ? twice(rec->key) : st;
}

int um_fan_close(struct um_fan *f, int st)
{
    if (!f)
        return st;
    for (int i = 0; i < f->n; i++) /* all are whole before the first gets its name */
        st = close_writer(&f->sink[i], st);
    for (int i = 0; i < f->n; i++)
        st = close_file(&f->sink[i], st);
    um_keys_free(f->keys);
    um_arena_free(f->arena);
    free(f);
    return st;
}
