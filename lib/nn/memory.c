/* memory.c - device memory of a step: what the forward leaves, and what the backward passes on
 *
 * The forward's memory is bumped: it lies in the order in which operations made it, so a scope
 * gives back all that was made in it at once. Gradients come and go in another order: they have a
 * store of their own, best fit, neighbours merged, each given back by the walk as soon as it was
 * passed on.
 *
 * A first step finds out how much that is. It takes large variables as they come, each a block of
 * its own size, and small ones from pieces of at most PIECE bytes, so that hardly more is held than
 * is used; at the next step all of it becomes one block of just the size that was needed, and the
 * same shapes find the same places without any allocation. A step that needs a little more, as of
 * longer reports, adds a piece or two, which stay; only when there are more than FEW is it one
 * block again. SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "nn/nn_int.h"

enum { ALIGN = 256, FIRST = 1 << 20, PIECE = 64 << 20, FEW = 4 };

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

/* the next piece where `held` bytes are held already */
static size_t piece_size(size_t held, size_t bytes)
{
    const size_t grown = held / 8 < FIRST ? FIRST : held / 8 > PIECE ? PIECE : held / 8;

    return bytes > grown ? bytes : grown;
}

/* ---- the forward's: bumped ---------------------------------------------------------------------
 */

/* a piece for what is small, or the block of one large variable */
struct nn_chunk {
    struct nn_chunk *next; /* newer */
    size_t           size, used;
    uint64_t         taken; /* a large variable's: when, from 1; 0: it is free */
    bool             large;
    char            *data;
};

static struct nn_chunk *chunk_new(struct um_nn *nn, size_t size, bool large)
{
    struct nn_chunk *c = calloc(1, sizeof *c), **end = &nn->chunk;
    void            *p = NULL;

    if (!c) {
        (void)nn_ok(nn, um_fail(UM_ENOMEM, "out of memory"), "memory of the step");
        return NULL;
    }
    if (!nn_ok(nn, nn->k->alloc(nn->dev, size, &p), "memory of the step")) {
        free(c);
        return NULL;
    }
    *c = (struct nn_chunk){ .size = size, .large = large, .data = p };
    while (*end)
        end = &(*end)->next;
    *end = c;
    nn->held += size;
    return c;
}

/* what is taken was taken: the most of it at once */
static void *took(struct um_nn *nn, void *p)
{
    size_t used = 0;

    for (const struct nn_chunk *c = nn->chunk; c; c = c->next)
        used += c->used;
    nn->made = used > nn->made ? used : nn->made;
    return p;
}

/* a block of its own: the smallest free one that is not much too large, or a new one */
static void *take_large(struct um_nn *nn, size_t bytes)
{
    struct nn_chunk *best = NULL;

    for (struct nn_chunk *c = nn->chunk; c; c = c->next)
        if (c->large && !c->taken && c->size >= bytes && c->size - bytes <= bytes / 8 &&
            (!best || c->size < best->size))
            best = c;
    if (!best && !(best = chunk_new(nn, bytes, true)))
        return NULL;
    best->taken = ++nn->serial;
    best->used  = bytes;
    return took(nn, best->data);
}

/* the next piece, empty, with room for that many bytes */
static struct nn_chunk *next_piece(struct um_nn *nn, size_t bytes)
{
    struct nn_chunk *c = nn->bumped ? nn->bumped->next : nn->chunk;

    while (c && (c->large || c->size < bytes))
        c = c->next;
    return c ? c : chunk_new(nn, piece_size(nn->held, bytes), false);
}

static void *bump(struct um_nn *nn, size_t bytes)
{
    struct nn_chunk *c = nn->bumped;

    if (!c || c->size - c->used < bytes) {
        if (bytes >= piece_size(nn->held, 0) / 4)
            return take_large(nn, bytes);
        if (!(c = next_piece(nn, bytes)))
            return NULL;
        nn->bumped = c;
    }
    c->used += bytes;
    return took(nn, c->data + c->used - bytes);
}

struct nn_mark nn_mark(const struct um_nn *nn)
{
    return (struct nn_mark){ nn->bumped, nn->bumped ? nn->bumped->used : 0, nn->serial };
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

/* Piece m goes on at `used` (NULL: none is in hand), and what was taken since is free, but not what
 * the chunk `except` holds. */
static void rewind_to(struct um_nn *nn, struct nn_chunk *m, size_t used, uint64_t serial,
                      const struct nn_chunk *except)
{
    bool after = m == NULL;

    for (struct nn_chunk *c = nn->chunk; c; c = c->next) {
        const size_t left = c == m ? used : 0;

        if (c != except && (c->large ? c->taken > serial : after || c == m)) {
            if (c->used > left) /* less: what is kept came from another piece */
                poison(c->data + left, c->used - left);
            c->used  = left;
            c->taken = 0;
        }
        after = after || c == m;
    }
    nn->bumped = m;
}

static struct nn_chunk *chunk_of(const struct um_nn *nn, const char *data)
{
    struct nn_chunk *c = nn->chunk;

    while (c && !(data >= c->data && data < c->data + c->size))
        c = c->next;
    return c;
}

/* what lies there, in a piece, was taken after the mark */
static bool beyond(const struct nn_mark *mark, const struct nn_chunk *piece, const char *data)
{
    if (!mark->chunk || piece == mark->chunk)
        return !mark->chunk || data >= piece->data + mark->used;
    for (const struct nn_chunk *c = mark->chunk->next; c; c = c->next)
        if (c == piece)
            return true;
    return false;
}

/* The variable to keep stays where it is if it has a block of its own or was there before; else it
 * moves down to the mark, where there is room for it and it would not be copied onto itself. */
void nn_release(struct um_nn *nn, struct nn_mark mark, struct um_var *keep)
{
    const size_t     bytes = keep ? rounded((size_t)nn_count(keep) * um_dtype_size(keep->dt)) : 0;
    struct nn_chunk *own = keep ? chunk_of(nn, keep->data) : NULL, *m = mark.chunk;
    char            *data = keep ? keep->data : NULL, *to = m ? m->data + mark.used : NULL;

    if (nn->status < 0)
        return;
    if (!own || own->large || !beyond(&mark, own, data)) {
        rewind_to(nn, m, mark.used, mark.serial, own && own->large ? own : NULL);
    } else if (m && m->size - mark.used >= bytes && (own != m || data >= to + bytes)) {
        if (!nn_ok(nn, nn->k->cast(nn->dev, to, keep->dt, data, keep->dt, nn_count(keep)), "scope"))
            return;
        keep->data = to;
        rewind_to(nn, m, mark.used + bytes, mark.serial, NULL);
    } else {
        rewind_to(nn, m, mark.used, mark.serial, own);
        own->used  = (size_t)(data - own->data) + bytes;
        nn->bumped = own;
    }
}

static void chunks_free(struct um_nn *nn)
{
    for (struct nn_chunk *c = nn->chunk, *next; c; c = next) {
        next = c->next;
        nn->k->free(nn->dev, c->data);
        free(c);
    }
    nn->chunk = nn->bumped = NULL;
    nn->held               = 0;
}

static int chunks(const struct um_nn *nn)
{
    int n = 0;

    for (const struct nn_chunk *c = nn->chunk; c; c = c->next)
        n++;
    return n;
}

/* all of it free again, in a few pieces or one */
static int chunks_reset(struct um_nn *nn)
{
    if (chunks(nn) > FEW) {
        chunks_free(nn);
        if (!chunk_new(nn, nn->made, false))
            return um_nn_status(nn);
    }
    rewind_to(nn, NULL, 0, 0, NULL);
    for (nn->bumped = nn->chunk; nn->bumped && nn->bumped->large;)
        nn->bumped = nn->bumped->next;
    return UM_OK;
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
    s->held += size;
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
        if (!nn_ok(nn, piece_new(nn, piece_size(s->held, bytes)), "memory of the gradients"))
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
    s->used = s->held = 0;
}

/* All of it free again, in a few pieces or one. An eighth is for what lies between those in use; a
 * block that it was not enough for becomes as large as all pieces together. */
static int store_reset(struct um_nn *nn)
{
    struct nn_store *s    = &nn->store;
    const size_t     held = s->held, most = s->most + s->most / 8;

    if (s->pieces > FEW) {
        store_free(nn);
        UM_TRY(piece_new(nn, s->merged && held > most ? held : most));
        s->merged = true;
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
    nn->status = UM_OK;
    if (chunks(nn) > FEW || nn->store.pieces > FEW)
        UM_TRY(nn->k->sync(nn->dev)); /* work in flight may still use what is freed */
    UM_TRY(store_reset(nn));
    return chunks_reset(nn);
}

size_t um_nn_peak(const struct um_nn *nn)
{
    return nn->made + nn->store.most;
}

size_t um_nn_held(const struct um_nn *nn)
{
    return nn->held + nn->store.held;
}
