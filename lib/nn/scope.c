/* scope.c - blocks of a network that give their memory back: at once, or to be run again
 * SPDX-License-Identifier: Apache-2.0
 */
#include "nn/nn_int.h"

struct again {
    um_block_fn   *fn;
    const void    *arg;
    struct um_var *x;
    uint64_t       place; /* the number of the block's first dropout */
};

/* The block once more, recorded on a tape of its own that is walked at once. It starts at a copy of
 * x's variable, so that the gradient of the block's own uses of x is complete before x gets it. */
static int again_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct again   *o     = op;
    struct nn_node *const last  = nn->last;
    const struct nn_mark  mark  = nn_mark(nn);
    const uint64_t        place = nn->place;
    struct um_var         x     = *o->x, *z;

    x.grad      = NULL;
    nn->last    = NULL;
    nn->place   = o->place;
    nn->again   = true;
    nn->walking = false;
    z           = o->fn(nn, o->arg, &x);
    nn->walking = true;
    nn->again   = false;
    nn->place   = place;
    if (!z)
        return um_nn_status(nn);
    z->grad = y->grad;
    UM_TRY(nn_walk(nn)); /* gives y's gradient back, or passes it on */
    nn->given = true;
    nn->last  = last;
    nn_release(nn, mark, NULL);
    if (!o->x->needs || !x.grad)
        return UM_OK;
    if (!o->x->grad) {
        o->x->grad = x.grad;
        return UM_OK;
    }
    UM_TRY(nn_grad_add(nn, o->x, x.grad));
    nn_give_back(nn, x.grad);
    return UM_OK;
}

struct um_var *um_nn_block(struct um_nn *nn, um_block_fn *fn, const void *arg, struct um_var *x)
{
    const bool           grad = nn->grad;
    const struct nn_mark mark = nn_mark(nn);
    struct again         o    = { .fn = fn, .arg = arg, .x = x, .place = nn->place };
    struct um_var       *y;

    if (nn_bad(nn, x))
        return NULL;
    if (grad && !nn->recompute)
        return fn(nn, arg, x);
    nn->grad = false;
    y        = fn(nn, arg, x);
    nn->grad = grad;
    if (nn_bad(nn, y))
        return NULL;
    nn_release(nn, mark, y);
    return nn->status < 0 ? NULL : nn_record(nn, y, again_back, &o, sizeof o, grad);
}
