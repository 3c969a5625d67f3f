/* mapnorm/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/mapnorm/mapnorm.h"

#include <math.h>

#include "kernels/load.h"

/* the elements of statistic u: `planes` runs of s, first u s, the next c s further on */
struct set {
    int64_t planes, first, apart, s, channel;
    double  count;
};

static struct set set_of(bool batch, int64_t u, int64_t n, int64_t c, int64_t s)
{
    const int64_t planes = batch ? n : 1;

    return (struct set){ planes, u * s, c * s, s, u % c, (double)planes * (double)s };
}

#define EACH(i, e)                                                                                 \
    for (int64_t p_ = 0; p_ < (e).planes; p_++)                                                    \
        for (int64_t i = (e).first + p_ * (e).apart; i < (e).first + p_ * (e).apart + (e).s; i++)

static void moments(const void *x, enum um_dtype dt, const struct set *e, double *mean, double *ss)
{
    double m = 0, sum = 0;

    EACH(i, *e)
    m += um_load(x, dt, i) / e->count;
    EACH(i, *e)
    sum += (um_load(x, dt, i) - m) * (um_load(x, dt, i) - m);
    *mean = m;
    *ss   = sum;
}

int um_ref_mapnorm_fwd(struct um_dev *dev, enum um_dtype dt, bool batch, void *y, float *mean,
                       float *rstd, float *var, const void *x, const float *gamma,
                       const float *beta, int64_t n, int64_t c, int64_t s, float eps)
{
    (void)dev;
    UM_TRY(um_check_mapnorm("mapnorm_fwd", dt, batch, n, c, s));
    for (int64_t u = 0; u < (batch ? c : n * c); u++) {
        const struct set e = set_of(batch, u, n, c, s);
        double           m, ss;

        moments(x, dt, &e, &m, &ss);
        const double r = 1 / sqrt(ss / e.count + (double)eps);
        EACH(i, e)
        um_store(y, dt, i,
                 (um_load(x, dt, i) - m) * r * um_load_or(gamma, e.channel, 1) +
                     um_load_or(beta, e.channel, 0));
        mean[u] = (float)m;
        rstd[u] = (float)r;
        if (var)
            var[u] = (float)(e.count > 1 ? ss / (e.count - 1) : ss);
    }
    return UM_OK;
}

int um_ref_mapnorm_eval(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                        const float *gamma, const float *beta, const float *mean, const float *var,
                        int64_t n, int64_t c, int64_t s, float eps)
{
    (void)dev;
    UM_TRY(um_check_mapnorm("mapnorm_eval", dt, false, n, c, s));
    for (int64_t i = 0; i < n * c * s; i++) {
        const int64_t j = i / s % c;

        um_store(y, dt, i,
                 (um_load(x, dt, i) - (double)mean[j]) / sqrt((double)var[j] + (double)eps) *
                         um_load_or(gamma, j, 1) +
                     um_load_or(beta, j, 0));
    }
    return UM_OK;
}

int um_ref_mapnorm_bwd(struct um_dev *dev, enum um_dtype dt, bool batch, void *dx, float *dgamma,
                       float *dbeta, const void *dy, const void *x, const float *gamma,
                       const float *mean, const float *rstd, int64_t n, int64_t c, int64_t s)
{
    (void)dev;
    UM_TRY(um_check_mapnorm("mapnorm_bwd", dt, false, n, c, s));
    for (int64_t u = 0; n > 0 && u < (batch ? c : n * c); u++) {
        const struct set e = set_of(batch, u, n, c, s);
        const double     m = (double)mean[u], r = (double)rstd[u];
        double           a = 0, b = 0;

        EACH(i, e)
        {
            a += um_load(dy, dt, i);
            b += um_load(dy, dt, i) * (um_load(x, dt, i) - m) * r;
        }
        if (gamma) {
            dgamma[e.channel] = (float)((double)dgamma[e.channel] + b);
            dbeta[e.channel]  = (float)((double)dbeta[e.channel] + a);
        }
        EACH(i, e)
        um_store(
            dx, dt, i,
            um_load_or(gamma, e.channel, 1) * r *
                (um_load(dy, dt, i) - a / e.count - (um_load(x, dt, i) - m) * r * b / e.count));
    }
    return UM_OK;
}
