/* limit.c - how long the matrix products of a work take alone */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/steps/steps.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/linear/onednn.h"

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
    const struct products l   = run_products(r);
    double                sum = 0;

    for (int i = 0; i < l.n; i++)
        sum += (double)l.p[i].times * alone(r, pool, &l.p[i]);
    return sum;
}
