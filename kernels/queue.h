/* queue.h - what is asked of the device's stream, and the graphs that repeat it
 *
 * An operation asks for its kernels (um_launch) and returns; what was asked for goes to the stream
 * a hundred and more at a time (fewer after a wait, for the device is idle until they come), or as
 * soon as somebody waits or uses the stream himself. A run of requests that has been seen before is
 * captured in a CUDA graph, and from then on is one launch: arguments of kernels, and addresses of
 * copies, that differ from the last time (the step of dropout, a learning rate, a batch's place)
 * are set in the graph's nodes. All else, the kernels, their grids, the order, what a library is
 * called with, is compared byte by byte, and a run that no graph fits is started request by
 * request. So no operation knows of graphs, none can be stale, and the bits are the same with and
 * without.
 *
 *     um_launch(dev, add_all<V, T>, um_cuda_grid(dev, n, V * 256), 256, 0, y, a, b, n);
 *     return um_cuda_launched(dev, "add");
 *
 * UM_GRAPH=0: every request is started at once, as when an error is looked for; UM_GRAPH=n: graphs
 * of n requests or more, 8 by default. Host only; a device belongs to one thread at a time.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_QUEUE_H
#define UM_KERNELS_QUEUE_H

#include <cuda_runtime.h>
#include <stdint.h>
#include <string.h>
#include <type_traits>

#include "kernels/known.h"

extern "C" {
#include "kernels/backend.h"
}

struct um_cuda;

enum {
    UM_ASKS      = 256,      /* requests that wait at most */
    UM_ASKS_IDLE = 64,       /* while the device has nothing to do */
    UM_ASK_BYTES = 96 << 10, /* of their arguments */
    UM_ASK_MOST  = 4096,     /* of one's */
    UM_ASK_ARGS  = 32
};

enum um_ask_kind { UM_ASK_KERNEL, UM_ASK_ZERO, UM_ASK_COPY, UM_ASK_CALL };

/* A request. All of it must be the same for a graph to fit, so it is zeroed first. Its arguments
 * lie `at` bytes into the queue's:
 *   kernel  the offset of each argument (uint16), then, from the next multiple of 16, those
 *   zero    void *to                  copy  void *to; const void *from
 *   call    a struct of the caller's, without a hole: it must be the same too */
struct um_ask {
    int32_t     kind;
    uint32_t    args;              /* kernel: how many */
    uint32_t    grid[3], block[3]; /* kernel */
    uint64_t    n;                 /* kernel: dynamic shared memory; zero, copy: bytes */
    uint32_t    at, bytes;
    int32_t     direction; /* copy: enum cudaMemcpyKind */
    int32_t     hole;
    const void *what; /* the kernel or the call */
};

/* what a library is called for: puts its work on c->stream, now or into a graph; more than once */
typedef int um_ask_fn(struct um_cuda *c, const void *args);

struct um_graphs;

struct um_queue {
    int               n, most; /* requests; submitted when there are `most` */
    int               idle;    /* what `most` is when the device has done all it was given */
    int               named;   /* so many have a name */
    size_t            used;
    bool              busy;   /* being submitted: what a call asks of the stream goes there */
    int               status; /* the first failure that nobody was told of */
    char              text[UM_ERRMSG_MAX];
    struct um_graphs *graphs; /* NULL: none */
    struct um_ask     ask[UM_ASKS];
    const char       *name[UM_ASKS]; /* for a message, or NULL */
    alignas(16) unsigned char bytes[UM_ASK_BYTES];
};

/* the queue of a device that has a stream. UM_ENOMEM. Closing drops what waits; takes NULL */
int  um_queue_open(struct um_cuda *c);
void um_queue_close(struct um_cuda *c);

/* um_cuda_submit - what waits goes to the stream. A failure is said here and by the next
 * um_cuda_launched or sync */
int um_cuda_submit(struct um_dev *dev);

/* um_cuda_idle - the host has waited for the device: what comes next is not to wait for long */
void um_cuda_idle(struct um_dev *dev);

/* um_cuda_forget - waits, and gives back the device's memory that graphs hold, where that may be so
 * many bytes; fewer are kept from then on. False: it was not */
bool um_cuda_forget(struct um_dev *dev, size_t bytes);

/* UM_OK, or the first failure of what was asked for so far; `what` names the requests since the
 * last call in its message, also if it comes later */
int um_cuda_launched(struct um_dev *dev, const char *what);

/* a request with room for `bytes` of arguments, zeroed, at *args; um_ask_done once they are there
 */
struct um_ask *um_ask(struct um_dev *dev, enum um_ask_kind kind, const void *what, size_t bytes,
                      unsigned char **args);
void           um_ask_done(struct um_dev *dev);

/* p[0..n) = 0; to[0..n) = from[0..n), host memory being pinned and as it is until the stream is
 * there; a library's call. n > 0 */
void um_ask_zero(struct um_dev *dev, void *p, size_t n);
void um_ask_copy(struct um_dev *dev, void *to, const void *from, size_t n,
                 enum cudaMemcpyKind direction);
void um_ask_call(struct um_dev *dev, um_ask_fn *call, const void *args, size_t bytes);

/* starts request i of the queue on c->stream */
int um_ask_start(struct um_cuda *c, const struct um_queue *q, int i);
/* arg: the addresses of a kernel's arguments. The launch, its shared memory and all */
void um_ask_args(const struct um_ask *a, const unsigned char *bytes, void *arg[UM_ASK_ARGS]);

/* the next argument, as the kernel's parameter type has it */
template <typename P>
static inline size_t um_ask_put(unsigned char *to, uint16_t *offset, size_t at, P v)
{
    static_assert(std::is_trivially_copyable<P>::value && alignof(P) <= 16, "an argument's bytes");
    at = (at + alignof(P) - 1) / alignof(P) * alignof(P);
    memcpy(to + at, &v, sizeof v);
    *offset = (uint16_t)at;
    return at + sizeof v;
}

/* kernel<<<grid, block, shared>>>(a...), after what was asked for before */
template <typename... P, typename... A>
static inline void um_launch(struct um_dev *dev, void (*kernel)(P...), dim3 grid, dim3 block,
                             size_t shared, A... a)
{
    constexpr size_t n = sizeof...(P), head = (2 * n + 15) / 16 * 16;
    constexpr size_t bytes = head + (0 + ... + (sizeof(P) + alignof(P)));
    static_assert(n == sizeof...(A), "as many arguments as the kernel has parameters");
    static_assert(n <= UM_ASK_ARGS && bytes <= UM_ASK_MOST, "too many arguments");
    unsigned char *args;
    struct um_ask *ask    = um_ask(dev, UM_ASK_KERNEL, (const void *)kernel, bytes, &args);
    uint16_t      *offset = (uint16_t *)args;
    size_t         at     = head;

    um_known(kernel);
    ask->args    = n;
    ask->n       = shared;
    ask->grid[0] = grid.x, ask->grid[1] = grid.y, ask->grid[2] = grid.z;
    ask->block[0] = block.x, ask->block[1] = block.y, ask->block[2] = block.z;
    ((at = um_ask_put<P>(args, offset++, at, a)), ...);
    um_ask_done(dev);
}

/* ---- graphs: kernels/graph.cu ---- */

/* least: requests of a graph. UM_ENOMEM; closing takes NULL */
int  um_graphs_open(struct um_graphs **g, int least);
void um_graphs_close(struct um_graphs *g);
/* true: the queue's requests have been launched as a graph; false: nothing was, start each */
bool um_graphs_ran(struct um_cuda *c, struct um_graphs *g, const struct um_queue *q);
/* all of them go, and half as many requests are kept from then on; false: they hold less than that
 * many bytes of the device's memory */
bool um_graphs_forget(struct um_graphs *g, size_t bytes);
/* since they were opened */
struct um_repeats um_graphs_repeats(const struct um_graphs *g);

#endif
