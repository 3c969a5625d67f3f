/* cuda.cu - the CUDA plug-in: a device, its table, its errors
 *
 * Built with every kernels/FAMILY/cuda.cu into libum-cuda.so, which the library opens only when a
 * GPU is asked for or there: a program built beside it runs unchanged where there is no driver.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/cuda.h"

#include "kernels/cudnn.h"
#include "kernels/plans.h"

#include <stdio.h>
#include <stdlib.h>

extern "C" {
#include "kernels/activation/activation.h"
#include "kernels/attention/attention.h"
#include "kernels/batchnorm/batchnorm.h"
#include "kernels/comm/comm.h"
#include "kernels/conv/conv.h"
#include "kernels/dice/dice.h"
#include "kernels/distill/distill.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/l2norm/l2norm.h"
#include "kernels/layernorm/layernorm.h"
#include "kernels/linear/linear.h"
#include "kernels/loss/loss.h"
#include "kernels/mapnorm/mapnorm.h"
#include "kernels/memory/memory.h"
#include "kernels/optim/optim.h"
#include "kernels/plugin.h"
#include "kernels/resample/resample.h"
#include "kernels/rows/rows.h"
#include "kernels/softmax/softmax.h"
#include "kernels/tokens/tokens.h"

#define DECLARE(b, op) UM_DECLARE(cuda, op)
UM_MEMORY_OPS(DECLARE, cuda)
UM_STAGE_OPS(DECLARE, cuda)
UM_LINEAR_OPS(DECLARE, cuda)
UM_CONV_OPS(DECLARE, cuda)
UM_RESAMPLE_OPS(DECLARE, cuda)
UM_ACTIVATION_OPS(DECLARE, cuda)
UM_ELEMENTWISE_OPS(DECLARE, cuda)
UM_ROWS_OPS(DECLARE, cuda)
UM_TOKENS_OPS(DECLARE, cuda)
UM_LAYERNORM_OPS(DECLARE, cuda)
UM_BATCHNORM_OPS(DECLARE, cuda)
UM_MAPNORM_OPS(DECLARE, cuda)
UM_L2NORM_OPS(DECLARE, cuda)
UM_SOFTMAX_OPS(DECLARE, cuda)
UM_ATTENTION_OPS(DECLARE, cuda)
UM_LOSS_OPS(DECLARE, cuda)
UM_DICE_OPS(DECLARE, cuda)
UM_DISTILL_OPS(DECLARE, cuda)
UM_OPTIM_OPS(DECLARE, cuda)
UM_COMM_OPS(DECLARE, cuda)
}

/* filled when the first device opens: C++17 has no designators, and an order kept by hand breaks */
static struct um_kernels table;

static void fill_table(void)
{
#define FILL(b, op) table.op = um_cuda_##op;
    table.name               = "cuda";
    table.rounds_first       = true;
    UM_MEMORY_OPS(FILL, cuda)
    UM_STAGE_OPS(FILL, cuda)
    UM_LINEAR_OPS(FILL, cuda)
    UM_CONV_OPS(FILL, cuda)
    UM_RESAMPLE_OPS(FILL, cuda)
    UM_ACTIVATION_OPS(FILL, cuda)
    UM_ELEMENTWISE_OPS(FILL, cuda)
    UM_ROWS_OPS(FILL, cuda)
    UM_TOKENS_OPS(FILL, cuda)
    UM_LAYERNORM_OPS(FILL, cuda)
    UM_BATCHNORM_OPS(FILL, cuda)
    UM_MAPNORM_OPS(FILL, cuda)
    UM_L2NORM_OPS(FILL, cuda)
    UM_SOFTMAX_OPS(FILL, cuda)
    UM_ATTENTION_OPS(FILL, cuda)
    UM_LOSS_OPS(FILL, cuda)
    UM_DICE_OPS(FILL, cuda)
    UM_DISTILL_OPS(FILL, cuda)
    UM_OPTIM_OPS(FILL, cuda)
    UM_COMM_OPS(FILL, cuda)
}

int um_cuda_check(cudaError_t e, const char *what)
{
    return e == cudaSuccess ? UM_OK
                            : um_fail(UM_EUNSUPPORTED, "cuda: %s: %s", what, cudaGetErrorString(e));
}

/* the GPU that this thread works on, as far as the plug-in has set it; -1: it has not */
static thread_local int current = -1;

static cudaError_t set_device(int ordinal)
{
    const cudaError_t e = ordinal == current ? cudaSuccess : cudaSetDevice(ordinal);

    if (e == cudaSuccess)
        current = ordinal;
    return e;
}

int um_cuda_use(struct um_dev *dev)
{
    return um_cuda_check(set_device(um_cuda_of(dev)->ordinal), "cannot use the GPU");
}

cudaStream_t um_cuda_stream(struct um_dev *dev)
{
    struct um_cuda *c = um_cuda_of(dev);

    (void)um_cuda_use(dev);
    (void)um_cuda_submit(dev); /* a failure is kept for who asks next */
    (void)um_cuda_staged(c);
    return c->stream;
}

static void *grown(struct um_dev *dev, size_t n, void **block, size_t *size)
{
    if (n > *size) {
        /* earlier work may still be using the old block */
        if (um_cuda_check(cudaStreamSynchronize(um_cuda_stream(dev)), "workspace") < 0)
            return NULL;
        um_cuda_free(dev, *block);
        *block = NULL;
        *size  = 0;
        if (um_cuda_alloc(dev, n + n / 4, block) < 0)
            return NULL;
        *size = n + n / 4;
    }
    return *block;
}

void *um_cuda_work(struct um_dev *dev, size_t n)
{
    return grown(dev, n, &um_cuda_of(dev)->work, &um_cuda_of(dev)->work_size);
}

void *um_cuda_room(struct um_dev *dev, size_t n)
{
    return grown(dev, n, &um_cuda_of(dev)->room, &um_cuda_of(dev)->room_size);
}

static void close_device(struct um_dev *dev)
{
    struct um_cuda *c = um_cuda_of(dev);

    um_cuda_comm_close(dev); /* first: the stream may wait for a sum that never comes */
    if (c->stream && c->queue)
        (void)cudaStreamSynchronize(um_cuda_stream(dev));
    if (c->moves) {
        um_cuda_spans_close(c);
        um_cuda_free(dev, c->work);
        um_cuda_free(dev, c->room);
    }
    um_cuda_moves_close(c);
    (void)cudaFree(c->flag);
    um_queue_close(c);
    um_plans_free(c->products);
    um_cudnn_close(c);
    if (c->lt)
        (void)cublasLtDestroy(c->lt);
    if (c->stream)
        (void)cudaStreamDestroy(c->stream);
    c->stream = NULL;
}

static int start(struct um_cuda *c, int ordinal)
{
    struct cudaDeviceProp prop;

    UM_TRY(um_cuda_check(set_device(ordinal), "cannot use the GPU"));
    UM_TRY(um_cuda_check(cudaGetDeviceProperties(&prop, ordinal), "cannot ask the GPU"));
    c->ordinal = ordinal;
    UM_TRY(um_cuda_check(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking), "stream"));
    UM_TRY(um_queue_open(c));
    UM_TRY(um_cuda_moves_open(c));
    UM_TRY(um_cuda_check(cudaMalloc((void **)&c->flag, sizeof *c->flag), "no memory"));
    UM_TRY(um_cuda_check(cudaMemsetAsync(c->flag, 0, sizeof *c->flag, c->stream), "no memory"));
    if (cublasLtCreate(&c->lt) != CUBLAS_STATUS_SUCCESS)
        return um_fail(UM_EUNSUPPORTED, "cuda: cuBLASLt does not start");
    c->sms         = prop.multiProcessorCount > 0 ? prop.multiProcessorCount : 1;
    c->dev.kernels = &table;
    c->dev.kind    = "cuda";
    c->dev.close   = close_device;
    (void)snprintf(c->dev.name, sizeof c->dev.name, "cuda:%d %.64s", ordinal, prop.name);
    return UM_OK;
}

extern "C" UM_API int um_cuda_count(int *n, unsigned abi)
{
    *n = 0;
    if (abi != UM_PLUGIN_ABI)
        return um_fail(UM_EMISMATCH, "cuda: the plug-in is of another version of um");
    return um_cuda_check(cudaGetDeviceCount(n), "no GPU");
}

extern "C" UM_API int um_cuda_open(struct um_dev **dev, int ordinal, unsigned abi)
{
    struct um_cuda *c;
    int             count, st;

    *dev = NULL;
    UM_TRY(um_cuda_count(&count, abi));
    if (ordinal < 0 || ordinal >= count)
        return um_fail(UM_EUNSUPPORTED, "cuda:%d: %d GPU%s here, counted from 0", ordinal, count,
                       count == 1 ? "" : "s");
    fill_table();
    c = (struct um_cuda *)calloc(1, sizeof *c);
    if (!c)
        return um_fail(UM_ENOMEM, "out of memory");
    st = start(c, ordinal);
    if (st < 0) {
        close_device(&c->dev);
        free(c);
        return st;
    }
    *dev = &c->dev;
    return UM_OK;
}
