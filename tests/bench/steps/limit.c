/* limit.c - how long the matrix products of a work take alone */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/steps/steps.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/linear/onednn.h"

struct product {
    int64_t m, n, k, times;
    bool    ta; /* the gradient of weights, into float */
};

struct list {
    struct product p[96];
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

static void blocks(struct list *l, int64_t rows, int64_t C, int64_t mlp, int64_t L, bool grad)
{
    layer(l, rows, 3 * C, C, L, grad, false);
    layer(l, rows, C, C, L, grad, false);
    layer(l, rows, mlp, C, L, grad, false);
    layer(l, rows, C, mlp, L, grad, false);
}

/* a pass over X-rays, volumes, or volumes with K slices each */
static void vision(struct list *l, const struct run *r, bool volumes, int64_t K, bool grad)
{
    const struct um_model_config *c = &r->m->cfg;
    const int64_t                 B = r->w->batch, flat = volumes ? K : 1;
    const int64_t                 P2 = um_model_tokens(c, UM_2D);
    const int64_t                 P3 = volumes ? um_model_tokens(c, UM_3D) : 0;
    const int64_t                 T  = 1 + P3 + flat * P2;

    if (flat)
        layer(l, B * flat * P2, c->width, c->patch * c->patch, 1, grad, true);
    if (volumes)
        layer(l, B * P3, c->width, c->patch3[0] * c->patch3[1] * c->patch3[2], 1, grad, true);
    blocks(l, B * T, c->width, c->mlp, c->layers, grad);
    heads(l, T, c->width / c->heads, B * c->heads * c->layers, grad);
}

static void text(struct list *l, const struct run *r, bool grad)
{
    const struct um_model_config *c    = &r->m->cfg;
    int64_t                       rows = 0;

    for (int64_t b = 0; b < r->w->batch; b++) {
        rows += report_length[b % 8];
        heads(l, report_length[b % 8], c->text_width / c->text_heads,
              c->text_heads * c->text_layers, grad);
    }
    blocks(l, rows, c->text_width, c->text_mlp, c->text_layers, grad);
}

/* the distillation head, over every token */
static void distillation(struct list *l, const struct run *r, bool grad)
{
    const struct um_model_config *c = &r->m->cfg;
    const int64_t                 P = um_model_tokens(c, UM_2D);
    const int64_t T = 1 + (r->w->slices ? um_model_tokens(c, UM_3D) + r->w->slices * P : P);
    const int64_t n = r->w->batch * T;

    layer(l, n, c->head_hidden, c->width, 1, grad, false);
    layer(l, n, c->head_hidden, c->head_hidden, 1, grad, false);
    layer(l, n, c->head_bottleneck, c->head_hidden, 1, grad, false);
    layer(l, n, c->prototypes, c->head_bottleneck, 1, grad, false);
}

/* projections are too small to count */
static struct list products(const struct run *r)
{
    const struct work *w    = r->w;
    const bool         grad = w->what != FORWARD;
    struct list        l    = { .n = 0 };

    if (w->text) {
        text(&l, r, grad);
        return l;
    }
    vision(&l, r, w->slices > 0, w->slices, grad);
    if (w->what == METHOD) {
        if (w->slices)
            vision(&l, r, true, 0, false); /* whose attention picks the slices */
        vision(&l, r, w->slices > 0, w->slices, false);
        distillation(&l, r, false);
        distillation(&l, r, true);
        text(&l, r, true);
    }
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
        const double t = seconds_now();

        ok(um_pool_run(pool, THREADS, multiply, &h));
        const double e = (seconds_now() - t) / (double)h.times / (big ? 1 : THREADS);
        best           = e < best ? e : best;
    }
    free(mem);
    return best;
}

double run_limit(const struct run *r, struct um_pool *pool)
{
    const struct list l   = products(r);
    double            sum = 0;

    for (int i = 0; i < l.n; i++)
        sum += (double)l.p[i].times * alone(r, pool, &l.p[i]);
    return sum;
}
