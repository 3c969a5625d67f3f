/* pack.c - weights that do not change, prepared for products once and kept
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "nn/nn_int.h"

static int pack_new(struct um_nn *nn, const struct um_weight *w, struct nn_pack **out)
{
    struct nn_pack *p = calloc(1, sizeof *p);
    size_t          bytes;
    int             st;

    if (!p)
        return um_fail(UM_ENOMEM, "out of memory");
    st = nn->k->pack(nn->dev, NULL, &bytes, w);
    if (st >= 0 && bytes > 0)
        st = nn->k->alloc(nn->dev, bytes, &p->data);
    if (st >= 0 && p->data)
        st = nn->k->pack(nn->dev, p->data, &bytes, w);
    if (st < 0) {
        nn->k->free(nn->dev, p->data);
        free(p);
        return st;
    }
    p->w      = w->b;
    p->next   = nn->packs;
    nn->packs = p;
    *out      = p;
    return UM_OK;
}

int nn_packed(struct um_nn *nn, const struct um_var *w, int64_t n, int64_t k, const void **packed)
{
    struct nn_pack *p = nn->packs;

    *packed = NULL;
    if (!nn->frozen || nn->grad || !nn->k->pack || !w->param || n < 1 || k < 1)
        return UM_OK;
    while (p && p->w != w->data)
        p = p->next;
    if (!p)
        UM_TRY(pack_new(nn,
                        &(struct um_weight){
                            .dt = nn->dtype, .tb = true, .n = n, .k = k, .ldb = k, .b = w->data },
                        &p));
    *packed = p->data;
    return UM_OK;
}

void nn_packs_free(struct um_nn *nn)
{
    for (struct nn_pack *p = nn->packs, *next; p; p = next) {
        next = p->next;
        nn->k->free(nn->dev, p->data);
        free(p);
    }
    nn->packs = NULL;
}
