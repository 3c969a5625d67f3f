/* cuda.cu - blocks of rows, embedding tables, patches, transposes
 *
 * Sums go in a fixed order: a thread owns an output element and walks its contributions, so there
 * is no race to order.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/cuda.h"

struct blocks {
    int64_t B, n, c, sy, oy, sx, ox;
};

template <typename Y, typename X>
static __global__ void copy_rows(Y *y, const X *x, struct blocks p, bool acc)
{
    const int64_t count = p.B * p.n * p.c;

    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < count;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t j = k % p.c, t = k / p.c % p.n, b = k / p.c / p.n;
        const int64_t o = (b * p.sy + p.oy + t) * p.c + j;
        const float   v = um_ld(x, (b * p.sx + p.ox + t) * p.c + j);
        um_st(y, o, acc ? um_ld(y, o) + v : v);
    }
}

/* sy = 0: every b lands on the same rows, which are summed in the order of b */
template <typename Y, typename X>
static __global__ void sum_rows(Y *y, const X *x, struct blocks p, bool acc)
{
    const int64_t count = p.n * p.c;

    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < count;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t o = p.oy * p.c + k;
        float         s = acc ? um_ld(y, o) : 0;

        for (int64_t b = 0; b < p.B; b++) {
            const float v = um_ld(x, (b * p.sx + p.ox) * p.c + k);
            s             = acc ? s + v : v;
        }
        um_st(y, o, s);
    }
}

template <typename Y, typename X>
static void launch_rows(struct um_dev *dev, Y *y, const X *x, struct blocks p, bool acc)
{
    if (p.sy == 0)
        sum_rows<<<um_cuda_blocks(p.n * p.c, 256), 256, 0, um_cuda_stream(dev)>>>(y, x, p, acc);
    else
        copy_rows<<<um_cuda_blocks(p.B * p.n * p.c, 256), 256, 0, um_cuda_stream(dev)>>>(y, x, p,
                                                                                         acc);
}

extern "C" int um_cuda_rows(struct um_dev *dev, void *y, enum um_dtype dty, const void *x,
                            enum um_dtype dtx, int64_t B, int64_t n, int64_t c, int64_t sy,
                            int64_t oy, int64_t sx, int64_t ox, bool acc)
{
    const struct blocks p = { B, n, c, sy, oy, sx, ox };

    if (B == 0 || n == 0 || c == 0)
        return UM_OK;
    if (dtx == UM_F32)
        UM_CUDA_TYPED(dty, launch_rows(dev, (T *)y, (const float *)x, p, acc));
    else if (dtx == UM_BF16)
        UM_CUDA_TYPED(dty, launch_rows(dev, (T *)y, (const __nv_bfloat16 *)x, p, acc));
    else
        return um_fail(UM_EDTYPE, "cuda: rows of %s", um_dtype_name(dtx));
    return um_cuda_launched("rows");
}

template <typename T>
static __global__ void gather(T *y, const float *table, const int32_t *ids, int64_t n, int64_t v,
                              int64_t c, int *flag)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < n * c;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t id = ids[k / c];

        if (id < 0 || id >= v)
            *flag = 1;
        else
            um_st(y, k, table[id * c + k % c]);
    }
}

/* one block a table row: its threads own the columns and walk the ids in order */
template <typename T>
static __global__ void scatter(float *dtable, const T *dy, const int32_t *ids, int64_t n, int64_t c)
{
    for (int64_t i = 0; i < n; i++) {
        if (ids[i] != (int32_t)blockIdx.x)
            continue;
        for (int64_t j = threadIdx.x; j < c; j += blockDim.x)
            dtable[(int64_t)blockIdx.x * c + j] += um_ld(dy, i * c + j);
    }
}

extern "C" int um_cuda_embed_fwd(struct um_dev *dev, enum um_dtype dt, void *y, const float *table,
                                 const int32_t *ids, int64_t n, int64_t v, int64_t c)
{
    if (n == 0 || c == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, (gather<T><<<um_cuda_blocks(n * c, 256), 256, 0, um_cuda_stream(dev)>>>(
                          (T *)y, table, ids, n, v, c, um_cuda_of(dev)->flag)));
    return um_cuda_launched("embed_fwd");
}

extern "C" int um_cuda_embed_bwd(struct um_dev *dev, enum um_dtype dt, float *dtable,
                                 const void *dy, const int32_t *ids, int64_t n, int64_t v,
                                 int64_t c)
{
    if (n == 0 || c == 0)
        return UM_OK;
    if (v < 1 || v > 0x7fffffff)
        return um_fail(UM_ERANGE, "cuda: an embedding table of %lld rows", (long long)v);
    UM_CUDA_TYPED(dt, (scatter<T><<<(unsigned)v, 128, 0, um_cuda_stream(dev)>>>(
                          dtable, (const T *)dy, ids, n, c)));
    return um_cuda_launched("embed_bwd");
}

struct cut {
    int64_t B, D, H, W, pz, py, px;
    float   scale, shift;
};

template <typename T> static __global__ void cut_patches(T *y, const float *x, struct cut p)
{
    const int64_t q = p.pz * p.py * p.px, count = p.B * p.D * p.H * p.W;
    const int64_t S = p.D / p.pz, R = p.H / p.py, Q = p.W / p.px;

    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < count;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t e = k % q, t = k / q;
        const int64_t z = e / (p.py * p.px), i = e / p.px % p.py, j = e % p.px;
        const int64_t c = t % Q, r = t / Q % R, s = t / Q / R % S, b = t / Q / R / S;
        const int64_t at = ((b * p.D + s * p.pz + z) * p.H + r * p.py + i) * p.W + c * p.px + j;
        um_st(y, k, p.scale * x[at] + p.shift);
    }
}

extern "C" int um_cuda_patches(struct um_dev *dev, enum um_dtype dt, void *y, const float *x,
                               int64_t B, int64_t D, int64_t H, int64_t W, int64_t pz, int64_t py,
                               int64_t px, float scale, float shift)
{
    const struct cut p = { B, D, H, W, pz, py, px, scale, shift };

    if (pz < 1 || py < 1 || px < 1 || D % pz || H % py || W % px)
        return um_fail(UM_ERANGE, "patches: [%lld,%lld,%lld] does not divide [%lld,%lld,%lld]",
                       (long long)pz, (long long)py, (long long)px, (long long)D, (long long)H,
                       (long long)W);
    if (B * D * H * W == 0)
        return UM_OK;
    UM_CUDA_TYPED(
        dt, (cut_patches<T>
             <<<um_cuda_blocks(B * D * H * W, 256), 256, 0, um_cuda_stream(dev)>>>((T *)y, x, p)));
    return um_cuda_launched("patches");
}

enum { TILE = 32 };

/* a block turns one square over at a time, through shared memory, so that both sides run along rows
 */
template <typename T> static __global__ void turn(T *y, const T *x, int64_t B, int64_t r, int64_t c)
{
    __shared__ float square[TILE][TILE + 1];
    const int64_t    down = (r + TILE - 1) / TILE, across = (c + TILE - 1) / TILE;

    for (int64_t k = blockIdx.x; k < B * down * across; k += gridDim.x) {
        const int64_t b = k / across / down, i0 = k / across % down * TILE, j0 = k % across * TILE;

        for (int64_t l = threadIdx.y; l < TILE; l += blockDim.y)
            if (i0 + l < r && j0 + threadIdx.x < c)
                square[l][threadIdx.x] = um_ld(x, (b * r + i0 + l) * c + j0 + threadIdx.x);
        __syncthreads();
        for (int64_t l = threadIdx.y; l < TILE; l += blockDim.y)
            if (j0 + l < c && i0 + threadIdx.x < r)
                um_st(y, (b * c + j0 + l) * r + i0 + threadIdx.x, square[threadIdx.x][l]);
        __syncthreads();
    }
}

extern "C" int um_cuda_transpose(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                 int64_t B, int64_t r, int64_t c)
{
    const int64_t squares = B * ((r + TILE - 1) / TILE) * ((c + TILE - 1) / TILE);

    if (squares == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt,
                  (turn<T><<<um_cuda_blocks(squares, 1), dim3(TILE, 8), 0, um_cuda_stream(dev)>>>(
                      (T *)y, (const T *)x, B, r, c)));
    return um_cuda_launched("transpose");
}
