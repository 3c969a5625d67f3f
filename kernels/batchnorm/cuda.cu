/* cuda.cu - batch norm over rows: a thread has V columns, neighbours neighbouring ones
 *
 * A column's two sums are made by parts of the rows, in double, of the differences from the first
 * row, so that one reading gives the variance whatever the offset. The mean is kept in two floats
 * for the same reason. Then every element is read once more and written.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/sum_cuda.h"
#include "kernels/vec_cuda.h"

/* a block of sums: its rows of threads take every so manyth row; rows a block of the others has */
enum { COLS = 32, DOWN = 8, ALONG = 128, ROWS = 16 };

/* part [2, c] of this block's rows: the sums of a and of b over its rows of threads, in order */
template <int V>
static __device__ inline void put_sums(double *part, const double *a, const double *b, int64_t c,
                                       int64_t j)
{
    __shared__ double sum[DOWN][COLS * V];

#pragma unroll 1
    for (int which = 0; which < 2; which++) {
        __syncthreads();
#pragma unroll
        for (int k = 0; k < V; k++)
            sum[threadIdx.y][threadIdx.x + k * COLS] = which ? b[k] : a[k];
        __syncthreads();
        if (threadIdx.y != 0 || j >= c)
            continue;
#pragma unroll
        for (int k = 0; k < V; k++) {
            double s = 0;

            for (int r = 0; r < DOWN; r++)
                s += sum[r][threadIdx.x + k * COLS];
            part[which * c + j + k] = s;
        }
    }
}

/* part [parts, 2, c]: sums of x less the first row, and of its square */
template <int V, typename T>
static __global__ void moments(double *part, const T *x, int64_t n, int64_t c, int64_t rows)
{
    const int64_t p = blockIdx.x, to = p * rows + rows < n ? p * rows + rows : n;
    const int64_t j    = ((int64_t)blockIdx.y * COLS + threadIdx.x) * V;
    double        a[V] = { 0 }, b[V] = { 0 };
    float         first[V] = { 0 };

    if (j < c)
        um_ldv<V>(first, x + j);
#pragma unroll 2
    for (int64_t i = p * rows + threadIdx.y; j < c && i < to; i += DOWN) {
        float v[V];

        um_ldv<V>(v, x + i * c + j);
#pragma unroll
        for (int k = 0; k < V; k++) {
            const double d = (double)v[k] - (double)first[k];

            a[k] += d;
            b[k] += d * d;
        }
    }
    put_sums<V>(part + p * 2 * c, a, b, c, j);
}

/* low: what the float of the mean leaves of it */
template <typename T>
static __global__ void statistics(float *mean, float *low, float *rstd, float *var, const T *x,
                                  const double *part, int64_t parts, int64_t n, int64_t c,
                                  float eps)
{
    const int64_t j = (int64_t)blockIdx.x * UM_PART_COLS + threadIdx.x;
    const double  a = um_part_total(part, parts, 2 * c, j < c ? j : 2 * c);
    const double  b = um_part_total(part, parts, 2 * c, j < c ? c + j : 2 * c);

    if (threadIdx.y != 0 || j >= c)
        return;
    const double m = (double)um_ld(x, j) + a / (double)n, sum = b - a / (double)n * a;
    const double v = sum < 0 ? 0 : sum; /* NaN stays NaN */

    mean[j] = (float)m;
    low[j]  = (float)(m - (double)(float)m);
    rstd[j] = (float)(1 / sqrt(v / (double)n + (double)eps));
    var[j]  = (float)(v / (double)(n > 1 ? n - 1 : 1));
}

/* of a column: y = (x - mean - low) rstd gamma + beta. low NULL: 0; rstd NULL: of var; gamma, beta
 * NULL: 1, 0 */
struct affine {
    const float *mean, *low, *rstd, *var, *gamma, *beta;
    float        eps;
};

template <int V, typename T>
static __global__ void apply(T *__restrict__ y, const T *__restrict__ x, struct affine f, int64_t n,
                             int64_t c)
{
    const int64_t from = (int64_t)blockIdx.x * ROWS, to = from + ROWS < n ? from + ROWS : n;
    const int64_t j = ((int64_t)blockIdx.y * ALONG + threadIdx.x) * V;
    float         m[V], low[V], by[V], b[V];

    if (j >= c)
        return;
#pragma unroll
    for (int k = 0; k < V; k++) {
        const float r = f.rstd ? f.rstd[j + k] : 1 / sqrtf(f.var[j + k] + f.eps);

        m[k]   = f.mean[j + k];
        low[k] = f.low ? f.low[j + k] : 0;
        by[k]  = f.gamma ? r * f.gamma[j + k] : r;
        b[k]   = f.beta ? f.beta[j + k] : 0;
    }
#pragma unroll 4
    for (int64_t i = from; i < to; i++) {
        float v[V];

        um_ldv<V>(v, x + i * c + j);
#pragma unroll
        for (int k = 0; k < V; k++)
            v[k] = (v[k] - m[k] - low[k]) * by[k] + b[k];
        um_stv<V>(y + i * c + j, v);
    }
}

/* part [parts, 2, c]: sums of dy and of dy xhat */
template <int V, typename T>
static __global__ void grad_sums(double *part, const T *dy, const T *x, const float *mean,
                                 const float *rstd, int64_t n, int64_t c, int64_t rows)
{
    const int64_t p = blockIdx.x, to = p * rows + rows < n ? p * rows + rows : n;
    const int64_t j    = ((int64_t)blockIdx.y * COLS + threadIdx.x) * V;
    double        a[V] = { 0 }, b[V] = { 0 };
    float         m[V], r[V];

#pragma unroll
    for (int k = 0; k < V; k++) {
        m[k] = j < c ? mean[j + k] : 0;
        r[k] = j < c ? rstd[j + k] : 0;
    }
#pragma unroll 2
    for (int64_t i = p * rows + threadIdx.y; j < c && i < to; i += DOWN) {
        float d[V], v[V];

        um_ldv<V>(d, dy + i * c + j);
        um_ldv<V>(v, x + i * c + j);
#pragma unroll
        for (int k = 0; k < V; k++) {
            a[k] += (double)d[k];
            b[k] += (double)(d[k] * (v[k] - m[k]) * r[k]);
        }
    }
    put_sums<V>(part + p * 2 * c, a, b, c, j);
}

/* by [2, c]: the sums of dy and of dy xhat by n */
static __global__ void grad_params(float *by, float *dgamma, float *dbeta, const double *part,
                                   int64_t parts, int64_t n, int64_t c)
{
    const int64_t j = (int64_t)blockIdx.x * UM_PART_COLS + threadIdx.x;
    const double  a = um_part_total(part, parts, 2 * c, j < c ? j : 2 * c);
    const double  b = um_part_total(part, parts, 2 * c, j < c ? c + j : 2 * c);

    if (threadIdx.y != 0 || j >= c)
        return;
    if (dgamma) {
        dgamma[j] += (float)b;
        dbeta[j] += (float)a;
    }
    by[j]     = (float)(a / (double)n);
    by[c + j] = (float)(b / (double)n);
}

/* dx = gamma rstd (dy - mean(dy) - xhat mean(dy xhat)) */
template <int V, typename T>
static __global__ void grad_rows(T *__restrict__ dx, const T *__restrict__ dy,
                                 const T *__restrict__ x, const float *by, struct affine f,
                                 int64_t n, int64_t c)
{
    const int64_t from = (int64_t)blockIdx.x * ROWS, to = from + ROWS < n ? from + ROWS : n;
    const int64_t j = ((int64_t)blockIdx.y * ALONG + threadIdx.x) * V;
    float         m[V], r[V], g[V], a[V], b[V];

    if (j >= c)
        return;
#pragma unroll
    for (int k = 0; k < V; k++) {
        m[k] = f.mean[j + k];
        r[k] = f.rstd[j + k];
        g[k] = f.gamma ? f.gamma[j + k] * r[k] : r[k];
        a[k] = by[j + k];
        b[k] = by[c + j + k];
    }
#pragma unroll 2
    for (int64_t i = from; i < to; i++) {
        float d[V], v[V];

        um_ldv<V>(d, dy + i * c + j);
        um_ldv<V>(v, x + i * c + j);
#pragma unroll
        for (int k = 0; k < V; k++)
            d[k] = g[k] * (d[k] - a[k] - (v[k] - m[k]) * r[k] * b[k]);
        um_stv<V>(dx + i * c + j, d);
    }
}

/* grids: parts of the rows, and ROWS rows; by tiles of columns */
static int64_t part_rows(int64_t n, int64_t c)
{
    return um_cuda_part(n, (c + 127) / 128, 64);
}

static dim3 sum_grid(int64_t n, int64_t c, int V)
{
    return dim3(um_cuda_blocks(n, part_rows(n, c)), um_cuda_blocks(c, COLS * V));
}

static dim3 row_grid(int64_t n, int64_t c, int V)
{
    return dim3(um_cuda_blocks(n, ROWS), um_cuda_blocks(c, ALONG * V));
}

/* workspace: part [parts, 2, c], then by [2, c] */
static int room(struct um_dev *dev, int64_t n, int64_t c, int64_t *parts, double **part, float **by)
{
    if (c > (int64_t)65535 * COLS || (n + ROWS - 1) / ROWS > 0x7fffffff)
        return um_fail(UM_ERANGE, "cuda: batchnorm over [%lld,%lld]", (long long)n, (long long)c);
    *parts = (n + part_rows(n, c) - 1) / part_rows(n, c);
    *part  = (double *)um_cuda_work(dev, (size_t)((*parts + 1) * 2 * c) * sizeof **part);
    if (!*part)
        return UM_ENOMEM;
    *by = (float *)(*part + *parts * 2 * c);
    return UM_OK;
}

template <int V, typename T>
static int forward(struct um_dev *dev, T *y, float *mean, float *rstd, float *var, const T *x,
                   const float *gamma, const float *beta, int64_t n, int64_t c, float eps)
{
    struct affine f = { mean, NULL, rstd, NULL, gamma, beta, eps };
    int64_t       parts;
    double       *part;
    float        *low;

    UM_TRY(room(dev, n, c, &parts, &part, &low));
    f.low = low;
    um_launch(dev, moments<V, T>, sum_grid(n, c, V), dim3(COLS, DOWN), 0, part, x, n, c,
              part_rows(n, c));
    um_launch(dev, statistics<T>, um_part_grid(c), um_part_block(), 0, mean, low, rstd, var, x,
              part, parts, n, c, eps);
    um_launch(dev, apply<V, T>, row_grid(n, c, V), ALONG, 0, y, x, f, n, c);
    return um_cuda_launched(dev, "batchnorm_fwd");
}

template <int V, typename T>
static int backward(struct um_dev *dev, T *dx, float *dgamma, float *dbeta, const T *dy, const T *x,
                    struct affine f, int64_t n, int64_t c)
{
    int64_t parts;
    double *part;
    float  *by;

    UM_TRY(room(dev, n, c, &parts, &part, &by));
    um_launch(dev, grad_sums<V, T>, sum_grid(n, c, V), dim3(COLS, DOWN), 0, part, dy, x, f.mean,
              f.rstd, n, c, part_rows(n, c));
    um_launch(dev, grad_params, um_part_grid(c), um_part_block(), 0, by, dgamma, dbeta, part, parts,
              n, c);
    um_launch(dev, grad_rows<V, T>, row_grid(n, c, V), ALONG, 0, dx, dy, x, by, f, n, c);
    return um_cuda_launched(dev, "batchnorm_bwd");
}

extern "C" int um_cuda_batchnorm_fwd(struct um_dev *dev, enum um_dtype dt, void *y, float *mean,
                                     float *rstd, float *var, const void *x, const float *gamma,
                                     const float *beta, int64_t n, int64_t c, float eps)
{
    if (n == 0 || c == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, c, y, x), um_vec<T>::N,
                                  return (forward<V, T>(dev, (T *)y, mean, rstd, var, (const T *)x,
                                                        gamma, beta, n, c, eps))));
    return UM_OK;
}

extern "C" int um_cuda_batchnorm_eval(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                      const float *gamma, const float *beta, const float *mean,
                                      const float *var, int64_t n, int64_t c, float eps)
{
    const struct affine f = { mean, NULL, NULL, var, gamma, beta, eps };

    if (n == 0 || c == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, c, y, x), um_vec<T>::N,
                                  (um_launch(dev, apply<V, T>, row_grid(n, c, V), ALONG, 0, (T *)y,
                                             (const T *)x, f, n, c))));
    return um_cuda_launched(dev, "batchnorm_eval");
}

extern "C" int um_cuda_batchnorm_bwd(struct um_dev *dev, enum um_dtype dt, void *dx, float *dgamma,
                                     float *dbeta, const void *dy, const void *x,
                                     const float *gamma, const float *mean, const float *rstd,
                                     int64_t n, int64_t c)
{
    const struct affine f = { mean, NULL, rstd, NULL, gamma, NULL, 0 };

    if (n == 0 || c == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, c, dx, dy, x), um_vec<T>::N,
                                  return (backward<V, T>(dev, (T *)dx, dgamma, dbeta, (const T *)dy,
                                                         (const T *)x, f, n, c))));
    return UM_OK;
}

template <int V>
static __global__ void lerp_all(float *run, const float *x, float momentum, int64_t n)
{
    UM_EACH(V, i, n)
    {
        float r[V], v[V];

        um_ldn<V>(r, run, i, n);
        um_ldn<V>(v, x, i, n);
#pragma unroll
        for (int k = 0; k < V; k++)
            r[k] = (1 - momentum) * r[k] + momentum * v[k];
        um_stn<V>(run, i, n, r);
    }
}

extern "C" int um_cuda_lerp(struct um_dev *dev, float *run, const float *x, float momentum,
                            int64_t n)
{
    if (n == 0)
        return UM_OK;
    UM_CUDA_VEC(
        um_aligned(run, x), 4,
        (um_launch(dev, lerp_all<V>, um_cuda_grid(dev, n, V * 256), 256, 0, run, x, momentum, n)));
    return um_cuda_launched(dev, "lerp");
}
