/* cuda.cu - resampling: a thread sums one element, forward and adjoint */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda.h"

extern "C" {
#include "kernels/resample/resample.h"
}

static __device__ inline double keys(double t)
{
    const double a = -0.75;

    t = fabs(t);
    if (t < 1)
        return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? ((t - 5) * t + 8) * t * a - 4 * a : 0;
}

/* um_resample_taps, on the device */
static __device__ inline int taps(const struct um_resample &r, int axis, int64_t o,
                                  int64_t index[UM_TAPS], float weight[UM_TAPS])
{
    const int64_t in = r.in[axis], out = r.out[axis];
    const bool    cubic = r.mode[axis] == UM_CUBIC;
    const int     n = cubic ? 4 : 2, before = cubic ? 1 : 0;
    double        u;

    if (r.corners)
        u = out > 1 ? (double)(o * (in - 1)) / (double)(out - 1) : 0;
    else
        u = ((double)o + 0.5) * (double)in / (double)out - 0.5;
    const double at = floor(u), f = u - at;
    for (int t = 0; t < n; t++) {
        const int64_t i = (int64_t)at - before + t;

        index[t]  = i < 0 ? 0 : i > in - 1 ? in - 1 : i;
        weight[t] = (float)(cubic ? keys(f + before - t) : t ? f : 1 - f);
    }
    return n;
}

/* a(o, i) */
static __device__ inline float factor(const struct um_resample &r, int axis, int64_t o, int64_t i)
{
    int64_t   index[UM_TAPS];
    float     w[UM_TAPS], sum = 0;
    const int n = taps(r, axis, o, index, w);

    for (int t = 0; t < n; t++)
        sum += index[t] == i ? w[t] : 0;
    return sum;
}

/* the o for which a(o, i) may not be 0: from .. to-1 */
static __device__ inline void readers(const struct um_resample &r, int axis, int64_t i,
                                      int64_t *from, int64_t *to)
{
    const int64_t in = r.in[axis], out = r.out[axis];
    double        lo = (double)i - 3, hi = (double)i + 3; /* of u */

    if (r.corners) {
        lo = in > 1 ? lo * (double)(out - 1) / (double)(in - 1) : 0;
        hi = in > 1 ? hi * (double)(out - 1) / (double)(in - 1) : (double)out;
    } else {
        lo = (lo + 0.5) * (double)out / (double)in - 0.5;
        hi = (hi + 0.5) * (double)out / (double)in - 0.5;
    }
    *from = i == 0 || lo < 1 ? 0 : (int64_t)lo - 1;
    *to   = i == in - 1 || hi + 2 > (double)out ? out : (int64_t)hi + 2;
}

template <typename T>
static __global__ void forward(T *y, const T *x, struct um_resample r, int64_t count)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < count;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t c = k % r.c, p = k / r.c;
        const int64_t o[3] = { p / r.out[2] / r.out[1] % r.out[0], p / r.out[2] % r.out[1],
                               p % r.out[2] };
        const int64_t b    = p / r.out[2] / r.out[1] / r.out[0] * r.in[0];
        int64_t       i[3][UM_TAPS];
        float         w[3][UM_TAPS], sum = 0;
        int           n[3];

        for (int a = 0; a < 3; a++)
            n[a] = taps(r, a, o[a], i[a], w[a]);
        for (int d = 0; d < n[0]; d++)
            for (int h = 0; h < n[1]; h++) {
                const int64_t row = ((b + i[0][d]) * r.in[1] + i[1][h]) * r.in[2];
                float         s   = 0;

                for (int v = 0; v < n[2]; v++)
                    s += w[2][v] * um_ld(x, (row + i[2][v]) * r.c + c);
                sum += w[0][d] * w[1][h] * s;
            }
        um_st(y, k, sum);
    }
}

template <typename T>
static __global__ void adjoint(T *dx, const T *dy, struct um_resample r, int64_t count)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < count;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t c = k % r.c, p = k / r.c;
        const int64_t i[3] = { p / r.in[2] / r.in[1] % r.in[0], p / r.in[2] % r.in[1],
                               p % r.in[2] };
        const int64_t b    = p / r.in[2] / r.in[1] / r.in[0] * r.out[0];
        int64_t       from[3], to[3];
        float         sum = 0;

        for (int a = 0; a < 3; a++)
            readers(r, a, i[a], &from[a], &to[a]);
        for (int64_t d = from[0]; d < to[0]; d++) {
            const float wd = factor(r, 0, d, i[0]);

            for (int64_t h = from[1]; wd != 0 && h < to[1]; h++) {
                const float   wh  = wd * factor(r, 1, h, i[1]);
                const int64_t row = ((b + d) * r.out[1] + h) * r.out[2];

                for (int64_t v = from[2]; wh != 0 && v < to[2]; v++)
                    sum += wh * factor(r, 2, v, i[2]) * um_ld(dy, (row + v) * r.c + c);
            }
        }
        um_st(dx, k, sum);
    }
}

extern "C" int um_cuda_resample_fwd(struct um_dev *dev, void *y, const void *x,
                                    const struct um_resample *r)
{
    const int64_t n = r->n * r->c * r->out[0] * r->out[1] * r->out[2];

    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(r->dt, (forward<T><<<um_cuda_blocks(n, 256), 256, 0, um_cuda_stream(dev)>>>(
                             (T *)y, (const T *)x, *r, n)));
    return um_cuda_launched("resample_fwd");
}

extern "C" int um_cuda_resample_bwd(struct um_dev *dev, void *dx, const void *dy,
                                    const struct um_resample *r)
{
    const int64_t n = r->n * r->c * r->in[0] * r->in[1] * r->in[2];

    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(r->dt, (adjoint<T><<<um_cuda_blocks(n, 256), 256, 0, um_cuda_stream(dev)>>>(
                             (T *)dx, (const T *)dy, *r, n)));
    return um_cuda_launched("resample_bwd");
}
