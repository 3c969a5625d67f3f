/* graph.cu - runs of requests that come again, each as one CUDA graph
 *
 * A run seen for the first time is only remembered by its hash, so shapes that come once cost
 * nothing; at the second time the stream is captured while the requests are started, which by then
 * have loaded their kernels and made their plans. Where any of it fails, the run is started as it
 * is, now and from then on. The graphs used last are kept, up to NODES requests in all: a card is
 * said to hold some 10 KiB for each, and 64 before CUDA 12.4.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "kernels/cuda.h"
#include "kernels/plans.h"

enum { GRAPHS = 512, NODES = 1 << 14, FEWEST = 1024, A_NODE = 1 << 16, LATELY = 16 };
enum { SEEN = 1024, WAYS = 4 };

struct graph {
    uint64_t         used; /* when it was last */
    int              n;
    size_t           size;
    struct um_ask   *ask;   /* n: what must be the same */
    unsigned char   *bytes; /* size: as they are set now */
    cudaGraphNode_t *node;  /* n: that of a request whose arguments can be set, or NULL */
    cudaGraph_t      graph;
    cudaGraphExec_t  exec;
};

/* hashes of runs that came once, or of those that make no graph */
struct seen {
    uint64_t hash;
    bool     never;
};

struct um_graphs {
    int               least, graphs, nodes, most; /* requests in all, and how many are kept */
    uint64_t          clock;                      /* runs so far */
    struct um_repeats counts;
    uint64_t          hash[GRAPHS]; /* of each graph */
    struct graph     *graph[GRAPHS];
    struct seen       seen[SEEN][WAYS];
};

int um_graphs_open(struct um_graphs **g, int least)
{
    *g = (struct um_graphs *)calloc(1, sizeof **g);
    if (!*g)
        return um_fail(UM_ENOMEM, "out of memory");
    (*g)->least = least;
    (*g)->most  = NODES;
    return UM_OK;
}

static void drop(struct graph *x)
{
    if (x->exec)
        (void)cudaGraphExecDestroy(x->exec);
    if (x->graph)
        (void)cudaGraphDestroy(x->graph);
    free(x->ask);
    free(x->bytes);
    free(x->node);
    free(x);
}

static void forget(struct um_graphs *g, int i)
{
    g->nodes -= g->graph[i]->n;
    drop(g->graph[i]);
    g->graphs--;
    g->graph[i] = g->graph[g->graphs];
    g->hash[i]  = g->hash[g->graphs];
}

void um_graphs_close(struct um_graphs *g)
{
    while (g && g->graphs > 0)
        forget(g, 0);
    free(g);
}

bool um_graphs_forget(struct um_graphs *g, size_t bytes)
{
    if (g->graphs == 0 || (size_t)g->nodes * A_NODE < bytes)
        return false;
    g->most = g->nodes / 2 > FEWEST ? g->nodes / 2 : FEWEST;
    while (g->graphs > 0)
        forget(g, 0);
    return true;
}

/* Room for n requests more, which may be that of the graph not used for longest. Where more runs
 * come round than are kept, those that are kept stay, and the others are started as they are: if
 * each made room for the next, all would be captured, time and again. */
static bool room(struct um_graphs *g, int n)
{
    while (g->graphs == GRAPHS || g->nodes + n > g->most) {
        int oldest = 0;

        for (int i = 1; i < g->graphs; i++)
            if (g->graph[i]->used < g->graph[oldest]->used)
                oldest = i;
        if (g->graphs == 0 || g->clock - g->graph[oldest]->used < LATELY * (uint64_t)g->graphs)
            return false;
        forget(g, oldest);
    }
    return true;
}

/* ---- finding ---- */

/* of all that must be the same: the requests, and what calls are called with */
static uint64_t hash_of(const struct um_queue *q)
{
    uint64_t h = um_plans_hash(q->ask, (size_t)q->n * sizeof *q->ask);

    for (int i = 0; i < q->n; i++)
        if (q->ask[i].kind == UM_ASK_CALL)
            h = h * 31 + um_plans_hash(q->bytes + q->ask[i].at, q->ask[i].bytes);
    return h;
}

static bool fits(const struct graph *x, const struct um_queue *q)
{
    if (x->n != q->n || memcmp(x->ask, q->ask, (size_t)q->n * sizeof *q->ask) != 0)
        return false;
    for (int i = 0; i < q->n; i++)
        if (q->ask[i].kind == UM_ASK_CALL &&
            memcmp(x->bytes + q->ask[i].at, q->bytes + q->ask[i].at, q->ask[i].bytes) != 0)
            return false;
    return true;
}

static int find(const struct um_graphs *g, uint64_t hash, const struct um_queue *q)
{
    for (int i = 0; i < g->graphs; i++)
        if (g->hash[i] == hash && fits(g->graph[i], q))
            return i;
    return -1;
}

/* the hash's place among those seen; one that is new has the first of its row, whose last goes */
static struct seen *seen_of(struct um_graphs *g, uint64_t hash)
{
    struct seen *s = g->seen[hash % SEEN];

    for (int i = 0; i < WAYS; i++)
        if (s[i].hash == hash)
            return &s[i];
    memmove(s + 1, s, (WAYS - 1) * sizeof *s);
    s->hash  = 0;
    s->never = false;
    return s;
}

/* has it been here before, and may it become a graph? */
static bool again(struct um_graphs *g, uint64_t hash)
{
    struct seen *s      = seen_of(g, hash);
    const bool   before = s->hash == hash;

    s->hash = hash;
    return before && !s->never;
}

static void never(struct um_graphs *g, uint64_t hash)
{
    struct seen *s = seen_of(g, hash);

    s->hash  = hash;
    s->never = true;
    (void)cudaGetLastError(); /* it is no launch's */
}

/* ---- making one ---- */

/* what was captured last, NULL where that is not one node */
static cudaGraphNode_t last_node(cudaStream_t stream)
{
    enum cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    const cudaGraphNode_t       *last   = NULL;
    size_t                       n      = 0;
    cudaError_t                  e;

#if CUDART_VERSION >= 13000
    e = cudaStreamGetCaptureInfo(stream, &status, NULL, NULL, &last, NULL, &n);
#else
    e = cudaStreamGetCaptureInfo(stream, &status, NULL, NULL, &last, &n);
#endif
    return e == cudaSuccess && status == cudaStreamCaptureStatusActive && n == 1 ? last[0] : NULL;
}

/* a request's node, NULL where it is not one node that can be set later */
static cudaGraphNode_t node_of(cudaStream_t stream, const struct um_ask *a,
                               const unsigned char *bytes)
{
    const cudaGraphNode_t   node = last_node(stream);
    struct cudaMemsetParams m;
    void                   *to;

    if (!node || a->kind != UM_ASK_ZERO)
        return node;
    memcpy(&to, bytes + a->at, sizeof to);
    return cudaGraphMemsetNodeGetParams(node, &m) == cudaSuccess && m.dst == to ? node : NULL;
}

/* the requests go into x->graph instead of to the device */
static bool capture(struct um_cuda *c, struct graph *x, const struct um_queue *q)
{
    bool good = true;

    if (cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeRelaxed) != cudaSuccess)
        return false;
    for (int i = 0; i < q->n && good; i++) {
        good = um_ask_start(c, q, i) >= 0;
        if (good && q->ask[i].kind != UM_ASK_CALL)
            good = (x->node[i] = node_of(c->stream, &q->ask[i], q->bytes)) != NULL;
    }
    /* asked in any case: the stream must be as it was */
    return (cudaStreamEndCapture(c->stream, &x->graph) == cudaSuccess) & good && x->graph;
}

static struct graph *graph_new(struct um_cuda *c, const struct um_queue *q)
{
    const size_t  n = (size_t)q->n;
    struct graph *x = (struct graph *)calloc(1, sizeof *x);

    if (!x)
        return NULL;
    x->n     = q->n;
    x->size  = q->used;
    x->ask   = (struct um_ask *)malloc(n * sizeof *x->ask);
    x->bytes = (unsigned char *)malloc(q->used + 1);
    x->node  = (cudaGraphNode_t *)calloc(n, sizeof(cudaGraphNode_t));
    if (x->ask && x->bytes && x->node) {
        memcpy(x->ask, q->ask, n * sizeof *x->ask);
        memcpy(x->bytes, q->bytes, q->used);
        if (capture(c, x, q) && cudaGraphInstantiate(&x->exec, x->graph, 0) == cudaSuccess)
            return x;
    }
    drop(x);
    return NULL;
}

/* ---- setting what differs ---- */

static cudaError_t set_kernel(struct graph *x, int i, const unsigned char *bytes)
{
    const struct um_ask        *a = &x->ask[i];
    void                       *arg[UM_ASK_ARGS];
    struct cudaKernelNodeParams p;

    um_ask_args(a, bytes, arg);
    p                = cudaKernelNodeParams();
    p.func           = (void *)a->what;
    p.gridDim        = dim3(a->grid[0], a->grid[1], a->grid[2]);
    p.blockDim       = dim3(a->block[0], a->block[1], a->block[2]);
    p.sharedMemBytes = (unsigned)a->n;
    p.kernelParams   = arg;
    return cudaGraphExecKernelNodeSetParams(x->exec, x->node[i], &p);
}

static cudaError_t set_node(struct graph *x, int i, const unsigned char *bytes)
{
    const struct um_ask    *a = &x->ask[i];
    struct cudaMemsetParams m;
    void                   *p[2];
    cudaError_t             e;

    if (a->kind == UM_ASK_KERNEL)
        return set_kernel(x, i, bytes);
    memcpy(p, bytes + a->at, sizeof p);
    if (a->kind == UM_ASK_COPY)
        return cudaGraphExecMemcpyNodeSetParams1D(x->exec, x->node[i], p[0], p[1], a->n,
                                                  (enum cudaMemcpyKind)a->direction);
    if ((e = cudaGraphMemsetNodeGetParams(x->node[i], &m)) != cudaSuccess)
        return e;
    m.dst = p[0];
    return cudaGraphExecMemsetNodeSetParams(x->exec, x->node[i], &m);
}

static bool set(struct graph *x, const struct um_queue *q)
{
    for (int i = 0; i < q->n; i++) {
        const struct um_ask *a = &q->ask[i];

        if (a->kind == UM_ASK_CALL || memcmp(x->bytes + a->at, q->bytes + a->at, a->bytes) == 0)
            continue;
        if (set_node(x, i, q->bytes) != cudaSuccess)
            return false;
        memcpy(x->bytes + a->at, q->bytes + a->at, a->bytes);
    }
    return true;
}

/* ---- running ---- */

bool um_graphs_ran(struct um_cuda *c, struct um_graphs *g, const struct um_queue *q)
{
    struct graph *x;
    uint64_t      hash;
    int           i;

    g->counts.asked += (uint64_t)q->n;
    if (q->n < g->least)
        return false;
    g->clock++;
    hash = hash_of(q);
    if ((i = find(g, hash, q)) < 0) {
        if (!again(g, hash) || !room(g, q->n))
            return false;
        if (!(x = graph_new(c, q))) {
            never(g, hash);
            return false;
        }
        i           = g->graphs++;
        g->graph[i] = x;
        g->hash[i]  = hash;
        g->nodes += x->n;
        g->counts.captured++;
    }
    x       = g->graph[i];
    x->used = g->clock;
    if (!set(x, q) || cudaGraphLaunch(x->exec, c->stream) != cudaSuccess) {
        forget(g, i);
        never(g, hash);
        return false;
    }
    g->counts.repeated += (uint64_t)q->n;
    return true;
}

struct um_repeats um_graphs_repeats(const struct um_graphs *g)
{
    return g->counts;
}
