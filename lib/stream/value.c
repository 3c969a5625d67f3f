/* value.c - the values of headers and meta: look up, change, copy, compare, print */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/tensor.h"
#include "stream/umt.h"

static int64_t find(const struct um_value *map, const char *name)
{
    if (map && map->kind == UM_MAP)
        for (int64_t i = 0; i < map->n; i++)
            if (strcmp(map->key[i], name) == 0)
                return i;
    return -1;
}

const struct um_value *um_map_get(const struct um_value *map, const char *name)
{
    const int64_t i = find(map, name);

    return i < 0 ? NULL : &map->item[i];
}

const char *um_map_str(const struct um_value *map, const char *name)
{
    const struct um_value *v = um_map_get(map, name);

    return v && v->kind == UM_STR ? v->s : NULL;
}

bool um_map_num(const struct um_value *map, const char *name, double *x)
{
    const struct um_value *v = um_map_get(map, name);

    if (!v || (v->kind != UM_INT && v->kind != UM_FLOAT && v->kind != UM_BOOL))
        return false;
    *x = v->kind == UM_INT ? (double)v->i : v->kind == UM_FLOAT ? v->f : v->b;
    return true;
}

int um_map_set(struct um_arena *a, struct um_value *map, const char *name, const struct um_value *v)
{
    const int64_t    i = find(map, name);
    struct um_value  copy;
    struct um_value *item;
    const char     **key;

    UM_TRY(um_value_copy(a, v, &copy));
    if (i >= 0) {
        map->item[i] = copy;
        return UM_OK;
    }
    item = um_alloc_array(a, map->n + 1, sizeof *item); /* maps are short: a new list each time */
    key  = um_alloc_array(a, map->n + 1, sizeof *key);
    if (!item || !key)
        return UM_ENOMEM;
    if (map->n) {
        memcpy(item, map->item, (size_t)map->n * sizeof *item);
        memcpy(key, map->key, (size_t)map->n * sizeof *key);
    }
    if (!(key[map->n] = um_strdup(a, name)))
        return UM_ENOMEM;
    item[map->n] = copy;
    map->kind    = UM_MAP;
    map->item    = item;
    map->key     = key;
    map->n++;
    return UM_OK;
}

int um_map_set_str(struct um_arena *a, struct um_value *map, const char *name, const char *s)
{
    return um_map_set(a, map, name,
                      &(struct um_value){ .kind = UM_STR, .s = s, .n = (int64_t)strlen(s) });
}

int um_map_set_int(struct um_arena *a, struct um_value *map, const char *name, int64_t i)
{
    return um_map_set(a, map, name, &(struct um_value){ .kind = UM_INT, .i = i });
}

int um_map_set_num(struct um_arena *a, struct um_value *map, const char *name, double f)
{
    return um_map_set(a, map, name, &(struct um_value){ .kind = UM_FLOAT, .f = f });
}

int um_map_set_nums(struct um_arena *a, struct um_value *map, const char *name, const double *f,
                    int64_t n)
{
    struct um_value *item = um_calloc_array(a, n, sizeof *item);

    if (!item)
        return UM_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        item[i] = (struct um_value){ .kind = UM_FLOAT, .f = f[i] };
    return um_map_set(a, map, name, &(struct um_value){ .kind = UM_LIST, .n = n, .item = item });
}

int um_map_add(struct um_arena *a, struct um_value *map, const struct um_value *from)
{
    const int64_t    n    = map->n;
    struct um_value *item = um_alloc_array(a, n + from->n, sizeof *item);
    const char     **key  = um_alloc_array(a, n + from->n, sizeof *key);
    int64_t          all  = n;

    if (!item || !key)
        return UM_ENOMEM;
    if (n) {
        memcpy(item, map->item, (size_t)n * sizeof *item);
        memcpy(key, map->key, (size_t)n * sizeof *key);
    }
    for (int64_t i = 0; i < from->n; i++) {
        if (um_map_get(map, from->key[i])) /* the names of `from` differ among themselves */
            continue;
        UM_TRY(um_value_copy(a, &from->item[i], &item[all]));
        if (!(key[all++] = um_strdup(a, from->key[i])))
            return UM_ENOMEM;
    }
    *map = (struct um_value){ .kind = UM_MAP, .n = all, .item = item, .key = key };
    return (int)(all - n);
}

bool um_map_remove(struct um_value *map, const char *name)
{
    const int64_t i = find(map, name);

    if (i < 0)
        return false;
    map->n--;
    memmove(&map->item[i], &map->item[i + 1], (size_t)(map->n - i) * sizeof map->item[0]);
    memmove(&map->key[i], &map->key[i + 1], (size_t)(map->n - i) * sizeof map->key[0]);
    return true;
}

int um_value_copy(struct um_arena *a, const struct um_value *from, struct um_value *to)
{
    struct um_value copy = *from;

    if (from->kind == UM_STR || from->kind == UM_BIN) {
        copy.n = from->s ? from->n : 0;
        copy.s = um_strndup(a, from->s ? from->s : "", (size_t)copy.n); /* bytes may hold a NUL */
        if (!copy.s)
            return UM_ENOMEM;
    } else if (from->kind == UM_LIST || from->kind == UM_MAP) {
        const char **key = NULL;

        if (!(copy.item = um_alloc_array(a, from->n, sizeof *copy.item)) ||
            (from->kind == UM_MAP && !(key = um_alloc_array(a, from->n, sizeof *key))))
            return UM_ENOMEM;
        copy.key = key;
        for (int64_t i = 0; i < from->n; i++) {
            UM_TRY(um_value_copy(a, &from->item[i], &copy.item[i]));
            if (key && !(key[i] = um_strdup(a, from->key[i])))
                return UM_ENOMEM;
        }
    }
    *to = copy;
    return UM_OK;
}

bool um_value_equal(const struct um_value *a, const struct um_value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case UM_NIL: return true;
    case UM_BOOL: return a->b == b->b;
    case UM_INT: return a->i == b->i;
    case UM_FLOAT: return memcmp(&a->f, &b->f, sizeof a->f) == 0;
    case UM_STR:
    case UM_BIN: return a->n == b->n && (a->n == 0 || memcmp(a->s, b->s, (size_t)a->n) == 0);
    case UM_LIST:
    case UM_MAP:
        if (a->n != b->n)
            return false;
        for (int64_t i = 0; i < a->n; i++)
            if (!um_value_equal(&a->item[i], &b->item[i]) ||
                (a->kind == UM_MAP && strcmp(a->key[i], b->key[i]) != 0))
                return false;
        return true;
    }
    return false;
}

/* ---- JSON ---- */

static void json_string(FILE *f, const char *s, int64_t n)
{
    (void)fputc('"', f);
    for (int64_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)s[i];

        if (c == '"' || c == '\\')
            (void)fprintf(f, "\\%c", c);
        else if (c == '\n')
            (void)fputs("\\n", f);
        else if (c == '\t')
            (void)fputs("\\t", f);
        else if (c < 0x20 || c == 0x7f)
            (void)fprintf(f, "\\u%04x", c);
        else
            (void)fputc(c, f);
    }
    (void)fputc('"', f);
}

/* the shortest digits that read back as the same double; always with a point or an exponent */
static void json_float(FILE *f, double x)
{
    char s[32];

    if (!isfinite(x)) {
        (void)fputs("null", f);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(s, sizeof s, "%.*g", digits, x);
        if (strtod(s, NULL) == x)
            break;
    }
    (void)fprintf(f, "%s%s", s, strpbrk(s, ".e") ? "" : ".0");
}

static void json(FILE *f, const struct um_value *v)
{
    switch (v->kind) {
    case UM_NIL: (void)fputs("null", f); break;
    case UM_BOOL: (void)fputs(v->b ? "true" : "false", f); break;
    case UM_INT: (void)fprintf(f, "%" PRId64, v->i); break;
    case UM_FLOAT: json_float(f, v->f); break;
    case UM_STR: json_string(f, v->s, v->n); break;
    case UM_BIN: (void)fprintf(f, "{\"bytes\":%" PRId64 "}", v->n); break;
    case UM_LIST:
    case UM_MAP:
        (void)fputc(v->kind == UM_MAP ? '{' : '[', f);
        for (int64_t i = 0; i < v->n; i++) {
            if (i)
                (void)fputc(',', f);
            if (v->kind == UM_MAP) {
                json_string(f, v->key[i], (int64_t)strlen(v->key[i]));
                (void)fputc(':', f);
            }
            json(f, &v->item[i]);
        }
        (void)fputc(v->kind == UM_MAP ? '}' : ']', f);
        break;
    }
}

int um_value_json(struct um_arena *a, const struct um_value *v, char **out)
{
    char  *text = NULL;
    size_t n    = 0;
    FILE  *f    = open_memstream(&text, &n);
    int    st   = UM_ENOMEM;

    if (f) {
        json(f, v);
        if (fclose(f) == 0 && (*out = um_strndup(a, text, n)))
            st = UM_OK;
    }
    free(text);
    return st < 0 ? um_fail(st, "out of memory") : st;
}
