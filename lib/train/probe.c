/* probe.c - one linear layer, trained on the tape like any other model */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mt19937.h"
#include "base/philox.h"
#include "nn/nn.h"
#include "train/adamw.h"

enum { CHUNK = 1024 }; /* records a pass without gradients */

struct fit {
    const struct um_probe      *p;
    const struct um_probe_opts *o;
    struct um_arena            *arena;
    struct um_params           *ps;
    struct um_nn               *nn;
    struct um_adamw            *optim;
    int                         w, b;
    float                      *mean, *rstd; /* [C], or NULL */
    float                      *x, *y;       /* a batch: [CHUNK or more, C], [.., K] */
    int32_t                    *of;
    int64_t                    *order; /* [ntrain] */
    float                      *best;  /* the weights of the lowest validation loss */
};

/* ---- set-up ---- */

static int declare(struct fit *f, struct um_dev *dev)
{
    const int64_t     dim[] = { f->p->K, f->p->width };
    const float       bound = (float)(1 / sqrt((double)f->p->width));
    struct um_params *ps;

    UM_TRY(um_params_new(&f->ps, dev));
    ps = f->ps;
    UM_TRY(f->w = um_params_add(ps, "probe.weight", 2, dim, UM_INIT_UNIFORM, bound, true));
    UM_TRY(f->b = um_params_add(ps, "probe.bias", 1, dim, UM_INIT_UNIFORM, bound, true));
    UM_TRY(um_params_init(ps, f->o->seed));
    return um_params_grad(ps);
}

static int standardize(struct fit *f)
{
    const int64_t C = f->p->width, n = f->p->ntrain;
    double       *sum = um_calloc_array(f->arena, 2 * C, sizeof *sum), *sq = sum ? sum + C : NULL;

    f->mean = um_alloc_array(f->arena, C, sizeof *f->mean);
    f->rstd = um_alloc_array(f->arena, C, sizeof *f->rstd);
    if (!sum || !f->mean || !f->rstd)
        return UM_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < C; c++)
            sum[c] += (double)f->p->x[f->p->train[i] * C + c] / (double)n;
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < C; c++) {
            const double d = (double)f->p->x[f->p->train[i] * C + c] - sum[c];

            sq[c] += d * d / (double)n;
        }
    for (int64_t c = 0; c < C; c++) { /* a feature that never changes stays at 0 */
        f->mean[c] = (float)sum[c];
        f->rstd[c] = sq[c] > 0 ? (float)(1 / sqrt(sq[c])) : 0;
    }
    return UM_OK;
}

static int prepare(struct fit *f, struct um_dev *dev)
{
    const int64_t              rows = f->o->batch > CHUNK ? f->o->batch : CHUNK;
    const struct um_nn_opts    nn   = { .dtype = UM_F32 };
    const struct um_adamw_opts adam = {
        .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = f->o->weight_decay
    };

    UM_TRY(um_arena_new(&f->arena));
    f->x     = um_alloc_array(f->arena, rows * f->p->width, sizeof *f->x);
    f->y     = um_alloc_array(f->arena, rows * f->p->K, sizeof *f->y);
    f->of    = um_alloc_array(f->arena, rows, sizeof *f->of);
    f->order = um_alloc_array(f->arena, f->p->ntrain, sizeof *f->order);
    if (!f->x || !f->y || !f->of || !f->order)
        return UM_ENOMEM;
    UM_TRY(declare(f, dev));
    if (!(f->best = um_alloc_array(f->arena, f->ps->total, sizeof *f->best)))
        return UM_ENOMEM;
    UM_TRY(um_nn_new(&f->nn, dev, &nn));
    UM_TRY(um_adamw_new(&f->optim, f->ps, &adam));
    return f->o->standardize ? standardize(f) : UM_OK;
}

/* ---- batches ---- */

/* records index[0..n-1] into the batch's arrays; the number of targets that count */
static int64_t gather(struct fit *f, const int64_t *index, int64_t n)
{
    const int64_t C = f->p->width, K = f->p->K;
    int64_t       targets = 0;

    for (int64_t i = 0; i < n; i++) {
        const float *from = f->p->x + index[i] * C;
        float       *to   = f->x + i * C;

        memcpy(to, from, (size_t)C * sizeof *to);
        for (int64_t c = 0; f->mean && c < C; c++)
            to[c] = (to[c] - f->mean[c]) * f->rstd[c];
        if (!f->p->y) {
            f->of[i] = f->p->of[index[i]];
            targets++;
            continue;
        }
        memcpy(f->y + i * K, f->p->y + index[i] * K, (size_t)K * sizeof *f->y);
        for (int64_t k = 0; k < K; k++)
            targets += !isnan(f->y[i * K + k]);
    }
    return targets;
}

static struct um_var *outputs(struct fit *f, int64_t n)
{
    const int64_t  dim[] = { n, f->p->width };
    struct um_var *x     = um_nn_input(f->nn, UM_F32, 2, dim, f->x);

    return um_linear(f->nn, x, um_nn_param(f->nn, f->ps, f->w), um_nn_param(f->nn, f->ps, f->b));
}

static struct um_var *loss_of(struct fit *f, struct um_var *z)
{
    return f->p->y ? um_bce(f->nn, z, f->y) : um_cross_entropy(f->nn, z, f->of, false);
}

static int read_loss(struct fit *f, struct um_var *y, double *loss)
{
    float x;

    UM_TRY(um_nn_status(f->nn));
    UM_TRY(um_nn_read(f->nn, y, &x));
    *loss = (double)x;
    return isfinite(x) ? UM_OK : um_fail(UM_ENONFINITE, "the probe's loss is %g", *loss);
}

/* ---- epochs ---- */

static int epoch(struct fit *f, int64_t e)
{
    struct um_rng    r = um_rng_at(f->o->seed, UM_RNG_PROBE, 0, (uint32_t)e);
    struct um_update done;
    double           loss;
    int64_t          n;

    um_rng_permute(&r, f->order, f->p->ntrain);
    for (int64_t i = 0; i < f->p->ntrain; i++)
        f->order[i] = f->p->train[f->order[i]];
    for (int64_t i = 0; i < f->p->ntrain; i += n) {
        n = f->p->ntrain - i < f->o->batch ? f->p->ntrain - i : f->o->batch;
        (void)gather(f, f->order + i, n);
        UM_TRY(um_nn_begin(f->nn, true, true, f->o->seed, 0));
        struct um_var *y = loss_of(f, outputs(f, n));
        UM_TRY(read_loss(f, y, &loss));
        UM_TRY(um_params_zero_grad(f->ps));
        UM_TRY(um_nn_backward(f->nn, y));
        UM_TRY(um_adamw_step(f->optim, f->o->lr, &done));
    }
    return UM_OK;
}

static int validate(struct fit *f, double *loss)
{
    double  sum = 0, targets = 0, x;
    int64_t n;

    for (int64_t i = 0; i < f->p->nvalid; i += n) {
        n               = f->p->nvalid - i < CHUNK ? f->p->nvalid - i : CHUNK;
        const int64_t t = gather(f, f->p->valid + i, n);

        UM_TRY(um_nn_begin(f->nn, false, false, 0, 0));
        UM_TRY(read_loss(f, loss_of(f, outputs(f, n)), &x));
        sum += x * (double)t;
        targets += (double)t;
    }
    *loss = targets > 0 ? sum / targets : NAN;
    return UM_OK;
}

static int block(struct fit *f, bool keep)
{
    const struct um_kernels *k     = um_dev_kernels(f->ps->dev);
    const size_t             bytes = (size_t)f->ps->total * sizeof(float);

    if (!keep)
        return k->upload(f->ps->dev, f->ps->value, f->best, bytes);
    UM_TRY(k->sync(f->ps->dev));
    return k->download(f->ps->dev, f->best, f->ps->value, bytes);
}

static int epochs(struct fit *f, struct um_probe_result *r)
{
    const bool early = f->o->patience > 0;
    double     loss;

    *r = (struct um_probe_result){ .loss = early ? INFINITY : NAN };
    while (r->epochs < f->o->epochs && (!early || r->epochs - r->best < f->o->patience)) {
        UM_TRY(epoch(f, r->epochs));
        r->epochs++;
        if (early)
            UM_TRY(validate(f, &loss));
        if (early && !(loss < r->loss))
            continue;
        r->best = r->epochs;
        if (early) {
            r->loss = loss;
            UM_TRY(block(f, true));
        }
    }
    return early && r->best > 0 ? block(f, false) : UM_OK;
}

static int apply(struct fit *f, float *out)
{
    int64_t n;

    for (int64_t i = 0; i < f->p->ntest; i += n) {
        n = f->p->ntest - i < CHUNK ? f->p->ntest - i : CHUNK;
        (void)gather(f, f->p->test + i, n);
        UM_TRY(um_nn_begin(f->nn, false, false, 0, 0));
        struct um_var *z = outputs(f, n);
        UM_TRY(um_nn_status(f->nn));
        UM_TRY(um_nn_read(f->nn, z, out + i * f->p->K));
    }
    return UM_OK;
}

int um_probe_fit(struct um_dev *dev, const struct um_probe *p, const struct um_probe_opts *o,
                 float *out, struct um_probe_result *result)
{
    struct fit f = { .p = p, .o = o };
    int        st;

    if (p->ntrain < 1 || p->ntest < 1 || (o->patience > 0 && p->nvalid < 1))
        return um_fail(UM_ERANGE, "a probe of %lld training, %lld validation, %lld test records",
                       (long long)p->ntrain, (long long)p->nvalid, (long long)p->ntest);
    if ((st = prepare(&f, dev)) >= 0 && (st = epochs(&f, result)) >= 0)
        st = apply(&f, out);
    um_adamw_free(f.optim);
    um_nn_free(f.nn);
    um_params_free(f.ps);
    um_arena_free(f.arena);
    return st;
}

/* ---- a cell of a table ---- */

/* numbers of the records of a part, in the arena */
static int part(const struct um_labelled *f, enum um_part which, struct um_arena *a,
                const int64_t **index, int64_t *n)
{
    int64_t *p = um_alloc_array(a, f->n, sizeof *p);

    *n = 0;
    if (!p)
        return UM_ENOMEM;
    for (int64_t i = 0; i < f->n; i++)
        if (f->part[i] == which)
            p[(*n)++] = i;
    *index = p;
    return UM_OK;
}

static int draw(struct um_probe *p, double fraction, uint64_t seed, struct um_arena *a)
{
    const int64_t n = p->ntrain, k = um_mt_sample_count(fraction, n);
    int64_t      *order = um_alloc_array(a, n, sizeof *order);

    if (!order)
        return UM_ENOMEM;
    um_mt_permutation((uint32_t)seed, order, n);
    for (int64_t i = 0; i < n; i++)
        order[i] = p->train[order[i]];
    p->train  = order;
    p->ntrain = k < 1 ? 1 : k;
    return UM_OK;
}

int um_probe_cell(struct um_dev *dev, const struct um_labelled *f, double fraction,
                  const struct um_probe_opts *o, int64_t reps, struct um_arena *a,
                  struct um_probe_cell *cell)
{
    struct um_probe p = {
        .width = f->width, .K = f->nname, .x = f->x, .y = f->classes ? NULL : f->y, .of = f->of
    };
    float *out;

    UM_TRY(part(f, UM_TRAIN, a, &p.train, &p.ntrain));
    UM_TRY(part(f, UM_VALID, a, &p.valid, &p.nvalid));
    UM_TRY(part(f, UM_TEST, a, &p.test, &p.ntest));
    UM_TRY(draw(&p, fraction, o->seed, a));
    *cell = (struct um_probe_cell){
        .fraction = fraction, .ntrain = p.ntrain, .nvalid = p.nvalid, .ntest = p.ntest
    };
    out         = um_alloc_array(a, p.ntest * p.K, sizeof *out);
    cell->score = um_calloc_array(a, p.K + 2, sizeof *cell->score);
    if (!out || !cell->score)
        return UM_ENOMEM;
    UM_TRY(um_probe_fit(dev, &p, o, out, &cell->fit));
    return um_score_table(f, p.test, p.ntest, out, reps, o->seed, cell->score, &cell->nscore);
}
