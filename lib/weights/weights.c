/* weights.c - one door to all formats: which it is, and the list of tensors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "weights/weights.h"

#include <stdlib.h>
#include <string.h>

#include "weights/weights_int.h"

/* ---- which format ---- */

enum format { UNKNOWN, SAFETENSORS, ZIP, LEGACY, INDEX };

/* A JSON header begins at byte 8 of safetensors, at byte 0 of an index: a length that begins with a
 * brace is believed only if such a header fits. */
static enum format format_of(const uint8_t *p, size_t n)
{
    size_t i = 0;

    if (n > 8 && p[8] == '{' && (p[0] != '{' || um_little(p, 8) <= n - 8))
        return SAFETENSORS;
    if (n >= 4 && (memcmp(p, "PK\3\4", 4) == 0 || memcmp(p, "PK\5\6", 4) == 0))
        return ZIP;
    if (um_is_legacy(p, n))
        return LEGACY;
    while (i < n && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t'))
        i++;
    return i < n && p[i] == '{' ? INDEX : UNKNOWN;
}

static int read_file(struct um_weights *w, const char *path, bool may_be_index)
{
    UM_TRY(um_mapped_open(&w->file, path));
    switch (format_of(w->file.p, w->file.n)) {
    case SAFETENSORS: um_mapped_close(&w->file); return um_weights_safetensors(w, path);
    case ZIP: return um_weights_zip(w);
    case LEGACY: return um_weights_legacy(w);
    case INDEX:
        return may_be_index ? um_weights_shards(w, path)
                            : um_fail(UM_EFORMAT, "JSON, not a file of tensors");
    case UNKNOWN: break;
    }
    return um_unknown_file(w->file.p, w->file.n);
}

/* ---- the list ---- */

static int by_name(const void *x, const void *y)
{
    return strcmp(((const struct um_entry *)x)->t.name, ((const struct um_entry *)y)->t.name);
}

static int sort(struct um_weights *w)
{
    struct um_names twice = { 0 };

    if (w->n)
        qsort(w->entry, (size_t)w->n, sizeof *w->entry, by_name);
    for (int i = 1; i < w->n; i++)
        if (strcmp(w->entry[i - 1].t.name, w->entry[i].t.name) == 0)
            um_names_add(&twice, w->entry[i].t.name);
    return twice.count
               ? um_fail(UM_EDUPLICATE, "more than one tensor named %s", um_names_end(&twice))
               : UM_OK;
}

static int open_any(struct um_weights **wp, const char *path, bool may_be_index)
{
    struct um_weights *w = calloc(1, sizeof *w);
    int                st;

    *wp = NULL;
    if (!w)
        return um_fail(UM_ENOMEM, "out of memory");
    if ((st = um_arena_new(&w->arena)) < 0 || (st = read_file(w, path, may_be_index)) < 0 ||
        (st = sort(w)) < 0) {
        um_weights_close(w);
        return st;
    }
    *wp = w;
    return UM_OK;
}

int um_weights_open(struct um_weights **w, const char *path)
{
    const int st = open_any(w, path, true);

    return st < 0 ? um_context(st, "%s", path) : UM_OK;
}

int um_weights_open_shard(struct um_weights **w, const char *path)
{
    return open_any(w, path, false);
}

void um_weights_close(struct um_weights *w)
{
    if (!w)
        return;
    for (int i = 0; i < w->nshard; i++)
        um_weights_close(w->shard[i]);
    um_safetensors_close(w->safetensors);
    json_decref(w->index);
    um_mapped_close(&w->file);
    um_arena_free(w->arena);
    free(w);
}

/* ---- looking things up ---- */

int um_weights_count(const struct um_weights *w)
{
    return w->n;
}

const struct um_tensor *um_weights_at(const struct um_weights *w, int i)
{
    return i >= 0 && i < w->n ? &w->entry[i].t : NULL;
}

const struct um_tensor *um_weights_find(const struct um_weights *w, const char *name)
{
    const struct um_entry  want = { .t = { .name = name } };
    const struct um_entry *found =
        w->n ? bsearch(&want, w->entry, (size_t)w->n, sizeof *w->entry, by_name) : NULL;

    return found ? &found->t : NULL;
}

const char *um_weights_dtype(const struct um_weights *w, const struct um_tensor *t)
{
    (void)w;
    return ((const struct um_entry *)(const void *)t)->elem->name; /* t is its first member */
}

int um_weights_get(const struct um_weights *w, const char *name, const struct um_tensor **t)
{
    *t = um_weights_find(w, name);
    if (!*t)
        return um_fail(UM_EMISSING, "no tensor %s", name);
    if ((*t)->dtype == UM_NDTYPE)
        return um_fail(UM_EDTYPE, "tensor %s: %s, which cannot be calculated with", name,
                       um_weights_dtype(w, *t));
    return UM_OK;
}

const char *um_weights_meta(const struct um_weights *w, const char *key)
{
    const char *s = NULL;

    if (w->safetensors)
        return um_safetensors_meta(w->safetensors, key);
    s = json_string_value(json_object_get(json_object_get(w->index, "metadata"), key));
    for (int i = 0; i < w->nshard && !s; i++)
        s = um_weights_meta(w->shard[i], key);
    return s;
}

const char *um_weights_format(const struct um_weights *w)
{
    return w->format;
}

/* ---- safetensors ---- */

int um_weights_safetensors(struct um_weights *w, const char *path)
{
    UM_TRY(um_safetensors_map(&w->safetensors, path));
    w->format = "safetensors";
    w->n      = um_safetensors_count(w->safetensors);
    if (!(w->entry = um_alloc_array(w->arena, w->n, sizeof *w->entry)))
        return UM_ENOMEM;
    for (int i = 0; i < w->n; i++)
        w->entry[i] = *um_safetensors_entry(w->safetensors, i);
    return UM_OK;
}
