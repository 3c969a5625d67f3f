/* comm/cuda.cu - sums over the GPUs of a job by NCCL, on a stream beside the device's own
 *
 * A sum waits on the device for the work that was issued before it, and work issued after comm_join
 * waits for the sums: two events, and no wait of the host. Everything is called by the one thread
 * that has the device.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/cuda.h"

#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/comm/nccl.h"

extern "C" {
#include "kernels/comm/comm.h"
UM_COMM_OPS(UM_DECLARE, cuda)
}

struct um_cuda_comm {
    struct um_nccl_comm *nccl;
    cudaStream_t         stream;
    cudaEvent_t          issued; /* on the device's stream: what a sum waits for */
    cudaEvent_t          summed; /* on ours: what comes after a join waits for */
    bool                 open;   /* sums that no join has come after */
    bool                 late;   /* a join whose sums may not have ended yet */
    int                  rank, size;
};

static struct um_nccl nccl;
static void          *library; /* once it is open it stays */

/* ---- NCCL ---- */

static int find(void *lib, const char *name, void *fn, bool needed)
{
    void *sym = dlsym(lib, name);

    if (!sym && needed)
        return um_fail(UM_EUNSUPPORTED, "NCCL: the library has no %s", name);
    memcpy(fn, &sym, sizeof sym);
    return UM_OK;
}

static int find_all(void *lib)
{
    UM_TRY(find(lib, "ncclGetVersion", &nccl.GetVersion, true));
    UM_TRY(find(lib, "ncclGetUniqueId", &nccl.GetUniqueId, true));
    UM_TRY(find(lib, "ncclCommInitRank", &nccl.CommInitRank, true));
    UM_TRY(find(lib, "ncclAllReduce", &nccl.AllReduce, true));
    UM_TRY(find(lib, "ncclCommGetAsyncError", &nccl.CommGetAsyncError, true));
    UM_TRY(find(lib, "ncclCommAbort", &nccl.CommAbort, true));
    UM_TRY(find(lib, "ncclGetErrorString", &nccl.GetErrorString, true));
    return find(lib, "ncclGetLastError", &nccl.GetLastError, false);
}

/* libnccl.so.2 beside the plug-in or where the system looks, or the file that UM_NCCL names */
static int load(void)
{
    const char *want = getenv("UM_NCCL");
    void       *lib;

    if (library)
        return UM_OK;
    if (want && strcmp(want, "0") == 0)
        return um_fail(UM_EUNSUPPORTED, "NCCL: UM_NCCL=0");
    lib = dlopen(want && strchr(want, '/') ? want : "libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return um_fail(UM_EUNSUPPORTED, "NCCL: %s", dlerror());
    const int st = find_all(lib);
    if (st < 0) {
        (void)dlclose(lib);
        return st;
    }
    library = lib;
    return UM_OK;
}

/* NCCL's own last words say which rank, or which device, it was */
static int nccl_check(int code, const char *what, struct um_nccl_comm *comm)
{
    const char *last = "";

    if (code == UM_NCCL_OK || code == UM_NCCL_IN_PROGRESS)
        return UM_OK;
    if (nccl.GetLastError)
        last = nccl.GetLastError(comm);
    last = last ? last : "";
    return um_fail(UM_EIO, "NCCL: %s: %s%s%s: NCCL_DEBUG=WARN says more, UM_NCCL=0 goes without",
                   what, nccl.GetErrorString(code), *last ? "; " : "", last);
}

/* ---- a group ---- */

/* Abort and not destroy: that waits for the other ranks, which after a failure never come. All
 * ranks have met on the host since the last sum of a run that succeeded, so nothing is cut off. */
extern "C" void um_cuda_comm_close(struct um_dev *dev)
{
    struct um_cuda      *c  = um_cuda_of(dev);
    struct um_cuda_comm *me = c->comm;

    if (!me)
        return;
    (void)um_cuda_stream(dev);
    if (me->nccl)
        (void)nccl.CommAbort(me->nccl);
    if (me->issued)
        (void)cudaEventDestroy(me->issued);
    if (me->summed)
        (void)cudaEventDestroy(me->summed);
    if (me->stream)
        (void)cudaStreamDestroy(me->stream);
    free(me);
    c->comm = NULL;
}

extern "C" int um_cuda_comm_id(struct um_dev *dev, char *id)
{
    struct um_nccl_id made;

    (void)dev;
    UM_TRY(load());
    if (!id)
        return UM_OK;
    UM_TRY(nccl_check(nccl.GetUniqueId(&made), "an id for the group", NULL));
    memcpy(id, made.internal, UM_COMM_ID);
    return UM_OK;
}

static int open_group(struct um_cuda_comm *me, const char *id)
{
    struct um_nccl_id made;

    UM_TRY(um_cuda_check(cudaStreamCreateWithFlags(&me->stream, cudaStreamNonBlocking), "stream"));
    UM_TRY(um_cuda_check(cudaEventCreateWithFlags(&me->issued, cudaEventDisableTiming), "event"));
    UM_TRY(um_cuda_check(cudaEventCreateWithFlags(&me->summed, cudaEventDisableTiming), "event"));
    memcpy(made.internal, id, UM_COMM_ID);
    return nccl_check(nccl.CommInitRank(&me->nccl, me->size, made, me->rank), "joining the group",
                      NULL);
}

extern "C" int um_cuda_comm_open(struct um_dev *dev, const char *id, int rank, int size, char *name,
                                 size_t n)
{
    struct um_cuda      *c = um_cuda_of(dev);
    struct um_cuda_comm *me;
    int                  v = 0, st;

    UM_TRY(load());
    if (c->comm)
        return um_fail(UM_EDUPLICATE, "NCCL: the device is in a group already");
    me = (struct um_cuda_comm *)calloc(1, sizeof *me);
    if (!me)
        return um_fail(UM_ENOMEM, "out of memory");
    me->rank = rank;
    me->size = size;
    c->comm  = me;
    (void)um_cuda_stream(dev); /* the thread works on this GPU */
    st = open_group(me, id);
    if (st < 0) {
        me->nccl = NULL; /* NCCL has cleaned up after itself */
        um_cuda_comm_close(dev);
        return st;
    }
    (void)nccl.GetVersion(&v); /* 22809, before 2.9 2809 */
    const int big = v < 10000 ? 1000 : 10000;
    (void)snprintf(name, n, "NCCL %d.%d.%d", v / big, v % big / 100, v % 100);
    return UM_OK;
}

/* ---- sums ---- */

static __global__ void scale_values(float *x, int64_t n, float scale)
{
    for (int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x)
        x[i] *= scale;
}

extern "C" int um_cuda_comm_sum(struct um_dev *dev, float *x, int64_t n, float scale)
{
    struct um_cuda_comm *me = um_cuda_of(dev)->comm;

    if (!me)
        return um_fail(UM_EMISSING, "NCCL: the device is in no group");
    if (n < 0)
        return um_fail(UM_ERANGE, "NCCL: a sum of %lld values", (long long)n);
    if (n == 0)
        return UM_OK;
    UM_TRY(um_cuda_check(cudaEventRecord(me->issued, um_cuda_stream(dev)), "sum over ranks"));
    UM_TRY(um_cuda_check(cudaStreamWaitEvent(me->stream, me->issued, 0), "sum over ranks"));
    UM_TRY(nccl_check(
        nccl.AllReduce(x, x, (size_t)n, UM_NCCL_FLOAT, UM_NCCL_SUM, me->nccl, me->stream),
        "sum over ranks", me->nccl));
    me->open = true;
    if (scale == 1)
        return UM_OK;
    um_known(scale_values);
    void *args[] = { &x, &n, &scale };
    return um_cuda_check(cudaLaunchKernel((const void *)scale_values, dim3(um_cuda_blocks(n, 1024)),
                                          dim3(256), args, 0, me->stream),
                         "sum over ranks");
}

static int ask(struct um_cuda_comm *me)
{
    int error = UM_NCCL_OK;

    UM_TRY(nccl_check(nccl.CommGetAsyncError(me->nccl, &error), "sum over ranks", me->nccl));
    return nccl_check(error, "sum over ranks (has another rank ended?)", me->nccl);
}

extern "C" int um_cuda_comm_join(struct um_dev *dev)
{
    struct um_cuda_comm *me = um_cuda_of(dev)->comm;

    if (!me || !me->open)
        return UM_OK;
    me->open = false;
    me->late = true;
    UM_TRY(um_cuda_check(cudaEventRecord(me->summed, me->stream), "sum over ranks"));
    UM_TRY(
        um_cuda_check(cudaStreamWaitEvent(um_cuda_stream(dev), me->summed, 0), "sum over ranks"));
    return ask(me);
}

int um_cuda_comm_wait(struct um_dev *dev)
{
    struct um_cuda_comm *me = um_cuda_of(dev)->comm;
    cudaError_t          e;

    if (!me || !me->late)
        return UM_OK;
    while ((e = cudaEventQuery(me->summed)) == cudaErrorNotReady) {
        (void)cudaGetLastError(); /* that it is not ready is no launch's error */
        UM_TRY(ask(me));
        (void)sched_yield();
    }
    me->late = false;
    UM_TRY(um_cuda_check(e, "sum over ranks"));
    return ask(me); /* a sum that was broken off has ended too */
}
