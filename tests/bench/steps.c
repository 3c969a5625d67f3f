/* steps.c - how fast whole passes and training steps are, beside what their products alone take
 *
 * usage: bench/steps [-i]   a table of all works; -i: reads "WORK ours|limit" lines, answers
 * seconds
 *
 * The limit of a work is the time of its matrix products alone, at the same shapes and precision,
 * by oneDNN with operands packed beforehand, on the same threads, and nothing between them.
 * Attention counts two products a head forward and four backward. SPDX-License-Identifier:
 * Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "kernels/linear/onednn.h"
#include "model/model.h"
#include "train/adamw.h"

enum { THREADS = 2 };

struct work {
    const char   *name, *preset;
    enum um_dtype dt;
    int64_t       batch, slices; /* slices: of each volume, a pair sequence; 0: X-rays */
    bool          text, grad, step;
};

static const struct work works[] = {
    { "vit-b forward 8 f32", "vit-b", UM_F32, 8, 0, false, false, false },
    { "vit-b forward 8 bf16", "vit-b", UM_BF16, 8, 0, false, false, false },
    { "vit-b step 8 f32", "vit-b", UM_F32, 8, 0, false, true, true },
    { "vit-b step 8 bf16", "vit-b", UM_BF16, 8, 0, false, true, true },
    { "pair backward 2 bf16", "vit-b", UM_BF16, 2, 4, false, true, false },
    { "vit-ti step 32 bf16", "vit-ti", UM_BF16, 32, 0, false, true, true },
    { "vit-ti forward 1 bf16", "vit-ti", UM_BF16, 1, 0, false, false, false },
    { "vit-ti forward 32 bf16", "vit-ti", UM_BF16, 32, 0, false, false, false },
    { "bert backward 8x112 bf16", "vit-b", UM_BF16, 8, 0, true, true, false },
};
enum { WORKS = sizeof works / sizeof works[0], LENGTH = 112 };

/* lengths of reports: the same in peer.py */
static const int64_t lengths[8] = { 112, 74, 58, 97, 41, 83, 66, 52 };

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void ok(int st)
{
    if (st < 0) {
        (void)fprintf(stderr, "steps: %s\n", um_errmsg());
        exit(1);
    }
}

static void *room(size_t n)
{
    void *p = calloc(1, n);

    if (!p)
        ok(um_fail(UM_ENOMEM, "out of memory"));
    return p;
}

/* ---- ours --------------------------------------------------------------------------------------
 */

struct run {
    const struct work *w;
    struct um_dev     *dev;
    struct um_model   *m;
    struct um_nn      *nn;
    struct um_adamw   *opt;
    float             *x, *volume;
    int32_t           *ids, *target;
    uint8_t           *mask;
};

/* the encoder that is measured whole, the other as small as it can be */
static void configure(const struct work *w, struct um_model_config *c)
{
    ok(um_model_preset(w->preset, c));
    if (w->text) {
        c->width = c->heads = c->mlp = c->layers = 1;
        c->width = c->mlp = 16;
    } else {
        c->text_width = c->text_mlp = 16;
        c->text_heads = c->text_layers = 1;
        c->vocab = 64, c->text_positions = 16;
    }
    c->text_dropout = 0; /* the peer is measured without */
    c->proj_hidden  = 16;
}

static struct run run_open(struct um_pool *pool, const struct work *w)
{
    struct um_model_config c;
    struct run             r = { .w = w };
    int64_t                n;

    configure(w, &c);
    ok(um_dev_open(&r.dev, "cpu", pool));
    ok(um_model_new(&r.m, r.dev, &c));
    ok(um_model_init(r.m, 1));
    ok(um_nn_new(&r.nn, r.dev, &(struct um_nn_opts){ .dtype = w->dt, .frozen = !w->grad }));
    if (w->grad)
        ok(um_params_grad(r.m->ps));
    if (w->step)
        ok(um_adamw_new(&r.opt, r.m->ps, &(struct um_adamw_opts)UM_ADAMW_INIT));
    n        = w->batch * (w->slices ? w->slices : 1) * c.image * c.image;
    r.x      = room((size_t)n * sizeof *r.x);
    r.volume = room((size_t)(w->batch * c.volume[0] * c.volume[1] * c.volume[2]) * sizeof(float));
    r.ids    = room((size_t)(w->batch * LENGTH) * sizeof *r.ids);
    r.mask   = room((size_t)(w->batch * LENGTH));
    r.target = room((size_t)w->batch * sizeof *r.target);
    for (int64_t i = 0; i < n; i++)
        r.x[i] = (float)(i * 7919 % 1000) / 1000;
    for (int64_t i = 0; i < w->batch * LENGTH; i++)
        r.mask[i] = i % LENGTH < lengths[i / LENGTH % 8];
    return r;
}

static void run_close(struct run *r)
{
    um_adamw_free(r->opt);
    um_nn_free(r->nn);
    um_model_free(r->m);
    um_dev_close(r->dev);
    free(r->x);
    free(r->volume);
    free(r->ids);
    free(r->mask);
    free(r->target);
}

/* the vector at [CLS] */
static struct um_var *features(struct run *r)
{
    const struct um_model_config *c = &r->m->cfg;
    const int64_t                 B = r->w->batch, K = r->w->slices ? r->w->slices : 1;
    const int64_t                 image[4]  = { B * K, 1, c->image, c->image };
    const int64_t                 volume[4] = { B, c->volume[0], c->volume[1], c->volume[2] };
    struct um_var                *x;

    if (r->w->text)
        return um_model_text(r->nn, r->m, B, LENGTH, r->ids, r->mask);
    x = um_nn_input(r->nn, UM_F32, 4, image, r->x);
    if (r->w->slices)
        x = um_model_pair(r->nn, r->m, um_nn_input(r->nn, UM_F32, 4, volume, r->volume), x, NULL);
    else
        x = um_model_vision(r->nn, r->m, UM_2D, x, NULL);
    return um_slice_tokens(r->nn, x, 0, 1);
}

static double once(struct run *r)
{
    const double     t = now();
    struct um_var   *y;
    struct um_update done;

    ok(um_nn_begin(r->nn, r->w->grad, r->w->grad, 1, 1));
    if (r->w->grad)
        ok(um_params_zero_grad(r->m->ps));
    y = features(r);
    if (r->w->grad)
        ok(um_nn_backward(r->nn,
                          um_cross_entropy(r->nn, um_cast(r->nn, y, UM_F32), r->target, false)));
    ok(um_nn_status(r->nn));
    if (r->opt)
        ok(um_adamw_step(r->opt, 1e-6, &done));
    return now() - t;
}

/* ---- the limit ---------------------------------------------------------------------------------
 */

struct product {
    int64_t m, n, k, times;
    bool    ta; /* the gradient of weights, into float */
};

struct list {
    struct product p[64];
    int            n;
};

static void add(struct list *l, int64_t m, int64_t n, int64_t k, int64_t times, bool ta)
{
    l->p[l->n++] = (struct product){ m, n, k, times, ta };
}

/* x [m,k] w^T, and backward dy w and dy^T x */
static void layer(struct list *l, int64_t m, int64_t n, int64_t k, int64_t times, bool grad,
                  bool first)
{
    add(l, m, n, k, times, false);
    if (grad && !first)
        add(l, m, k, n, times, false);
    if (grad)
        add(l, n, k, m, times, true);
}

static void heads(struct list *l, int64_t T, int64_t d, int64_t times, bool grad)
{
    add(l, T, T, d, times * (grad ? 2 : 1), false);
    add(l, T, d, T, times * (grad ? 2 : 1), false);
    if (grad)
        add(l, T, d, T, times * 2, true);
}

static void blocks(struct list *l, const struct run *r, int64_t rows, int64_t C, int64_t mlp,
                   int64_t L)
{
    const bool g = r->w->grad;

    layer(l, rows, 3 * C, C, L, g, false);
    layer(l, rows, C, C, L, g, false);
    layer(l, rows, mlp, C, L, g, false);
    layer(l, rows, C, mlp, L, g, false);
}

static struct list products(const struct run *r)
{
    const struct um_model_config *c = &r->m->cfg;
    const int64_t                 B = r->w->batch, K = r->w->slices;
    const int64_t                 P2 = um_model_tokens(c, UM_2D), P3 = um_model_tokens(c, UM_3D);
    const int64_t                 T    = K ? 1 + P3 + K * P2 : 1 + P2;
    struct list                   l    = { .n = 0 };
    int64_t                       rows = 0;

    if (r->w->text) {
        for (int64_t b = 0; b < B; b++) {
            rows += lengths[b % 8];
            heads(&l, lengths[b % 8], c->text_width / c->text_heads, c->text_heads * c->text_layers,
                  r->w->grad);
        }
        blocks(&l, r, rows, c->text_width, c->text_mlp, c->text_layers);
        return l;
    }
    layer(&l, B * (K ? K : 1) * P2, c->width, c->patch * c->patch, 1, r->w->grad, true);
    if (K)
        layer(&l, B * P3, c->width, c->patch3[0] * c->patch3[1] * c->patch3[2], 1, r->w->grad,
              true);
    blocks(&l, r, B * T, c->width, c->mlp, c->layers);
    heads(&l, T, c->width / c->heads, B * c->heads * c->layers, r->w->grad);
    return l;
}

/* a product cut in two along the rows, a half for each thread; products of one head go whole to
 * each in turn */
struct half {
    struct um_dev      *dev;
    struct um_dnn_plan *plan;
    char               *a, *b, *c, *work;
    size_t              apart;
    int64_t             times;
};

static int multiply(void *arg, int64_t task, int worker)
{
    const struct half *h = arg;

    for (int64_t i = 0; i < h->times; i++)
        UM_TRY(um_dnn_run(h->dev, worker, h->plan, h->a + (size_t)task * h->apart, h->b, NULL,
                          h->c + (size_t)task * h->apart, h->work + (size_t)task * h->apart));
    return UM_OK;
}

/* seconds of one of p's products on all threads */
static double alone(const struct run *r, struct um_pool *pool, const struct product *p)
{
    const size_t  each    = ((size_t)48 << 20) + 8192 + 704; /* not the same sets of the caches */
    const bool    big     = p->m * p->n * p->k > (int64_t)1 << 25;
    const int64_t m       = big ? (p->m + THREADS - 1) / THREADS : p->m;
    char         *mem     = aligned_alloc(64, 8 * each);
    struct um_dnn_shape s = { .m      = m,
                              .n      = p->n,
                              .k      = p->k,
                              .lda    = p->ta ? m : p->k,
                              .ldc    = p->n,
                              .dt     = (int32_t)r->w->dt,
                              .dtc    = (int32_t)(p->ta ? UM_F32 : r->w->dt),
                              .ta     = p->ta,
                              .packed = 1 };
    struct half         h = { .dev = r->dev, .apart = each };
    double              best = 1e9;

    if (!mem)
        ok(um_fail(UM_ENOMEM, "out of memory"));
    memset(mem, 0, 8 * each);
    ok(um_dnn_plan(r->dev, &s, &h.plan));
    if (!h.plan)
        ok(um_fail(UM_EUNSUPPORTED, "oneDNN has no such product"));
    h.a = mem, h.c = mem + 2 * each, h.b = mem + 4 * each, h.work = mem + 6 * each;
    h.times = 1 + (int64_t)(2e8 / (double)(m * p->n * p->k));
    for (int i = 0; i < 5; i++) {
        const double t = now();

        ok(um_pool_run(pool, THREADS, multiply, &h));
        const double e = (now() - t) / (double)h.times / (big ? 1 : THREADS);
        best           = e < best ? e : best;
    }
    free(mem);
    return best;
}

static double limit(const struct run *r, struct um_pool *pool)
{
    const struct list l   = products(r);
    double            sum = 0;

    for (int i = 0; i < l.n; i++)
        sum += (double)l.p[i].times * alone(r, pool, &l.p[i]);
    return sum;
}

/* ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(struct run *r)
{
    double t[7];

    (void)once(r); /* memory and plans */
    for (int i = 0; i < 7; i++)
        t[i] = once(r);
    qsort(t, 7, sizeof *t, by_size);
    return t[3];
}

/* three runs of one work, for who watches the process's memory */
static void thrice(struct um_pool *pool, int i)
{
    struct run r = run_open(pool, &works[i]);

    for (int n = 0; n < 3; n++)
        (void)once(&r);
    run_close(&r);
}

/* answers lines "N ours" and "N limit"; the works asked for stay open */
static void serve(struct um_pool *pool)
{
    struct run open[WORKS] = { 0 };
    char       line[64], what[8];
    int        i;

    while (fgets(line, sizeof line, stdin) && sscanf(line, "%d %7s", &i, what) == 2) {
        if (i < 0 || i >= WORKS)
            break;
        if (!open[i].w) {
            open[i] = run_open(pool, &works[i]);
            (void)once(&open[i]);
        }
        if (strcmp(what, "close") == 0) {
            run_close(&open[i]);
            open[i] = (struct run){ 0 };
            (void)printf("0\n");
        } else {
            (void)printf("%.6g\n", what[0] == 'o' ? once(&open[i]) : limit(&open[i], pool));
        }
        (void)fflush(stdout);
    }
    for (i = 0; i < WORKS; i++)
        if (open[i].w)
            run_close(&open[i]);
}

int main(int argc, char **argv)
{
    struct um_pool *pool;

    ok(um_pool_new(&pool, THREADS));
    if (argc > 1 && strcmp(argv[1], "-i") == 0) {
        serve(pool);
        um_pool_free(pool);
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "-m") == 0) {
        thrice(pool, atoi(argv[2]) % WORKS);
        um_pool_free(pool);
        return 0;
    }
    (void)printf("work\tours\tpeer\tratio\tlimit\tshare\n");
    for (int i = 0; i < WORKS; i++) {
        struct run r;
        double     t, l;

        if (argc > 1 && !strstr(works[i].name, argv[1]))
            continue;
        r = run_open(pool, &works[i]);
        t = median(&r);
        l = limit(&r, pool);
        (void)printf("%s\t%.4f\tpeer missing\t-\t%.4f\t%.2f\n", works[i].name, t, l, l / t);
        (void)fflush(stdout);
        run_close(&r);
    }
    um_pool_free(pool);
    return 0;
}
