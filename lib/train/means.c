/* means.c - running means on the device, a group for each pair of centres */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/means.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* of a group: mean z^t, and mean q, at [CLS] and over patches */
enum { Z_CLS, Z_PATCH, Q_CLS, Q_PATCH, EACH, GROUPS = 2 };

/* a mean that the device hands out at its next sync */
struct late {
    struct late *next;
    float        x;
    int          which;
    double       weight;
};

struct um_means {
    struct um_params *ps;                /* [GROUPS EACH] */
    double            weight[GROUPS][2]; /* samples so far: [CLS], patches */
    double            sure[2];           /* sums over them, on the host */
    struct um_arena  *arena;             /* of what is late */
    struct late      *first, **last;
    double           *entropy;           /* device [GROUPS][2] */
    double            spread[GROUPS][2]; /* the same here */
};

void um_means_free(struct um_means *m)
{
    if (!m)
        return;
    if (m->entropy)
        um_dev_kernels(m->ps->dev)->free(m->ps->dev, m->entropy);
    um_params_free(m->ps);
    um_arena_free(m->arena);
    free(m);
}

static int make(struct um_means *m, struct um_dev *dev, int64_t M)
{
    static const char *const name[GROUPS * EACH] = { "z.cls",    "z.patch",   "q.cls",
                                                     "q.patch",  "z.cls_3d",  "z.patch_3d",
                                                     "q.cls_3d", "q.patch_3d" };

    UM_TRY(um_params_new(&m->ps, dev));
    for (int i = 0; i < GROUPS * EACH; i++) {
        const int st = um_params_buffer(m->ps, name[i], M, 0);

        if (st < 0)
            return st;
    }
    UM_TRY(um_params_init(m->ps, 0));
    UM_TRY(um_arena_new(&m->arena));
    um_means_begin(m);
    return um_dev_kernels(dev)->alloc(dev, sizeof m->spread, (void **)&m->entropy);
}

int um_means_new(struct um_means **out, struct um_dev *dev, int64_t M)
{
    struct um_means *m = calloc(1, sizeof *m);
    int              st;

    *out = NULL;
    if (!m)
        return um_fail(UM_ENOMEM, "out of memory");
    if ((st = make(m, dev, M)) < 0) {
        um_means_free(m);
        return st;
    }
    *out = m;
    return UM_OK;
}

void um_means_begin(struct um_means *m)
{
    memset(m->weight, 0, sizeof m->weight);
    memset(m->sure, 0, sizeof m->sure);
    um_arena_reset(m->arena);
    m->first = NULL;
    m->last  = &m->first;
}

static float *values(const struct um_means *m, int i)
{
    return m->ps->value + m->ps->list[i].offset;
}

static int later(struct um_means *m, struct um_var *x, int which, double w)
{
    struct late *l = um_alloc(m->arena, sizeof *l);

    if (!l)
        return UM_ENOMEM;
    *l       = (struct late){ .which = which, .weight = w };
    *m->last = l;
    m->last  = &l->next;
    return um_dev_kernels(m->ps->dev)->fetch(m->ps->dev, &l->x, x->data, sizeof l->x);
}

void um_means_settle(struct um_means *m)
{
    for (const struct late *l = m->first; l; l = l->next)
        m->sure[l->which] += l->weight * (double)l->x;
    m->first = NULL;
    m->last  = &m->first;
}

/* mean <- the mean over the samples so far; w of them come now, after `before` */
static int add(struct um_means *m, int i, const struct um_var *x, double before, double w)
{
    return um_dev_kernels(m->ps->dev)
        ->lerp(m->ps->dev, values(m, i), x->data, (float)(w / (before + w)), m->ps->list[i].count);
}

int um_means_add(struct um_means *m, int pair, const struct um_distilled *d, double w)
{
    const int group = pair / 2, at = group * EACH;

    for (int i = 0; i < 2; i++) {
        double *before = &m->weight[group][i];

        if (!d->zmean[i])
            continue;
        UM_TRY(add(m, at + Z_CLS + i, d->zmean[i], *before, w));
        UM_TRY(add(m, at + Q_CLS + i, d->qmean[i], *before, w));
        UM_TRY(later(m, d->sure[i], i, w));
        *before += w;
    }
    return UM_OK;
}

int um_means_share(struct um_means *m, struct um_ranks *ranks, struct um_reduce *reduce)
{
    const float each = 1.0f / (float)um_ranks_size(ranks);

    UM_TRY(um_ranks_sum_double(ranks, m->sure, 2));
    for (int i = 0; i < 2; i++)
        m->sure[i] *= (double)each;
    for (int i = 0; i < GROUPS * EACH; i++)
        if (m->weight[i / EACH][i % 2] > 0)
            UM_TRY(um_reduce_values(reduce, values(m, i), m->ps->list[i].count, each));
    return UM_OK;
}

int um_means_close(struct um_means *m)
{
    struct um_dev           *dev = m->ps->dev;
    const struct um_kernels *k   = um_dev_kernels(dev);

    for (int i = 0; i < 2 * GROUPS; i++)
        if (m->weight[i / 2][i % 2] > 0)
            UM_TRY(k->entropy(dev, m->entropy + i, values(m, i / 2 * EACH + Q_CLS + i % 2),
                              m->ps->list[0].count));
    return k->fetch(dev, m->spread, m->entropy, sizeof m->spread);
}

void um_means_entropy(const struct um_means *m, int which, double *sure, double *spread)
{
    const double n = m->weight[0][which] + m->weight[1][which];

    *sure = *spread = NAN;
    if (!(n > 0))
        return;
    *sure   = m->sure[which] / n;
    *spread = 0;
    for (int g = 0; g < GROUPS; g++)
        if (m->weight[g][which] > 0)
            *spread += m->spread[g][which] * m->weight[g][which] / n;
}

int um_means_follow(struct um_means *m, struct um_params *centres)
{
    for (int g = 0; g < GROUPS; g++) {
        struct um_var  z[2]    = { { .data = NULL }, { .data = NULL } };
        struct um_var *zmean[] = { NULL, NULL };

        for (int i = 0; i < 2; i++)
            if (m->weight[g][i] > 0) {
                z[i].data = values(m, g * EACH + Z_CLS + i);
                zmean[i]  = &z[i];
            }
        if (zmean[0])
            UM_TRY(um_model_follow(centres, 2 * g, zmean));
    }
    return UM_OK;
}
