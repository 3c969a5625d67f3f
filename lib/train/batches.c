/* batches.c - batches.tsv: the records of every batch, in its order, with their slices
 *
 * Each rank looks at its own part of a batch, in parts again; one log has all of them.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "train/trainer.h"

enum { EACH = UM_MAX_KEY + 1 };

int trainer_note_begin(struct trainer *t)
{
    const int64_t N = trainer_batch(t->o);

    if (!t->o->batches)
        return UM_OK;
    t->keys = um_calloc_array(t->arena, N, EACH);
    t->rows = um_calloc_array(t->arena, N * t->o->method.slices, sizeof *t->rows);
    return t->keys && t->rows ? UM_OK : UM_ENOMEM;
}

int trainer_note_part(void *user, const struct um_part *p, const struct um_view *v)
{
    struct trainer *t  = user;
    const int64_t   at = p->b->first + p->from;

    for (int64_t i = 0; i < p->n; i++)
        (void)strcpy(t->keys + (at + i) * EACH, p->b->key[p->from + i]);
    if (v->K > 0)
        memcpy(t->rows + at * v->K, v->z, (size_t)(p->n * v->K) * sizeof *v->z);
    t->noted += p->n;
    return UM_OK;
}

/* every rank's n records of `bytes` bytes each, in place */
static int gather(const struct trainer *t, const struct um_batch *b, void *all, size_t bytes)
{
    return um_ranks_gather(t->o->ranks, (char *)all + (size_t)b->first * bytes,
                           (size_t)b->n * bytes, all);
}

int trainer_note_batch(struct trainer *t, const struct um_batch *b)
{
    const int64_t K    = um_method_pairs(&t->o->method, b->mod) ? t->o->method.slices : 0;
    int64_t       lack = b->n - t->noted;

    t->noted = 0;
    if (!t->keys)
        return UM_OK;
    UM_TRY(um_ranks_max(t->o->ranks, &lack, 1));
    if (lack > 0)
        return UM_OK;
    UM_TRY(gather(t, b, t->keys, EACH));
    UM_TRY(gather(t, b, t->rows, (size_t)K * sizeof *t->rows));
    for (int64_t i = 0; i < b->N && t->log; i++)
        UM_TRY(um_runlog_record(t->log, t->state.step, mod_name(b->mod), t->keys + i * EACH,
                                t->rows + i * K, K));
    return UM_OK;
}
