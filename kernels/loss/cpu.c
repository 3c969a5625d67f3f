/* loss/cpu.c - cross entropy a row at a time; rows that are columns of a matrix are gathered first
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/loss/loss.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_LOSS_OPS)

struct job {
    struct um_dev *dev;
    const float   *x, *y;
    const int32_t *target;
    const float   *log_sum;
    float         *lse, *dx, g;
    int64_t        rs, cs, n, c, rows;
    double        *h; /* the loss of each row or span */
};

/* row i with its elements side by side */
static const float *gather(const struct job *j, int64_t i, float *space)
{
    const float *x = j->x + i * j->rs;

    if (j->cs == 1)
        return x;
    for (int64_t l = 0; l < j->c; l++)
        space[l] = x[l * j->cs];
    return space;
}

static double log_sum_exp(const float *x, int64_t c)
{
    um_vf most = um_vset(-INFINITY), sum = { 0 };

    for (int64_t l = 0; l < c; l += UM_VL)
        most = um_vmax(um_vfill(um_vloadf(x, l, c - l), c - l, -INFINITY), most);
    const float max = um_vmost(most);
    for (int64_t l = 0; l < c; l += UM_VL)
        sum += um_vexp(um_vfill(um_vloadf(x, l, c - l), c - l, -INFINITY) - max);
    return (double)max + log((double)um_vsum(sum));
}

static int rows_fwd(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;
    void             *space;

    UM_TRY(um_dev_scratch(j->dev, worker, (size_t)j->c * sizeof(float), &space));
    for (int64_t i = task * j->rows; i < um_min(j->n, (task + 1) * j->rows); i++) {
        const float *x = gather(j, i, space);
        const double l = log_sum_exp(x, j->c);

        j->lse[i] = (float)l;
        j->h[i]   = j->target[i] < 0 ? 0 : l - (double)x[j->target[i]];
    }
    return UM_OK;
}

static void add_loss(float *loss, const double *h, int64_t n, float scale)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += h[i];
    if (n > 0)
        *loss = (float)((double)*loss + (double)scale * sum);
}

int UM_CPU(xent_fwd)(struct um_dev *dev, float *loss, float *lse, const float *x, int64_t rs,
                     int64_t cs, const int32_t *target, int64_t n, int64_t c, float scale)
{
    struct job j = {
        .dev = dev, .x = x, .target = target, .lse = lse, .rs = rs, .cs = cs, .n = n, .c = c
    };
    void *p;

    UM_TRY(um_check_targets("xent_fwd", target, n, c));
    UM_TRY(um_share_scratch(dev, (size_t)n * sizeof *j.h, &p));
    j.h    = p;
    j.rows = um_rows_per_task(c);
    UM_TRY(um_share(dev, um_ceil_div(n, j.rows), rows_fwd, &j));
    add_loss(loss, j.h, n, scale);
    return UM_OK;
}

static int rows_bwd(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;
    void             *space;

    UM_TRY(um_dev_scratch(j->dev, worker, (size_t)j->c * sizeof(float), &space));
    for (int64_t i = task * j->rows; i < um_min(j->n, (task + 1) * j->rows); i++) {
        const float *x  = gather(j, i, space);
        float       *dx = j->cs == 1 ? j->dx + i * j->rs : space;
        const float  g  = j->target[i] < 0 ? 0 : j->g;

        for (int64_t l = 0; l < j->c; l += UM_VL) {
            const um_vf p = um_vexp(um_vloadf(x, l, j->c - l) - j->log_sum[i]);

            um_vstoref(dx, l, j->c - l, g * p);
        }
        if (j->target[i] < 0)
            memset(dx, 0, (size_t)j->c * sizeof *dx); /* 0, whatever the logits */
        else
            dx[j->target[i]] =
                g * (expf(j->x[i * j->rs + j->target[i] * j->cs] - j->log_sum[i]) - 1);
        for (int64_t l = 0; j->cs != 1 && l < j->c; l++)
            j->dx[i * j->rs + l * j->cs] = dx[l];
    }
    return UM_OK;
}

int UM_CPU(xent_bwd)(struct um_dev *dev, float *dx, const float *gloss, const float *x, int64_t rs,
                     int64_t cs, const float *lse, const int32_t *target, int64_t n, int64_t c,
                     float scale)
{
    struct job j = { .dev     = dev,
                     .x       = x,
                     .target  = target,
                     .log_sum = lse,
                     .dx      = dx,
                     .rs      = rs,
                     .cs      = cs,
                     .n       = n,
                     .c       = c,
                     .g       = *gloss * scale };

    UM_TRY(um_check_targets("xent_bwd", target, n, c));
    j.rows = um_rows_per_task(c);
    return um_share(dev, um_ceil_div(n, j.rows), rows_bwd, &j);
}

/* labels are few: one logarithm at a time, by libm */
static int bce(void *arg, int64_t task, int worker)
{
    const struct job *j    = arg;
    const int64_t     from = task * UM_SPAN, to = um_min(j->n, from + UM_SPAN);
    double            sum = 0;

    (void)worker;
    for (int64_t i = from; i < to; i++) {
        const double v = (double)j->x[i];

        if (!isnan(j->y[i]))
            sum += (v < 0 ? 0 : v) - v * (double)j->y[i] + log1p(exp(-fabs(v)));
    }
    j->h[task] = sum;
    return UM_OK;
}

int UM_CPU(bce_fwd)(struct um_dev *dev, float *loss, const float *x, const float *y, int64_t n,
                    float scale)
{
    struct job    j     = { .x = x, .y = y, .n = n };
    const int64_t parts = um_ceil_div(n, UM_SPAN);
    void         *p;

    UM_TRY(um_check_rows("bce_fwd", n, 1));
    UM_TRY(um_share_scratch(dev, (size_t)parts * sizeof *j.h, &p));
    j.h = p;
    UM_TRY(um_share(dev, parts, bce, &j));
    add_loss(loss, j.h, parts, scale);
    return UM_OK;
}

static int bce_slope(void *arg, int64_t task, int worker)
{
    const struct job *j    = arg;
    const int64_t     from = task * UM_SPAN, to = um_min(j->n, from + UM_SPAN);

    (void)worker;
    for (int64_t i = from; i < to; i += UM_VL) {
        const um_vf y      = um_vloadf(j->y, i, to - i);
        const um_vi number = (um_vi)um_vabs(y) <= 0x7f800000; /* not NaN */
        const um_vf s      = 1.0f / (um_vexp(-um_vloadf(j->x, i, to - i)) + 1.0f);

        um_vstoref(j->dx, i, to - i, (um_vf)((um_vi)((s - y) * j->g) & number));
    }
    return UM_OK;
}

int UM_CPU(bce_bwd)(struct um_dev *dev, float *dx, const float *gloss, const float *x,
                    const float *y, int64_t n, float scale)
{
    struct job j = { .x = x, .y = y, .dx = dx, .n = n, .g = *gloss * scale };

    UM_TRY(um_check_rows("bce_bwd", n, 1));
    return um_share(dev, um_ceil_div(n, UM_SPAN), bce_slope, &j);
}
