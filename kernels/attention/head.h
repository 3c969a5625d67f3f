/* attention/head.h - one head of one sample: where its arrays lie, its workspace and its products
 *
 * Only cpu.c includes it, once for each instruction set.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_ATTENTION_HEAD_H
#define UM_KERNELS_ATTENTION_HEAD_H

#include "kernels/attention/attention.h"
#include "kernels/linear/onednn.h"
#include "kernels/linear/panels.h"
#include "kernels/share.h"
#include "kernels/vec.h"

enum {
    SCORES = 65536, /* of one block: 256 KiB, a part of the second-level cache */
    STEP   = 16,    /* lengths are rounded up to multiples of it */
    TASKS  = 64     /* with so many heads a head is not cut into tasks */
};

/* the products of a block of n queries and T keys */
enum { QK, PV, DOV, PTDO, DSTQ, DSK, PRODUCTS };

/* what all samples of one length share */
struct length {
    int64_t             T, pad, block, blocks;
    struct um_dnn_plan *plan[PRODUCTS][2]; /* of whole blocks and of the last */
    bool                panels;            /* their second operands are packed by us */
};

struct job {
    struct um_dev        *dev;
    const struct um_attn *a;
    enum um_dtype         dt;               /* of the operands of products */
    bool                  copy;             /* operands are copied to the workspace */
    struct length         same;             /* without `start` */
    struct length        *each;             /* with it: of lengths STEP, 2 STEP .. */
    int64_t               blocks, per;      /* the most of a head; of a task that goes by blocks */
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
    int64_t              whole;      /* the keys before this one all count */
    char                *next;       /* the unused rest */
    int32_t             *keep;       /* [pad]: -1 for keys that count */
    float               *s, *g, *f;  /* scores and their gradients [block,pad], factors [pad] */
    struct view          p, ds;      /* what the products read of them: s and g, or rounded */
    struct view          q, k, v, o; /* o: the output, or its gradient */
    struct view          kt, vt;     /* second operands: packed k^T and v^T, or k and v */
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

/* rows of channels [rows,d], or with tb their transpose, as second operand of products over k
 * channels or rows: packed in panels, what there is not being 0 */
static struct view packed(struct head *w, struct view from, int64_t rows, bool tb, int64_t k,
                          int64_t n)
{
    const int64_t   d = w->j->a->d, cols = um_ceil_div(n, UM_PANEL) * UM_PANEL;
    struct um_panel x = { .b     = from.p,
                          .dt    = from.dt,
                          .tb    = tb,
                          .k     = tb ? d : rows,
                          .n     = tb ? rows : d,
                          .ldb   = from.ld,
                          .pairs = um_panel_pairs(k) };

    x.to = take(w, (size_t)(cols * x.pairs * 2) * sizeof *x.to);
    um_panel_pack(&x, (struct um_tile){ 0, cols, 0, x.pairs });
    return (struct view){ (char *)x.to, 0, UM_BF16 };
}

/* a whole input as second operand; `had`: what it is where nothing is packed, if it is known */
static struct view operand(struct head *w, const void *x, int64_t ld, bool tb, struct view had)
{
    const int64_t T = w->n->T, d = w->j->a->d;

    if (w->n->panels)
        return packed(w, in_place(w, x, ld), w->T, tb, tb ? d : T, tb ? T : d);
    return had.p ? had : input(w, x, ld);
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
    if (n->panels)
        s.packed = 1, s.tb = 0, s.ldb = 0;
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

/* the plan of product i/2, of whole blocks or the last one */
static int plan_product(struct job *j, struct length *n, int i)
{
    const int64_t       q = i % 2 ? n->T - (n->blocks - 1) * n->block : n->block;
    struct um_dnn_shape s = shape(j, n, i / 2, q);
    struct um_dnn_plan *p;

    UM_TRY(um_dnn_plan(j->dev, &s, &p));
    n->plan[i / 2][i % 2] = p;
    if (p && um_dnn_plan_scratch(p) > j->scratch)
        j->scratch = um_dnn_plan_scratch(p);
    return UM_OK;
}

/* all of them with packed operands, if oneDNN wants panels; or as they lie */
static int plan_length(struct job *j, struct length *n, int64_t T, int first, int last)
{
    n->T      = T;
    n->pad    = um_ceil_div(T, UM_VL) * UM_VL;
    n->block  = um_min(T, SCORES / (n->pad > 0 ? n->pad : 1) / STEP * STEP);
    n->block  = n->block < STEP ? um_min(T, STEP) : n->block;
    n->blocks = T > 0 ? um_ceil_div(T, n->block) : 0;
    if (UM_VL < 16 || T == 0)
        return UM_OK;
    n->panels = j->dt == UM_BF16;
    for (int i = 2 * first; i < 2 * last && n->panels; i++) {
        UM_TRY(plan_product(j, n, i));
        n->panels = n->plan[i / 2][i % 2] && um_dnn_plan_panels(n->plan[i / 2][i % 2]);
    }
    for (int i = 2 * first; i < 2 * last && !n->panels; i++) {
        UM_TRY(plan_product(j, n, i));
        if (!n->plan[i / 2][i % 2] && j->dt != UM_F32)
            return um_fail(UM_EUNSUPPORTED, "attention: oneDNN has no bfloat16 product for it");
    }
    return UM_OK;
}

/* bytes of the largest second operand, packed */
static size_t panel_bytes(int64_t T, int64_t d)
{
    return (size_t)(um_ceil_div(T, UM_PANEL) * UM_PANEL * um_ceil_div(d, UM_PANEL) * UM_PANEL) *
           sizeof(uint16_t);
}

/* sizes, plans of the products first .. last-1, workspace for so many arrays of scores and of
 * [T,d]: there are as many packed operands as arrays */
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
    j->per    = um_ceil_div(j->blocks, um_ceil_div(TASKS, um_max(a->B * a->A, 1)));
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
              (size_t)views * ((size_t)(T * a->d) * sizeof(float) + panel_bytes(T, a->d) + 128);
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
    w->whole = a->key_mask ? 0 : w->T / UM_VL * UM_VL;
    for (int64_t u = w->whole; u < w->n->pad; u++)
        w->keep[u] = u < w->T && (!a->key_mask || a->key_mask[w->b * a->T + u]) ? -1 : 0;
    return UM_OK;
}

#endif
