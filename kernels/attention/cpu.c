/* attention/cpu.c - a task is one head of one sample, forward one block of its queries
 *
 * Scores live in the worker's workspace, a block of queries by all keys, never for the whole batch.
 * Their rows are padded to whole vectors; what is padded or masked counts as a key left out.
 * Softmax is float; its results are rounded to the dtype of the activations for the products, which
 * accumulate in float. Forward, the exponentials are not divided by their sum: the output is.
 *
 * oneDNN's fast products want rows without gaps: a head's q, k and v are copied to the workspace,
 * with rows of zeros up to the next multiple of 16 (so few different products are planned for
 * samples of their own lengths). Where it has none but float ones, nothing is copied but what must
 * be widened.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/attention/attention.h"

#include "kernels/drop.h"
#include "kernels/linear/onednn.h"
#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_ATTENTION_OPS)

enum {
    SCORES = 65536, /* of one block: 256 KiB, a part of the second-level cache */
    STEP   = 16     /* lengths are rounded up to multiples of it */
};

/* the products of a block of n queries and T keys */
enum { QK, PV, DOV, PTDO, DSTQ, DSK, PRODUCTS };

/* what all samples of one length share */
struct length {
    int64_t             T, pad, block, blocks;
    struct um_dnn_plan *plan[PRODUCTS][2]; /* of whole blocks and of the last */
};

struct job {
    struct um_dev        *dev;
    const struct um_attn *a;
    enum um_dtype         dt;   /* of the operands of products */
    bool                  copy; /* operands are copied to the workspace */
    struct length         same; /* without `start` */
    struct length        *each; /* with it: of lengths STEP, 2 STEP .. */
    int64_t               blocks;
    float                 scale, scale_out; /* 1/sqrt(d); attention_mean's own */
    int64_t               rows;
    void                 *o, *dq, *dk, *dv;
    const void           *out, *dout;
    float                *lse, *w;
    const float          *log_sum;
    size_t                work, scratch; /* bytes of workspace of a task; of them oneDNN's */
};

/* [T,d] of one head: where it lies, or in the workspace */
struct view {
    char         *p;
    int64_t       ld;
    enum um_dtype dt;
};

/* one task's head and its part of the workspace */
struct head {
    const struct job    *j;
    const struct length *n;
    int                  worker;
    int64_t              b, h, T;    /* T: its own length */
    char                *next;       /* the unused rest */
    int32_t             *keep;       /* [pad]: -1 for keys that count */
    float               *s, *g, *f;  /* scores and their gradients [block,pad], factors [pad] */
    struct view          p, ds;      /* what the products read of them: s and g, or rounded */
    struct view          q, k, v, o; /* o: the output, or its gradient */
    struct view          dq, dk, dv;
    void                *scratch; /* oneDNN's */
};

static void *take(struct head *w, size_t bytes)
{
    void *p = w->next;

    w->next += (bytes + 63) & ~(size_t)63;
    return p;
}

/* where channel 0 of token 0 lies in an array with rows ld apart */
static int64_t origin(const struct head *w, int64_t ld)
{
    return um_attn_first(w->j->a, w->b) * ld + w->h * w->j->a->d;
}

static struct view rows_from(struct view v, int64_t t)
{
    return (struct view){ v.p + (size_t)(t * v.ld) * um_dtype_size(v.dt), v.ld, v.dt };
}

static struct view in_place(const struct head *w, const void *x, int64_t ld)
{
    const size_t at = (size_t)origin(w, ld) * um_dtype_size(w->j->a->dt);

    return (struct view){ (char *)(uintptr_t)x + at, ld, w->j->a->dt };
}

static struct view room(struct head *w, enum um_dtype dt)
{
    const int64_t d = w->j->a->d;

    return (struct view){ take(w, (size_t)(w->n->T * d) * um_dtype_size(dt)), d, dt };
}

static void copy_rows(struct view to, struct view from, int64_t t0, int64_t t1, int64_t d)
{
    for (int64_t t = t0; t < t1; t++)
        if (to.dt == from.dt)
            memcpy(rows_from(to, t).p, rows_from(from, t).p, (size_t)d * um_dtype_size(to.dt));
        else
            for (int64_t l = 0; l < d; l += UM_VL)
                um_vstore(to.p, to.dt, t * to.ld + l, d - l,
                          um_vload(from.p, from.dt, t * from.ld + l, d - l));
}

/* an input: in place, or copied, with zeros after the sample's end */
static struct view input(struct head *w, const void *x, int64_t ld)
{
    const struct view from = in_place(w, x, ld);
    struct view       v;

    if (!w->j->copy)
        return from;
    v = room(w, w->j->dt);
    copy_rows(v, from, 0, w->T, w->j->a->d);
    memset(rows_from(v, w->T).p, 0, (size_t)((w->n->T - w->T) * v.ld) * um_dtype_size(v.dt));
    return v;
}

/* an output: in place, or in the workspace, whence put() stores it */
static struct view output(struct head *w, void *y, int64_t ld)
{
    return w->j->copy ? room(w, w->j->dt) : in_place(w, y, ld);
}

static void put(const struct head *w, struct view v, void *y, int64_t ld)
{
    const struct view to = in_place(w, y, ld);

    if (v.p != to.p)
        copy_rows(to, v, 0, w->T, w->j->a->d);
}

/* ---- products ----------------------------------------------------------------------------------
 */

/* c [m,n] = op(a) op(b), or added to with `more`; dk and dv of several blocks are sums in float */
static struct um_dnn_shape shape(const struct job *j, const struct length *n, int which, int64_t q)
{
    const struct um_attn *a = j->a;
    const int64_t         T = n->T, d = a->d, pad = n->pad;
    const int64_t         ldq = j->copy ? d : a->ldq, ldk = j->copy ? d : a->ldk;
    const int64_t         ldv = j->copy ? d : a->ldv, ldo = j->copy ? d : a->ldo;
    const bool            many = n->blocks > 1;
    struct um_dnn_shape   s    = { .m = q, .n = d, .k = T, .lda = pad, .dt = (int32_t)j->dt };

    s.dtc = UM_F32;
    switch (which) {
    case QK: s.n = T, s.k = d, s.lda = ldq, s.ldb = ldk, s.ldc = pad, s.tb = 1; break;
    case PV:
        s.ldb = ldv, s.ldc = j->dt == UM_F32 ? ldo : d; /* see forward_block() */
        break;
    case DOV: s.n = T, s.k = d, s.lda = ldo, s.ldb = ldv, s.ldc = pad, s.tb = 1; break;
    case DSK: s.ldb = ldk, s.ldc = ldq, s.dtc = (int32_t)j->dt; break;
    default: /* PTDO, DSTQ */
        s.m = T, s.k = q, s.ta = 1, s.ldb = which == PTDO ? ldo : ldq;
        s.ldc  = many ? d : which == PTDO ? ldv : ldk;
        s.dtc  = many ? UM_F32 : (int32_t)j->dt;
        s.beta = many;
    }
    return s;
}

static int multiply(const struct head *w, int which, int64_t q, struct view a, struct view b,
                    struct view c)
{
    const struct um_dnn_plan *plan = w->n->plan[which][q != w->n->block];
    struct um_dnn_shape       s;

    if (plan)
        return um_dnn_run(w->j->dev, w->worker, plan, a.p, b.p, NULL, c.p, w->scratch);
    s = shape(w->j, w->n, which, q);
    return um_dnn_gemm(&(struct um_dnn_gemm){
        s.ta != 0, s.tb != 0, s.m, s.n, s.k, 1, (const float *)(void *)a.p, s.lda,
        (const float *)(void *)b.p, s.ldb, (float)s.beta, (float *)(void *)c.p, s.ldc });
}

static int plan_length(struct job *j, struct length *n, int64_t T, int first, int last)
{
    n->T      = T;
    n->pad    = um_ceil_div(T, UM_VL) * UM_VL;
    n->block  = um_min(T, SCORES / (n->pad > 0 ? n->pad : 1) / STEP * STEP);
    n->block  = n->block < STEP ? um_min(T, STEP) : n->block;
    n->blocks = T > 0 ? um_ceil_div(T, n->block) : 0;
    if (UM_VL < 16 || T == 0)
        return UM_OK;
    for (int i = 2 * first; i < 2 * last; i++) {
        const int64_t       q = i % 2 ? T - (n->blocks - 1) * n->block : n->block;
        struct um_dnn_plan *p;
        struct um_dnn_shape s = shape(j, n, i / 2, q);

        UM_TRY(um_dnn_plan(j->dev, &s, &p));
        if (!p && j->dt != UM_F32)
            return um_fail(UM_EUNSUPPORTED, "attention: oneDNN has no bfloat16 product for it");
        n->plan[i / 2][i % 2] = p;
        if (p && um_dnn_plan_scratch(p) > j->scratch)
            j->scratch = um_dnn_plan_scratch(p);
    }
    return UM_OK;
}

/* sizes, plans of the products first .. last-1, workspace for so many arrays of scores and of
 * [T,d] */
static int prepare(struct job *j, struct um_dev *dev, const struct um_attn *a, int first, int last,
                   int scores, int views)
{
    const int64_t lengths = um_ceil_div(a->T, STEP);
    const int64_t T       = UM_VL == 16 || a->start ? lengths * STEP : a->T;
    void         *p;

    j->dev   = dev;
    j->a     = a;
    j->dt    = UM_VL == 16 ? a->dt : UM_F32;
    j->copy  = UM_VL == 16 || j->dt != a->dt || a->start;
    j->scale = (float)(1 / sqrt((double)a->d));
    UM_TRY(plan_length(j, &j->same, T, first, last));
    j->blocks = j->same.blocks;
    if (a->start) {
        UM_TRY(um_share_scratch(dev, (size_t)(lengths + 1) * sizeof *j->each, &p));
        j->each = p;
        memset(j->each, 0, (size_t)(lengths + 1) * sizeof *j->each);
        for (int64_t b = 0; b < a->B; b++) {
            const int64_t i = um_ceil_div(um_attn_len(a, b), STEP);

            if (i > 0 && j->each[i].T == 0)
                UM_TRY(plan_length(j, &j->each[i], i * STEP, first, last));
            j->blocks = j->each[i].blocks > j->blocks ? j->each[i].blocks : j->blocks;
        }
    }
    /* scores in float and rounded, one row of sums, arrays of [T,d] */
    j->work = 1024 + j->scratch + 3 * (size_t)j->same.pad * sizeof(float) +
              (size_t)scores * (size_t)(SCORES + STEP * j->same.pad) * 6 +
              (size_t)views * ((size_t)(T * a->d) * sizeof(float) + 64);
    return UM_OK;
}

/* ---- one head ----------------------------------------------------------------------------------
 */

/* the head of a task, of `per` tasks a head; false: nothing to do */
static int head_of(struct head *w, const struct job *j, int64_t head, int worker, bool *any)
{
    const struct um_attn *a = j->a;
    void                 *p;
    size_t                s;

    UM_TRY(um_dev_scratch(j->dev, worker, j->work, &p));
    *w   = (struct head){ .j = j, .worker = worker, .b = head / a->A, .h = head % a->A, .next = p };
    w->T = um_attn_len(a, w->b);
    w->n = j->each ? &j->each[um_ceil_div(w->T, STEP)] : &j->same;
    *any = w->T > 0;
    s    = (size_t)(w->n->block * w->n->pad) * sizeof(float);
    w->scratch = take(w, j->scratch);
    w->keep    = take(w, (size_t)w->n->pad * sizeof *w->keep);
    w->f       = take(w, (size_t)w->n->pad * sizeof *w->f);
    w->s       = take(w, s);
    w->p       = (struct view){ (char *)w->s, w->n->pad, UM_F32 };
    if (j->dt != UM_F32)
        w->p = (struct view){ take(w, s / 2), w->n->pad, j->dt };
    for (int64_t u = 0; u < w->n->pad; u++)
        w->keep[u] = u < w->T && (!a->key_mask || a->key_mask[w->b * a->T + u]) ? -1 : 0;
    return UM_OK;
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
    UM_TRY(multiply(w, QK, q, rows_from(w->q, from), w->k, s));
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
    const struct job     *j    = arg;
    const struct um_attn *a    = j->a;
    const int64_t         part = task % j->blocks;
    struct head           w;
    bool                  any;

    UM_TRY(head_of(&w, j, task / j->blocks, worker, &any));
    if (!any || part >= w.n->blocks)
        return UM_OK;
    w.q = input(&w, a->q, a->ldq);
    w.k = input(&w, a->k, a->ldk);
    w.v = input(&w, a->v, a->ldv);
    w.o = in_place(&w, j->o, a->ldo);
    return forward_block(&w, part * w.n->block, um_min(w.n->block, w.n->T - part * w.n->block));
}

int UM_CPU(attention_fwd)(struct um_dev *dev, void *o, float *lse, const struct um_attn *a)
{
    struct job j = { .o = o, .lse = lse };

    UM_TRY(um_check_attn("attention_fwd", a));
    if (a->T == 0)
        return UM_OK;
    UM_TRY(prepare(&j, dev, a, QK, PV + 1, 1, 4));
    return um_share(dev, a->B * a->A * j.blocks, forward, &j);
}

/* ---- backward ----------------------------------------------------------------------------------
 */

/* of query t, in row i: p becomes f p and ds what it says, from the scores and from do v^T */
static void pair_gradients(const struct head *w, int64_t i, int64_t t, float doo)
{
    const int64_t     pad   = w->n->pad;
    const float       scale = w->j->scale, l = lse_row(w, (float *)(uintptr_t)w->j->log_sum)[t];
    const float      *s = w->s + i * pad, *g = w->g + i * pad;
    const struct view p = rows_from(w->p, i), ds = rows_from(w->ds, i);
    const bool        drop = w->j->a->drop.p > 0;

    if (drop)
        factors(w, t);
    for (int64_t u = 0; u < pad; u += UM_VL) {
        const um_vf f = drop ? um_vloadf(w->f, u, UM_VL) : um_vset(1);
        const um_vf e = um_vexp(kept(w, s, u) * scale - l);
        um_vi       keep;

        memcpy(&keep, w->keep + u, sizeof keep);
        const um_vf d = e * (f * um_vloadf(g, u, UM_VL) - doo) * scale;
        um_vstore(p.p, p.dt, u, UM_VL, f * e);
        um_vstore(ds.p, ds.dt, u, UM_VL, (um_vf)((um_vi)d & keep));
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
    const struct view query = rows_from(w->q, from), dout = rows_from(w->o, from);

    UM_TRY(multiply(w, QK, q, query, w->k, s));
    UM_TRY(multiply(w, DOV, q, dout, w->v, g));
    for (int64_t i = 0; i < q; i++)
        if (from + i < w->T)
            pair_gradients(w, i, from + i, dot(w, j->dout, j->out, j->a->ldo, from + i));
        else
            no_query(w, i);
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
    w.k  = input(&w, a->k, a->ldk);
    w.v  = input(&w, a->v, a->ldv);
    w.o  = input(&w, j->dout, a->ldo);
    w.dq = output(&w, j->dq, a->ldq);
    w.dk = sum_of_blocks(&w, j->dk, a->ldk);
    w.dv = sum_of_blocks(&w, j->dv, a->ldv);
    for (int64_t from = 0; from < w.n->T; from += w.n->block)
        UM_TRY(backward_block(&w, from, um_min(w.n->block, w.n->T - from)));
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
    UM_TRY(prepare(&j, dev, a, QK, PRODUCTS, 2, 7));
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
