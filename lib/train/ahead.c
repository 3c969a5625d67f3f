/* ahead.c - two steps' places on the device, used in turn */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/ahead.h"

#include <stdlib.h>

enum { STEPS = 2, VIEWS = 2 };

struct place {
    float *x[VIEWS];
};

struct um_ahead {
    struct um_dev           *dev;
    const struct um_kernels *k;
    struct um_loader        *l;
    int                      n; /* places: batches of STEPS steps */
    struct place            *place;
    int64_t                  put, taken; /* batches so far */
};

/* a copy is slower from memory that cannot be pinned, no more */
static void pin(const struct um_ahead *a, bool on)
{
    size_t bytes;
    void  *p;

    for (int i = 0; um_loader_pixels(a->l, i, &p, &bytes); i++)
        if (p && bytes > 0 && on)
            (void)a->k->pin(a->dev, p, bytes);
        else if (p && bytes > 0)
            a->k->unpin(a->dev, p);
}

static int make(struct um_ahead *a)
{
    size_t bytes[VIEWS];
    void  *p;

    if (!(a->place = calloc((size_t)a->n, sizeof *a->place)))
        return um_fail(UM_ENOMEM, "out of memory");
    for (int v = 0; v < VIEWS; v++)
        (void)um_loader_pixels(a->l, v, &p, &bytes[v]);
    for (int i = 0; i < a->n * VIEWS; i++)
        if (bytes[i % VIEWS] > 0)
            UM_TRY(
                a->k->alloc(a->dev, bytes[i % VIEWS], (void **)&a->place[i / VIEWS].x[i % VIEWS]));
    return UM_OK;
}

int um_ahead_new(struct um_ahead **out, struct um_dev *dev, struct um_loader *l)
{
    const struct um_kernels *k = um_dev_kernels(dev);
    struct um_ahead         *a;
    int                      st;

    *out = NULL;
    if (!k->stage)
        return UM_OK;
    if (!(a = calloc(1, sizeof *a)))
        return um_fail(UM_ENOMEM, "out of memory");
    *a = (struct um_ahead){ .dev = dev, .k = k, .l = l, .n = STEPS * um_loader_per_step(l) };
    pin(a, true);
    if ((st = make(a)) < 0) {
        um_ahead_free(a);
        return um_context(st, "pixels of %d steps", STEPS);
    }
    *out = a;
    return UM_OK;
}

void um_ahead_free(struct um_ahead *a)
{
    if (!a)
        return;
    pin(a, false);
    for (int i = 0; a->place && i < a->n * VIEWS; i++)
        if (a->place[i / VIEWS].x[i % VIEWS])
            a->k->free(a->dev, a->place[i / VIEWS].x[i % VIEWS]);
    free(a->place);
    free(a);
}

/* What was in this place belongs to a step whose end was waited for. */
static int put(struct um_ahead *a, const struct um_batch *b)
{
    const struct place *to    = &a->place[a->put % a->n];
    const float *const  x[]   = { b->x, b->x2 };
    const size_t        bytes = b->pixels * sizeof(float);

    for (int v = 0; v < VIEWS; v++)
        if (x[v])
            UM_TRY(a->k->stage(a->dev, to->x[v], x[v], bytes));
    a->put++;
    return UM_OK;
}

int um_ahead_look(struct um_ahead *a)
{
    const struct um_batch *b;

    for (int i = 0; a && i < a->n / STEPS && a->put == a->taken + i; i++)
        if ((b = um_loader_ahead(a->l, i)))
            UM_TRY(put(a, b));
    return UM_OK;
}

int um_ahead_take(struct um_ahead *a, struct um_batch *b)
{
    if (!a)
        return UM_OK;
    if (a->put == a->taken)
        UM_TRY(put(a, b));
    const struct place *at = &a->place[a->taken++ % a->n];

    b->there[0] = at->x[0];
    b->there[1] = b->x2 ? at->x[1] : NULL;
    return UM_OK;
}
