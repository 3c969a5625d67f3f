/* attention/cpu.c - a task is one head of one sample, forward one block of its queries
 *
 * Scores live in the worker's workspace, a block of queries by all keys, never for the whole batch.
 * Their rows are padded to whole vectors; what is padded or masked counts as a key left out. Other
 * dtypes than float are widened there first, so that every product is a float one.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/attention/attention.h"

#include "kernels/drop.h"
#include "kernels/linear/onednn.h"
#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_ATTENTION_OPS)

enum { SCORES = 65536 }; /* of one block: 256 KiB, a part of the second-level cache */

struct job {
    struct um_dev        *dev;
    const struct um_attn *a;
    int64_t               pad, block, blocks; /* keys padded, queries of a block, blocks */
    float                 scale, scale_out;   /* 1/sqrt(d); attention_cls's own */
    void                 *o, *dq, *dk, *dv;
    const void           *out, *dout;
    float                *lse, *w;
    const float          *log_sum;
    size_t                work; /* bytes of workspace of a task */
};

/* [T,d] floats: a head's rows where they lie, or widened in the workspace */
struct view {
    float  *p;
    int64_t ld;
};

/* one task's head and its part of the workspace */
struct head {
    const struct job *j;
    int64_t           b, h;
    float            *next;       /* the unused rest */
    int32_t          *keep;       /* [pad]: -1 for keys that count */
    float            *s, *g, *f;  /* scores and their gradients [block,pad], factors [pad] */
    struct view       q, k, v, o; /* o: the output, or its gradient */
    struct view       dq, dk, dv;
};

static float *take(struct head *w, int64_t n)
{
    float *p = w->next;

    w->next += (n + 15) & ~(int64_t)15;
    return p;
}

/* where channel 0 of token 0 lies in an array with rows ld apart */
static int64_t origin(const struct head *w, int64_t ld)
{
    return w->b * w->j->a->T * ld + w->h * w->j->a->d;
}

/* an input: in place if float, else a widened copy */
static struct view input(struct head *w, const void *x, int64_t ld)
{
    const struct um_attn *a  = w->j->a;
    const int64_t         at = origin(w, ld), d = a->d;
    float                *copy;

    if (a->dt == UM_F32)
        return (struct view){ (float *)(uintptr_t)((const float *)x + at), ld };
    copy = take(w, a->T * d);
    for (int64_t t = 0; t < a->T; t++)
        for (int64_t l = 0; l < d; l += UM_VL)
            um_vstoref(copy, t * d + l, um_min(d - l, UM_VL),
                       um_vload(x, a->dt, at + t * ld + l, d - l));
    return (struct view){ copy, d };
}

/* an output: in place if float, else room in the workspace that put() narrows */
static struct view output(struct head *w, void *y, int64_t ld)
{
    const struct um_attn *a = w->j->a;

    if (a->dt == UM_F32)
        return (struct view){ (float *)y + origin(w, ld), ld };
    return (struct view){ take(w, a->T * a->d), a->d };
}

static void put(const struct head *w, struct view v, void *y, int64_t ld, int64_t from, int64_t to)
{
    const struct um_attn *a  = w->j->a;
    const int64_t         at = origin(w, ld), d = a->d;

    for (int64_t t = from; a->dt != UM_F32 && t < to; t++)
        for (int64_t l = 0; l < d; l += UM_VL)
            um_vstore(y, a->dt, at + t * ld + l, d - l, um_vloadf(v.p, t * d + l, d - l));
}

static struct job job_of(struct um_dev *dev, const struct um_attn *a, int scores, int views)
{
    struct job j = { .dev = dev, .a = a };

    j.pad    = um_ceil_div(a->T, UM_VL) * UM_VL;
    j.block  = um_min(a->T, SCORES / (j.pad > 0 ? j.pad : 1));
    j.block  = j.block < 16 ? um_min(a->T, 16) : j.block;
    j.blocks = a->T > 0 ? um_ceil_div(a->T, j.block) : 0;
    j.scale  = (float)(1 / sqrt((double)a->d));
    j.work   = sizeof(float) * (size_t)((j.block * j.pad + 16) * scores + 2 * (j.pad + 16) +
                                      (a->dt == UM_F32 ? 0 : views * (a->T * a->d + 16)));
    return j;
}

static int head_of(struct head *w, const struct job *j, int64_t task, int worker)
{
    const struct um_attn *a = j->a;
    void                 *p;

    UM_TRY(um_dev_scratch(j->dev, worker, j->work, &p));
    *w      = (struct head){ .j = j, .b = task / a->A, .h = task % a->A, .next = p };
    w->keep = (int32_t *)(void *)take(w, j->pad);
    w->f    = take(w, j->pad);
    w->s    = take(w, j->block * j->pad);
    for (int64_t u = 0; u < j->pad; u++)
        w->keep[u] = u < a->T && (!a->key_mask || a->key_mask[w->b * a->T + u]) ? -1 : 0;
    return UM_OK;
}

/* c [m,n] = alpha op(a) op(b) + beta c */
static int gemm(bool ta, bool tb, const int64_t mnk[3], float alpha, struct view a, struct view b,
                float beta, struct view c)
{
    return um_dnn_gemm(&(struct um_dnn_gemm){ ta, tb, mnk[0], mnk[1], mnk[2], alpha, a.p, a.ld, b.p,
                                              b.ld, beta, c.p, c.ld });
}

static struct view rows_from(struct view v, int64_t t)
{
    return (struct view){ v.p + t * v.ld, v.ld };
}

static um_vf kept(const struct head *w, const float *s, int64_t u)
{
    um_vi keep;

    memcpy(&keep, w->keep + u, sizeof keep);
    return um_vselect(keep, um_vloadf(s, u, UM_VL), um_vset(-INFINITY));
}

/* the dropout factors of query t; the index of its first key is that of the whole array */
static void factors(const struct head *w, int64_t t)
{
    const struct um_attn *a = w->j->a;

    um_drop_factors(a->drop, ((w->b * a->A + w->h) * a->T + t) * a->T, a->T, w->f);
    for (int64_t u = a->T; u < w->j->pad; u++)
        w->f[u] = 0;
}

/* s = e^(s - max), dropped, and the sum before dropping; returns max */
static float exponentials(const struct head *w, float *s, int64_t t, float *total)
{
    const int64_t pad  = w->j->pad;
    const bool    drop = w->j->a->drop.p > 0;
    um_vf         most = um_vset(-INFINITY), sum = { 0 };

    for (int64_t u = 0; u < pad; u += UM_VL)
        most = um_vmax(kept(w, s, u), most);
    const float max = um_vmost(most);
    if (drop)
        factors(w, t);
    for (int64_t u = 0; u < pad; u += UM_VL) {
        um_vf e = um_vexp(kept(w, s, u) - max);

        sum += e;
        if (drop)
            e *= um_vloadf(w->f, u, UM_VL);
        um_vstoref(s, u, UM_VL, e);
    }
    *total = um_vsum(sum);
    return max;
}

static int forward(void *arg, int64_t task, int worker)
{
    const struct job     *j    = arg;
    const struct um_attn *a    = j->a;
    const int64_t         from = task % j->blocks * j->block, to = um_min(a->T, from + j->block);
    const int64_t         n = to - from;
    struct head           w;

    UM_TRY(head_of(&w, j, task / j->blocks, worker));
    w.q = input(&w, a->q, a->ldq);
    w.k = input(&w, a->k, a->ldk);
    w.v = input(&w, a->v, a->ldv);
    w.o = output(&w, j->o, a->ldo);

    const struct view s = { w.s, j->pad }, o = rows_from(w.o, from);
    UM_TRY(
        gemm(false, true, (int64_t[]){ n, a->T, a->d }, j->scale, rows_from(w.q, from), w.k, 0, s));
    for (int64_t t = 0; t < n; t++) {
        float       sum;
        const float max = exponentials(&w, w.s + t * j->pad, from + t, &sum);

        j->lse[(w.b * a->A + w.h) * a->T + from + t] = max + logf(sum);
        for (int64_t u = 0; u < j->pad; u += UM_VL)
            um_vstoref(w.s + t * j->pad, u, UM_VL,
                       um_vloadf(w.s + t * j->pad, u, UM_VL) * (1 / sum));
    }
    UM_TRY(gemm(false, false, (int64_t[]){ n, a->d, a->T }, 1, s, w.v, 0, o));
    put(&w, w.o, j->o, a->ldo, from, to);
    return UM_OK;
}

int UM_CPU(attention_fwd)(struct um_dev *dev, void *o, float *lse, const struct um_attn *a)
{
    struct job j;

    UM_TRY(um_check_attn("attention_fwd", a));
    j     = job_of(dev, a, 1, 4);
    j.o   = o;
    j.lse = lse;
    return um_share(dev, a->B * a->A * j.blocks, forward, &j);
}

/* of query t: s becomes f p and g becomes ds, from the scores and from do v^T */
static void pair_gradients(const struct head *w, int64_t t, float *s, float *g, float doo)
{
    const struct um_attn *a    = w->j->a;
    const float           l    = w->j->log_sum[(w->b * a->A + w->h) * a->T + t];
    const bool            drop = a->drop.p > 0;

    if (drop)
        factors(w, t);
    for (int64_t u = 0; u < w->j->pad; u += UM_VL) {
        const um_vf f = drop ? um_vloadf(w->f, u, UM_VL) : um_vset(1);
        const um_vf p = um_vexp(kept(w, s, u) - l);
        um_vi       keep;

        memcpy(&keep, w->keep + u, sizeof keep);
        const um_vf ds = p * (f * um_vloadf(g, u, UM_VL) - doo);
        um_vstoref(s, u, UM_VL, f * p);
        um_vstoref(g, u, UM_VL, (um_vf)((um_vi)ds & keep));
    }
}

static float dot(const struct head *w, const void *x, const void *y, int64_t ld, int64_t t)
{
    const struct um_attn *a   = w->j->a;
    const int64_t         at  = origin(w, ld) + t * ld;
    um_vf                 sum = { 0 };

    for (int64_t l = 0; l < a->d; l += UM_VL)
        sum += um_vload(x, a->dt, at + l, a->d - l) * um_vload(y, a->dt, at + l, a->d - l);
    return um_vsum(sum);
}

/* the queries from .. from+n-1: their dq, and their share of dk and dv */
static int backward_block(struct head *w, int64_t from, int64_t n)
{
    const struct job     *j = w->j;
    const struct um_attn *a = j->a;
    const struct view     s = { w->s, j->pad }, g = { w->g, j->pad };
    const struct view     q = rows_from(w->q, from), dout = rows_from(w->o, from);
    const int64_t         pairs[3] = { n, a->T, a->d }, keys[3] = { a->T, a->d, n };
    const float           more = from > 0 ? 1 : 0;

    UM_TRY(gemm(false, true, pairs, j->scale, q, w->k, 0, s));
    UM_TRY(gemm(false, true, pairs, 1, dout, w->v, 0, g));
    for (int64_t t = 0; t < n; t++)
        pair_gradients(w, from + t, w->s + t * j->pad, w->g + t * j->pad,
                       dot(w, j->dout, j->out, a->ldo, from + t));
    UM_TRY(gemm(true, false, keys, 1, s, dout, more, w->dv));
    UM_TRY(gemm(true, false, keys, j->scale, g, q, more, w->dk));
    return gemm(false, false, (int64_t[]){ n, a->d, a->T }, j->scale, g, w->k, 0,
                rows_from(w->dq, from));
}

static int backward(void *arg, int64_t task, int worker)
{
    const struct job     *j = arg;
    const struct um_attn *a = j->a;
    struct head           w;

    UM_TRY(head_of(&w, j, task, worker));
    w.g  = take(&w, j->block * j->pad);
    w.q  = input(&w, a->q, a->ldq);
    w.k  = input(&w, a->k, a->ldk);
    w.v  = input(&w, a->v, a->ldv);
    w.o  = input(&w, j->dout, a->ldo);
    w.dq = output(&w, j->dq, a->ldq);
    w.dk = output(&w, j->dk, a->ldk);
    w.dv = output(&w, j->dv, a->ldv);
    for (int64_t from = 0; from < a->T; from += j->block)
        UM_TRY(backward_block(&w, from, um_min(j->block, a->T - from)));
    put(&w, w.dq, j->dq, a->ldq, 0, a->T);
    put(&w, w.dk, j->dk, a->ldk, 0, a->T);
    put(&w, w.dv, j->dv, a->ldv, 0, a->T);
    return UM_OK;
}

int UM_CPU(attention_bwd)(struct um_dev *dev, void *dq, void *dk, void *dv, const void *dout,
                          const void *o, const float *lse, const struct um_attn *a)
{
    struct job j;

    UM_TRY(um_check_attn("attention_bwd", a));
    j         = job_of(dev, a, 2, 7);
    j.dq      = dq;
    j.dk      = dk;
    j.dv      = dv;
    j.out     = o;
    j.dout    = dout;
    j.log_sum = lse;
    return um_share(dev, a->T > 0 ? a->B * a->A : 0, backward, &j);
}

/* w[b,u] of one sample: the heads in order */
static int cls(void *arg, int64_t b, int worker)
{
    const struct job     *j = arg;
    const struct um_attn *a = j->a;
    float                *sum;
    struct head           w;

    UM_TRY(head_of(&w, j, b * a->A, worker));
    sum = w.f;
    memset(sum, 0, (size_t)j->pad * sizeof *sum);
    for (w.h = 0; w.h < a->A; w.h++) {
        const float   l  = j->log_sum[(b * a->A + w.h) * a->T];
        const int64_t q0 = origin(&w, a->ldq), k0 = origin(&w, a->ldk);

        for (int64_t u = 0; u < a->T; u++) {
            um_vf s = { 0 };

            for (int64_t i = 0; i < a->d; i += UM_VL)
                s += um_vload(a->q, a->dt, q0 + i, a->d - i) *
                     um_vload(a->k, a->dt, k0 + u * a->ldk + i, a->d - i);
            w.s[u] = um_vsum(s) * j->scale;
        }
        for (int64_t u = 0; u < j->pad; u += UM_VL)
            um_vstoref(sum, u, UM_VL, um_vloadf(sum, u, UM_VL) + um_vexp(kept(&w, w.s, u) - l));
    }
    for (int64_t u = 0; u < a->T; u++)
        j->w[b * a->T + u] += j->scale_out * sum[u];
    return UM_OK;
}

int UM_CPU(attention_cls)(struct um_dev *dev, float *w, const float *lse, const struct um_attn *a,
                          float scale)
{
    struct job j;

    UM_TRY(um_check_attn("attention_cls", a));
    j           = job_of(dev, a, 1, 0);
    j.w         = w;
    j.log_sum   = lse;
    j.scale_out = scale;
    return um_share(dev, a->T > 0 ? a->B : 0, cls, &j);
}
