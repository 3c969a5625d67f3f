/* watch.c - the two ways in which self-distillation collapses (method.md 7.3) */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "train/trainer.h"

/* steps in a row before it is said, and again after as many more */
enum { UNIFORM = 1000, SINGLE = 50 };

static void count(struct trainer *t, int which, bool now, int64_t limit, const char *text)
{
    t->collapsed[which] = now ? t->collapsed[which] + 1 : 0;
    if (t->collapsed[which] > 0 && t->collapsed[which] % limit == 0 && t->hooks->warn)
        t->hooks->warn(t->hooks->user, text);
}

void trainer_watch(struct trainer *t, const struct um_losses *l)
{
    const double log_m = log((double)t->now.m->cfg.prototypes);
    char         text[256];

    if (!um_method_distils(&t->o->method))
        return;
    (void)snprintf(text, sizeof text,
                   "step %lld: L_icl stays at log M = %.4f: the uniform collapse of "
                   "self-distillation (a lower --tau-t or a higher --lr may help)",
                   (long long)t->state.step, log_m);
    count(t, 0, l->icl > log_m - 1e-3, UNIFORM, text);
    (void)snprintf(text, sizeof text,
                   "step %lld: the entropy of the mean target is %.3f: one prototype takes all, a "
                   "collapse of self-distillation (a higher --tau-t or --ema may help)",
                   (long long)t->state.step, l->spread[0]);
    count(t, 1, l->spread[0] < 0.1, SINGLE, text);
}
