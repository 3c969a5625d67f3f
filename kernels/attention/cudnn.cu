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

static struct um_sdpa_api api;

/* once for the process: whether the library has all of its functions */
static bool load(void)
{
    static bool tried, loaded;

    if (tried)
        return loaded;
    tried = true;
#define FIND(f)                                                                                    \
    *(void **)&api.f##_ = um_cudnn_find(#f);                                                       \
    if (!api.f##_)                                                                                 \
        return false;
    UM_SDPA_CALLS(FIND)
#undef FIND
    return loaded = true;
}

static void drop(void *plan)
{
    um_sdpa_free((struct um_sdpa *)plan);
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
static struct um_sdpa *plan_of(struct um_dev *dev, struct um_cudnn *d, int what,
                               const struct um_attn *a)
{
    const struct um_sdpa_key key = { what, a->B, a->T, a->A, a->d, a->ldq, a->ldk, a->ldv, a->ldo };
    struct um_sdpa_card      on  = { d->handle, NULL, 0, um_cudnn_version() };
    struct um_sdpa          *p   = (struct um_sdpa *)um_plans_find(d->attention, &key);

    if (p)
        return p;
    if (!(p = (struct um_sdpa *)calloc(1, sizeof *p)))
        return NULL;
    p->key = key;
    p->api = &api;
    if (cudaDeviceGetAttribute(&on.major, cudaDevAttrComputeCapabilityMajor,
                               um_cuda_of(dev)->ordinal) == cudaSuccess)
        (void)um_sdpa_plan(p, &on, WORK_MOST);
    um_plans_keep(d->attention, p);
    return p;
}

static bool execute(struct um_dev *dev, const struct um_sdpa *p, void *const *array, void *work)
{
    const cudnnHandle_t      handle = um_cuda_of(dev)->cudnn->handle;
    const int                n      = p->key.what == UM_SDPA_BWD ? UM_SDPA_ARRAYS : UM_SDPA_DOUT;
    int64_t                  id[UM_SDPA_ARRAYS];
    cudnnBackendDescriptor_t pack = NULL;
    bool                     good;

    for (int i = 0; i < n; i++)
        id[i] = i + 1;
    if (api.cudnnBackendCreateDescriptor_(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack) !=
        CUDNN_STATUS_SUCCESS)
        return false;
    (void)um_cuda_stream(dev); /* the calling thread works on this card */
    good = api.cudnnBackendSetAttribute_(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
                                         n, id) == CUDNN_STATUS_SUCCESS &&
           api.cudnnBackendSetAttribute_(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                         CUDNN_TYPE_VOID_PTR, n, array) == CUDNN_STATUS_SUCCESS &&
           api.cudnnBackendSetAttribute_(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
                                         CUDNN_TYPE_VOID_PTR, 1, &work) == CUDNN_STATUS_SUCCESS &&
           api.cudnnBackendFinalize_(pack) == CUDNN_STATUS_SUCCESS &&
           api.cudnnBackendExecute_(handle, p->plan, pack) == CUDNN_STATUS_SUCCESS;
    (void)api.cudnnBackendDestroyDescriptor_(pack);
    return good;
}

static int by_cudnn(struct um_dev *dev, int what, const struct um_attn *a, void *const *array,
                    bool *done)
{
    struct um_cudnn *d;
    struct um_sdpa  *p;
    void            *work;

    *done = false;
    if (!asked() || !suits(a))
        return UM_OK;
    d = um_cudnn_open(dev);
    if (d && !d->attention)
        d->attention = um_plans_new(sizeof(struct um_sdpa_key), drop);
    if (!d || !d->attention)
        return um_fail(UM_ENOMEM, "out of memory");
    if (!d->handle || !load())
        return UM_OK;
    if (!(p = plan_of(dev, d, what, a)))
        return um_fail(UM_ENOMEM, "out of memory");
    if (!p->plan || !(work = um_cuda_work(dev, (size_t)p->work + 256)))
        return UM_OK; /* what is left may do for our own, which takes less */
    *done = execute(dev, p, array, work);
    if (!*done)
        um_sdpa_free(p);
    return UM_OK;
}

int um_attn_cudnn_fwd(struct um_dev *dev, void *o, float *lse, const struct um_attn *a, bool *done)
{
    float       scale                 = (float)(1 / sqrt((double)a->d));
    void *const array[UM_SDPA_ARRAYS] = {
        (void *)a->q, (void *)a->k, (void *)a->v, o, lse, &scale
    };

    return by_cudnn(dev, UM_SDPA_FWD, a, array, done);
}

int um_attn_cudnn_bwd(struct um_dev *dev, const struct um_attn_grad *g, const struct um_attn *a,
                      bool *done)
{
    float       scale                 = (float)(1 / sqrt((double)a->d));
    void *const array[UM_SDPA_ARRAYS] = {
        (void *)a->q, (void *)a->k,    (void *)a->v, (void *)g->o, (void *)g->lse,
        &scale,       (void *)g->dout, g->dq,        g->dk,        g->dv
    };

    return by_cudnn(dev, UM_SDPA_BWD, a, array, done);
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
