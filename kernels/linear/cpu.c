/* linear/cpu.c - products in blocks of rows of the result, each block one call of oneDNN
 *
 * The height of a block depends on the shape alone, and columns and k are never split: so the bits
 * do not depend on the number of threads.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/linear/linear.h"

#include "kernels/linear/onednn.h"
#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_LINEAR_OPS)

enum {
    TALL  = 160,    /* rows of a block that keep oneDNN near its peak */
    SHORT = 48,     /* fewer than these cost more packing than they save waiting */
    SMALL = 1 << 18 /* multiply-adds not worth waking a thread for */
};

struct product {
    struct um_dev          *dev;
    const struct um_matmul *p;
    int64_t                 rows, blocks;
    struct um_dnn_plan     *whole, *last; /* of full blocks and of the last one; NULL: by float */
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

/* rows x cols floats of x, whose rows lie ld apart */
static void widen(float *y, const void *x, enum um_dtype dt, int64_t rows, int64_t cols, int64_t ld)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j += UM_VL)
            um_vstoref(y, i * cols + j, um_min(cols - j, UM_VL),
                       um_vload(x, dt, i * ld + j, cols - j));
}

/* c = acc + bias + beta c, acc with rows lda apart; acc may be c if that is float */
static void finish(const struct um_matmul *p, void *c, int64_t m, const float *acc, int64_t lda,
                   bool add)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < p->n; j += UM_VL) {
            const int64_t k = p->n - j, at = i * p->ldc + j;
            um_vf         v = acc ? um_vloadf(acc, i * lda + j, k) : um_vset(0);

            if (p->bias)
                v += um_vloadf(p->bias, j, k);
            if (add)
                v += um_vload(c, p->dtc, at, k);
            um_vstore(c, p->dtc, at, k, v);
        }
}

/* the block by a float product: bfloat16 operands are widened first, and a bfloat16 result is
 * made from a float one, in the worker's workspace */
static int by_float(const struct product *w, const void *a, const void *b, void *c, int64_t m,
                    int worker)
{
    const struct um_matmul *p      = w->p;
    const bool              narrow = p->dt != UM_F32, direct = p->dtc == UM_F32;
    const int64_t           na = narrow ? m * p->k : 0, nb = narrow ? p->k * p->n : 0;
    void                   *scratch;

    struct um_dnn_gemm g = { .ta    = p->ta,
                             .tb    = p->tb,
                             .m     = m,
                             .n     = p->n,
                             .k     = p->k,
                             .alpha = 1,
                             .a     = a,
                             .lda   = p->lda,
                             .b     = b,
                             .ldb   = p->ldb,
                             .beta  = 0 };
    UM_TRY(um_dev_scratch(w->dev, worker,
                          (size_t)(na + nb + (direct ? 0 : m * p->n)) * sizeof(float), &scratch));
    if (narrow) {
        float *wide = scratch;

        g.a   = wide;
        g.lda = p->ta ? m : p->k;
        widen(wide, a, p->dt, p->ta ? p->k : m, g.lda, p->lda);
        wide += na;
        g.b   = wide;
        g.ldb = p->tb ? p->k : p->n;
        widen(wide, b, p->dt, p->tb ? p->n : p->k, g.ldb, p->ldb);
    }
    g.c    = direct ? c : (float *)scratch + na + nb;
    g.ldc  = direct ? p->ldc : p->n;
    g.beta = direct ? p->beta : 0;
    UM_TRY(um_dnn_gemm(&g));
    if (!direct || p->bias)
        finish(p, c, m, g.c, g.ldc, !direct && p->beta > 0);
    return UM_OK;
}

static int block(void *arg, int64_t task, int worker)
{
    const struct product     *w    = arg;
    const struct um_matmul   *p    = w->p;
    const int64_t             item = task / w->blocks, from = task % w->blocks * w->rows;
    const int64_t             m    = um_min(w->rows, p->m - from);
    const struct um_dnn_plan *plan = m == w->rows ? w->whole : w->last;
    const void *a = element(p->a, p->dt, item * p->sa + (p->ta ? from : from * p->lda));
    const void *b = element(p->b, p->dt, item * p->sb);
    void       *c = (char *)p->c + (item * p->sc + from * p->ldc) * (int64_t)um_dtype_size(p->dtc);
    void       *scratch;

    if (p->k == 0) {
        finish(p, c, m, NULL, 0, p->beta > 0);
        return UM_OK;
    }
    if (!plan)
        return by_float(w, a, b, c, m, worker);
    UM_TRY(um_dev_scratch(w->dev, worker, um_dnn_plan_scratch(plan), &scratch));
    return um_dnn_run(w->dev, plan, a, b, p->bias, c, scratch);
}

static int plan_block(struct product *w, int64_t m, struct um_dnn_plan **plan)
{
    const struct um_matmul   *p = w->p;
    const struct um_dnn_shape s = { .m    = m,
                                    .n    = p->n,
                                    .k    = p->k,
                                    .lda  = p->lda,
                                    .ldb  = p->ldb,
                                    .ldc  = p->ldc,
                                    .ta   = p->ta,
                                    .tb   = p->tb,
                                    .dtc  = (int32_t)p->dtc,
                                    .bias = p->bias != NULL,
                                    .beta = p->beta > 0 };

    return um_dnn_plan(w->dev, &s, plan);
}

int UM_CPU(matmul)(struct um_dev *dev, const struct um_matmul *p)
{
    struct product w = { .dev = dev, .p = p };

    UM_TRY(um_check_matmul(p));
    if (p->m == 0 || p->n == 0 || p->batch == 0)
        return UM_OK;
    w.rows   = block_rows(p);
    w.blocks = um_ceil_div(p->m, w.rows);
    if (p->dt == UM_BF16 && p->k > 0 && UM_VL == 16) { /* oneDNN has these for AVX-512 alone */
        const int64_t last = p->m - (w.blocks - 1) * w.rows;

        UM_TRY(plan_block(&w, w.rows, &w.whole));
        if (last != w.rows)
            UM_TRY(plan_block(&w, last, &w.last));
    }
    return um_share(dev, p->batch * w.blocks, block, &w);
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
