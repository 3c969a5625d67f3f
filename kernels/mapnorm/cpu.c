/* mapnorm/cpu.c - a task owns one statistic and its elements
 *
 * Sums go by runs of vectors in float and over runs in double; the mean is put right by the mean of
 * the differences from it, as in layernorm.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/mapnorm/mapnorm.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_MAPNORM_OPS)

enum { RUN = 64 * UM_VL };

struct job {
    enum um_dtype dt;
    bool          batch;
    void         *y; /* or dx */
    const void   *x, *dy;
    const float  *gamma, *beta, *m, *r;
    float        *mean, *rstd, *var, *dgamma, *dbeta;
    double       *part; /* [n c][2]: sums of dy and dy xhat of each sample's channel */
    int64_t       n, c, s;
    float         eps;
};

/* two sums over the elements of a statistic: each adds its terms of one vector */
typedef void term(const struct job *j, int64_t i, int64_t k, um_vf m, um_vf r, um_vf sum[2]);

static int64_t planes_of(const struct job *j)
{
    return j->batch ? j->n : 1;
}

static inline __attribute__((always_inline)) void sum_all(const struct job *j, int64_t u, term *add,
                                                          float m, float r, double total[2])
{
    total[0] = total[1] = 0;
    for (int64_t p = 0; p < planes_of(j); p++)
        for (int64_t l = 0, at = (p * j->c + u) * j->s; l < j->s;) {
            const int64_t end    = um_min(j->s, l + RUN);
            um_vf         sum[2] = { { 0 }, { 0 } };

            for (; l < end; l += UM_VL)
                add(j, at + l, j->s - l, um_vset(m), um_vset(r), sum);
            total[0] += (double)um_vsum(sum[0]);
            total[1] += (double)um_vsum(sum[1]);
        }
}

static inline void add_x(const struct job *j, int64_t i, int64_t k, um_vf m, um_vf r, um_vf sum[2])
{
    (void)m;
    (void)r;
    sum[0] += um_vload(j->x, j->dt, i, k);
}

/* the lanes that are not there must not count as -m */
static inline void add_differences(const struct job *j, int64_t i, int64_t k, um_vf m, um_vf r,
                                   um_vf sum[2])
{
    const um_vf d = um_vfill(um_vload(j->x, j->dt, i, k) - m, k, 0);

    (void)r;
    sum[0] += d;
    sum[1] += d * d;
}

/* dy is 0 in the lanes that are not there */
static inline void add_gradients(const struct job *j, int64_t i, int64_t k, um_vf m, um_vf r,
                                 um_vf sum[2])
{
    const um_vf dy = um_vload(j->dy, j->dt, i, k);

    sum[0] += dy;
    sum[1] += dy * ((um_vload(j->x, j->dt, i, k) - m) * r);
}

static float or_else(const float *p, int64_t i, float otherwise)
{
    return p ? p[i] : otherwise;
}

/* y = (x - m - rest) g + b */
static void write_all(const struct job *j, int64_t u, float m, float rest, float g, float b)
{
    for (int64_t p = 0; p < planes_of(j); p++)
        for (int64_t l = 0, at = (p * j->c + u) * j->s; l < j->s; l += UM_VL)
            um_vstore(j->y, j->dt, at + l, j->s - l,
                      (um_vload(j->x, j->dt, at + l, j->s - l) - m - rest) * g + b);
}

static int forward(void *arg, int64_t u, int worker)
{
    const struct job *j     = arg;
    const double      count = (double)planes_of(j) * (double)j->s;
    const int64_t     k     = u % j->c;
    double            t[2];

    (void)worker;
    sum_all(j, u, add_x, 0, 0, t);
    const float m = (float)(t[0] / count);
    sum_all(j, u, add_differences, m, 0, t);
    const double rest = t[0] / count, left = t[1] - rest * rest * count;
    const double ss = left < 0 ? 0 : left;
    const float  r  = (float)(1 / sqrt(ss / count + (double)j->eps));
    write_all(j, u, m, (float)rest, r * or_else(j->gamma, k, 1), or_else(j->beta, k, 0));
    j->mean[u] = (float)((double)m + rest);
    j->rstd[u] = r;
    if (j->var)
        j->var[u] = (float)(ss / (count > 1 ? count - 1 : 1));
    return UM_OK;
}

int UM_CPU(mapnorm_fwd)(struct um_dev *dev, enum um_dtype dt, bool batch, void *y, float *mean,
                        float *rstd, float *var, const void *x, const float *gamma,
                        const float *beta, int64_t n, int64_t c, int64_t s, float eps)
{
    struct job j = { .dt    = dt,
                     .batch = batch,
                     .y     = y,
                     .x     = x,
                     .gamma = gamma,
                     .beta  = beta,
                     .mean  = mean,
                     .rstd  = rstd,
                     .var   = var,
                     .n     = n,
                     .c     = c,
                     .s     = s,
                     .eps   = eps };

    UM_TRY(um_check_mapnorm("mapnorm_fwd", dt, batch, n, c, s));
    return um_share(dev, batch ? c : n * c, forward, &j);
}

/* task: one sample's channel */
static int eval(void *arg, int64_t u, int worker)
{
    const struct job *j = arg;
    const int64_t     k = u % j->c;
    const float       r = 1 / sqrtf(j->r[k] + j->eps);

    (void)worker;
    write_all(j, u, j->m[k], 0, r * or_else(j->gamma, k, 1), or_else(j->beta, k, 0));
    return UM_OK;
}

int UM_CPU(mapnorm_eval)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                         const float *gamma, const float *beta, const float *mean, const float *var,
                         int64_t n, int64_t c, int64_t s, float eps)
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
                     .s     = s,
                     .eps   = eps };

    UM_TRY(um_check_mapnorm("mapnorm_eval", dt, false, n, c, s));
    return um_share(dev, n * c, eval, &j);
}

static int backward(void *arg, int64_t u, int worker)
{
    const struct job *j     = arg;
    const double      count = (double)planes_of(j) * (double)j->s;
    const float       m = j->m[u], r = j->r[u], g = r * or_else(j->gamma, u % j->c, 1);
    double            t[2];

    (void)worker;
    sum_all(j, u, add_gradients, m, r, t);
    j->part[2 * u]     = t[0];
    j->part[2 * u + 1] = t[1];
    const float e = (float)(t[0] / count), ex = (float)(t[1] / count);
    for (int64_t p = 0; p < planes_of(j); p++)
        for (int64_t l = 0, at = (p * j->c + u) * j->s; l < j->s; l += UM_VL) {
            const um_vf xhat = (um_vload(j->x, j->dt, at + l, j->s - l) - m) * r;

            um_vstore(j->y, j->dt, at + l, j->s - l,
                      (um_vload(j->dy, j->dt, at + l, j->s - l) - e - xhat * ex) * g);
        }
    return UM_OK;
}

int UM_CPU(mapnorm_bwd)(struct um_dev *dev, enum um_dtype dt, bool batch, void *dx, float *dgamma,
                        float *dbeta, const void *dy, const void *x, const float *gamma,
                        const float *mean, const float *rstd, int64_t n, int64_t c, int64_t s)
{
    const int64_t units = batch && n > 0 ? c : n * c;
    void         *room;
    struct job    j = { .dt    = dt,
                        .batch = batch,
                        .y     = dx,
                        .dy    = dy,
                        .x     = x,
                        .gamma = gamma,
                        .m     = mean,
                        .r     = rstd,
                        .n     = n,
                        .c     = c,
                        .s     = s };

    UM_TRY(um_check_mapnorm("mapnorm_bwd", dt, false, n, c, s));
    UM_TRY(um_share_scratch(dev, (size_t)units * 2 * sizeof(double), &room));
    j.part = room;
    UM_TRY(um_share(dev, units, backward, &j));
    for (int64_t k = 0; gamma && k < c; k++) {
        double t[2] = { (double)dbeta[k], (double)dgamma[k] };

        for (int64_t u = k; u < units; u += c)
            for (int i = 0; i < 2; i++)
                t[i] += j.part[2 * u + i];
        dbeta[k]  = (float)t[0];
        dgamma[k] = (float)t[1];
    }
    return UM_OK;
}
