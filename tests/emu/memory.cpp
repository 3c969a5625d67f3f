/* memory.cpp - the card's memory, pinned memory, copies; the card itself
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/emu/runtime.h"

#include <errno.h>
#include <map>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/mman.h>
#include <vector>

#include "tests/emu/fiber.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n) (void)(p)
#define UNPOISON(p, n) (void)(p)
#endif

typedef std::lock_guard<std::recursive_mutex> guard;

namespace um_emu
{
namespace
{
enum : size_t { ALIGN = 512, GAP = 512, ADDRESSES = 4 }; /* GAP: nobody's, behind each allocation */

struct card {
    char                    *base = nullptr;
    size_t                   size = 0, used = 0;
    std::map<char *, size_t> taken;
};

std::vector<card>        cards;
std::map<char *, size_t> pins, fresh; /* fresh: allocated since a stream ran last */
size_t                   shared_asked;
int                      opened; /* how many streams run inside each other */
thread_local int         current;
thread_local cudaError_t last = cudaSuccess;

size_t setting(const char *name, size_t without)
{
    const char *s = getenv(name);

    return s && *s ? (size_t)strtoull(s, nullptr, 10) : without;
}

card &here()
{
    const guard g(lock);

    if (cards.empty())
        cards.resize(setting("UM_EMU_DEVICES", 1));
    card &c = cards[(size_t)current];
    if (!c.base) {
        c.size  = setting("UM_EMU_MEMORY", (size_t)8 << 30);
        void *p = mmap(nullptr, ADDRESSES * c.size, opened ? PROT_READ | PROT_WRITE : PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED)
            die("a card of %zu bytes: %s", c.size, strerror(errno));
        c.base = (char *)p;
    }
    return c;
}

/* the first gap that is large enough; as on a card, whose pages are mapped anywhere, what lies
 * scattered is no less room: addresses reach further than the memory does */
char *place(const card &c, size_t n)
{
    char *at = c.base;

    if (n > c.size - c.used)
        return nullptr;
    for (const auto &a : c.taken) {
        if ((size_t)(a.first - at) >= n)
            return at;
        at = a.first + a.second;
    }
    return (size_t)(c.base + ADDRESSES * c.size - at) >= n ? at : nullptr;
}

/* the pages that are wholly of n bytes at p */
void give_back(char *p, size_t n)
{
    char *from = (char *)(((uintptr_t)p + 4095) & ~(uintptr_t)4095),
         *to   = (char *)((uintptr_t)(p + n) & ~(uintptr_t)4095);

    if (to > from)
        (void)madvise(from, (size_t)(to - from), MADV_DONTNEED);
}

const std::pair<char *const, size_t> *holds(const std::map<char *, size_t> &m, const void *p,
                                            size_t n)
{
    auto it = m.upper_bound((char *)p);

    if (it == m.begin())
        return nullptr;
    --it;
    return (char *)p + n <= it->first + it->second ? &*it : nullptr;
}
} // namespace

cudaError_t failed(cudaError_t e)
{
    last = e;
    return e;
}

int device()
{
    return current;
}

void open_memory(bool open)
{
    opened += open ? 1 : -1;
    if (opened != (open ? 1 : 0))
        return;
    for (const card &c : cards)
        if (c.base &&
            mprotect(c.base, ADDRESSES * c.size, open ? PROT_READ | PROT_WRITE : PROT_NONE) != 0)
            die("mprotect: %s", strerror(errno));
    for (const auto &f : fresh)
        if (open)
            memset(f.first, 0xff, f.second);
    if (open)
        fresh.clear();
}

bool on_card(const void *p, size_t n)
{
    for (const card &c : cards) {
        const auto *a = holds(c.taken, p, n);

        if (a)
            return (char *)p + n <= a->first + a->second - GAP;
    }
    return false;
}

bool pinned(const void *p, size_t n)
{
    return holds(pins, p, n) != nullptr;
}

bool large_shared_asked(size_t n)
{
    return n <= shared_asked;
}
} // namespace um_emu

using namespace um_emu;

/* ---- the card ---- */

extern "C" cudaError_t CUDARTAPI cudaGetDeviceCount(int *n)
{
    *n = (int)setting("UM_EMU_DEVICES", 1);
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaSetDevice(int d)
{
    int n;

    (void)cudaGetDeviceCount(&n);
    if (d < 0 || d >= n)
        return failed(cudaErrorInvalidDevice);
    current = d;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaGetDevice(int *d)
{
    *d = current;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaGetDeviceProperties(struct cudaDeviceProp *p, int d)
{
    *p                        = {};
    p->major                  = 9;
    p->multiProcessorCount    = 3;
    p->warpSize               = 32;
    p->sharedMemPerBlockOptin = SHARED;
    p->maxThreadsPerBlock     = 1024;
    p->totalGlobalMem         = setting("UM_EMU_MEMORY", (size_t)8 << 30);
    (void)snprintf(p->name, sizeof p->name, "emulated, %d", d);
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaDeviceGetAttribute(int *v, enum cudaDeviceAttr a, int)
{
    switch (a) {
    case cudaDevAttrMultiProcessorCount: *v = 3; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *v = SHARED; break;
    case cudaDevAttrMaxThreadsPerBlock: *v = 1024; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *v = 2048; break;
    case cudaDevAttrComputeCapabilityMajor: *v = 9; break;
    case cudaDevAttrComputeCapabilityMinor: *v = 0; break;
    case cudaDevAttrWarpSize: *v = 32; break;
    default: return failed(cudaErrorInvalidValue);
    }
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaFuncSetAttribute(const void *, enum cudaFuncAttribute a, int v)
{
    if (a != cudaFuncAttributeMaxDynamicSharedMemorySize)
        return cudaSuccess;
    if (v < 0 || (size_t)v > SHARED)
        return failed(cudaErrorInvalidValue);
    shared_asked = (size_t)v > shared_asked ? (size_t)v : shared_asked;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI
cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *n, const void *, int, size_t, unsigned)
{
    *n = 2;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *n, const void *,
                                                                               int, size_t)
{
    *n = 2;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaRuntimeGetVersion(int *v)
{
    *v = CUDART_VERSION;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaDriverGetVersion(int *v)
{
    *v = CUDART_VERSION;
    return cudaSuccess;
}

/* ---- errors ---- */

extern "C" cudaError_t CUDARTAPI cudaPeekAtLastError(void)
{
    return last;
}

extern "C" cudaError_t CUDARTAPI cudaGetLastError(void)
{
    const cudaError_t e = last;

    last = cudaSuccess;
    return e;
}

extern "C" const char *CUDARTAPI cudaGetErrorString(cudaError_t e)
{
    static thread_local char text[48];

    (void)snprintf(text, sizeof text, "emulated error %d", (int)e);
    return text;
}

extern "C" const char *CUDARTAPI cudaGetErrorName(cudaError_t e)
{
    return cudaGetErrorString(e);
}

/* ---- memory ---- */

extern "C" cudaError_t CUDARTAPI cudaMalloc(void **p, size_t n)
{
    const guard  g(lock);
    card        &c    = here();
    const size_t size = n > c.size ? n : (n + ALIGN - 1) / ALIGN * ALIGN + GAP;
    char        *at   = n > c.size ? nullptr : place(c, size);

    if (!at)
        return failed(cudaErrorMemoryAllocation);
    c.taken[at] = size;
    c.used += size;
    UNPOISON(at, n);
    POISON(at + n, size - n);
    fresh[at] = n;
    *p        = at;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaFree(void *p)
{
    const guard g(lock);

    run_all();
    for (card &c : cards) {
        const auto it = c.taken.find((char *)p);

        if (it == c.taken.end())
            continue;
        c.used -= it->second;
        fresh.erase(it->first);
        give_back(it->first, it->second);
        POISON(it->first, it->second);
        c.taken.erase(it);
        return cudaSuccess;
    }
    return p ? failed(cudaErrorInvalidValue) : cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaMemGetInfo(size_t *rest, size_t *total)
{
    const guard g(lock);

    *total = here().size;
    *rest  = *total - here().used;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaHostAlloc(void **p, size_t n, unsigned)
{
    const guard g(lock);

    *p = aligned_alloc(4096, (n + 4096) / 4096 * 4096);
    if (!*p)
        return failed(cudaErrorMemoryAllocation);
    memset(*p, 0xff, n);
    pins[(char *)*p] = n;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaMallocHost(void **p, size_t n)
{
    return cudaHostAlloc(p, n, 0);
}

extern "C" cudaError_t CUDARTAPI cudaFreeHost(void *p)
{
    const guard g(lock);

    run_all();
    if (p && pins.erase((char *)p) == 0)
        return failed(cudaErrorInvalidValue);
    free(p);
    return cudaSuccess;
}

/* memory of the host's own that is pinned for a while */
extern "C" cudaError_t CUDARTAPI cudaHostRegister(void *p, size_t n, unsigned)
{
    const guard g(lock);

    if (!p || n == 0 || pinned(p, 1))
        return failed(cudaErrorInvalidValue);
    pins[(char *)p] = n;
    return cudaSuccess;
}

extern "C" cudaError_t CUDARTAPI cudaHostUnregister(void *p)
{
    const guard g(lock);

    run_all();
    return pins.erase((char *)p) == 1 ? cudaSuccess : failed(cudaErrorHostMemoryNotRegistered);
}

/* ---- copies ---- */

extern "C" cudaError_t CUDARTAPI cudaMemsetAsync(void *p, int value, size_t n, cudaStream_t s)
{
    node_kind kind;

    if (n > 0 && !on_card(p, n))
        return failed(cudaErrorInvalidValue);
    kind.kind  = node_kind::ZERO;
    kind.to    = p;
    kind.n     = n;
    kind.value = value;
    return enqueue(
        s, [=] { memset(p, value, n); }, kind);
}

/* memory that is not pinned is read at once */
static std::function<void()> up(void *to, const void *from, size_t n)
{
    if (pinned(from, n))
        return [=] { memcpy(to, from, n); };
    const std::string copy((const char *)from, n);
    return [=] { memcpy(to, copy.data(), n); };
}

std::function<void()> um_emu::copy_work(void *to, const void *from, size_t n,
                                        enum cudaMemcpyKind kind)
{
    const bool dst = on_card(to, n), src = on_card(from, n);

    if (kind == cudaMemcpyHostToDevice && dst && !src)
        return up(to, from, n);
    if (kind == cudaMemcpyDeviceToHost && src && !dst)
        return [=] { memcpy(to, from, n); };
    if (kind == cudaMemcpyDeviceToDevice && dst && src)
        return [=] { memmove(to, from, n); };
    return nullptr;
}

extern "C" cudaError_t CUDARTAPI cudaMemcpyAsync(void *to, const void *from, size_t n,
                                                 enum cudaMemcpyKind kind, cudaStream_t s)
{
    const guard g(lock);
    node_kind   node;

    if (n == 0)
        return cudaSuccess;
    if (kind == cudaMemcpyDefault)
        kind = !on_card(to, n)    ? cudaMemcpyDeviceToHost
               : on_card(from, n) ? cudaMemcpyDeviceToDevice
                                  : cudaMemcpyHostToDevice;
    std::function<void()> work = copy_work(to, from, n, kind);

    if (!work)
        return failed(cudaErrorInvalidValue);
    node.kind        = node_kind::COPY;
    node.n           = n;
    node.direction   = kind;
    const bool waits = kind == cudaMemcpyDeviceToHost && !pinned(to, n);

    if (waits && capturing(s))
        return failed(cudaErrorStreamCaptureUnsupported);
    const cudaError_t e = enqueue(s, std::move(work), node);
    if (e == cudaSuccess && waits)
        run(s);
    return e;
}

extern "C" cudaError_t CUDARTAPI cudaMemcpy(void *to, const void *from, size_t n,
                                            enum cudaMemcpyKind kind)
{
    return cudaMemcpyAsync(to, from, n, kind, nullptr);
}

extern "C" cudaError_t CUDARTAPI cudaMemset(void *p, int value, size_t n)
{
    return cudaMemsetAsync(p, value, n, nullptr);
}
