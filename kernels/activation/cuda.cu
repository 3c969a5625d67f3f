/* cuda.cu - activations: 16 bytes a thread and access, each array read and written once */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/normal_cuda.h"
#include "kernels/vec_cuda.h"

extern "C" {
#include "kernels/activation/activation.h"
}

/* Results rounded to bfloat16 come from functions that are good to 1e-5 of their value in few
 * instructions, of which the bytes of such an array leave room for few; those for float are good to
 * a few units in its last place. */
template <typename T> constexpr bool rough = sizeof(T) == 2;

/* 1/(1 + e^-x): small ones too have all their digits, as 1 + tanh does not */
template <typename T> static __device__ float sigmoid(float x)
{
    if constexpr (rough<T>)
        return __fdividef(1, 1 + __expf(-x));
    return 1 / (1 + expf(-x));
}

/* twice the argument of GELU's tanh: (1 + tanh(a/2))/2 = sigmoid(a) */
static __device__ float tanh_arg(float x)
{
    return 1.59576912160573071f * (x + 0.044715f * x * x * x);
}

template <typename T> static __device__ float value(enum um_act act, float x, float slope)
{
    float unused;

    switch (act) {
    case UM_ACT_NONE: break;
    case UM_ACT_GELU: return x * um_normal<T>(x, &unused);
    case UM_ACT_GELU_TANH: return x * sigmoid<T>(tanh_arg(x));
    case UM_ACT_RELU: return x < 0 ? 0 : x; /* NaN stays NaN */
    case UM_ACT_LEAKY_RELU: return x < 0 ? slope * x : x;
    case UM_ACT_TANH: return tanhf(x);
    case UM_ACT_SIGMOID: return sigmoid<T>(x);
    }
    return x;
}

template <typename T> static __device__ float gelu_slope(float x)
{
    float       slope;
    const float phi = um_normal<T>(x, &slope);

    return phi + x * slope;
}

template <typename T> static __device__ float gelu_tanh_slope(float x)
{
    const float a = tanh_arg(x), s = sigmoid<T>(a);

    return s + x * s * sigmoid<T>(-a) * 1.59576912160573071f * (1 + 0.134145f * x * x);
}

static __device__ float tanh_slope(float x)
{
    const float e = expf(-2 * fabsf(x));

    return 4 * e / ((1 + e) * (1 + e));
}

template <typename T>
static __device__ float backward(enum um_act act, float dy, float x, float slope)
{
    switch (act) {
    case UM_ACT_NONE: break;
    case UM_ACT_GELU: return dy * gelu_slope<T>(x);
    case UM_ACT_GELU_TANH: return dy * gelu_tanh_slope<T>(x);
    case UM_ACT_RELU: return x > 0 ? dy : 0;
    case UM_ACT_LEAKY_RELU: return x > 0 ? dy : dy * slope;
    case UM_ACT_TANH: return dy * tanh_slope(x);
    case UM_ACT_SIGMOID: return dy * sigmoid<T>(x) * sigmoid<T>(-x);
    }
    return dy;
}

enum { THREADS = 256 };

/* A is the activation: known when the kernel is compiled, it costs no branch an element */
template <int V, enum um_act A, typename T>
static __global__ void forward_all(T *y, const T *x, int64_t n, float slope)
{
    UM_EACH(V, i, n)
    {
        float v[V];

        um_ldn<V>(v, x, i, n);
#pragma unroll
        for (int k = 0; k < V; k++)
            v[k] = value<T>(A, v[k], slope);
        um_stn<V>(y, i, n, v);
    }
}

template <int V, enum um_act A, typename T>
static __global__ void backward_all(T *dx, const T *dy, const T *x, int64_t n, float slope)
{
    UM_EACH(V, i, n)
    {
        float v[V], w[V];

        um_ldn<V>(w, dy, i, n);
        um_ldn<V>(v, x, i, n);
#pragma unroll
        for (int k = 0; k < V; k++)
            v[k] = backward<T>(A, w[k], v[k], slope);
        um_stn<V>(dx, i, n, v);
    }
}

/* run `call` with A bound to the activation */
#define WITH_ACT(act, call)                                                                        \
    switch (act) {                                                                                 \
        ONE_ACT(UM_ACT_NONE, call)                                                                 \
        ONE_ACT(UM_ACT_GELU, call)                                                                 \
        ONE_ACT(UM_ACT_GELU_TANH, call)                                                            \
        ONE_ACT(UM_ACT_RELU, call)                                                                 \
        ONE_ACT(UM_ACT_LEAKY_RELU, call)                                                           \
        ONE_ACT(UM_ACT_TANH, call)                                                                 \
        ONE_ACT(UM_ACT_SIGMOID, call)                                                              \
    }
#define ONE_ACT(name, call)                                                                        \
    case name: {                                                                                   \
        constexpr enum um_act A = name;                                                            \
        call;                                                                                      \
        break;                                                                                     \
    }

template <typename T>
static void forward(struct um_dev *dev, enum um_act act, float slope, T *y, const T *x, int64_t n)
{
    UM_CUDA_VEC(
        um_aligned(y, x), um_vec<T>::N,
        WITH_ACT(act, (um_launch(dev, forward_all<V, A, T>, um_cuda_grid(dev, n, V * THREADS),
                                 THREADS, 0, y, x, n, slope))));
}

template <typename T>
static void backward(struct um_dev *dev, enum um_act act, float slope, T *dx, const T *dy,
                     const T *x, int64_t n)
{
    UM_CUDA_VEC(
        um_aligned(dx, dy, x), um_vec<T>::N,
        WITH_ACT(act, (um_launch(dev, backward_all<V, A, T>, um_cuda_grid(dev, n, V * THREADS),
                                 THREADS, 0, dx, dy, x, n, slope))));
}

extern "C" int um_cuda_act_fwd(struct um_dev *dev, enum um_act act, float slope, enum um_dtype dt,
                               void *y, const void *x, int64_t n)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, forward(dev, act, slope, (T *)y, (const T *)x, n));
    return um_cuda_launched(dev, "act_fwd");
}

extern "C" int um_cuda_act_bwd(struct um_dev *dev, enum um_act act, float slope, enum um_dtype dt,
                               void *dx, const void *dy, const void *x, int64_t n)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, backward(dev, act, slope, (T *)dx, (const T *)dy, (const T *)x, n));
    return um_cuda_launched(dev, "act_bwd");
}
