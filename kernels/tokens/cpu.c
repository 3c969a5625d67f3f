/* tokens/cpu.c - a task is some rows, or for picking's backward a sample */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/tokens/tokens.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_TOKENS_OPS)

struct job {
    enum um_dtype  dt;
    void          *y; /* or dx */
    const void    *x; /* or dy */
    const int32_t *idx;
    const uint8_t *mask;
    const float   *v;
    float         *part;
    int64_t        n, T, c, all, rows; /* all: rows of y in all */
};

static char *row(const struct job *j, const void *p, int64_t i)
{
    return (char *)(uintptr_t)p + (size_t)(i * j->c) * um_dtype_size(j->dt);
}

static int pick(void *arg, int64_t task, int worker)
{
    const struct job *j     = arg;
    const size_t      bytes = (size_t)j->c * um_dtype_size(j->dt);

    (void)worker;
    for (int64_t i = task * j->rows; i < um_min(j->all, (task + 1) * j->rows); i++)
        memcpy(row(j, j->y, i), row(j, j->x, i / j->n * j->T + j->idx[i]), bytes);
    return UM_OK;
}

int UM_CPU(pick_fwd)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                     const int32_t *idx, int64_t B, int64_t n, int64_t T, int64_t c)
{
    struct job j = { .dt = dt, .y = y, .x = x, .idx = idx, .n = n, .T = T, .c = c, .all = B * n };

    UM_TRY(um_check_pick("pick_fwd", dt, idx, B, n, T, c));
    j.rows = um_rows_per_task(c);
    return um_share(dev, um_ceil_div(j.all, j.rows), pick, &j);
}

/* sums in float: a token may be picked more than once */
static int spread(void *arg, int64_t b, int worker)
{
    const struct job *j   = arg;
    float            *sum = j->part + worker * j->T * j->c;

    memset(sum, 0, (size_t)(j->T * j->c) * sizeof *sum);
    for (int64_t i = 0; i < j->n; i++)
        for (int64_t l = 0; l < j->c; l += UM_VL) {
            float *to = sum + j->idx[b * j->n + i] * j->c;

            um_vstoref(to, l, j->c - l,
                       um_vloadf(to, l, j->c - l) +
                           um_vload(j->x, j->dt, (b * j->n + i) * j->c + l, j->c - l));
        }
    for (int64_t l = 0; l < j->T * j->c; l += UM_VL)
        um_vstore(row(j, j->y, b * j->T), j->dt, l, j->T * j->c - l,
                  um_vloadf(sum, l, j->T * j->c - l));
    return UM_OK;
}

int UM_CPU(pick_bwd)(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy,
                     const int32_t *idx, int64_t B, int64_t n, int64_t T, int64_t c)
{
    struct job j = { .dt = dt, .y = dx, .x = dy, .idx = idx, .n = n, .T = T, .c = c };
    void      *p;

    UM_TRY(um_check_pick("pick_bwd", dt, idx, B, n, T, c));
    if (B == 0 || T == 0)
        return UM_OK;
    UM_TRY(um_share_scratch(dev, (size_t)(dev->workers * T * c) * sizeof(float), &p));
    j.part = p;
    return um_share(dev, B, spread, &j);
}

static int mask(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;

    (void)worker;
    for (int64_t i = task * j->rows; i < um_min(j->all, (task + 1) * j->rows); i++)
        if (!j->mask[i])
            memcpy(row(j, j->y, i), row(j, j->x, i), (size_t)j->c * um_dtype_size(j->dt));
        else
            for (int64_t l = 0; l < j->c; l += UM_VL)
                um_vstore(row(j, j->y, i), j->dt, l, j->c - l, um_vloadf(j->v, l, j->c - l));
    return UM_OK;
}

int UM_CPU(mask_fwd)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, const float *v,
                     const uint8_t *m, int64_t n, int64_t c)
{
    struct job j = { .dt = dt, .y = y, .x = x, .mask = m, .v = v, .c = c, .all = n };

    UM_TRY(um_check_act("mask_fwd", dt, n, c));
    j.rows = um_rows_per_task(c);
    return um_share(dev, um_ceil_div(n, j.rows), mask, &j);
}

static int unmask(void *arg, int64_t task, int worker)
{
    const struct job *j     = arg;
    const size_t      bytes = (size_t)j->c * um_dtype_size(j->dt);
    float            *sum   = j->part + task * j->c;

    (void)worker;
    memset(sum, 0, (size_t)j->c * sizeof *sum);
    for (int64_t i = task * j->rows; i < um_min(j->all, (task + 1) * j->rows); i++) {
        if (!j->mask[i]) {
            memcpy(row(j, j->y, i), row(j, j->x, i), bytes);
            continue;
        }
        for (int64_t l = 0; l < j->c; l += UM_VL)
            um_vstoref(sum, l, j->c - l,
                       um_vloadf(sum, l, j->c - l) + um_vload(j->x, j->dt, i * j->c + l, j->c - l));
        memset(row(j, j->y, i), 0, bytes);
    }
    return UM_OK;
}

int UM_CPU(mask_bwd)(struct um_dev *dev, enum um_dtype dt, void *dx, float *dv, const void *dy,
                     const uint8_t *m, int64_t n, int64_t c)
{
    struct job j = { .dt = dt, .y = dx, .x = dy, .mask = m, .c = c, .all = n };
    void      *p;

    UM_TRY(um_check_act("mask_bwd", dt, n, c));
    j.rows              = um_rows_per_part(n);
    const int64_t parts = um_ceil_div(n, j.rows);
    UM_TRY(um_share_scratch(dev, (size_t)(parts * c) * sizeof *j.part, &p));
    j.part = p;
    UM_TRY(um_share(dev, parts, unmask, &j));
    um_add_parts(dv, j.part, parts, c, c);
    return UM_OK;
}
