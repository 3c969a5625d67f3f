/* cuda.cu - device memory and copies */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda.h"

extern "C" int um_cuda_sync(struct um_dev *dev);

extern "C" int um_cuda_alloc(struct um_dev *dev, size_t n, void **p)
{
    size_t free_bytes = 0, total = 0;

    (void)dev;
    const cudaError_t e = cudaMalloc(p, n ? n : 1);

    if (e != cudaErrorMemoryAllocation)
        return um_cuda_check(e, "alloc");
    *p = NULL;
    (void)cudaGetLastError();
    (void)cudaMemGetInfo(&free_bytes, &total);
    return um_fail(UM_ENOMEM, "cuda: %zu bytes wanted, %zu free of %zu: try a smaller batch", n,
                   free_bytes, total);
}

extern "C" void um_cuda_free(struct um_dev *dev, void *p)
{
    (void)dev;
    (void)cudaFree(p);
}

extern "C" int um_cuda_upload(struct um_dev *dev, void *dst, const void *host, size_t n)
{
    /* pageable memory: the call returns once the source may be reused */
    return um_cuda_check(cudaMemcpyAsync(dst, host, n, cudaMemcpyHostToDevice, um_cuda_stream(dev)),
                         "upload");
}

extern "C" int um_cuda_download(struct um_dev *dev, void *host, const void *src, size_t n)
{
    UM_TRY(um_cuda_check(cudaMemcpyAsync(host, src, n, cudaMemcpyDeviceToHost, um_cuda_stream(dev)),
                         "download"));
    return um_cuda_sync(dev);
}

extern "C" int um_cuda_zero(struct um_dev *dev, void *p, size_t n)
{
    return um_cuda_check(cudaMemsetAsync(p, 0, n, um_cuda_stream(dev)), "zero");
}

extern "C" int um_cuda_sync(struct um_dev *dev)
{
    struct um_cuda *c    = um_cuda_of(dev);
    int             flag = 0;

    UM_TRY(um_cuda_check(
        cudaMemcpyAsync(&flag, c->flag, sizeof flag, cudaMemcpyDeviceToHost, c->stream), "sync"));
    UM_TRY(um_cuda_check(cudaStreamSynchronize(c->stream), "sync"));
    if (flag) {
        UM_TRY(um_cuda_check(cudaMemsetAsync(c->flag, 0, sizeof flag, c->stream), "sync"));
        return um_fail(UM_ERANGE, "cuda: an id or target lies outside its table");
    }
    return UM_OK;
}
