/* shortage.c - what a run holds, for whom it was too much */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "train/trainer.h"

static double mib(double bytes)
{
    return bytes / 1048576;
}

static double block(const struct um_params *ps, bool there)
{
    return there ? mib((double)ps->total * sizeof(float)) : 0;
}

int trainer_shortage(struct trainer *t, int st)
{
    const struct um_params *ps  = t->now.m->ps;
    struct um_dev          *dev = ps->dev;
    struct um_memory        m   = { 0 };
    char                    text[UM_ERRMSG_MAX];

    if (st != UM_ENOMEM)
        return st;
    (void)snprintf(text, sizeof text, "%s", um_errmsg());
    if (um_dev_kernels(dev)->memory(dev, &m) < 0 || m.wanted == 0) { /* it was the host's */
        um_seterrmsg(text);
        return st;
    }
    return um_fail(st,
                   "%s; of %.1f MiB held, weights are %.1f, gradients %.1f, moments %.1f, the "
                   "teacher %.1f, activations %.1f",
                   text, mib((double)m.now), block(ps, ps->value), block(ps, ps->grad),
                   2 * block(ps, t->now.optim),
                   t->now.teacher ? block(t->now.teacher->ps, true) : 0,
                   t->step ? mib((double)um_step_held(t->step)) : 0);
}
