/* pack.c - weights prepared for products: those that do not change once, others once a step
 *
 * A step's parameters change only between its end and the next one's beginning, so what was made
 * since um_nn_begin is good until the next. The memory stays, for the weights do.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "nn/nn_int.h"

static struct nn_pack **bucket(struct um_nn *nn, const void *w)
{
    return &nn->packs[(uintptr_t)w / 64 % NN_PACKS]; /* parameters begin at multiples of 64 bytes */
}

static int pack_new(struct um_nn *nn, const struct um_weight *w, struct nn_pack **out)
{
    struct nn_pack *p = calloc(1, sizeof *p), **first = bucket(nn, w->b);
    size_t          bytes;
    int             st;

    if (!p)
        return um_fail(UM_ENOMEM, "out of memory");
    st = nn->k->pack(nn->dev, NULL, &bytes, w);
    if (st >= 0 && bytes > 0)
        st = nn->k->alloc(nn->dev, bytes, &p->data);
    if (st < 0) {
        free(p);
        return st;
    }
    p->w    = w->b;
    p->n    = w->n;
    p->k    = w->k;
    p->next = *first;
    *first  = p;
    *out    = p;
    return UM_OK;
}

int nn_packed(struct um_nn *nn, const struct um_var *w, int64_t n, int64_t k, const void **packed)
{
    const bool       kept   = nn->frozen && !nn->grad && !nn->taped;
    const bool       once   = nn->taped && nn->k->rounds_first && nn->dtype != UM_F32;
    struct um_weight weight = { nn->dtype, true, n, k, k, w->data };
    struct nn_pack  *p      = *bucket(nn, w->data);
    size_t           bytes;

    *packed = NULL;
    if ((!kept && !once) || !nn->k->pack || !w->param || n < 1 || k < 1)
        return UM_OK;
    while (p && (p->w != w->data || p->n != n || p->k != k))
        p = p->next;
    if (!p)
        UM_TRY(pack_new(nn, &weight, &p));
    if (p->data && (p->step == 0 || (once && p->step != nn->steps))) {
        UM_TRY(nn->k->pack(nn->dev, p->data, &bytes, &weight));
        p->step = nn->steps;
    }
    *packed = p->data;
    return UM_OK;
}

void nn_packs_free(struct um_nn *nn)
{
    for (int i = 0; i < NN_PACKS; i++)
        for (struct nn_pack *p = nn->packs[i], *next; p; p = next) {
            next = p->next;
            nn->k->free(nn->dev, p->data);
            free(p);
        }
}
