/* graph.cpp - graphs: what was put into a stream, again, with other arguments if they are set
 *
 * What is launched does not change when a node is set afterwards, as on a card. A node is set to
 * what it was but for its arguments: the same kernel, the same bytes in the same direction.
 * UM_EMU_GRAPH=capture, instantiate, set or launch: that is refused. UM_EMU_NODE=n: an executable
 * graph holds n bytes of the card's memory for each node.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/emu/graph.h"

#include <deque>
#include <stdlib.h>
#include <string.h>
#include <vector>

#include "tests/emu/fiber.h"

typedef std::lock_guard<std::recursive_mutex> guard;

struct CUgraphNode_st {
    std::function<void()> work;
    um_emu::node_kind     kind;
};

struct CUgraph_st {
    std::deque<CUgraphNode_st>   node; /* whose addresses stay */
    std::vector<cudaGraphNode_t> last; /* that of the last, for cudaStreamGetCaptureInfo */
};

struct CUgraphExec_st {
    std::vector<CUgraphNode_st>         node;
    std::vector<const CUgraphNode_st *> from; /* the graph's own */
    void                               *memory = nullptr;
};

using namespace um_emu;

void um_emu::add_node(cudaGraph_t graph, std::function<void()> work, const node_kind &kind)
{
    graph->node.push_back({ std::move(work), kind });
    graph->last.assign(1, &graph->node.back());
}

static bool refused(const char *what)
{
    const char *s = getenv("UM_EMU_GRAPH");

    return s && strcmp(s, what) == 0;
}

/* ---- capturing ---- */

extern "C" cudaError_t CUDARTAPI cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode)
{
    const guard       g(lock);
    cudaGraph_t       graph = new CUgraph_st;
    const cudaError_t e =
        refused("capture") ? failed(cudaErrorNotSupported) : begin_graph(s, graph);

    if (e != cudaSuccess)
        delete graph;
    return e;
}

extern "C" cudaError_t CUDARTAPI cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph)
{
    const guard g(lock);

    *graph = graph_of(s);
    if (!*graph)
        return failed(cudaErrorIllegalState);
    end_graph(*graph);
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaStreamIsCapturing(cudaStream_t                  s,
                                                       enum cudaStreamCaptureStatus *status)
{
    *status = capturing(s) ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaStreamGetCaptureInfo(
    cudaStream_t s, enum cudaStreamCaptureStatus *status, unsigned long long *id,
    cudaGraph_t *graph, const cudaGraphNode_t **last, const cudaGraphEdgeData **edges, size_t *n)
{
    const guard       g(lock);
    const cudaGraph_t of = graph_of(s);

    (void)cudaStreamIsCapturing(s, status);
    if (id)
        *id = (unsigned long long)(uintptr_t)of;
    if (graph)
        *graph = of;
    if (edges)
        *edges = nullptr;
    *last = of ? of->last.data() : nullptr;
    *n    = of ? of->last.size() : 0;
    return cudaSuccess;
}

/* ---- running ---- */

extern "C" cudaError_t CUDARTAPI cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                                      unsigned long long)
{
    const guard g(lock);

    if (refused("instantiate"))
        return failed(cudaErrorMemoryAllocation);
    const char  *s      = getenv("UM_EMU_NODE");
    const size_t size   = s ? graph->node.size() * strtoull(s, nullptr, 10) : 0;
    void        *memory = nullptr;

    if (size > 0 && cudaMalloc(&memory, size) != cudaSuccess)
        return cudaErrorMemoryAllocation;
    *exec           = new CUgraphExec_st;
    (*exec)->memory = memory;
    for (const CUgraphNode_st &node : graph->node) {
        (*exec)->node.push_back(node);
        (*exec)->from.push_back(&node);
    }
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s)
{
    const guard g(lock);

    if (refused("launch"))
        return failed(cudaErrorNotSupported);
    for (const CUgraphNode_st &node : exec->node)
        (void)enqueue(s, node.work, node.kind);
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    if (exec->memory)
        (void)cudaFree(exec->memory);
    delete exec;
    return cudaSuccess;
}

/* ---- setting a node ---- */

static CUgraphNode_st *node_of(cudaGraphExec_t exec, cudaGraphNode_t node, int kind)
{
    for (size_t i = 0; i < exec->from.size(); i++)
        if (exec->from[i] == node)
            return node->kind.kind == kind && !refused("set") ? &exec->node[i] : nullptr;
    return nullptr;
}

extern "C" cudaError_t CUDARTAPI cudaGraphExecKernelNodeSetParams(
    cudaGraphExec_t exec, cudaGraphNode_t node, const struct cudaKernelNodeParams *p)
{
    const guard         g(lock);
    CUgraphNode_st     *to   = node_of(exec, node, node_kind::KERNEL);
    const thread_maker *make = known(p->func);

    if (!to || !make || p->func != node->kind.kernel || !p->kernelParams || p->extra)
        return failed(cudaErrorInvalidValue);
    return grid_work(p->gridDim, p->blockDim, p->sharedMemBytes, (*make)(p->kernelParams),
                     &to->work);
}

extern "C" cudaError_t CUDARTAPI cudaGraphMemsetNodeGetParams(cudaGraphNode_t          node,
                                                              struct cudaMemsetParams *p)
{
    if (node->kind.kind != node_kind::ZERO)
        return failed(cudaErrorInvalidValue);
    memset(p, 0, sizeof *p);
    p->dst         = node->kind.to;
    p->value       = (unsigned)node->kind.value;
    p->elementSize = 1;
    p->width       = node->kind.n;
    p->height      = 1;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaGraphExecMemsetNodeSetParams(cudaGraphExec_t exec,
                                                                  cudaGraphNode_t node,
                                                                  const struct cudaMemsetParams *p)
{
    const guard     g(lock);
    CUgraphNode_st *to  = node_of(exec, node, node_kind::ZERO);
    void           *dst = p->dst;
    const size_t    n   = p->width;
    const int       v   = (int)p->value;

    if (!to || p->elementSize != 1 || p->height != 1 || !on_card(dst, n))
        return failed(cudaErrorInvalidValue);
    to->work = [=] { memset(dst, v, n); };
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaGraphExecMemcpyNodeSetParams1D(cudaGraphExec_t exec,
                                                                    cudaGraphNode_t node, void *dst,
                                                                    const void *src, size_t n,
                                                                    enum cudaMemcpyKind direction)
{
    const guard           g(lock);
    CUgraphNode_st       *to   = node_of(exec, node, node_kind::COPY);
    std::function<void()> work = copy_work(dst, src, n, direction);

    if (!to || !work || direction != node->kind.direction)
        return failed(cudaErrorInvalidValue);
    to->work = std::move(work);
    return cudaSuccess;
}
