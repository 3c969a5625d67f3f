/* elementwise/cpu.c - spans of UM_SPAN elements, each a task */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/elementwise/elementwise.h"

#include "kernels/drop.h"
#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_ELEMENTWISE_OPS)

struct job {
    enum um_dtype  dt, dtx;
    void          *y;
    const void    *a, *b;
    int64_t        n, row; /* elements in all, of a sample */
    float          scale;
    struct um_drop drop;
    double        *part;
};

/* for each vector of the task's span: i its first element, k how many are left in the span */
#define EACH_VECTOR(job, task, i, k)                                                               \
    for (int64_t i = (task)*UM_SPAN, end_ = um_min((job)->n, i + UM_SPAN), k = end_ - i; k > 0;    \
         i += UM_VL, k = end_ - i)

static int run(struct um_dev *dev, int (*fn)(void *, int64_t, int), struct job *j)
{
    return um_share(dev, um_ceil_div(j->n, UM_SPAN), fn, j);
}

static int add(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;

    (void)worker;
    EACH_VECTOR(j, task, i, k)
    um_vstore(j->y, j->dt, i, k, um_vload(j->a, j->dt, i, k) + um_vload(j->b, j->dt, i, k));
    return UM_OK;
}

int UM_CPU(add)(struct um_dev *dev, enum um_dtype dt, void *y, const void *a, const void *b,
                int64_t n)
{
    UM_TRY(um_check_act("add", dt, n, 1));
    return run(dev, add, &(struct job){ .dt = dt, .y = y, .a = a, .b = b, .n = n });
}

static int cast(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;

    (void)worker;
    EACH_VECTOR(j, task, i, k)
    um_vstore(j->y, j->dt, i, k, um_vload(j->a, j->dtx, i, k));
    return UM_OK;
}

int UM_CPU(cast)(struct um_dev *dev, void *y, enum um_dtype dty, const void *x, enum um_dtype dtx,
                 int64_t n)
{
    UM_TRY(um_check_act("cast", dtx, n, 1));
    UM_TRY(um_check_act("cast", dty, n, 1));
    return run(dev, cast, &(struct job){ .dt = dty, .dtx = dtx, .y = y, .a = x, .n = n });
}

static int dropout(void *arg, int64_t task, int worker)
{
    const struct job *j    = arg;
    const int64_t     from = task * UM_SPAN, to = um_min(j->n, from + UM_SPAN);
    float             f[256];

    (void)worker;
    for (int64_t b = from; b < to; b += 256) {
        const int64_t n = um_min(to - b, 256);

        um_drop_factors(j->drop, b, n, f);
        for (int64_t i = 0; i < n; i += UM_VL) {
            const um_vf v = um_vload(j->a, j->dt, b + i, n - i), g = um_vloadf(f, i, n - i);

            um_vstore(j->y, j->dt, b + i, n - i, (um_vf)((um_vi)(v * g) & (g > 0.0f)));
        }
    }
    return UM_OK;
}

int UM_CPU(dropout)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, int64_t n,
                    struct um_drop drop)
{
    UM_TRY(um_check_act("dropout", dt, n, 1));
    if (!um_drop_ok(drop))
        return um_fail(UM_ERANGE, "dropout: probability %g is not in 0..1", (double)drop.p);
    if (drop.p > 0)
        return run(dev, dropout, &(struct job){ .dt = dt, .y = y, .a = x, .n = n, .drop = drop });
    return y == x ? UM_OK : UM_CPU(cast)(dev, y, dt, x, dt, n);
}

/* spans of all samples one after the other; a span may begin and end inside samples */
static int drop_path(void *arg, int64_t task, int worker)
{
    const struct job *j    = arg;
    const int64_t     from = task * UM_SPAN, to = um_min(j->n, from + UM_SPAN);

    (void)worker;
    for (int64_t i = from, end; i < to; i = end) {
        const float f = um_drop_factor(j->drop, i / j->row);

        end = um_min(to, (i / j->row + 1) * j->row);
        for (int64_t l = i; l < end; l += UM_VL)
            um_vstore(j->y, j->dt, l, end - l,
                      f > 0 ? um_vload(j->a, j->dt, l, end - l) * f : (um_vf){ 0 });
    }
    return UM_OK;
}

int UM_CPU(drop_path)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, int64_t B,
                      int64_t n, struct um_drop drop)
{
    UM_TRY(um_check_drop_path(dt, B, n, drop));
    return run(dev, drop_path,
               &(struct job){ .dt = dt, .y = y, .a = x, .n = B * n, .row = n, .drop = drop });
}

static int scale(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;

    (void)worker;
    EACH_VECTOR(j, task, i, k)
    um_vstoref(j->y, i, k, um_vloadf(j->a, i, k) * j->scale);
    return UM_OK;
}

int UM_CPU(expscale_fwd)(struct um_dev *dev, float *y, const float *x, const float *theta,
                         int64_t n)
{
    UM_TRY(um_check_rows("expscale_fwd", n, 1));
    return run(dev, scale, &(struct job){ .y = y, .a = x, .n = n, .scale = expf(*theta) });
}

static int scale_bwd(void *arg, int64_t task, int worker)
{
    const struct job *j   = arg;
    um_vf             sum = { 0 };

    (void)worker;
    EACH_VECTOR(j, task, i, k)
    {
        const um_vf dx = um_vloadf(j->a, i, k) * j->scale;

        sum += dx * um_vloadf(j->b, i, k);
        um_vstoref(j->y, i, k, dx);
    }
    j->part[task] = (double)um_vsum(sum);
    return UM_OK;
}

int UM_CPU(expscale_bwd)(struct um_dev *dev, float *dx, float *dtheta, const float *dy,
                         const float *x, const float *theta, int64_t n)
{
    struct job    j     = { .y = dx, .a = dy, .b = x, .n = n, .scale = expf(*theta) };
    const int64_t parts = um_ceil_div(n, UM_SPAN);
    double        sum   = (double)*dtheta;
    void         *p;

    UM_TRY(um_check_rows("expscale_bwd", n, 1));
    UM_TRY(um_share_scratch(dev, (size_t)parts * sizeof *j.part, &p));
    j.part = p;
    UM_TRY(run(dev, scale_bwd, &j));
    for (int64_t i = 0; i < parts; i++)
        sum += j.part[i];
    *dtheta = (float)sum;
    return UM_OK;
}
