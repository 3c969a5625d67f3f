/* distill/cpu.c - a row at a time, in vectors; rows of a block are one task
 *
 * H = log sum exp(x / tau_s) - sum_m q_m x_m / tau_s, as q sums to 1: two passes over a row, one
 * for the maxima and one for the sums; the teacher's entropy alike. Column sums of q go by blocks
 * of rows, as everywhere. SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/distill/distill.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_DISTILL_OPS)

struct job {
    const struct um_distill *d;
    float                   *lse, *part; /* part: [parts,c] of q, or NULL */
    const float             *l;
    void                    *dx;
    double                  *h, *e; /* cross entropy and the teacher's entropy, of each row */
    float                    g;
    int64_t                  rows;
};

/* the arguments of the two softmaxes at element j of the row that starts at `at` */
static inline um_vf student(const struct um_distill *d, int64_t at, int64_t j)
{
    return um_vload(d->x, d->dt, at + j, d->c - j) * (1 / d->tau_s);
}

static inline um_vf teacher(const struct um_distill *d, int64_t at, int64_t j)
{
    return (um_vload(d->t, d->dt, at + j, d->c - j) - um_vloadf(d->centre, j, d->c - j)) *
           (1 / d->tau_t);
}

static void row(const struct job *w, int64_t i, float *q)
{
    const struct um_distill *d  = w->d;
    const int64_t            at = i * d->c;
    um_vf ms = um_vset(-INFINITY), mt = ms, es = { 0 }, et = es, ex = es, ey = es;

    for (int64_t j = 0; j < d->c; j += UM_VL) {
        ms = um_vmax(um_vfill(student(d, at, j), d->c - j, -INFINITY), ms);
        mt = um_vmax(um_vfill(teacher(d, at, j), d->c - j, -INFINITY), mt);
    }
    const float a = um_vmost(ms), b = um_vmost(mt);
    for (int64_t j = 0; j < d->c; j += UM_VL) {
        const um_vf s = student(d, at, j) - a;
        const um_vf t = teacher(d, at, j) - b;
        const um_vf e = um_vfill(um_vexp(t), d->c - j, 0);

        es += um_vfill(um_vexp(s), d->c - j, 0);
        et += e;
        ex += e * s; /* e is 0 past the end */
        ey += e * t;
    }
    const float ls = logf(um_vsum(es)), sum = um_vsum(et);
    w->lse[2 * i]     = a + ls;
    w->lse[2 * i + 1] = b + logf(sum);
    w->h[i]           = (double)ls - (double)um_vsum(ex) / (double)sum;
    w->e[i]           = (double)logf(sum) - (double)um_vsum(ey) / (double)sum;
    for (int64_t j = 0; q && j < d->c; j += UM_VL)
        um_vstoref(q, j, d->c - j,
                   um_vloadf(q, j, d->c - j) +
                       um_vexp(teacher(d, at, j) - b) * (d->weight[i] / sum));
}

static int forward(void *arg, int64_t task, int worker)
{
    const struct job *w = arg;
    float            *q = w->part ? w->part + task * w->d->c : NULL;

    (void)worker;
    if (q)
        memset(q, 0, (size_t)w->d->c * sizeof *q);
    for (int64_t i = task * w->rows; i < um_min(w->d->n, (task + 1) * w->rows); i++)
        row(w, i, q);
    return UM_OK;
}

int UM_CPU(distill_fwd)(struct um_dev *dev, float *loss, float *lse, float *qmean, float *sure,
                        const struct um_distill *d)
{
    struct job j   = { .d = d, .lse = lse };
    double     sum = 0, all = 0;
    void      *p;

    UM_TRY(um_check_distill("distill_fwd", d));
    if (d->n == 0)
        return UM_OK;
    j.rows              = um_rows_per_part(d->n);
    const int64_t parts = um_ceil_div(d->n, j.rows);
    UM_TRY(um_share_scratch(
        dev, 2 * (size_t)d->n * sizeof *j.h + (qmean ? (size_t)(parts * d->c) * sizeof *j.part : 0),
        &p));
    j.h    = p;
    j.e    = j.h + d->n;
    j.part = qmean ? (float *)(void *)(j.e + d->n) : NULL;
    UM_TRY(um_share(dev, parts, forward, &j));
    if (qmean)
        um_add_parts(qmean, j.part, parts, d->c, d->c);
    for (int64_t i = 0; i < d->n; i++) {
        sum += (double)d->weight[i] * j.h[i];
        all += (double)d->weight[i] * j.e[i];
    }
    *loss = (float)((double)*loss + sum);
    if (sure)
        *sure = (float)((double)*sure + all);
    return UM_OK;
}

static int backward(void *arg, int64_t i, int worker)
{
    const struct job        *w  = arg;
    const struct um_distill *d  = w->d;
    const int64_t            at = i * d->c;
    const float              g  = w->g * d->weight[i];

    (void)worker;
    for (int64_t j = 0; j < d->c; j += UM_VL)
        um_vstore(w->dx, d->dt, at + j, d->c - j,
                  (um_vexp(student(d, at, j) - w->l[2 * i]) -
                   um_vexp(teacher(d, at, j) - w->l[2 * i + 1])) *
                      g);
    return UM_OK;
}

int UM_CPU(distill_bwd)(struct um_dev *dev, void *dx, const float *gloss, const float *lse,
                        const struct um_distill *d)
{
    struct job j = { .d = d, .dx = dx, .l = lse };

    UM_TRY(um_check_distill("distill_bwd", d));
    j.g = d->n > 0 ? *gloss / d->tau_s : 0;
    return um_share(dev, d->n, backward, &j);
}

/* one distribution a step: as the definition has it */
int UM_CPU(entropy)(struct um_dev *dev, double *h, const float *q, int64_t n)
{
    return um_ref_entropy(dev, h, q, n);
}
