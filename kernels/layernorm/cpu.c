/* layernorm/cpu.c - a row at a time, in vectors
 *
 * The mean of the first pass is good to a few units in the last place of the row's offset; the
 * second pass sums the differences from it too, and their mean puts the rest right, so that an
 * offset of 1000 costs nothing.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/layernorm/layernorm.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_LAYERNORM_OPS)

struct job {
    enum um_dtype dtx, dty;
    void         *y; /* or dx */
    const void   *x, *dy;
    const float  *gamma, *beta, *m, *r;
    float        *mean, *rstd, *part;
    int64_t       n, c, rows;
    float         eps;
    bool          acc;
};

static void forward_row(const struct job *j, int64_t i)
{
    const int64_t c   = j->c;
    um_vf         sum = { 0 }, ss = { 0 };

    for (int64_t l = 0; l < c; l += UM_VL)
        sum += um_vload(j->x, j->dtx, i * c + l, c - l);
    const float m = um_vsum(sum) / (float)c;
    sum           = um_vset(0);
    for (int64_t l = 0; l < c; l += UM_VL) {
        const um_vf d = um_vfill(um_vload(j->x, j->dtx, i * c + l, c - l) - m, c - l, 0);

        sum += d;
        ss += d * d;
    }
    const float rest = um_vsum(sum) / (float)c;
    const float var  = um_vsum(ss) / (float)c - rest * rest;
    const float r    = 1 / sqrtf((var > 0 ? var : var < 0 ? 0 : var) + j->eps);
    for (int64_t l = 0; l < c; l += UM_VL) {
        const um_vf d = um_vload(j->x, j->dtx, i * c + l, c - l) - m - rest;

        um_vstore(j->y, j->dty, i * c + l, c - l,
                  d * r * um_vloadf(j->gamma, l, c - l) + um_vloadf(j->beta, l, c - l));
    }
    j->mean[i] = m + rest;
    j->rstd[i] = r;
}

static int forward(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;

    (void)worker;
    for (int64_t i = task * j->rows; i < um_min(j->n, (task + 1) * j->rows); i++)
        forward_row(j, i);
    return UM_OK;
}

int UM_CPU(layernorm_fwd)(struct um_dev *dev, void *y, enum um_dtype dty, float *mean, float *rstd,
                          const void *x, enum um_dtype dtx, const float *gamma, const float *beta,
                          int64_t n, int64_t c, float eps)
{
    struct job j = { .dtx   = dtx,
                     .dty   = dty,
                     .y     = y,
                     .x     = x,
                     .gamma = gamma,
                     .beta  = beta,
                     .mean  = mean,
                     .rstd  = rstd,
                     .n     = n,
                     .c     = c,
                     .eps   = eps };

    UM_TRY(um_check_act("layernorm_fwd", dtx, n, c));
    UM_TRY(um_check_act("layernorm_fwd", dty, n, c));
    j.rows = um_rows_per_task(c);
    return um_share(dev, um_ceil_div(n, j.rows), forward, &j);
}

/* dx of row i; the row's share of dgamma and dbeta is added to g and b */
static void backward_row(const struct job *j, int64_t i, float *g, float *b)
{
    const int64_t c = j->c;
    const float   m = j->m[i], r = j->r[i];
    um_vf         se = { 0 }, sx = { 0 };

    for (int64_t l = 0; l < c; l += UM_VL) {
        const int64_t k    = c - l;
        const um_vf   dy   = um_vload(j->dy, j->dty, i * c + l, k);
        const um_vf   xhat = (um_vload(j->x, j->dtx, i * c + l, k) - m) * r;
        const um_vf   e    = dy * um_vloadf(j->gamma, l, k);

        se += e;
        sx += e * xhat; /* e is 0 past the end */
        um_vstoref(g, l, k, um_vloadf(g, l, k) + dy * xhat);
        um_vstoref(b, l, k, um_vloadf(b, l, k) + dy);
    }
    const float e = um_vsum(se) / (float)c, ex = um_vsum(sx) / (float)c;
    for (int64_t l = 0; l < c; l += UM_VL) {
        const int64_t k    = c - l;
        const um_vf   dy   = um_vload(j->dy, j->dty, i * c + l, k);
        const um_vf   xhat = (um_vload(j->x, j->dtx, i * c + l, k) - m) * r;

        um_vf dx = (dy * um_vloadf(j->gamma, l, k) - e - xhat * ex) * r;

        if (j->acc)
            dx += um_vload(j->y, j->dtx, i * c + l, k);
        um_vstore(j->y, j->dtx, i * c + l, k, dx);
    }
}

static int backward(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;
    float            *g = j->part + task * 2 * j->c, *b = g + j->c;

    (void)worker;
    memset(g, 0, 2 * (size_t)j->c * sizeof *g);
    for (int64_t i = task * j->rows; i < um_min(j->n, (task + 1) * j->rows); i++)
        backward_row(j, i, g, b);
    return UM_OK;
}

int UM_CPU(layernorm_bwd)(struct um_dev *dev, void *dx, enum um_dtype dtx, bool acc, float *dgamma,
                          float *dbeta, const void *dy, enum um_dtype dty, const void *x,
                          const float *gamma, const float *mean, const float *rstd, int64_t n,
                          int64_t c)
{
    struct job j = { .dtx   = dtx,
                     .dty   = dty,
                     .y     = dx,
                     .dy    = dy,
                     .x     = x,
                     .gamma = gamma,
                     .m     = mean,
                     .r     = rstd,
                     .n     = n,
                     .c     = c,
                     .acc   = acc };
    void      *p;

    UM_TRY(um_check_act("layernorm_bwd", dtx, n, c));
    UM_TRY(um_check_act("layernorm_bwd", dty, n, c));
    j.rows              = um_rows_per_part(n);
    const int64_t parts = um_ceil_div(n, j.rows);
    UM_TRY(um_share_scratch(dev, (size_t)(parts * 2 * c) * sizeof *j.part, &p));
    j.part = p;
    UM_TRY(um_share(dev, parts, backward, &j));
    um_add_parts(dgamma, j.part, parts, 2 * c, c);
    um_add_parts(dbeta, j.part + c, parts, 2 * c, c);
    return UM_OK;
}
