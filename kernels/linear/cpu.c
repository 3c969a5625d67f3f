/* linear/cpu.c - products in blocks of the result, each one call of oneDNN, finished while hot
 *
 * A task is a block of rows by some chunks of columns; its shape depends on that of the product
 * alone, and k is never split: so the bits do not depend on the number of threads. Where many
 * blocks of rows read the same B, it is packed first, chunk by chunk, into the layout oneDNN likes
 * best (rounded to bfloat16 on the way if it is float), which the blocks then share.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/linear/linear.h"

#include "kernels/drop.h"
#include "kernels/linear/onednn.h"
#include "kernels/linear/panels.h"
#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_LINEAR_OPS)

enum {
    TALL  = 160,     /* rows of a block that keep oneDNN near its peak */
    SHORT = 48,      /* fewer than these cost more packing than they save waiting */
    SMALL = 1 << 18, /* multiply-adds not worth waking a thread for */
    WIDE  = 384,     /* columns of a chunk of packed B */
    PIECE = 64,      /* pairs of rows of a task that packs .. */
    SHEET = 512,     /* .. by columns */
    GROUP = 4,       /* chunks of a task, so that a block of A is read or rounded for several */
    REUSE = 512,     /* rows from which packing B pays where nothing else asks for it .. */
    WORTH = 1 << 15  /* .. and elements of B */
};

/* op(B) [k,n] in chunks of columns */
struct chunks {
    int64_t             n, cols, count;
    size_t              bytes;   /* packed, of a whole chunk, a multiple of 64 */
    struct um_dnn_plan *pack[2]; /* whole, last */
    bool                panels;  /* in panels, which we pack ourselves */
};

struct product {
    struct um_dev          *dev;
    const struct um_matmul *p;
    int64_t                 rows, blocks, groups;
    struct chunks           b;
    const char             *packed; /* NULL: B is read where it lies, one chunk of all columns */
    struct um_dnn_plan     *plan[2][2]; /* of whole and last blocks by whole and last chunks */
    size_t                  room;       /* bytes of workspace of a task */
    bool                    planned;    /* false: by float products */
    bool                    direct;     /* oneDNN writes C itself, which has no gaps */
};

static int64_t block_rows(const struct um_matmul *p)
{
    int64_t blocks = um_ceil_div(p->m, TALL);

    if ((double)p->m * (double)p->n * (double)p->k > SMALL && p->m >= 2 * SHORT)
        blocks += blocks % 2; /* an even number, for two, four .. threads */
    return um_min(p->m, um_ceil_div(um_ceil_div(p->m, blocks), 8) * 8);
}

static const void *element(const void *p, enum um_dtype dt, int64_t i)
{
    return (const char *)p + i * (int64_t)um_dtype_size(dt);
}

/* rows x cols of an operand, dense in dtype dty, from rows that lie ld apart; what is stored as
 * float is rounded to dt first */
static void convert(void *y, enum um_dtype dty, const struct um_matmul *p, const void *x,
                    bool is_float, const int64_t size[2], int64_t ld)
{
    for (int64_t i = 0; i < size[0]; i++)
        for (int64_t j = 0; j < size[1]; j += UM_VL) {
            um_vf v = um_vload(x, is_float ? UM_F32 : p->dt, i * ld + j, size[1] - j);

            if (is_float && p->dt != UM_F32)
                v = um_vbf16(um_vbf16_of(v));
            um_vstore(y, dty, i * size[1] + j, size[1] - j, v);
        }
}

/* y [cols,rows], dense = x [rows,cols]^T, rows of x ld apart; rounded where the dtypes differ */
static void transpose(void *y, enum um_dtype dty, const void *x, enum um_dtype dtx, int64_t rows,
                      int64_t cols, int64_t ld)
{
    if (dty == UM_F32)
        um_transpose_float(y, x, rows, cols, ld);
    else
        um_transpose_half(y, x, dtx, rows, cols, ld);
}

/* ---- what is done to a block of the product before it is C -------------------------------------
 */

/* which parts of um_matmul's formula there are: constants where finish_as() is made into code */
struct form {
    enum um_dtype dtc;
    bool          bias, pre, gelu, drop, res, add, whole; /* whole: columns are whole vectors */
};

/* a block of C: rows of n columns, its first element number `at` of C and `drop` of dropout's */
struct area {
    int64_t      m, n, at, drop, j0;
    const float *acc; /* [m,n]; NULL: the product is 0 */
};

static inline __attribute__((always_inline)) void
finish_as(const struct um_matmul *p, const struct area *b, const struct form f)
{
    float factor[UM_DROP_RUN];

    for (int64_t i = 0; i < b->m; i++)
        for (int64_t j = 0; j < b->n; j += UM_VL) {
            const int64_t k = f.whole ? UM_VL : b->n - j, at = b->at + i * p->ldc + j;
            um_vf         v = b->acc ? um_vloadf(b->acc, i * b->n + j, k) : um_vset(0);

            if (f.bias)
                v += um_vloadf(p->bias, b->j0 + j, k);
            if (f.pre)
                um_vstore(p->pre, f.dtc, at, k, v);
            if (f.gelu)
                v = um_vgelu(v, f.dtc);
            if (f.drop) {
                um_drop_factors(p->drop, b->drop + i * p->n + j, um_min(k, UM_VL), factor);
                v *= um_vloadf(factor, 0, k);
            }
            if (f.res)
                v += um_vload(p->res, f.dtc, at, k);
            if (f.add)
                v += um_vload(p->c, f.dtc, at, k);
            um_vstore(p->c, f.dtc, at, k, v);
        }
}

/* rows from .. from+m-1, columns j0 .. j0+n-1 of item's C; the forms of the networks' layers have
 * code of their own */
static void finish(const struct um_matmul *p, int64_t item, int64_t from, int64_t m, int64_t j0,
                   int64_t n, const float *acc)
{
    const struct area b   = { .m    = m,
                              .n    = n,
                              .at   = item * p->sc + from * p->ldc + j0,
                              .drop = (item * p->m + from) * p->n + j0,
                              .j0   = j0,
                              .acc  = acc };
    const struct form f   = { .dtc   = p->dtc,
                              .bias  = p->bias != NULL,
                              .pre   = p->pre != NULL,
                              .gelu  = p->act == UM_ACT_GELU,
                              .drop  = p->drop.p > 0,
                              .res   = p->res != NULL,
                              .add   = p->beta > 0,
                              .whole = n % UM_VL == 0 };
    const bool        odd = !f.whole || !acc || f.drop;

#define FORM(t, pre_, gelu_, res_, add_, bias_)                                                    \
    if (!odd && f.dtc == (t) && f.pre == (pre_) && f.gelu == (gelu_) && f.res == (res_) &&         \
        f.add == (add_) && f.bias == (bias_)) {                                                    \
        finish_as(p, &b, (struct form){ t, bias_, pre_, gelu_, false, res_, add_, true });         \
        return;                                                                                    \
    }
    FORM(UM_BF16, false, false, false, false, true)  /* qkv */
    FORM(UM_F32, false, false, false, false, true)   /* .. */
    FORM(UM_BF16, true, true, false, false, true)    /* fc1 */
    FORM(UM_F32, true, true, false, false, true)     /* .. */
    FORM(UM_BF16, false, true, false, false, true)   /* without a tape */
    FORM(UM_F32, false, true, false, false, true)    /* .. */
    FORM(UM_F32, false, false, true, false, true)    /* proj and fc2 */
    FORM(UM_BF16, false, false, false, false, false) /* dx */
    FORM(UM_F32, false, false, false, false, false)  /* .. */
    FORM(UM_F32, false, false, false, true, false)   /* dw; dx in the residual stream */
#undef FORM
    finish_as(p, &b, f);
}

/* ---- blocks ------------------------------------------------------------------------------------
 */

/* a task's workspace, cut into pieces */
struct room {
    char *next;
};

static void *take(struct room *r, size_t bytes)
{
    void *p = r->next;

    r->next += (bytes + 63) & ~(size_t)63;
    return p;
}

/* A as it was stored, or rounded in the workspace: [m,k], or with ta [k,m] */
static const void *block_a(const struct product *w, int64_t item, int64_t from, int64_t m,
                           enum um_dtype dt, struct room *r, int64_t *lda)
{
    const struct um_matmul *p       = w->p;
    const int64_t           at      = item * p->sa + (p->ta ? from : from * p->lda);
    const void             *a       = element(p->a, p->fa ? UM_F32 : p->dt, at);
    const int64_t           size[2] = { p->ta ? p->k : m, p->ta ? m : p->k };
    void                   *copy;

    *lda = p->lda;
    if (p->dt == dt && (!p->fa || dt == UM_F32))
        return a;
    copy = take(r, (size_t)(m * p->k) * um_dtype_size(dt));
    convert(copy, dt, p, a, p->fa, size, p->lda);
    *lda = size[1];
    return copy;
}

/* A as oneDNN's fast product wants it: op(A)'s rows without gaps, of the product's dtype */
static const void *dense_a(const struct product *w, int64_t item, int64_t from, int64_t m,
                           struct room *r)
{
    const struct um_matmul *p  = w->p;
    const enum um_dtype     dt = p->fa ? UM_F32 : p->dt;
    const int64_t           at = item * p->sa + (p->ta ? from : from * p->lda);
    const void             *a  = element(p->a, dt, at);
    void                   *copy;

    if (!p->ta && p->lda == p->k && dt == p->dt)
        return a;
    copy = take(r, (size_t)(m * p->k) * um_dtype_size(p->dt));
    if (p->ta)
        transpose(copy, p->dt, a, dt, p->k, m, p->lda);
    else
        convert(copy, p->dt, p, a, p->fa, (int64_t[]){ m, p->k }, p->lda);
    return copy;
}

/* the block by a float product: operands that are not float are widened first */
static int by_float(const struct product *w, int64_t item, int64_t from, int64_t m, struct room *r)
{
    const struct um_matmul *p       = w->p;
    const void             *b       = element(p->b, p->fb ? UM_F32 : p->dt, item * p->sb);
    const int64_t           size[2] = { p->tb ? p->n : p->k, p->tb ? p->k : p->n };
    float                  *acc     = take(r, (size_t)(m * p->n) * sizeof *acc);
    int64_t                 lda;
    const float            *a   = block_a(w, item, from, m, UM_F32, r, &lda);
    int64_t                 ldb = p->ldb;

    if (p->dt != UM_F32) {
        float *wide = take(r, (size_t)(p->k * p->n) * sizeof *wide);

        convert(wide, UM_F32, p, b, p->fb, size, p->ldb);
        b   = wide;
        ldb = size[1];
    }
    UM_TRY(um_dnn_gemm(
        &(struct um_dnn_gemm){ p->ta, p->tb, m, p->n, p->k, 1, a, lda, b, ldb, 0, acc, p->n }));
    finish(p, item, from, m, 0, p->n, acc);
    return UM_OK;
}

/* chunk c of the block by its plan */
static int by_plan(const struct product *w, int64_t item, int64_t from, int64_t m, int64_t c,
                   const void *a, struct room r, int worker)
{
    const struct um_matmul   *p  = w->p;
    const int64_t             j0 = c * w->b.cols, n = um_min(w->b.cols, p->n - j0);
    const struct um_dnn_plan *plan    = w->plan[m != w->rows][n != w->b.cols];
    const size_t              es      = um_dtype_size(p->dtc);
    const void               *b       = w->packed ? w->packed + (size_t)c * w->b.bytes
                                                  : (const char *)element(p->b, p->dt, item * p->sb);
    const float              *bias    = p->bias ? p->bias + j0 : NULL;
    void                     *scratch = take(&r, um_dnn_plan_scratch(plan));
    char                     *dst = (char *)p->c + (size_t)(item * p->sc + from * p->ldc + j0) * es;
    float                    *acc;

    if (w->direct)
        return um_dnn_run(w->dev, worker, plan, a, b, bias, dst, scratch);
    acc = take(&r, (size_t)(m * n) * sizeof *acc);
    UM_TRY(um_dnn_run(w->dev, worker, plan, a, b, NULL, acc, scratch));
    finish(p, item, from, m, j0, n, acc);
    return UM_OK;
}

static int block(void *arg, int64_t task, int worker)
{
    const struct product   *w    = arg;
    const struct um_matmul *p    = w->p;
    const int64_t           item = task / w->groups / w->blocks, group = task % w->groups;
    const int64_t           from = task / w->groups % w->blocks * w->rows;
    const int64_t           m    = um_min(w->rows, p->m - from);
    const int64_t           last = um_min(w->b.count, (group + 1) * GROUP);
    struct room             r;
    const void             *a;
    void                   *room;

    if (p->k == 0) {
        finish(p, item, from, m, 0, p->n, NULL);
        return UM_OK;
    }
    UM_TRY(um_dev_scratch(w->dev, worker, w->room, &room));
    r.next = room;
    if (!w->planned)
        return by_float(w, item, from, m, &r);
    a = dense_a(w, item, from, m, &r);
    for (int64_t c = group * GROUP; c < last; c++)
        UM_TRY(by_plan(w, item, from, m, c, a, r, worker));
    return UM_OK;
}

/* ---- plans -------------------------------------------------------------------------------------
 */

/* how op(B) [k,n] is cut, and how a chunk is packed; count 0: not in this process */
static int cut(struct um_dev *dev, const struct um_weight *w, bool is_float, struct chunks *b)
{
    struct um_dnn_shape s = { .k    = w->k,
                              .ldb  = w->ldb,
                              .dt   = (int32_t)(is_float ? UM_F32 : w->dt),
                              .dtc  = (int32_t)w->dt,
                              .tb   = w->tb,
                              .pack = 1 };
    int64_t             chunks;

    *b = (struct chunks){ .n = w->n };
    if (UM_VL < 16 || w->n < 1 || w->k < 1)
        return UM_OK; /* only for AVX-512 has oneDNN a layout of its own */
    chunks  = um_ceil_div(w->n, WIDE);
    b->cols = um_ceil_div(um_ceil_div(w->n, chunks), 64) * 64;
    b->cols = um_min(b->cols, w->n);
    chunks  = um_ceil_div(w->n, b->cols);
    s.n     = b->cols;
    UM_TRY(um_dnn_plan(dev, &s, &b->pack[0]));
    s.n = w->n - (chunks - 1) * b->cols;
    UM_TRY(um_dnn_plan(dev, &s, &b->pack[1]));
    if (!b->pack[0] || !b->pack[1])
        return UM_OK;
    b->bytes = (um_dnn_plan_packed(b->pack[0]) + 63) & ~(size_t)63;
    b->count = chunks;
    b->panels =
        w->dt == UM_BF16 && um_dnn_plan_panels(b->pack[0]) && um_dnn_plan_panels(b->pack[1]);
    return UM_OK;
}

struct packing {
    struct um_dev       *dev;
    const struct chunks *b;
    const void          *from;
    enum um_dtype        dt; /* of `from` */
    bool                 tb;
    int64_t              k, ldb;
    char                *to;
};

static int pack_chunk(void *arg, int64_t c, int worker)
{
    const struct packing *k  = arg;
    const int64_t         at = c * k->b->cols * (k->tb ? k->ldb : 1);

    return um_dnn_run(k->dev, worker, k->b->pack[c == k->b->count - 1], NULL,
                      element(k->from, k->dt, at), NULL, k->to + (size_t)c * k->b->bytes, NULL);
}

/* a task: PIECE pairs by SHEET columns, so that rows of B are read by the page */
static int pack_piece(void *arg, int64_t task, int worker)
{
    const struct um_panel *x      = arg;
    const int64_t          pieces = um_ceil_div(x->pairs, PIECE);
    const int64_t          n = task / pieces * SHEET, p = task % pieces * PIECE;
    const int64_t          end = um_ceil_div(x->n, UM_PANEL) * UM_PANEL;

    (void)worker;
    um_panel_pack(x, (struct um_tile){ n, um_min(end, n + SHEET), p, um_min(x->pairs, p + PIECE) });
    return UM_OK;
}

static int pack_all(const struct packing *k)
{
    struct packing  own = *k;
    struct um_panel x   = { .b     = k->from,
                            .dt    = k->dt,
                            .tb    = k->tb,
                            .k     = k->k,
                            .n     = k->b->n,
                            .ldb   = k->ldb,
                            .pairs = um_panel_pairs(k->k),
                            .to    = (uint16_t *)(void *)k->to };

    if (!k->b->panels)
        return um_share(k->dev, k->b->count, pack_chunk, &own);
    return um_share(k->dev, um_ceil_div(x.n, SHEET) * um_ceil_div(x.pairs, PIECE), pack_piece, &x);
}

int UM_CPU(pack)(struct um_dev *dev, void *dst, size_t *bytes, const struct um_weight *w)
{
    struct chunks b;

    UM_TRY(um_check_pack(w));
    UM_TRY(cut(dev, w, true, &b));
    if (b.count == 0)
        return um_ref_pack(dev, dst, bytes, w);
    *bytes = (size_t)b.count * b.bytes;
    if (!dst)
        return UM_OK;
    return pack_all(&(struct packing){ dev, &b, w->b, UM_F32, w->tb, w->k, w->ldb, dst });
}

static int plan_block(const struct product *w, int64_t m, int64_t n, struct um_dnn_plan **plan)
{
    const struct um_matmul *p = w->p;
    struct um_dnn_shape     s = { .m      = m,
                                  .n      = n,
                                  .k      = p->k,
                                  .lda    = p->k,
                                  .ldb    = p->ldb,
                                  .ldc    = p->ldc,
                                  .dt     = (int32_t)p->dt,
                                  .dtc    = (int32_t)p->dtc,
                                  .tb     = p->tb,
                                  .bias   = p->bias != NULL,
                                  .beta   = p->beta > 0,
                                  .packed = w->packed != NULL };

    if (w->packed) {
        s.tb  = 0;
        s.ldb = 0;
    }
    if (!w->direct) {
        s.ldc  = n;
        s.dtc  = UM_F32;
        s.bias = s.beta = 0;
    }
    return um_dnn_plan(w->dev, &s, plan);
}

static int plan_blocks(struct product *w)
{
    const struct um_matmul *p    = w->p;
    const int64_t           m[2] = { w->rows, p->m - (w->blocks - 1) * w->rows };
    const int64_t           n[2] = { w->b.cols, p->n - (w->b.count - 1) * w->b.cols };
    size_t                  most = 0;

    w->planned = true;
    for (int i = 0; i < 4; i++) {
        struct um_dnn_plan **plan = &w->plan[i / 2][i % 2];

        UM_TRY(plan_block(w, m[i / 2], n[i % 2], plan));
        w->planned = w->planned && *plan;
        if (*plan && um_dnn_plan_scratch(*plan) > most)
            most = um_dnn_plan_scratch(*plan);
    }
    w->room = most + 64 + (size_t)(w->rows * w->b.cols) * sizeof(float) + 64 +
              (size_t)(w->rows * p->k) * um_dtype_size(p->dt) + 64;
    return UM_OK;
}

/* B packed: by the caller, or here when it is worth it or must be rounded anyhow */
static int pack_b(struct product *w)
{
    const struct um_matmul *p   = w->p;
    const bool              fit = p->batch == 1 || p->sb == 0, round = p->fb && p->dt != UM_F32;
    const bool              pay = fit && p->m * p->batch >= REUSE && p->n * p->k > WORTH;
    const struct um_weight  b   = { .dt = p->dt, .tb = p->tb, .n = p->n, .k = p->k, .ldb = p->ldb };
    void                   *to;

    if (!p->packed && !(round && fit) && !pay)
        return UM_OK;
    UM_TRY(cut(w->dev, &b, p->packed || round, &w->b));
    if (w->b.count == 0)
        return UM_OK;
    w->packed = p->b;
    if (p->packed)
        return UM_OK;
    UM_TRY(um_share_scratch(w->dev, (size_t)w->b.count * w->b.bytes, &to));
    w->packed = to;
    return pack_all(
        &(struct packing){ w->dev, &w->b, p->b, round ? UM_F32 : p->dt, p->tb, p->k, p->ldb, to });
}

/* does oneDNN write C itself? */
static bool plain(const struct um_matmul *p)
{
    return !p->pre && !p->res && p->act == UM_ACT_NONE && !(p->drop.p > 0);
}

int UM_CPU(matmul)(struct um_dev *dev, const struct um_matmul *p)
{
    struct product   w = { .dev = dev, .p = p };
    struct um_matmul q;

    UM_TRY(um_check_matmul(p));
    if (p->m == 0 || p->n == 0 || p->batch == 0)
        return UM_OK;
    w.rows   = block_rows(p);
    w.blocks = um_ceil_div(p->m, w.rows);
    if (UM_VL == 16 && p->k > 0) {
        UM_TRY(pack_b(&w));
        if (!w.packed)
            w.b = (struct chunks){ .n = p->n, .cols = p->n, .count = 1 };
        w.direct = plain(p) && p->ldc == w.b.cols;
        if (w.packed || !p->fb || p->dt == UM_F32)
            UM_TRY(plan_blocks(&w));
    }
    if (p->packed && w.packed && !w.planned)
        return um_fail(UM_EUNSUPPORTED, "matmul: no product with the packed [%lld,%lld]",
                       (long long)p->k, (long long)p->n);
    if (!w.planned) {
        q        = um_plain_packed(p);
        w.p      = &q;
        w.packed = NULL;
        w.b      = (struct chunks){ .n = p->n, .cols = p->n, .count = 1 };
        w.room   = sizeof(float) * (size_t)(w.rows * p->n + 16 + w.rows * p->k + 16 +
                                          (p->dt == UM_F32 ? 0 : p->k * p->n + 16));
    }
    w.groups = um_ceil_div(w.b.count, GROUP);
    return um_share(dev, p->batch * w.blocks * w.groups, block, &w);
}

struct column_sums {
    enum um_dtype dt;
    const void   *x;
    int64_t       n, c, ld, rows;
    float        *part;
};

static int column_sums(void *arg, int64_t task, int worker)
{
    const struct column_sums *s   = arg;
    float                    *sum = s->part + task * s->c;

    (void)worker;
    memset(sum, 0, (size_t)s->c * sizeof *sum);
    for (int64_t i = task * s->rows; i < um_min(s->n, (task + 1) * s->rows); i++)
        for (int64_t j = 0; j < s->c; j += UM_VL)
            um_vstoref(sum, j, s->c - j,
                       um_vloadf(sum, j, s->c - j) +
                           um_vload(s->x, s->dt, i * s->ld + j, s->c - j));
    return UM_OK;
}

int UM_CPU(bias_bwd)(struct um_dev *dev, enum um_dtype dt, float *db, const void *dy, int64_t n,
                     int64_t c, int64_t ld)
{
    struct column_sums s     = { dt, dy, n, c, ld, um_rows_per_part(n), NULL };
    const int64_t      parts = um_ceil_div(n, s.rows);
    void              *p;

    UM_TRY(um_check_act("bias_bwd", dt, n, ld));
    UM_TRY(um_check_rows("bias_bwd", n, c));
    UM_TRY(um_share_scratch(dev, (size_t)(parts * c) * sizeof(float), &p));
    s.part = p;
    UM_TRY(um_share(dev, parts, column_sums, &s));
    um_add_parts(db, s.part, parts, c, c);
    return UM_OK;
}
