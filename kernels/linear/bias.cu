/* bias.cu - sums of columns: the gradient of a bias
 *
 * A block sums a part of the rows for 32 vectors of columns, each of its 8 warps every eighth row,
 * then the warps in order; a second kernel adds the parts in the same manner. How rows are cut
 * depends on the shape alone, so a run has the same bits as the last one.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/vec_cuda.h"

extern "C" {
#include "kernels/linear/linear.h"

UM_LINEAR_OPS(UM_DECLARE, cuda)
}

enum { LANES = 32, WARPS = 8 };
static const int64_t LEAST = 128, PARTS = 512; /* rows in a part, unless there are fewer; parts */

/* the sum over rows first, first + WARPS, .. < end of V columns from j on */
template <int V, typename T>
static __device__ inline void sum_rows(float *s, const T *x, int64_t first, int64_t end, int64_t ld)
{
#pragma unroll 4
    for (int64_t i = first; i < end; i += WARPS) {
        float v[V];

        um_ldv<V>(v, x + i * ld);
#pragma unroll
        for (int k = 0; k < V; k++)
            s[k] += v[k];
    }
}

/* part [parts,c]: row p is the sum of rows p `rows` .. of dy */
template <int V, typename T>
static __global__ void __launch_bounds__(LANES *WARPS)
    column_parts(float *part, const T *dy, int64_t n, int64_t c, int64_t ld, int64_t rows)
{
    __shared__ float both[WARPS][LANES * V];
    const int        lane = (int)threadIdx.x, warp = (int)threadIdx.y;
    const int64_t    j0 = (int64_t)blockIdx.x * LANES * V, j = j0 + lane * V;
    const int64_t    i0 = (int64_t)blockIdx.y * rows, i1 = i0 + rows < n ? i0 + rows : n;
    float            s[V] = {};

    if (j < c)
        sum_rows<V>(s, dy + j, i0 + warp, i1, ld);
#pragma unroll
    for (int k = 0; k < V; k++)
        both[warp][lane * V + k] = s[k];
    __syncthreads();
    for (int e = warp * LANES + lane; e < LANES * V && j0 + e < c; e += LANES * WARPS) {
        float sum = 0;

        for (int w = 0; w < WARPS; w++)
            sum += both[w][e];
        part[(int64_t)blockIdx.y * c + j0 + e] = sum;
    }
}

/* db += the sum of part's rows */
static __global__ void __launch_bounds__(LANES *WARPS)
    add_columns(float *db, const float *part, int64_t parts, int64_t c)
{
    __shared__ float both[WARPS][LANES];
    const int        lane = (int)threadIdx.x, warp = (int)threadIdx.y;
    const int64_t    j = (int64_t)blockIdx.x * LANES + lane;
    float            s = 0;

    if (j < c)
        sum_rows<1>(&s, part + j, warp, parts, c);
    both[warp][lane] = s;
    __syncthreads();
    if (warp == 0 && j < c) {
        s = 0;
        for (int w = 0; w < WARPS; w++)
            s += both[w][lane];
        db[j] += s;
    }
}

extern "C" int um_cuda_bias_bwd(struct um_dev *dev, enum um_dtype dt, float *db, const void *dy,
                                int64_t n, int64_t c, int64_t ld)
{
    const int64_t even = (n + PARTS - 1) / PARTS, rows = even > LEAST ? even : LEAST;
    const int64_t parts = (n + rows - 1) / rows;
    const dim3    block(LANES, WARPS);
    float        *part;

    if (n == 0 || c == 0)
        return UM_OK;
    part = (float *)um_cuda_work(dev, (size_t)(parts * c) * sizeof *part);
    if (!part)
        return UM_ENOMEM;
    UM_CUDA_TYPED(dt, UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, c, dy) && ld % um_vec<T>::N == 0,
                                  um_vec<T>::N,
                                  (um_launch(dev, column_parts<V, T>,
                                             dim3(um_cuda_blocks(c, LANES * V), (unsigned)parts),
                                             block, 0, part, (const T *)dy, n, c, ld, rows))));
    um_launch(dev, add_columns, um_cuda_blocks(c, LANES), block, 0, db, part, parts, c);
    return um_cuda_launched(dev, "bias_bwd");
}
