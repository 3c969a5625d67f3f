/* loader.c - one thread fills a ring of batches in order, the caller empties it */
/* SPDX-License-Identifier: Apache-2.0 */
#include "load/loader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLOTS = 3 }; /* one in use, two ahead */

struct slot {
    struct um_batch batch;
    int             st;
    char            msg[UM_ERRMSG_MAX];
};

struct um_loader {
    struct um_loader_opts o;
    struct um_arena      *arena;
    int64_t               batch[UM_MODALITIES];
    struct slot           slot[SLOTS];
    int32_t              *ids; /* [largest B, T] before padding is cut */
    uint8_t              *mask;

    pthread_mutex_t lock;
    pthread_cond_t  filled_cond, given_cond;
    pthread_t       thread;
    bool            started, stop;
    int64_t         filled, given; /* batches read; batches the caller is done with */
    int64_t         taken;         /* batches handed to the caller, who alone looks at it */
    double          waited;
};

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* rows of the full length to rows of the batch's own */
static void cut_padding(const struct um_loader *l, struct um_batch *b)
{
    const int64_t full = l->o.data->length;

    for (int64_t i = 0; i < b->n; i++) {
        memcpy(b->ids + i * b->length, l->ids + i * full, (size_t)b->length * sizeof *b->ids);
        memcpy(b->mask + i * b->length, l->mask + i * full, (size_t)b->length);
    }
}

static int fill(struct um_loader *l, int64_t step, struct um_batch *b)
{
    const struct um_data *d = l->o.data;
    const int64_t        *record, per_epoch = um_sampler_steps(l->o.sampler);

    um_sampler_batch(l->o.sampler, step, &b->mod, &record);
    b->step           = step;
    b->n              = l->batch[b->mod];
    b->length         = 1;
    const int64_t len = um_data_values(d, b->mod);
    for (int64_t i = 0; i < b->n; i++) {
        struct um_sample s = { b->x + i * len, l->ids + i * d->length, l->mask + i * d->length, 0 };

        b->item[i] = &l->o.items[b->mod].item[record[i]];
        um_arena_reset(l->arena);
        UM_TRY(um_data_read(d, b->item[i], b->mod, l->o.centre, l->o.seed, step / per_epoch,
                            l->arena, &s));
        b->length = s.length > b->length ? s.length : b->length;
    }
    cut_padding(l, b);
    return UM_OK;
}

/* waits for a free slot; false: the loader is being closed */
static bool wait_free(struct um_loader *l)
{
    pthread_mutex_lock(&l->lock);
    while (!l->stop && l->filled - l->given >= SLOTS)
        pthread_cond_wait(&l->given_cond, &l->lock);
    const bool go = !l->stop;
    pthread_mutex_unlock(&l->lock);
    return go;
}

static void *run(void *arg)
{
    struct um_loader *l    = arg;
    bool              good = true;

    for (int64_t step = l->o.from; good && step < l->o.to && wait_free(l); step++) {
        struct slot *s = &l->slot[(step - l->o.from) % SLOTS];

        s->st = fill(l, step, &s->batch);
        good  = s->st >= 0;
        if (!good)
            memcpy(s->msg, um_errmsg(), strlen(um_errmsg()) + 1);
        pthread_mutex_lock(&l->lock);
        l->filled++;
        pthread_cond_signal(&l->filled_cond);
        pthread_mutex_unlock(&l->lock);
    }
    return NULL;
}

static bool reserve(struct um_loader *l)
{
    const struct um_data *d = l->o.data;
    int64_t               n = 0, values = 0;

    for (int m = 0; m < UM_MODALITIES; m++) {
        const int64_t v = l->batch[m] * um_data_values(d, (enum um_modality)m);

        if (um_sampler_batches(l->o.sampler, (enum um_modality)m) == 0)
            continue;
        n      = l->batch[m] > n ? l->batch[m] : n;
        values = v > values ? v : values;
    }
    const size_t text = (size_t)n * (size_t)d->length + 1;
    bool         ok   = true;
    for (int i = 0; i < SLOTS; i++) {
        struct um_batch *b = &l->slot[i].batch;

        b->x    = malloc(((size_t)values + 1) * sizeof *b->x);
        b->ids  = malloc(text * sizeof *b->ids);
        b->mask = malloc(text);
        b->item = malloc(((size_t)n + 1) * sizeof *b->item);
        ok      = ok && b->x && b->ids && b->mask && b->item;
    }
    l->ids  = malloc(text * sizeof *l->ids);
    l->mask = malloc(text);
    return ok && l->ids && l->mask;
}

int um_loader_open(struct um_loader **out, const struct um_loader_opts *opts)
{
    struct um_loader *l = calloc(1, sizeof *l);
    int               st;

    if (!l)
        return um_fail(UM_ENOMEM, "out of memory");
    l->o = *opts;
    memcpy(l->batch, opts->sampler->size, sizeof l->batch);
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_cond_init(&l->filled_cond, NULL);
    (void)pthread_cond_init(&l->given_cond, NULL);
    st = um_arena_new(&l->arena);
    if (st >= 0 && !reserve(l))
        st = um_fail(UM_ENOMEM, "out of memory: three batches of %lld and %lld records",
                     (long long)l->batch[UM_2D], (long long)l->batch[UM_3D]);
    if (st >= 0) {
        l->started = pthread_create(&l->thread, NULL, run, l) == 0;
        if (!l->started)
            st = um_fail(UM_ENOMEM, "no thread for reading ahead");
    }
    if (st < 0) {
        um_loader_close(l);
        return st;
    }
    *out = l;
    return UM_OK;
}

void um_loader_close(struct um_loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_signal(&l->given_cond);
    pthread_mutex_unlock(&l->lock);
    if (l->started)
        pthread_join(l->thread, NULL);
    for (int i = 0; i < SLOTS; i++) {
        free(l->slot[i].batch.x);
        free(l->slot[i].batch.ids);
        free(l->slot[i].batch.mask);
        free(l->slot[i].batch.item);
    }
    free(l->ids);
    free(l->mask);
    um_arena_free(l->arena);
    (void)pthread_mutex_destroy(&l->lock);
    (void)pthread_cond_destroy(&l->filled_cond);
    (void)pthread_cond_destroy(&l->given_cond);
    free(l);
}

/* hands back the batch of the call before, waits for the next one */
int um_loader_next(struct um_loader *l, const struct um_batch **b)
{
    const double t = now();

    if (l->taken >= l->o.to - l->o.from)
        return 0;
    pthread_mutex_lock(&l->lock);
    l->given = l->taken;
    pthread_cond_signal(&l->given_cond);
    while (l->filled <= l->taken)
        pthread_cond_wait(&l->filled_cond, &l->lock);
    pthread_mutex_unlock(&l->lock);
    l->waited += now() - t;
    struct slot *s = &l->slot[l->taken % SLOTS];
    if (s->st < 0) { /* stays where it is: the same answer to a further call */
        um_seterrmsg(s->msg);
        return s->st;
    }
    l->taken++;
    *b = &s->batch;
    return 1;
}

double um_loader_waited(const struct um_loader *l)
{
    return l->waited;
}
