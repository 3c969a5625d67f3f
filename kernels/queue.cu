/* queue.cu - requests wait together and are started together */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/queue.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/cuda.h"

extern "C" {
#include "kernels/memory/memory.h"
UM_STAGE_OPS(UM_DECLARE, cuda)
}

/* ---- opening and closing ---- */

/* UM_GRAPH: the least requests of a graph, 0: no graphs */
static int least_of_graph(void)
{
    const char *s = getenv("UM_GRAPH");
    char       *end;
    const long  n = s ? strtol(s, &end, 10) : 0;

    return !s || end == s || *end || n < 0 ? 8 : n > UM_ASKS ? UM_ASKS : (int)n;
}

int um_queue_open(struct um_cuda *c)
{
    const int        least = least_of_graph();
    struct um_queue *q     = (struct um_queue *)aligned_alloc(64, (sizeof *q + 63) / 64 * 64);

    if (!q)
        return um_fail(UM_ENOMEM, "out of memory");
    memset(q, 0, offsetof(struct um_queue, ask));
    q->idle  = least == 0 ? 1 : least > UM_ASKS_IDLE ? least : UM_ASKS_IDLE;
    q->most  = q->idle;
    c->queue = q;
    return least > 0 ? um_graphs_open(&q->graphs, least) : UM_OK;
}

void um_queue_close(struct um_cuda *c)
{
    if (c->queue)
        um_graphs_close(c->queue->graphs);
    free(c->queue);
    c->queue = NULL;
}

/* ---- asking ---- */

struct um_ask *um_ask(struct um_dev *dev, enum um_ask_kind kind, const void *what, size_t bytes,
                      unsigned char **args)
{
    const size_t     room = (bytes + 15) / 16 * 16;
    struct um_queue *q    = um_cuda_of(dev)->queue;
    struct um_ask   *a;

    if (q->used + room > UM_ASK_BYTES)
        (void)um_cuda_submit(dev);
    a = &q->ask[q->n];
    memset(a, 0, sizeof *a);
    a->kind  = kind;
    a->what  = what;
    a->at    = (uint32_t)q->used;
    a->bytes = (uint32_t)room;
    *args    = q->bytes + q->used;
    memset(*args, 0, room);
    return a;
}

void um_ask_done(struct um_dev *dev)
{
    struct um_queue *q = um_cuda_of(dev)->queue;

    q->used += q->ask[q->n].bytes;
    q->name[q->n++] = NULL;
    if (q->n == q->most)
        (void)um_cuda_submit(dev);
}

void um_ask_zero(struct um_dev *dev, void *p, size_t n)
{
    unsigned char *args;
    struct um_ask *a = um_ask(dev, UM_ASK_ZERO, NULL, sizeof p, &args);

    a->n = n;
    memcpy(args, &p, sizeof p);
    um_ask_done(dev);
}

void um_ask_copy(struct um_dev *dev, void *to, const void *from, size_t n,
                 enum cudaMemcpyKind direction)
{
    const void *const both[] = { to, from };
    unsigned char    *args;
    struct um_ask    *a = um_ask(dev, UM_ASK_COPY, NULL, sizeof both, &args);

    a->n         = n;
    a->direction = direction;
    memcpy(args, both, sizeof both);
    um_ask_done(dev);
}

void um_ask_call(struct um_dev *dev, um_ask_fn *call, const void *args, size_t bytes)
{
    unsigned char *to;

    (void)um_ask(dev, UM_ASK_CALL, (const void *)call, bytes, &to);
    memcpy(to, args, bytes);
    um_ask_done(dev);
}

/* ---- starting ---- */

void um_ask_args(const struct um_ask *a, const unsigned char *bytes, void *arg[UM_ASK_ARGS])
{
    const unsigned char *at = bytes + a->at;

    for (uint32_t i = 0; i < a->args; i++) {
        uint16_t offset;

        memcpy(&offset, at + i * sizeof offset, sizeof offset);
        arg[i] = (void *)(at + offset);
    }
}

static cudaError_t start_kernel(struct um_cuda *c, const struct um_ask *a,
                                const unsigned char *bytes)
{
    void *arg[UM_ASK_ARGS];

    um_ask_args(a, bytes, arg);
    return cudaLaunchKernel(a->what, dim3(a->grid[0], a->grid[1], a->grid[2]),
                            dim3(a->block[0], a->block[1], a->block[2]), arg, a->n, c->stream);
}

int um_ask_start(struct um_cuda *c, const struct um_queue *q, int i)
{
    const struct um_ask *a = &q->ask[i];
    void                *p[2];
    cudaError_t          e;

    if (a->kind == UM_ASK_CALL)
        return ((um_ask_fn *)a->what)(c, q->bytes + a->at);
    if (a->kind == UM_ASK_KERNEL) {
        e = start_kernel(c, a, q->bytes);
    } else {
        memcpy(p, q->bytes + a->at, sizeof p);
        e = a->kind == UM_ASK_ZERO
                ? cudaMemsetAsync(p[0], 0, a->n, c->stream)
                : cudaMemcpyAsync(p[0], p[1], a->n, (enum cudaMemcpyKind)a->direction, c->stream);
    }
    if (e == cudaSuccess)
        return UM_OK;
    (void)cudaGetLastError(); /* it is said here, and not of what comes next */
    return um_cuda_check(e, q->name[i] ? q->name[i] : "start");
}

int um_cuda_submit(struct um_dev *dev)
{
    struct um_cuda  *c = um_cuda_of(dev);
    struct um_queue *q = c->queue;
    int              st;

    if (q->busy || q->n == 0)
        return UM_OK;
    q->busy = true;
    st      = um_cuda_use(dev);
    if (st >= 0)
        st = um_cuda_staged(c);
    if (st >= 0 && !(q->graphs && um_graphs_ran(c, q->graphs, q)))
        for (int i = 0; i < q->n && st >= 0; i++)
            st = um_ask_start(c, q, i);
    q->busy = false;
    if (q->n == q->most && q->idle > 1)
        q->most = 2 * q->most < UM_ASKS ? 2 * q->most : UM_ASKS;
    q->n = q->named = 0;
    q->used         = 0;
    if (st < 0 && q->status >= 0) {
        q->status = st;
        (void)snprintf(q->text, sizeof q->text, "%s", um_errmsg());
    }
    return st;
}

void um_cuda_idle(struct um_dev *dev)
{
    struct um_queue *q = um_cuda_of(dev)->queue;

    q->most = q->idle;
}

bool um_cuda_forget(struct um_dev *dev, size_t bytes)
{
    struct um_cuda *c = um_cuda_of(dev);

    return c->queue->graphs && cudaStreamSynchronize(um_cuda_stream(dev)) == cudaSuccess &&
           um_graphs_forget(c->queue->graphs, bytes);
}

int um_cuda_launched(struct um_dev *dev, const char *what)
{
    struct um_queue *q  = um_cuda_of(dev)->queue;
    const int        st = q->status;

    while (q->named < q->n)
        q->name[q->named++] = what;
    if (st >= 0)
        return UM_OK;
    q->status = UM_OK;
    um_seterrmsg(q->text);
    return q->idle > 1 ? st : um_context(st, "%s", what);
}

extern "C" int um_cuda_repeats(struct um_dev *dev, struct um_repeats *r)
{
    const struct um_queue *q = um_cuda_of(dev)->queue;

    memset(r, 0, sizeof *r);
    if (q->graphs)
        *r = um_graphs_repeats(q->graphs);
    return UM_OK;
}
