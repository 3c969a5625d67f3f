/* stream.cpp - streams and events: queues of functions
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/emu/runtime.h"

#include <deque>
#include <map>
#include <set>
#include <stdint.h>

#include "tests/emu/fiber.h"
#include "tests/emu/graph.h"

std::recursive_mutex um_emu::lock;

typedef std::lock_guard<std::recursive_mutex> guard;

struct CUstream_st {
    std::deque<std::function<void()>> queue;
    uint64_t                          put = 0, done = 0; /* how many ever */
    bool                              running = false;
    int                               card    = um_emu::device(); /* whose it is */
    cudaGraph_t                       graph   = nullptr;          /* capturing into it */
};

struct CUevent_st {
    cudaStream_t stream = nullptr;
    uint64_t     at     = 0; /* reached when `done` is this */
    cudaGraph_t  graph  = nullptr;
    int          card   = um_emu::device(); /* whose streams it may be recorded in */
};

namespace um_emu
{
namespace
{
std::set<cudaStream_t> streams;
CUstream_st            plain; /* stream 0 */

cudaStream_t of(cudaStream_t s)
{
    return s ? s : &plain;
}

void run_to(cudaStream_t s, uint64_t at)
{
    if (s->running && s->done < at)
        die("two streams wait for each other");
    s->running = true;
    while (s->done < at) {
        const std::function<void()> f = std::move(s->queue.front());

        s->queue.pop_front();
        f();
        s->done++;
    }
    s->running = false;
}
} // namespace

void run(cudaStream_t stream)
{
    const guard  g(lock);
    cudaStream_t s = of(stream);

    if (s->done == s->put)
        return;
    open_memory(true);
    run_to(s, s->put);
    open_memory(false);
}

void run_all()
{
    const guard g(lock);

    for (cudaStream_t s : streams)
        run(s);
    run(nullptr);
}

bool capturing(cudaStream_t stream)
{
    return of(stream)->graph != nullptr;
}

cudaGraph_t graph_of(cudaStream_t stream)
{
    return of(stream)->graph;
}

cudaError_t begin_graph(cudaStream_t stream, cudaGraph_t graph)
{
    if (!stream || stream->graph)
        return failed(cudaErrorStreamCaptureUnsupported);
    stream->graph = graph;
    return cudaSuccess;
}

void end_graph(cudaGraph_t graph)
{
    for (cudaStream_t s : streams)
        if (s->graph == graph)
            s->graph = nullptr;
}

cudaError_t enqueue(cudaStream_t stream, std::function<void()> work, const struct node_kind &kind)
{
    const guard  g(lock);
    cudaStream_t s = of(stream);

    if (s->graph) {
        add_node(s->graph, std::move(work), kind);
        return cudaSuccess;
    }
    s->queue.push_back(std::move(work));
    s->put++;
    if (s == &plain || s->queue.size() > 100000)
        run_all();
    return cudaSuccess;
}

cudaError_t grid_work(dim3 grid, dim3 size, size_t shared, std::function<void()> thread,
                      std::function<void()> *work)
{
    const uint64_t n = (uint64_t)size.x * size.y * size.z;

    if (n < 1 || n > 1024 || size.z > 64 || grid.x < 1 || grid.y < 1 || grid.z < 1 ||
        grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535)
        return failed(cudaErrorInvalidConfiguration);
    if (shared > SHARED || (shared > PLAIN && !large_shared_asked(shared)))
        return failed(cudaErrorInvalidValue);
    *work = [=] { run_grid(grid, size, shared, thread); };
    return cudaSuccess;
}

/* ---- kernels by their addresses ---- */

static std::map<const void *, thread_maker> &kernels()
{
    static std::map<const void *, thread_maker> all;

    return all;
}

void know(const void *kernel, thread_maker make)
{
    const guard g(lock);

    kernels().emplace(kernel, std::move(make));
}

const thread_maker *known(const void *kernel)
{
    const guard g(lock);
    const auto  at = kernels().find(kernel);

    return at == kernels().end() ? nullptr : &at->second;
}
} // namespace um_emu

using namespace um_emu;

extern "C" cudaError_t CUDARTAPI cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block,
                                                  void **arg, size_t shared, cudaStream_t s)
{
    const thread_maker   *make = known(kernel);
    std::function<void()> work;
    cudaError_t           e;

    if (!make)
        return failed(cudaErrorInvalidDeviceFunction);
    if ((e = grid_work(grid, block, shared, (*make)(arg), &work)) != cudaSuccess)
        return e;
    if (s && s->card != device())
        return failed(cudaErrorInvalidResourceHandle);
    return enqueue(s, std::move(work), { node_kind::KERNEL, kernel });
}

/* ---- streams ---- */

extern "C" cudaError_t CUDARTAPI cudaStreamCreateWithPriority(cudaStream_t *s, unsigned, int)
{
    const guard g(lock);

    *s = new CUstream_st;
    streams.insert(*s);
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags)
{
    return cudaStreamCreateWithPriority(s, flags, 0);
}

extern "C" cudaError_t CUDARTAPI cudaStreamCreate(cudaStream_t *s)
{
    return cudaStreamCreateWithPriority(s, 0, 0);
}

extern "C" cudaError_t CUDARTAPI cudaStreamDestroy(cudaStream_t s)
{
    const guard g(lock);

    if (streams.count(s) == 0)
        return failed(cudaErrorInvalidResourceHandle);
    run(s);
    streams.erase(s);
    delete s;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaStreamSynchronize(cudaStream_t s)
{
    if (capturing(s))
        return failed(cudaErrorStreamCaptureUnsupported);
    run(s);
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaStreamQuery(cudaStream_t s)
{
    return cudaStreamSynchronize(s);
}

extern "C" cudaError_t CUDARTAPI cudaDeviceSynchronize(void)
{
    run_all();
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaLaunchHostFunc(cudaStream_t s, cudaHostFn_t fn, void *data)
{
    return enqueue(s, [=] { fn(data); });
}

/* ---- events ---- */

extern "C" cudaError_t CUDARTAPI cudaEventCreateWithFlags(cudaEvent_t *e, unsigned)
{
    *e = new CUevent_st;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaEventDestroy(cudaEvent_t e)
{
    delete e;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaEventRecord(cudaEvent_t e, cudaStream_t stream)
{
    const guard g(lock);

    if (stream && stream->card != e->card)
        return failed(cudaErrorInvalidResourceHandle);
    e->stream = of(stream);
    e->at     = e->stream->put;
    e->graph  = e->stream->graph;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaEventSynchronize(cudaEvent_t e)
{
    const guard g(lock);

    if (e->graph)
        return failed(cudaErrorStreamCaptureUnsupported);
    if (!e->stream || e->stream->done >= e->at)
        return cudaSuccess;
    open_memory(true);
    run_to(e->stream, e->at);
    open_memory(false);
    return cudaSuccess;
}

/* what is still to run is not ready yet, and is the next time */
extern "C" cudaError_t CUDARTAPI cudaEventQuery(cudaEvent_t e)
{
    const guard g(lock);
    const bool  ready = !e->stream || e->stream->done >= e->at;

    const cudaError_t st = cudaEventSynchronize(e);
    return st == cudaSuccess && !ready ? failed(cudaErrorNotReady) : st;
}

extern "C" cudaError_t CUDARTAPI cudaEventElapsedTime(float *ms, cudaEvent_t, cudaEvent_t)
{
    *ms = 1; /* nothing here is a card's time */
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t e, unsigned)
{
    const guard  g(lock);
    cudaStream_t s = of(stream), from = e->stream;
    const auto   at = e->at;

    if (e->graph) { /* a fork of the capture, or the way back */
        s->graph = e->graph;
        return cudaSuccess;
    }
    if (!from)
        return cudaSuccess;
    return enqueue(s, [=] { run_to(from, at); });
}
