/* vec_cuda.h - 16 bytes a thread and access: V elements of float or bfloat16 as float[V]
 *
 * A kernel is written once for V elements and compiled for V = um_vec<..>::N and for V = 1; the
 * host takes the first where its pointers (um_aligned) and, for rows, their length (um_vec_rows)
 * allow it. Arrays cut short by n go through um_ldn and um_stn, which take the last few elements
 * one by one, so that a flat array needs no length of its own kind.
 *
 *     template <int V, typename T> static __global__ void add_all(T *y, const T *a, int64_t n)
 *     {
 *         UM_EACH(V, i, n)
 *         {
 *             float v[V];
 *             um_ldn<V>(v, a, i, n);
 *             ...
 *             um_stn<V>(y, i, n, v);
 *         }
 *     }
 *     UM_CUDA_VEC(um_aligned(y, a), um_vec<T>::N,
 *                 (um_launch(dev, add_all<V, T>, um_cuda_grid(dev, n, V * 256), 256, 0, y, a, n)));
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_VEC_CUDA_H
#define UM_KERNELS_VEC_CUDA_H

#include <string.h>
#include <type_traits>

#include "kernels/cuda.h"

/* N elements are 16 bytes of the wider of the two types; of the other they are 8 or 16 */
template <typename A, typename B = A> struct um_vec {
    enum { N = 16 / (sizeof(A) > sizeof(B) ? sizeof(A) : sizeof(B)) };
};

/* host: every pointer is at a multiple of 16 bytes (NULL is) */
template <typename... P> static inline bool um_aligned(P... p)
{
    return ((0 | ... | (uintptr_t)p) & 15) == 0;
}

/* host: rows of c elements, dense, all begin at vectors of V */
template <typename... P> static inline bool um_vec_rows(int V, int64_t c, P... p)
{
    return c % V == 0 && um_aligned(p...);
}

/* run `call` with V bound to n where ok holds, else to 1 */
#define UM_CUDA_VEC(ok, n, call)                                                                   \
    do {                                                                                           \
        if (ok) {                                                                                  \
            constexpr int V = n;                                                                   \
            call;                                                                                  \
        } else {                                                                                   \
            constexpr int V = 1;                                                                   \
            call;                                                                                  \
        }                                                                                          \
    } while (0)

/* host: f(K) with the least K, an integral constant, for which the lanes of a warp hold a row of c
 * by K vectors of V each (um_ldrow); false where these were more than MOST values a lane */
template <int V, int MOST, int K = 1, typename F> static bool um_held(int64_t c, F f)
{
    if constexpr (K * V > MOST) {
        return false;
    } else if (c <= 32 * V * K) {
        f(std::integral_constant<int, K>());
        return true;
    } else {
        return um_held<V, MOST, K + (K < 4 ? 1 : K < 8 ? 2 : 4)>(c, f);
    }
}

/* blocks of `per` elements covering n, at most four times what the device holds of 256 threads:
 * kernels stride over the rest */
static inline unsigned um_cuda_grid(struct um_dev *dev, int64_t n, int64_t per)
{
    const int64_t b = (n + per - 1) / per, most = (int64_t)um_cuda_of(dev)->sms * 32;

    return (unsigned)(b < 1 ? 1 : b > most ? most : b);
}

/* i: the first of V elements of n in turn, over a grid of one dimension */
#define UM_EACH(V, i, n)                                                                           \
    for (int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * (V); i < (n);              \
         i += (int64_t)gridDim.x * blockDim.x * (V))

static __device__ inline void um_unpack(float *v, uint32_t u)
{
    v[0] = __uint_as_float(u << 16);
    v[1] = __uint_as_float(u & 0xffff0000u);
}

static __device__ inline uint32_t um_pack(const float *v)
{
    const __nv_bfloat162 h = __floats2bfloat162_rn(v[0], v[1]);
    uint32_t             u;

    memcpy(&u, &h, sizeof u);
    return u;
}

/* v = the V elements at p, which are aligned to their size, at most 16 bytes; V is 1, 2, 4 or a
 * multiple of 8 */
template <int V> static __device__ inline void um_ldv(float *v, const float *p)
{
    if constexpr (V == 1) {
        v[0] = p[0];
    } else if constexpr (V == 2) {
        const float2 f = *(const float2 *)p;
        v[0] = f.x, v[1] = f.y;
    } else {
#pragma unroll
        for (int k = 0; k < V; k += 4) {
            const float4 f = *(const float4 *)(p + k);
            v[k] = f.x, v[k + 1] = f.y, v[k + 2] = f.z, v[k + 3] = f.w;
        }
    }
}

template <int V> static __device__ inline void um_ldv(float *v, const __nv_bfloat16 *p)
{
    if constexpr (V == 1) {
        v[0] = __bfloat162float(p[0]);
    } else if constexpr (V == 2) {
        um_unpack(v, *(const uint32_t *)p);
    } else if constexpr (V == 4) {
        const uint2 u = *(const uint2 *)p;
        um_unpack(v, u.x);
        um_unpack(v + 2, u.y);
    } else {
#pragma unroll
        for (int k = 0; k < V; k += 8) {
            const uint4 u = *(const uint4 *)(p + k);
            um_unpack(v + k, u.x);
            um_unpack(v + k + 2, u.y);
            um_unpack(v + k + 4, u.z);
            um_unpack(v + k + 6, u.w);
        }
    }
}

/* the V elements at p = v, rounded once; p as for um_ldv */
template <int V> static __device__ inline void um_stv(float *p, const float *v)
{
    if constexpr (V == 1) {
        p[0] = v[0];
    } else if constexpr (V == 2) {
        *(float2 *)p = make_float2(v[0], v[1]);
    } else {
#pragma unroll
        for (int k = 0; k < V; k += 4)
            *(float4 *)(p + k) = make_float4(v[k], v[k + 1], v[k + 2], v[k + 3]);
    }
}

template <int V> static __device__ inline void um_stv(__nv_bfloat16 *p, const float *v)
{
    if constexpr (V == 1) {
        p[0] = __float2bfloat16_rn(v[0]);
    } else if constexpr (V == 2) {
        *(uint32_t *)p = um_pack(v);
    } else if constexpr (V == 4) {
        *(uint2 *)p = make_uint2(um_pack(v), um_pack(v + 2));
    } else {
#pragma unroll
        for (int k = 0; k < V; k += 8)
            *(uint4 *)(p + k) = make_uint4(um_pack(v + k), um_pack(v + k + 2), um_pack(v + k + 4),
                                           um_pack(v + k + 6));
    }
}

/* the same of elements i .. i+V-1 of an array of n, i a multiple of V; past n: 0, nothing stored */
template <int V, typename T>
static __device__ inline void um_ldn(float *v, const T *p, int64_t i, int64_t n)
{
    if (i + V <= n) {
        um_ldv<V>(v, p + i);
        return;
    }
#pragma unroll
    for (int k = 0; k < V; k++)
        v[k] = i + k < n ? um_ld(p, i + k) : 0;
}

template <int V, typename T>
static __device__ inline void um_stn(T *p, int64_t i, int64_t n, const float *v)
{
    if (i + V <= n) {
        um_stv<V>(p + i, v);
        return;
    }
#pragma unroll
    for (int k = 0; k < V; k++)
        if (i + k < n)
            um_st(p, i + k, v[k]);
}

/* a row of c held by a team of `team` threads, of which this is `lane`: v[k][e] is its element
 * (k * team + lane) * V + e, and past c, a multiple of V, `rest` */
template <int V, int K, typename T>
static __device__ inline void um_ldrow(float (&v)[K][V], const T *row, int64_t c, int lane,
                                       int team, float rest = 0)
{
#pragma unroll
    for (int k = 0; k < K; k++) {
        const int64_t j = (int64_t)(k * team + lane) * V;

        if (j < c)
            um_ldv<V>(v[k], row + j);
        else
            for (int e = 0; e < V; e++)
                v[k][e] = rest;
    }
}

template <int V, int K, typename T>
static __device__ inline void um_strow(T *row, int64_t c, int lane, int team,
                                       const float (&v)[K][V])
{
#pragma unroll
    for (int k = 0; k < K; k++) {
        const int64_t j = (int64_t)(k * team + lane) * V;

        if (j < c)
            um_stv<V>(row + j, v[k]);
    }
}

#endif
