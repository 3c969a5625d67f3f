/* cuda.cu - convolutions as products: patches of x as the columns of a matrix, and cuBLASLt
 *
 * For some samples at a time, col [cin k, places out] holds what each output reads. Then
 *     y = w col,   dcol = w^T y and each place of x sums its own of dcol,   dw += y col^T
 * w being [cout, cin k]. Samples are taken in order and a thread owns an element it sums, so that a
 * run has the same bits as the last one.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/cuda.h"

extern "C" {
#include "kernels/conv/conv.h"
#include "kernels/linear/linear.h"

UM_LINEAR_OPS(UM_DECLARE, cuda)
}

#define EACH(k, n)                                                                                 \
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < (n);                      \
         k += (int64_t)gridDim.x * blockDim.x)
#define RUN(fn, n) fn<<<um_cuda_blocks(n, 256), 256, 0, um_cuda_stream(dev)>>>

static const int64_t ROOM = (int64_t)1 << 28; /* bytes of col, unless one sample needs more */

/* what the kernels need to know, by value */
struct shape {
    int64_t in[3], k[3], stride[3], pad[3], out[3];
    int64_t cin, cout, S, P, K; /* places in and out; rows of col */
};

static struct shape shape_of(const struct um_conv *c)
{
    struct shape s = {};

    for (int i = 0; i < 3; i++) {
        s.in[i]     = c->in[i];
        s.k[i]      = c->k[i];
        s.stride[i] = c->stride[i];
        s.pad[i]    = c->pad[i];
        s.out[i]    = um_conv_out(c, i);
    }
    s.cin  = c->cin;
    s.cout = c->cout;
    s.S    = um_volume(s.in);
    s.P    = um_volume(s.out);
    s.K    = c->cin * um_volume(s.k);
    return s;
}

/* col [n,K,P] of x [n,cin,S] */
template <typename T> static __global__ void spread(T *col, const T *x, struct shape s, int64_t n)
{
    EACH(e, n * s.K * s.P)
    {
        const int64_t p = e % s.P, r = e / s.P % s.K, i = e / s.P / s.K;
        const int64_t t = r % (s.k[0] * s.k[1] * s.k[2]), c = r / (s.k[0] * s.k[1] * s.k[2]);
        const int64_t a0 = p / s.out[2] / s.out[1] * s.stride[0] + t / s.k[2] / s.k[1] - s.pad[0];
        const int64_t a1 = p / s.out[2] % s.out[1] * s.stride[1] + t / s.k[2] % s.k[1] - s.pad[1];
        const int64_t a2 = p % s.out[2] * s.stride[2] + t % s.k[2] - s.pad[2];
        const bool    in =
            a0 >= 0 && a0 < s.in[0] && a1 >= 0 && a1 < s.in[1] && a2 >= 0 && a2 < s.in[2];

        um_st(col, e,
              in ? um_ld(x, (i * s.cin + c) * s.S + (a0 * s.in[1] + a1) * s.in[2] + a2) : 0);
    }
}

/* x [n,cin,S] = the sum over taps of dcol [n,K,P] + bias */
template <typename T>
static __global__ void fold(T *x, const float *dcol, const float *bias, struct shape s, int64_t n)
{
    EACH(e, n * s.cin * s.S)
    {
        const int64_t q = e % s.S, c = e / s.S % s.cin, i = e / s.S / s.cin;
        const int64_t b0 = q / s.in[2] / s.in[1] + s.pad[0];
        const int64_t b1 = q / s.in[2] % s.in[1] + s.pad[1], b2 = q % s.in[2] + s.pad[2];
        const int64_t taps = s.k[0] * s.k[1] * s.k[2];
        float         sum  = 0;

        for (int64_t t = 0; t < taps; t++) {
            const int64_t a0 = b0 - t / s.k[2] / s.k[1], a1 = b1 - t / s.k[2] % s.k[1];
            const int64_t a2 = b2 - t % s.k[2];
            const int64_t p0 = a0 / s.stride[0], p1 = a1 / s.stride[1], p2 = a2 / s.stride[2];

            if (a0 < 0 || a1 < 0 || a2 < 0 || a0 % s.stride[0] || a1 % s.stride[1] ||
                a2 % s.stride[2] || p0 >= s.out[0] || p1 >= s.out[1] || p2 >= s.out[2])
                continue;
            sum += dcol[(i * s.K + c * taps + t) * s.P + (p0 * s.out[1] + p1) * s.out[2] + p2];
        }
        um_st(x, e, sum + (bias ? bias[c] : 0));
    }
}

/* y [n,cout,P] = acc + bias, rounded */
template <typename T>
static __global__ void add_bias(T *y, const float *acc, const float *bias, int64_t c, int64_t P,
                                int64_t count)
{
    EACH(e, count)
    um_st(y, e, acc[e] + bias[e / P % c]);
}

/* samples taken at once, each needing `bytes` */
static int64_t samples(const struct um_conv *c, int64_t bytes)
{
    const int64_t n = bytes < ROOM ? ROOM / bytes : 1;

    return n < c->n ? n : c->n;
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

extern "C" int um_cuda_conv_fwd(struct um_dev *dev, void *y, const void *x, const float *w,
                                const float *bias, const struct um_conv *c)
{
    const struct shape s  = shape_of(c);
    const int64_t      es = (int64_t)um_dtype_size(c->dt), col = s.K * s.P * es;
    const int64_t      acc = bias ? s.cout * s.P * 4 : 0;
    const int64_t      m   = samples(c, col + acc);
    char              *room;

    if (c->n == 0)
        return UM_OK;
    if (!(room = (char *)um_cuda_room(dev, (size_t)(m * (col + acc) + 256))))
        return UM_ENOMEM;
    float *sums = (float *)(room + ((m * col + 255) & ~(int64_t)255));
    for (int64_t i = 0; i < c->n; i += m) {
        const int64_t    n    = m < c->n - i ? m : c->n - i;
        void            *to   = (void *)at(y, c->dt, i * s.cout * s.P);
        const void      *from = at(x, c->dt, i * s.cin * s.S);
        struct um_matmul p    = {};

        UM_CUDA_TYPED(c->dt, (RUN(spread<T>, n * s.K * s.P)((T *)room, (const T *)from, s, n)));
        p.dtc = bias ? UM_F32 : c->dt;
        p.fa  = c->dt != UM_F32;
        p.m   = s.cout;
        p.n   = s.P;
        p.k   = s.K;
        p.a   = w;
        p.b   = room;
        p.c   = bias ? sums : to;
        p.lda = s.K;
        p.ldb = s.P;
        p.ldc = s.P;
        p.sb  = s.K * s.P;
        p.sc  = s.cout * s.P;
        UM_TRY(multiply(dev, c, n, p));
        if (bias)
            UM_CUDA_TYPED(c->dt, (RUN(add_bias<T>, n * s.cout * s.P)((T *)to, sums, bias, s.cout,
                                                                     s.P, n * s.cout * s.P)));
    }
    return um_cuda_launched("conv_fwd");
}

extern "C" int um_cuda_conv_data(struct um_dev *dev, void *x, const void *y, const float *w,
                                 const float *bias, const struct um_conv *c)
{
    const struct shape s   = shape_of(c);
    const int64_t      col = s.K * s.P * 4, m = samples(c, col);
    float             *room;

    if (c->n == 0)
        return UM_OK;
    if (!(room = (float *)um_cuda_room(dev, (size_t)(m * col))))
        return UM_ENOMEM;
    for (int64_t i = 0; i < c->n; i += m) {
        const int64_t    n  = m < c->n - i ? m : c->n - i;
        void            *to = (void *)at(x, c->dt, i * s.cin * s.S);
        struct um_matmul p  = {};

        p.dtc = UM_F32;
        p.ta  = true;
        p.fa  = c->dt != UM_F32;
        p.m   = s.K;
        p.n   = s.P;
        p.k   = s.cout;
        p.a   = w;
        p.b   = at(y, c->dt, i * s.cout * s.P);
        p.c   = room;
        p.lda = s.K;
        p.ldb = s.P;
        p.ldc = s.P;
        p.sb  = s.cout * s.P;
        p.sc  = s.K * s.P;
        UM_TRY(multiply(dev, c, n, p));
        UM_CUDA_TYPED(c->dt, (RUN(fold<T>, n * s.cin * s.S)((T *)to, room, bias, s, n)));
    }
    return um_cuda_launched("conv_data");
}

extern "C" int um_cuda_conv_weights(struct um_dev *dev, float *dw, const void *y, const void *x,
                                    const struct um_conv *c)
{
    const struct shape s   = shape_of(c);
    const int64_t      col = s.K * s.P * (int64_t)um_dtype_size(c->dt);
    void              *room;

    if (c->n == 0)
        return UM_OK;
    if (!(room = um_cuda_room(dev, (size_t)col)))
        return UM_ENOMEM;
    for (int64_t i = 0; i < c->n; i++) { /* one after the other: they add to one result */
        const void      *from = at(x, c->dt, i * s.cin * s.S);
        struct um_matmul p    = {};

        UM_CUDA_TYPED(c->dt, (RUN(spread<T>, s.K * s.P)((T *)room, (const T *)from, s, 1)));
        p.dtc  = UM_F32;
        p.tb   = true;
        p.m    = s.cout;
        p.n    = s.K;
        p.k    = s.P;
        p.a    = at(y, c->dt, i * s.cout * s.P);
        p.b    = room;
        p.c    = dw;
        p.lda  = s.P;
        p.ldb  = s.P;
        p.ldc  = s.K;
        p.beta = 1;
        UM_TRY(multiply(dev, c, 1, p));
    }
    return um_cuda_launched("conv_weights");
}

/* a block of threads sums a channel, each its own places, then in a tree */
template <typename T>
static __global__ void sum_channel(float *db, const T *dy, int64_t n, int64_t c, int64_t s)
{
    __shared__ double part[256];
    double            sum = 0;

    for (int64_t i = 0; i < n; i++)
        for (int64_t p = threadIdx.x; p < s; p += blockDim.x)
            sum += um_ld(dy, (i * c + blockIdx.x) * s + p);
    part[threadIdx.x] = sum;
    for (unsigned h = blockDim.x / 2; h > 0; h /= 2) {
        __syncthreads();
        if (threadIdx.x < h)
            part[threadIdx.x] += part[threadIdx.x + h];
    }
    if (threadIdx.x == 0)
        db[blockIdx.x] += (float)part[0];
}

extern "C" int um_cuda_conv_bias(struct um_dev *dev, enum um_dtype dt, float *db, const void *dy,
                                 int64_t n, int64_t c, int64_t s)
{
    if (n == 0 || c == 0)
        return UM_OK;
    if (c > 0x7fffffff)
        return um_fail(UM_ERANGE, "cuda: conv_bias of %lld channels", (long long)c);
    UM_CUDA_TYPED(dt, (sum_channel<T>
                       <<<(unsigned)c, 256, 0, um_cuda_stream(dev)>>>(db, (const T *)dy, n, c, s)));
    return um_cuda_launched("conv_bias");
}
