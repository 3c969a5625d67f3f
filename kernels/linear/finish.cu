/* finish.cu - what stands around a product, in one pass; operands rounded on their way into one
 *
 * Each array is read and written once, 16 bytes a thread and access where results lie dense and
 * their rows are vectors; else element by element.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/drop_cuda.h"
#include "kernels/linear/cuda_int.h"
#include "kernels/normal_cuda.h"
#include "kernels/vec_cuda.h"

enum { THREADS = 256 };

/* what the kernels need to know, by value */
struct around {
    int64_t        batch, m, n, ldc, sc;
    const float   *bias;
    float          beta;
    bool           gelu, placed;
    struct um_drop drop;
};

template <typename T> static __device__ inline float gelu(float x)
{
    float unused;

    return x * um_normal<T>(x, &unused);
}

/* i mod n, 32 bits wide where it can be */
static __device__ inline int64_t column(int64_t i, int64_t n)
{
    return i >> 31 == 0 && n >> 31 == 0 ? (int64_t)((uint32_t)i % (uint32_t)n) : i % n;
}

/* V elements of c from place `at` on, number k on of [batch,m,n]: v is the product there */
template <int V, typename T>
static __device__ inline void finish(T *c, T *pre, const T *res, const struct around &w, float *v,
                                     int64_t at, int64_t k)
{
    float u[V];

    if (w.bias) {
        um_ldv<V>(u, w.bias + column(k, w.n));
#pragma unroll
        for (int e = 0; e < V; e++)
            v[e] += u[e];
    }
    if (pre)
        um_stv<V>(pre + at, v);
    if (w.gelu)
#pragma unroll
        for (int e = 0; e < V; e++)
            v[e] = gelu<T>(v[e]);
    if (w.drop.p > 0) {
        um_drop_factors<V>(u, w.drop, (uint64_t)k);
#pragma unroll
        for (int e = 0; e < V; e++)
            v[e] *= u[e];
    }
    if (res) {
        um_ldv<V>(u, res + at);
#pragma unroll
        for (int e = 0; e < V; e++)
            v[e] += u[e];
    }
    if (w.beta != 0) {
        um_ldv<V>(u, c + at);
#pragma unroll
        for (int e = 0; e < V; e++)
            v[e] += u[e];
    }
    um_stv<V>(c + at, v);
}

/* acc is of type A: the product, or NULL for 0 */
template <int V, typename T, typename A>
static __global__ void finish_dense(T *c, T *pre, const T *res, const A *acc, struct around w)
{
    UM_EACH(V, k, w.batch * w.m * w.n)
    {
        float v[V] = {};

        if (acc)
            um_ldv<V>(v, acc + k);
        finish<V>(c, pre, res, w, v, k, k);
    }
}

/* rows ldc apart; acc like c, or dense */
template <typename T, typename A>
static __global__ void finish_rows(T *c, T *pre, const T *res, const A *acc, struct around w)
{
    UM_EACH(1, k, w.batch * w.m * w.n)
    {
        const int64_t at = k / w.n / w.m * w.sc + k / w.n % w.m * w.ldc + k % w.n;
        float         v  = acc ? um_ld(acc, w.placed ? at : k) : 0;

        finish<1>(c, pre, res, w, &v, at, k);
    }
}

template <typename T, typename A>
static int finish_typed(struct um_dev *dev, T *c, T *pre, const T *res, const A *acc,
                        const struct around *w)
{
    const int64_t total = w->batch * w->m * w->n;
    const bool    dense = w->ldc == w->n && (w->batch == 1 || w->sc == w->m * w->n);
    constexpr int N     = um_vec<T>::N;

    if (!dense)
        um_launch(dev, finish_rows<T, A>, um_cuda_grid(dev, total, THREADS), THREADS, 0, c, pre,
                  res, acc, *w);
    else
        UM_CUDA_VEC(um_vec_rows(N, w->n, c, pre, res, acc, w->bias), N,
                    (um_launch(dev, finish_dense<V, T, A>, um_cuda_grid(dev, total, V * THREADS),
                               THREADS, 0, c, pre, res, acc, *w)));
    return um_cuda_launched(dev, "matmul");
}

static struct around around_of(const struct um_matmul *p)
{
    struct around w = {};

    w.batch = p->batch;
    w.m     = p->m;
    w.n     = p->n;
    w.ldc   = p->ldc;
    w.sc    = p->sc;
    return w;
}

int um_finish(struct um_dev *dev, const struct um_matmul *p, const float *acc, bool placed)
{
    struct around w = around_of(p);

    w.bias   = p->bias;
    w.beta   = p->beta;
    w.gelu   = p->act == UM_ACT_GELU;
    w.drop   = p->drop;
    w.placed = placed;
    UM_CUDA_TYPED(p->dtc,
                  return finish_typed(dev, (T *)p->c, (T *)p->pre, (const T *)p->res, acc, &w));
}

int um_gelu(struct um_dev *dev, const struct um_matmul *p, const void *x)
{
    struct around w = around_of(p);

    w.gelu   = true;
    w.placed = true;
    UM_CUDA_TYPED(
        p->dtc, return finish_typed(dev, (T *)p->c, (T *)NULL, (const T *)NULL, (const T *)x, &w));
}

/* y dense; item b, row r of x begins at b stride + r ld; V elements at a time, V dividing cols */
template <int V>
static __global__ void round_rows(__nv_bfloat16 *__restrict__ y, const float *__restrict__ x,
                                  int64_t total, int64_t rows, int64_t cols, int64_t ld,
                                  int64_t stride)
{
    UM_EACH(V, k, total)
    {
        float v[V];

        um_ldv<V>(v, x + k / cols / rows * stride + k / cols % rows * ld + k % cols);
        um_stv<V>(y + k, v);
    }
}

static __global__ void round_dense(__nv_bfloat16 *__restrict__ y, const float *__restrict__ x,
                                   int64_t total)
{
    UM_EACH(8, k, total)
    {
        float v[8];

        um_ldn<8>(v, x, k, total);
        um_stn<8>(y, k, total, v);
    }
}

int um_round(struct um_dev *dev, void *y, const float *x, int64_t batch, int64_t rows, int64_t cols,
             int64_t ld, int64_t stride)
{
    const int64_t  total = batch * rows * cols;
    const bool     dense = ld == cols && (batch == 1 || stride == rows * cols);
    __nv_bfloat16 *to    = (__nv_bfloat16 *)y;

    if (dense && um_aligned(x, y))
        um_launch(dev, round_dense, um_cuda_grid(dev, total, 8 * THREADS), THREADS, 0, to, x,
                  total);
    else
        UM_CUDA_VEC(um_vec_rows(4, cols, x, y) && ld % 4 == 0 && stride % 4 == 0, 4,
                    (um_launch(dev, round_rows<V>, um_cuda_grid(dev, total, V * THREADS), THREADS,
                               0, to, x, total, rows, cols, ld, stride)));
    return um_cuda_launched(dev, "matmul: rounding");
}
