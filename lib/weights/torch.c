/* torch.c - the two files torch.save writes: a zip archive, and before 1.6 pickles and data in a
 * row SPDX-License-Identifier: Apache-2.0
 *
 * Zip: PREFIX/data.pkl is the pickle, PREFIX/data/KEY the storages, PREFIX/byteorder says "little".
 * Legacy: pickles of a magic number, of the protocol (1001), of the writer's system, of the object
 * and of a list of keys; then for each key the number of elements (8 bytes) and the data.
 */
#include "weights/torch.h"

#include <stdlib.h>
#include <string.h>

#include "weights/zip.h"

enum { LEGACY_PROTOCOL = 1001 };

static const uint8_t magic[10] = { 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19 };

/* ---- zip ---- */

/* the folder that everything lies in, with its slash: where data.pkl is */
static int find_prefix(const struct um_zip *z, size_t *n, const struct um_zip_entry **pickle)
{
    *pickle = NULL;
    for (int i = 0; i < z->n; i++) {
        const char *slash = strchr(z->entry[i].name, '/');

        if (!slash || strcmp(slash, "/data.pkl") != 0)
            continue;
        if (*pickle)
            return um_fail(UM_EFORMAT, "a zip archive with two data.pkl");
        *pickle = &z->entry[i];
        *n      = (size_t)(slash - z->entry[i].name + 1);
    }
    if (!*pickle)
        UM_TRY(um_zip_stored(z));
    return *pickle ? UM_OK
                   : um_fail(UM_EFORMAT, "a zip archive without a data.pkl: not one that "
                                         "torch.save writes");
}

static int check_zip(struct um_weights *w, const struct um_zip *z, const char *prefix, int n)
{
    const char                *name = um_sprintf(w->arena, "%.*sconstants.pkl", n, prefix);
    const struct um_zip_entry *order;
    char                       shown[UM_SHOWN];

    if (!name)
        return UM_ENOMEM;
    if (um_zip_find(z, name))
        return um_fail(UM_EUNSUPPORTED, "a TorchScript archive, which holds a program: save its "
                                        "state_dict with torch.save");
    UM_TRY(um_zip_stored(z));
    if (!(name = um_sprintf(w->arena, "%.*sbyteorder", n, prefix)))
        return UM_ENOMEM;
    order = um_zip_find(z, name);
    if (order && (order->size != 6 || memcmp(order->data, "little", 6) != 0))
        return um_fail(UM_EUNSUPPORTED, "byte order \"%s\", expected \"little\"",
                       um_shown(order->data, order->size, shown));
    return UM_OK;
}

static int zip_stores(struct um_arena *a, const struct um_zip *z, const char *prefix, size_t n,
                      struct um_stores *s)
{
    if (!(s->store = um_calloc_array(a, z->n, sizeof *s->store)))
        return UM_ENOMEM;
    for (int i = 0; i < z->n; i++) {
        const struct um_zip_entry *e = &z->entry[i];

        if (strncmp(e->name, prefix, n) == 0 && strncmp(e->name + n, "data/", 5) == 0)
            s->store[s->n++] = (struct um_store){
                .key = e->name + n + 5, .key_n = strlen(e->name + n + 5), .p = e->data, .n = e->size
            };
    }
    if (s->n)
        qsort(s->store, s->n, sizeof *s->store, um_store_order);
    return UM_OK;
}

static int read_zip(struct um_weights *w, struct um_arena *a)
{
    struct um_zip              z = { 0 };
    const struct um_zip_entry *pickle;
    struct um_pickle_storage  *storage;
    struct um_pickle_value     root;
    struct um_stores           stores = { 0 };
    struct um_found           *found  = NULL;
    size_t                     prefix = 0, used;
    int                        n      = 0;

    UM_TRY(um_zip_open(&z, a, w->file.p, w->file.n));
    UM_TRY(find_prefix(&z, &prefix, &pickle));
    UM_TRY(check_zip(w, &z, pickle->name, (int)prefix));
    UM_TRY(um_pickle_read(a, pickle->data, pickle->size, &used, &root, &storage));
    if (used != pickle->size)
        return um_fail(UM_EFORMAT, "data.pkl: %zu bytes after the end of the pickle",
                       pickle->size - used);
    UM_TRY(um_state_walk(a, &root, &found, &n));
    UM_TRY(zip_stores(a, &z, pickle->name, prefix, &stores));
    return um_bind(w, found, n, &stores);
}

/* ---- legacy ---- */

bool um_is_legacy(const uint8_t *p, size_t n)
{
    size_t at = 2;

    if (n >= 11 && p[0] == 0x80 && p[2] == 0x95) /* the frame of protocol 4 and 5 */
        at += 9;
    return n >= at + 2 + sizeof magic && p[0] == 0x80 && p[at] == 0x8a &&
           p[at + 1] == sizeof magic && memcmp(p + at + 2, magic, sizeof magic) == 0;
}

/* the next pickle of the file */
static int next(struct um_weights *w, struct um_arena *a, size_t *at, struct um_pickle_value *v,
                struct um_pickle_storage **storage)
{
    size_t used = 0;

    UM_TRY(um_pickle_read(a, w->file.p + *at, w->file.n - *at, &used, v, storage));
    *at += used;
    return UM_OK;
}

static int read_head(struct um_weights *w, struct um_arena *a, size_t *at)
{
    struct um_pickle_storage     *none;
    struct um_pickle_value        v;
    const struct um_pickle_value *little;

    UM_TRY(next(w, a, at, &v, &none)); /* the magic number, which was compared */
    UM_TRY(next(w, a, at, &v, &none));
    if (v.kind != UM_PICKLE_INT || v.i != LEGACY_PROTOCOL)
        return um_fail(UM_EUNSUPPORTED, "not protocol %d of PyTorch's legacy format",
                       LEGACY_PROTOCOL);
    UM_TRY(next(w, a, at, &v, &none));
    if (v.kind != UM_PICKLE_DICT)
        return um_fail(UM_EFORMAT, "the third pickle is no dict about the system");
    little = um_pickle_get(&v, "little_endian");
    if (little && (little->kind != UM_PICKLE_BOOL || !little->i))
        return um_fail(UM_EUNSUPPORTED, "written in big-endian byte order, expected little");
    return UM_OK;
}

/* storages by key, each once: what the object says about one must be the same everywhere */
struct legacy {
    size_t                     n;
    struct um_stores           stores;
    struct um_pickle_storage **storage; /* in the order of the stores */
    bool                      *seen;    /* its data has been passed */
};

static int by_key(const void *x, const void *y)
{
    const struct um_pickle_storage *a = *(struct um_pickle_storage *const *)x,
                                   *b = *(struct um_pickle_storage *const *)y;
    const struct um_store ka          = { .key = a->key, .key_n = a->key_n },
                          kb          = { .key = b->key, .key_n = b->key_n };

    return um_store_order(&ka, &kb);
}

static int collect(struct um_arena *a, struct um_pickle_storage *list, struct legacy *l)
{
    char   shown[UM_SHOWN];
    size_t all = 0;

    for (struct um_pickle_storage *s = list; s; s = s->next)
        all++;
    l->storage      = um_alloc_array(a, (int64_t)all, sizeof *l->storage);
    l->stores.store = um_calloc_array(a, (int64_t)all, sizeof *l->stores.store);
    l->seen         = um_calloc_array(a, (int64_t)all, sizeof *l->seen);
    if (!l->storage || !l->stores.store || !l->seen)
        return UM_ENOMEM;
    all = 0;
    for (struct um_pickle_storage *s = list; s; s = s->next)
        l->storage[all++] = s;
    if (all)
        qsort(l->storage, all, sizeof *l->storage, by_key);
    for (size_t i = 0; i < all; i++) {
        struct um_pickle_storage *s = l->storage[i], *last = l->n ? l->storage[l->n - 1] : NULL;

        if (!last || by_key(&last, &s) != 0) {
            l->stores.store[l->n] = (struct um_store){ .key = s->key, .key_n = s->key_n };
            l->storage[l->n++]    = s;
        } else if (last->elem != s->elem || last->count != s->count) {
            return um_fail(UM_EFORMAT, "storage %s has two types or sizes",
                           um_shown(s->key, s->key_n, shown));
        }
    }
    l->stores.n = l->n;
    return UM_OK;
}

/* the data of one key of the list */
static int read_data(struct um_weights *w, const struct um_pickle_value *key, struct legacy *l,
                     size_t *at)
{
    const struct um_store  want = { .key = key->s, .key_n = key->n };
    const struct um_store *s;
    const size_t           left = w->file.n - *at;
    size_t                 size, i;
    int64_t                count;

    s = l->n ? bsearch(&want, l->stores.store, l->n, sizeof want, um_store_order) : NULL;
    if (!s)
        return um_fail(UM_EFORMAT, "no tensor has it");
    i = (size_t)(s - l->stores.store);
    if (l->seen[i])
        return um_fail(UM_EDUPLICATE, "twice");
    if (left < 8)
        return um_fail(UM_EFORMAT, "%zu bytes left where its size should be: cut", left);
    count = (int64_t)um_little(w->file.p + *at, 8);
    if (count != l->storage[i]->count)
        return um_fail(UM_EFORMAT, "%lld elements, expected %lld", (long long)count,
                       (long long)l->storage[i]->count);
    size = l->storage[i]->elem ? (size_t)l->storage[i]->elem->bits / 8 : 1;
    if ((uint64_t)count > (left - 8) / size)
        return um_fail(UM_EFORMAT, "%lld elements of %zu bytes, %zu bytes left: cut",
                       (long long)count, size, left - 8);
    l->seen[i]           = true;
    l->stores.store[i].p = w->file.p + *at + 8;
    l->stores.store[i].n = (size_t)count * size;
    *at += 8 + (size_t)count * size;
    return UM_OK;
}

static int read_storages(struct um_weights *w, const struct um_pickle_value *keys, struct legacy *l,
                         size_t at)
{
    char shown[UM_SHOWN];

    if (keys->kind != UM_PICKLE_LIST)
        return um_fail(UM_EFORMAT, "the fifth pickle is no list of storages");
    for (uint32_t i = 0; i < keys->list->n; i++) {
        const struct um_pickle_value *key = &keys->list->item[i];
        int                           st;

        if (key->kind != UM_PICKLE_TEXT)
            return um_fail(UM_EFORMAT, "a storage whose key is no text");
        if ((st = read_data(w, key, l, &at)) < 0)
            return um_context(st, "storage %s", um_shown(key->s, key->n, shown));
    }
    for (size_t i = 0; i < l->n; i++)
        if (!l->seen[i])
            return um_fail(UM_EMISSING, "storage %s is not in the file",
                           um_shown(l->storage[i]->key, l->storage[i]->key_n, shown));
    return at == w->file.n
               ? UM_OK
               : um_fail(UM_EFORMAT, "%zu bytes after the last storage", w->file.n - at);
}

static int read_legacy(struct um_weights *w, struct um_arena *a)
{
    struct um_pickle_storage *storage = NULL, *none;
    struct um_pickle_value    root, keys;
    struct legacy             l     = { 0 };
    struct um_found          *found = NULL;
    size_t                    at    = 0;
    int                       n     = 0;

    UM_TRY(read_head(w, a, &at));
    UM_TRY(next(w, a, &at, &root, &storage));
    UM_TRY(next(w, a, &at, &keys, &none));
    UM_TRY(um_state_walk(a, &root, &found, &n));
    UM_TRY(collect(a, storage, &l));
    UM_TRY(read_storages(w, &keys, &l, at));
    return um_bind(w, found, n, &l.stores);
}

/* ---- both ---- */

static int with_scratch(struct um_weights *w, const char *format,
                        int (*read)(struct um_weights *w, struct um_arena *a))
{
    struct um_arena *a;
    int              st;

    UM_TRY(um_arena_new(&a));
    w->format = format;
    st        = read(w, a);
    um_arena_free(a);
    return st;
}

int um_weights_zip(struct um_weights *w)
{
    return with_scratch(w, "PyTorch zip", read_zip);
}

int um_weights_legacy(struct um_weights *w)
{
    return with_scratch(w, "PyTorch legacy", read_legacy);
}
