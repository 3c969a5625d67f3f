/* shard.c - digests of rows, and a finished shard held against what it should come from */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ANEW "remove it to have it made anew"

/* ---- rows ---- */

struct rows {
    struct um_arena *a;
    struct um_rows  *list;
    int64_t          n, cap, size;
    char            *head; /* the header line */
    size_t           nhead;
    struct um_hash  *h;
};

static int begin_rows(struct rows *r)
{
    if (r->n == r->cap) {
        const int64_t   cap  = r->cap ? 2 * r->cap : 64;
        struct um_rows *more = um_alloc_array(r->a, cap, sizeof *more);

        if (!more)
            return UM_ENOMEM;
        if (r->n)
            memcpy(more, r->list, (size_t)r->n * sizeof *more);
        r->list = more;
        r->cap  = cap;
    }
    r->list[r->n++] = (struct um_rows){ 0 };
    um_hash_free(r->h);
    r->h = NULL;
    UM_TRY(um_hash_new(&r->h));
    um_hash_add(r->h, r->head, r->nhead);
    return UM_OK;
}

static int add_row(struct rows *r, const char *line, size_t n)
{
    if (!r->head) {
        r->head  = um_strndup(r->a, line, n);
        r->nhead = n;
        return r->head ? UM_OK : UM_ENOMEM;
    }
    if (n == 1) /* the LF alone */
        return UM_OK;
    if (r->n == 0 || r->list[r->n - 1].n == r->size)
        UM_TRY(begin_rows(r));
    um_hash_add(r->h, line, n);
    if (++r->list[r->n - 1].n == r->size)
        um_hash_hex(r->h, r->list[r->n - 1].hex);
    return UM_OK;
}

static int read_rows(struct rows *r, FILE *f)
{
    char   *line = NULL;
    size_t  cap  = 0;
    ssize_t n;
    int     st = UM_OK;

    while (st >= 0 && (n = getline(&line, &cap, f)) > 0) {
        n -= line[n - 1] == '\n';
        n -= n > 0 && line[n - 1] == '\r';
        line[n++] = '\n'; /* getline has room for it and a NUL, whatever it found */
        st        = add_row(r, line, (size_t)n);
    }
    if (st >= 0 && ferror(f))
        st = um_fail_errno("read");
    if (r->n && r->list[r->n - 1].n < r->size)
        um_hash_hex(r->h, r->list[r->n - 1].hex);
    free(line);
    return st;
}

int um_rows_read(struct um_arena *a, const char *path, int64_t size, struct um_rows **rows,
                 int64_t *n)
{
    const bool  std = !path || strcmp(path, "-") == 0;
    struct rows r   = { .a = a, .size = size };
    struct stat sb;
    FILE       *f = std ? NULL : fopen(path, "re");
    int         st;

    if (!std && !f)
        return um_fail_errno("%s", path);
    if (std || fstat(fileno(f), &sb) != 0 || !S_ISREG(sb.st_mode))
        st = um_fail(UM_EUNSUPPORTED,
                     "%s: shards are made of a manifest that is a file: it is "
                     "read twice",
                     std ? "standard input" : path);
    else if ((st = read_rows(&r, f)) < 0)
        st = um_context(st, "%s", path);
    if (f)
        (void)fclose(f);
    um_hash_free(r.h);
    *rows = r.list;
    *n    = r.n;
    return st;
}

int um_rows_header(struct um_arena *a, const struct um_rows *rows, struct um_value *header)
{
    struct um_value shard = { .kind = UM_MAP };

    UM_TRY(um_map_set_int(a, &shard, "rows", rows->n));
    UM_TRY(um_map_set_str(a, &shard, "digest", rows->hex));
    return um_map_set(a, header, "shard", &shard);
}

/* ---- the file ---- */

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
    if (um_value_equal(um_map_get(is, "history"), um_map_get(want, "history")))
        return um_fail(UM_EMISMATCH, "%s is there, made from other rows: " ANEW, path);
    if (was)
        difference(was, step, &name);
    return um_fail(UM_EMISMATCH, "%s is there, made by another %s: " ANEW, path,
                   name ? name : "history");
}

/* made with --on-error stop, so that every row is in it: as good where rows may be left out */
static bool has_all_rows(struct um_arena *a, const struct um_value *is, const struct um_value *want)
{
    struct um_value copy, *options;

    if (um_value_copy(a, want, &copy) < 0)
        return false;
    options = (struct um_value *)um_map_get(last_step(&copy), "options");
    return um_map_set_str(a, options, "on-error", "stop") >= 0 && um_value_equal(is, &copy);
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
    st = has_all_rows(a, um_index_part_header(ix, 0), header)
             ? UM_OK
             : other(a, path, um_index_part_header(ix, 0), header);
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

int um_shard_there(const char *path, const struct um_value *header, bool *cut, int64_t *records)
{
    struct um_index *ix;
    struct stat      sb;
    int              st;

    *cut     = false;
    *records = 0;
    if (stat(path, &sb) != 0)
        return 0;
    if ((st = um_index_open(&ix, path)) < 0) {
        if (st != UM_EFORMAT && st != UM_EUNSUPPORTED)
            return st;
        *cut = S_ISREG(sb.st_mode) && begins_as_stream(path);
        return *cut ? 0 : um_fail(st, "%s is there, and is not a shard of this set: " ANEW, path);
    }
    st       = compare(path, ix, header);
    *records = um_index_count(ix);
    um_index_close(ix);
    return st < 0 ? st : 1;
}
