/* attention/cudnn.cu - attention by cuDNN, where UM_CUDNN_ATTENTION=1 asks for it
 *
 * What it is asked for is in sdpa.h; what it cannot do is matrix.h's: dropout, keys left out, own
 * lengths, and what the library refuses. Each shape is described once and kept by the device. lse
 * is the same from both, so that forward and backward may each be either's.
 *
 * The default is what measures faster on the card (tests/gpu/run.sh bench has a row for each), not
 * what is measured while running: a run has the same bits as the last one. Nobody has measured yet;
 * until then it is um's own.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/attention/place.h"

#include "kernels/cudnn.h"

#if UM_HAVE_CUDNN && CUDNN_VERSION >= 91700 /* before that its header lacks the backward */

#include "kernels/attention/sdpa.h"

static const int64_t WORK_MOST = (int64_t)1 << 30;

struct plan {
    struct um_sdpa s;
    uint64_t       serial;
    bool           ran; /* once, so that it will again */
};

static struct um_sdpa_api api;

/* once for the process: whether the library has all of its functions */
static bool load(void)
{
#define NAME(f) #f,
    static const char *const name[] = { UM_SDPA_CALLS(NAME) };
#undef NAME
    static const bool loaded = um_cudnn_load((void **)&api, name, sizeof name / sizeof *name);

    return loaded;
}

static void drop(void *plan)
{
    um_sdpa_free(&((struct plan *)plan)->s);
}

static bool asked(void)
{
    const char *v = getenv("UM_CUDNN_ATTENTION");

    return v && strcmp(v, "1") == 0;
}

/* the shape, and arrays of fewer than 2^31 elements */
static bool suits(const struct um_attn *a)
{
    const int64_t rows = INT32_MAX / a->B / a->T;

    return !a->key_mask && !a->start && !(a->drop.p > 0) && a->T > 1 && a->ldq <= rows &&
           a->ldk <= rows && a->ldv <= rows && a->ldo <= rows;
}

/* what is refused is kept too, so that nobody asks twice. NULL: out of memory */
static struct plan *plan_of(struct um_dev *dev, int what, const struct um_attn *a)
{
    const struct um_sdpa_key key = { what, a->B, a->T, a->A, a->d, a->ldq, a->ldk, a->ldv, a->ldo };
    struct um_cuda          *c   = um_cuda_of(dev);
    struct um_sdpa_card      on  = { c->cudnn->handle, NULL, 0, um_cudnn_version() };
    struct plan             *p   = (struct plan *)um_plans_find(c->cudnn->attention, &key);

    if (p)
        return p;
    if (!(p = (struct plan *)calloc(1, sizeof *p)))
        return NULL;
    p->s.key  = key;
    p->s.api  = &api;
    p->serial = ++c->planned;
    /* The library asks the current device; a table that is full is emptied, and what waits in the
     * queue has its plans from there. */
    (void)um_cuda_stream(dev);
    if (cudaDeviceGetAttribute(&on.major, cudaDevAttrComputeCapabilityMajor, c->ordinal) ==
        cudaSuccess)
        (void)um_sdpa_plan(&p->s, &on, WORK_MOST);
    um_plans_keep(c->cudnn->attention, p);
    return p;
}

/* attention as it is asked of the queue; serial: the plan's, for graphs to tell it by */
struct call {
    const struct plan *plan;
    uint64_t           serial;
    void              *array[UM_SDPA_ARRAYS];
    void              *work;
    float              scale, hole;
};

static bool execute(struct um_cuda *c, struct call call)
{
    const struct um_sdpa    *p    = &call.plan->s;
    const int                n    = p->key.what == UM_SDPA_BWD ? UM_SDPA_ARRAYS : UM_SDPA_DOUT;
    cudnnBackendDescriptor_t pack = NULL;
    int64_t                  id[UM_SDPA_ARRAYS];
    bool                     good;

    call.array[UM_SDPA_SCALE] = &call.scale;
    for (int i = 0; i < n; i++)
        id[i] = i + 1;
    if (api.cudnnBackendCreateDescriptor_(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack) !=
        CUDNN_STATUS_SUCCESS)
        return false;
    good =
        api.cudnnBackendSetAttribute_(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n,
                                      id) == CUDNN_STATUS_SUCCESS &&
        api.cudnnBackendSetAttribute_(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                      CUDNN_TYPE_VOID_PTR, n, call.array) == CUDNN_STATUS_SUCCESS &&
        api.cudnnBackendSetAttribute_(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
                                      1, &call.work) == CUDNN_STATUS_SUCCESS &&
        api.cudnnBackendFinalize_(pack) == CUDNN_STATUS_SUCCESS &&
        api.cudnnBackendExecute_(c->cudnn->handle, p->plan, pack) == CUDNN_STATUS_SUCCESS;
    (void)api.cudnnBackendDestroyDescriptor_(pack);
    return good;
}

static int run(struct um_cuda *c, const void *args)
{
    return execute(c, *(const struct call *)args)
               ? UM_OK
               : um_fail(UM_EUNSUPPORTED, "cuda: cuDNN's attention fails, which it did not before");
}

/* the device's cuDNN with a table for attention; NULL: out of memory */
static struct um_cudnn *open_attention(struct um_dev *dev)
{
    struct um_cudnn *d = um_cudnn_open(dev);

    if (d && !d->attention && !(d->attention = um_plans_new(sizeof(struct um_sdpa_key), drop)))
        return NULL;
    return d;
}

/* A plan's first run is not left to the queue: where it is refused um's own kernel can still take
 * over. */
static int by_cudnn(struct um_dev *dev, int what, const struct um_attn *a, struct call *call,
                    bool *done)
{
    struct um_cudnn *d;
    struct plan     *p;

    *done = false;
    if (!asked() || !suits(a))
        return UM_OK;
    if (!(d = open_attention(dev)))
        return um_fail(UM_ENOMEM, "out of memory");
    if (!d->handle || !load())
        return UM_OK;
    if (!(p = plan_of(dev, what, a)))
        return um_fail(UM_ENOMEM, "out of memory");
    if (!p->s.plan || !(call->work = um_cuda_work(dev, (size_t)p->s.work + 256)))
        return UM_OK; /* what is left may do for our own, which takes less */
    call->plan   = p;
    call->serial = p->serial;
    call->scale  = (float)(1 / sqrt((double)a->d));
    if (p->ran) {
        *done = true;
        um_ask_call(dev, run, call, sizeof *call);
        return um_cuda_launched(dev, "attention by cuDNN");
    }
    (void)um_cuda_stream(dev); /* what it reads has been asked for */
    p->ran = *done = execute(um_cuda_of(dev), *call);
    if (!p->ran)
        um_sdpa_free(&p->s);
    return UM_OK;
}

/* what both ways read */
static struct call call_of(const struct um_attn *a, const void *o, const float *lse)
{
    struct call call;

    memset(&call, 0, sizeof call);
    call.array[UM_SDPA_Q]   = (void *)a->q;
    call.array[UM_SDPA_K]   = (void *)a->k;
    call.array[UM_SDPA_V]   = (void *)a->v;
    call.array[UM_SDPA_O]   = (void *)o;
    call.array[UM_SDPA_LSE] = (void *)lse;
    return call;
}

int um_attn_cudnn_fwd(struct um_dev *dev, void *o, float *lse, const struct um_attn *a, bool *done)
{
    struct call call = call_of(a, o, lse);

    return by_cudnn(dev, UM_SDPA_FWD, a, &call, done);
}

int um_attn_cudnn_bwd(struct um_dev *dev, const struct um_attn_grad *g, const struct um_attn *a,
                      bool *done)
{
    struct call call = call_of(a, g->o, g->lse);

    call.array[UM_SDPA_DOUT] = (void *)g->dout;
    call.array[UM_SDPA_DQ]   = g->dq;
    call.array[UM_SDPA_DK]   = g->dk;
    call.array[UM_SDPA_DV]   = g->dv;
    return by_cudnn(dev, UM_SDPA_BWD, a, &call, done);
}

#else

int um_attn_cudnn_fwd(struct um_dev *dev, void *o, float *lse, const struct um_attn *a, bool *done)
{
    (void)dev, (void)o, (void)lse, (void)a;
    *done = false;
    return UM_OK;
}

int um_attn_cudnn_bwd(struct um_dev *dev, const struct um_attn_grad *g, const struct um_attn *a,
                      bool *done)
{
    (void)dev, (void)g, (void)a;
    *done = false;
    return UM_OK;
}

#endif
