/* sum_cuda.h - sums over a block of threads and over parts, in an order fixed by the shape alone
 *
 * A sum over many rows is made in two steps: blocks write the sums of their rows into parts of the
 * workspace, um_add_parts adds those up. How many rows a part has (um_cuda_part) follows from the
 * shape, not from the card, the grid or the alignment: the bits are the same everywhere.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_SUM_CUDA_H
#define UM_KERNELS_SUM_CUDA_H

#include "kernels/cuda.h"

/* a / b for a >= 0, b > 0: the card divides 32 bits in a fraction of the time */
static __device__ inline int64_t um_quot(int64_t a, int64_t b)
{
    return (a | b) >> 32 == 0 ? (int64_t)((uint32_t)a / (uint32_t)b) : a / b;
}

/* a sum over the warp, the same in every lane */
template <typename S> static __device__ inline S um_warp_total(S v)
{
    for (int o = 16; o > 0; o >>= 1)
        v += __shfl_xor_sync(0xffffffffu, v, o);
    return v;
}

/* a sum over a block of THREADS threads, all of which call it: the same in every thread */
template <int THREADS, typename S> static __device__ inline S um_block_sum(S v)
{
    __shared__ S part[THREADS / 32];

    v = um_warp_total(v);
    __syncthreads(); /* those of an earlier sum have been read */
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    v = part[0];
    for (int i = 1; i < THREADS / 32; i++)
        v += part[i];
    return v;
}

/* host: rows a part of n rows has, where each part keeps `blocks` blocks busy: at least `least`, at
 * most so many that there are some thousand blocks; no more than 512 parts */
static inline int64_t um_cuda_part(int64_t n, int64_t blocks, int64_t least)
{
    const int64_t want = blocks < 3 ? 512 : blocks < 1024 ? (1024 + blocks - 1) / blocks : 1;
    const int64_t rows = (n + want - 1) / want;

    return rows < least ? least : rows;
}

enum { UM_PART_COLS = 32, UM_PART_ROWS = 16 };

/* launch: um_launch(dev, um_add_parts, um_part_grid(c), um_part_block(), 0, out, part, parts, c) */
static inline unsigned um_part_grid(int64_t c)
{
    return um_cuda_blocks(c, UM_PART_COLS);
}

static inline dim3 um_part_block(void)
{
    return dim3(UM_PART_COLS, UM_PART_ROWS);
}

/* the sum of part[p c + j] over p < parts, by a block of um_part_block threads whose column j is:
 * each of the 16 rows of threads takes every 16th part, then those in order; row 0 has the sum */
template <typename S>
static __device__ inline S um_part_total(const S *part, int64_t parts, int64_t c, int64_t j)
{
    __shared__ S s[UM_PART_ROWS][UM_PART_COLS];
    S            a = 0;

    if (j < c)
#pragma unroll 8
        for (int64_t p = threadIdx.y; p < parts; p += UM_PART_ROWS)
            a += part[p * c + j];
    __syncthreads(); /* those of an earlier sum have been read */
    s[threadIdx.y][threadIdx.x] = a;
    __syncthreads();
    for (int i = 1; threadIdx.y == 0 && i < UM_PART_ROWS; i++)
        a += s[i][threadIdx.x];
    return a;
}

/* out[j] += sum of part[p c + j] over p < parts */
template <typename O, typename S>
static __global__ void um_add_parts(O *out, const S *part, int64_t parts, int64_t c)
{
    const int64_t j = (int64_t)blockIdx.x * UM_PART_COLS + threadIdx.x;
    const S       a = um_part_total(part, parts, c, j);

    if (threadIdx.y == 0 && j < c)
        out[j] += (O)a;
}

#endif
