/* select.c - records by key, number, expression, meta and lot */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/select.h"

#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/philox.h"

struct wanted {
    const char *key;
    bool        seen;
};

struct where {
    char       *name;
    const char *value;
    bool        equal;
};

struct um_select {
    struct um_arena *arena;
    int64_t          from, to; /* of the range */
    struct wanted   *key;      /* sorted; NULL: any */
    int              keys;
    regex_t          regex;
    bool             grep;
    struct where    *where;
    int              wheres;
    double           sample;
    uint64_t         seed;
};

int um_list_split(struct um_arena *a, const char *what, const char *list, const char ***word,
                  int *n)
{
    char *text = um_strdup(a, list);

    *n = 1;
    for (const char *s = list; *s; s++)
        *n += *s == ',';
    if (!text || !(*word = um_alloc_array(a, *n, sizeof **word)))
        return UM_ENOMEM;
    for (int i = 0; i < *n; i++) {
        const size_t len = strcspn(text, ",");

        if (len == 0)
            return um_fail(UM_EUSAGE, "%s: \"%s\" has an empty item", what, list);
        (*word)[i] = text;
        text += len;
        *text++ = 0;
    }
    return UM_OK;
}

const struct um_value *um_meta_get(const struct um_value *meta, const char *name)
{
    const struct um_value *v = um_map_get(meta, name);

    for (const char *dot = name; !v && (dot = strchr(dot, '.')); dot++) {
        const size_t n = (size_t)(dot - name);

        for (int64_t i = 0; !v && meta && meta->kind == UM_MAP && i < meta->n; i++)
            if (strncmp(meta->key[i], name, n) == 0 && meta->key[i][n] == 0)
                v = um_meta_get(&meta->item[i], dot + 1);
    }
    return v;
}

/* ---- opening ---- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct wanted *)a)->key, ((const struct wanted *)b)->key);
}

/* a key a line; empty lines do not count. Lines end at LF, CR or NUL, all of them counted: the list
 * must have room for every piece. */
static int read_keys(struct um_arena *a, const char *path, const char ***word, int *n)
{
    uint8_t *text;
    size_t   len, lines = 1;

    UM_TRY(um_file_read(a, path, (size_t)1 << 32, &text, &len));
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n' || text[i] == '\r' || text[i] == 0;
    if (lines > INT32_MAX || !(*word = um_alloc_array(a, (int64_t)lines, sizeof **word)))
        return um_fail(UM_ENOMEM, "%s: out of memory", path);
    *n = 0;
    for (char *s = (char *)text, *end = s + len; s < end;) {
        char *eol = s + strcspn(s, "\r\n");

        if (eol > s)
            (*word)[(*n)++] = s;
        s    = eol + 1;
        *eol = 0;
    }
    return UM_OK;
}

static int open_keys(struct um_select *s, const char *key)
{
    const char **word;
    int          n;

    if (*key == '@')
        UM_TRY(read_keys(s->arena, key + 1, &word, &n));
    else
        UM_TRY(um_list_split(s->arena, "--key", key, &word, &n));
    if (!(s->key = um_calloc_array(s->arena, n, sizeof *s->key)))
        return UM_ENOMEM;
    for (int i = 0; i < n; i++)
        s->key[i].key = word[i];
    qsort(s->key, (size_t)n, sizeof *s->key, by_key);
    for (int i = 0; i < n; i++) /* asked for twice is once */
        if (i == 0 || strcmp(s->key[i].key, s->key[s->keys - 1].key) != 0)
            s->key[s->keys++] = s->key[i];
    return UM_OK;
}

static bool whole_number(const char *s, const char *end, int64_t *x)
{
    *x = 0;
    for (; s < end; s++) {
        if (*s < '0' || *s > '9' || *x > INT64_MAX / 10 - 10)
            return false;
        *x = *x * 10 + (*s - '0');
    }
    return true;
}

static int open_range(struct um_select *s, const char *range)
{
    const char *colon = strchr(range, ':');

    if (!colon || !whole_number(range, colon, &s->from) ||
        (colon[1] && !whole_number(colon + 1, colon + 1 + strlen(colon + 1), &s->to)) ||
        s->from > s->to)
        return um_fail(UM_EUSAGE, "--range: \"%s\" is not FROM:TO", range);
    return UM_OK;
}

static int open_where(struct um_select *s, const char *list)
{
    const char **word;

    UM_TRY(um_list_split(s->arena, "--where", list, &word, &s->wheres));
    if (!(s->where = um_calloc_array(s->arena, s->wheres, sizeof *s->where)))
        return UM_ENOMEM;
    for (int i = 0; i < s->wheres; i++) {
        const size_t n = strcspn(word[i], "=");

        s->where[i].equal = n > 0 && word[i][n - 1] != '!';
        if (word[i][n] == 0 || n < 1u + !s->where[i].equal)
            return um_fail(UM_EUSAGE, "--where: \"%s\" is not NAME=VALUE or NAME!=VALUE", word[i]);
        s->where[i].value = word[i] + n + 1;
        s->where[i].name  = um_strndup(s->arena, word[i], n - !s->where[i].equal);
        if (!s->where[i].name)
            return UM_ENOMEM;
    }
    return UM_OK;
}

static int open_all(struct um_select *s, const struct um_select_opts *opts)
{
    char why[128];

    UM_TRY(um_arena_new(&s->arena));
    if (opts->key)
        UM_TRY(open_keys(s, opts->key));
    if (opts->range)
        UM_TRY(open_range(s, opts->range));
    if (opts->where)
        UM_TRY(open_where(s, opts->where));
    if (opts->grep) {
        const int bad = regcomp(&s->regex, opts->grep, REG_EXTENDED | REG_NOSUB);

        if (bad) {
            (void)regerror(bad, NULL, why, sizeof why);
            return um_fail(UM_EUSAGE, "--grep: \"%s\": %s", opts->grep, why);
        }
        s->grep = true;
    }
    return UM_OK;
}

int um_select_open(struct um_select **select, const struct um_select_opts *opts)
{
    struct um_select *s = calloc(1, sizeof *s);

    if (!s)
        return um_fail(UM_ENOMEM, "out of memory");
    s->to        = INT64_MAX;
    s->sample    = opts->sample;
    s->seed      = opts->seed;
    const int st = open_all(s, opts);
    if (st < 0)
        return um_select_close(s, st);
    *select = s;
    return UM_OK;
}

int um_select_close(struct um_select *s, int st)
{
    if (!s)
        return st;
    for (int i = 0; i < s->keys && st >= 0; i++)
        if (!s->key[i].seen)
            st = um_fail(UM_EMISSING, "no record has the key %s", s->key[i].key);
    if (s->grep)
        regfree(&s->regex);
    um_arena_free(s->arena);
    free(s);
    return st;
}

/* ---- choosing ---- */

double um_select_draw(uint64_t seed, const char *key)
{
    struct um_rng r = um_rng_at(seed, UM_RNG_SAMPLE, um_hash64(key, strlen(key)), 0);

    return um_rng_uniform(&r);
}

bool um_select_key(struct um_select *s, int64_t number, const char *key)
{
    if (s->key) {
        const struct wanted me  = { .key = key };
        struct wanted      *hit = bsearch(&me, s->key, (size_t)s->keys, sizeof me, by_key);

        if (!hit)
            return false;
        hit->seen = true;
    }
    return number >= s->from && number < s->to &&
           (!s->grep || regexec(&s->regex, key, 0, NULL, 0) == 0) &&
           (!(s->sample > 0) || um_select_draw(s->seed, key) < s->sample);
}

struct ticket {
    double  draw;
    int64_t number;
};

static int by_draw(const void *a, const void *b)
{
    const struct ticket *x = a, *y = b;

    if (x->draw != y->draw)
        return x->draw < y->draw ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int um_select_lot(uint64_t seed, int64_t lot, bool shuffle, int64_t *number, const double *draw,
                  int64_t n, int64_t *m)
{
    struct um_rng rng = um_rng_at(seed, UM_RNG_SHUFFLE, 0, 0);

    *m = n;
    if (lot && lot < n) {
        struct ticket *t = malloc((size_t)n * sizeof *t);

        if (!t)
            return um_fail(UM_ENOMEM, "out of memory");
        for (int64_t i = 0; i < n; i++)
            t[i] = (struct ticket){ draw[i], number[i] };
        qsort(t, (size_t)n, sizeof *t, by_draw);
        for (int64_t i = 0; i < lot; i++)
            number[i] = t[i].number;
        free(t);
        *m = lot;
        qsort(number, (size_t)lot, sizeof *number, by_number);
    }
    for (int64_t i = *m - 1; shuffle && i > 0; i--) { /* Fisher-Yates from the end */
        const int64_t j    = (int64_t)um_rng_below(&rng, (uint64_t)i + 1);
        const int64_t swap = number[i];

        number[i] = number[j];
        number[j] = swap;
    }
    return UM_OK;
}

/* numbers compare as numbers, text as text */
static bool is(const struct um_value *v, const char *text)
{
    char        *end;
    const double x      = strtod(text, &end);
    const bool   number = end != text && *end == 0;

    switch (v->kind) {
    case UM_NIL: return strcmp(text, "nil") == 0;
    case UM_BOOL: return strcmp(text, v->b ? "true" : "false") == 0 || (number && x == v->b);
    case UM_INT: return number && x == (double)v->i;
    case UM_FLOAT: return number && x == v->f;
    case UM_STR: return strcmp(text, v->s) == 0;
    default: return false;
    }
}

bool um_select_meta(const struct um_select *s, const struct um_value *meta)
{
    for (int i = 0; i < s->wheres; i++) {
        const struct um_value *v = um_meta_get(meta, s->where[i].name);

        if ((v && is(v, s->where[i].value)) != s->where[i].equal)
            return false;
    }
    return true;
}
