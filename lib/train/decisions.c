/* decisions.c - everything that a run was told, as pairs: a resumed run must agree with them, and
 * they stay in the weights' metadata
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "train/trainer.h"

enum { MOST = 64 };

struct list {
    struct um_arena *a;
    const char     **at; /* name, value, ..., NULL */
    int              n;
    bool             lost; /* out of memory */
};

static void text(struct list *l, const char *name, const char *value)
{
    assert(l->n < 2 * MOST);
    l->at[l->n++] = name;
    l->at[l->n++] = value;
    l->lost       = l->lost || !value;
}

static void whole(struct list *l, const char *name, int64_t value)
{
    text(l, name, um_sprintf(l->a, "%lld", (long long)value));
}

static void real(struct list *l, const char *name, double value)
{
    text(l, name, um_sprintf(l->a, "%.17g", value));
}

static void choice(struct list *l, const char *name, bool b, const char *yes, const char *no)
{
    text(l, name, b ? yes : no);
}

static void schedule(struct list *l, const struct trainer *t)
{
    static const char *const       clip[] = { "none", "tensor", "global" };
    const struct um_pretrain_opts *o      = t->o;

    text(l, "train.data", t->d->digest);
    text(l, "train.seed", um_sprintf(l->a, "%llu", (unsigned long long)o->seed));
    whole(l, "train.batch-2d", o->batch[UM_2D]);
    whole(l, "train.batch-3d", o->batch[UM_3D]);
    choice(l, "train.mix", o->mix == UM_MIX_JOINT, "joint", "separate");
    whole(l, "train.window", t->d->pipe ? o->window : 0);
    whole(l, "train.epochs", o->epochs);
    whole(l, "train.steps", t->steps);
    whole(l, "train.epoch-steps", t->per_epoch);
    whole(l, "train.accumulate", o->parts);
    real(l, "train.lr", o->lr);
    real(l, "train.lr-low", o->lr_low);
    whole(l, "train.warmup", t->lr.warmup);
    real(l, "train.weight-decay", o->optim.weight_decay);
    choice(l, "train.decay-all", o->optim.decay_all, "yes", "no");
    text(l, "train.clip", um_sprintf(l->a, "%s:%.17g", clip[o->optim.clip], o->optim.max_norm));
    text(l, "train.precision", um_dtype_name(o->precision));
    whole(l, "train.validate-every", o->valid_every);
}

static void method(struct list *l, const struct um_method *m)
{
    text(l, "train.select", um_select_name(m->select));
    whole(l, "train.slices", m->slices);
    choice(l, "train.spread", m->spread, "yes", "no");
    choice(l, "train.attn-layers", m->attn_last, "last", "all");
    choice(l, "train.attn-from", m->attn_student, "student", "teacher");
    real(l, "train.keep", m->keep.share);
    choice(l, "train.mask", m->keep.random, "random", "attention");
    choice(l, "train.mask-as", m->drop, "drop", "token");
    whole(l, "train.mask-block", m->keep.block);
    whole(l, "train.views", m->views);
    real(l, "train.lambda-icl", m->lambda_icl);
    real(l, "train.lambda-pcl", m->lambda_pcl);
    text(l, "train.patch-loss", um_patches_name(m->patches));
    choice(l, "train.vl-input", m->full, "full", "masked");
    choice(l, "train.negatives", m->local, "local", "global");
    choice(l, "train.same-text", m->same_text, "positive", "negative");
    if (m->temperature > 0)
        real(l, "train.temperature", m->temperature);
    else
        text(l, "train.temperature", "learned");
    choice(l, "train.freeze-text", m->freeze_text, "yes", "no");
    real(l, "train.tau-s", m->tau_s);
    real(l, "train.tau-t", m->tau_t);
    real(l, "train.tau-t-to", m->tau_to);
    whole(l, "train.tau-epochs", m->tau_epochs);
    choice(l, "train.centres", m->centres, "separate", "shared");
    real(l, "train.ema", m->ema);
}

int trainer_describe(struct trainer *t)
{
    struct list l = { .a = t->arena, .at = um_calloc_array(t->arena, 2 * MOST + 1, sizeof *l.at) };

    if (!(t->meta = l.at))
        return UM_ENOMEM;
    schedule(&l, t);
    method(&l, &t->o->method);
    return l.lost ? UM_ENOMEM : UM_OK;
}
