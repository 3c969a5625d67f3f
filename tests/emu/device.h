/* device.h - what a .cu file sees when it is compiled as C++ for the emulator
 *
 * Included before all else (-include). The types and functions of the runtime are the toolkit's own
 * headers; here is what only nvcc has: the words of the language, the indices, the functions of a
 * warp and of arithmetic. A kernel is a plain function, run once for each thread (fiber.h).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_EMU_DEVICE_H
#define UM_EMU_DEVICE_H

#include <cuda_runtime.h>

#include <cuda_bf16.h>
#include <functional>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <type_traits>

#include "tests/emu/fiber.h"

#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __constant__
#undef __launch_bounds__
#undef __forceinline__
#undef __noinline__
#define __global__
#define __device__
#define __host__
#define __shared__ static /* blocks run one after the other */
#define __constant__
#define __launch_bounds__(...)
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define um_emu_dynamic /* extern __shared__, which the Makefile turns into this */

using std::isfinite;
using std::isinf;
using std::isnan;

extern uint3     threadIdx, blockIdx;
extern dim3      blockDim, gridDim;
static const int warpSize = 32;

/* dynamic shared memory: as large as the largest a block of any card may have; what the launch did
 * not ask for is checked behind it */
extern "C" unsigned char um_shared[];

/* ---- a block, a warp ---- */

static inline void __syncthreads()
{
    um_emu::block_barrier();
}

static inline void __syncwarp(unsigned mask = 0xffffffffu)
{
    um_emu::warp_barrier(mask);
}

static inline void __threadfence()
{
}

static inline void __threadfence_block()
{
}

/* the value of lane `from`, which says it in this call too */
template <typename T> static inline T um_emu_from(unsigned mask, T v, int from)
{
    static_assert(sizeof(T) <= um_emu::SLOT, "too large to be exchanged");
    T r;

    memcpy(&r, um_emu::exchange(mask, &v, sizeof v) + (size_t)from * um_emu::SLOT, sizeof r);
    return r;
}

/* groups of `width` lanes, as CUDA has them */
template <typename T> static inline T __shfl_sync(unsigned mask, T v, int from, int width = 32)
{
    const int lane = um_emu::lane();

    return um_emu_from(mask, v, lane / width * width + (from & (width - 1)));
}

template <typename T> static inline T __shfl_xor_sync(unsigned mask, T v, int with, int width = 32)
{
    const int lane = um_emu::lane(), to = lane ^ with;

    return um_emu_from(mask, v, to / width == lane / width || to < lane ? to : lane);
}

template <typename T>
static inline T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32)
{
    const int lane = um_emu::lane(), to = lane + (int)by;

    return um_emu_from(mask, v, to / width == lane / width ? to : lane);
}

template <typename T>
static inline T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32)
{
    const int lane = um_emu::lane(), to = lane - (int)by;

    return um_emu_from(mask, v, to >= lane / width * width ? to : lane);
}

static inline unsigned __ballot_sync(unsigned mask, int v)
{
    const unsigned char  bit = v != 0;
    const unsigned char *all = um_emu::exchange(mask, &bit, 1);
    unsigned             r   = 0;

    for (int i = 0; i < 32; i++)
        if (mask >> i & 1 && all[(size_t)i * um_emu::SLOT])
            r |= 1u << i;
    return r;
}

static inline int __any_sync(unsigned mask, int v)
{
    return __ballot_sync(mask, v) != 0;
}

static inline int __all_sync(unsigned mask, int v)
{
    return __ballot_sync(mask, v) == mask;
}

static inline int __syncthreads_or(int v)
{
    return um_emu::block_count(v != 0) > 0;
}

static inline int __syncthreads_count(int v)
{
    return um_emu::block_count(v != 0);
}

static inline int __syncthreads_and(int v)
{
    return um_emu::block_count(v == 0) == 0;
}

/* ---- integers: exact, so their order changes nothing ---- */

template <typename T, typename U> static inline T atomicAdd(T *p, U v)
{
    static_assert(std::is_integral<T>::value, "sums of floats have an order");
    const T old = *p;

    *p = (T)(old + (T)v);
    return old;
}

template <typename T, typename U> static inline T atomicMin(T *p, U v)
{
    const T old = *p;

    *p = (T)v < old ? (T)v : old;
    return old;
}

template <typename T, typename U> static inline T atomicMax(T *p, U v)
{
    const T old = *p;

    *p = (T)v > old ? (T)v : old;
    return old;
}

template <typename T, typename U> static inline T atomicOr(T *p, U v)
{
    const T old = *p;

    *p = (T)(old | (T)v);
    return old;
}

template <typename T, typename U> static inline T atomicExch(T *p, U v)
{
    const T old = *p;

    *p = (T)v;
    return old;
}

static inline unsigned __umulhi(unsigned a, unsigned b)
{
    return (unsigned)((uint64_t)a * b >> 32);
}

static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

static inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}

static inline int __ffs(int x)
{
    return __builtin_ffs(x);
}

static inline int __clz(int x)
{
    return x ? __builtin_clz((unsigned)x) : 32;
}

#define UM_EMU_MINMAX(T)                                                                           \
    static inline T min(T a, T b)                                                                  \
    {                                                                                              \
        return a < b ? a : b;                                                                      \
    }                                                                                              \
    static inline T max(T a, T b)                                                                  \
    {                                                                                              \
        return a > b ? a : b;                                                                      \
    }
UM_EMU_MINMAX(int)
UM_EMU_MINMAX(unsigned)
UM_EMU_MINMAX(long)
UM_EMU_MINMAX(unsigned long)
UM_EMU_MINMAX(long long)
UM_EMU_MINMAX(unsigned long long)

/* ---- memory ---- */

template <typename T> static inline T __ldg(const T *p)
{
    return *p;
}

template <typename T> static inline T __ldcs(const T *p)
{
    return *p;
}

template <typename T> static inline T __ldcg(const T *p)
{
    return *p;
}

template <typename T> static inline void __stcs(T *p, T v)
{
    *p = v;
}

template <typename T> static inline void __stcg(T *p, T v)
{
    *p = v;
}

template <typename T> static inline size_t __cvta_generic_to_shared(const T *p)
{
    return (size_t)p;
}

/* ---- arithmetic ---- */

/* glibc has functions of these names, of its own */
#define __expf(x) expf(x)
#define __exp2f(x) exp2f(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)

#define UM_EMU_SAME(to, from, T)                                                                   \
    static inline T to(T x)                                                                        \
    {                                                                                              \
        return from;                                                                               \
    }
UM_EMU_SAME(__frcp_rn, 1 / x, float)
UM_EMU_SAME(__fsqrt_rn, sqrtf(x), float)
UM_EMU_SAME(__frsqrt_rn, 1 / sqrtf(x), float)
#ifndef UM_EMU_HAS_MATH
UM_EMU_SAME(rsqrtf, 1 / sqrtf(x), float)
UM_EMU_SAME(normcdff, 0.5f * erfcf(-x * 0.70710678118654752f), float)
UM_EMU_SAME(rsqrt, 1 / sqrt(x), double)
#endif

static inline float __fdividef(float a, float b)
{
    return a / b;
}

static inline float __fdiv_rn(float a, float b)
{
    return a / b;
}

static inline float __fmul_rn(float a, float b)
{
    return a * b;
}

static inline float __fadd_rn(float a, float b)
{
    return a + b;
}

static inline float __fmaf_rn(float a, float b, float c)
{
    return fmaf(a, b, c);
}

static inline int __float_as_int(float x)
{
    int r;

    memcpy(&r, &x, sizeof r);
    return r;
}

static inline unsigned __float_as_uint(float x)
{
    unsigned r;

    memcpy(&r, &x, sizeof r);
    return r;
}

static inline float __int_as_float(int x)
{
    float r;

    memcpy(&r, &x, sizeof r);
    return r;
}

static inline float __uint_as_float(unsigned x)
{
    float r;

    memcpy(&r, &x, sizeof r);
    return r;
}

#endif
