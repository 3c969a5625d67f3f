/* loss/cpu.c - cross entropy a row at a time; rows that are columns of a matrix are gathered first
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/loss/loss.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_LOSS_OPS)

struct job {
    struct um_dev *dev;
    const float   *x, *y, *q;
    const int32_t *target;
    const float   *log_sum;
    float         *lse, *dx, g;
    int64_t        rs, cs, n, c, rows;
    double        *h; /* the loss of each row or span */
};

/* row i of a with its elements side by side */
static const float *gather(const struct job *j, const float *a, int64_t i, float *space)
{
    a += i * j->rs;
    if (j->cs == 1)
        return a;
    for (int64_t l = 0; l < j->c; l++)
        space[l] = a[l * j->cs];
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
        const float *x = gather(j, j->x, i, space);
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
        const float *x  = gather(j, j->x, i, space);
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

/* ---- against given distributions ---- */

static int soft_fwd(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;
    void             *space;

    UM_TRY(um_dev_scratch(j->dev, worker, 2 * (size_t)j->c * sizeof(float), &space));
    for (int64_t i = task * j->rows; i < um_min(j->n, (task + 1) * j->rows); i++) {
        const float *x = gather(j, j->x, i, space), *q = gather(j, j->q, i, (float *)space + j->c);
        const double l   = log_sum_exp(x, j->c);
        const float  lf  = (float)l;
        um_vf        sum = { 0 }, all = { 0 };

        for (int64_t m = 0; m < j->c; m += UM_VL) {
            const um_vf v = um_vloadf(q, m, j->c - m);

            all += v;
            sum += um_vselect(v != 0.0f, v * (lf - um_vloadf(x, m, j->c - m)), (um_vf){ 0 });
        }
        j->lse[i] = lf;
        j->h[i]   = (double)um_vsum(sum) + (double)um_vsum(all) * (l - (double)lf);
    }
    return UM_OK;
}

int UM_CPU(xent_soft_fwd)(struct um_dev *dev, float *loss, float *lse, const float *x,
                          const float *q, int64_t rs, int64_t cs, int64_t n, int64_t c, float scale)
{
    struct job j = { .dev = dev, .x = x, .q = q, .lse = lse, .rs = rs, .cs = cs, .n = n, .c = c };
    void      *p;

    UM_TRY(um_check_rows("xent_soft_fwd", n, c));
    UM_TRY(um_share_scratch(dev, (size_t)n * sizeof *j.h, &p));
    j.h    = p;
    j.rows = um_rows_per_task(c);
    UM_TRY(um_share(dev, um_ceil_div(n, j.rows), soft_fwd, &j));
    add_loss(loss, j.h, n, scale);
    return UM_OK;
}

static int soft_bwd(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;
    void             *space;

    UM_TRY(um_dev_scratch(j->dev, worker, 2 * (size_t)j->c * sizeof(float), &space));
    for (int64_t i = task * j->rows; i < um_min(j->n, (task + 1) * j->rows); i++) {
        const float *x = gather(j, j->x, i, space), *q = gather(j, j->q, i, (float *)space + j->c);
        float       *dx  = j->cs == 1 ? j->dx + i * j->rs : space;
        um_vf        sum = { 0 };

        for (int64_t m = 0; m < j->c; m += UM_VL)
            sum += um_vloadf(q, m, j->c - m);
        const float all = um_vsum(sum);
        for (int64_t m = 0; m < j->c; m += UM_VL) {
            const um_vf p = um_vexp(um_vloadf(x, m, j->c - m) - j->log_sum[i]);

            um_vstoref(dx, m, j->c - m, j->g * (p * all - um_vloadf(q, m, j->c - m)));
        }
        for (int64_t m = 0; j->cs != 1 && m < j->c; m++)
            j->dx[i * j->rs + m * j->cs] = dx[m];
    }
    return UM_OK;
}

int UM_CPU(xent_soft_bwd)(struct um_dev *dev, float *dx, const float *gloss, const float *x,
                          const float *q, int64_t rs, int64_t cs, const float *lse, int64_t n,
                          int64_t c, float scale)
{
    struct job j = { .dev     = dev,
                     .x       = x,
                     .q       = q,
                     .log_sum = lse,
                     .dx      = dx,
                     .rs      = rs,
                     .cs      = cs,
                     .n       = n,
                     .c       = c,
                     .g       = *gloss * scale };

    UM_TRY(um_check_rows("xent_soft_bwd", n, c));
    j.rows = um_rows_per_task(c);
    return um_share(dev, um_ceil_div(n, j.rows), soft_bwd, &j);
}

/* ---- labels of their own ---- */

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

/* ---- focal loss: a label for every pixel, so by vectors ---- */

struct pixels {
    const struct um_focal *f;
    float                 *dx, g;
    double                *h;
};

/* log(1 + e^x) */
static um_vf softplus(um_vf x)
{
    return um_vmax(x, (um_vf){ 0 }) + um_vlog1p(um_vexp(-um_vabs(x)));
}

static um_vf focal_weight(const struct um_focal *f, um_vf x, um_vf y, um_vf u)
{
    const um_vf w = um_vexp(-f->gamma * softplus(x * u));

    return f->alpha < 0 ? w : w * (f->alpha * y + (1 - f->alpha) * (1.0f - y));
}

/* v where there is a label and the vector reaches, else 0 */
static um_vf labelled(um_vf v, um_vf y, int64_t k)
{
    return um_vfill((um_vf)((um_vi)v & ((um_vi)um_vabs(y) <= 0x7f800000)), k, 0);
}

static int focal(void *arg, int64_t task, int worker)
{
    const struct pixels *j    = arg;
    const int64_t        from = task * UM_SPAN, to = um_min(j->f->n, from + UM_SPAN);
    double               sum = 0;
    um_vf                run = { 0 };

    (void)worker;
    for (int64_t i = from; i < to; i += UM_VL) {
        const um_vf x = um_vloadf(j->f->x, i, to - i), y = um_vloadf(j->f->y, i, to - i);
        const um_vf w = focal_weight(j->f, x, y, 2.0f * y - 1.0f);

        run += labelled(w * (softplus(x) - x * y), y, to - i);
        if ((i - from) / UM_VL % 32 == 31) { /* short runs in float */
            sum += (double)um_vsum(run);
            run = (um_vf){ 0 };
        }
    }
    j->h[task] = sum + (double)um_vsum(run);
    return UM_OK;
}

int UM_CPU(focal_fwd)(struct um_dev *dev, float *loss, const struct um_focal *f)
{
    struct pixels j = { .f = f };
    void         *p;

    UM_TRY(um_check_focal("focal_fwd", f));
    UM_TRY(um_share_scratch(dev, (size_t)um_ceil_div(f->n, UM_SPAN) * sizeof *j.h, &p));
    j.h = p;
    UM_TRY(um_share(dev, um_ceil_div(f->n, UM_SPAN), focal, &j));
    add_loss(loss, j.h, um_ceil_div(f->n, UM_SPAN), f->scale);
    return UM_OK;
}

static int focal_slope(void *arg, int64_t task, int worker)
{
    const struct pixels *j    = arg;
    const int64_t        from = task * UM_SPAN, to = um_min(j->f->n, from + UM_SPAN);

    (void)worker;
    for (int64_t i = from; i < to; i += UM_VL) {
        const um_vf x = um_vloadf(j->f->x, i, to - i), y = um_vloadf(j->f->y, i, to - i);
        const um_vf u = 2.0f * y - 1.0f, w = focal_weight(j->f, x, y, u);
        const um_vf far = j->f->gamma * u * um_vsigmoid(x * u) * (softplus(x) - x * y);

        um_vstoref(j->dx, i, to - i, labelled(j->g * (w * (um_vsigmoid(x) - y - far)), y, UM_VL));
    }
    return UM_OK;
}

int UM_CPU(focal_bwd)(struct um_dev *dev, float *dx, const float *gloss, const struct um_focal *f)
{
    struct pixels j = { .f = f, .dx = dx, .g = *gloss * f->scale };

    UM_TRY(um_check_focal("focal_bwd", f));
    return um_share(dev, um_ceil_div(f->n, UM_SPAN), focal_slope, &j);
}
