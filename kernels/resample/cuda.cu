/* cuda.cu - resampling: a thread sums one element, forward and adjoint, by tables of the axes
 *
 * What an axis's place is made of, and for the adjoint what it goes into, is worked out once for
 * each place of each axis; the elements multiply and add.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/sum_cuda.h"

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

/* places of an axis, each a run of `most` weights. Forward: of x, whose indices lie beside them;
 * adjoint: of count dy from `first` on. */
struct axis {
    int32_t *index; /* forward: [out, UM_TAPS]; adjoint: [in, 2], first and count */
    float   *weight;
    int64_t  most;
};

struct axes {
    struct axis of[3];
};

/* a place o of the axis that is the grid's y */
static __global__ void forward_table(struct axes t, struct um_resample r)
{
    const int     a = (int)blockIdx.y;
    const int64_t o = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    int64_t       index[UM_TAPS];
    float         w[UM_TAPS];

    if (o >= r.out[a])
        return;
    const int n = taps(r, a, o, index, w);
    for (int k = 0; k < (int)t.of[a].most; k++) {
        /* along an axis of one place all taps are it */
        t.of[a].index[o * t.of[a].most + k]  = k < n ? (int32_t)index[k] : 0;
        t.of[a].weight[o * t.of[a].most + k] = t.of[a].most == 1 ? 1 : k < n ? w[k] : 0;
    }
}

/* a place i of it: those o between the first and the last whose factor is not 0 */
static __global__ void adjoint_table(struct axes t, struct um_resample r)
{
    const int     a = (int)blockIdx.y;
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    int64_t       from, to, first = 0, count = 0;

    if (i >= r.in[a])
        return;
    readers(r, a, i, &from, &to);
    for (int64_t o = from; o < to; o++) {
        const float w = factor(r, a, o, i);

        if (w == 0 && count == 0)
            continue;
        first = count == 0 ? o : first;
        if (w != 0) {
            for (int64_t k = count; first + k < o; k++) /* between two others */
                t.of[a].weight[i * t.of[a].most + k] = 0;
            count                                        = o - first + 1;
            t.of[a].weight[i * t.of[a].most + count - 1] = w;
        }
    }
    t.of[a].index[2 * i]     = (int32_t)first;
    t.of[a].index[2 * i + 1] = (int32_t)count;
}

/* k, in C order over a grid of c channels, taken apart: channel, place; the sample is left */
static __device__ inline int64_t apart(int64_t k, const int64_t d[3], int64_t c, int64_t at[3],
                                       int64_t *channel)
{
    int64_t q = um_quot(k, c);

    *channel = k - q * c;
    for (int a = 2; a >= 0; a--) {
        const int64_t up = um_quot(q, d[a]);

        at[a] = q - up * d[a];
        q     = up;
    }
    return q;
}

template <typename T>
static __global__ void forward(T *__restrict__ y, const T *__restrict__ x, struct axes t,
                               struct um_resample r, int64_t count)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < count;
         k += (int64_t)gridDim.x * blockDim.x) {
        int64_t        o[3], c;
        const int64_t  b = apart(k, r.out, r.c, o, &c) * r.in[0];
        const int32_t *i[3];
        const float   *w[3];
        float          sum = 0;

        for (int a = 0; a < 3; a++) {
            i[a] = t.of[a].index + o[a] * t.of[a].most;
            w[a] = t.of[a].weight + o[a] * t.of[a].most;
        }
        for (int d = 0; d < (int)t.of[0].most; d++)
            for (int h = 0; h < (int)t.of[1].most; h++) {
                const int64_t row = ((b + i[0][d]) * r.in[1] + i[1][h]) * r.in[2];
                float         s   = 0;

                for (int v = 0; v < (int)t.of[2].most; v++)
                    s += w[2][v] * um_ld(x, (row + i[2][v]) * r.c + c);
                sum += w[0][d] * w[1][h] * s;
            }
        um_st(y, k, sum);
    }
}

template <typename T>
static __global__ void adjoint(T *__restrict__ dx, const T *__restrict__ dy, struct axes t,
                               struct um_resample r, int64_t count)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < count;
         k += (int64_t)gridDim.x * blockDim.x) {
        int64_t       i[3], c;
        const int64_t b = apart(k, r.in, r.c, i, &c) * r.out[0];
        const float  *w[3];
        int64_t       first[3];
        int           n[3];
        float         sum = 0;

        for (int a = 0; a < 3; a++) {
            first[a] = t.of[a].index[2 * i[a]];
            n[a]     = t.of[a].index[2 * i[a] + 1];
            w[a]     = t.of[a].weight + i[a] * t.of[a].most;
        }
        for (int d = 0; d < n[0]; d++)
            for (int h = 0; h < n[1]; h++) {
                const int64_t row =
                    ((b + first[0] + d) * r.out[1] + first[1] + h) * r.out[2] + first[2];
                float s = 0;

#pragma unroll 4
                for (int v = 0; v < n[2]; v++)
                    s += w[2][v] * um_ld(dy, (row + v) * r.c + c);
                sum += w[0][d] * w[1][h] * s;
            }
        um_st(dx, k, sum);
    }
}

/* places of y, at most, whose factor of a place of x is not 0: u lies less than 1, or 2, from it,
 * and what lies beyond an edge lies nearer to the edge's other side */
static int64_t most_readers(const struct um_resample *r, int a)
{
    const double  in = (double)r->in[a], out = (double)r->out[a];
    const double  by   = r->corners && in > 1 ? (out - 1) / (in - 1) : out / in;
    const int64_t most = (int64_t)((r->mode[a] == UM_CUBIC ? 4 : 2) * by) + 3;

    return r->in[a] == 1 || most > r->out[a] ? r->out[a] : most;
}

/* tables in the workspace, not filled yet; blocks of their longest axis */
static int tables(struct um_dev *dev, const struct um_resample *r, bool back, struct axes *t,
                  dim3 *grid)
{
    const int64_t *d       = back ? r->in : r->out;
    int64_t        longest = 1, room = 0;
    int32_t       *p;

    for (int a = 0; a < 3; a++) {
        t->of[a].most = back                     ? most_readers(r, a)
                        : r->in[a] == 1          ? 1
                        : r->mode[a] == UM_CUBIC ? 4
                                                 : 2;
        room += d[a] * (t->of[a].most + (back ? 2 : t->of[a].most));
        longest = d[a] > longest ? d[a] : longest;
    }
    if (!(p = (int32_t *)um_cuda_work(dev, (size_t)room * sizeof *p)))
        return UM_ENOMEM;
    for (int a = 0; a < 3; a++) {
        t->of[a].index  = p;
        t->of[a].weight = (float *)(p + d[a] * (back ? 2 : t->of[a].most));
        p += d[a] * (t->of[a].most + (back ? 2 : t->of[a].most));
    }
    *grid = dim3(um_cuda_blocks(longest, 64), 3);
    return UM_OK;
}

extern "C" int um_cuda_resample_fwd(struct um_dev *dev, void *y, const void *x,
                                    const struct um_resample *r)
{
    const int64_t n = r->n * r->c * r->out[0] * r->out[1] * r->out[2];
    struct axes   t;
    dim3          grid;

    if (n == 0)
        return UM_OK;
    UM_TRY(tables(dev, r, false, &t, &grid));
    um_launch(dev, forward_table, grid, 64, 0, t, *r);
    UM_CUDA_TYPED(r->dt, (um_launch(dev, forward<T>, um_cuda_blocks(n, 256), 256, 0, (T *)y,
                                    (const T *)x, t, *r, n)));
    return um_cuda_launched(dev, "resample_fwd");
}

extern "C" int um_cuda_resample_bwd(struct um_dev *dev, void *dx, const void *dy,
                                    const struct um_resample *r)
{
    const int64_t n = r->n * r->c * r->in[0] * r->in[1] * r->in[2];
    struct axes   t;
    dim3          grid;

    if (n == 0)
        return UM_OK;
    UM_TRY(tables(dev, r, true, &t, &grid));
    um_launch(dev, adjoint_table, grid, 64, 0, t, *r);
    UM_CUDA_TYPED(r->dt, (um_launch(dev, adjoint<T>, um_cuda_blocks(n, 256), 256, 0, (T *)dx,
                                    (const T *)dy, t, *r, n)));
    return um_cuda_launched(dev, "resample_bwd");
}
