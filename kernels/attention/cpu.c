/* attention/cpu.c - a task is one head of one sample, forward one block of its queries
 *
 * Scores live in the worker's workspace, a block of queries by all keys, never for the whole batch.
 * Their rows are padded to whole vectors; what is padded or masked counts as a key left out.
 * Softmax is float; its results are rounded to the dtype of the activations for the products, which
 * accumulate in float. Forward, the exponentials are not divided by their sum: the output is.
 *
 * oneDNN's fast products want rows without gaps: what they read is copied to the workspace, with
 * rows of zeros up to the next multiple of 16 (so few different products are planned for samples of
 * their own lengths); in bfloat16 second operands are packed instead, once for all blocks. Where it
 * has none but float products, nothing is copied but what must be widened.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/attention/head.h"
#include "kernels/drop.h"

UM_DECLARE_CPU(UM_ATTENTION_OPS)

/* scores u .. of a row; those of keys that do not count are -infinity */
static inline um_vf kept(const struct head *w, const float *s, int64_t u)
{
    const um_vf v = um_vloadf(s, u, UM_VL);
    um_vi       keep;

    if (u < w->whole)
        return v;
    memcpy(&keep, w->keep + u, sizeof keep);
    return um_vselect(keep, v, um_vset(-INFINITY));
}

/* the dropout factors of query t; the index of its first key is that of the whole array */
static void factors(const struct head *w, int64_t t)
{
    const struct um_attn *a = w->j->a;

    um_drop_factors(a->drop, ((w->b * a->A + w->h) * a->T + t) * a->T, w->T, w->f);
    for (int64_t u = w->T; u < w->n->pad; u++)
        w->f[u] = 0;
}

static float *lse_row(const struct head *w, float *lse)
{
    return lse + um_attn_first(w->j->a, w->b) * w->j->a->A + w->h * w->T;
}

/* ---- forward -----------------------------------------------------------------------------------
 */

/* p = e^(scale (s - max)), dropped, and the sum before dropping; returns scale max */
static float exponentials(const struct head *w, int64_t i, int64_t t, float *total)
{
    const int64_t     pad   = w->n->pad;
    const float       scale = w->j->scale, *s = w->s + i * pad;
    const struct view p    = rows_from(w->p, i);
    const bool        drop = w->j->a->drop.p > 0;
    um_vf             most = um_vset(-INFINITY), sum = { 0 };

    for (int64_t u = 0; u < pad; u += UM_VL)
        most = um_vmax(kept(w, s, u), most);
    const float max = um_vmost(most) * scale;
    if (drop)
        factors(w, t);
    for (int64_t u = 0; u < pad; u += UM_VL) {
        um_vf e = um_vexp(kept(w, s, u) * scale - max);

        sum += e;
        if (drop)
            e *= um_vloadf(w->f, u, UM_VL);
        um_vstore(p.p, p.dt, u, UM_VL, e);
    }
    *total = um_vsum(sum);
    return max;
}

/* row t of o, made of the sums in row i of acc */
static void divide(const struct head *w, struct view acc, int64_t i, int64_t t, float by)
{
    const struct view from = rows_from(acc, i), to = rows_from(w->o, t);
    const int64_t     d = w->j->a->d;

    for (int64_t l = 0; l < d; l += UM_VL)
        um_vstore(to.p, to.dt, l, d - l, um_vload(from.p, from.dt, l, d - l) * by);
}

/* queries from .. from+q-1; those from T on are no sample's */
static int forward_block(struct head *w, int64_t from, int64_t q)
{
    const struct job *j   = w->j;
    float            *sum = take(w, (size_t)q * sizeof *sum), *lse = lse_row(w, j->lse);
    const struct view s   = { (char *)w->s, w->n->pad, UM_F32 };
    struct view       acc = rows_from(w->o, from);

    if (j->copy || j->dt != UM_F32)
        acc = (struct view){ take(w, (size_t)(q * j->a->d) * sizeof(float)), j->a->d, UM_F32 };
    UM_TRY(multiply(w, QK, q, rows_from(w->q, from), w->kt, s));
    for (int64_t i = 0; i < q; i++) {
        const float max = exponentials(w, i, from + i, &sum[i]);

        if (from + i < w->T)
            lse[from + i] = max + logf(sum[i]);
    }
    UM_TRY(multiply(w, PV, q, w->p, w->v, acc));
    for (int64_t i = 0; i < q && from + i < w->T; i++)
        divide(w, acc, i, from + i, 1 / sum[i]);
    return UM_OK;
}

static int forward(void *arg, int64_t task, int worker)
{
    const struct job     *j     = arg;
    const struct um_attn *a     = j->a;
    const int64_t         parts = um_ceil_div(j->blocks, j->per), from = task % parts * j->per;
    struct head           w;
    bool                  any;

    UM_TRY(head_of(&w, j, task / parts, worker, &any));
    if (!any || from >= w.n->blocks)
        return UM_OK;
    w.q  = input(&w, a->q, a->ldq);
    w.kt = operand(&w, a->k, a->ldk, true, (struct view){ NULL, 0, UM_F32 });
    w.v  = operand(&w, a->v, a->ldv, false, (struct view){ NULL, 0, UM_F32 });
    w.o  = in_place(&w, j->o, a->ldo);
    for (int64_t i = from; i < um_min(w.n->blocks, from + j->per); i++) {
        char *const next = w.next;

        UM_TRY(forward_block(&w, i * w.n->block, um_min(w.n->block, w.n->T - i * w.n->block)));
        w.next = next;
    }
    return UM_OK;
}

int UM_CPU(attention_fwd)(struct um_dev *dev, void *o, float *lse, const struct um_attn *a)
{
    struct job j = { .o = o, .lse = lse };

    UM_TRY(um_check_attn("attention_fwd", a));
    if (a->T == 0)
        return UM_OK;
    UM_TRY(prepare(&j, dev, a, QK, PV + 1, 1, 4));
    return um_share(dev, a->B * a->A * um_ceil_div(j.blocks, j.per), forward, &j);
}

/* ---- backward ----------------------------------------------------------------------------------
 */

/* of query t, in row i: p becomes f p and ds what it says, from the scores and from do v^T */
static inline __attribute__((always_inline)) void gradients_as(const struct head *w, int64_t i,
                                                               int64_t t, float doo, bool drop)
{
    const int64_t     pad   = w->n->pad;
    const float       scale = w->j->scale, l = lse_row(w, (float *)(uintptr_t)w->j->log_sum)[t];
    const float      *s = w->s + i * pad, *g = w->g + i * pad;
    const struct view p = rows_from(w->p, i), ds = rows_from(w->ds, i);

    for (int64_t u = 0; u < pad; u += UM_VL) {
        const um_vf e = um_vexp(kept(w, s, u) * scale - l);
        um_vf       d = um_vloadf(g, u, UM_VL), f = e;
        um_vi       keep;

        if (drop) {
            const um_vf factor = um_vloadf(w->f, u, UM_VL);

            f = factor * e;
            d *= factor;
        }
        d = e * (d - doo) * scale;
        if (u >= w->whole) {
            memcpy(&keep, w->keep + u, sizeof keep);
            d = (um_vf)((um_vi)d & keep);
        }
        um_vstore(p.p, p.dt, u, UM_VL, f);
        um_vstore(ds.p, ds.dt, u, UM_VL, d);
    }
}

static void pair_gradients(const struct head *w, int64_t i, int64_t t, float doo)
{
    if (w->j->a->drop.p > 0) {
        factors(w, t);
        gradients_as(w, i, t, doo, true);
    } else {
        gradients_as(w, i, t, doo, false);
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

/* a row of zeros where there is no query: only samples of their own lengths have such */
static void no_query(const struct head *w, int64_t i)
{
    memset(rows_from(w->p, i).p, 0, (size_t)w->n->pad * um_dtype_size(w->p.dt));
    memset(rows_from(w->ds, i).p, 0, (size_t)w->n->pad * um_dtype_size(w->ds.dt));
}

/* the queries from .. from+q-1: their dq, and their share of dk and dv */
static int backward_block(struct head *w, int64_t from, int64_t q)
{
    const struct job *j     = w->j;
    const struct view s     = { (char *)w->s, w->n->pad, UM_F32 };
    const struct view g     = { (char *)w->g, w->n->pad, UM_F32 };
    struct view       query = rows_from(w->q, from), dout = rows_from(w->o, from);

    UM_TRY(multiply(w, QK, q, query, w->kt, s));
    UM_TRY(multiply(w, DOV, q, dout, w->vt, g));
    for (int64_t i = 0; i < q; i++)
        if (from + i < w->T)
            pair_gradients(w, i, from + i, dot(w, j->dout, j->out, j->a->ldo, from + i));
        else
            no_query(w, i);
    if (w->n->panels) {
        dout  = packed(w, dout, q, false, q, j->a->d);
        query = packed(w, query, q, false, q, j->a->d);
    }
    UM_TRY(multiply(w, PTDO, q, w->p, dout, w->dv));
    UM_TRY(multiply(w, DSTQ, q, w->ds, query, w->dk));
    return multiply(w, DSK, q, w->ds, w->k, rows_from(w->dq, from));
}

static struct view sum_of_blocks(struct head *w, void *y, int64_t ld)
{
    struct view v;

    if (w->n->blocks == 1)
        return output(w, y, ld);
    v = room(w, UM_F32);
    memset(v.p, 0, (size_t)(w->n->T * v.ld) * sizeof(float));
    return v;
}

static int backward(void *arg, int64_t task, int worker)
{
    const struct job     *j = arg;
    const struct um_attn *a = j->a;
    struct head           w;
    bool                  any;

    UM_TRY(head_of(&w, j, task, worker, &any));
    if (!any)
        return UM_OK;
    w.g  = take(&w, (size_t)(w.n->block * w.n->pad) * sizeof *w.g);
    w.ds = (struct view){ (char *)w.g, w.n->pad, UM_F32 };
    if (j->dt != UM_F32)
        w.ds = (struct view){ take(&w, (size_t)(w.n->block * w.n->pad) * 2), w.n->pad, j->dt };
    w.q  = input(&w, a->q, a->ldq);
    w.k  = operand(&w, a->k, a->ldk, false, (struct view){ NULL, 0, UM_F32 });
    w.kt = operand(&w, a->k, a->ldk, true, w.k);
    w.vt = operand(&w, a->v, a->ldv, true, (struct view){ NULL, 0, UM_F32 });
    w.o  = input(&w, j->dout, a->ldo);
    w.dq = output(&w, j->dq, a->ldq);
    w.dk = sum_of_blocks(&w, j->dk, a->ldk);
    w.dv = sum_of_blocks(&w, j->dv, a->ldv);
    for (int64_t from = 0; from < w.n->T; from += w.n->block) {
        char *const next = w.next;

        UM_TRY(backward_block(&w, from, um_min(w.n->block, w.n->T - from)));
        w.next = next;
    }
    put(&w, w.dq, j->dq, a->ldq);
    put(&w, w.dk, j->dk, a->ldk);
    put(&w, w.dv, j->dv, a->ldv);
    return UM_OK;
}

int UM_CPU(attention_bwd)(struct um_dev *dev, void *dq, void *dk, void *dv, const void *dout,
                          const void *o, const float *lse, const struct um_attn *a)
{
    struct job j = { .dq = dq, .dk = dk, .dv = dv, .out = o, .dout = dout, .log_sum = lse };

    UM_TRY(um_check_attn("attention_bwd", a));
    if (a->T == 0)
        return UM_OK;
    UM_TRY(prepare(&j, dev, a, QK, PRODUCTS, 2, 8));
    return um_share(dev, a->B * a->A, backward, &j);
}

/* ---- Eq. 1 -------------------------------------------------------------------------------------
 */

/* w[b,t,u] of one query: the heads in order */
static int mean(void *arg, int64_t task, int worker)
{
    const struct job     *j = arg;
    const struct um_attn *a = j->a;
    const int64_t         b = task / j->rows, t = task % j->rows;
    struct head           w;
    bool                  any;
    float                *sum;

    UM_TRY(head_of(&w, j, b * a->A, worker, &any));
    if (t >= w.T)
        return UM_OK;
    sum = w.f;
    memset(sum, 0, (size_t)w.n->pad * sizeof *sum);
    for (w.h = 0; w.h < a->A; w.h++) {
        const float   l  = lse_row(&w, (float *)(uintptr_t)j->log_sum)[t];
        const int64_t q0 = origin(&w, a->ldq) + t * a->ldq, k0 = origin(&w, a->ldk);

        for (int64_t u = 0; u < w.T; u++) {
            um_vf s = { 0 };

            for (int64_t i = 0; i < a->d; i += UM_VL)
                s += um_vload(a->q, a->dt, q0 + i, a->d - i) *
                     um_vload(a->k, a->dt, k0 + u * a->ldk + i, a->d - i);
            w.s[u] = um_vsum(s) * j->scale;
        }
        for (int64_t u = 0; u < w.n->pad; u += UM_VL)
            um_vstoref(sum, u, UM_VL, um_vloadf(sum, u, UM_VL) + um_vexp(kept(&w, w.s, u) - l));
    }
    for (int64_t u = 0; u < w.T; u++)
        j->w[task * a->T + u] += j->scale_out * sum[u];
    return UM_OK;
}

int UM_CPU(attention_mean)(struct um_dev *dev, float *w, const float *lse, const struct um_attn *a,
                           int64_t rows, float scale)
{
    struct job j = { .w = w, .log_sum = lse, .scale_out = scale, .rows = rows };

    UM_TRY(um_check_attn("attention_mean", a));
    UM_TRY(um_check_mean(a, rows));
    if (a->T == 0)
        return UM_OK;
    UM_TRY(prepare(&j, dev, a, 0, 0, 1, 0));
    return um_share(dev, a->B * rows, mean, &j);
}
