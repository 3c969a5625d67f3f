/* cudnn.cpp - cuDNN's convolutions by plain loops, as far as um uses them (attention:
 * cudnn_graph.cpp)
 *
 * They are in the emulator's plug-in itself, which UM_CUDNN then names as the library to open. What
 * um must not ask for is refused, so that a wrong descriptor is found here: arrays that are not
 * packed, sizes that do not follow from each other, an algorithm without a fixed order, TF32, a
 * workspace smaller than was asked for, a handle without a stream. UM_EMU_CUDNN=plan refuses every
 * plan, and =run every convolution: what is done then is um's own.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/emu/dnn.h"

#include <cuda_bf16.h>
#include <stdint.h>
#include <vector>

#include "tests/emu/fiber.h"
#include "tests/emu/runtime.h"

#define API extern "C" __attribute__((visibility("default"))) cudnnStatus_t CUDNNWINAPI

namespace
{
const size_t WORK = 1000;
const int    MOST = 5; /* axes */

struct array {
    cudnnDataType_t type;
    int             nd, dim[MOST];
    bool            set;
};

struct geometry {
    int             n, pad[3], stride[3];
    cudnnMathType_t math;
    bool            set;
};

using um_emu::dnn_told;

using handle = um_emu::dnn_handle;

array &of(cudnnTensorDescriptor_t t)
{
    return *(array *)t;
}

array &of(cudnnFilterDescriptor_t t)
{
    return *(array *)t;
}

geometry &of(cudnnConvolutionDescriptor_t c)
{
    return *(geometry *)c;
}

int64_t count(const array &a, int from = 0)
{
    int64_t n = 1;

    for (int i = from; i < a.nd; i++)
        n *= a.dim[i];
    return n;
}

double get(const void *p, cudnnDataType_t t, int64_t i)
{
    return t == CUDNN_DATA_FLOAT ? ((const float *)p)[i]
                                 : __bfloat162float(((const __nv_bfloat16 *)p)[i]);
}

void put(void *p, cudnnDataType_t t, int64_t i, double v)
{
    if (t == CUDNN_DATA_FLOAT)
        ((float *)p)[i] = (float)v;
    else
        ((__nv_bfloat16 *)p)[i] = __float2bfloat16_rn((float)v);
}

/* x [n,c,in..], w [o,c,k..] and y [n,o,out..] go together, and float is float */
cudnnStatus_t fits(const array &x, const array &w, const array &y, const geometry &g)
{
    if (!x.set || !w.set || !y.set || !g.set || x.nd != w.nd || x.nd != y.nd || g.n != x.nd - 2 ||
        x.type != w.type || x.type != y.type || x.dim[0] != y.dim[0] || x.dim[1] != w.dim[1] ||
        y.dim[1] != w.dim[0])
        return CUDNN_STATUS_BAD_PARAM;
    for (int i = 0; i < g.n; i++)
        if (w.dim[2 + i] > x.dim[2 + i] + 2 * g.pad[i] ||
            y.dim[2 + i] != (x.dim[2 + i] + 2 * g.pad[i] - w.dim[2 + i]) / g.stride[i] + 1)
            return CUDNN_STATUS_BAD_PARAM;
    if (g.math != (x.type == CUDNN_DATA_FLOAT ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH))
        return CUDNN_STATUS_NOT_SUPPORTED;
    return dnn_told("plan") ? CUDNN_STATUS_NOT_SUPPORTED : CUDNN_STATUS_SUCCESS;
}

/* call(place in x, in w, in y) for every product of a convolution */
template <typename F>
void each(const array &x, const array &w, const array &y, const geometry &g, F call)
{
    const int64_t sx = count(x, 2), sw = count(w, 2), sy = count(y, 2);

    for (int64_t p = 0; p < sy; p++)
        for (int64_t t = 0; t < sw; t++) {
            int64_t left = p, tap = t, q = 0, step = 1;
            bool    in = true;

            for (int i = g.n - 1; i >= 0; i--) {
                const int64_t a = left % y.dim[2 + i] * g.stride[i] + tap % w.dim[2 + i] - g.pad[i];

                in = in && a >= 0 && a < x.dim[2 + i];
                q += a * step;
                step *= x.dim[2 + i];
                left /= y.dim[2 + i];
                tap /= w.dim[2 + i];
            }
            for (int64_t n = 0; in && n < x.dim[0]; n++)
                for (int64_t o = 0; o < w.dim[0]; o++)
                    for (int64_t c = 0; c < x.dim[1]; c++)
                        call((n * x.dim[1] + c) * sx + q, (o * x.dim[1] + c) * sw + t,
                             (n * w.dim[0] + o) * sy + p);
        }
}

struct job {
    array    x, w, y;
    geometry g;
    float    alpha, beta;
    void    *px, *pw, *py;
};

/* the result is the array at `to`: sum(place) says where a product goes, factors what it is */
template <typename F> void convolve(const job &j, const array &a, void *to, F factors)
{
    std::vector<double> sum((size_t)count(a));

    each(j.x, j.w, j.y, j.g, [&](int64_t x, int64_t w, int64_t y) { factors(sum, x, w, y); });
    for (size_t i = 0; i < sum.size(); i++)
        put(to, a.type, (int64_t)i,
            j.alpha * sum[i] + (j.beta != 0 ? j.beta * get(to, a.type, (int64_t)i) : 0));
}

cudnnStatus_t start(cudnnHandle_t h, const job &j, bool algorithm, const void *work, size_t size,
                    std::function<void()> call)
{
    cudnnStatus_t s = fits(j.x, j.w, j.y, j.g);

    if (s != CUDNN_STATUS_SUCCESS)
        return s;
    if (!algorithm || dnn_told("run"))
        return CUDNN_STATUS_NOT_SUPPORTED;
    if (!j.px || !j.pw || !j.py ||
        ((uintptr_t)j.px | (uintptr_t)j.pw | (uintptr_t)j.py | (uintptr_t)work) % 16 ||
        size < WORK || !um_emu::on_card(work, size) || !((handle *)h)->stream)
        return CUDNN_STATUS_BAD_PARAM;
    return um_emu::enqueue(((handle *)h)->stream, call) == cudaSuccess
               ? CUDNN_STATUS_SUCCESS
               : CUDNN_STATUS_EXECUTION_FAILED;
}

cudnnStatus_t size_of(const array &x, const array &w, const array &y, const geometry &g,
                      bool algorithm, size_t *size)
{
    *size = WORK;
    return algorithm ? fits(x, w, y, g) : CUDNN_STATUS_NOT_SUPPORTED;
}

cudnnStatus_t set(array &a, cudnnDataType_t type, int nd, const int *dim)
{
    if ((type != CUDNN_DATA_FLOAT && type != CUDNN_DATA_BFLOAT16) || nd < 4 || nd > MOST)
        return CUDNN_STATUS_BAD_PARAM;
    a = { type, nd, {}, true };
    for (int i = 0; i < nd; i++) {
        if (dim[i] < 1)
            return CUDNN_STATUS_BAD_PARAM;
        a.dim[i] = dim[i];
    }
    return CUDNN_STATUS_SUCCESS;
}
} // namespace

/* the first whose attention um takes both ways: attention/sdpa.h */
extern "C" __attribute__((visibility("default"))) size_t CUDNNWINAPI cudnnGetVersion(void)
{
    return 92800;
}

API cudnnCreate(cudnnHandle_t *h)
{
    *h = (cudnnHandle_t) new handle{};
    return CUDNN_STATUS_SUCCESS;
}

API cudnnDestroy(cudnnHandle_t h)
{
    delete (handle *)h;
    return CUDNN_STATUS_SUCCESS;
}

API cudnnSetStream(cudnnHandle_t h, cudaStream_t s)
{
    ((handle *)h)->stream = s;
    return CUDNN_STATUS_SUCCESS;
}

API cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t *t)
{
    *t = (cudnnTensorDescriptor_t) new array{};
    return CUDNN_STATUS_SUCCESS;
}

API cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t t)
{
    delete (array *)t;
    return CUDNN_STATUS_SUCCESS;
}

API cudnnSetTensorNdDescriptor(cudnnTensorDescriptor_t t, cudnnDataType_t type, int nd,
                               const int *dim, const int *stride)
{
    const cudnnStatus_t s = set(of(t), type, nd, dim);

    for (int i = 0; s == CUDNN_STATUS_SUCCESS && i < nd; i++)
        if (stride[i] != count(of(t), i + 1))
            return CUDNN_STATUS_NOT_SUPPORTED;
    return s;
}

API cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t *t)
{
    *t = (cudnnFilterDescriptor_t) new array{};
    return CUDNN_STATUS_SUCCESS;
}

API cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t t)
{
    delete (array *)t;
    return CUDNN_STATUS_SUCCESS;
}

API cudnnSetFilterNdDescriptor(cudnnFilterDescriptor_t t, cudnnDataType_t type,
                               cudnnTensorFormat_t format, int nd, const int *dim)
{
    return format == CUDNN_TENSOR_NCHW ? set(of(t), type, nd, dim) : CUDNN_STATUS_NOT_SUPPORTED;
}

API cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t *c)
{
    *c = (cudnnConvolutionDescriptor_t) new geometry{};
    return CUDNN_STATUS_SUCCESS;
}

API cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t c)
{
    delete (geometry *)c;
    return CUDNN_STATUS_SUCCESS;
}

API cudnnSetConvolutionNdDescriptor(cudnnConvolutionDescriptor_t c, int n, const int *pad,
                                    const int *stride, const int *dilation,
                                    cudnnConvolutionMode_t mode, cudnnDataType_t compute)
{
    geometry &g = of(c);

    if (n < 2 || n > 3 || mode != CUDNN_CROSS_CORRELATION || compute != CUDNN_DATA_FLOAT)
        return CUDNN_STATUS_BAD_PARAM;
    g = { n, {}, {}, CUDNN_DEFAULT_MATH, true };
    for (int i = 0; i < n; i++) {
        if (pad[i] < 0 || stride[i] < 1 || dilation[i] != 1)
            return CUDNN_STATUS_BAD_PARAM;
        g.pad[i]    = pad[i];
        g.stride[i] = stride[i];
    }
    return CUDNN_STATUS_SUCCESS;
}

API cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t c, cudnnMathType_t m)
{
    of(c).math = m;
    return CUDNN_STATUS_SUCCESS;
}

API cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t, cudnnTensorDescriptor_t x,
                                            cudnnFilterDescriptor_t      w,
                                            cudnnConvolutionDescriptor_t c,
                                            cudnnTensorDescriptor_t y, cudnnConvolutionFwdAlgo_t a,
                                            size_t *n)
{
    return size_of(of(x), of(w), of(y), of(c),
                   a == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, n);
}

API cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t, cudnnFilterDescriptor_t w,
                                                 cudnnTensorDescriptor_t       y,
                                                 cudnnConvolutionDescriptor_t  c,
                                                 cudnnTensorDescriptor_t       x,
                                                 cudnnConvolutionBwdDataAlgo_t a, size_t *n)
{
    return size_of(of(x), of(w), of(y), of(c), a == CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, n);
}

API cudnnGetConvolutionBackwardFilterWorkspaceSize(cudnnHandle_t, cudnnTensorDescriptor_t x,
                                                   cudnnTensorDescriptor_t         y,
                                                   cudnnConvolutionDescriptor_t    c,
                                                   cudnnFilterDescriptor_t         w,
                                                   cudnnConvolutionBwdFilterAlgo_t a, size_t *n)
{
    return size_of(of(x), of(w), of(y), of(c), a == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, n);
}

API cudnnConvolutionForward(cudnnHandle_t h, const void *alpha, cudnnTensorDescriptor_t x,
                            const void *px, cudnnFilterDescriptor_t w, const void *pw,
                            cudnnConvolutionDescriptor_t c, cudnnConvolutionFwdAlgo_t a, void *work,
                            size_t size, const void *beta, cudnnTensorDescriptor_t y, void *py)
{
    const job j = {
        of(x),      of(w),      of(y), of(c), *(const float *)alpha, *(const float *)beta,
        (void *)px, (void *)pw, py
    };

    return start(h, j, a == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, work, size, [=] {
        convolve(j, j.y, j.py, [&](std::vector<double> &s, int64_t kx, int64_t kw, int64_t ky) {
            s[(size_t)ky] += get(j.px, j.x.type, kx) * get(j.pw, j.w.type, kw);
        });
    });
}

API cudnnConvolutionBackwardData(cudnnHandle_t h, const void *alpha, cudnnFilterDescriptor_t w,
                                 const void *pw, cudnnTensorDescriptor_t y, const void *py,
                                 cudnnConvolutionDescriptor_t c, cudnnConvolutionBwdDataAlgo_t a,
                                 void *work, size_t size, const void *beta,
                                 cudnnTensorDescriptor_t x, void *px)
{
    const job j = {
        of(x), of(w),      of(y),     of(c), *(const float *)alpha, *(const float *)beta,
        px,    (void *)pw, (void *)py
    };

    return start(h, j, a == CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, work, size, [=] {
        convolve(j, j.x, j.px, [&](std::vector<double> &s, int64_t kx, int64_t kw, int64_t ky) {
            s[(size_t)kx] += get(j.py, j.y.type, ky) * get(j.pw, j.w.type, kw);
        });
    });
}

API cudnnConvolutionBackwardFilter(cudnnHandle_t h, const void *alpha, cudnnTensorDescriptor_t x,
                                   const void *px, cudnnTensorDescriptor_t y, const void *py,
                                   cudnnConvolutionDescriptor_t    c,
                                   cudnnConvolutionBwdFilterAlgo_t a, void *work, size_t size,
                                   const void *beta, cudnnFilterDescriptor_t w, void *pw)
{
    const job j = {
        of(x),      of(w), of(y),     of(c), *(const float *)alpha, *(const float *)beta,
        (void *)px, pw,    (void *)py
    };

    return start(h, j, a == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, work, size, [=] {
        convolve(j, j.w, j.pw, [&](std::vector<double> &s, int64_t kx, int64_t kw, int64_t ky) {
            s[(size_t)kw] += get(j.px, j.x.type, kx) * get(j.py, j.y.type, ky);
        });
    });
}
