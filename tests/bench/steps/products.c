/* products.c - the matrix products of a work, by shape */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/steps/steps.h"

static void add(struct products *l, int64_t m, int64_t n, int64_t k, int64_t times, bool ta)
{
    l->p[l->n++] = (struct product){ m, n, k, times, ta };
}

/* x [m,k] w^T, and backward dy w and dy^T x */
static void layer(struct products *l, int64_t m, int64_t n, int64_t k, int64_t times, bool grad,
                  bool first)
{
    add(l, m, n, k, times, false);
    if (grad && !first)
        add(l, m, k, n, times, false);
    if (grad)
        add(l, n, k, m, times, true);
}

static void heads(struct products *l, int64_t T, int64_t d, int64_t times, bool grad)
{
    add(l, T, T, d, times * (grad ? 2 : 1), false);
    add(l, T, d, T, times * (grad ? 2 : 1), false);
    if (grad)
        add(l, T, d, T, times * 2, true);
}

static void blocks(struct products *l, int64_t rows, int64_t C, int64_t mlp, int64_t L, bool grad)
{
    layer(l, rows, 3 * C, C, L, grad, false);
    layer(l, rows, C, C, L, grad, false);
    layer(l, rows, mlp, C, L, grad, false);
    layer(l, rows, C, mlp, L, grad, false);
}

/* a pass over X-rays, volumes, or volumes with K slices each */
static void vision(struct products *l, const struct run *r, bool volumes, int64_t K, bool grad)
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

static void text(struct products *l, const struct run *r, bool grad)
{
    const struct um_model_config *c    = &r->m->cfg;
    int64_t                       rows = 0;

    for (int64_t i = 0; i < 8 && i < r->w->batch; i++) {
        const int64_t reports = (r->w->batch - i + 7) / 8; /* of this length */

        rows += reports * report_length[i];
        heads(l, report_length[i], c->text_width / c->text_heads,
              reports * c->text_heads * c->text_layers, grad);
    }
    blocks(l, rows, c->text_width, c->text_mlp, c->text_layers, grad);
}

/* the distillation head, over every token */
static void distillation(struct products *l, const struct run *r, bool grad)
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

struct products run_products(const struct run *r)
{
    const struct work *w    = r->w;
    const bool         grad = w->what != FORWARD;
    struct products    l    = { .n = 0 };

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
    }
    if (w->what >= CONTRAST)
        text(&l, r, true);
    return l;
}

double run_flops(const struct run *r)
{
    const struct products l   = run_products(r);
    double                sum = 0;

    for (int i = 0; i < l.n; i++)
        sum += 2 * (double)l.p[i].times * (double)l.p[i].m * (double)l.p[i].n * (double)l.p[i].k;
    return sum;
}
