/* fiber.h - the threads of a block, one after the other on the host
 *
 * Each thread of a block is a fiber: it runs until it waits (for its warp, for its block) or ends,
 * then the next one runs. So a thread sees what others did before a barrier and, as on a card,
 * nothing that they will do after it; what a kernel takes for granted without a barrier comes out
 * wrong. The order is that of UM_EMU_ORDER: "forward" (the default), "reverse" or a number, the
 * seed of a shuffle: a kernel without races gives the same bits in each.
 *
 * A barrier that some threads of a warp do not reach, a shuffle that names lanes that have ended,
 * shared memory beyond what the launch asked for: a message that names the thread, and abort().
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_EMU_FIBER_H
#define UM_EMU_FIBER_H

#include <cuda_runtime.h>

#include <functional>
#include <stddef.h>

namespace um_emu
{
enum : size_t {
    SLOT   = 32,         /* bytes of a lane in an exchange */
    SHARED = 227 * 1024, /* dynamic shared memory of a block */
    PLAIN  = 48 * 1024   /* the same without cudaFuncSetAttribute */
};

/* a kernel's thread from the addresses of its arguments (known.h, cudaLaunchKernel) */
typedef std::function<std::function<void()>(void **arg)> thread_maker;
void                know(const void *kernel, thread_maker make);
const thread_maker *known(const void *kernel); /* or NULL */

/* run all blocks of a grid, now */
void run_grid(dim3 grid, dim3 block, size_t shared, const std::function<void()> &thread);

/* for the thread that runs */
int  lane(); /* 0..31 of its warp */
void block_barrier();
int  block_count(int v); /* a barrier; the sum of v over the block */
void warp_barrier(unsigned mask);
/* a barrier of the lanes in `mask`; each gives n <= SLOT bytes; [32][SLOT] of all, until it asks
 * again */
const unsigned char *exchange(unsigned mask, const void *mine, size_t n);

/* cp.async of the thread that runs: what is copied is there after the wait and not before */
void async_copy(void *to, const void *from, size_t n, bool valid);
void async_commit();
void async_wait(int groups);

[[noreturn]] void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
} // namespace um_emu

#endif
