/* cuda.cu - activations: one thread an element, striding */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda.h"

extern "C" {
#include "kernels/activation/activation.h"
}

/* 1/(1 + e^-x): small ones too have all their digits, as 1 + tanh does not */
static __device__ float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

/* twice the argument of GELU's tanh: (1 + tanh(a/2))/2 = sigmoid(a) */
static __device__ float tanh_arg(float x)
{
    return 1.59576912160573071f * (x + 0.044715f * x * x * x);
}

static __device__ float value(enum um_act act, float x, float slope)
{
    switch (act) {
    case UM_ACT_NONE: break;
    case UM_ACT_GELU: return x * normcdff(x);
    case UM_ACT_GELU_TANH: return x * sigmoid(tanh_arg(x));
    case UM_ACT_RELU: return x < 0 ? 0 : x; /* NaN stays NaN */
    case UM_ACT_LEAKY_RELU: return x < 0 ? slope * x : x;
    case UM_ACT_TANH: return tanhf(x);
    case UM_ACT_SIGMOID: return sigmoid(x);
    }
    return x;
}

static __device__ float gelu_tanh_slope(float x)
{
    const float a = tanh_arg(x), s = sigmoid(a);

    return s + x * s * sigmoid(-a) * 1.59576912160573071f * (1 + 0.134145f * x * x);
}

static __device__ float tanh_slope(float x)
{
    const float e = expf(-2 * fabsf(x));

    return 4 * e / ((1 + e) * (1 + e));
}

static __device__ float backward(enum um_act act, float dy, float x, float slope)
{
    switch (act) {
    case UM_ACT_NONE: break;
    case UM_ACT_GELU: return dy * (normcdff(x) + x * 0.39894228040143268f * expf(-0.5f * x * x));
    case UM_ACT_GELU_TANH: return dy * gelu_tanh_slope(x);
    case UM_ACT_RELU: return x > 0 ? dy : 0;
    case UM_ACT_LEAKY_RELU: return x > 0 ? dy : dy * slope;
    case UM_ACT_TANH: return dy * tanh_slope(x);
    case UM_ACT_SIGMOID: return dy * sigmoid(x) * sigmoid(-x);
    }
    return dy;
}

template <typename T>
static __global__ void forward_all(T *y, const T *x, int64_t n, enum um_act act, float slope)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x)
        um_st(y, i, value(act, um_ld(x, i), slope));
}

template <typename T>
static __global__ void backward_all(T *dx, const T *dy, const T *x, int64_t n, enum um_act act,
                                    float slope)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x)
        um_st(dx, i, backward(act, um_ld(dy, i), um_ld(x, i), slope));
}

extern "C" int um_cuda_act_fwd(struct um_dev *dev, enum um_act act, float slope, enum um_dtype dt,
                               void *y, const void *x, int64_t n)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, (forward_all<T><<<um_cuda_blocks(n, 256), 256, 0, um_cuda_stream(dev)>>>(
                          (T *)y, (const T *)x, n, act, slope)));
    return um_cuda_launched("act_fwd");
}

extern "C" int um_cuda_act_bwd(struct um_dev *dev, enum um_act act, float slope, enum um_dtype dt,
                               void *dx, const void *dy, const void *x, int64_t n)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, (backward_all<T><<<um_cuda_blocks(n, 256), 256, 0, um_cuda_stream(dev)>>>(
                          (T *)dx, (const T *)dy, (const T *)x, n, act, slope)));
    return um_cuda_launched("act_bwd");
}
