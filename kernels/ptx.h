/* ptx.h - the instructions of a GPU, its matrix units' above all, that C++ has no words for
 *
 * Only .cu files include it, and inline PTX is written here alone: another file of this name, with
 * the same functions, can stand in for the hardware. All of a warp's 32 lanes call um_mma_bf16 and
 * um_ldmatrix_* together. Each function is one instruction (sm_80 and later).
 *
 * Fragments of um_mma_bf16, which multiplies a tile A of 16 x 16 (bf16, rows m, columns k) by a
 * tile B of 16 x 8 (bf16, rows k, columns n) and adds to a tile D of 16 x 8 (float). Lane l holds,
 * with g = l / 4 and j = l % 4, pairs of neighbours with the first in the low half:
 *   a[0]: A(g, 2j), A(g, 2j+1)        a[1]: A(g+8, 2j), A(g+8, 2j+1)
 *   a[2]: A(g, 2j+8), A(g, 2j+9)      a[3]: A(g+8, 2j+8), A(g+8, 2j+9)
 *   b[0]: B(2j, g), B(2j+1, g)        b[1]: B(2j+8, g), B(2j+9, g)
 *   d[0]: D(g, 2j)   d[1]: D(g, 2j+1)   d[2]: D(g+8, 2j)   d[3]: D(g+8, 2j+1)
 * So the D of two products, rounded and side by side, is the A of a third.
 *
 * um_ldmatrix_x4 loads four matrices of 8 x 8 bf16 from shared memory, x2 two. Matrix i has its
 * rows, 16 bytes each and aligned to 16, where lanes 8i .. 8i+7 point (x2 reads the pointers of
 * lanes 0 .. 15; those of the others must be valid, too). Lane l gets in r[i] the elements (l/4,
 * 2(l%4)) and (l/4, 2(l%4)+1) of matrix i; with _trans those of its transpose: (2(l%4), l/4) and
 * (2(l%4)+1, l/4).
 *   A stored by rows (k together):    x4, matrices (0,0), (8,0), (0,8), (8,8) of (row m, column k)
 *   A stored by columns (m together): x4_trans of the stored (k,m): (0,0), (0,8), (8,0), (8,8)
 *   B stored by columns (k together): x2 of the stored (n,k): (0,0), (0,8)
 *   B stored by rows (n together):    x2_trans of the stored (k,n): (0,0), (8,0)
 *
 * um_cp_async16 copies 16 bytes from global to shared memory, both aligned to 16, behind the
 * thread's back; `valid` false writes 16 zero bytes and does not read `global`, which may point
 * anywhere. um_cp_async_commit ends a group of copies; um_cp_async_wait<N> waits until at most the
 * N youngest groups of this thread are on their way. Other threads see the copies after a
 * __syncthreads that follows the wait.
 *
 * um_exp2 is 2^x, and 0 where that is below 2^-126: exp2f takes four instructions to keep those.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_PTX_H
#define UM_KERNELS_PTX_H

#include <cuda_runtime.h>
#include <stdint.h>

/* d += a b */
static __device__ inline void um_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, "
                 "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* a pointer into shared memory as instructions want it */
static __device__ inline uint32_t um_shared_at(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

static __device__ inline void um_ldmatrix_x4(uint32_t r[4], const void *shared_row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(um_shared_at(shared_row))
                 : "memory");
}

static __device__ inline void um_ldmatrix_x4_trans(uint32_t r[4], const void *shared_row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(um_shared_at(shared_row))
                 : "memory");
}

static __device__ inline void um_ldmatrix_x2(uint32_t r[2], const void *shared_row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(um_shared_at(shared_row))
                 : "memory");
}

static __device__ inline void um_ldmatrix_x2_trans(uint32_t r[2], const void *shared_row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(um_shared_at(shared_row))
                 : "memory");
}

static __device__ inline void um_cp_async16(void *shared, const void *global, bool valid)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(um_shared_at(shared)),
                 "l"(__cvta_generic_to_global(global)), "r"(valid ? 16 : 0)
                 : "memory");
}

static __device__ inline void um_cp_async_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int N> static __device__ inline void um_cp_async_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

static __device__ inline float um_exp2(float x)
{
    float y;

    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

#endif
