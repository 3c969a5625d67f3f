/* cuda.cu - overlap: a block takes a run of places with all their classes, so that the logits come
 * from memory once and from the caches after that; sums are added up in a fixed order
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/sum_cuda.h"

extern "C" {
#include "kernels/dice/dice.h"
}

enum { BLOCK = 256, WARPS = BLOCK / 32, RUN = 4 * BLOCK }; /* places of a block */

static __device__ int64_t at(const struct um_dice &d, int64_t b, int64_t j, int64_t s)
{
    return d.last ? (b * d.S + s) * d.C + j : (b * d.C + j) * d.S + s;
}

/* log sum exp over the classes at a place, in one reading */
static __device__ float log_sum(const struct um_dice &d, int64_t b, int64_t s)
{
    float m = -1e38f, sum = 0; /* a largest so far that makes no NaN with itself */

#pragma unroll 4
    for (int64_t j = 0; j < d.C; j++) {
        const float x = d.x[at(d, b, j, s)];

        if (x > m) {
            sum *= expf(m - x);
            m = x;
        }
        sum += expf(x - m);
    }
    return m + logf(sum);
}

static __device__ float probability(const struct um_dice &d, int64_t i, float lse)
{
    return d.softmax ? expf(d.x[i] - lse) : 1 / (1 + expf(-d.x[i]));
}

/* the class of a place, -1: none; a number that is no class sets the flag */
static __device__ int32_t class_of(const struct um_dice &d, int64_t b, int64_t s, int *flag)
{
    const int32_t t = d.y ? -1 : d.target[b * d.S + s];

    if (t < -1 || t >= d.C)
        *flag = 1;
    return t;
}

/* of element i, of class j, at a place of class t; NaN: none */
static __device__ float label(const struct um_dice &d, int64_t i, int64_t j, int32_t t)
{
    if (d.y)
        return d.y[i];
    return t < 0 ? NAN : t == j ? 1.0f : 0.0f;
}

/* out = the block's sums of three values of each thread */
static __device__ void three_sums(double *out, double a, double b, double c)
{
    __shared__ double part[3][WARPS];
    const int         warp = threadIdx.x / 32;

    a = um_warp_total(a);
    b = um_warp_total(b);
    c = um_warp_total(c);
    __syncthreads(); /* those before have been read */
    if (threadIdx.x % 32 == 0) {
        part[0][warp] = a;
        part[1][warp] = b;
        part[2][warp] = c;
    }
    __syncthreads();
    if (threadIdx.x >= 3)
        return;
    a = 0;
    for (int w = 0; w < WARPS; w++)
        a += part[threadIdx.x][w];
    out[threadIdx.x] = a;
}

/* part [B,C,parts,3]: block b parts + run */
static __global__ void sums_of(double *part, struct um_dice d, int64_t parts, int *flag)
{
    __shared__ float   lse[RUN];
    __shared__ int32_t target[RUN];
    const int64_t      b = um_quot(blockIdx.x, parts), run = blockIdx.x - b * parts;
    const int64_t      from = run * RUN, to = from + RUN < d.S ? from + RUN : d.S;

    for (int64_t s = from + threadIdx.x; s < to; s += BLOCK) {
        lse[s - from]    = d.softmax ? log_sum(d, b, s) : 0; /* of this thread's places alone */
        target[s - from] = class_of(d, b, s, flag);
    }
    for (int64_t j = 0; j < d.C; j++) {
        double I = 0, P = 0, Y = 0;

#pragma unroll 4
        for (int64_t s = from + threadIdx.x; s < to; s += BLOCK) {
            const int64_t i = at(d, b, j, s);
            const float   y = label(d, i, j, target[s - from]);
            const float   p = probability(d, i, lse[s - from]);

            if (isnan(y))
                continue;
            I += (double)(p * y);
            P += (double)(d.square ? p * p : p);
            Y += (double)(d.square ? y * y : y);
        }
        three_sums(part + ((b * d.C + j) * parts + run) * 3, I, P, Y);
    }
}

/* sums [G,3] of the parts of their samples: a warp each, its lanes every 32nd part */
static __global__ void add_parts(double *sums, const double *part, struct um_dice d, int64_t parts,
                                 int64_t G)
{
    const int64_t k  = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    const int64_t of = (d.batch ? d.B : 1) * parts, g = um_quot(k, 3);
    double        a = 0;

    if (k >= 3 * G)
        return; /* the whole warp */
#pragma unroll 4
    for (int64_t i = threadIdx.x % 32; i < of; i += 32) {
        const int64_t b = um_quot(i, parts);

        a += part[((b * d.C + g) * parts + i - b * parts) * 3 + k - 3 * g];
    }
    a = um_warp_total(a);
    if (threadIdx.x % 32 == 0)
        sums[k] = a;
}

static __global__ void add_terms(float *loss, const double *sums, struct um_dice d, int64_t G)
{
    double a = 0;

    for (int64_t g = threadIdx.x; g < G; g += BLOCK) {
        const double *s    = sums + 3 * g;
        const double  dice = (2 * s[0] + d.top) / (s[1] + s[2] + d.bottom);

        if (g % d.C >= d.first)
            a += d.log ? -log(dice) : 1 - dice;
    }
    a = um_block_sum<BLOCK>(a);
    if (threadIdx.x == 0)
        *loss += (float)(d.scale * a);
}

/* of a group: d loss / dp over g scale is by y + on p', p' = 1 or, with `square`, 2 p */
struct slope {
    float by, on;
};

static __global__ void slopes(struct slope *out, const double *sums, struct um_dice d, int64_t G)
{
    const int64_t g = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;

    if (g >= G)
        return;
    const double *sum = sums + 3 * g;
    const double  top = 2 * sum[0] + d.top, bottom = sum[1] + sum[2] + d.bottom;
    const double  log = d.log ? top / bottom : 1;

    out[g].by = (float)(-2 / bottom / log);
    out[g].on = (float)(top / bottom / bottom / log);
}

static __device__ inline float slope_at(const struct um_dice &d, const struct slope *of, int64_t b,
                                        int64_t j, float y, float p)
{
    if (j < d.first || isnan(y))
        return 0;
    const struct slope s = of[d.batch ? j : b * d.C + j];
    return s.by * y + s.on * (d.square ? 2 * p : 1);
}

static __global__ void gradient(float *__restrict__ dx, const float                *gloss,
                                const struct slope *__restrict__ of, struct um_dice d, int *flag)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < d.B * d.S;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t b = um_quot(k, d.S), s = k - b * d.S;
        const int32_t t   = class_of(d, b, s, flag);
        const float   lse = d.softmax ? log_sum(d, b, s) : 0, g = *gloss * d.scale;
        float         mean = 0;

#pragma unroll 4
        for (int64_t j = 0; j < (d.softmax ? d.C : 0); j++) {
            const int64_t i = at(d, b, j, s);
            const float   p = probability(d, i, lse);

            mean += p * slope_at(d, of, b, j, label(d, i, j, t), p);
        }
#pragma unroll 4
        for (int64_t j = 0; j < d.C; j++) {
            const int64_t i   = at(d, b, j, s);
            const float   p   = probability(d, i, lse);
            const float   own = slope_at(d, of, b, j, label(d, i, j, t), p);

            dx[i] = g * (d.softmax ? p * (own - mean) : p * (1 - p) * own);
        }
    }
}

static int64_t groups_of(const struct um_dice *d)
{
    return d->batch ? d->C : d->B * d->C;
}

extern "C" int um_cuda_dice_fwd(struct um_dev *dev, float *loss, double *sums,
                                const struct um_dice *d)
{
    UM_TRY(um_check_dice("dice_fwd", d));

    const int64_t parts = (d->S + RUN - 1) / RUN, n = d->B * d->C * parts, G = groups_of(d);
    double       *part;

    if (n == 0 && G > 0)
        um_ask_zero(dev, sums, 3 * (size_t)G * sizeof *sums);
    if (n == 0)
        return um_cuda_launched(dev, "dice_fwd");
    if (d->B * parts > 0x7fffffff)
        return um_fail(UM_ERANGE, "cuda: dice of %lld samples of %lld places", (long long)d->B,
                       (long long)d->S);
    if (!(part = (double *)um_cuda_work(dev, (size_t)n * 3 * sizeof *part)))
        return UM_ENOMEM;
    um_launch(dev, sums_of, (unsigned)(d->B * parts), BLOCK, 0, part, *d, parts,
              um_cuda_of(dev)->flag);
    um_launch(dev, add_parts, um_cuda_blocks(3 * G, WARPS), BLOCK, 0, sums, part, *d, parts, G);
    um_launch(dev, add_terms, 1, BLOCK, 0, loss, sums, *d, G);
    return um_cuda_launched(dev, "dice_fwd");
}

extern "C" int um_cuda_dice_bwd(struct um_dev *dev, float *dx, const float *gloss,
                                const double *sums, const struct um_dice *d)
{
    UM_TRY(um_check_dice("dice_bwd", d));

    const int64_t G = groups_of(d);
    struct slope *of;

    if (d->B * d->S == 0)
        return UM_OK;
    if (!(of = (struct slope *)um_cuda_work(dev, (size_t)G * sizeof *of)))
        return UM_ENOMEM;
    um_launch(dev, slopes, um_cuda_blocks(G, 64), 64, 0, of, sums, *d, G);
    um_launch(dev, gradient, um_cuda_blocks(d->B * d->S, BLOCK), BLOCK, 0, dx, gloss, of, *d,
              um_cuda_of(dev)->flag);
    return um_cuda_launched(dev, "dice_bwd");
}
