/* cuda.cu - elementwise operations: one grid-stride loop each */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda.h"
#include "kernels/drop_cuda.h"

/* a kernel over n elements with the body of one element; i is its index */
#define EACH(i, n)                                                                                 \
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n);                      \
         i += (int64_t)gridDim.x * blockDim.x)
#define RUN(kernel, n) kernel<<<um_cuda_blocks(n, 256), 256, 0, um_cuda_stream(dev)>>>

template <typename T> static __global__ void add_all(T *y, const T *a, const T *b, int64_t n)
{
    EACH(i, n)
    um_st(y, i, um_ld(a, i) + um_ld(b, i));
}

extern "C" int um_cuda_add(struct um_dev *dev, enum um_dtype dt, void *y, const void *a,
                           const void *b, int64_t n)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, (RUN(add_all<T>, n)((T *)y, (const T *)a, (const T *)b, n)));
    return um_cuda_launched("add");
}

template <typename Y, typename X> static __global__ void cast_all(Y *y, const X *x, int64_t n)
{
    EACH(i, n)
    um_st(y, i, um_ld(x, i));
}

extern "C" int um_cuda_cast(struct um_dev *dev, void *y, enum um_dtype dty, const void *x,
                            enum um_dtype dtx, int64_t n)
{
    if (n == 0)
        return UM_OK;
    if (dtx == UM_F32)
        UM_CUDA_TYPED(dty, (RUN((cast_all<T, float>), n)((T *)y, (const float *)x, n)));
    else if (dtx == UM_BF16)
        UM_CUDA_TYPED(dty,
                      (RUN((cast_all<T, __nv_bfloat16>), n)((T *)y, (const __nv_bfloat16 *)x, n)));
    else
        return um_fail(UM_EDTYPE, "cuda: cast from %s", um_dtype_name(dtx));
    return um_cuda_launched("cast");
}

template <typename T> static __global__ void drop_all(T *y, const T *x, int64_t n, struct um_drop d)
{
    EACH(i, n)
    {
        const float f = um_drop_factor(d, (uint64_t)i);

        um_st(y, i, f > 0 ? um_ld(x, i) * f : 0);
    }
}

extern "C" int um_cuda_dropout(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                               int64_t n, struct um_drop drop)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, (RUN(drop_all<T>, n)((T *)y, (const T *)x, n, drop)));
    return um_cuda_launched("dropout");
}

template <typename T>
static __global__ void drop_rows(T *y, const T *x, int64_t B, int64_t n, struct um_drop d)
{
    EACH(i, B * n)
    {
        const float f = um_drop_factor(d, (uint64_t)(i / n));

        um_st(y, i, f > 0 ? um_ld(x, i) * f : 0);
    }
}

extern "C" int um_cuda_drop_path(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                 int64_t B, int64_t n, struct um_drop drop)
{
    if (B * n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, (RUN(drop_rows<T>, B * n)((T *)y, (const T *)x, B, n, drop)));
    return um_cuda_launched("drop_path");
}

static __global__ void expscale_all(float *y, const float *x, const float *theta, int64_t n)
{
    const float f = (float)exp((double)*theta); /* expf's error would be every element's */

    EACH(i, n)
    y[i] = x[i] * f;
}

extern "C" int um_cuda_expscale_fwd(struct um_dev *dev, float *y, const float *x,
                                    const float *theta, int64_t n)
{
    if (n == 0)
        return UM_OK;
    RUN(expscale_all, n)(y, x, theta, n);
    return um_cuda_launched("expscale_fwd");
}

enum { SUM = 1024 };

/* one block: dtheta += e^theta sum dy x, thread t takes t, t + SUM, ..; then a tree */
static __global__ void expscale_theta(float *dtheta, const float *dy, const float *x,
                                      const float *theta, int64_t n)
{
    __shared__ double s[SUM];
    double            a = 0;

    for (int64_t i = threadIdx.x; i < n; i += SUM)
        a += (double)dy[i] * x[i];
    s[threadIdx.x] = a;
    for (int o = SUM / 2; o > 0; o >>= 1) {
        __syncthreads();
        if (threadIdx.x < o)
            s[threadIdx.x] += s[threadIdx.x + o];
    }
    if (threadIdx.x == 0)
        *dtheta += (float)(s[0] * exp((double)*theta));
}

extern "C" int um_cuda_expscale_bwd(struct um_dev *dev, float *dx, float *dtheta, const float *dy,
                                    const float *x, const float *theta, int64_t n)
{
    if (n == 0)
        return UM_OK;
    expscale_theta<<<1, SUM, 0, um_cuda_stream(dev)>>>(dtheta, dy, x, theta, n);
    RUN(expscale_all, n)(dx, dy, theta, n);
    return um_cuda_launched("expscale_bwd");
}
