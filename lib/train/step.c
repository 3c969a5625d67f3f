/* step.c - one batch through both encoders */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/step.h"

static struct um_var *pixels(struct um_nn *nn, const struct um_model *m, const struct um_batch *b)
{
    const struct um_model_config *c        = &m->cfg;
    const int64_t                 image[]  = { b->n, 1, c->image, c->image };
    const int64_t                 volume[] = { b->n, c->volume[0], c->volume[1], c->volume[2] };

    return um_nn_input(nn, UM_F32, 4, b->mod == UM_2D ? image : volume, b->x);
}

struct um_var *um_step_loss(struct um_nn *nn, struct um_model *m, const struct um_batch *b)
{
    struct um_var *y = um_model_vision(nn, m, b->mod, pixels(nn, m, b), NULL);
    struct um_var *h = um_model_text(nn, m, b->n, b->length, b->ids, b->mask);
    struct um_var *v = um_model_project_vision(nn, m, b->mod, um_slice_tokens(nn, y, 0, 1));
    struct um_var *r = um_model_project_text(nn, m, b->mod, h);

    return um_model_contrastive(nn, m, v, r);
}
