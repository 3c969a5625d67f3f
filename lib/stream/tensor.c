/* tensor.c - tensors and records in memory */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "stream/message.h"

int64_t um_tensor_count(const struct um_tensor *t)
{
    int64_t n = 1;

    for (int i = 0; i < t->ndim; i++)
        n *= t->dim[i];
    return n;
}

size_t um_tensor_bytes(const struct um_tensor *t)
{
    return (size_t)um_tensor_count(t) * um_dtype_size(t->dtype);
}

char *um_shape_text(const struct um_tensor *t, char *buf, size_t n)
{
    size_t at = (size_t)snprintf(buf, n, "[");

    for (int i = 0; i < t->ndim && at < n; i++)
        at += (size_t)snprintf(buf + at, n - at, "%s%" PRId64, i ? "," : "", t->dim[i]);
    if (at < n)
        (void)snprintf(buf + at, n - at, "]");
    return buf;
}

int um_tensor_check(const struct um_tensor *t, size_t *bytes)
{
    const size_t size  = um_dtype_size(t->dtype);
    uint64_t     n     = 1;
    bool         empty = false;

    if (size == 0)
        return um_fail(UM_EDTYPE, "\"%s\": no such dtype (%d)", t->name, (int)t->dtype);
    if (t->ndim < 0 || t->ndim > UM_MAX_DIM)
        return um_fail(UM_ERANGE, "\"%s\": %d dimensions, at most %d", t->name, t->ndim,
                       UM_MAX_DIM);
    for (int i = 0; i < t->ndim; i++) {
        const int64_t d = t->dim[i];

        if (d < 0)
            return um_fail(UM_ERANGE, "\"%s\": dimension %d is %" PRId64, t->name, i, d);
        if (d == 0) /* the others must be sane all the same: callers multiply some of them */
            empty = true;
        else if ((uint64_t)d > UM_TENSOR_MAX / size / n)
            return um_fail(UM_ERANGE, "\"%s\": 4 GiB or more; a tensor must be smaller", t->name);
        else
            n *= (uint64_t)d;
    }
    *bytes = empty ? 0 : (size_t)n * size;
    return UM_OK;
}

int um_tensor_new(struct um_arena *a, const char *name, enum um_dtype dtype, int ndim,
                  const int64_t *dim, struct um_tensor *t)
{
    struct um_tensor made = { .name = name, .dtype = dtype, .ndim = ndim };
    size_t           bytes;

    for (int i = 0; i < ndim && i < UM_MAX_DIM; i++)
        made.dim[i] = dim[i];
    UM_TRY(um_tensor_check(&made, &bytes));
    if (!(made.name = um_strdup(a, name)) || !(made.data = um_alloc(a, bytes)))
        return um_context(UM_ENOMEM, "\"%s\"", name);
    *t = made;
    return UM_OK;
}

int um_record_new(struct um_arena *a, const char *key, struct um_record **rec)
{
    struct um_record *r = um_calloc_array(a, 1, sizeof *r);

    if (!r || !(r->key = um_strdup(a, key)))
        return UM_ENOMEM;
    r->meta.kind = UM_MAP;
    *rec         = r;
    return UM_OK;
}

/* room for n tensors in a list of its own */
static int regrow(struct um_arena *a, struct um_record *rec, int n)
{
    struct um_tensor *t = um_alloc_array(a, n, sizeof *t);

    if (!t)
        return UM_ENOMEM;
    if (rec->ntensor)
        memcpy(t, rec->tensor, (size_t)rec->ntensor * sizeof *t);
    rec->tensor = t;
    rec->cap    = n;
    return UM_OK;
}

int um_record_clone(struct um_arena *a, const struct um_record *from, struct um_record **to)
{
    UM_TRY(um_record_new(a, from->key, to));
    (*to)->ntensor = from->ntensor;
    (*to)->tensor  = from->tensor;
    UM_TRY(regrow(a, *to, from->ntensor + 4));
    return um_value_copy(a, &from->meta, &(*to)->meta);
}

struct um_tensor *um_record_find(const struct um_record *rec, const char *name)
{
    for (int i = 0; i < rec->ntensor; i++)
        if (strcmp(rec->tensor[i].name, name) == 0)
            return &rec->tensor[i];
    return NULL;
}

int um_record_set(struct um_arena *a, struct um_record *rec, const struct um_tensor *t)
{
    struct um_tensor *old = um_record_find(rec, t->name);

    if (old) {
        *old = *t;
        return UM_OK;
    }
    if (rec->ntensor == rec->cap)
        UM_TRY(regrow(a, rec, rec->cap ? 2 * rec->cap : 4));
    rec->tensor[rec->ntensor++] = *t;
    return UM_OK;
}

bool um_record_remove(struct um_record *rec, const char *name)
{
    struct um_tensor *t = um_record_find(rec, name);

    if (!t)
        return false;
    memmove(t, t + 1, (size_t)(rec->tensor + rec->ntensor - t - 1) * sizeof *t);
    rec->ntensor--;
    return true;
}

/* the tool that makes a tensor, for messages */
static const char *maker(const char *name)
{
    static const char *const by[][2] = {
        { "image", "um-preprocess" },
        { "volume", "um-preprocess" },
        { "mask", "um-preprocess" },
        { "boxes", "um-preprocess" },
        { "ids", "um-tokenize" },
        { "ids_mask", "um-tokenize" },
        { "patches", "um-tokenize --patches" },
        { "cls", "um-encode" },
        { "tokens", "um-encode" },
        { "embedding", "um-encode" },
        { "attention", "um-encode --attention" },
        { "text_cls", "um-encode" },
        { "text_embedding", "um-encode" },
        { "score", "um-select-slices" },
    };

    for (size_t i = 0; i < sizeof by / sizeof by[0]; i++)
        if (strcmp(by[i][0], name) == 0)
            return by[i][1];
    return NULL;
}

int um_record_get(const struct um_record *rec, const char *name, enum um_dtype dtype, int ndim,
                  const struct um_tensor **t)
{
    const struct um_tensor *found = um_record_find(rec, name);
    const char             *tool  = maker(name);
    char                    shape[UM_SHAPE_TEXT];

    if (!found)
        return tool ? um_fail(UM_EMISSING, "`%s` missing: run %s", name, tool)
                    : um_fail(UM_EMISSING, "`%s` missing", name);
    if (dtype != UM_NDTYPE && found->dtype != dtype)
        return um_fail(UM_EDTYPE, "`%s`: expected %s, got %s", name, um_dtype_name(dtype),
                       um_dtype_name(found->dtype));
    if (ndim >= 0 && found->ndim != ndim)
        return um_fail(UM_ESHAPE, "`%s`: expected %d dimensions, got %s", name, ndim,
                       um_shape_text(found, shape, sizeof shape));
    *t = found;
    return UM_OK;
}
