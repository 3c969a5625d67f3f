/* guard.c - the buffers of a list, in device memory of their own, and back */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/guard.h"

#include <stdlib.h>

struct um_guard {
    struct um_params *ps;
    void             *kept;
};

int um_guard_new(struct um_guard **out, struct um_params *ps)
{
    struct um_guard *g = calloc(1, sizeof *g);
    int64_t          n = 0;
    int              st;

    *out = NULL;
    if (!g)
        return um_fail(UM_ENOMEM, "out of memory");
    for (int i = 0; i < ps->n; i++)
        n += ps->list[i].buffer ? ps->list[i].count : 0;
    g->ps = ps;
    if ((st = um_dev_kernels(ps->dev)->alloc(ps->dev, (size_t)n * sizeof(float), &g->kept)) < 0) {
        free(g);
        return st;
    }
    *out = g;
    return UM_OK;
}

void um_guard_free(struct um_guard *g)
{
    if (g)
        um_dev_kernels(g->ps->dev)->free(g->ps->dev, g->kept);
    free(g);
}

static int copy(struct um_guard *g, bool back)
{
    const struct um_params  *ps = g->ps;
    const struct um_kernels *k  = um_dev_kernels(ps->dev);
    float                   *at = g->kept;

    for (int i = 0; i < ps->n; i++) {
        const struct um_param *p = &ps->list[i];
        float                 *x = ps->value + p->offset;

        if (!p->buffer)
            continue;
        UM_TRY(k->cast(ps->dev, back ? x : at, UM_F32, back ? at : x, UM_F32, p->count));
        at += p->count;
    }
    return UM_OK;
}

int um_guard_keep(struct um_guard *g)
{
    return copy(g, false);
}

int um_guard_restore(struct um_guard *g)
{
    return copy(g, true);
}
