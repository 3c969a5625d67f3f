/* late.c - the losses of a step, which come to the host at its end */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/late.h"

#include <stdlib.h>

/* a loss of a batch, or of a part of it */
struct late {
    struct late *next;
    double      *sum; /* where it is added, */
    double       share;
    float        x; /* once the device has handed it out */
    int          batch;
};

struct um_late {
    struct um_dev   *dev;
    struct um_arena *arena;
    struct late     *first, **last;
    double          *health;
    int              bad;
};

void um_late_free(struct um_late *l)
{
    if (!l)
        return;
    if (l->health)
        um_dev_kernels(l->dev)->free(l->dev, l->health);
    um_arena_free(l->arena);
    free(l);
}

int um_late_new(struct um_late **out, struct um_dev *dev)
{
    struct um_late *l = calloc(1, sizeof *l);
    int             st;

    *out = NULL;
    if (!l)
        return um_fail(UM_ENOMEM, "out of memory");
    l->dev  = dev;
    l->last = &l->first;
    l->bad  = -1;
    if ((st = um_arena_new(&l->arena)) < 0 ||
        (st = um_dev_kernels(dev)->alloc(dev, sizeof *l->health, (void **)&l->health)) < 0) {
        um_late_free(l);
        return st;
    }
    *out = l;
    return UM_OK;
}

int um_late_begin(struct um_late *l)
{
    const struct um_kernels *k = um_dev_kernels(l->dev);

    if (l->first) /* the device would write to what is used again */
        UM_TRY(k->sync(l->dev));
    l->first = NULL;
    l->last  = &l->first;
    l->bad   = -1;
    um_arena_reset(l->arena);
    return k->zero(l->dev, l->health, sizeof *l->health);
}

int um_late_add(struct um_late *l, const struct um_var *x, double *sum, double share, int batch)
{
    const struct um_kernels *k = um_dev_kernels(l->dev);
    struct late             *v = um_alloc(l->arena, sizeof *v);

    if (!v)
        return UM_ENOMEM;
    *v       = (struct late){ .sum = sum, .share = share, .batch = batch };
    *l->last = v;
    l->last  = &v->next;
    UM_TRY(k->sumsq(l->dev, l->health, x->data, &(struct um_span){ 0, 1, 1, 0 }, 1));
    return k->fetch(l->dev, &v->x, x->data, sizeof v->x);
}

int um_late_settle(struct um_late *l, um_late_check_fn *check, void *user)
{
    struct late *v = l->first;

    while (v) {
        const int batch = v->batch;
        int       st;

        for (; v && v->batch == batch; v = v->next)
            *v->sum += v->share * (double)v->x;
        if ((st = check(user)) < 0) {
            l->bad = batch;
            return st;
        }
    }
    l->first = NULL;
    l->last  = &l->first;
    return UM_OK;
}

int um_late_bad(const struct um_late *l)
{
    return l->bad;
}

const double *um_late_health(const struct um_late *l)
{
    return l->health;
}
