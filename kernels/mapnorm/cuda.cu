/* cuda.cu - norms of feature maps: chunks of the planes, each by a team of threads
 *
 * The two sums of a plane's chunk are made in double of the differences from its statistic's first
 * element, so that one reading gives the variance whatever the offset; a warp adds up those of a
 * statistic. The mean is kept in two floats for the same reason. Then every element is read once
 * more and written.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/sum_cuda.h"
#include "kernels/vec_cuda.h"

/* chunks of long planes are a block's; planes up to SHORT are a warp's each */
enum { THREADS = 256, WARPS = THREADS / 32, CHUNK = 64 * THREADS, SHORT = 2048 };

struct maps {
    int64_t n, c, s, chunks; /* chunks of a plane */
    bool    batch;           /* a statistic a channel, else one a plane */
};

static struct maps maps_of(bool batch, int64_t n, int64_t c, int64_t s)
{
    const struct maps m = { n, c, s, (s + CHUNK - 1) / CHUNK, batch };

    return m;
}

static int64_t units_of(struct maps m)
{
    return m.batch ? m.c : m.n * m.c;
}

/* this thread's place in chunk `part` = plane chunks + k: elements from + lane V, + team V .. of x
 */
struct place {
    int64_t part, plane, channel, unit, from, to;
    int     lane, team;
};

static __device__ inline struct place place_of(struct maps m, bool warps)
{
    const int64_t part  = warps ? (int64_t)blockIdx.x * WARPS + threadIdx.x / 32 : blockIdx.x;
    const int64_t plane = um_quot(part, m.chunks), k = part - plane * m.chunks;
    const int64_t to      = k * CHUNK + CHUNK < m.s ? k * CHUNK + CHUNK : m.s;
    const int64_t channel = plane - um_quot(plane, m.c) * m.c;
    struct place  p       = { part, plane, channel, m.batch ? channel : plane, 0, 0, 0, 0 };

    p.lane = warps ? threadIdx.x % 32 : threadIdx.x;
    p.team = warps ? 32 : THREADS;
    p.from = plane * m.s + k * CHUNK;
    p.to   = plane < m.n * m.c ? plane * m.s + to : p.from; /* none past the last plane */
    return p;
}

/* the team's sums to part [planes, chunks, 2] */
static __device__ inline void put_sums(double *part, struct maps m, struct place p, double a,
                                       double b)
{
    a = p.team == 32 ? um_warp_total(a) : um_block_sum<THREADS>(a);
    b = p.team == 32 ? um_warp_total(b) : um_block_sum<THREADS>(b);
    if (p.lane != 0 || p.plane >= m.n * m.c)
        return;
    part[2 * p.part]     = a;
    part[2 * p.part + 1] = b;
}

template <int V, typename T>
static __global__ void moments(double *part, const T *x, struct maps m, bool warps)
{
    const struct place p     = place_of(m, warps);
    const double       first = p.to > p.from ? (double)um_ld(x, p.unit * m.s) : 0;
    double             a = 0, b = 0;

#pragma unroll 2
    for (int64_t i = p.from + p.lane * V; i < p.to; i += p.team * V) {
        float v[V];

        um_ldv<V>(v, x + i);
#pragma unroll
        for (int k = 0; k < V; k++) {
            const double d = (double)v[k] - first;

            a += d;
            b += d * d;
        }
    }
    put_sums(part, m, p, a, b);
}

/* the sums of a statistic, by a warp: its lanes take every 32nd chunk */
static __device__ inline void unit_sums(const double *part, struct maps m, int64_t u, double *a,
                                        double *b)
{
    const int64_t of = (m.batch ? m.n : 1) * m.chunks;

    *a = *b = 0;
#pragma unroll 4
    for (int64_t i = threadIdx.x % 32; i < of; i += 32) {
        const int64_t sample = um_quot(i, m.chunks);
        const int64_t at     = (sample * m.c + u) * m.chunks + i - sample * m.chunks;

        *a += part[2 * at];
        *b += part[2 * at + 1];
    }
    *a = um_warp_total(*a);
    *b = um_warp_total(*b);
}

/* low: what the float of the mean leaves of it */
template <typename T>
static __global__ void statistics(float *mean, float *low, float *rstd, float *var, const T *x,
                                  const double *part, struct maps m, int64_t units, float eps)
{
    const int64_t u     = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    const double  count = (double)(m.batch ? m.n : 1) * (double)m.s;
    double        a, b;

    if (u >= units)
        return; /* the whole warp */
    unit_sums(part, m, u, &a, &b);
    if (threadIdx.x % 32 != 0)
        return;
    const double at = (double)um_ld(x, u * m.s) + a / count, sum = b - a / count * a;
    const double v = sum < 0 ? 0 : sum; /* NaN stays NaN */

    mean[u] = (float)at;
    low[u]  = (float)(at - (double)(float)at);
    rstd[u] = (float)(1 / sqrt(v / count + (double)eps));
    if (var)
        var[u] = (float)(v / (count > 1 ? count - 1 : 1));
}

/* y = (x - mean - low) rstd gamma + beta. low NULL: 0; rstd NULL: of var, and mean of the channel;
 * gamma, beta NULL: 1, 0 */
struct affine {
    const float *mean, *low, *rstd, *var, *gamma, *beta;
    float        eps;
};

template <int V, typename T>
static __global__ void apply(T *__restrict__ y, const T *__restrict__ x, struct affine f,
                             struct maps m, bool warps)
{
    const struct place p = place_of(m, warps);

    if (p.to == p.from)
        return;
    const int64_t u  = f.rstd ? p.unit : p.channel;
    const float   at = f.mean[u], low = f.low ? f.low[u] : 0;
    const float   r  = f.rstd ? f.rstd[u] : 1 / sqrtf(f.var[u] + f.eps);
    const float   by = f.gamma ? r * f.gamma[p.channel] : r, b = f.beta ? f.beta[p.channel] : 0;
#pragma unroll 4
    for (int64_t i = p.from + p.lane * V; i < p.to; i += p.team * V) {
        float v[V];

        um_ldv<V>(v, x + i);
#pragma unroll
        for (int k = 0; k < V; k++)
            v[k] = (v[k] - at - low) * by + b;
        um_stv<V>(y + i, v);
    }
}

/* sums of dy and of dy xhat */
template <int V, typename T>
static __global__ void grad_sums(double *part, const T *dy, const T *x, struct affine f,
                                 struct maps m, bool warps)
{
    const struct place p   = place_of(m, warps);
    const bool         any = p.to > p.from;
    const float        at = any ? f.mean[p.unit] : 0, r = any ? f.rstd[p.unit] : 0;
    double             a = 0, b = 0;

#pragma unroll 2
    for (int64_t i = p.from + p.lane * V; i < p.to; i += p.team * V) {
        float d[V], v[V];

        um_ldv<V>(d, dy + i);
        um_ldv<V>(v, x + i);
#pragma unroll
        for (int k = 0; k < V; k++) {
            a += (double)d[k];
            b += (double)(d[k] * ((v[k] - at) * r));
        }
    }
    put_sums(part, m, p, a, b);
}

/* sums [units, 2] */
static __global__ void grad_units(double *sums, const double *part, struct maps m, int64_t units)
{
    const int64_t u = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    double        a, b;

    if (u >= units)
        return;
    unit_sums(part, m, u, &a, &b);
    if (threadIdx.x % 32 != 0)
        return;
    sums[2 * u]     = a;
    sums[2 * u + 1] = b;
}

/* over the samples, in order */
static __global__ void grad_params(float *dgamma, float *dbeta, const double *sums, int64_t units,
                                   int64_t c)
{
    const int64_t j = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    double        a = 0, b = 0;

    if (j >= c)
        return;
#pragma unroll 4
    for (int64_t u = j; u < units; u += c) {
        a += sums[2 * u];
        b += sums[2 * u + 1];
    }
    dgamma[j] += (float)b;
    dbeta[j] += (float)a;
}

template <int V, typename T>
static __global__ void gradient(T *__restrict__ dx, const T *__restrict__ dy,
                                const T *__restrict__ x, const double *sums, struct affine f,
                                struct maps m, bool warps)
{
    const struct place p = place_of(m, warps);

    if (p.to == p.from)
        return;
    const double count = (double)(m.batch ? m.n : 1) * (double)m.s;
    const float  a = (float)(sums[2 * p.unit] / count), b = (float)(sums[2 * p.unit + 1] / count);
    const float  at = f.mean[p.unit], r = f.rstd[p.unit];
    const float  g = f.gamma ? r * f.gamma[p.channel] : r;
#pragma unroll 2
    for (int64_t i = p.from + p.lane * V; i < p.to; i += p.team * V) {
        float d[V], v[V];

        um_ldv<V>(d, dy + i);
        um_ldv<V>(v, x + i);
#pragma unroll
        for (int k = 0; k < V; k++)
            d[k] = g * (d[k] - a - (v[k] - at) * r * b);
        um_stv<V>(dx + i, d);
    }
}

static bool warps_of(struct maps m)
{
    return m.s <= SHORT;
}

/* blocks for all chunks of all planes; 0: too many */
static unsigned grid_of(struct maps m)
{
    const int64_t parts = m.n * m.c * m.chunks, per = warps_of(m) ? (int64_t)WARPS : 1;

    return (parts + per - 1) / per > 0x7fffffff ? 0 : (unsigned)((parts + per - 1) / per);
}

static int too_many(struct maps m)
{
    return um_fail(UM_ERANGE, "cuda: mapnorm over [%lld,%lld,%lld]", (long long)m.n, (long long)m.c,
                   (long long)m.s);
}

template <int V, typename T>
static int forward(struct um_dev *dev, T *y, float *mean, float *rstd, float *var, const T *x,
                   const float *gamma, const float *beta, struct maps m, float eps)
{
    const int64_t units = units_of(m), parts = m.n * m.c * m.chunks;
    const bool    warps   = warps_of(m);
    double       *part    = (double *)um_cuda_work(dev, (size_t)(2 * parts + units) * sizeof *part);
    float        *low     = (float *)(part + 2 * parts);
    const struct affine f = { mean, low, rstd, NULL, gamma, beta, eps };

    if (!part)
        return UM_ENOMEM;
    if (!grid_of(m))
        return too_many(m);
    um_launch(dev, moments<V, T>, grid_of(m), THREADS, 0, part, x, m, warps);
    um_launch(dev, statistics<T>, um_cuda_blocks(units, WARPS), THREADS, 0, mean, low, rstd, var, x,
              part, m, units, eps);
    um_launch(dev, apply<V, T>, grid_of(m), THREADS, 0, y, x, f, m, warps);
    return um_cuda_launched(dev, "mapnorm_fwd");
}

template <int V, typename T>
static int backward(struct um_dev *dev, T *dx, float *dgamma, float *dbeta, const T *dy, const T *x,
                    struct affine f, struct maps m)
{
    const int64_t units = units_of(m), parts = m.n * m.c * m.chunks;
    const bool    warps = warps_of(m);
    double *part = (double *)um_cuda_work(dev, (size_t)(2 * parts + 2 * units) * sizeof *part);
    double *sums = part + 2 * parts;

    if (!part)
        return UM_ENOMEM;
    if (!grid_of(m))
        return too_many(m);
    um_launch(dev, grad_sums<V, T>, grid_of(m), THREADS, 0, part, dy, x, f, m, warps);
    um_launch(dev, grad_units, um_cuda_blocks(units, WARPS), THREADS, 0, sums, part, m, units);
    if (f.gamma)
        um_launch(dev, grad_params, um_cuda_blocks(m.c, 64), 64, 0, dgamma, dbeta, sums, units,
                  m.c);
    um_launch(dev, gradient<V, T>, grid_of(m), THREADS, 0, dx, dy, x, sums, f, m, warps);
    return um_cuda_launched(dev, "mapnorm_bwd");
}

extern "C" int um_cuda_mapnorm_fwd(struct um_dev *dev, enum um_dtype dt, bool batch, void *y,
                                   float *mean, float *rstd, float *var, const void *x,
                                   const float *gamma, const float *beta, int64_t n, int64_t c,
                                   int64_t s, float eps)
{
    const struct maps m = maps_of(batch, n, c, s);

    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, s, y, x), um_vec<T>::N,
                                  return (forward<V, T>(dev, (T *)y, mean, rstd, var, (const T *)x,
                                                        gamma, beta, m, eps))));
    return UM_OK;
}

extern "C" int um_cuda_mapnorm_eval(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                    const float *gamma, const float *beta, const float *mean,
                                    const float *var, int64_t n, int64_t c, int64_t s, float eps)
{
    const struct affine f = { mean, NULL, NULL, var, gamma, beta, eps };
    const struct maps   m = maps_of(true, n, c, s);

    if (n == 0)
        return UM_OK;
    if (!grid_of(m))
        return too_many(m);
    UM_CUDA_TYPED(dt, UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, s, y, x), um_vec<T>::N,
                                  (um_launch(dev, apply<V, T>, grid_of(m), THREADS, 0, (T *)y,
                                             (const T *)x, f, m, warps_of(m)))));
    return um_cuda_launched(dev, "mapnorm_eval");
}

extern "C" int um_cuda_mapnorm_bwd(struct um_dev *dev, enum um_dtype dt, bool batch, void *dx,
                                   float *dgamma, float *dbeta, const void *dy, const void *x,
                                   const float *gamma, const float *mean, const float *rstd,
                                   int64_t n, int64_t c, int64_t s)
{
    const struct affine f = { mean, NULL, rstd, NULL, gamma, NULL, 0 };
    const struct maps   m = maps_of(batch, n, c, s);

    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, s, dx, dy, x), um_vec<T>::N,
                                  return (backward<V, T>(dev, (T *)dx, dgamma, dbeta, (const T *)dy,
                                                         (const T *)x, f, m))));
    return UM_OK;
}
