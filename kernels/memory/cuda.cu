/* cuda.cu - device memory and copies
 *
 * The host waits in sync and download, nowhere else. What goes up is copied to pinned memory first,
 * pieces used in turn, so that neither the caller's memory nor the device's queue is waited for;
 * small things that come down land in pinned memory, and a sync hands them out. Large ones that are
 * given early (stage) go up on a stream of their own, beside what computes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/cuda.h"

#include <stdlib.h>
#include <string.h>

extern "C" {
#include "kernels/memory/memory.h"
UM_MEMORY_OPS(UM_DECLARE, cuda)
UM_STAGE_OPS(UM_DECLARE, cuda)
}

enum { PIECES = 8, LANDINGS = 1024 };
static const size_t PIECE = (size_t)8 << 20, LANDING = (size_t)1 << 20, ALIGN = 256;

struct piece {
    char       *data;
    cudaEvent_t done; /* its last copy is */
    bool        busy; /* since the last sync it was left with copies in flight */
};

/* bytes that come down: from pinned memory to where they were asked for */
struct landing {
    void  *host;
    size_t from, n;
};

struct block {
    void  *p;
    size_t n;
};

struct um_cuda_moves {
    struct piece   piece[PIECES];
    int            at;   /* the piece in use */
    size_t         used; /* bytes of it */
    cudaStream_t   beside;
    cudaEvent_t    staged; /* the last copy of it is done */
    bool           behind; /* the device's stream does not wait for it yet */
    char          *land;   /* LANDING bytes, and behind them the flag's place */
    size_t         landed;
    struct landing landing[LANDINGS];
    int            landings, marked; /* how many; the first of them that `fetched` is behind */
    cudaEvent_t    fetched;
    struct block  *block; /* all that is allocated */
    int            blocks, room;
    size_t         now, peak, wanted;
};

/* ---- opening and closing ---- */

int um_cuda_moves_open(struct um_cuda *c)
{
    struct um_cuda_moves *m = (struct um_cuda_moves *)calloc(1, sizeof *m);

    if (!m)
        return um_fail(UM_ENOMEM, "out of memory");
    c->moves = m;
    UM_TRY(um_cuda_check(cudaStreamCreateWithFlags(&m->beside, cudaStreamNonBlocking), "stream"));
    UM_TRY(um_cuda_check(cudaEventCreateWithFlags(&m->staged, cudaEventDisableTiming), "event"));
    UM_TRY(um_cuda_check(cudaEventCreateWithFlags(&m->fetched, cudaEventDisableTiming), "event"));
    return um_cuda_check(
        cudaHostAlloc((void **)&m->land, LANDING + sizeof(int), cudaHostAllocDefault),
        "pinned memory");
}

void um_cuda_moves_close(struct um_cuda *c)
{
    struct um_cuda_moves *m = c->moves;

    if (!m)
        return;
    if (m->beside) {
        (void)cudaStreamSynchronize(m->beside);
        (void)cudaStreamDestroy(m->beside);
    }
    if (m->staged)
        (void)cudaEventDestroy(m->staged);
    if (m->fetched)
        (void)cudaEventDestroy(m->fetched);
    for (int i = 0; i < PIECES; i++) {
        if (m->piece[i].done)
            (void)cudaEventDestroy(m->piece[i].done);
        if (m->piece[i].data)
            (void)cudaFreeHost(m->piece[i].data);
    }
    if (m->land)
        (void)cudaFreeHost(m->land);
    free(m->block);
    free(m);
    c->moves = NULL;
}

/* ---- memory ---- */

static int note(struct um_cuda_moves *m, void *p, size_t n)
{
    if (m->blocks == m->room) {
        struct block *more =
            (struct block *)realloc(m->block, (size_t)(m->room + 256) * sizeof *more);

        if (!more)
            return um_fail(UM_ENOMEM, "out of memory");
        m->block = more;
        m->room += 256;
    }
    m->block[m->blocks].p   = p;
    m->block[m->blocks++].n = n;
    m->now += n;
    m->peak = m->now > m->peak ? m->now : m->peak;
    return UM_OK;
}

/* where there is too little, graphs make room; free_bytes, total: what there was then */
static cudaError_t take(struct um_dev *dev, size_t n, void **p, size_t *free_bytes, size_t *total)
{
    cudaError_t e;

    do {
        e = cudaMalloc(p, n ? n : 1);
        if (e != cudaErrorMemoryAllocation)
            return e;
        (void)cudaGetLastError(); /* it does not stay */
        (void)cudaMemGetInfo(free_bytes, total);
    } while (um_cuda_forget(dev, n > *free_bytes ? n - *free_bytes : 0));
    return e;
}

extern "C" int um_cuda_alloc(struct um_dev *dev, size_t n, void **p)
{
    struct um_cuda_moves *m          = um_cuda_of(dev)->moves;
    size_t                free_bytes = 0, total = 0;

    *p = NULL;
    UM_TRY(um_cuda_use(dev));
    const cudaError_t e = take(dev, n, p, &free_bytes, &total);

    if (e == cudaSuccess) {
        const int st = note(m, *p, n);

        if (st < 0) {
            (void)cudaFree(*p);
            *p = NULL;
        }
        return st;
    }
    *p = NULL;
    if (e != cudaErrorMemoryAllocation)
        return um_cuda_check(e, "alloc");
    m->wanted = n;
    return um_fail(UM_ENOMEM, "%s: %zu bytes wanted, %zu free of %zu", dev->name, n, free_bytes,
                   total);
}

extern "C" void um_cuda_free(struct um_dev *dev, void *p)
{
    struct um_cuda_moves *m = um_cuda_of(dev)->moves;

    (void)um_cuda_stream(dev);
    for (int i = m->blocks - 1; p && i >= 0; i--)
        if (m->block[i].p == p) {
            m->now -= m->block[i].n;
            m->block[i] = m->block[--m->blocks];
            break;
        }
    (void)cudaFree(p);
}

extern "C" int um_cuda_memory(struct um_dev *dev, struct um_memory *out)
{
    const struct um_cuda_moves *m = um_cuda_of(dev)->moves;

    UM_TRY(um_cuda_use(dev));
    out->now    = m->now;
    out->peak   = m->peak;
    out->wanted = m->wanted;
    return um_cuda_check(cudaMemGetInfo(&out->free, &out->total), "memory");
}

extern "C" int um_cuda_zero(struct um_dev *dev, void *p, size_t n)
{
    if (n == 0)
        return UM_OK;
    um_ask_zero(dev, p, n);
    return um_cuda_launched(dev, "zero");
}

/* ---- up ---- */

/* the next piece, empty; waits for the copies from it, PIECES - 1 pieces ago */
static int next_piece(struct um_dev *dev, struct um_cuda_moves *m)
{
    struct piece *p = &m->piece[m->at];

    if (p->data && m->used > 0) {
        UM_TRY(um_cuda_check(cudaEventRecord(p->done, um_cuda_stream(dev)), "upload"));
        p->busy = true;
        m->at   = (m->at + 1) % PIECES;
        p       = &m->piece[m->at];
    }
    m->used = 0;
    UM_TRY(um_cuda_use(dev)); /* an event is the current GPU's, and no other's stream takes it */
    if (!p->done)
        UM_TRY(um_cuda_check(cudaEventCreateWithFlags(&p->done, cudaEventDisableTiming), "event"));
    if (!p->data)
        UM_TRY(um_cuda_check(cudaHostAlloc((void **)&p->data, PIECE, cudaHostAllocDefault),
                             "pinned memory"));
    if (p->busy)
        UM_TRY(um_cuda_check(cudaEventSynchronize(p->done), "upload"));
    p->busy = false;
    return UM_OK;
}

extern "C" int um_cuda_upload(struct um_dev *dev, void *dst, const void *host, size_t n)
{
    struct um_cuda_moves *m = um_cuda_of(dev)->moves;

    for (size_t i = 0, part; i < n; i += part) {
        if (!m->piece[m->at].data || m->used == PIECE)
            UM_TRY(next_piece(dev, m));
        part     = n - i < PIECE - m->used ? n - i : PIECE - m->used;
        char *at = m->piece[m->at].data + m->used;
        memcpy(at, (const char *)host + i, part);
        um_ask_copy(dev, (char *)dst + i, at, part, cudaMemcpyHostToDevice);
        m->used += (part + ALIGN - 1) / ALIGN * ALIGN;
    }
    return um_cuda_launched(dev, "upload");
}

extern "C" int um_cuda_stage(struct um_dev *dev, void *dst, const void *host, size_t n)
{
    struct um_cuda_moves *m = um_cuda_of(dev)->moves;

    if (n == 0)
        return UM_OK;
    UM_TRY(um_cuda_use(dev));
    UM_TRY(
        um_cuda_check(cudaMemcpyAsync(dst, host, n, cudaMemcpyHostToDevice, m->beside), "stage"));
    m->behind = true;
    return um_cuda_check(cudaEventRecord(m->staged, m->beside), "stage");
}

int um_cuda_staged(struct um_cuda *c)
{
    struct um_cuda_moves *m = c->moves;

    if (!m || !m->behind)
        return UM_OK;
    m->behind = false;
    return um_cuda_check(cudaStreamWaitEvent(c->stream, m->staged, 0), "stage");
}

extern "C" int um_cuda_pin(struct um_dev *dev, void *host, size_t n)
{
    UM_TRY(um_cuda_use(dev));
    const cudaError_t e = cudaHostRegister(host, n, cudaHostRegisterDefault);

    if (e != cudaSuccess)
        (void)cudaGetLastError(); /* copies from it are slower, no more */
    return um_cuda_check(e, "pin");
}

extern "C" void um_cuda_unpin(struct um_dev *dev, void *host)
{
    (void)um_cuda_use(dev);
    if (cudaHostUnregister(host) != cudaSuccess)
        (void)cudaGetLastError(); /* it was not pinned */
}

/* ---- down ---- */

extern "C" int um_cuda_fetch(struct um_dev *dev, void *host, const void *src, size_t n)
{
    struct um_cuda_moves *m = um_cuda_of(dev)->moves;

    if (n == 0)
        return UM_OK;
    if (n > LANDING) { /* into pageable memory: the call itself waits */
        UM_TRY(um_cuda_comm_wait(dev));
        return um_cuda_check(
            cudaMemcpyAsync(host, src, n, cudaMemcpyDeviceToHost, um_cuda_stream(dev)), "fetch");
    }
    if (m->landings == LANDINGS || n > LANDING - m->landed)
        UM_TRY(um_cuda_sync(dev));
    um_ask_copy(dev, m->land + m->landed, src, n, cudaMemcpyDeviceToHost);
    m->landing[m->landings].host = host;
    m->landing[m->landings].from = m->landed;
    m->landing[m->landings++].n  = n;
    m->landed += (n + ALIGN - 1) / ALIGN * ALIGN;
    return um_cuda_launched(dev, "fetch");
}

extern "C" int um_cuda_download(struct um_dev *dev, void *host, const void *src, size_t n)
{
    UM_TRY(um_cuda_fetch(dev, host, src, n));
    return um_cuda_sync(dev);
}

/* the first n of what came down, to where it was asked for, once */
static void hand_out(struct um_cuda_moves *m, int n)
{
    for (int i = 0; i < n; i++) {
        memcpy(m->landing[i].host, m->land + m->landing[i].from, m->landing[i].n);
        m->landing[i].n = 0;
    }
    m->marked = 0;
}

extern "C" int um_cuda_mark(struct um_dev *dev)
{
    struct um_cuda_moves *m = um_cuda_of(dev)->moves;

    UM_TRY(um_cuda_check(cudaEventRecord(m->fetched, um_cuda_stream(dev)), "fetch"));
    m->marked = m->landings;
    return um_cuda_launched(dev, "fetch");
}

extern "C" int um_cuda_wait(struct um_dev *dev)
{
    struct um_cuda_moves *m = um_cuda_of(dev)->moves;

    if (m->marked == 0) /* a sync came before */
        return UM_OK;
    (void)um_cuda_submit(dev); /* the device has work to go on with */
    UM_TRY(um_cuda_launched(dev, "wait"));
    UM_TRY(um_cuda_comm_wait(dev));
    UM_TRY(um_cuda_check(cudaEventSynchronize(m->fetched), "wait"));
    hand_out(m, m->marked);
    um_cuda_idle(dev);
    return UM_OK;
}

/* the failure of a request. What others do to the host's memory ends before it is told, unless they
 * may wait for ranks that never come */
static int lost(struct um_cuda *c)
{
    const int st = um_cuda_launched(&c->dev, "sync");

    if (st < 0 && !c->comm)
        (void)cudaStreamSynchronize(c->stream);
    return st;
}

extern "C" int um_cuda_sync(struct um_dev *dev)
{
    struct um_cuda       *c    = um_cuda_of(dev);
    struct um_cuda_moves *m    = c->moves;
    int                  *flag = (int *)(m->land + LANDING);
    const int             n    = m->landings;

    m->landings = m->marked = 0;
    m->landed               = 0;
    (void)um_cuda_submit(dev);
    UM_TRY(lost(c));
    UM_TRY(um_cuda_comm_wait(dev));
    UM_TRY(um_cuda_check(
        cudaMemcpyAsync(flag, c->flag, sizeof *flag, cudaMemcpyDeviceToHost, um_cuda_stream(dev)),
        "sync"));
    UM_TRY(um_cuda_check(cudaStreamSynchronize(c->stream), "sync"));
    um_cuda_idle(dev);
    hand_out(m, n);
    for (int i = 0; i < PIECES; i++) /* all of it has been copied */
        m->piece[i].busy = false;
    m->at   = 0;
    m->used = 0;
    if (*flag) {
        UM_TRY(um_cuda_zero(dev, c->flag, sizeof *flag));
        return um_fail(UM_ERANGE, "cuda: an id or target lies outside its table");
    }
    return UM_OK;
}
