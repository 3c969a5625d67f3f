/* cuda.h - what the CUDA files of all families share: the device, its stream, loads and reductions
 *
 * Only .cu files include it. Every kernel runs on the device's one stream, through its queue
 * (kernels/queue.h); nothing here waits for it. No float atomics anywhere: sums have a fixed order,
 * so a run has the same bits as the last one. SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_CUDA_H
#define UM_KERNELS_CUDA_H

#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <stdint.h>

extern "C" {
#include "kernels/backend.h"
}

#include "kernels/queue.h"

/* a device of the plug-in; `dev` comes first, so that a pointer to one is a pointer to the other */
struct um_cuda {
    struct um_dev    dev;
    cudaStream_t     stream; /* um_cuda_stream */
    struct um_queue *queue;  /* what is asked of it */
    cublasLtHandle_t lt;
    int              sms;  /* multiprocessors: what a grid should keep busy */
    void            *work; /* scratch of one operation, grown on demand */
    size_t           work_size;
    void            *room; /* that of an operation made of others, which use `work` */
    size_t           room_size;
    int             *flag; /* device: set by a kernel that met a bad index; sync() reports it */
    int              ordinal;
    struct um_cuda_moves *moves;    /* copies and what is allocated: kernels/memory */
    struct um_cuda_spans *spans;    /* the optimiser's, on the device: kernels/optim */
    struct um_cuda_comm  *comm;     /* the group it is in, NULL: none: kernels/comm */
    uint64_t              planned;  /* plans that calls in the queue name, so far */
    struct um_plans      *products; /* cuBLASLt's plans: linear/plan.cu, made when first wanted */
    struct um_cudnn      *cudnn;    /* cuDNN and its plans: cudnn.cu, alike */
};

static inline struct um_cuda *um_cuda_of(struct um_dev *dev)
{
    return (struct um_cuda *)dev;
}

/* scratch of at least n bytes, valid until the next call; NULL with a message */
void *um_cuda_work(struct um_dev *dev, size_t n);
/* the same for an operation that calls others: valid until its own next call */
void *um_cuda_room(struct um_dev *dev, size_t n);
int   um_cuda_check(cudaError_t e, const char *what);

/* the calling thread works on the device's GPU, whichever thread opened it: for calls that ask the
 * current one */
int um_cuda_use(struct um_dev *dev);

/* the same, and the device's stream for a direct call: what is in the queue has gone there */
cudaStream_t um_cuda_stream(struct um_dev *dev);

/* with the device, after its stream; closing takes a device that was not opened to the end */
int  um_cuda_moves_open(struct um_cuda *c);
void um_cuda_moves_close(struct um_cuda *c);
/* what goes to the stream from now on finds there what was staged; late, so that a batch that came
 * late cuts no run of requests in two */
int um_cuda_staged(struct um_cuda *c);
/* before the moves; takes a device that has none */
void um_cuda_spans_close(struct um_cuda *c);

/* the host waits for sums over processes that were joined, and learns of their failure */
int um_cuda_comm_wait(struct um_dev *dev);

/* blocks of `per` covering n, at most what a grid takes in x; kernels stride over the rest */
static inline unsigned um_cuda_blocks(int64_t n, int64_t per)
{
    const int64_t b = (n + per - 1) / per;

    return (unsigned)(b < 1 ? 1 : b > 0x7fffffff ? 0x7fffffff : b);
}

/* run `call` with T bound to the C++ type of a dtype of activations */
#define UM_CUDA_TYPED(dt, call)                                                                    \
    do {                                                                                           \
        if ((dt) == UM_F32) {                                                                      \
            typedef float T;                                                                       \
            call;                                                                                  \
        } else if ((dt) == UM_BF16) {                                                              \
            typedef __nv_bfloat16 T;                                                               \
            call;                                                                                  \
        } else {                                                                                   \
            return um_fail(UM_EDTYPE, "cuda: activations are float32 or bfloat16, not %s",         \
                           um_dtype_name(dt));                                                     \
        }                                                                                          \
    } while (0)

static __device__ inline float um_ld(const float *p, int64_t i)
{
    return p[i];
}

static __device__ inline float um_ld(const __nv_bfloat16 *p, int64_t i)
{
    return __bfloat162float(p[i]);
}

static __device__ inline void um_st(float *p, int64_t i, float v)
{
    p[i] = v;
}

static __device__ inline void um_st(__nv_bfloat16 *p, int64_t i, float v)
{
    p[i] = __float2bfloat16_rn(v);
}

/* sums and maxima over a warp, the same value in every lane */
static __device__ inline float um_warp_sum(float v)
{
    for (int o = 16; o > 0; o >>= 1)
        v += __shfl_xor_sync(0xffffffffu, v, o);
    return v;
}

static __device__ inline float um_warp_max(float v)
{
    for (int o = 16; o > 0; o >>= 1)
        v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, o));
    return v;
}

#endif
