/* shards.c - an index and the files it names
 * SPDX-License-Identifier: Apache-2.0
 *
 * {"metadata": {..}, "weight_map": {"tensor": "file", ..}}. The map and the files must agree about
 * every tensor: what only one of them has is an error that names them all.
 */
#include <stdlib.h>
#include <string.h>

#include "weights/weights_int.h"

enum { INDEX_BYTES_MAX = 100 * 1000 * 1000, SHARD_MAX = 4096, FILE_NAME_MAX = 255 };

static int parse(struct um_weights *w, json_t **map)
{
    json_error_t e;
    char         shown[UM_SHOWN];

    if (w->file.n > INDEX_BYTES_MAX)
        return um_fail(UM_ERANGE, "an index of %zu bytes, at most %d", w->file.n, INDEX_BYTES_MAX);
    w->index = json_loadb((const char *)w->file.p, w->file.n, JSON_REJECT_DUPLICATES, &e);
    if (!w->index)
        return um_fail(UM_EFORMAT, "line %d of the index: %s", e.line,
                       um_shown(e.text, strlen(e.text), shown));
    *map = json_object_get(w->index, "weight_map");
    if (!json_is_object(*map) || json_object_size(*map) == 0)
        return um_fail(UM_EFORMAT, "JSON without a weight_map: not an index of shards");
    if (json_object_size(*map) > WEIGHTS_COUNT_MAX)
        return um_fail(UM_ERANGE, "%zu tensors, at most %d", json_object_size(*map),
                       WEIGHTS_COUNT_MAX);
    return UM_OK;
}

/* a file of the index's own folder, and nothing else */
static int check_file_name(const char *file)
{
    if (um_name_check(file, strlen(file)) < 0)
        return UM_EFORMAT;
    if (strpbrk(file, "/\\") || strcmp(file, ".") == 0 || strstr(file, "..") ||
        strlen(file) > FILE_NAME_MAX)
        return um_fail(UM_EFORMAT, "not the plain name of a file beside the index");
    return UM_OK;
}

static int check_map(json_t *map)
{
    const char *name;
    json_t     *file;
    char        a[UM_SHOWN], b[UM_SHOWN];

    json_object_foreach(map, name, file)
    {
        const char *s = json_string_value(file);

        if (um_name_check(name, strlen(name)) < 0)
            return um_context(UM_EFORMAT, "weight_map: %s", um_shown(name, strlen(name), a));
        if (!s)
            return um_fail(UM_EFORMAT, "weight_map: the file of %s is not a string", name);
        if (check_file_name(s) < 0)
            return um_context(UM_EFORMAT, "weight_map: %s in \"%s\"",
                              um_shown(name, strlen(name), a), um_shown(s, strlen(s), b));
    }
    return UM_OK;
}

/* ---- the files ---- */

static int by_text(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* the files' names, sorted, each once */
static int list_files(struct um_weights *w, json_t *map, const char ***file, int *n)
{
    const char *name;
    json_t     *v;
    int         all = 0;

    if (!(*file = um_alloc_array(w->arena, (int64_t)json_object_size(map), sizeof **file)))
        return UM_ENOMEM;
    json_object_foreach(map, name, v)
    {
        (*file)[all++] = json_string_value(v);
    }
    qsort(*file, (size_t)all, sizeof **file, by_text);
    *n = 0;
    for (int i = 0; i < all; i++)
        if (*n == 0 || strcmp((*file)[*n - 1], (*file)[i]) != 0)
            (*file)[(*n)++] = (*file)[i];
    return *n <= SHARD_MAX ? UM_OK : um_fail(UM_ERANGE, "%d shards, at most %d", *n, SHARD_MAX);
}

static int open_files(struct um_weights *w, const char *path, const char *const *file, int n)
{
    const char *slash  = strrchr(path, '/');
    const int   folder = slash ? (int)(slash - path + 1) : 0;

    if (!(w->shard = um_calloc_array(w->arena, n, sizeof *w->shard)))
        return UM_ENOMEM;
    for (int i = 0; i < n; i++) {
        const char *beside = um_sprintf(w->arena, "%.*s%s", folder, path, file[i]);
        int         st     = UM_ENOMEM;

        if (!beside || (st = um_weights_open_shard(&w->shard[i], beside)) < 0)
            return um_context(st, "shard %s", file[i]);
        w->nshard++;
        if (strcmp(w->shard[i]->format, w->shard[0]->format) != 0)
            return um_fail(UM_EFORMAT, "shard %s is %s, but %s is %s", file[i], w->shard[i]->format,
                           file[0], w->shard[0]->format);
    }
    w->format = w->shard[0]->safetensors ? "sharded safetensors" : "sharded PyTorch";
    return UM_OK;
}

/* ---- the map against the files ---- */

/* which file the map has for a tensor: its place in the list, or -1 */
static int place_of(const json_t *map, const char *name, const char *const *file, int n)
{
    const char        *s  = json_string_value(json_object_get(map, name));
    const char *const *at = s ? bsearch(&s, file, (size_t)n, sizeof *file, by_text) : NULL;

    return at ? (int)(at - file) : -1;
}

static int missing_from_files(const struct um_weights *w, json_t *map, const char *const *file)
{
    struct um_names lost = { 0 };
    const char     *name;
    json_t         *v;

    json_object_foreach(map, name, v)
    {
        if (!um_weights_find(w->shard[place_of(map, name, file, w->nshard)], name))
            um_names_add(&lost, name);
    }
    return lost.count ? um_fail(UM_EMISSING, "tensors that their shards do not have: %s",
                                um_names_end(&lost))
                      : UM_OK;
}

static int missing_from_map(const struct um_weights *w, const json_t *map, const char *const *file)
{
    struct um_names extra = { 0 };

    for (int i = 0; i < w->nshard; i++)
        for (int j = 0; j < w->shard[i]->n; j++)
            if (place_of(map, w->shard[i]->entry[j].t.name, file, w->nshard) != i)
                um_names_add(&extra, w->shard[i]->entry[j].t.name);
    return extra.count ? um_fail(UM_EMISMATCH, "tensors of shards that the index does not have: %s",
                                 um_names_end(&extra))
                       : UM_OK;
}

int um_weights_shards(struct um_weights *w, const char *path)
{
    const char **file = NULL;
    json_t      *map  = NULL;
    int          n    = 0;

    UM_TRY(parse(w, &map));
    UM_TRY(check_map(map));
    UM_TRY(list_files(w, map, &file, &n));
    UM_TRY(open_files(w, path, file, n));
    UM_TRY(missing_from_files(w, map, file));
    UM_TRY(missing_from_map(w, map, file));
    if (!(w->entry = um_alloc_array(w->arena, (int64_t)json_object_size(map), sizeof *w->entry)))
        return UM_ENOMEM;
    for (int i = 0; i < w->nshard; i++)
        for (int j = 0; j < w->shard[i]->n; j++)
            w->entry[w->n++] = w->shard[i]->entry[j];
    return UM_OK;
}
