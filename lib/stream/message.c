/* message.c - MessagePack by msgpack-c's low-level packer and unpacker */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/message.h"

#include <inttypes.h>
#include <msgpack/pack.h>
#include <msgpack/unpack.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensor data is little-endian and used as it is: this needs a little-endian machine"
#endif

/* ---- bytes that grow ---- */

int um_buf_need(struct um_buf *b, size_t more)
{
    size_t   want = b->cap < 4096 ? 4096 : b->cap;
    uint8_t *p;

    if (more <= b->cap - b->n)
        return UM_OK;
    while (want - b->n < more) {
        if (want > SIZE_MAX / 2)
            return um_fail(UM_ENOMEM, "out of memory");
        want *= 2;
    }
    if (!(p = realloc(b->p, want)))
        return um_fail(UM_ENOMEM, "out of memory (%zu bytes)", want);
    b->p   = p;
    b->cap = want;
    return UM_OK;
}

int um_buf_add(struct um_buf *b, const void *p, size_t n)
{
    UM_TRY(um_buf_need(b, n));
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    return UM_OK;
}

void um_buf_free(struct um_buf *b)
{
    free(b->p);
    *b = (struct um_buf){ 0 };
}

/* ---- text ---- */

/* UTF-8 without NUL; with `plain`, without control characters too */
static int text_check(const char *s, int64_t n, bool plain)
{
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)s;

    for (int64_t i = 0; i < n;) {
        utf8proc_int32_t       c;
        const utf8proc_ssize_t w = utf8proc_iterate(p + i, n - i < 4 ? n - i : 4, &c);

        if (w <= 0)
            return um_fail(UM_EFORMAT, "text is not UTF-8 (byte 0x%02x at %" PRId64 ")", p[i], i);
        if (c == 0 || (plain && (c < 0x20 || (c >= 0x7f && c < 0xa0))))
            return um_fail(UM_EFORMAT, "control character U+%04X", (unsigned)c);
        i += w;
    }
    return UM_OK;
}

int um_text_check(const char *s, int64_t n)
{
    return text_check(s, n, false);
}

int um_key_check(const char *key)
{
    const size_t n = strlen(key);

    if (n == 0 || n > UM_MAX_KEY)
        return um_fail(UM_ERANGE, "a key of %zu bytes; 1 to %d are allowed", n, UM_MAX_KEY);
    const int st = text_check(key, (int64_t)n, true);
    return st < 0 ? um_context(st, "key") : st;
}

static int name_check(const char *name)
{
    const size_t n = strlen(name);

    if (n == 0 || n > UM_MAX_NAME)
        return um_fail(UM_ERANGE, "a tensor's name of %zu bytes; 1 to %d are allowed", n,
                       UM_MAX_NAME);
    const int st = text_check(name, (int64_t)n, true);
    return st < 0 ? um_context(st, "tensor name") : st;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* no name twice; long lists are sorted, so that a hostile one costs n log n */
static int unique_names(const char *const *key, int64_t n)
{
    const char **sorted;
    const char  *twice = NULL;

    if (n <= 16) {
        for (int64_t i = 1; i < n; i++)
            for (int64_t j = 0; j < i; j++)
                if (strcmp(key[i], key[j]) == 0)
                    return um_fail(UM_EFORMAT, "name \"%s\" twice in a map", key[i]);
        return UM_OK;
    }
    if (!(sorted = malloc((size_t)n * sizeof *sorted)))
        return um_fail(UM_ENOMEM, "out of memory");
    memcpy(sorted, key, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_text);
    for (int64_t i = 1; i < n && !twice; i++)
        if (strcmp(sorted[i], sorted[i - 1]) == 0)
            twice = sorted[i];
    free(sorted);
    return twice ? um_fail(UM_EFORMAT, "name \"%s\" twice in a map", twice) : UM_OK;
}

/* ---- to bytes ---- */

struct out {
    struct um_buf *b;
    int64_t        values;
    int            st;
};

static int put(void *to, const char *p, size_t n)
{
    struct out *o = to;

    if (o->st >= 0)
        o->st = um_buf_add(o->b, p, n);
    return o->st < 0 ? -1 : 0;
}

static void pack_text(msgpack_packer *pk, const char *s, size_t n)
{
    (void)msgpack_pack_str(pk, n);
    (void)msgpack_pack_str_body(pk, s, n);
}

static void pack_name(msgpack_packer *pk, const char *s)
{
    pack_text(pk, s, strlen(s));
}

static int pack_value(msgpack_packer *pk, struct out *o, const struct um_value *v, int nest);

static int pack_items(msgpack_packer *pk, struct out *o, const struct um_value *v, int nest)
{
    const bool map = v->kind == UM_MAP;

    if (nest > UM_MAX_NEST)
        return um_fail(UM_ERANGE, "values nest deeper than %d", UM_MAX_NEST);
    if (v->n < 0 || v->n > UM_MAX_VALUES || (o->values += map ? 2 * v->n : v->n) > UM_MAX_VALUES)
        return um_fail(UM_ERANGE, "more than %d values in a message", UM_MAX_VALUES);
    if (map)
        UM_TRY(unique_names(v->key, v->n));
    (void)(map ? msgpack_pack_map(pk, (size_t)v->n) : msgpack_pack_array(pk, (size_t)v->n));
    for (int64_t i = 0; i < v->n; i++) {
        if (map) {
            UM_TRY(text_check(v->key[i], (int64_t)strlen(v->key[i]), false));
            pack_name(pk, v->key[i]);
        }
        const int st = pack_value(pk, o, &v->item[i], nest + 1);
        if (st < 0)
            return map ? um_context(st, "\"%s\"", v->key[i]) : st;
    }
    return o->st;
}

static int pack_value(msgpack_packer *pk, struct out *o, const struct um_value *v, int nest)
{
    switch (v->kind) {
    case UM_NIL: (void)msgpack_pack_nil(pk); break;
    case UM_BOOL: (void)(v->b ? msgpack_pack_true(pk) : msgpack_pack_false(pk)); break;
    case UM_INT: (void)msgpack_pack_int64(pk, v->i); break;
    case UM_FLOAT: (void)msgpack_pack_double(pk, v->f); break;
    case UM_STR:
    case UM_BIN:
        if (v->n < 0 || (uint64_t)v->n > UM_TENSOR_MAX)
            return um_fail(UM_ERANGE, "4 GiB or more");
        if (v->kind == UM_BIN) {
            (void)msgpack_pack_bin(pk, (size_t)v->n);
            (void)msgpack_pack_bin_body(pk, v->s, (size_t)v->n);
            break;
        }
        UM_TRY(text_check(v->s, v->n, false));
        pack_text(pk, v->s, (size_t)v->n);
        break;
    case UM_LIST:
    case UM_MAP: return pack_items(pk, o, v, nest);
    }
    return o->st;
}

int um_message_value(struct um_buf *b, const struct um_value *v)
{
    struct out     o = { .b = b };
    msgpack_packer pk;

    msgpack_packer_init(&pk, &o, put);
    return pack_value(&pk, &o, v, 1);
}

static int pack_tensor(msgpack_packer *pk, struct out *o, const struct um_tensor *t)
{
    size_t bytes;

    UM_TRY(name_check(t->name));
    UM_TRY(um_tensor_check(t, &bytes));
    if ((o->values += 8 + t->ndim) > UM_MAX_VALUES)
        return um_fail(UM_ERANGE, "more than %d values in a message", UM_MAX_VALUES);
    UM_TRY(um_buf_need(o->b, bytes + 512));
    pack_name(pk, t->name);
    (void)msgpack_pack_map(pk, 3);
    pack_name(pk, "dtype");
    pack_name(pk, um_dtype_name(t->dtype));
    pack_name(pk, "shape");
    (void)msgpack_pack_array(pk, (size_t)t->ndim);
    for (int i = 0; i < t->ndim; i++)
        (void)msgpack_pack_int64(pk, t->dim[i]);
    pack_name(pk, "data");
    (void)msgpack_pack_bin(pk, bytes);
    (void)msgpack_pack_bin_body(pk, t->data, bytes);
    return o->st;
}

static int pack_record(msgpack_packer *pk, struct out *o, const struct um_record *rec)
{
    if (rec->meta.kind != UM_MAP)
        return um_fail(UM_ERANGE, "meta is not a map");
    (void)msgpack_pack_map(pk, 3);
    pack_name(pk, "key");
    pack_name(pk, rec->key);
    pack_name(pk, "meta");
    UM_TRY(pack_value(pk, o, &rec->meta, 2));
    pack_name(pk, "tensors");
    (void)msgpack_pack_map(pk, (size_t)rec->ntensor);
    for (int i = 0; i < rec->ntensor; i++) {
        for (int j = 0; j < i; j++)
            if (strcmp(rec->tensor[i].name, rec->tensor[j].name) == 0)
                return um_fail(UM_EDUPLICATE, "tensor \"%s\" twice", rec->tensor[i].name);
        UM_TRY(pack_tensor(pk, o, &rec->tensor[i]));
    }
    return o->st;
}

int um_message_record(struct um_buf *b, const struct um_record *rec)
{
    struct out     o = { .b = b, .values = 6 };
    const size_t   n = b->n;
    msgpack_packer pk;

    UM_TRY(um_key_check(rec->key));
    msgpack_packer_init(&pk, &o, put);
    const int st = pack_record(&pk, &o, rec);
    if (st < 0)
        return um_context(st, "record %s", rec->key);
    if (b->n - n > UM_FRAME_MAX)
        return um_fail(UM_ERANGE, "record %s: %zu bytes, at most %" PRIu64, rec->key, b->n - n,
                       UM_FRAME_MAX);
    return UM_OK;
}

/* ---- from bytes ---- */

/* What the unpacker calls. Counts in the bytes are not trusted: every declared item takes at least
 * one byte, so the sum of all counts in a message cannot be more than its bytes. */
struct parse {
    struct um_arena *a;
    int64_t          left; /* values that may still be declared */
    int              st;
};

static int refuse(struct parse *u, int st)
{
    u->st = st;
    return -1;
}

static int items(struct parse *u, unsigned n, int64_t values, struct um_value *v)
{
    if (values > u->left)
        return refuse(u, um_fail(UM_EFORMAT, "a list or map declares %u items; too many", n));
    u->left -= values;
    v->n = 0; /* counts up as the items come */
    if (!(v->item = um_alloc_array(u->a, n, sizeof *v->item)) ||
        (v->kind == UM_MAP && !(v->key = um_alloc_array(u->a, n, sizeof *v->key))))
        return refuse(u, UM_ENOMEM);
    return 0;
}

static struct um_value value_root(struct parse *u)
{
    (void)u;
    return (struct um_value){ 0 };
}

#define NUMBER(name, type, field, kind_, to)                                                       \
    static int value_##name(struct parse *u, type x, struct um_value *v)                           \
    {                                                                                              \
        (void)u;                                                                                   \
        *v = (struct um_value){ .kind = kind_, .field = (to)x };                                   \
        return 0;                                                                                  \
    }
NUMBER(uint8, uint8_t, i, UM_INT, int64_t)
NUMBER(uint16, uint16_t, i, UM_INT, int64_t)
NUMBER(uint32, uint32_t, i, UM_INT, int64_t)
NUMBER(int8, int8_t, i, UM_INT, int64_t)
NUMBER(int16, int16_t, i, UM_INT, int64_t)
NUMBER(int32, int32_t, i, UM_INT, int64_t)
NUMBER(int64, int64_t, i, UM_INT, int64_t)
NUMBER(float, float, f, UM_FLOAT, double)
NUMBER(double, double, f, UM_FLOAT, double)

static int value_uint64(struct parse *u, uint64_t x, struct um_value *v)
{
    if (x > INT64_MAX)
        return refuse(u, um_fail(UM_EFORMAT, "integer %" PRIu64 " is too large", x));
    *v = (struct um_value){ .kind = UM_INT, .i = (int64_t)x };
    return 0;
}

static int value_nil(struct parse *u, struct um_value *v)
{
    (void)u;
    *v = (struct um_value){ .kind = UM_NIL };
    return 0;
}

static int value_true(struct parse *u, struct um_value *v)
{
    (void)u;
    *v = (struct um_value){ .kind = UM_BOOL, .b = true };
    return 0;
}

static int value_false(struct parse *u, struct um_value *v)
{
    (void)u;
    *v = (struct um_value){ .kind = UM_BOOL, .b = false };
    return 0;
}

static int value_array(struct parse *u, unsigned n, struct um_value *v)
{
    *v = (struct um_value){ .kind = UM_LIST };
    return items(u, n, (int64_t)n, v);
}

static int value_array_item(struct parse *u, struct um_value *list, struct um_value v)
{
    (void)u;
    list->item[list->n++] = v;
    return 0;
}

static int value_map(struct parse *u, unsigned n, struct um_value *v)
{
    *v = (struct um_value){ .kind = UM_MAP };
    return items(u, n, 2 * (int64_t)n, v);
}

static int value_map_item(struct parse *u, struct um_value *map, struct um_value k,
                          struct um_value v)
{
    if (k.kind != UM_STR)
        return refuse(u, um_fail(UM_EFORMAT, "a name in a map is not text"));
    map->key[map->n]    = k.s;
    map->item[map->n++] = v;
    return 0;
}

static int value_str(struct parse *u, const char *base, const char *p, unsigned n,
                     struct um_value *v)
{
    const int st = text_check(p, n, false);

    (void)base;
    if (st < 0)
        return refuse(u, st);
    *v = (struct um_value){ .kind = UM_STR, .n = n, .s = um_strndup(u->a, n ? p : "", n) };
    return v->s ? 0 : refuse(u, UM_ENOMEM);
}

static int value_bin(struct parse *u, const char *base, const char *p, unsigned n,
                     struct um_value *v)
{
    (void)u;
    (void)base;
    *v = (struct um_value){ .kind = UM_BIN, .n = n, .s = n ? p : "" };
    return 0;
}

static int value_ext(struct parse *u, const char *base, const char *p, unsigned n,
                     struct um_value *v)
{
    (void)base;
    (void)p;
    (void)n;
    (void)v;
    return refuse(u, um_fail(UM_EFORMAT, "an extension type: not part of the format"));
}

#define MSGPACK_EMBED_STACK_SIZE UM_MAX_NEST
#include <msgpack/unpack_define.h>
#define msgpack_unpack_struct(name) struct unpack##name
#define msgpack_unpack_func(ret, name) static inline ret unpack##name
#define msgpack_unpack_callback(name) value##name
#define msgpack_unpack_object struct um_value
#define msgpack_unpack_user struct parse
#include <msgpack/unpack_template.h>

/* names can only be compared when the whole map is there */
static int check_names(const struct um_value *v)
{
    if (v->kind == UM_MAP)
        UM_TRY(unique_names(v->key, v->n));
    if (v->kind == UM_MAP || v->kind == UM_LIST)
        for (int64_t i = 0; i < v->n; i++)
            UM_TRY(check_names(&v->item[i]));
    return UM_OK;
}

int um_message_parse(struct um_arena *a, const uint8_t *data, size_t len, size_t *off,
                     struct um_value *v)
{
    struct unpack_context c;
    const size_t          left = len - *off;

    c.user = (struct parse){ .a = a, .left = UM_MAX_VALUES, .st = UM_OK };
    if (left < UM_MAX_VALUES)
        c.user.left = (int64_t)left;
    unpack_init(&c);
    const int got = unpack_execute(&c, (const char *)data, len, off);
    if (got == 0)
        return um_fail(UM_EFORMAT, "a message ends in the middle");
    if (got < 0)
        return c.user.st < 0
                   ? c.user.st
                   : um_fail(UM_EFORMAT, "not MessagePack, or nested deeper than %d", UM_MAX_NEST);
    *v = unpack_data(&c);
    return check_names(v);
}

int um_header_check(const struct um_value *v)
{
    const struct um_value *version = um_map_get(v, "umt");
    const struct um_value *history = um_map_get(v, "history");

    if (!version || version->kind != UM_INT || !history || history->kind != UM_LIST)
        return um_fail(UM_EFORMAT, "not a tensor stream: no header with umt and history");
    if (version->i != 1)
        return um_fail(UM_EFORMAT, "version %" PRId64 " of the format; this reads version 1",
                       version->i);
    return UM_OK;
}

/* ---- records ---- */

/* bytes in meta still point into the frame */
static int own_bytes(struct um_arena *a, struct um_value *v)
{
    if (v->kind == UM_BIN)
        return um_value_copy(a, v, v);
    if (v->kind == UM_MAP || v->kind == UM_LIST)
        for (int64_t i = 0; i < v->n; i++)
            UM_TRY(own_bytes(a, &v->item[i]));
    return UM_OK;
}

static int shape_from(const struct um_value *list, struct um_tensor *t)
{
    if (!list || list->kind != UM_LIST || list->n > UM_MAX_DIM)
        return um_fail(UM_EFORMAT, "\"%s\": shape is not a list of at most %d sizes", t->name,
                       UM_MAX_DIM);
    t->ndim = (int)list->n;
    for (int i = 0; i < t->ndim; i++) {
        if (list->item[i].kind != UM_INT)
            return um_fail(UM_EFORMAT, "\"%s\": a size in shape is not an integer", t->name);
        t->dim[i] = list->item[i].i;
    }
    return UM_OK;
}

static int tensor_from(struct um_arena *a, const char *name, const struct um_value *v,
                       struct um_tensor *t)
{
    const struct um_value *data  = um_map_get(v, "data");
    const char            *dtype = um_map_str(v, "dtype");
    char                   shape[UM_SHAPE_TEXT];
    size_t                 bytes;

    *t = (struct um_tensor){ .name = name };
    UM_TRY(name_check(name));
    if (!dtype || !data || data->kind != UM_BIN || v->n != 3)
        return um_fail(UM_EFORMAT, "\"%s\" is not {dtype, shape, data}", name);
    const int st = um_dtype_parse(dtype, &t->dtype);
    if (st < 0)
        return um_context(st, "\"%s\"", name);
    UM_TRY(shape_from(um_map_get(v, "shape"), t));
    UM_TRY(um_tensor_check(t, &bytes));
    if (bytes != (size_t)data->n)
        return um_fail(UM_EFORMAT, "\"%s\": %s %s takes %zu bytes, the data has %" PRId64, name,
                       dtype, um_shape_text(t, shape, sizeof shape), bytes, data->n);
    if (!(t->data = um_alloc(a, bytes)))
        return UM_ENOMEM;
    if (bytes)
        memcpy(t->data, data->s, bytes);
    return UM_OK;
}

static int tensors_from(struct um_arena *a, const struct um_value *map, struct um_record *rec)
{
    rec->ntensor = rec->cap = (int)map->n;
    if (!(rec->tensor = um_alloc_array(a, map->n, sizeof *rec->tensor)))
        return UM_ENOMEM;
    for (int i = 0; i < rec->ntensor; i++)
        UM_TRY(tensor_from(a, map->key[i], &map->item[i], &rec->tensor[i]));
    return UM_OK;
}

int um_message_to_record(struct um_arena *a, const struct um_value *v, struct um_record **rec)
{
    const char            *key     = um_map_str(v, "key");
    const struct um_value *meta    = um_map_get(v, "meta");
    const struct um_value *tensors = um_map_get(v, "tensors");

    if (!key || !meta || meta->kind != UM_MAP || !tensors || tensors->kind != UM_MAP || v->n != 3)
        return um_fail(UM_EFORMAT, "a message that is not {key, meta, tensors}");
    const int bad_key = um_key_check(key);
    if (bad_key < 0)
        return bad_key == UM_ENOMEM ? bad_key : UM_EFORMAT;
    struct um_record *r = um_calloc_array(a, 1, sizeof *r);
    if (!r)
        return UM_ENOMEM;
    r->key  = key;
    r->meta = *meta;
    UM_TRY(own_bytes(a, &r->meta));
    const int st = tensors_from(a, tensors, r);
    if (st < 0)
        return um_context(st == UM_ENOMEM ? st : UM_EFORMAT, "record %s", key);
    *rec = r;
    return UM_OK;
}
