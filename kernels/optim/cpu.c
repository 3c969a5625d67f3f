/* optim/cpu.c - spans of UM_SPAN elements, each a task; all float, so plain loops make vectors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/optim/optim.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_OPTIM_OPS)

enum { LANES = 16 };

struct squares {
    const float *x;
    int64_t      n;
    double      *part;
};

static int squares(void *arg, int64_t task, int worker)
{
    const struct squares *j    = arg;
    const int64_t         from = task * UM_SPAN, to = um_min(j->n, from + UM_SPAN);
    double                lane[LANES] = { 0 }, sum = 0;
    int64_t               i;

    (void)worker;
    for (i = from; i + LANES <= to; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += (double)j->x[i + l] * (double)j->x[i + l];
    for (; i < to; i++)
        sum += (double)j->x[i] * (double)j->x[i];
    for (int l = 0; l < LANES; l++)
        sum += lane[l];
    j->part[task] = sum;
    return UM_OK;
}

int UM_CPU(sumsq)(struct um_dev *dev, double *sum, const float *x, int64_t n)
{
    struct squares j     = { .x = x, .n = n };
    const int64_t  parts = um_ceil_div(n, UM_SPAN);
    double         total = 0;
    void          *p;

    UM_TRY(um_check_rows("sumsq", n, 1));
    UM_TRY(um_share_scratch(dev, (size_t)parts * sizeof *j.part, &p));
    j.part = p;
    UM_TRY(um_share(dev, parts, squares, &j));
    for (int64_t i = 0; i < parts; i++)
        total += j.part[i];
    *sum += total;
    return UM_OK;
}

struct step {
    float       *w, *m, *u;
    const float *g;
    int64_t      n;
    float        gscale, b1, b2, eps, shrink, rate, root;
};

static int step(void *arg, int64_t task, int worker)
{
    const struct step s    = *(const struct step *)arg;
    const int64_t     from = task * UM_SPAN, n = um_min(s.n - from, UM_SPAN);
    float *restrict w = s.w + from, *restrict m = s.m + from, *restrict u = s.u + from;
    const float *restrict g = s.g + from;

    (void)worker;
    for (int64_t i = 0; i < n; i++) {
        const float gi = g[i] * s.gscale;

        m[i] = s.b1 * m[i] + (1 - s.b1) * gi;
        u[i] = s.b2 * u[i] + (1 - s.b2) * (gi * gi);
        w[i] = w[i] * s.shrink - s.rate * m[i] / (sqrtf(u[i]) * s.root + s.eps);
    }
    return UM_OK;
}

int UM_CPU(adamw)(struct um_dev *dev, float *w, float *m, float *u, const float *g, int64_t n,
                  float gscale, float lr, float b1, float b2, float eps, float wd, int64_t t)
{
    const double c1 = 1 - pow((double)b1, (double)t), c2 = 1 - pow((double)b2, (double)t);
    struct step  s = { w,
                       m,
                       u,
                       g,
                       n,
                       gscale,
                       b1,
                       b2,
                       eps,
                       .shrink = (float)(1 - (double)lr * (double)wd),
                       .rate   = (float)((double)lr / c1),
                       .root   = (float)(1 / sqrt(c2)) };

    UM_TRY(um_check_rows("adamw", n, 1));
    if (t < 1)
        return um_fail(UM_ERANGE, "adamw: step %lld is before the first", (long long)t);
    return um_share(dev, um_ceil_div(n, UM_SPAN), step, &s);
}
