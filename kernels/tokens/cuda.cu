/* cuda.cu - tokens: 16 bytes a thread and access; sums in the order of the rows, by parts
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/sum_cuda.h"
#include "kernels/vec_cuda.h"

extern "C" {
#include "kernels/tokens/tokens.h"
}

enum { THREADS = 256, WARPS = THREADS / 32 };

template <int V, typename T>
static __global__ void pick(T *y, const T *x, const int32_t *idx, int64_t rows, int64_t n,
                            int64_t len, int64_t c, int *flag)
{
    UM_EACH(V, k, rows * c)
    {
        const int64_t i = um_quot(k, c), from = idx[i];
        float         v[V];

        if (from < 0 || from >= len) {
            *flag = 1;
            continue;
        }
        um_ldv<V>(v, x + (um_quot(i, n) * len + from) * c + (k - i * c));
        um_stv<V>(y + k, v);
    }
}

extern "C" int um_cuda_pick_fwd(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                const int32_t *idx, int64_t B, int64_t n, int64_t T_, int64_t c)
{
    if (B * n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt,
                  UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, c, y, x), um_vec<T>::N,
                              (um_launch(dev, pick<V, T>, um_cuda_grid(dev, B * n * c, V * THREADS),
                                         THREADS, 0, (T *)y, (const T *)x, idx, B * n, n, T_, c,
                                         um_cuda_of(dev)->flag))));
    return um_cuda_launched(dev, "pick_fwd");
}

/* the lanes whose index, of those from i on, is t */
static __device__ inline unsigned meant(const int32_t *idx, int64_t i, int64_t n, int64_t t)
{
    const int64_t k = i + threadIdx.x % 32;

    return __ballot_sync(0xffffffffu, k < n && idx[k] == t);
}

/* a warp a row of dx: it looks for its token among those picked, mostly finds one or none, and adds
 * up more in order */
template <int V, typename T>
static __global__ void spread(T *dx, const T *dy, const int32_t *idx, int64_t rows, int64_t n,
                              int64_t len, int64_t c)
{
    const int64_t row   = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    int64_t       first = 0, past = 0; /* where the matches lie */

    if (row >= rows)
        return; /* the whole warp */
    const int64_t b = um_quot(row, len), t = row - b * len;
    idx += b * n;
    dy += b * n * c;
    for (int64_t i = 0; i < n; i += 32) {
        const unsigned m = meant(idx, i, n, t);

        first = m && past == 0 ? i : first;
        past  = m ? i + 32 : past;
    }
    for (int64_t j0 = 0; j0 < c; j0 += 32 * V) {
        const int64_t j    = j0 + threadIdx.x % 32 * V;
        float         s[V] = { 0 };

        for (int64_t i = first; i < past; i += 32)
            for (unsigned m = meant(idx, i, n, t); m; m &= m - 1) {
                float v[V];

                if (j >= c)
                    continue;
                um_ldv<V>(v, dy + (i + __ffs((int)m) - 1) * c + j);
#pragma unroll
                for (int k = 0; k < V; k++)
                    s[k] += v[k];
            }
        if (j < c)
            um_stv<V>(dx + row * c + j, s);
    }
}

extern "C" int um_cuda_pick_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy,
                                const int32_t *idx, int64_t B, int64_t n, int64_t T_, int64_t c)
{
    if (B * T_ == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt,
                  UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, c, dx, dy), um_vec<T>::N,
                              (um_launch(dev, spread<V, T>, um_cuda_blocks(B * T_, WARPS), THREADS,
                                         0, (T *)dx, (const T *)dy, idx, B * T_, n, T_, c))));
    return um_cuda_launched(dev, "pick_bwd");
}

template <int V, typename T>
static __global__ void mask_all(T *y, const T *x, const float *v, const uint8_t *m, int64_t n,
                                int64_t c)
{
    UM_EACH(V, k, n * c)
    {
        const int64_t i = um_quot(k, c);
        float         f[V];

        if (m[i])
            um_ldv<V>(f, v + (k - i * c));
        else
            um_ldv<V>(f, x + k);
        um_stv<V>(y + k, f);
    }
}

extern "C" int um_cuda_mask_fwd(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                const float *v, const uint8_t *mask, int64_t n, int64_t c)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt,
                  UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, c, y, x, v), um_vec<T>::N,
                              (um_launch(dev, mask_all<V, T>, um_cuda_grid(dev, n * c, V * THREADS),
                                         THREADS, 0, (T *)y, (const T *)x, v, mask, n, c))));
    return um_cuda_launched(dev, "mask_fwd");
}

/* dx, and part [parts, c]: the sums of the masked rows of `rows` each; a thread V columns */
template <int V, typename T>
static __global__ void unmask(T *__restrict__ dx, float *__restrict__ part,
                              const T *__restrict__ dy, const uint8_t *__restrict__ m, int64_t n,
                              int64_t c, int64_t rows)
{
    const int64_t p = blockIdx.x, to = p * rows + rows < n ? p * rows + rows : n;
    const int64_t j    = ((int64_t)blockIdx.y * blockDim.x + threadIdx.x) * V;
    float         s[V] = { 0 };

    if (j >= c)
        return;
#pragma unroll 4
    for (int64_t i = p * rows; i < to; i++) {
        const bool hidden = m[i];
        float      v[V];

        um_ldv<V>(v, dy + i * c + j);
#pragma unroll
        for (int k = 0; k < V; k++) {
            s[k] += hidden ? v[k] : 0;
            v[k] = hidden ? 0 : v[k];
        }
        um_stv<V>(dx + i * c + j, v);
    }
    um_stv<V>(part + p * c + j, s);
}

extern "C" int um_cuda_mask_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, float *dv,
                                const void *dy, const uint8_t *mask, int64_t n, int64_t c)
{
    const int64_t rows = um_cuda_part(n, (c + 1023) / 1024, 16), parts = (n + rows - 1) / rows;
    float        *part;

    if (n == 0)
        return UM_OK;
    if (!(part = (float *)um_cuda_work(dev, (size_t)(parts * c) * sizeof *part)))
        return UM_ENOMEM;
    UM_CUDA_TYPED(dt, UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, c, dx, dy), um_vec<T>::N,
                                  (um_launch(dev, unmask<V, T>,
                                             dim3((unsigned)parts, um_cuda_blocks(c, V * 128)), 128,
                                             0, (T *)dx, part, (const T *)dy, mask, n, c, rows))));
    um_launch(dev, um_add_parts<float, float>, um_part_grid(c), um_part_block(), 0, dv, part, parts,
              c);
    return um_cuda_launched(dev, "mask_bwd");
}
