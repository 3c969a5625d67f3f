/* cuda.cu - convolutions: by cuDNN where it is there (cudnn.cu), else as products of our own:
 * patches of x as the columns of a matrix, and cuBLASLt
 *
 * For some samples at a time, col [cin k, places out] holds what each output reads. Then
 *     y = w col,   dcol = w^T y and each place of x sums its own of dcol,   dw += y col^T
 * w being [cout, cin k]. Samples are taken in order and a thread owns an element it sums, so that a
 * run has the same bits as the last one. Places are counted in 32 bits where they can be, and
 * divided by products: of a kernel that finds each by divisions, most of the work is those.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/conv/cuda_int.h"
#include "kernels/sum_cuda.h"
#include "kernels/vec_cuda.h"

extern "C" {
#include "kernels/conv/conv.h"
#include "kernels/linear/linear.h"

UM_CONV_OPS(UM_DECLARE, cuda)
UM_LINEAR_OPS(UM_DECLARE, cuda)
}

enum { THREADS = 256 };

static const int64_t ROOM = (int64_t)1 << 28; /* bytes of col, unless one sample needs more */

/* run `call` with I bound to the type that counts to n */
#define COUNTED(n, call)                                                                           \
    do {                                                                                           \
        if ((n) <= 0x3fffffff) {                                                                   \
            typedef int32_t I;                                                                     \
            call;                                                                                  \
        } else {                                                                                   \
            typedef int64_t I;                                                                     \
            call;                                                                                  \
        }                                                                                          \
    } while (0)

#define EACH(k, n)                                                                                 \
    for (I k = (I)blockIdx.x * blockDim.x + threadIdx.x; k < (n); k += (I)(gridDim.x * blockDim.x))

/* what numbers from 0 on are divided by: those of 32 bits, below 2^30, by a product and a shift,
 * exactly: by = floor(2^shift / d) + 1, and 2^shift is at least 2^30 d */
template <typename I> struct divisor {
    I d;
};

template <> struct divisor<int32_t> {
    int32_t  d, shift;
    uint32_t by;
};

static void set_divisor(struct divisor<int64_t> *v, int64_t d)
{
    v->d = d;
}

static void set_divisor(struct divisor<int32_t> *v, int64_t d)
{
    v->d     = (int32_t)d;
    v->shift = 30;
    while (((int64_t)1 << (v->shift - 30)) < d)
        v->shift++;
    v->by = d > 0 ? (uint32_t)(((uint64_t)1 << v->shift) / (uint64_t)d + 1) : 0;
}

static __device__ inline int64_t over(int64_t n, struct divisor<int64_t> v)
{
    return n / v.d;
}

static __device__ inline int32_t over(int32_t n, struct divisor<int32_t> v)
{
    return (int32_t)((uint64_t)(uint32_t)n * v.by >> v.shift);
}

/* *n becomes its quotient; the rest */
template <typename I> static __device__ inline I digit(I *n, struct divisor<I> v)
{
    const I q = over(*n, v), rest = *n - q * v.d;

    *n = q;
    return rest;
}

/* what the kernels need to know, by value */
template <typename I> struct shape {
    I                 in[3], k[3], pad[3], out[3];
    I                 cin, cout, S, P, K, taps; /* S, P: places in and out; K: rows of col */
    struct divisor<I> by_in[3], by_k[3], by_stride[3], by_out[3], by_cin;
};

template <typename I> static struct shape<I> shape_of(const struct um_conv *c) {
    struct shape<I> s = {
    };

    for (int i = 0; i < 3; i++) {
        s.in[i]  = (I)c->in[i];
        s.k[i]   = (I)c->k[i];
        s.pad[i] = (I)c->pad[i];
        s.out[i] = (I)um_conv_out(c, i);
        set_divisor(&s.by_in[i], c->in[i]);
        set_divisor(&s.by_k[i], c->k[i]);
        set_divisor(&s.by_stride[i], c->stride[i]);
        set_divisor(&s.by_out[i], um_conv_out(c, i));
    }
    set_divisor(&s.by_cin, c->cin);
    s.cin  = (I)c->cin;
    s.cout = (I)c->cout;
    s.taps = s.k[0] * s.k[1] * s.k[2];
    s.S    = s.in[0] * s.in[1] * s.in[2];
    s.P    = s.out[0] * s.out[1] * s.out[2];
    s.K    = s.cin * s.taps;
    return s;
}

/* col [n,K,P] of x [n,cin,S] */
template <typename T, typename I>
static __global__ void spread(T *col, const T *x, struct shape<I> s, I total)
{
    EACH(e, total)
    {
        I       at = e; /* of [n,cin,taps,P] */
        const I p2 = digit(&at, s.by_out[2]), p1 = digit(&at, s.by_out[1]);
        const I p0 = digit(&at, s.by_out[0]), t2 = digit(&at, s.by_k[2]);
        const I t1 = digit(&at, s.by_k[1]), t0 = digit(&at, s.by_k[0]), map = at;
        const I a0 = p0 * s.by_stride[0].d + t0 - s.pad[0];
        const I a1 = p1 * s.by_stride[1].d + t1 - s.pad[1];
        const I a2 = p2 * s.by_stride[2].d + t2 - s.pad[2];

        if (a0 >= 0 && a0 < s.in[0] && a1 >= 0 && a1 < s.in[1] && a2 >= 0 && a2 < s.in[2])
            col[e] = x[map * s.S + (a0 * s.in[1] + a1) * s.in[2] + a2];
        else
            um_st(col, e, 0);
    }
}

/* x [n,cin,S] = the sum over taps of dcol [n,K,P] + bias */
template <typename T, typename I>
static __global__ void fold(T *x, const float *dcol, const float *bias, struct shape<I> s, I total)
{
    EACH(e, total)
    {
        I       at = e; /* of [n,cin,S] */
        const I b2 = digit(&at, s.by_in[2]) + s.pad[2], b1 = digit(&at, s.by_in[1]) + s.pad[1];
        const I b0 = digit(&at, s.by_in[0]) + s.pad[0], map = at;
        float   sum = 0;
        I       t   = 0;

        for (I t0 = 0; t0 < s.k[0]; t0++)
            for (I t1 = 0; t1 < s.k[1]; t1++)
                for (I t2 = 0; t2 < s.k[2]; t2++, t++) {
                    const bool in = b0 >= t0 && b1 >= t1 && b2 >= t2;
                    I          p0 = in ? b0 - t0 : 0, p1 = in ? b1 - t1 : 0;
                    I          p2 = in ? b2 - t2 : 0;
                    const bool on = digit(&p0, s.by_stride[0]) + digit(&p1, s.by_stride[1]) +
                                        digit(&p2, s.by_stride[2]) ==
                                    0;

                    if (in && on && p0 < s.out[0] && p1 < s.out[1] && p2 < s.out[2])
                        sum +=
                            dcol[(map * s.taps + t) * s.P + (p0 * s.out[1] + p1) * s.out[2] + p2];
                }
        um_st(x, e, sum + (bias ? bias[map - over(map, s.by_cin) * s.cin] : 0));
    }
}

/* y [n,c,P] = acc + bias [c] */
template <int V, typename T>
static __global__ void add_bias(T *y, const float *acc, const float *bias, int64_t c, int64_t P,
                                int64_t total)
{
    UM_EACH(V, e, total)
    {
        const int64_t map = um_quot(e, P);
        const float   b   = bias[map - um_quot(map, c) * c];
        float         v[V];

        um_ldv<V>(v, acc + e);
#pragma unroll
        for (int k = 0; k < V; k++)
            v[k] += b;
        um_stv<V>(y + e, v);
    }
}

static int add_bias_to(struct um_dev *dev, const struct um_conv *c, void *y, const float *acc,
                       const float *bias, int64_t P, int64_t n)
{
    const int64_t total = n * c->cout * P;

    UM_CUDA_TYPED(c->dt,
                  UM_CUDA_VEC(um_vec_rows(4, P, y, acc), 4,
                              (um_launch(dev, add_bias<V, T>, um_cuda_grid(dev, total, V * THREADS),
                                         THREADS, 0, (T *)y, acc, bias, c->cout, P, total))));
    return um_cuda_launched(dev, "bias of a convolution");
}

/* dw [count] += part [n,count], in order */
static __global__ void add_parts(float *dw, const float *part, int64_t n, int64_t count)
{
    UM_EACH(1, e, count)
    {
        float s = dw[e];

        for (int64_t i = 0; i < n; i++)
            s += part[i * count + e];
        dw[e] = s;
    }
}

/* the largest number that the counters of spread and fold meet; n samples at once */
static int64_t reach(const struct um_conv *c, int64_t n)
{
    const struct shape<int64_t> s = shape_of<int64_t>(c);
    int64_t most = n * s.K * s.P > n * s.cin * s.S ? n * s.K * s.P : n * s.cin * s.S;

    for (int i = 0; i < 3; i++) {
        const int64_t axis = c->in[i] + 2 * c->pad[i] + c->k[i];

        most = axis > most ? axis : most;
    }
    return most;
}

static int spread_all(struct um_dev *dev, const struct um_conv *c, void *col, const void *x,
                      int64_t n)
{
    const struct shape<int64_t> s     = shape_of<int64_t>(c);
    const int64_t               total = n * s.K * s.P;

    COUNTED(reach(c, n),
            UM_CUDA_TYPED(c->dt,
                          (um_launch(dev, spread<T, I>, um_cuda_grid(dev, total, THREADS), THREADS,
                                     0, (T *)col, (const T *)x, shape_of<I>(c), (I)total))));
    return um_cuda_launched(dev, "patches of a convolution");
}

static int fold_all(struct um_dev *dev, const struct um_conv *c, void *x, const float *dcol,
                    const float *bias, int64_t n)
{
    const struct shape<int64_t> s     = shape_of<int64_t>(c);
    const int64_t               total = n * s.cin * s.S;

    COUNTED(
        reach(c, n),
        UM_CUDA_TYPED(c->dt, (um_launch(dev, fold<T, I>, um_cuda_grid(dev, total, THREADS), THREADS,
                                        0, (T *)x, dcol, bias, shape_of<I>(c), (I)total))));
    return um_cuda_launched(dev, "sums of a convolution");
}

/* samples taken at once, each needing `bytes` */
static int64_t samples(const struct um_conv *c, int64_t bytes)
{
    const int64_t n = bytes < ROOM ? ROOM / bytes : 1;

    return n < c->n ? n : c->n;
}

static int64_t rounded(int64_t bytes)
{
    return (bytes + 255) & ~(int64_t)255;
}

/* a product of n samples' matrices, one operand or the other being the weights */
static int multiply(struct um_dev *dev, const struct um_conv *c, int64_t n, struct um_matmul p)
{
    p.dt    = c->dt;
    p.batch = n;
    return um_cuda_matmul(dev, &p);
}

static const char *at(const void *p, enum um_dtype dt, int64_t i)
{
    return (const char *)p + i * (int64_t)um_dtype_size(dt);
}

/* y = w col of n samples, in float where a bias is to come */
static int forward(struct um_dev *dev, const struct um_conv *c, int64_t n, void *y, const void *col,
                   const float *w, bool bias)
{
    const struct shape<int64_t> s = shape_of<int64_t>(c);
    struct um_matmul            p = {};

    p.dtc = bias ? UM_F32 : c->dt;
    p.fa  = c->dt != UM_F32;
    p.m   = s.cout;
    p.n   = s.P;
    p.k   = s.K;
    p.a   = w;
    p.b   = col;
    p.c   = y;
    p.lda = s.K;
    p.ldb = s.P;
    p.ldc = s.P;
    p.sb  = s.K * s.P;
    p.sc  = s.cout * s.P;
    return multiply(dev, c, n, p);
}

extern "C" int um_cuda_conv_fwd(struct um_dev *dev, void *y, const void *x, const float *w,
                                const float *bias, const struct um_conv *c)
{
    const struct shape<int64_t> s   = shape_of<int64_t>(c);
    const int64_t               col = rounded(s.K * s.P * (int64_t)um_dtype_size(c->dt));
    const int64_t               acc = bias ? s.cout * s.P * 4 : 0, m = samples(c, col + acc);
    bool                        done;
    char                       *room;

    if (c->n == 0)
        return UM_OK;
    UM_TRY(um_cudnn_conv(dev, UM_CUDNN_FWD, c, y, (void *)x, (float *)w, bias, &done));
    if (done)
        return UM_OK;
    if (!(room = (char *)um_cuda_room(dev, (size_t)(m * (col + acc)))))
        return UM_ENOMEM;
    float *sums = (float *)(room + m * col);
    for (int64_t i = 0; i < c->n; i += m) {
        const int64_t n  = m < c->n - i ? m : c->n - i;
        void         *to = (void *)at(y, c->dt, i * s.cout * s.P);

        UM_TRY(spread_all(dev, c, room, at(x, c->dt, i * s.cin * s.S), n));
        UM_TRY(forward(dev, c, n, bias ? sums : to, room, w, bias != NULL));
        if (bias)
            UM_TRY(add_bias_to(dev, c, to, sums, bias, s.P, n));
    }
    return UM_OK;
}

/* dcol = w^T y of n samples */
static int backward(struct um_dev *dev, const struct um_conv *c, int64_t n, float *dcol,
                    const void *y, const float *w)
{
    const struct shape<int64_t> s = shape_of<int64_t>(c);
    struct um_matmul            p = {};

    p.dtc = UM_F32;
    p.ta  = true;
    p.fa  = c->dt != UM_F32;
    p.m   = s.K;
    p.n   = s.P;
    p.k   = s.cout;
    p.a   = w;
    p.b   = y;
    p.c   = dcol;
    p.lda = s.K;
    p.ldb = s.P;
    p.ldc = s.P;
    p.sb  = s.cout * s.P;
    p.sc  = s.K * s.P;
    return multiply(dev, c, n, p);
}

extern "C" int um_cuda_conv_data(struct um_dev *dev, void *x, const void *y, const float *w,
                                 const float *bias, const struct um_conv *c)
{
    const struct shape<int64_t> s   = shape_of<int64_t>(c);
    const int64_t               col = s.K * s.P * 4, m = samples(c, col);
    bool                        done;
    float                      *room;

    if (c->n == 0)
        return UM_OK;
    UM_TRY(um_cudnn_conv(dev, UM_CUDNN_DATA, c, (void *)y, x, (float *)w, bias, &done));
    if (done)
        return UM_OK;
    if (!(room = (float *)um_cuda_room(dev, (size_t)(m * col))))
        return UM_ENOMEM;
    for (int64_t i = 0; i < c->n; i += m) {
        const int64_t n = m < c->n - i ? m : c->n - i;

        UM_TRY(backward(dev, c, n, room, at(y, c->dt, i * s.cout * s.P), w));
        UM_TRY(fold_all(dev, c, (void *)at(x, c->dt, i * s.cin * s.S), room, bias, n));
    }
    return UM_OK;
}

/* dw = y col^T of each of n samples; beta 1: of one, added */
static int weights(struct um_dev *dev, const struct um_conv *c, int64_t n, float *dw, const void *y,
                   const void *col, float beta)
{
    const struct shape<int64_t> s = shape_of<int64_t>(c);
    struct um_matmul            p = {};

    p.dtc  = UM_F32;
    p.tb   = true;
    p.m    = s.cout;
    p.n    = s.K;
    p.k    = s.P;
    p.a    = y;
    p.b    = col;
    p.c    = dw;
    p.lda  = s.P;
    p.ldb  = s.P;
    p.ldc  = s.K;
    p.sa   = s.cout * s.P;
    p.sb   = s.K * s.P;
    p.sc   = s.cout * s.K;
    p.beta = beta;
    return multiply(dev, c, n, p);
}

/* the samples taken at once are multiplied side by side, then added in order */
extern "C" int um_cuda_conv_weights(struct um_dev *dev, float *dw, const void *y, const void *x,
                                    const struct um_conv *c)
{
    const struct shape<int64_t> s     = shape_of<int64_t>(c);
    const int64_t               col   = rounded(s.K * s.P * (int64_t)um_dtype_size(c->dt));
    const int64_t               count = s.cout * s.K, m = samples(c, col + count * 4);
    bool                        done;
    char                       *room;

    if (c->n == 0)
        return UM_OK;
    UM_TRY(um_cudnn_conv(dev, UM_CUDNN_WEIGHTS, c, (void *)y, (void *)x, dw, NULL, &done));
    if (done)
        return UM_OK;
    if (!(room = (char *)um_cuda_room(dev, (size_t)(m * col + (m > 1 ? m * count * 4 : 0)))))
        return UM_ENOMEM;
    float *part = (float *)(room + m * col);
    for (int64_t i = 0; i < c->n; i += m) {
        const int64_t n    = m < c->n - i ? m : c->n - i;
        const void   *from = at(y, c->dt, i * s.cout * s.P);

        UM_TRY(spread_all(dev, c, room, at(x, c->dt, i * s.cin * s.S), n));
        UM_TRY(weights(dev, c, n, n > 1 ? part : dw, from, room, n > 1 ? 0 : 1));
        if (n > 1)
            um_launch(dev, add_parts, um_cuda_grid(dev, count, THREADS), THREADS, 0, dw, part, n,
                      count);
    }
    return um_cuda_launched(dev, "conv_weights");
}

/* ---- the bias's gradient ---- */

static const int64_t CHUNK  = 8192; /* places that a block sums of a sample, unless they are many */
static const int64_t CHUNKS = 1024;

/* part [chunks,c]: a block of threads sums one channel's places p0 .. of a sample, or of each
 * `apart` samples on, in double, each its own, then in a tree; chunks are [samples, pieces] */
template <int V, typename T>
static __global__ void __launch_bounds__(THREADS)
    channel_parts(double *part, const T *dy, int64_t n, int64_t c, int64_t s, int64_t pieces)
{
    __shared__ double both[THREADS];
    const int64_t     apart = gridDim.y / pieces, first = blockIdx.y / pieces;
    const int64_t     length = (s / V + pieces - 1) / pieces * V, p0 = blockIdx.y % pieces * length;
    const int64_t     p1  = p0 + length < s ? p0 + length : s;
    double            sum = 0;

    for (int64_t i = first; i < n; i += apart)
        for (int64_t p = p0 + threadIdx.x * V; p < p1; p += THREADS * V) {
            float v[V];

            um_ldv<V>(v, dy + (i * c + blockIdx.x) * s + p);
#pragma unroll
            for (int k = 0; k < V; k++)
                sum += v[k];
        }
    both[threadIdx.x] = sum;
    for (unsigned h = THREADS / 2; h > 0; h /= 2) {
        __syncthreads();
        if (threadIdx.x < h)
            both[threadIdx.x] += both[threadIdx.x + h];
    }
    if (threadIdx.x == 0)
        part[(int64_t)blockIdx.y * c + blockIdx.x] = both[0];
}

extern "C" int um_cuda_conv_bias(struct um_dev *dev, enum um_dtype dt, float *db, const void *dy,
                                 int64_t n, int64_t c, int64_t s)
{
    /* pieces of a sample, then samples side by side: as the shape alone says */
    const int64_t want = s / CHUNK, pieces = want < 1 ? 1 : want > CHUNKS ? CHUNKS : want;
    const int64_t most   = CHUNKS / pieces;
    const int64_t chunks = pieces * (n < most ? n : most);
    double       *part;

    if (n == 0 || c == 0)
        return UM_OK;
    if (c > 0x7fffffff)
        return um_fail(UM_ERANGE, "cuda: conv_bias of %lld channels", (long long)c);
    if (!(part = (double *)um_cuda_work(dev, (size_t)(chunks * c) * sizeof *part)))
        return UM_ENOMEM;
    UM_CUDA_TYPED(
        dt, UM_CUDA_VEC(um_vec_rows(um_vec<T>::N, s, dy), um_vec<T>::N,
                        (um_launch(dev, channel_parts<V, T>, dim3((unsigned)c, (unsigned)chunks),
                                   THREADS, 0, part, (const T *)dy, n, c, s, pieces))));
    um_launch(dev, um_add_parts<float, double>, um_part_grid(c), um_part_block(), 0, db, part,
              chunks, c);
    return um_cuda_launched(dev, "conv_bias");
}
