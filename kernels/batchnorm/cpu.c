/* batchnorm/cpu.c - a task owns COLUMNS columns and walks down all rows
 *
 * Sums go by runs of RUN rows, so that their error grows with RUN + n / RUN, not with n; the mean
 * is put right by the mean of the differences from it, as in layernorm.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/batchnorm/batchnorm.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_BATCHNORM_OPS)

enum { COLUMNS = 32, RUN = 64 };

struct job {
    enum um_dtype dt;
    void         *y; /* or dx */
    const void   *x, *dy;
    const float  *gamma, *beta, *m, *r;
    float        *mean, *rstd, *var, *dgamma, *dbeta;
    int64_t       n, c;
    float         eps;
};

static um_vf or_else(const float *p, int64_t l, int64_t k, float otherwise)
{
    return p ? um_vloadf(p, l, k) : um_vset(otherwise);
}

static um_vf column_sum(const struct job *j, int64_t l, int64_t k)
{
    um_vf total = { 0 };

    for (int64_t i = 0; i < j->n;) {
        const int64_t end = um_min(j->n, i + RUN);
        um_vf         sum = { 0 };

        for (; i < end; i++)
            sum += um_vload(j->x, j->dt, i * j->c + l, k);
        total += sum;
    }
    return total;
}

/* sums of x - m and of its square */
static void column_moments(const struct job *j, int64_t l, int64_t k, um_vf m, um_vf *rest,
                           um_vf *ss)
{
    *rest = *ss = um_vset(0);
    for (int64_t i = 0; i < j->n;) {
        const int64_t end = um_min(j->n, i + RUN);
        um_vf         s1 = { 0 }, s2 = { 0 };

        for (; i < end; i++) {
            const um_vf d = um_vload(j->x, j->dt, i * j->c + l, k) - m;

            s1 += d;
            s2 += d * d;
        }
        *rest += s1;
        *ss += s2;
    }
}

static um_vf inverse_sqrt(um_vf v)
{
    for (int l = 0; l < UM_VL; l++)
        v[l] = 1 / sqrtf(v[l]);
    return v;
}

static void forward_columns(const struct job *j, int64_t l, int64_t k)
{
    const float n = (float)j->n;
    const um_vf m = column_sum(j, l, k) / n;
    um_vf       rest, ss;

    column_moments(j, l, k, m, &rest, &ss);
    rest          = rest / n;
    ss            = ss - rest * rest * n;
    ss            = um_vselect(ss < 0.0f, um_vset(0), ss);
    const um_vf r = inverse_sqrt(ss / n + j->eps);
    const um_vf g = r * or_else(j->gamma, l, k, 1), b = or_else(j->beta, l, k, 0);
    for (int64_t i = 0; i < j->n; i++)
        um_vstore(j->y, j->dt, i * j->c + l, k,
                  (um_vload(j->x, j->dt, i * j->c + l, k) - m - rest) * g + b);
    um_vstoref(j->mean, l, k, m + rest);
    um_vstoref(j->rstd, l, k, r);
    um_vstoref(j->var, l, k, ss / (j->n > 1 ? n - 1 : 1));
}

/* fn for each vector of the task's columns */
static void each(const struct job *j, int64_t task,
                 void (*fn)(const struct job *, int64_t l, int64_t k))
{
    const int64_t to = um_min(j->c, (task + 1) * COLUMNS);

    for (int64_t l = task * COLUMNS; l < to; l += UM_VL)
        fn(j, l, to - l);
}

static int forward(void *arg, int64_t task, int worker)
{
    (void)worker;
    each(arg, task, forward_columns);
    return UM_OK;
}

int UM_CPU(batchnorm_fwd)(struct um_dev *dev, enum um_dtype dt, void *y, float *mean, float *rstd,
                          float *var, const void *x, const float *gamma, const float *beta,
                          int64_t n, int64_t c, float eps)
{
    struct job j = { .dt    = dt,
                     .y     = y,
                     .x     = x,
                     .gamma = gamma,
                     .beta  = beta,
                     .mean  = mean,
                     .rstd  = rstd,
                     .var   = var,
                     .n     = n,
                     .c     = c,
                     .eps   = eps };

    UM_TRY(um_check_act("batchnorm_fwd", dt, n, c));
    if (n < 1)
        return um_fail(UM_ERANGE, "batchnorm_fwd: statistics of no rows");
    return um_share(dev, um_ceil_div(c, COLUMNS), forward, &j);
}

static void eval_columns(const struct job *j, int64_t l, int64_t k)
{
    const um_vf m = um_vloadf(j->m, l, k), r = inverse_sqrt(um_vloadf(j->r, l, k) + j->eps);
    const um_vf g = r * or_else(j->gamma, l, k, 1), b = or_else(j->beta, l, k, 0);

    for (int64_t i = 0; i < j->n; i++)
        um_vstore(j->y, j->dt, i * j->c + l, k,
                  (um_vload(j->x, j->dt, i * j->c + l, k) - m) * g + b);
}

static int eval(void *arg, int64_t task, int worker)
{
    (void)worker;
    each(arg, task, eval_columns);
    return UM_OK;
}

int UM_CPU(batchnorm_eval)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                           const float *gamma, const float *beta, const float *mean,
                           const float *var, int64_t n, int64_t c, float eps)
{
    struct job j = { .dt    = dt,
                     .y     = y,
                     .x     = x,
                     .gamma = gamma,
                     .beta  = beta,
                     .m     = mean,
                     .r     = var,
                     .n     = n,
                     .c     = c,
                     .eps   = eps };

    UM_TRY(um_check_act("batchnorm_eval", dt, n, c));
    return um_share(dev, um_ceil_div(c, COLUMNS), eval, &j);
}

static void backward_columns(const struct job *j, int64_t l, int64_t k)
{
    const um_vf m = um_vloadf(j->m, l, k), r = um_vloadf(j->r, l, k);
    const um_vf g = r * or_else(j->gamma, l, k, 1);
    um_vf       e = { 0 }, ex = { 0 };

    for (int64_t i = 0; i < j->n;) {
        const int64_t end = um_min(j->n, i + RUN);
        um_vf         s1 = { 0 }, s2 = { 0 };

        for (; i < end; i++) {
            const um_vf dy = um_vload(j->dy, j->dt, i * j->c + l, k);

            s1 += dy;
            s2 += dy * ((um_vload(j->x, j->dt, i * j->c + l, k) - m) * r);
        }
        e += s1;
        ex += s2;
    }
    if (j->gamma) {
        um_vstoref(j->dgamma, l, k, um_vloadf(j->dgamma, l, k) + ex);
        um_vstoref(j->dbeta, l, k, um_vloadf(j->dbeta, l, k) + e);
    }
    e  = e / (float)j->n;
    ex = ex / (float)j->n;
    for (int64_t i = 0; i < j->n; i++) {
        const um_vf xhat = (um_vload(j->x, j->dt, i * j->c + l, k) - m) * r;

        um_vstore(j->y, j->dt, i * j->c + l, k,
                  (um_vload(j->dy, j->dt, i * j->c + l, k) - e - xhat * ex) * g);
    }
}

static int backward(void *arg, int64_t task, int worker)
{
    (void)worker;
    each(arg, task, backward_columns);
    return UM_OK;
}

int UM_CPU(batchnorm_bwd)(struct um_dev *dev, enum um_dtype dt, void *dx, float *dgamma,
                          float *dbeta, const void *dy, const void *x, const float *gamma,
                          const float *mean, const float *rstd, int64_t n, int64_t c)
{
    struct job j = { .dt     = dt,
                     .y      = dx,
                     .dy     = dy,
                     .x      = x,
                     .gamma  = gamma,
                     .m      = mean,
                     .r      = rstd,
                     .dgamma = dgamma,
                     .dbeta  = dbeta,
                     .n      = n,
                     .c      = c };

    UM_TRY(um_check_act("batchnorm_bwd", dt, n, c));
    return n > 0 ? um_share(dev, um_ceil_div(c, COLUMNS), backward, &j) : UM_OK;
}

int UM_CPU(lerp)(struct um_dev *dev, float *run, const float *x, float momentum, int64_t n)
{
    (void)dev;
    UM_TRY(um_check_rows("lerp", n, 1));
    for (int64_t l = 0; l < n; l += UM_VL)
        um_vstoref(run, l, n - l,
                   um_vloadf(run, l, n - l) * (1 - momentum) + um_vloadf(x, l, n - l) * momentum);
    return UM_OK;
}
