/* attention/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/attention/attention.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/load.h"

/* one head of one sample */
struct head {
    const struct um_attn *a;
    int64_t               b, h, T; /* T: the sample's own length */
};

static struct head head_of(const struct um_attn *a, int64_t i)
{
    return (struct head){ a, i / a->A, i % a->A, um_attn_len(a, i / a->A) };
}

/* where log sum exp of query t lies */
static int64_t lse_at(const struct head *w, int64_t t)
{
    return um_attn_first(w->a, w->b) * w->a->A + w->h * w->T + t;
}

/* where channel 0 of token t lies in an array with rows ld apart */
static int64_t at(const struct head *w, int64_t t, int64_t ld)
{
    return (um_attn_first(w->a, w->b) + t) * ld + w->h * w->a->d;
}

static double dot(const struct head *w, const void *x, int64_t ldx, int64_t t, const void *y,
                  int64_t ldy, int64_t u)
{
    const int64_t ix = at(w, t, ldx), iy = at(w, u, ldy);
    double        sum = 0;

    for (int64_t j = 0; j < w->a->d; j++)
        sum += um_load(x, w->a->dt, ix + j) * um_load(y, w->a->dt, iy + j);
    return sum;
}

static bool left_out(const struct head *w, int64_t u)
{
    return w->a->key_mask && w->a->key_mask[w->b * w->a->T + u] == 0;
}

static double score(const struct head *w, int64_t t, int64_t u)
{
    const struct um_attn *a = w->a;

    if (left_out(w, u))
        return -INFINITY;
    return dot(w, a->q, a->ldq, t, a->k, a->ldk, u) / sqrt((double)a->d);
}

static double factor(const struct head *w, int64_t t, int64_t u)
{
    const struct um_attn *a = w->a;

    return (double)um_drop_factor(a->drop, ((w->b * a->A + w->h) * a->T + t) * a->T + u);
}

/* p[u], u < T, of query t; returns log sum exp of its scores */
static double softmax(const struct head *w, int64_t t, double *p)
{
    const int64_t T   = w->T;
    double        max = -INFINITY, sum = 0;

    for (int64_t u = 0; u < T; u++) {
        p[u] = score(w, t, u);
        max  = fmax(max, p[u]);
    }
    for (int64_t u = 0; u < T; u++) {
        p[u] = exp(p[u] - max);
        sum += p[u];
    }
    for (int64_t u = 0; u < T; u++)
        p[u] /= sum;
    return max + log(sum);
}

static void forward(const struct head *w, void *o, float *lse, double *p)
{
    const struct um_attn *a = w->a;

    for (int64_t t = 0; t < w->T; t++) {
        lse[lse_at(w, t)] = (float)softmax(w, t, p);
        for (int64_t u = 0; u < w->T; u++)
            p[u] *= factor(w, t, u);
        for (int64_t j = 0; j < a->d; j++) {
            double sum = 0;

            for (int64_t u = 0; u < w->T; u++)
                if (!left_out(w, u))
                    sum += p[u] * um_load(a->v, a->dt, at(w, u, a->ldv) + j);
            um_store(o, a->dt, at(w, t, a->ldo) + j, sum);
        }
    }
}

int um_ref_attention_fwd(struct um_dev *dev, void *o, float *lse, const struct um_attn *a)
{
    double *p;

    (void)dev;
    UM_TRY(um_check_attn("attention_fwd", a));
    p = calloc((size_t)(a->T + 1), sizeof *p);
    if (!p)
        return um_fail(UM_ENOMEM, "attention_fwd: out of memory");
    for (int64_t i = 0; i < a->B * a->A; i++) {
        const struct head w = head_of(a, i);

        forward(&w, o, lse, p);
    }
    free(p);
    return UM_OK;
}

/* what the backward of one head adds up: ds and f p for every pair [T,T] */
struct pairs {
    double *ds, *fp;
};

static void pair_gradients(const struct head *w, const void *dout, const void *o, const float *lse,
                           const struct pairs *g)
{
    const struct um_attn *a = w->a;

    for (int64_t t = 0; t < w->T; t++) {
        const double l   = (double)lse[lse_at(w, t)];
        const double doo = dot(w, dout, a->ldo, t, o, a->ldo, t);

        for (int64_t u = 0; u < w->T; u++) {
            const double p = exp(score(w, t, u) - l), f = factor(w, t, u);

            g->fp[t * w->T + u] = f * p;
            g->ds[t * w->T + u] =
                left_out(w, u) ? 0 : p * (f * dot(w, dout, a->ldo, t, a->v, a->ldv, u) - doo);
        }
    }
}

/* y_i = scale sum_j m_ij x_j over the tokens, or with m transposed */
static void product(const struct head *w, void *y, int64_t ldy, const double *m, bool transposed,
                    const void *x, int64_t ldx, double scale)
{
    const int64_t T = w->T;

    for (int64_t i = 0; i < T; i++)
        for (int64_t c = 0; c < w->a->d; c++) {
            double sum = 0;

            for (int64_t j = 0; j < T; j++)
                if (!left_out(w, transposed ? i : j))
                    sum += m[transposed ? j * T + i : i * T + j] *
                           um_load(x, w->a->dt, at(w, j, ldx) + c);
            um_store(y, w->a->dt, at(w, i, ldy) + c, scale * sum);
        }
}

int um_ref_attention_bwd(struct um_dev *dev, void *dq, void *dk, void *dv, const void *dout,
                         const void *o, const float *lse, const struct um_attn *a)
{
    const double scale = 1 / sqrt((double)a->d);
    struct pairs g;

    (void)dev;
    UM_TRY(um_check_attn("attention_bwd", a));
    g.ds = calloc(((size_t)a->T * (size_t)a->T + 1) * 2, sizeof *g.ds);
    if (!g.ds)
        return um_fail(UM_ENOMEM, "attention_bwd: out of memory");
    g.fp = g.ds + a->T * a->T;
    for (int64_t i = 0; i < a->B * a->A; i++) {
        const struct head w = head_of(a, i);

        pair_gradients(&w, dout, o, lse, &g);
        product(&w, dq, a->ldq, g.ds, false, a->k, a->ldk, scale);
        product(&w, dk, a->ldk, g.ds, true, a->q, a->ldq, scale);
        product(&w, dv, a->ldv, g.fp, true, dout, a->ldo, 1);
    }
    free(g.ds);
    return UM_OK;
}

/* sum over the heads of p[t,u] */
static double sum_heads(const struct um_attn *a, const float *lse, int64_t b, int64_t t, int64_t u)
{
    double sum = 0;

    for (int64_t h = 0; h < a->A; h++) {
        const struct head w = head_of(a, b * a->A + h);

        sum += exp(score(&w, t, u) - (double)lse[lse_at(&w, t)]);
    }
    return sum;
}

int um_ref_attention_mean(struct um_dev *dev, float *w, const float *lse, const struct um_attn *a,
                          int64_t rows, float scale)
{
    (void)dev;
    UM_TRY(um_check_attn("attention_mean", a));
    UM_TRY(um_check_mean(a, rows));
    for (int64_t b = 0; b < a->B; b++)
        for (int64_t t = 0; t < rows && t < um_attn_len(a, b); t++)
            for (int64_t u = 0; u < um_attn_len(a, b); u++) {
                float *at = &w[(b * rows + t) * a->T + u];

                *at = (float)((double)*at + (double)scale * sum_heads(a, lse, b, t, u));
            }
    return UM_OK;
}
