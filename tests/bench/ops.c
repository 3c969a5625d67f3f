/* ops.c - how fast the operations of a device are, at the shapes of ViT-B/16 and of the phantom
 * model
 *
 * usage: bench/ops [device [threads]]; one line an operation: GFLOP/s of products, GB/s of all
 * else (bytes read and written once). The best of several runs, buffers warm. Beside the
 * convolutions of a processor: what oneDNN alone takes for them, operands channels last and padded,
 * weights packed beforehand, half of the samples or planes in one go on each of two threads, and
 * its share of our time.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/conv/onednn.h"
#include "kernels/kernels.h"

struct bench {
    struct um_dev           *dev;
    struct um_pool          *pool; /* NULL: not a processor's threads */
    const struct um_kernels *k;
    enum um_dtype            dt;
    int64_t                  n, c, k_, heads; /* rows, columns, and what each line makes of them */
    void                    *x, *y, *z, *w;   /* room for any of the shapes */
    float                   *f, *g, *h;
};

enum { ROOM = 3152 * 3072 * 4 };

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int check(int st)
{
    if (st < 0) {
        (void)fprintf(stderr, "bench: %s\n", um_errmsg());
        exit(1);
    }
    return st;
}

/* seconds of one call: the best of 5 runs of at least 20 ms */
static double best(const struct bench *b, int (*fn)(const struct bench *))
{
    double fastest = 1e9;
    int    times   = 1;

    for (int run = 0; run < 5;) {
        const double t0 = now();

        for (int i = 0; i < times; i++)
            check(fn(b));
        check(b->k->sync(b->dev));
        const double t = now() - t0;
        if (t < 0.02) {
            times *= 2;
            continue;
        }
        if (t / times < fastest)
            fastest = t / times;
        run++;
    }
    return fastest;
}

static double line(const struct bench *b, const char *name, int (*fn)(const struct bench *),
                   double work, const char *unit)
{
    const double t = best(b, fn);

    (void)printf("%-15s %-8s %5lld x %4lld x %4lld  %9.1f us  %7.1f %s\n", name,
                 um_dtype_name(b->dt), (long long)b->n, (long long)b->c, (long long)b->k_, t * 1e6,
                 work / t * 1e-9, unit);
    return t;
}

static int linear(const struct bench *b)
{
    return b->k->matmul(b->dev, &(struct um_matmul){ .dt    = b->dt,
                                                     .dtc   = b->dt,
                                                     .tb    = true,
                                                     .batch = 1,
                                                     .m     = b->n,
                                                     .n     = b->c,
                                                     .k     = b->k_,
                                                     .a     = b->x,
                                                     .b     = b->w,
                                                     .c     = b->y,
                                                     .lda   = b->k_,
                                                     .ldb   = b->k_,
                                                     .ldc   = b->c,
                                                     .bias  = b->f });
}

static int linear_dx(const struct bench *b)
{
    return b->k->matmul(b->dev, &(struct um_matmul){ .dt    = b->dt,
                                                     .dtc   = b->dt,
                                                     .batch = 1,
                                                     .m     = b->n,
                                                     .n     = b->k_,
                                                     .k     = b->c,
                                                     .a     = b->y,
                                                     .b     = b->w,
                                                     .c     = b->x,
                                                     .lda   = b->c,
                                                     .ldb   = b->k_,
                                                     .ldc   = b->k_ });
}

static int linear_dw(const struct bench *b)
{
    return b->k->matmul(b->dev, &(struct um_matmul){ .dt    = b->dt,
                                                     .dtc   = UM_F32,
                                                     .ta    = true,
                                                     .batch = 1,
                                                     .m     = b->c,
                                                     .n     = b->k_,
                                                     .k     = b->n,
                                                     .a     = b->y,
                                                     .b     = b->x,
                                                     .c     = b->z,
                                                     .lda   = b->c,
                                                     .ldb   = b->k_,
                                                     .ldc   = b->k_,
                                                     .beta  = 1 });
}

static int bias_bwd(const struct bench *b)
{
    return b->k->bias_bwd(b->dev, b->dt, b->f, b->x, b->n, b->c, b->c);
}

static int layernorm_fwd(const struct bench *b)
{
    return b->k->layernorm_fwd(b->dev, b->y, b->dt, b->g, b->h, b->x, b->dt, b->f, b->f, b->n, b->c,
                               1e-6f);
}

static int layernorm_bwd(const struct bench *b)
{
    return b->k->layernorm_bwd(b->dev, b->z, b->dt, false, b->w, b->f, b->y, b->dt, b->x, b->f,
                               b->g, b->h, b->n, b->c);
}

static int gelu_fwd(const struct bench *b)
{
    return b->k->act_fwd(b->dev, UM_ACT_GELU, 0, b->dt, b->y, b->x, b->n * b->c);
}

static int gelu_bwd(const struct bench *b)
{
    return b->k->act_bwd(b->dev, UM_ACT_GELU, 0, b->dt, b->z, b->y, b->x, b->n * b->c);
}

static int add(const struct bench *b)
{
    return b->k->add(b->dev, b->dt, b->z, b->y, b->x, b->n * b->c);
}

static int dropout(const struct bench *b)
{
    return b->k->dropout(b->dev, b->dt, b->y, b->x, b->n * b->c, (struct um_drop){ 0.1f, 7, 0 });
}

static int adamw(const struct bench *b)
{
    const struct um_span all = { 0, b->n * b->c, 1, 0.05f };

    return b->k->adamw(b->dev, &(struct um_adam){ .w     = b->w,
                                                  .m     = b->x,
                                                  .u     = b->y,
                                                  .g     = b->z,
                                                  .span  = &all,
                                                  .spans = 1,
                                                  .t     = 10,
                                                  .lr    = 1e-9f,
                                                  .b1    = 0.9f,
                                                  .b2    = 0.95f,
                                                  .eps   = 1e-8f });
}

/* n samples of c tokens, heads of k_ channels */
static struct um_attn heads(const struct bench *b, float p)
{
    const int64_t C = b->heads * b->k_, size = (int64_t)um_dtype_size(b->dt);

    return (struct um_attn){ .dt   = b->dt,
                             .B    = b->n,
                             .T    = b->c,
                             .A    = b->heads,
                             .d    = b->k_,
                             .ldq  = 3 * C,
                             .ldk  = 3 * C,
                             .ldv  = 3 * C,
                             .ldo  = C,
                             .q    = b->x,
                             .k    = (char *)b->x + C * size,
                             .v    = (char *)b->x + 2 * C * size,
                             .drop = { p, 3, 0 } };
}

static int attention_fwd(const struct bench *b)
{
    const struct um_attn a = heads(b, 0);

    return b->k->attention_fwd(b->dev, b->y, b->g, &a);
}

static int attention_drop(const struct bench *b)
{
    const struct um_attn a = heads(b, 0.1f);

    return b->k->attention_fwd(b->dev, b->y, b->g, &a);
}

static int attention_bwd(const struct bench *b)
{
    const struct um_attn a = heads(b, 0);
    const int64_t        C = b->heads * b->k_, size = (int64_t)um_dtype_size(b->dt);

    return b->k->attention_bwd(b->dev, b->z, (char *)b->z + C * size, (char *)b->z + 2 * C * size,
                               b->w, b->y, b->g, &a);
}

static void products(struct bench *b, int64_t rows, int64_t out, int64_t in)
{
    const double flops = 2.0 * (double)rows * (double)out * (double)in;

    b->n  = rows;
    b->c  = out;
    b->k_ = in;
    line(b, "linear", linear, flops, "GFLOP/s");
    line(b, "linear dx", linear_dx, flops, "GFLOP/s");
    line(b, "linear dw", linear_dw, flops, "GFLOP/s");
}

static void streams(struct bench *b, int64_t rows, int64_t width)
{
    const double bytes = (double)rows * (double)width * (double)um_dtype_size(b->dt);

    b->n  = rows;
    b->c  = width;
    b->k_ = 1;
    line(b, "layernorm_fwd", layernorm_fwd, 2 * bytes, "GB/s");
    line(b, "layernorm_bwd", layernorm_bwd, 3 * bytes, "GB/s");
    line(b, "bias_bwd", bias_bwd, bytes, "GB/s");
    line(b, "gelu_fwd", gelu_fwd, 2 * bytes, "GB/s");
    line(b, "gelu_bwd", gelu_bwd, 3 * bytes, "GB/s");
    line(b, "add", add, 3 * bytes, "GB/s");
    line(b, "dropout", dropout, 2 * bytes, "GB/s");
    if (b->dt == UM_F32)
        line(b, "adamw", adamw, 7 * bytes, "GB/s");
}

static void attention(struct bench *b, int64_t B, int64_t T, int64_t A, int64_t d)
{
    const double pair = 2.0 * (double)(B * A) * (double)(T * T) * (double)d;

    b->n     = B;
    b->c     = T;
    b->k_    = d;
    b->heads = A;
    line(b, "attention_fwd", attention_fwd, 2 * pair, "GFLOP/s");
    line(b, "  with dropout", attention_drop, 2 * pair, "GFLOP/s");
    line(b, "attention_bwd", attention_bwd, 5 * pair, "GFLOP/s");
}

/* n samples of c channels to as many, kernels of 3, in k_ rows and columns and `heads` planes */
static struct um_conv same(const struct bench *b)
{
    const int64_t deep = b->heads > 1 ? 3 : 1;

    return (struct um_conv){ .dt     = b->dt,
                             .n      = b->n,
                             .cin    = b->c,
                             .cout   = b->c,
                             .in     = { b->heads, b->k_, b->k_ },
                             .k      = { deep, 3, 3 },
                             .stride = { 1, 1, 1 },
                             .pad    = { deep / 2, 1, 1 } };
}

static int conv_fwd(const struct bench *b)
{
    const struct um_conv c = same(b);

    return b->k->conv_fwd(b->dev, b->y, b->x, b->w, b->f, &c);
}

static int conv_data(const struct bench *b)
{
    const struct um_conv c = same(b);

    return b->k->conv_data(b->dev, b->y, b->x, b->w, NULL, &c);
}

static int conv_weights(const struct bench *b)
{
    const struct um_conv c = same(b);

    return b->k->conv_weights(b->dev, b->w, b->y, b->x, &c);
}

/* ---- oneDNN alone ---- */

enum { HALVES = 2 };

struct half {
    struct um_dev      *dev;
    struct um_dnn_conv *plan;
    char               *x, *y, *w, *scratch;
    size_t              apart;
    int64_t             samples;
};

static int half_of(void *arg, int64_t task, int worker)
{
    const struct half *h  = arg;
    const size_t       at = (size_t)task * h->apart;

    for (int64_t i = 0; i < h->samples; i++)
        UM_TRY(um_dnn_conv_run(h->dev, worker, h->plan, h->x + at, h->w + at, h->y + at,
                               h->scratch + at));
    return UM_OK;
}

static struct um_dnn_conv_shape half_shape(const struct um_conv *c, enum um_dnn_way way)
{
    const int64_t            parts = c->n % HALVES == 0 ? 1 : HALVES;
    struct um_dnn_conv_shape s;

    memset(&s, 0, sizeof s);
    s.cin = c->cin, s.cout = c->cout, s.way = (int32_t)way, s.dt = (int32_t)c->dt;
    for (int i = 0; i < 3; i++) {
        const int64_t n = i ? c->in[i] : c->in[i] / parts, around = c->k[i] - 1;

        s.k[i] = c->k[i], s.stride[i] = 1;
        s.in[i]  = way == UM_DNN_DATA ? n : n + around;
        s.out[i] = way == UM_DNN_DATA ? n + around : n;
        s.lo[i] = s.hi[i] = way == UM_DNN_DATA ? around : 0;
    }
    return s;
}

/* seconds of c by oneDNN alone, 0 where it has no such convolution */
static double alone(struct um_pool *pool, const struct um_conv *c, enum um_dnn_way way)
{
    enum { RUNS = 5, TIMES = 4 };
    const size_t each = ((size_t)24 << 20) + 8192 + 704; /* other sets of the caches */
    const struct um_dnn_conv_shape s = half_shape(c, way);
    struct half h       = { .apart = each, .samples = c->n % HALVES == 0 ? c->n / HALVES : 1 };
    double      fastest = 1e9;
    char       *mem     = aligned_alloc(64, 8 * each);

    if (!mem)
        exit(1);
    memset(mem, 0, 8 * each);
    check(um_dev_open(&h.dev, "cpu", pool));
    check(um_dnn_conv(h.dev, &s, &h.plan));
    h.x = mem, h.y = mem + 2 * each, h.w = mem + 4 * each, h.scratch = mem + 6 * each;
    for (int run = 0; h.plan && run < RUNS; run++) {
        const double t = now();

        for (int i = 0; i < TIMES; i++)
            check(um_pool_run(pool, HALVES, half_of, &h));
        fastest = (now() - t) / TIMES < fastest ? (now() - t) / TIMES : fastest;
    }
    um_dev_close(h.dev);
    free(mem);
    return h.plan ? fastest : 0;
}

static void conv_line(struct bench *b, const char *name, int (*fn)(const struct bench *),
                      double flops, enum um_dnn_way way)
{
    const struct um_conv c = same(b);
    const double         t = line(b, name, fn, flops, "GFLOP/s");
    const double         l = b->pool ? alone(b->pool, &c, way) : 0;

    if (l > 0)
        (void)printf("  %-32s oneDNN alone  %9.1f us  %7.1f GFLOP/s, our share %.2f\n", "", l * 1e6,
                     flops / l * 1e-9, l / t);
}

static void convolutions(struct bench *b, int64_t n, int64_t c, int64_t planes, int64_t side)
{
    const double taps  = planes > 1 ? 27 : 9;
    const double flops = 2 * taps * (double)(n * c * c) * (double)(planes * side * side);

    b->n     = n;
    b->c     = c;
    b->k_    = side;
    b->heads = planes;
    conv_line(b, planes > 1 ? "conv 3x3x3" : "conv 3x3", conv_fwd, flops, UM_DNN_FORWARD);
    conv_line(b, "  by x", conv_data, flops, UM_DNN_DATA);
    conv_line(b, "  by w", conv_weights, flops, UM_DNN_WEIGHTS);
}

static void *room(struct bench *b, size_t size, float value)
{
    void  *p;
    float *host = malloc(size);

    if (!host)
        exit(1);
    for (size_t i = 0; i < size / sizeof *host; i++)
        host[i] = value * (float)((i * 2654435761u >> 8) % 1000) / 1000;
    check(b->k->alloc(b->dev, size, &p));
    check(b->k->upload(b->dev, p, host, size));
    free(host);
    return p;
}

int main(int argc, char **argv)
{
    struct um_pool *pool;
    struct bench    b = { .dev = NULL };

    check(um_pool_new(&pool, argc > 2 ? atoi(argv[2]) : 0));
    check(um_dev_open(&b.dev, argc > 1 ? argv[1] : "auto", pool));
    b.k = um_dev_kernels(b.dev);
    (void)printf("%s\n", um_dev_name(b.dev));
    b.pool              = strncmp(um_dev_name(b.dev), "cpu", 3) == 0 ? pool : NULL;
    void **const  big[] = { &b.x, &b.y, &b.z, &b.w };
    float **const few[] = { &b.f, &b.g, &b.h };
    for (int i = 0; i < 4; i++)
        *big[i] = room(&b, (size_t)ROOM, 0.5f);
    for (int i = 0; i < 3; i++)
        *few[i] = room(&b, (size_t)1 << 20, 1);
    for (int i = 0; i < 2; i++) {
        b.dt = i ? UM_BF16 : UM_F32;
        products(&b, 3152, 768, 768);
        products(&b, 3152, 3072, 768);
        products(&b, 2080, 96, 96);
        products(&b, 2080, 384, 96);
        streams(&b, 3152, 768);
        streams(&b, 2080, 96);
        attention(&b, 16, 197, 12, 64);
        attention(&b, 2, 1297, 12, 64);
        attention(&b, 32, 65, 4, 24);
        convolutions(&b, 1, 16, 24, 96);
        convolutions(&b, 4, 128, 1, 56);
    }
    for (int i = 0; i < 4; i++)
        b.k->free(b.dev, *big[i]);
    for (int i = 0; i < 3; i++)
        b.k->free(b.dev, *few[i]);
    um_dev_close(b.dev);
    um_pool_free(pool);
    return 0;
}
