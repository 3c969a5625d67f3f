/* decisions.c - everything that a run was told, as pairs: a resumed run must agree with them, and
 * they stay in the weights' metadata
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "train/trainer.h"

enum { PAIRS = 18 };

static int describe(struct trainer *t, const char **list)
{
    static const char *const       clip[]          = { "none", "tensor", "global" };
    const struct um_pretrain_opts *o               = t->o;
    struct um_arena               *a               = t->arena;
    const char *const              pair[2 * PAIRS] = {
                     "train.data",
                     t->d->digest,
                     "train.seed",
                     um_sprintf(a, "%llu", (unsigned long long)o->seed),
                     "train.batch-2d",
                     um_sprintf(a, "%lld", (long long)o->batch[UM_2D]),
                     "train.batch-3d",
                     um_sprintf(a, "%lld", (long long)o->batch[UM_3D]),
                     "train.mix",
        o->mix == UM_MIX_JOINT ? "joint" : "separate",
                     "train.window",
                     um_sprintf(a, "%lld", (long long)(t->d->pipe ? o->window : 0)),
                     "train.epochs",
                     um_sprintf(a, "%lld", (long long)o->epochs),
                     "train.steps",
                     um_sprintf(a, "%lld", (long long)t->steps),
                     "train.epoch-steps",
                     um_sprintf(a, "%lld", (long long)t->per_epoch),
                     "train.accumulate",
                     um_sprintf(a, "%lld", (long long)o->parts),
                     "train.lr",
                     um_sprintf(a, "%.17g", o->lr),
                     "train.lr-low",
                     um_sprintf(a, "%.17g", o->lr_low),
                     "train.warmup",
                     um_sprintf(a, "%lld", (long long)t->lr.warmup),
                     "train.weight-decay",
                     um_sprintf(a, "%.17g", o->optim.weight_decay),
                     "train.decay-all",
        o->optim.decay_all ? "yes" : "no",
                     "train.clip",
                     um_sprintf(a, "%s:%.17g", clip[o->optim.clip], o->optim.max_norm),
                     "train.precision",
                     um_dtype_name(o->precision),
                     "train.validate-every",
                     um_sprintf(a, "%lld", (long long)o->valid_every),
    };

    for (int i = 0; i < 2 * PAIRS; i++)
        if (!(list[i] = pair[i]))
            return UM_ENOMEM;
    return UM_OK;
}

int trainer_describe(struct trainer *t)
{
    t->meta = um_calloc_array(t->arena, 2 * (PAIRS + UM_METHOD_PAIRS) + 1, sizeof *t->meta);
    if (!t->meta)
        return UM_ENOMEM;
    UM_TRY(describe(t, t->meta));
    return um_method_describe(&t->o->method, t->arena, t->meta + 2 * PAIRS);
}
