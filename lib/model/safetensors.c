/* safetensors.c - reading and writing safetensors files; nothing in a header is believed unchecked
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "model/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_MAX = 100 * 1000 * 1000, COUNT_MAX = 1 << 20 };

static const struct {
    const char   *name;
    enum um_dtype dtype;
} dtypes[] = { { "U8", UM_U8 },   { "I16", UM_I16 },   { "I32", UM_I32 }, { "I64", UM_I64 },
               { "F16", UM_F16 }, { "BF16", UM_BF16 }, { "F32", UM_F32 }, { "F64", UM_F64 } };
enum { NDTYPE = sizeof dtypes / sizeof dtypes[0] };

struct um_safetensors {
    uint8_t           *map;
    size_t             size; /* of the file */
    json_t            *meta; /* __metadata__, or NULL; owned by root */
    json_t            *root;
    struct um_arena   *arena;
    int                n;
    struct um_tensor  *t;    /* in the file's order */
    struct um_tensor **name; /* sorted by name */
};

struct span {
    const char      *name;
    uint64_t         a, b;
    struct um_tensor t;
};

/* ---- reading: the header ---- */

static int map_file(struct um_safetensors *s, const char *path)
{
    const int   fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat sb;
    int         st = UM_OK;

    if (fd < 0)
        return errno == ENOENT ? um_fail(UM_EMISSING, "no such file") : um_fail_errno("open");
    if (fstat(fd, &sb) != 0)
        st = um_fail_errno("stat");
    else if (!S_ISREG(sb.st_mode))
        st = um_fail(UM_EFORMAT, "%s, not a file",
                     S_ISDIR(sb.st_mode) ? "a directory" : "a device or FIFO");
    else if (sb.st_size < 8)
        st = um_fail(UM_EFORMAT, "%lld bytes: not a safetensors file", (long long)sb.st_size);
    if (st >= 0) {
        s->size = (size_t)sb.st_size;
        s->map  = mmap(NULL, s->size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (s->map == MAP_FAILED) {
            s->map = NULL;
            st     = um_fail_errno("mmap");
        }
    }
    (void)close(fd);
    return st;
}

static int parse_header(struct um_safetensors *s, size_t *data)
{
    json_error_t e;
    uint64_t     n = 0;

    for (int i = 7; i >= 0; i--)
        n = n << 8 | s->map[i];
    if (n > s->size - 8 || n > HEADER_MAX)
        return um_fail(UM_EFORMAT,
                       "a header of %llu bytes in a file of %zu: cut, or not safetensors",
                       (unsigned long long)n, s->size);
    s->root = json_loadb((const char *)s->map + 8, (size_t)n, JSON_REJECT_DUPLICATES, &e);
    if (!s->root)
        return um_fail(UM_EFORMAT, "the header: %s", e.text);
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
    json_object_foreach(s->meta, key, v) if (!json_is_string(v)) return um_fail(
        UM_EFORMAT, "__metadata__: %s is not a string", key);
    return UM_OK;
}

static int parse_dtype(const json_t *o, struct um_tensor *t)
{
    const char *s = json_string_value(json_object_get(o, "dtype"));

    for (int i = 0; s && i < NDTYPE; i++)
        if (strcmp(s, dtypes[i].name) == 0) {
            t->dtype = dtypes[i].dtype;
            return UM_OK;
        }
    return um_fail(UM_EDTYPE, "dtype %s", s ? s : "missing");
}

/* shape, and the bytes it makes */
static int parse_shape(const json_t *o, struct um_tensor *t, uint64_t *bytes)
{
    const json_t *shape = json_object_get(o, "shape");

    if (!json_is_array(shape) || json_array_size(shape) > UM_MAX_DIM)
        return um_fail(UM_EFORMAT, "shape is not a list of at most %d numbers", UM_MAX_DIM);
    t->ndim = (int)json_array_size(shape);
    *bytes  = um_dtype_size(t->dtype);
    for (int i = 0; i < t->ndim; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);

        t->dim[i] = json_integer_value(d);
        if (!json_is_integer(d) || t->dim[i] < 0 ||
            __builtin_mul_overflow(*bytes, (uint64_t)t->dim[i], bytes) || *bytes > INT64_MAX)
            return um_fail(UM_ERANGE, "an impossible shape");
    }
    return UM_OK;
}

static int parse_span(const json_t *o, struct span *s)
{
    const json_t *off = json_object_get(o, "data_offsets");
    const json_t *a = json_array_get(off, 0), *b = json_array_get(off, 1);
    uint64_t      bytes = 0;

    if (!json_is_object(o))
        return um_fail(UM_EFORMAT, "not a JSON object");
    UM_TRY(parse_dtype(o, &s->t));
    UM_TRY(parse_shape(o, &s->t, &bytes));
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
    return strcmp(a->name, b->name);
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
                           span[i].name, (unsigned long long)span[i].a, (unsigned long long)at);
        at = span[i].b;
    }
    if (at != s->size - data)
        return um_fail(UM_EFORMAT, "the header promises %llu bytes of data, the file has %llu%s",
                       (unsigned long long)at, (unsigned long long)(s->size - data),
                       at > s->size - data ? ": cut" : "");
    return UM_OK;
}

static int place(struct um_safetensors *s, const struct span *span, size_t data)
{
    s->t    = um_calloc_array(s->arena, s->n, sizeof *s->t);
    s->name = um_calloc_array(s->arena, s->n, sizeof *s->name);
    if (!s->t || !s->name)
        return UM_ENOMEM;
    for (int i = 0; i < s->n; i++) {
        const size_t n = (size_t)(span[i].b - span[i].a);

        s->t[i]      = span[i].t;
        s->t[i].name = span[i].name;
        s->t[i].data = s->map + data + span[i].a;
        s->name[i]   = &s->t[i];
        if ((uintptr_t)s->t[i].data % 8) { /* a header that is not padded: move what it displaced */
            void *p = um_alloc(s->arena, n);

            if (!p)
                return um_context(UM_ENOMEM, "tensor %s", span[i].name);
            memcpy(p, s->t[i].data, n);
            s->t[i].data = p;
        }
    }
    if (s->n)
        qsort(s->name, (size_t)s->n, sizeof *s->name, by_name);
    return UM_OK;
}

static int open_all(struct um_safetensors *s, const char *path)
{
    struct span *span;
    const char  *key;
    json_t      *v;
    size_t       data = 0;

    UM_TRY(map_file(s, path));
    UM_TRY(parse_header(s, &data));
    UM_TRY(parse_meta(s));
    if (json_object_size(s->root) > COUNT_MAX)
        return um_fail(UM_ERANGE, "%zu tensors, at most %d", json_object_size(s->root), COUNT_MAX);
    if (!(span = um_calloc_array(s->arena, (int64_t)json_object_size(s->root) + 1, sizeof *span)))
        return UM_ENOMEM;
    json_object_foreach(s->root, key, v)
    {
        if (strcmp(key, "__metadata__") == 0)
            continue;
        span[s->n].name = key;
        if (parse_span(v, &span[s->n]) < 0)
            return um_context(UM_EFORMAT, "tensor %s", key);
        s->n++;
    }
    if (s->n)
        qsort(span, (size_t)s->n, sizeof *span, by_offset);
    UM_TRY(check_spans(s, span, data));
    return place(s, span, data);
}

int um_safetensors_open(struct um_safetensors **sp, const char *path)
{
    struct um_safetensors *s = calloc(1, sizeof *s);
    int                    st;

    *sp = NULL;
    if (!s)
        return um_fail(UM_ENOMEM, "out of memory");
    if ((st = um_arena_new(&s->arena)) < 0 || (st = open_all(s, path)) < 0) {
        um_safetensors_close(s);
        return um_context(st, "%s", path);
    }
    *sp = s;
    return UM_OK;
}

void um_safetensors_close(struct um_safetensors *s)
{
    if (!s)
        return;
    if (s->map)
        (void)munmap(s->map, s->size);
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
    return i >= 0 && i < s->n ? &s->t[i] : NULL;
}

const struct um_tensor *um_safetensors_find(const struct um_safetensors *s, const char *name)
{
    const struct um_tensor   want = { .name = name }, *key = &want;
    struct um_tensor *const *found =
        s->n ? bsearch(&key, s->name, (size_t)s->n, sizeof *s->name, by_name) : NULL;

    return found ? *found : NULL;
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
    json_t     *o = json_object(), *shape = json_array(), *off = json_array();
    const char *dtype = "";
    int         bad   = 0;

    for (int i = 0; i < NDTYPE; i++)
        if (dtypes[i].dtype == t->dtype)
            dtype = dtypes[i].name;
    for (int i = 0; i < t->ndim; i++)
        bad |= json_array_append_new(shape, json_integer(t->dim[i]));
    bad |= json_array_append_new(off, json_integer((json_int_t)at));
    bad |= json_array_append_new(off, json_integer((json_int_t)(at + bytes_of(t))));
    bad |= json_object_set_new(o, "dtype", json_string(dtype));
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
    if (st >= 0 && (st = um_outfile_open(&f, path)) >= 0)
        st = um_outfile_close(f, write_all(f, header, sorted, n), 1);
    free(header);
    json_decref(root);
    um_arena_free(a);
    return st < 0 ? um_context(st, "%s", path) : UM_OK;
}
