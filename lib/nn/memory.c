/* memory.c - device memory of a step: what the forward leaves, and what the backward passes on
 *
 * The forward's memory is bumped: it lies in the order in which operations made it, so a scope
 * gives back all that was made in it at once. Gradients come and go in another order: they have a
 * store of their own, best fit, neighbours merged, each given back by the walk as soon as it was
 * passed on. Both grow by further pieces in a first step only: at the next one the pieces are
 * merged into one of the size that was needed, and the same shapes find the same places without any
 * allocation. SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "nn/nn_int.h"

enum { ALIGN = 256, FIRST = 1 << 20 };

static size_t rounded(size_t bytes)
{
    return bytes ? (bytes + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
}

static bool too_large(struct um_nn *nn, size_t bytes)
{
    if (bytes <= SIZE_MAX / 4)
        return false;
    (void)um_nn_fail(nn, UM_ENOMEM, "a variable of %zu bytes", bytes);
    return true;
}

/* ---- the forward's: bumped ---------------------------------------------------------------------
 */

struct nn_chunk {
    struct nn_chunk *next; /* older, full */
    size_t           size, used;
    char            *data;
};

static int chunk_new(struct um_nn *nn, size_t size)
{
    struct nn_chunk *c = calloc(1, sizeof *c);
    void            *p = NULL;
    int              st;

    if (!c)
        return um_fail(UM_ENOMEM, "out of memory");
    if ((st = nn->k->alloc(nn->dev, size, &p)) < 0) {
        free(c);
        return st;
    }
    *c        = (struct nn_chunk){ .next = nn->chunk, .size = size, .data = p };
    nn->chunk = c;
    return UM_OK;
}

static size_t chunks_used(const struct um_nn *nn)
{
    size_t used = 0;

    for (const struct nn_chunk *c = nn->chunk; c; c = c->next)
        used += c->used;
    return used;
}

static void *bump(struct um_nn *nn, size_t bytes)
{
    struct nn_chunk *c = nn->chunk;
    size_t           used;

    if (!c || c->size - c->used < bytes) {
        size_t size = c ? 2 * c->size : FIRST;

        size = size < bytes ? bytes : size;
        if (!nn_ok(nn, chunk_new(nn, size), "memory of the step"))
            return NULL;
        c = nn->chunk;
    }
    c->used += bytes;
    used = chunks_used(nn);
    if (used > nn->made)
        nn->made = used;
    return c->data + c->used - bytes;
}

struct nn_mark nn_mark(const struct um_nn *nn)
{
    return (struct nn_mark){ nn->chunk, nn->chunk ? nn->chunk->used : 0 };
}

/* tests with sanitizers run on the host: who reads what was given back reads NaN */
static void poison(void *p, size_t n)
{
#ifdef UM_POISON
    memset(p, 0xff, n);
#else
    (void)p;
    (void)n;
#endif
}

/* In a first step a scope may have gone on in another chunk: its memory then waits for the end of
 * the step. */
void nn_release(struct um_nn *nn, struct nn_mark mark, struct um_var *keep)
{
    struct nn_chunk *c     = nn->chunk;
    const size_t     bytes = keep ? rounded((size_t)nn_count(keep) * um_dtype_size(keep->dt)) : 0;
    char            *data  = keep ? keep->data : NULL, *to;

    if (nn->status < 0 || !c || c != mark.chunk)
        return;
    to = c->data + mark.used;
    if (keep && data >= to && data < c->data + c->size) {
        if (data < to + bytes) { /* it would be copied onto itself: it stays where it is */
            c->used = (size_t)(data - c->data) + bytes;
            return;
        }
        if (!nn_ok(nn, nn->k->cast(nn->dev, to, keep->dt, data, keep->dt, nn_count(keep)), "scope"))
            return;
        keep->data = to;
        to += bytes;
    }
    poison(to, c->used - (size_t)(to - c->data));
    c->used = (size_t)(to - c->data);
}

static void chunks_free(struct um_nn *nn)
{
    for (struct nn_chunk *c = nn->chunk, *next; c; c = next) {
        next = c->next;
        nn->k->free(nn->dev, c->data);
        free(c);
    }
    nn->chunk = NULL;
}

/* ---- gradients: best fit -----------------------------------------------------------------------
 */

/* a run of bytes of a piece; the runs of all pieces stand in one list, each piece's in order */
struct nn_run {
    char  *data;
    size_t size;
    int    piece;
    bool   taken;
    bool   owned; /* a variable's: not given back with the node that asked for it */
};

static int runs_room(struct nn_store *s)
{
    struct nn_run *more;

    if (s->n + 1 < s->cap)
        return UM_OK;
    if (!(more = realloc(s->run, (size_t)(s->cap + 64) * sizeof *more)))
        return um_fail(UM_ENOMEM, "out of memory");
    s->run = more;
    s->cap += 64;
    return UM_OK;
}

static void runs_insert(struct nn_store *s, int at, struct nn_run r)
{
    memmove(s->run + at + 1, s->run + at, (size_t)(s->n - at) * sizeof r);
    s->run[at] = r;
    s->n++;
}

static void runs_drop(struct nn_store *s, int at)
{
    memmove(s->run + at, s->run + at + 1, (size_t)(s->n - at - 1) * sizeof *s->run);
    s->n--;
}

static int piece_new(struct um_nn *nn, size_t size)
{
    struct nn_store *s = &nn->store;
    void            *p = NULL, **more;

    UM_TRY(runs_room(s));
    if (!(more = realloc(s->piece, (size_t)(s->pieces + 1) * sizeof *more)))
        return um_fail(UM_ENOMEM, "out of memory");
    s->piece = more;
    UM_TRY(nn->k->alloc(nn->dev, size, &p));
    s->piece[s->pieces] = p;
    runs_insert(s, s->n, (struct nn_run){ .data = p, .size = size, .piece = s->pieces });
    s->pieces++;
    return UM_OK;
}

static int best_fit(const struct nn_store *s, size_t bytes)
{
    int best = -1;

    for (int i = 0; i < s->n; i++)
        if (!s->run[i].taken && s->run[i].size >= bytes &&
            (best < 0 || s->run[i].size < s->run[best].size))
            best = i;
    return best;
}

static void *store_take(struct um_nn *nn, size_t bytes)
{
    struct nn_store *s = &nn->store;
    int              i = best_fit(s, bytes);
    struct nn_run    rest;

    if (i < 0) {
        const size_t size = bytes > s->most ? bytes : s->most > FIRST ? s->most : FIRST;

        if (!nn_ok(nn, piece_new(nn, size), "memory of the gradients"))
            return NULL;
        i = s->n - 1;
    }
    if (!nn_ok(nn, runs_room(s), "memory of the gradients"))
        return NULL;
    rest = s->run[i];
    rest.data += bytes;
    rest.size -= bytes;
    s->run[i].size  = bytes;
    s->run[i].taken = true;
    s->run[i].owned = false;
    if (rest.size > 0)
        runs_insert(s, i + 1, rest);
    s->used += bytes;
    s->most = s->used > s->most ? s->used : s->most;
    return s->run[i].data;
}

static int run_of(const struct nn_store *s, const void *p)
{
    for (int i = 0; i < s->n; i++)
        if (s->run[i].data == p && s->run[i].taken)
            return i;
    return -1;
}

static void give_back(struct nn_store *s, int i)
{
    poison(s->run[i].data, s->run[i].size);
    s->used -= s->run[i].size;
    s->run[i].taken = false;
    if (i + 1 < s->n && !s->run[i + 1].taken && s->run[i + 1].piece == s->run[i].piece) {
        s->run[i].size += s->run[i + 1].size;
        runs_drop(s, i + 1);
    }
    if (i > 0 && !s->run[i - 1].taken && s->run[i - 1].piece == s->run[i].piece) {
        s->run[i - 1].size += s->run[i].size;
        runs_drop(s, i);
    }
}

void nn_own(struct um_nn *nn, const void *p)
{
    const int i = run_of(&nn->store, p);

    if (i >= 0)
        nn->store.run[i].owned = true;
}

void nn_give_back(struct um_nn *nn, const void *p)
{
    const int i = run_of(&nn->store, p);

    if (i >= 0)
        give_back(&nn->store, i);
}

void nn_give_back_scratch(struct um_nn *nn)
{
    struct nn_store *s = &nn->store;

    for (int i = s->n - 1; i >= 0; i--)
        if (i < s->n && s->run[i].taken && !s->run[i].owned)
            give_back(s, i);
}

static void store_free(struct um_nn *nn)
{
    struct nn_store *s = &nn->store;

    for (int i = 0; i < s->pieces; i++)
        nn->k->free(nn->dev, s->piece[i]);
    s->pieces = s->n = 0;
    s->used          = 0;
}

/* all of it free again, in one piece */
static int store_reset(struct um_nn *nn)
{
    struct nn_store *s    = &nn->store;
    const size_t     most = s->most;

    if (s->pieces > 1) {
        store_free(nn);
        return piece_new(nn, most + most / 8);
    }
    for (int i = s->n - 1; i >= 0; i--)
        if (i < s->n && s->run[i].taken)
            give_back(s, i);
    return UM_OK;
}

/* ---- both --------------------------------------------------------------------------------------
 */

void *nn_alloc(struct um_nn *nn, size_t bytes)
{
    if (nn->status < 0 || too_large(nn, bytes))
        return NULL;
    return nn->walking ? store_take(nn, rounded(bytes)) : bump(nn, rounded(bytes));
}

void *nn_alloc_elems(struct um_nn *nn, int64_t n, enum um_dtype dt)
{
    const size_t size = um_dtype_size(dt);

    if (n < 0 || (uint64_t)n > SIZE_MAX / 8 / size) {
        (void)um_nn_fail(nn, UM_ENOMEM, "a variable of %lld elements", (long long)n);
        return NULL;
    }
    return nn_alloc(nn, (size_t)n * size);
}

void nn_memory_free(struct um_nn *nn)
{
    chunks_free(nn);
    store_free(nn);
    free(nn->store.run);
    free(nn->store.piece);
    nn->store = (struct nn_store){ 0 };
}

int nn_memory_reset(struct um_nn *nn)
{
    const size_t made = nn->made;
    const bool   many = (nn->chunk && nn->chunk->next) || nn->store.pieces > 1;

    if (many)
        UM_TRY(nn->k->sync(nn->dev)); /* work in flight may still use what is freed */
    UM_TRY(store_reset(nn));
    if (!nn->chunk || !nn->chunk->next) {
        if (nn->chunk)
            nn->chunk->used = 0;
        return UM_OK;
    }
    chunks_free(nn);
    return chunk_new(nn, made + made / 8); /* a step like the last one fits */
}

size_t um_nn_peak(const struct um_nn *nn)
{
    return nn->made + nn->store.most;
}
