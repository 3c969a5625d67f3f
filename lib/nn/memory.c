/* memory.c - device memory of a step: bumped, given back whole, merged so that it grows only once
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "nn/nn_int.h"

enum { ALIGN = 256, FIRST = 1 << 20 };

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

void *nn_alloc(struct um_nn *nn, size_t bytes)
{
    struct nn_chunk *c = nn->chunk;

    if (nn->status < 0)
        return NULL;
    if (bytes > SIZE_MAX / 4) {
        (void)um_nn_fail(nn, UM_ENOMEM, "a variable of %zu bytes", bytes);
        return NULL;
    }
    bytes = bytes ? (bytes + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    if (!c || c->size - c->used < bytes) {
        size_t size = c ? 2 * c->size : FIRST;

        size = size < bytes ? bytes : size;
        if (!nn_ok(nn, chunk_new(nn, size), "memory of the step"))
            return NULL;
        c = nn->chunk;
    }
    c->used += bytes;
    return c->data + c->used - bytes;
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
    for (struct nn_chunk *c = nn->chunk, *next; c; c = next) {
        next = c->next;
        nn->k->free(nn->dev, c->data);
        free(c);
    }
    nn->chunk = NULL;
}

int nn_memory_reset(struct um_nn *nn)
{
    size_t used = 0;

    if (!nn->chunk)
        return UM_OK;
    if (!nn->chunk->next) {
        nn->chunk->used = 0;
        return UM_OK;
    }
    for (const struct nn_chunk *c = nn->chunk; c; c = c->next)
        used += c->used;
    UM_TRY(nn->k->sync(nn->dev)); /* work in flight may still use what is freed */
    nn_memory_free(nn);
    return chunk_new(nn, used + used / 8); /* a step like the last one fits */
}
