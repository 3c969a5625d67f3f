/* cuda.cu - elementwise operations: 16 bytes a thread and access, each array read and written once
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/drop_cuda.h"
#include "kernels/vec_cuda.h"

enum { THREADS = 256 };

/* a launch of `kernel` over n elements, V a thread */
#define RUN(kernel, V, n, ...)                                                                     \
    um_launch(dev, kernel, um_cuda_grid(dev, n, (int64_t)(V)*THREADS), THREADS, 0, __VA_ARGS__)

template <int V, typename T> static __global__ void add_all(T *y, const T *a, const T *b, int64_t n)
{
    UM_EACH(V, i, n)
    {
        float v[V], w[V];

        um_ldn<V>(v, a, i, n);
        um_ldn<V>(w, b, i, n);
#pragma unroll
        for (int k = 0; k < V; k++)
            v[k] += w[k];
        um_stn<V>(y, i, n, v);
    }
}

extern "C" int um_cuda_add(struct um_dev *dev, enum um_dtype dt, void *y, const void *a,
                           const void *b, int64_t n)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt,
                  UM_CUDA_VEC(um_aligned(y, a, b), um_vec<T>::N,
                              (RUN((add_all<V, T>), V, n, (T *)y, (const T *)a, (const T *)b, n))));
    return um_cuda_launched(dev, "add");
}

template <int V, typename Y, typename X>
static __global__ void cast_all(Y *y, const X *x, int64_t n)
{
    UM_EACH(V, i, n)
    {
        float v[V];

        um_ldn<V>(v, x, i, n);
        um_stn<V>(y, i, n, v);
    }
}

template <typename Y, typename X> static void cast(struct um_dev *dev, Y *y, const X *x, int64_t n)
{
    UM_CUDA_VEC(um_aligned(y, x), (um_vec<Y, X>::N), (RUN((cast_all<V, Y, X>), V, n, y, x, n)));
}

extern "C" int um_cuda_cast(struct um_dev *dev, void *y, enum um_dtype dty, const void *x,
                            enum um_dtype dtx, int64_t n)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dty, typedef T Y; UM_CUDA_TYPED(dtx, (cast<Y, T>(dev, (Y *)y, (const T *)x, n))));
    return um_cuda_launched(dev, "cast");
}

template <int V, typename T>
static __global__ void drop_all(T *y, const T *x, int64_t n, struct um_drop d)
{
    UM_EACH(V, i, n)
    {
        float v[V], f[V];

        um_ldn<V>(v, x, i, n);
        um_drop_factors<V>(f, d, (uint64_t)i);
#pragma unroll
        for (int k = 0; k < V; k++)
            v[k] = f[k] > 0 ? v[k] * f[k] : 0;
        um_stn<V>(y, i, n, v);
    }
}

extern "C" int um_cuda_dropout(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                               int64_t n, struct um_drop drop)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, UM_CUDA_VEC(um_aligned(y, x), um_vec<T>::N,
                                  (RUN((drop_all<V, T>), V, n, (T *)y, (const T *)x, n, drop))));
    return um_cuda_launched(dev, "dropout");
}

/* a grid row a sample; what is dropped is not read */
template <int V, typename T>
static __global__ void drop_rows(T *y, const T *x, int64_t B, int64_t n, struct um_drop d)
{
    for (int64_t b = blockIdx.y; b < B; b += gridDim.y) {
        const float f = um_drop_factor(d, (uint64_t)b);

        UM_EACH(V, i, n)
        {
            float v[V] = { 0 };

            if (f > 0)
                um_ldv<V>(v, x + b * n + i);
#pragma unroll
            for (int k = 0; k < V; k++)
                v[k] *= f;
            um_stv<V>(y + b * n + i, v);
        }
    }
}

extern "C" int um_cuda_drop_path(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                 int64_t B, int64_t n, struct um_drop drop)
{
    const unsigned high = B > 65535 ? 65535 : (unsigned)B;

    if (B * n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, n, y, x), um_vec<T>::N,
                                  (um_launch(dev, drop_rows<V, T>,
                                             dim3(um_cuda_grid(dev, n, V * THREADS * 4), high),
                                             THREADS, 0, (T *)y, (const T *)x, B, n, drop))));
    return um_cuda_launched(dev, "drop_path");
}

/* expf's error would be every element's */
static __device__ float factor_of(const float *theta)
{
    return (float)exp((double)*theta);
}

template <int V>
static __global__ void expscale_all(float *y, const float *x, const float *theta, int64_t n)
{
    const float f = factor_of(theta);

    UM_EACH(V, i, n)
    {
        float v[V];

        um_ldn<V>(v, x, i, n);
#pragma unroll
        for (int k = 0; k < V; k++)
            v[k] *= f;
        um_stn<V>(y, i, n, v);
    }
}

extern "C" int um_cuda_expscale_fwd(struct um_dev *dev, float *y, const float *x,
                                    const float *theta, int64_t n)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_VEC(um_aligned(y, x), um_vec<float>::N, (RUN(expscale_all<V>, V, n, y, x, theta, n)));
    return um_cuda_launched(dev, "expscale_fwd");
}

enum { PART = 1 << 13 }; /* products a partial sum */

/* the sum over the block, for thread 0: a tree */
static __device__ double block_sum(double a)
{
    __shared__ double s[THREADS];

    s[threadIdx.x] = a;
    for (int o = THREADS / 2; o > 0; o >>= 1) {
        __syncthreads();
        if (threadIdx.x < o)
            s[threadIdx.x] += s[threadIdx.x + o];
    }
    return s[0];
}

/* block p: dx of its PART elements, and the sum of their dy x */
template <int V>
static __global__ void expscale_parts(double *part, float *dx, const float *dy, const float *x,
                                      const float *theta, int64_t n)
{
    const float   f   = factor_of(theta);
    const int64_t end = n < ((int64_t)blockIdx.x + 1) * PART ? n : ((int64_t)blockIdx.x + 1) * PART;
    double        a   = 0;

    for (int64_t i = (int64_t)blockIdx.x * PART + threadIdx.x * V; i < end; i += THREADS * V) {
        float v[V], w[V];

        um_ldn<V>(v, dy, i, n);
        um_ldn<V>(w, x, i, n);
#pragma unroll
        for (int k = 0; k < V; k++) {
            a += (double)v[k] * w[k];
            v[k] *= f;
        }
        um_stn<V>(dx, i, n, v);
    }
    a = block_sum(a);
    if (threadIdx.x == 0)
        part[blockIdx.x] = a;
}

/* one block: dtheta += e^theta times the parts' sum, thread t takes t, t + THREADS, .. */
static __global__ void expscale_theta(float *dtheta, const double *part, const float *theta,
                                      int64_t parts)
{
    double a = 0;

    for (int64_t p = threadIdx.x; p < parts; p += THREADS)
        a += part[p];
    a = block_sum(a);
    if (threadIdx.x == 0)
        *dtheta += (float)(a * exp((double)*theta));
}

extern "C" int um_cuda_expscale_bwd(struct um_dev *dev, float *dx, float *dtheta, const float *dy,
                                    const float *x, const float *theta, int64_t n)
{
    const int64_t parts = (n + PART - 1) / PART;
    double       *part;

    if (n == 0)
        return UM_OK;
    part = (double *)um_cuda_work(dev, (size_t)parts * sizeof *part);
    if (!part)
        return UM_ENOMEM;
    UM_CUDA_VEC(um_aligned(dx, dy, x), um_vec<float>::N,
                (um_launch(dev, expscale_parts<V>, um_cuda_blocks(parts, 1), THREADS, 0, part, dx,
                           dy, x, theta, n)));
    um_launch(dev, expscale_theta, 1, THREADS, 0, dtheta, part, theta, parts);
    return um_cuda_launched(dev, "expscale_bwd");
}
