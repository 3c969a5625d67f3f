/* stream.cpp - streams, events, graphs: queues of functions
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/emu/runtime.h"

#include <deque>
#include <memory>
#include <set>
#include <stdint.h>
#include <vector>

#include "tests/emu/fiber.h"

std::recursive_mutex um_emu::lock;

typedef std::lock_guard<std::recursive_mutex> guard;

/* a graph: what was captured, in the order of the calls */
struct CUgraph_st {
    std::vector<std::function<void()>> work;
};

struct CUgraphExec_st {
    std::vector<std::function<void()>> work;
};

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

cudaError_t enqueue(cudaStream_t stream, std::function<void()> work)
{
    const guard  g(lock);
    cudaStream_t s = of(stream);

    if (s->graph) {
        s->graph->work.push_back(std::move(work));
        return cudaSuccess;
    }
    s->queue.push_back(std::move(work));
    s->put++;
    if (s == &plain || s->queue.size() > 100000)
        run_all();
    return cudaSuccess;
}

void launch(dim3 grid, dim3 size, size_t shared, cudaStream_t stream, std::function<void()> thread)
{
    const uint64_t n = (uint64_t)size.x * size.y * size.z;

    if (n < 1 || n > 1024 || size.z > 64 || grid.x < 1 || grid.y < 1 || grid.z < 1 ||
        grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) {
        (void)failed(cudaErrorInvalidConfiguration);
        return;
    }
    if (stream && stream->card != device()) {
        (void)failed(cudaErrorInvalidResourceHandle);
        return;
    }
    if (shared > SHARED || (shared > PLAIN && !large_shared_asked(shared))) {
        (void)failed(cudaErrorInvalidValue);
        return;
    }
    (void)enqueue(stream, [=] { run_grid(grid, size, shared, thread); });
}
} // namespace um_emu

using namespace um_emu;

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

/* ---- graphs ---- */

extern "C" cudaError_t CUDARTAPI cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode)
{
    const guard g(lock);

    if (!s || s->graph)
        return failed(cudaErrorStreamCaptureUnsupported);
    s->graph = new CUgraph_st;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph)
{
    const guard g(lock);

    *graph = s->graph;
    if (!s->graph)
        return failed(cudaErrorIllegalState);
    for (cudaStream_t other : streams)
        if (other->graph == *graph)
            other->graph = nullptr;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaStreamIsCapturing(cudaStream_t                  s,
                                                       enum cudaStreamCaptureStatus *status)
{
    *status = capturing(s) ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                                      unsigned long long)
{
    *exec = new CUgraphExec_st{ graph->work };
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph,
                                                     cudaGraphExecUpdateResultInfo *info)
{
    const bool fits = exec->work.size() == graph->work.size();

    info->result = fits ? cudaGraphExecUpdateSuccess : cudaGraphExecUpdateErrorTopologyChanged;
    if (!fits)
        return failed(cudaErrorGraphExecUpdateFailure);
    exec->work = graph->work;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s)
{
    for (const auto &f : exec->work)
        (void)enqueue(s, f);
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    delete exec;
    return cudaSuccess;
}
