/* guard.c - the buffers of a list, to the host and back */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/guard.h"

#include <stdlib.h>

struct um_guard {
    struct um_params *ps;
    float            *host;
};

int um_guard_new(struct um_guard **out, struct um_params *ps)
{
    struct um_guard *g = calloc(1, sizeof *g);
    int64_t          n = 1;

    *out = NULL;
    for (int i = 0; i < ps->n; i++)
        n += ps->list[i].buffer ? ps->list[i].count : 0;
    if (!g || !(g->host = calloc((size_t)n, sizeof *g->host))) {
        free(g);
        return um_fail(UM_ENOMEM, "out of memory");
    }
    g->ps = ps;
    *out  = g;
    return UM_OK;
}

void um_guard_free(struct um_guard *g)
{
    if (g)
        free(g->host);
    free(g);
}

static int copy(struct um_guard *g, bool back)
{
    const struct um_params  *ps = g->ps;
    const struct um_kernels *k  = um_dev_kernels(ps->dev);
    float                   *at = g->host;

    for (int i = 0; i < ps->n; i++) {
        const struct um_param *p    = &ps->list[i];
        const size_t           size = (size_t)p->count * sizeof(float);

        if (!p->buffer)
            continue;
        UM_TRY(back ? k->upload(ps->dev, ps->value + p->offset, at, size)
                    : k->download(ps->dev, at, ps->value + p->offset, size));
        at += p->count;
    }
    return UM_OK;
}

int um_guard_keep(struct um_guard *g)
{
    UM_TRY(um_dev_kernels(g->ps->dev)->sync(g->ps->dev));
    return copy(g, false);
}

int um_guard_restore(struct um_guard *g)
{
    return copy(g, true);
}
