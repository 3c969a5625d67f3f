/* cudnn.cu - convolutions by cuDNN
 *
 * The algorithms are fixed, products of patches made on the way, which are deterministic: never
 * timed, so a run has the same bits as the last one. Float is float: no TF32. Each shape is
 * described once and kept by the device.
 *
 * The gradient of bfloat16's weights is not cuDNN's: it would be rounded to bfloat16 before it is
 * added to the float one. A bias is what the result holds before the convolution is added to it: in
 * bfloat16 it is rounded then, and the sum once, where a pass behind would round all of it twice.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/conv/cuda_int.h"

#include "kernels/cudnn.h"

#if UM_HAVE_CUDNN

#include "kernels/linear/cuda_int.h"
#include "kernels/sum_cuda.h"
#include "kernels/vec_cuda.h"

extern "C" {
#include "kernels/conv/conv.h"
}

#define CALLS(X)                                                                                   \
    X(cudnnCreateTensorDescriptor)                                                                 \
    X(cudnnSetTensorNdDescriptor)                                                                  \
    X(cudnnDestroyTensorDescriptor)                                                                \
    X(cudnnCreateFilterDescriptor)                                                                 \
    X(cudnnSetFilterNdDescriptor)                                                                  \
    X(cudnnDestroyFilterDescriptor)                                                                \
    X(cudnnCreateConvolutionDescriptor)                                                            \
    X(cudnnSetConvolutionNdDescriptor)                                                             \
    X(cudnnSetConvolutionMathType)                                                                 \
    X(cudnnDestroyConvolutionDescriptor)                                                           \
    X(cudnnGetConvolutionForwardWorkspaceSize)                                                     \
    X(cudnnGetConvolutionBackwardDataWorkspaceSize)                                                \
    X(cudnnGetConvolutionBackwardFilterWorkspaceSize)                                              \
    X(cudnnConvolutionForward)                                                                     \
    X(cudnnConvolutionBackwardData)                                                                \
    X(cudnnConvolutionBackwardFilter)

/* the library's functions; each is called api.NAME_ */
static struct {
#define MEMBER(f) decltype(&f) f##_;
    CALLS(MEMBER)
#undef MEMBER
} api;

struct key {
    int64_t n, cin, cout, in[3], k[3], stride[3], pad[3];
    int32_t dt, what;
};

struct plan {
    struct key                   key;
    cudnnTensorDescriptor_t      x, y;
    cudnnFilterDescriptor_t      w;
    cudnnConvolutionDescriptor_t conv;
    size_t                       work;
    uint64_t                     serial; /* never given twice, as its address may be */
    bool found, tried;                   /* tried: it has run once, the queue may ask for it */
};

static const size_t WORK_MOST = (size_t)1 << 30;

static const cudnnConvolutionFwdAlgo_t       FWD = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
static const cudnnConvolutionBwdDataAlgo_t   DATA    = CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
static const cudnnConvolutionBwdFilterAlgo_t WEIGHTS = CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;

/* once for the process: whether the library has all of them */
static bool load(void)
{
#define NAME(f) #f,
    static const char *const name[] = { CALLS(NAME) };
#undef NAME
    static const bool loaded = um_cudnn_load((void **)&api, name, sizeof name / sizeof *name);

    return loaded;
}

static void drop(void *plan)
{
    struct plan *p = (struct plan *)plan;

    if (p->x)
        (void)api.cudnnDestroyTensorDescriptor_(p->x);
    if (p->y)
        (void)api.cudnnDestroyTensorDescriptor_(p->y);
    if (p->w)
        (void)api.cudnnDestroyFilterDescriptor_(p->w);
    if (p->conv)
        (void)api.cudnnDestroyConvolutionDescriptor_(p->conv);
}

/* the device's cuDNN with a table for convolutions; NULL: out of memory */
static struct um_cudnn *open_conv(struct um_dev *dev)
{
    struct um_cudnn *d = um_cudnn_open(dev);

    if (d && !d->conv && !(d->conv = um_plans_new(sizeof(struct key), drop)))
        return NULL;
    return d;
}

/* ---- plans ---- */

static struct key key_of(enum um_cudnn_what what, const struct um_conv *c)
{
    struct key k;

    memset(&k, 0, sizeof k);
    k.n    = c->n;
    k.cin  = c->cin;
    k.cout = c->cout;
    k.dt   = c->dt;
    k.what = what;
    memcpy(k.in, c->in, sizeof k.in);
    memcpy(k.k, c->k, sizeof k.k);
    memcpy(k.stride, c->stride, sizeof k.stride);
    memcpy(k.pad, c->pad, sizeof k.pad);
    return k;
}

static bool good(cudnnStatus_t s)
{
    return s == CUDNN_STATUS_SUCCESS;
}

/* dims [a,b,d..] of `nd` axes, the last of d; dense */
static bool tensor(cudnnTensorDescriptor_t *t, cudnnDataType_t type, int nd, int64_t a, int64_t b,
                   const int64_t d[3])
{
    int dim[5] = { (int)a, (int)b }, stride[5];

    for (int i = 2; i < nd; i++)
        dim[i] = (int)d[i + 3 - nd];
    stride[nd - 1] = 1;
    for (int i = nd - 2; i >= 0; i--)
        stride[i] = stride[i + 1] * dim[i + 1];
    return good(api.cudnnCreateTensorDescriptor_(t)) &&
           good(api.cudnnSetTensorNdDescriptor_(*t, type, nd, dim, stride));
}

static bool filter(struct plan *p, cudnnDataType_t type, int nd)
{
    int dim[5] = { (int)p->key.cout, (int)p->key.cin };

    for (int i = 2; i < nd; i++)
        dim[i] = (int)p->key.k[i + 3 - nd];
    return good(api.cudnnCreateFilterDescriptor_(&p->w)) &&
           good(api.cudnnSetFilterNdDescriptor_(p->w, type, CUDNN_TENSOR_NCHW, nd, dim));
}

static bool geometry(struct plan *p, int nd)
{
    int pad[3], stride[3], dilation[3] = { 1, 1, 1 };

    for (int i = 2; i < nd; i++) {
        pad[i - 2]    = (int)p->key.pad[i + 3 - nd];
        stride[i - 2] = (int)p->key.stride[i + 3 - nd];
    }
    return good(api.cudnnCreateConvolutionDescriptor_(&p->conv)) &&
           good(api.cudnnSetConvolutionNdDescriptor_(p->conv, nd - 2, pad, stride, dilation,
                                                     CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT)) &&
           good(api.cudnnSetConvolutionMathType_(
               p->conv, p->key.dt == UM_BF16 ? CUDNN_TENSOR_OP_MATH : CUDNN_FMA_MATH));
}

static bool describe(struct plan *p, const struct um_conv *c)
{
    const cudnnDataType_t type   = c->dt == UM_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    const bool            flat   = c->in[0] == 1 && c->k[0] == 1 && c->stride[0] == 1 && !c->pad[0];
    const int             nd     = flat ? 4 : 5;
    const int64_t         out[3] = { um_conv_out(c, 0), um_conv_out(c, 1), um_conv_out(c, 2) };

    return tensor(&p->x, type, nd, c->n, c->cin, c->in) &&
           tensor(&p->y, type, nd, c->n, c->cout, out) && filter(p, type, nd) && geometry(p, nd);
}

static bool workspace(cudnnHandle_t h, struct plan *p)
{
    cudnnStatus_t s = CUDNN_STATUS_NOT_SUPPORTED;

    switch (p->key.what) {
    case UM_CUDNN_FWD:
        s = api.cudnnGetConvolutionForwardWorkspaceSize_(h, p->x, p->w, p->conv, p->y, FWD,
                                                         &p->work);
        break;
    case UM_CUDNN_DATA:
        s = api.cudnnGetConvolutionBackwardDataWorkspaceSize_(h, p->w, p->y, p->conv, p->x, DATA,
                                                              &p->work);
        break;
    case UM_CUDNN_WEIGHTS:
        s = api.cudnnGetConvolutionBackwardFilterWorkspaceSize_(h, p->x, p->y, p->conv, p->w,
                                                                WEIGHTS, &p->work);
        break;
    }
    return good(s) && p->work <= WORK_MOST;
}

/* what is refused is kept too, so that nobody asks twice. NULL: out of memory */
static struct plan *plan_of(struct um_dev *dev, enum um_cudnn_what what, const struct um_conv *c)
{
    struct um_cudnn *d = um_cuda_of(dev)->cudnn;
    const struct key k = key_of(what, c);
    struct plan     *p = (struct plan *)um_plans_find(d->conv, &k);

    if (p)
        return p;
    if (!(p = (struct plan *)calloc(1, sizeof *p)))
        return NULL;
    p->key    = k;
    p->serial = ++um_cuda_of(dev)->planned;
    (void)um_cuda_stream(dev); /* a full table is emptied: what waits has its plans from there */
    p->found = describe(p, c) && workspace(d->handle, p);
    um_plans_keep(d->conv, p);
    return p;
}

/* ---- running ---- */

/* y [n,c,P] = bias [c] */
template <int V, typename T>
static __global__ void fill(T *y, const float *bias, int64_t c, int64_t P, int64_t total)
{
    UM_EACH(V, e, total)
    {
        const int64_t map = um_quot(e, P);
        const float   b   = bias[map - um_quot(map, c) * c];
        float         v[V];

#pragma unroll
        for (int k = 0; k < V; k++)
            v[k] = b;
        um_stv<V>(y + e, v);
    }
}

static int fill_all(struct um_dev *dev, enum um_dtype dt, void *y, const float *bias, int64_t n,
                    int64_t c, int64_t P)
{
    const int64_t total = n * c * P;

    UM_CUDA_TYPED(dt, UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, P, y), um_vec<T>::N,
                                  (um_launch(dev, fill<V, T>, um_cuda_grid(dev, total, V * 256),
                                             256, 0, (T *)y, bias, c, P, total))));
    return um_cuda_launched(dev, "bias of a convolution");
}

static bool run(cudnnHandle_t h, const struct plan *p, void *y, void *x, void *w, bool add,
                void *work)
{
    const float one = 1, beta = add ? 1 : 0;

    switch (p->key.what) {
    case UM_CUDNN_FWD:
        return good(api.cudnnConvolutionForward_(h, &one, p->x, x, p->w, w, p->conv, FWD, work,
                                                 p->work, &beta, p->y, y));
    case UM_CUDNN_DATA:
        return good(api.cudnnConvolutionBackwardData_(h, &one, p->w, w, p->y, y, p->conv, DATA,
                                                      work, p->work, &beta, p->x, x));
    default:
        return good(api.cudnnConvolutionBackwardFilter_(h, &one, p->x, x, p->y, y, p->conv, WEIGHTS,
                                                        work, p->work, &beta, p->w, w));
    }
}

/* a convolution as it is asked of the queue; serial: the plan's, for graphs to tell it by */
struct call {
    const struct plan *p;
    uint64_t           serial;
    void              *y, *x, *w, *work;
    int64_t            add;
};

static int run_call(struct um_cuda *c, const void *args)
{
    const struct call *a = (const struct call *)args;

    return run(c->cudnn->handle, a->p, a->y, a->x, a->w, a->add != 0, a->work)
               ? UM_OK
               : um_fail(UM_EUNSUPPORTED, "cuda: cuDNN refuses a convolution that it has done");
}

/* The first time at once, so that what is refused is done by others. */
static int convolve(struct um_dev *dev, struct plan *p, const struct call *call, bool *done)
{
    *done = p->tried;
    if (p->tried) {
        um_ask_call(dev, run_call, call, sizeof *call);
        return um_cuda_launched(dev, "convolution");
    }
    (void)um_cuda_stream(dev); /* what it reads has been asked for */
    p->found = p->tried = *done = run_call(um_cuda_of(dev), call) >= 0;
    return UM_OK;
}

static int64_t places_out(const struct um_conv *c)
{
    return um_conv_out(c, 0) * um_conv_out(c, 1) * um_conv_out(c, 2);
}

/* every array has fewer than 2^31 elements, and begins where cuDNN's 16-byte accesses may */
static bool suits(const struct um_conv *c, const void *y, const void *x, const float *w)
{
    const int64_t most = INT32_MAX;

    return c->n * c->cin * um_volume(c->in) <= most && c->n * c->cout * places_out(c) <= most &&
           c->cout * c->cin * um_volume(c->k) <= most &&
           (((uintptr_t)y | (uintptr_t)x | (uintptr_t)w) & 15) == 0;
}

int um_cudnn_conv(struct um_dev *dev, enum um_cudnn_what what, const struct um_conv *c, void *y,
                  void *x, float *w, const float *bias, bool *done)
{
    const bool       rounds = c->dt == UM_BF16;
    const int64_t    nw     = c->cout * c->cin * um_volume(c->k);
    struct um_cudnn *d      = open_conv(dev);
    struct plan     *p;
    char            *work;
    void            *weights = w;

    *done = false;
    if (!d)
        return um_fail(UM_ENOMEM, "out of memory");
    if (!d->handle || !load() || (rounds && what == UM_CUDNN_WEIGHTS) || !suits(c, y, x, w))
        return UM_OK;
    if (!(p = plan_of(dev, what, c)))
        return um_fail(UM_ENOMEM, "out of memory");
    if (!p->found)
        return UM_OK;
    const size_t at = (p->work + 255) & ~(size_t)255;
    if (!(work = (char *)um_cuda_work(dev, at + (rounds ? (size_t)nw * 2 : 0) + 256)))
        return UM_OK; /* what is left may do for our own, which takes less at a time */
    if (rounds) {
        weights = work + at;
        UM_TRY(um_round(dev, weights, w, 1, 1, nw, nw, 0));
    }
    if (bias)
        UM_TRY(what == UM_CUDNN_FWD
                   ? fill_all(dev, c->dt, y, bias, c->n, c->cout, places_out(c))
                   : fill_all(dev, c->dt, x, bias, c->n, c->cin, um_volume(c->in)));
    const struct call call = {
        p, p->serial, y, x, weights, work, bias || what == UM_CUDNN_WEIGHTS
    };

    return convolve(dev, p, &call, done);
}

#else

int um_cudnn_conv(struct um_dev *dev, enum um_cudnn_what what, const struct um_conv *c, void *y,
                  void *x, float *w, const float *bias, bool *done)
{
    (void)dev, (void)what, (void)c, (void)y, (void)x, (void)w, (void)bias;
    *done = false;
    return UM_OK;
}

#endif
