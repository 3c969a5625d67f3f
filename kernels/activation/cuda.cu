/* cuda.cu - activations: one thread an element, striding */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda.h"

extern "C" {
#include "kernels/activation/activation.h"
}

static __device__ float tanh_arg(float x)
{
    return 0.79788456080286536f * (x + 0.044715f * x * x * x);
}

static __device__ float value(enum um_act act, float x, float slope)
{
    switch (act) {
    case UM_ACT_NONE: break;
    case UM_ACT_GELU: return x * normcdff(x);
    case UM_ACT_GELU_TANH: return 0.5f * x * (1 + tanhf(tanh_arg(x)));
    case UM_ACT_RELU: return x < 0 ? 0 : x; /* NaN stays NaN */
    case UM_ACT_LEAKY_RELU: return x < 0 ? slope * x : x;
    case UM_ACT_TANH: return tanhf(x);
    case UM_ACT_SIGMOID: return 1 / (1 + expf(-x));
    }
    return x;
}

static __device__ float backward(enum um_act act, float dy, float x, float slope)
{
    const float t = tanhf(act == UM_ACT_TANH ? x : tanh_arg(x));

    switch (act) {
    case UM_ACT_NONE: break;
    case UM_ACT_GELU: return dy * (normcdff(x) + x * 0.39894228040143268f * expf(-0.5f * x * x));
    case UM_ACT_GELU_TANH:
        return dy * (0.5f * (1 + t) +
                     0.5f * x * (1 - t * t) * 0.79788456080286536f * (1 + 0.134145f * x * x));
    case UM_ACT_RELU: return x > 0 ? dy : 0;
    case UM_ACT_LEAKY_RELU: return x > 0 ? dy : dy * slope;
    case UM_ACT_TANH: return dy * (1 - t * t);
    case UM_ACT_SIGMOID: return dy / (1 + expf(-x)) / (1 + expf(x));
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
