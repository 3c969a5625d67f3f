/* nccl.cpp - a libnccl.so.2 for the emulated card: sums between processes of one host
 *
 * A group is a piece of shared memory by the name in its id. A sum is work of its stream and done
 * when that stream runs: every rank puts a piece of its values there, all wait, each adds all
 * pieces in the order of ranks, all wait. A rank that sums something else than the others, or that
 * waits for a process which is gone, gets an asynchronous error, as from NCCL. UM_EMU_NCCL   a file
 * to which each rank appends a line "RANK COUNT OFFSET" for each sum as it is begun; OFFSET in
 *                 bytes from the first array that was summed
 * SPDX-License-Identifier: Apache-2.0
 */
#include <atomic>
#include <errno.h>
#include <fcntl.h>
#include <memory>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kernels/comm/nccl.h"

namespace
{
const size_t PIECE = (size_t)1 << 16; /* floats */

enum { RANKS = 64, INTERNAL = 3, INVALID_ARGUMENT = 4, INVALID_USAGE = 5, REMOTE = 6 };

struct rank {
    std::atomic<pid_t> process; /* 0: not there yet */
    std::atomic<bool>  left;
    std::atomic<int>   device;
    int64_t            sum, count; /* the sum it is at, and its values */
};

struct shared {
    std::atomic<int>      arrived; /* at the barrier, */
    std::atomic<unsigned> round;   /* which has been passed so often */
    rank                  of[RANKS];
    float                 piece[]; /* [size][PIECE] */
};

thread_local std::string last;

int failed(int code, const std::string &why)
{
    last = why;
    return code;
}

struct group {
    shared          *memory = nullptr;
    size_t           bytes  = 0;
    int              me = 0, size = 0;
    int64_t          begun = 0, done = 0;
    const char      *first = nullptr;
    std::atomic<int> error{ UM_NCCL_OK };
    std::string      why;
    bool             aborted = false;

    ~group()
    {
        if (memory)
            (void)munmap(memory, bytes);
    }

    void fail(int code, const std::string &text)
    {
        why   = text;
        error = code;
    }

    /* a rank that will not come, or -1 */
    int lost()
    {
        for (int i = 0; i < size; i++) {
            const pid_t p = memory->of[i].process;

            if (memory->of[i].left || (p && kill(p, 0) != 0 && errno == ESRCH))
                return i;
        }
        return -1;
    }

    bool barrier()
    {
        const unsigned round = memory->round;

        if (++memory->arrived == size) {
            memory->arrived = 0;
            memory->round++;
            return true;
        }
        for (int i = 0; memory->round == round; i++) {
            const int gone = i % 1024 == 1023 ? lost() : -1;

            if (gone >= 0 && memory->round == round) { /* it may have left after this */
                fail(REMOTE, "rank " + std::to_string(gone) + " is gone");
                return false;
            }
            (void)sched_yield();
        }
        return true;
    }

    /* do all sum the same? */
    bool alike(size_t count)
    {
        memory->of[me].sum   = done;
        memory->of[me].count = (int64_t)count;
        if (!barrier())
            return false;
        for (int i = 0; i < size; i++)
            if (memory->of[i].sum != done || memory->of[i].count != (int64_t)count)
                fail(INVALID_USAGE, "rank " + std::to_string(i) + " sums another array");
        return error == UM_NCCL_OK;
    }

    void sum(const float *from, float *to, size_t count)
    {
        if (aborted || error != UM_NCCL_OK || !alike(count))
            return;
        for (size_t at = 0; at < count; at += PIECE) {
            const size_t n = count - at < PIECE ? count - at : PIECE;

            memcpy(memory->piece + (size_t)me * PIECE, from + at, n * sizeof *from);
            if (!barrier())
                return;
            for (size_t k = 0; k < n; k++) {
                float v = memory->piece[k];

                for (int i = 1; i < size; i++)
                    v += memory->piece[(size_t)i * PIECE + k];
                to[at + k] = v;
            }
            if (!barrier())
                return;
        }
        done++;
    }
};

struct work {
    std::shared_ptr<group> g;
    const float           *from;
    float                 *to;
    size_t                 count;
};

void CUDART_CB run(void *data)
{
    std::unique_ptr<work> w(static_cast<work *>(data));

    w->g->sum(w->from, w->to, w->count);
}

void log(group &g, const void *x, size_t count)
{
    const char *name = getenv("UM_EMU_NCCL");
    FILE       *f    = name ? fopen(name, "a") : nullptr;

    if (!g.first)
        g.first = (const char *)x;
    if (f) {
        fprintf(f, "%d %zu %td\n", g.me, count, (const char *)x - g.first);
        fclose(f);
    }
}
} // namespace

struct um_nccl_comm {
    std::shared_ptr<group> g;
};

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int         ncclGetVersion(int *version);
EXPORT const char *ncclGetErrorString(int code);
EXPORT const char *ncclGetLastError(um_nccl_comm *c);
EXPORT int         ncclGetUniqueId(um_nccl_id *id);
EXPORT int         ncclCommInitRank(um_nccl_comm **c, int size, um_nccl_id id, int me);
EXPORT int         ncclAllReduce(const void *send, void *recv, size_t count, int type, int op,
                                 um_nccl_comm *c, cudaStream_t stream);
EXPORT int         ncclCommGetAsyncError(um_nccl_comm *c, int *error);
EXPORT int         ncclCommAbort(um_nccl_comm *c);

int ncclGetVersion(int *version)
{
    *version = 22809;
    return UM_NCCL_OK;
}

const char *ncclGetErrorString(int code)
{
    static const char *const text[] = { "no error",
                                        "unhandled cuda error",
                                        "unhandled system error",
                                        "internal error",
                                        "invalid argument",
                                        "invalid usage",
                                        "remote process exited or there was a network error" };

    return code >= 0 && code <= REMOTE ? text[code] : "unknown result code";
}

const char *ncclGetLastError(um_nccl_comm *c)
{
    return c && c->g->error != UM_NCCL_OK ? c->g->why.c_str() : last.c_str();
}

int ncclGetUniqueId(um_nccl_id *id)
{
    static int made;
    timespec   now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    memset(id, 0, sizeof *id);
    (void)snprintf(id->internal, sizeof id->internal, "/um-emu-nccl-%d-%d-%ld", (int)getpid(),
                   made++, now.tv_nsec);
    return UM_NCCL_OK;
}

namespace
{
int open_memory(group &g, const char *name)
{
    const int fd = shm_open(name, O_CREAT | O_RDWR, 0600);

    g.bytes = sizeof(shared) + (size_t)g.size * PIECE * sizeof(float);
    if (fd < 0 || ftruncate(fd, (off_t)g.bytes) != 0) {
        if (fd >= 0)
            (void)close(fd);
        return failed(INTERNAL, strerror(errno));
    }
    void *p = mmap(nullptr, g.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (p == MAP_FAILED)
        return failed(INTERNAL, strerror(errno));
    g.memory = static_cast<shared *>(p); /* zeros: nobody is there */
    return UM_NCCL_OK;
}

/* one device twice is refused, by all */
int look(group &g)
{
    for (int i = 0; i < g.size; i++)
        for (int k = 0; k < i; k++)
            if (g.memory->of[i].device == g.memory->of[k].device)
                return failed(INVALID_USAGE, "Duplicate GPU detected: rank " + std::to_string(k) +
                                                 " and rank " + std::to_string(i) +
                                                 " both on CUDA device " +
                                                 std::to_string(g.memory->of[i].device));
    return UM_NCCL_OK;
}
} // namespace

int ncclCommInitRank(um_nccl_comm **c, int size, um_nccl_id id, int me)
{
    auto g      = std::make_shared<group>();
    int  device = 0;

    *c = nullptr;
    if (size < 1 || size > RANKS || me < 0 || me >= size ||
        memchr(id.internal, 0, sizeof id.internal) == nullptr)
        return failed(INVALID_ARGUMENT, "the rank, or the id");
    g->me   = me;
    g->size = size;
    if (open_memory(*g, id.internal) != UM_NCCL_OK)
        return INTERNAL;
    (void)cudaGetDevice(&device);
    g->memory->of[me].device  = device;
    g->memory->of[me].process = getpid();
    if (!g->barrier())
        return failed(g->error, g->why);
    if (me == 0)
        (void)shm_unlink(id.internal); /* all have it: nothing stays, however they end */
    const int code = look(*g);
    if (code != UM_NCCL_OK)
        return code;
    *c = new um_nccl_comm{ g };
    return UM_NCCL_OK;
}

int ncclAllReduce(const void *send, void *recv, size_t count, int type, int op, um_nccl_comm *c,
                  cudaStream_t stream)
{
    if (type != UM_NCCL_FLOAT || op != UM_NCCL_SUM)
        return failed(INVALID_ARGUMENT, "only sums of floats here");
    log(*c->g, recv, count);
    auto *w = new work{ c->g, static_cast<const float *>(send), static_cast<float *>(recv), count };
    if (cudaLaunchHostFunc(stream, run, w) == cudaSuccess)
        return UM_NCCL_OK;
    delete w;
    return 1;
}

int ncclCommGetAsyncError(um_nccl_comm *c, int *error)
{
    *error = c->g->error;
    return UM_NCCL_OK;
}

int ncclCommAbort(um_nccl_comm *c)
{
    c->g->aborted                   = true;
    c->g->memory->of[c->g->me].left = true;
    delete c; /* what is left in streams has the group still, and does nothing */
    return UM_NCCL_OK;
}
