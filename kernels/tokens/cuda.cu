/* cuda.cu - tokens: one thread an element; sums in the order of the rows */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda.h"

extern "C" {
#include "kernels/tokens/tokens.h"
}

#define EACH(k, n)                                                                                 \
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < (n);                      \
         k += (int64_t)gridDim.x * blockDim.x)
#define RUN(fn, n) fn<<<um_cuda_blocks(n, 256), 256, 0, um_cuda_stream(dev)>>>

template <typename T>
static __global__ void pick(T *y, const T *x, const int32_t *idx, int64_t B, int64_t n, int64_t len,
                            int64_t c, int *flag)
{
    EACH(k, B * n * c)
    {
        const int64_t i = k / c;

        if (idx[i] < 0 || idx[i] >= len)
            *flag = 1;
        else
            um_st(y, k, um_ld(x, (i / n * len + idx[i]) * c + k % c));
    }
}

template <typename T>
static __global__ void spread(T *dx, const T *dy, const int32_t *idx, int64_t B, int64_t n,
                              int64_t len, int64_t c)
{
    EACH(k, B * len * c)
    {
        const int64_t b = k / c / len, t = k / c % len;
        float         s = 0;

        for (int64_t i = 0; i < n; i++)
            if (idx[b * n + i] == t)
                s += um_ld(dy, (b * n + i) * c + k % c);
        um_st(dx, k, s);
    }
}

template <typename T>
static __global__ void mask_all(T *y, const T *x, const float *v, const uint8_t *m, int64_t n,
                                int64_t c)
{
    EACH(k, n * c)
    um_st(y, k, m[k / c] ? v[k % c] : um_ld(x, k));
}

template <typename T>
static __global__ void unmask_all(T *dx, const T *dy, const uint8_t *m, int64_t n, int64_t c)
{
    EACH(k, n * c)
    um_st(dx, k, m[k / c] ? 0 : um_ld(dy, k));
}

template <typename T>
static __global__ void sum_masked(float *dv, const T *dy, const uint8_t *m, int64_t n, int64_t c)
{
    EACH(j, c)
    {
        float s = 0;

        for (int64_t i = 0; i < n; i++)
            if (m[i])
                s += um_ld(dy, i * c + j);
        dv[j] += s;
    }
}

extern "C" int um_cuda_pick_fwd(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                const int32_t *idx, int64_t B, int64_t n, int64_t T_, int64_t c)
{
    if (B * n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, (RUN(pick<T>, B * n * c)((T *)y, (const T *)x, idx, B, n, T_, c,
                                               um_cuda_of(dev)->flag)));
    return um_cuda_launched("pick_fwd");
}

extern "C" int um_cuda_pick_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy,
                                const int32_t *idx, int64_t B, int64_t n, int64_t T_, int64_t c)
{
    if (B * T_ == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, (RUN(spread<T>, B * T_ * c)((T *)dx, (const T *)dy, idx, B, n, T_, c)));
    return um_cuda_launched("pick_bwd");
}

extern "C" int um_cuda_mask_fwd(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                const float *v, const uint8_t *mask, int64_t n, int64_t c)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, (RUN(mask_all<T>, n * c)((T *)y, (const T *)x, v, mask, n, c)));
    return um_cuda_launched("mask_fwd");
}

extern "C" int um_cuda_mask_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, float *dv,
                                const void *dy, const uint8_t *mask, int64_t n, int64_t c)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, (RUN(sum_masked<T>, c)(dv, (const T *)dy, mask, n, c)));
    UM_CUDA_TYPED(dt, (RUN(unmask_all<T>, n * c)((T *)dx, (const T *)dy, mask, n, c)));
    return um_cuda_launched("mask_bwd");
}
