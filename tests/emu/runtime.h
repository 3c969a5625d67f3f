/* runtime.h - streams that run late, memory that is a card's
 *
 * What is put into a stream waits there until something makes it run: a synchronisation, a copy to
 * memory that is not pinned, cudaFree. Then that stream alone goes on, and what the events it waits
 * for need. So a result read too early, a buffer reused too early, an event that nobody waits for
 * come out wrong, each time.
 *
 * The card's memory can be touched only while a stream runs: the host that reads it is killed, as
 * beside a real card. New memory holds NaN. UM_EMU_MEMORY   bytes of the card (8 GiB)
 * UM_EMU_DEVICES  cards (1) UM_EMU_ORDER    order of a block's threads: fiber.h
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_EMU_RUNTIME_H
#define UM_EMU_RUNTIME_H

#include <cuda_runtime.h>

#include <functional>
#include <mutex>
#include <stddef.h>

namespace um_emu
{
extern std::recursive_mutex lock; /* of everything */

cudaError_t failed(cudaError_t e); /* e, remembered for cudaGetLastError */

/* stream.cpp */
/* what a graph's node is, for cudaGraphExec..NodeSetParams */
struct node_kind {
    enum { OTHER, KERNEL, ZERO, COPY } kind = OTHER;
    const void         *kernel              = nullptr;
    void               *to                  = nullptr; /* ZERO: value 0 .. 255, n bytes */
    size_t              n                   = 0;
    int                 value               = 0;
    enum cudaMemcpyKind direction           = cudaMemcpyDefault;
};
cudaError_t enqueue(cudaStream_t stream, std::function<void()> work, const node_kind &kind = {});
void        run(cudaStream_t stream); /* all that is in it */
void        run_all();
bool        capturing(cudaStream_t stream);
cudaGraph_t graph_of(cudaStream_t stream); /* that it captures into, or NULL */
cudaError_t begin_graph(cudaStream_t stream, cudaGraph_t graph);
void        end_graph(cudaGraph_t graph);
/* what a launch does; refuses what no card would take */
cudaError_t grid_work(dim3 grid, dim3 size, size_t shared, std::function<void()> thread,
                      std::function<void()> *work);

/* memory.cpp: the card's memory open to the host, while a stream runs */
void open_memory(bool open);
bool on_card(const void *p, size_t n); /* wholly in one allocation */
bool pinned(const void *p, size_t n);
/* what a copy does; NULL: the addresses do not fit the direction */
std::function<void()> copy_work(void *to, const void *from, size_t n, enum cudaMemcpyKind kind);
bool                  large_shared_asked(size_t n); /* cudaFuncSetAttribute allowed this much */
int                   device();
} // namespace um_emu

#endif
