/* safetensors.c - reading and writing safetensors files; nothing in a header is believed unchecked
 * SPDX-License-Identifier: Apache-2.0
 */
#include "weights/safetensors.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "weights/weights_int.h"

enum { HEADER_MAX = 100 * 1000 * 1000 };

struct um_safetensors {
    struct um_mapped   file;
    json_t            *meta; /* __metadata__, or NULL; owned by root */
    json_t            *root;
    struct um_arena   *arena;
    int                n;
    struct um_entry   *entry; /* in the file's order */
    struct um_tensor **name;  /* sorted by name */
};

struct span {
    uint64_t        a, b;
    struct um_entry e;
};

/* ---- reading: the header ---- */

static int parse_header(struct um_safetensors *s, size_t *data)
{
    json_error_t   e;
    const size_t   size = s->file.n;
    const uint64_t n    = size < 8 ? 0 : um_little(s->file.p, 8);
    char           shown[UM_SHOWN];

    if (size < 8)
        return um_fail(UM_EFORMAT, "%zu bytes: not a safetensors file", size);
    if (n > size - 8 || n > HEADER_MAX)
        return um_fail(UM_EFORMAT,
                       "a header of %llu bytes in a file of %zu: cut, or not safetensors",
                       (unsigned long long)n, size);
    s->root = json_loadb((const char *)s->file.p + 8, (size_t)n, JSON_REJECT_DUPLICATES, &e);
    if (!s->root)
        return um_fail(UM_EFORMAT, "the header: %s", um_shown(e.text, strlen(e.text), shown));
    if (!json_is_object(s->root))
        return um_fail(UM_EFORMAT, "the header is not a JSON object");
    *data = 8 + (size_t)n;
    return UM_OK;
}

static int parse_meta(struct um_safetensors *s)
{
    const char *key;
    json_t     *v;

    s->meta = json_object_get(s->root, "__metadata__");
    if (!s->meta)
        return UM_OK;
    if (!json_is_object(s->meta))
        return um_fail(UM_EFORMAT, "__metadata__ is not a JSON object");
    json_object_foreach(s->meta, key, v)
    {
        char shown[UM_SHOWN];

        if (!json_is_string(v))
            return um_fail(UM_EFORMAT, "__metadata__: %s is not a string",
                           um_shown(key, strlen(key), shown));
    }
    return UM_OK;
}

static int parse_dtype(const json_t *o, struct um_entry *e)
{
    const char *s = json_string_value(json_object_get(o, "dtype"));
    char        shown[UM_SHOWN];

    if (!s)
        return um_fail(UM_EDTYPE, "no dtype");
    if (!(e->elem = um_elem_safetensors(s)))
        return um_fail(UM_EDTYPE, "dtype %s is unknown", um_shown(s, strlen(s), shown));
    e->t.dtype = e->elem->dtype;
    return UM_OK;
}

/* shape, and the bytes it makes */
static int parse_shape(const json_t *o, struct um_entry *e, uint64_t *bytes)
{
    const json_t *shape = json_object_get(o, "shape");
    uint64_t      bits  = (uint64_t)e->elem->bits;

    if (!json_is_array(shape) || json_array_size(shape) > UM_MAX_DIM)
        return um_fail(UM_EFORMAT, "shape is not a list of at most %d numbers", UM_MAX_DIM);
    e->t.ndim = (int)json_array_size(shape);
    for (int i = 0; i < e->t.ndim; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);

        e->t.dim[i] = json_integer_value(d);
        if (!json_is_integer(d) || e->t.dim[i] < 0 ||
            __builtin_mul_overflow(bits, (uint64_t)e->t.dim[i], &bits) || bits > INT64_MAX)
            return um_fail(UM_ERANGE, "an impossible shape");
    }
    *bytes = bits / 8;
    return bits % 8 ? um_fail(UM_ERANGE, "a shape of no whole number of bytes") : UM_OK;
}

static int parse_span(const json_t *o, struct span *s)
{
    const json_t *off = json_object_get(o, "data_offsets");
    const json_t *a = json_array_get(off, 0), *b = json_array_get(off, 1);
    uint64_t      bytes = 0;

    if (!json_is_object(o))
        return um_fail(UM_EFORMAT, "not a JSON object");
    UM_TRY(parse_dtype(o, &s->e));
    UM_TRY(parse_shape(o, &s->e, &bytes));
    if (json_array_size(off) != 2 || !json_is_integer(a) || !json_is_integer(b) ||
        json_integer_value(a) < 0 || json_integer_value(b) < json_integer_value(a))
        return um_fail(UM_EFORMAT, "data_offsets are not two ascending numbers");
    s->a = (uint64_t)json_integer_value(a);
    s->b = (uint64_t)json_integer_value(b);
    if (s->b - s->a != bytes)
        return um_fail(UM_EFORMAT, "%llu bytes of data, its shape makes %llu",
                       (unsigned long long)(s->b - s->a), (unsigned long long)bytes);
    return UM_OK;
}

/* ---- reading: the tensors ---- */

static int by_offset(const void *x, const void *y)
{
    const struct span *a = x, *b = y;

    if (a->a != b->a)
        return a->a < b->a ? -1 : 1;
    if (a->b != b->b) /* empty tensors lie before the one that begins there */
        return a->b < b->b ? -1 : 1;
    return strcmp(a->e.t.name, b->e.t.name);
}

static int by_name(const void *x, const void *y)
{
    return strcmp((*(struct um_tensor *const *)x)->name, (*(struct um_tensor *const *)y)->name);
}

/* spans in order, without gap or overlap, that fill the file to its end */
static int check_spans(const struct um_safetensors *s, const struct span *span, size_t data)
{
    uint64_t at = 0;

    for (int i = 0; i < s->n; i++) {
        if (span[i].a != at)
            return um_fail(UM_EFORMAT, "tensor %s begins at %llu, the one before it ended at %llu",
                           span[i].e.t.name, (unsigned long long)span[i].a, (unsigned long long)at);
        at = span[i].b;
    }
    if (at != s->file.n - data)
        return um_fail(UM_EFORMAT, "the header promises %llu bytes of data, the file has %llu%s",
                       (unsigned long long)at, (unsigned long long)(s->file.n - data),
                       at > s->file.n - data ? ": cut" : "");
    return UM_OK;
}

/* where the data lies: in the file, or moved where the header displaced it */
static int place(struct um_safetensors *s, const struct span *span, size_t data)
{
    s->entry = um_calloc_array(s->arena, s->n, sizeof *s->entry);
    s->name  = um_calloc_array(s->arena, s->n, sizeof *s->name);
    if (!s->entry || !s->name)
        return UM_ENOMEM;
    for (int i = 0; i < s->n; i++) {
        struct um_tensor    *t    = &s->entry[i].t;
        const uint8_t *const from = s->file.p + data + span[i].a;
        const size_t         n    = (size_t)(span[i].b - span[i].a);

        s->entry[i] = span[i].e;
        s->name[i]  = t;
        if (t->dtype == UM_NDTYPE)
            continue;
        t->data = (void *)(uintptr_t)from;
        if ((uintptr_t)from % um_dtype_size(t->dtype)) {
            if (!(t->data = um_alloc(s->arena, n)))
                return um_context(UM_ENOMEM, "tensor %s", t->name);
            memcpy(t->data, from, n);
        }
    }
    if (s->n)
        qsort(s->name, (size_t)s->n, sizeof *s->name, by_name);
    return UM_OK;
}

static int parse_tensors(struct um_safetensors *s, struct span *span)
{
    const char *key;
    json_t     *v;

    json_object_foreach(s->root, key, v)
    {
        char shown[UM_SHOWN];
        int  st;

        if (strcmp(key, "__metadata__") == 0)
            continue;
        span[s->n].e.t.name = key;
        if ((st = um_name_check(key, strlen(key))) < 0 || (st = parse_span(v, &span[s->n])) < 0)
            return um_context(st, "tensor %s", um_shown(key, strlen(key), shown));
        s->n++;
    }
    return UM_OK;
}

static int open_all(struct um_safetensors *s, const char *path)
{
    struct span *span;
    size_t       data = 0;

    UM_TRY(um_mapped_open(&s->file, path));
    UM_TRY(parse_header(s, &data));
    UM_TRY(parse_meta(s));
    if (json_object_size(s->root) > WEIGHTS_COUNT_MAX)
        return um_fail(UM_ERANGE, "%zu tensors, at most %d", json_object_size(s->root),
                       WEIGHTS_COUNT_MAX);
    if (!(span = um_calloc_array(s->arena, (int64_t)json_object_size(s->root) + 1, sizeof *span)))
        return UM_ENOMEM;
    UM_TRY(parse_tensors(s, span));
    if (s->n)
        qsort(span, (size_t)s->n, sizeof *span, by_offset);
    UM_TRY(check_spans(s, span, data));
    return place(s, span, data);
}

int um_safetensors_map(struct um_safetensors **sp, const char *path)
{
    struct um_safetensors *s = calloc(1, sizeof *s);
    int                    st;

    *sp = NULL;
    if (!s)
        return um_fail(UM_ENOMEM, "out of memory");
    if ((st = um_arena_new(&s->arena)) < 0 || (st = open_all(s, path)) < 0) {
        um_safetensors_close(s);
        return st;
    }
    *sp = s;
    return UM_OK;
}

int um_safetensors_open(struct um_safetensors **s, const char *path)
{
    const int st = um_safetensors_map(s, path);

    return st < 0 ? um_context(st, "%s", path) : UM_OK;
}

void um_safetensors_close(struct um_safetensors *s)
{
    if (!s)
        return;
    um_mapped_close(&s->file);
    json_decref(s->root);
    um_arena_free(s->arena);
    free(s);
}

int um_safetensors_count(const struct um_safetensors *s)
{
    return s->n;
}

const struct um_tensor *um_safetensors_at(const struct um_safetensors *s, int i)
{
    return i >= 0 && i < s->n ? &s->entry[i].t : NULL;
}

const struct um_tensor *um_safetensors_find(const struct um_safetensors *s, const char *name)
{
    const struct um_tensor   want = { .name = name }, *key = &want;
    struct um_tensor *const *found =
        s->n ? bsearch(&key, s->name, (size_t)s->n, sizeof *s->name, by_name) : NULL;

    return found ? *found : NULL;
}

const struct um_entry *um_safetensors_entry(const struct um_safetensors *s, int i)
{
    return &s->entry[i];
}

const char *um_safetensors_dtype(const struct um_safetensors *s, const struct um_tensor *t)
{
    (void)s;
    return ((const struct um_entry *)(const void *)t)->elem->name; /* t is its first member */
}

const char *um_safetensors_meta(const struct um_safetensors *s, const char *name)
{
    return json_string_value(json_object_get(s->meta, name));
}

/* ---- writing ---- */

static size_t bytes_of(const struct um_tensor *t)
{
    size_t n = um_dtype_size(t->dtype);

    for (int i = 0; i < t->ndim; i++)
        n *= (size_t)t->dim[i];
    return n;
}

static json_t *entry(const struct um_tensor *t, size_t at)
{
    json_t *o = json_object(), *shape = json_array(), *off = json_array();
    int     bad = 0;

    for (int i = 0; i < t->ndim; i++)
        bad |= json_array_append_new(shape, json_integer(t->dim[i]));
    bad |= json_array_append_new(off, json_integer((json_int_t)at));
    bad |= json_array_append_new(off, json_integer((json_int_t)(at + bytes_of(t))));
    bad |= json_object_set_new(o, "dtype", json_string(um_elem_safetensors_name(t->dtype)));
    bad |= json_object_set_new(o, "shape", shape);
    bad |= json_object_set_new(o, "data_offsets", off);
    if (bad) {
        json_decref(o);
        return NULL;
    }
    return o;
}

/* larger elements first, as each then begins at a multiple of its size */
static int order(struct um_arena *a, const struct um_tensor *t, int n,
                 const struct um_tensor ***sorted)
{
    int m = 0;

    if (!(*sorted = um_calloc_array(a, n, sizeof **sorted)))
        return UM_ENOMEM;
    for (size_t size = 8; size >= 1; size /= 2)
        for (int i = 0; i < n; i++)
            if (um_dtype_size(t[i].dtype) == size)
                (*sorted)[m++] = &t[i];
    return m == n ? UM_OK : um_fail(UM_EDTYPE, "a tensor of no known dtype");
}

static int build_header(json_t *root, const struct um_tensor *const *t, int n,
                        const char *const *meta)
{
    json_t *m  = json_object();
    size_t  at = 0;

    for (int i = 0; meta && meta[i]; i += 2)
        if (json_object_set_new(m, meta[i], json_string(meta[i + 1])) != 0) {
            json_decref(m);
            return um_fail(UM_EFORMAT, "metadata %s: not UTF-8, or out of memory", meta[i]);
        }
    if (json_object_set_new(root, "__metadata__", m) != 0)
        return um_fail(UM_ENOMEM, "out of memory");
    for (int i = 0; i < n; at += bytes_of(t[i]), i++) {
        if (json_object_get(root, t[i]->name))
            return um_fail(UM_EDUPLICATE, "two tensors named %s", t[i]->name);
        if (json_object_set_new(root, t[i]->name, entry(t[i], at)) != 0)
            return um_fail(UM_EFORMAT, "tensor %s: name not UTF-8, or out of memory", t[i]->name);
    }
    return UM_OK;
}

static int write_all(struct um_outfile *f, const char *header, const struct um_tensor *const *t,
                     int n)
{
    const size_t len = strlen(header), pad = (8 - len % 8) % 8;
    uint8_t      size[8];

    if (len + pad > HEADER_MAX)
        return um_fail(UM_ERANGE, "a header of %zu bytes", len);
    for (int i = 0; i < 8; i++)
        size[i] = (uint8_t)((uint64_t)(len + pad) >> (8 * i));
    UM_TRY(um_outfile_write(f, size, sizeof size));
    UM_TRY(um_outfile_write(f, header, len));
    UM_TRY(um_outfile_write(f, "        ", pad));
    for (int i = 0; i < n; i++)
        UM_TRY(um_outfile_write(f, t[i]->data, bytes_of(t[i])));
    return UM_OK;
}

int um_safetensors_write(const char *path, const struct um_tensor *t, int n,
                         const char *const *meta)
{
    const struct um_tensor **sorted = NULL;
    struct um_arena         *a;
    struct um_outfile       *f      = NULL;
    json_t                  *root   = json_object();
    char                    *header = NULL;
    int                      st;

    if ((st = um_arena_new(&a)) >= 0 && (st = order(a, t, n, &sorted)) >= 0 &&
        (st = build_header(root, sorted, n, meta)) >= 0 &&
        !(header = json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER)))
        st = um_fail(UM_ENOMEM, "out of memory");
    if (st < 0)
        st = um_context(st, "%s", path);
    else if ((st = um_outfile_open(&f, path)) >= 0) /* its messages name the path */
        st = um_outfile_close(f, write_all(f, header, sorted, n), 1);
    free(header);
    json_decref(root);
    um_arena_free(a);
    return st;
}
