/* watch.c - the two ways in which self-distillation collapses (method.md 7.3) */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "train/trainer.h"

/* steps of a modality in a row before it is said, and again after as many more */
enum { UNIFORM = 1000, SINGLE = 50 };

static void count(const struct trainer *t, int64_t *row, bool now, int64_t limit, const char *text)
{
    *row = now ? *row + 1 : 0;
    if (*row > 0 && *row % limit == 0 && t->hooks->warn)
        t->hooks->warn(t->hooks->user, text);
}

void trainer_watch(struct trainer *t, enum um_modality mod, const struct um_losses *l)
{
    const double      log_m = log((double)t->now.m->cfg.prototypes);
    const bool        joint = t->o->mix == UM_MIX_JOINT;
    const char *const of    = joint ? "2d,3d" : mod_name(mod);
    const double      icl   = joint ? l->icl / 2 : l->icl; /* the sum of two batches */
    char              text[256];

    if (!um_method_distils(&t->o->method))
        return;
    (void)snprintf(text, sizeof text,
                   "step %lld: L_icl of %s stays at log M = %.4f: the uniform collapse of "
                   "self-distillation (a lower --tau-t or a higher --lr may help)",
                   (long long)t->state.step, of, log_m);
    count(t, &t->uniform[mod], icl > log_m - 1e-3, UNIFORM, text);
    (void)snprintf(text, sizeof text,
                   "step %lld: the entropy of the mean target of %s is %.3f: one prototype takes "
                   "all, a collapse of self-distillation (%sa higher --tau-t or --ema may help)",
                   (long long)t->state.step, of, l->spread[0],
                   t->o->method.centres ? "" : "--centres separate, ");
    count(t, &t->single[mod], l->spread[0] < 0.1, SINGLE, text);
}
