/* cuda.cu - overlap: sums of a run of places by a block each, added up in a fixed order */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda.h"

extern "C" {
#include "kernels/dice/dice.h"
}

enum { BLOCK = 256, RUN = 8 * BLOCK }; /* places of a block */

static __device__ int64_t at(const struct um_dice &d, int64_t b, int64_t j, int64_t s)
{
    return d.last ? (b * d.S + s) * d.C + j : (b * d.C + j) * d.S + s;
}

/* log sum exp over the classes at a place */
static __device__ float log_sum(const struct um_dice &d, int64_t b, int64_t s)
{
    float m = -INFINITY, sum = 0;

    for (int64_t j = 0; j < d.C; j++)
        m = fmaxf(m, d.x[at(d, b, j, s)]);
    for (int64_t j = 0; j < d.C; j++)
        sum += expf(d.x[at(d, b, j, s)] - m);
    return m + logf(sum);
}

static __device__ float probability(const struct um_dice &d, int64_t i, float lse)
{
    return d.softmax ? expf(d.x[i] - lse) : 1 / (1 + expf(-d.x[i]));
}

/* NaN: none; a number that is no class sets the flag */
static __device__ float label(const struct um_dice &d, int64_t b, int64_t j, int64_t s, int *flag)
{
    if (d.y)
        return d.y[at(d, b, j, s)];
    const int32_t t = d.target[b * d.S + s];
    if (t < -1 || t >= d.C)
        *flag = 1;
    return t < 0 ? NAN : t == j ? 1.0f : 0.0f;
}

static __global__ void log_sums(float *lse, struct um_dice d)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < d.B * d.S;
         i += (int64_t)gridDim.x * blockDim.x)
        lse[i] = log_sum(d, i / d.S, i % d.S);
}

static __device__ void block_sum(double *out, double v)
{
    __shared__ double s[BLOCK];

    __syncthreads();
    s[threadIdx.x] = v;
    for (int o = BLOCK / 2; o > 0; o >>= 1) {
        __syncthreads();
        if (threadIdx.x < o)
            s[threadIdx.x] += s[threadIdx.x + o];
    }
    if (threadIdx.x == 0)
        *out = s[0];
}

/* part [B,C,parts,3]: block (run, b C + j) */
static __global__ void sums_of(double *part, const float *lse, struct um_dice d, int64_t parts,
                               int *flag)
{
    for (int64_t k = blockIdx.x; k < d.B * d.C * parts; k += gridDim.x) {
        const int64_t b = k / parts / d.C, j = k / parts % d.C, from = k % parts * RUN;
        double        I = 0, P = 0, Y = 0;

        for (int64_t s = from + threadIdx.x; s < d.S && s < from + RUN; s += BLOCK) {
            const float y = label(d, b, j, s, flag);
            const float p = probability(d, at(d, b, j, s), d.softmax ? lse[b * d.S + s] : 0);

            if (isnan(y))
                continue;
            I += (double)(p * y);
            P += (double)(d.square ? p * p : p);
            Y += (double)(d.square ? y * y : y);
        }
        block_sum(part + 3 * k, I);
        block_sum(part + 3 * k + 1, P);
        block_sum(part + 3 * k + 2, Y);
    }
}

/* sums [G,3] of the parts of their samples, one thread each, in order */
static __global__ void add_parts(double *sums, const double *part, struct um_dice d, int64_t parts)
{
    const int64_t G = d.batch ? d.C : d.B * d.C;

    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < 3 * G;
         k += (int64_t)gridDim.x * blockDim.x) {
        double a = 0;

        for (int64_t b = 0; b < (d.batch ? d.B : 1); b++)
            for (int64_t i = 0; i < parts; i++)
                a += part[((b * d.C + k / 3) * parts + i) * 3 + k % 3];
        sums[k] = a;
    }
}

static __global__ void add_terms(float *loss, const double *sums, struct um_dice d)
{
    double a = 0;

    for (int64_t g = 0; g < (d.batch ? d.C : d.B * d.C); g++) {
        const double *s    = sums + 3 * g;
        const double  dice = (2 * s[0] + d.top) / (s[1] + s[2] + d.bottom);

        if (g % d.C >= d.first)
            a += d.log ? -log(dice) : 1 - dice;
    }
    *loss += (float)(d.scale * a);
}

/* d loss / dp over g scale */
static __device__ float slope(const struct um_dice &d, const double *sums, int64_t b, int64_t j,
                              int64_t s, float p, int *flag)
{
    const double *sum = sums + 3 * (d.batch ? j : b * d.C + j);
    const double  top = 2 * sum[0] + d.top, bottom = sum[1] + sum[2] + d.bottom;
    const double  by = d.log ? top / bottom : 1;
    const float   y  = label(d, b, j, s, flag);

    if (j < d.first || isnan(y))
        return 0;
    return (float)((-2 / bottom * y + top / bottom / bottom * (d.square ? 2 * p : 1)) / by);
}

static __global__ void gradient(float *dx, const float *gloss, const double *sums, struct um_dice d,
                                int *flag)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < d.B * d.S;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t b = i / d.S, s = i % d.S;
        const float   lse = d.softmax ? log_sum(d, b, s) : 0, g = *gloss * d.scale;
        float         mean = 0;

        for (int64_t j = 0; d.softmax && j < d.C; j++) {
            const float p = probability(d, at(d, b, j, s), lse);
            mean += p * slope(d, sums, b, j, s, p, flag);
        }
        for (int64_t j = 0; j < d.C; j++) {
            const float p      = probability(d, at(d, b, j, s), lse);
            const float own    = slope(d, sums, b, j, s, p, flag);
            dx[at(d, b, j, s)] = g * (d.softmax ? p * (own - mean) : p * (1 - p) * own);
        }
    }
}

extern "C" int um_cuda_dice_fwd(struct um_dev *dev, float *loss, double *sums,
                                const struct um_dice *d)
{
    UM_TRY(um_check_dice("dice_fwd", d));

    const int64_t parts = (d->S + RUN - 1) / RUN, n = d->B * d->C * parts;
    cudaStream_t  q = um_cuda_stream(dev);
    const size_t  G = (size_t)(d->batch ? d->C : d->B * d->C);
    double       *part;
    float        *lse;

    if (n == 0)
        return um_cuda_check(cudaMemsetAsync(sums, 0, 3 * G * sizeof *sums, q), "dice_fwd");
    part = (double *)um_cuda_work(dev, (size_t)n * 3 * sizeof *part +
                                           (size_t)(d->softmax ? d->B * d->S : 0) * sizeof *lse);
    if (!part)
        return UM_ENOMEM;
    lse = (float *)(part + 3 * n);
    if (d->softmax)
        log_sums<<<um_cuda_blocks(d->B * d->S, BLOCK), BLOCK, 0, q>>>(lse, *d);
    sums_of<<<um_cuda_blocks(n, 1), BLOCK, 0, q>>>(part, lse, *d, parts, um_cuda_of(dev)->flag);
    add_parts<<<um_cuda_blocks(3 * (int64_t)G, BLOCK), BLOCK, 0, q>>>(sums, part, *d, parts);
    add_terms<<<1, 1, 0, q>>>(loss, sums, *d);
    return um_cuda_launched("dice_fwd");
}

extern "C" int um_cuda_dice_bwd(struct um_dev *dev, float *dx, const float *gloss,
                                const double *sums, const struct um_dice *d)
{
    UM_TRY(um_check_dice("dice_bwd", d));
    if (d->B * d->S == 0)
        return UM_OK;
    gradient<<<um_cuda_blocks(d->B * d->S, BLOCK), BLOCK, 0, um_cuda_stream(dev)>>>(
        dx, gloss, sums, *d, um_cuda_of(dev)->flag);
    return um_cuda_launched("dice_bwd");
}
