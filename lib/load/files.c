/* files.c - batches from files: threads claim one record after the other, in the order of batches
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "load/loader_int.h"

/* which records the next batch has; with the lock, under which no other looks at the sampler */
static int begin_batch(struct um_loader *l, struct um_slot *s)
{
    const int64_t  step = l->o.from + l->begun / l->per_step;
    const int64_t *record;

    um_sampler_batch(l->o.sampler, step, (int)(l->begun % l->per_step), &s->batch.mod, &record);
    s->batch.step = step;
    s->batch.N    = l->o.sampler->size[s->batch.mod];
    for (int64_t i = 0; i < s->batch.N; i++)
        UM_TRY(um_items_get(&l->o.items[s->batch.mod], record[i], &s->item[i]));
    um_loader_measure(l, s);
    return UM_OK;
}

static void begin(struct um_loader *l)
{
    struct um_slot *s = um_loader_slot(l, l->begun);
    int             st;

    s->st   = UM_OK;
    s->next = 0;
    if ((st = begin_batch(l, s)) < 0)
        um_loader_fail(l, s, st, 0);
    s->left = st < 0 ? 0 : s->batch.n;
    l->begun++;
    if (st < 0)
        pthread_cond_signal(&l->filled_cond);
}

/* the next record to be read, with the lock; false: there is nothing more to do */
static bool claim(struct um_loader *l, struct um_slot **s, int64_t *i)
{
    for (;;) {
        if (l->stop)
            return false;
        *s = l->begun ? um_loader_slot(l, l->begun - 1) : NULL;
        if (*s && (*s)->st >= 0 && (*s)->next < (*s)->batch.n) {
            *i = (*s)->next++;
            return true;
        }
        if (l->failed || l->begun == l->total)
            return false;
        if (l->begun - l->given < l->nslot)
            begin(l);
        else
            pthread_cond_wait(&l->given_cond, &l->lock);
    }
}

static int read_one(struct um_loader *l, struct um_slot *s, int64_t i, struct um_arena *arena)
{
    const struct um_data *d    = l->o.data;
    const struct um_item *item = &s->item[s->batch.first + i];
    const struct um_draw  draw = { l->o.centre, l->o.seed,
                                   s->batch.step / um_sampler_steps(l->o.sampler) };
    struct um_sample      to   = um_loader_sample(l, s, i);

    um_arena_reset(arena);
    UM_TRY(um_data_read(d, item, s->batch.mod, &draw, arena, &to));
    s->batch.text[i] = to.text;
    um_loader_note(s, i, item, to.key);
    return UM_OK;
}

/* A batch that failed is whole when all of its claimed records have been read; its later ones are
 * not claimed any more. The first that failed is the same for any number of workers: those before
 * it were claimed before it. */
static void done(struct um_loader *l, struct um_slot *s, int st, int64_t i)
{
    if (st < 0) {
        s->left -= s->st < 0 ? 0 : s->batch.n - s->next;
        um_loader_fail(l, s, st, i);
    }
    if (--s->left == 0)
        pthread_cond_signal(&l->filled_cond);
}

void *um_loader_files(void *arg)
{
    struct um_loader *l = arg;
    struct um_arena  *arena;
    struct um_slot   *s;
    int64_t           i;
    const int         born = um_arena_new(&arena);

    pthread_mutex_lock(&l->lock);
    while (claim(l, &s, &i)) {
        pthread_mutex_unlock(&l->lock);
        const int st = born < 0 ? born : read_one(l, s, i, arena);
        pthread_mutex_lock(&l->lock);
        done(l, s, st, i);
    }
    pthread_mutex_unlock(&l->lock);
    if (born >= 0)
        um_arena_free(arena);
    return NULL;
}
