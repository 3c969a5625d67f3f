/* bind.c - tensors of a pickle on the bytes of their storages
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every number is checked against the storage before a pointer is made of it. Dense tensors stay
 * where they are (in the file, or in the copy of a storage that lies askew there); others are
 * copied into C order.
 */
#include <stdlib.h>
#include <string.h>

#include "weights/torch.h"

enum { COPY_FREE = 1 << 20 };

int um_store_order(const void *x, const void *y)
{
    const struct um_store *a = x, *b = y;
    const size_t           n = a->key_n < b->key_n ? a->key_n : b->key_n;
    const int              c = n ? memcmp(a->key, b->key, n) : 0;

    return c ? c : a->key_n < b->key_n ? -1 : a->key_n > b->key_n;
}

/* ---- storages ---- */

static int find_store(struct um_stores *stores, const struct um_pickle_storage *s,
                      struct um_store **found)
{
    const struct um_store want = { .key = s->key, .key_n = s->key_n };
    struct um_store      *at =
        stores->n ? bsearch(&want, stores->store, stores->n, sizeof want, um_store_order) : NULL;
    const size_t size = s->elem ? (size_t)s->elem->bits / 8 : 1;
    char         shown[UM_SHOWN];

    if (!at)
        return um_fail(UM_EMISSING, "its storage %s is not in the file",
                       um_shown(s->key, s->key_n, shown));
    if (at->n % size || at->n / size != (size_t)s->count)
        return um_fail(UM_EFORMAT, "its storage %s has %zu bytes, expected %lld elements of %zu",
                       um_shown(s->key, s->key_n, shown), at->n, (long long)s->count, size);
    *found = at;
    return UM_OK;
}

/* a storage that lies askew in the file is copied whole, once, for all its tensors */
static int align(struct um_weights *w, struct um_store *s, size_t size)
{
    uint8_t *p;

    if ((uintptr_t)s->p % size == 0)
        return UM_OK;
    if (!(p = um_alloc(w->arena, s->n)))
        return UM_ENOMEM;
    memcpy(p, s->p, s->n);
    s->p = p;
    return UM_OK;
}

/* ---- shapes ---- */

/* elements of the dense tensor; all sizes and strides are sane after this, and all elements lie
 * among the storage's part */
static int check_shape(const struct um_pickle_tensor *t, int64_t *count)
{
    int64_t last  = t->first;
    bool    empty = false;

    *count = 1;
    for (int i = 0; i < t->ndim; i++) {
        if (t->dim[i] < 0 || t->stride[i] < 0)
            return um_fail(UM_ERANGE, "dimension %d is %lld with stride %lld", i,
                           (long long)t->dim[i], (long long)t->stride[i]);
        empty = empty || t->dim[i] == 0;
    }
    for (int i = 0; i < t->ndim; i++) {
        int64_t way;

        /* of an empty tensor the other sizes must be possible all the same */
        if (__builtin_mul_overflow(*count, t->dim[i] ? t->dim[i] : 1, count) ||
            *count > INT64_MAX / 16)
            return um_fail(UM_ERANGE, "an impossible shape");
        if (!empty && (__builtin_mul_overflow(t->dim[i] - 1, t->stride[i], &way) ||
                       __builtin_add_overflow(last, way, &last)))
            return um_fail(UM_ERANGE, "strides that lead out of its storage");
    }
    *count = empty ? 0 : *count;
    if (t->first < 0 || t->first > t->storage->part || (!empty && last >= t->storage->part))
        return um_fail(UM_ERANGE, "elements %lld to %lld of a storage of %lld", (long long)t->first,
                       (long long)last, (long long)t->storage->part);
    return UM_OK;
}

static bool dense(const struct um_pickle_tensor *t)
{
    int64_t stride = 1;

    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->dim[i] != 1 && t->stride[i] != stride)
            return false;
        stride *= t->dim[i];
    }
    return true;
}

/* ---- copies ---- */

/* count > 0 elements of `size` bytes into C order */
static void gather(uint8_t *to, const uint8_t *from, const struct um_pickle_tensor *t,
                   int64_t count, size_t size)
{
    const int     last          = t->ndim - 1; /* a tensor without dimensions is dense */
    const int64_t n             = t->dim[last];
    const size_t  step          = (size_t)t->stride[last] * size;
    int64_t       i[UM_MAX_DIM] = { 0 };

    for (int64_t row = 0; row < count / n; row++) {
        const uint8_t *p = from;

        for (int d = 0; d < last; d++)
            p += (size_t)(i[d] * t->stride[d]) * size;
        for (int64_t j = 0; j < n; j++, to += size, p += step)
            memcpy(to, p, size);
        for (int d = last - 1; d >= 0 && ++i[d] == t->dim[d]; d--)
            i[d] = 0;
    }
}

/* A view may repeat the elements of its storage without end: all copies together may be about twice
 * as large as the file. */
static int copy(struct um_weights *w, const struct um_pickle_tensor *t, const uint8_t *from,
                int64_t count, size_t size, uint64_t *left, void **to)
{
    const uint64_t bytes = (uint64_t)count * size;

    if (bytes > *left)
        return um_fail(UM_ERANGE, "a view that would make %llu bytes of a storage of %lld elements",
                       (unsigned long long)bytes, (long long)t->storage->count);
    *left -= bytes;
    if (!(*to = um_alloc(w->arena, (size_t)bytes)))
        return UM_ENOMEM;
    gather(*to, from, t, count, size);
    return UM_OK;
}

/* ---- tensors ---- */

static int bind_one(struct um_weights *w, const struct um_found *f, struct um_stores *stores,
                    uint64_t *left, struct um_entry *e)
{
    const struct um_pickle_tensor *t           = f->t;
    const size_t                   size        = (size_t)t->elem->bits / 8;
    struct um_store               *store       = NULL;
    struct um_pickle_tensor        in_elements = *t;
    struct um_pickle_storage       part        = *t->storage;
    int64_t                        count;
    const uint8_t                 *from;

    if (!part.elem) { /* of an untyped storage the pickle counts bytes, of the tensor elements */
        if (part.part % (int64_t)size || part.first % (int64_t)size)
            return um_fail(UM_EFORMAT, "%lld bytes of storage for elements of %zu",
                           (long long)part.part, size);
        part.part /= (int64_t)size;
        part.first /= (int64_t)size;
    }
    in_elements.storage = &part;
    UM_TRY(check_shape(&in_elements, &count));
    UM_TRY(find_store(stores, t->storage, &store));
    *e         = (struct um_entry){ .elem = t->elem };
    e->t.dtype = t->elem->dtype;
    e->t.ndim  = t->ndim;
    memcpy(e->t.dim, t->dim, sizeof e->t.dim);
    if (!(e->t.name = um_strdup(w->arena, f->name)))
        return UM_ENOMEM;
    if (e->t.dtype == UM_NDTYPE)
        return UM_OK;
    UM_TRY(align(w, store, size));
    from      = store->p + (size_t)(part.first + t->first) * size;
    e->t.data = (void *)(uintptr_t)from;
    return count == 0 || dense(t) ? UM_OK
                                  : copy(w, &in_elements, from, count, size, left, &e->t.data);
}

int um_bind(struct um_weights *w, const struct um_found *found, int n, struct um_stores *stores)
{
    uint64_t left = 2 * (uint64_t)w->file.n + COPY_FREE;

    if (!(w->entry = um_alloc_array(w->arena, n, sizeof *w->entry)))
        return UM_ENOMEM;
    for (int i = 0; i < n; i++) {
        const int st = bind_one(w, &found[i], stores, &left, &w->entry[i]);

        if (st < 0)
            return um_context(st, "tensor %s", found[i].name);
        w->n++;
    }
    return UM_OK;
}
