/* shard.c - holding a finished shard against the header and the rows it should come from */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset/shard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ANEW "remove it to have it made anew"

struct um_shard {
    struct um_index *ix;
    char            *path;
    int64_t          at, n, rows; /* its next record and how many it has; rows so far */
    bool             has;         /* `key` is that of record `at` */
    char             key[UM_MAX_KEY + 1];
};

static const struct um_value *last_step(const struct um_value *header)
{
    const struct um_value *h = um_map_get(header, "history");

    return h && h->kind == UM_LIST && h->n > 0 ? &h->item[h->n - 1] : NULL;
}

static const char *json(struct um_arena *a, const struct um_value *v)
{
    char *text = NULL;

    if (!v)
        return "none";
    return um_value_json(a, v, &text) < 0 ? "?" : text;
}

/* the first entry in which the maps differ; *name NULL: none */
static void difference(const struct um_value *is, const struct um_value *want, const char **name)
{
    *name = NULL;
    for (int64_t i = 0; i < want->n && !*name; i++) {
        const struct um_value *v = um_map_get(is, want->key[i]);

        if (!v || !um_value_equal(v, &want->item[i]))
            *name = want->key[i];
    }
    for (int64_t i = 0; is->kind == UM_MAP && i < is->n && !*name; i++)
        if (!um_map_get(want, is->key[i]))
            *name = is->key[i];
}

/* two headers that differ: in an option, if that can be said */
static int other(struct um_arena *a, const char *path, const struct um_value *is,
                 const struct um_value *want)
{
    const struct um_value *was = last_step(is), *step = last_step(want);
    const struct um_value *o = um_map_get(was, "options"), *w = um_map_get(step, "options");
    const char            *name = NULL;

    if (um_map_str(was, "tool") && strcmp(um_map_str(was, "tool"), um_map_str(step, "tool")) != 0)
        return um_fail(UM_EMISMATCH, "%s is there, made by %s: " ANEW, path,
                       um_map_str(was, "tool"));
    if (o && w)
        difference(o, w, &name);
    if (name)
        return um_fail(UM_EMISMATCH, "%s is there, made with --%s %s and not %s: " ANEW, path, name,
                       json(a, um_map_get(o, name)), json(a, um_map_get(w, name)));
    if (was)
        difference(was, step, &name);
    return um_fail(UM_EMISMATCH, "%s is there, made by another %s: " ANEW, path,
                   name ? name : "history");
}

static int compare(const char *path, const struct um_index *ix, const struct um_value *header)
{
    struct um_arena *a;
    int              st;

    if (um_index_parts(ix) != 1)
        return um_fail(UM_EMISMATCH, "%s is there, and has %d parts: " ANEW, path,
                       um_index_parts(ix));
    if (um_value_equal(um_index_part_header(ix, 0), header))
        return UM_OK;
    UM_TRY(um_arena_new(&a));
    st = other(a, path, um_index_part_header(ix, 0), header);
    um_arena_free(a);
    return st;
}

/* begins as zstd does: ours, though not whole */
static bool begins_as_stream(const char *path)
{
    uint8_t      head[4] = { 0 };
    FILE        *f       = fopen(path, "re");
    const size_t n       = f ? fread(head, 1, sizeof head, f) : 0;

    if (f)
        (void)fclose(f);
    return memcmp(head, "\x28\xb5\x2f\xfd", n) == 0;
}

int um_shard_open(struct um_shard **out, const char *path, const struct um_value *header, bool *cut)
{
    struct um_index *ix;
    struct um_shard *s;
    struct stat      sb;
    int              st;

    *cut = false;
    if (stat(path, &sb) != 0)
        return 0;
    if ((st = um_index_open(&ix, path)) < 0) {
        *cut = (st == UM_EFORMAT || st == UM_EUNSUPPORTED) && S_ISREG(sb.st_mode) &&
               begins_as_stream(path);
        return *cut ? 0 : st;
    }
    if ((st = compare(path, ix, header)) < 0) {
        um_index_close(ix);
        return st;
    }
    s = calloc(1, sizeof *s);
    if (s && !(s->path = strdup(path))) {
        free(s);
        s = NULL;
    }
    if (!s) {
        um_index_close(ix);
        return um_fail(UM_ENOMEM, "out of memory");
    }
    s->ix = ix;
    s->n  = um_index_count(ix);
    *out  = s;
    return 1;
}

int um_shard_row(struct um_shard *s, const char *key)
{
    s->rows++;
    if (!s->has && s->at < s->n) {
        UM_TRY(um_index_key(s->ix, s->at, s->key));
        s->has = true;
    }
    if (s->has && strcmp(s->key, key) == 0) {
        s->has = false;
        s->at++;
    }
    return UM_OK;
}

int um_shard_close(struct um_shard *s, int st, bool all)
{
    if (!s)
        return st;
    if (st >= 0 && s->at < s->n)
        st = um_fail(UM_EMISMATCH,
                     "%s is there, made from other rows: none of its %lld rows in turn has the "
                     "key %s: " ANEW,
                     s->path, (long long)s->rows, s->has ? s->key : "?");
    if (st >= 0 && all && s->at < s->rows)
        st = um_fail(UM_EMISMATCH,
                     "%s is there, made from other rows: %lld records, and the manifest has %lld "
                     "rows for it: " ANEW,
                     s->path, (long long)s->n, (long long)s->rows);
    um_index_close(s->ix);
    free(s->path);
    free(s);
    return st;
}
