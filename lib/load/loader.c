/* loader.c - the ring: opening, handing over, closing; files.c and pipe.c fill it */
/* SPDX-License-Identifier: Apache-2.0 */
#include "load/loader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "load/loader_int.h"

enum { MOST_WORKERS = 256, WINDOW = 1024, ASK_MS = 100 };

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- a slot ---- */

struct um_slot *um_loader_slot(struct um_loader *l, int64_t batch)
{
    return &l->slot[batch % l->nslot];
}

void um_loader_fail(struct um_loader *l, struct um_slot *s, int st, int64_t bad)
{
    if (s->st >= 0 || bad < s->bad) {
        s->st  = st;
        s->bad = bad;
        memcpy(s->msg, um_errmsg(), strlen(um_errmsg()) + 1);
    }
    l->failed = true;
}

struct um_sample um_loader_sample(const struct um_loader *l, const struct um_slot *s, int64_t i)
{
    const struct um_batch *b   = &s->batch;
    const int64_t          len = um_data_values(l->o.data, b->mod);

    return (struct um_sample){ .x      = b->x + i * len,
                               .x2     = b->x2 ? b->x2 + i * len : NULL,
                               .ids    = b->ids + i * b->length,
                               .mask   = b->mask + i * b->length,
                               .length = b->length };
}

void um_loader_note(struct um_slot *s, int64_t i, const struct um_item *item, const char *key)
{
    char *copy = s->keys + i * (UM_MAX_KEY + 1);

    memcpy(copy, key, strlen(key) + 1);
    s->batch.key[i]     = copy;
    s->batch.rows[i]    = item->rows;
    s->batch.patient[i] = item->patient;
}

void um_loader_measure(const struct um_loader *l, struct um_slot *s)
{
    struct um_batch *b = &s->batch;

    b->n           = b->N / l->o.ranks;
    b->first       = b->n * l->o.rank;
    b->rows_before = 0;
    b->length      = 1;
    b->digest      = 0;
    b->x2          = l->o.views == 2 && b->mod == UM_2D ? s->x2 : NULL;
    b->pixels      = (size_t)(b->n * um_data_values(l->o.data, b->mod));
    for (int64_t i = 0; i < b->N; i++) {
        const uint64_t so_far[2] = { b->digest, s->item[i].hash };

        b->length = s->item[i].length > b->length ? s->item[i].length : b->length;
        b->rows_before += i < b->first ? s->item[i].rows : 0;
        b->digest = um_hash64(so_far, sizeof so_far);
    }
}

/* ---- opening and closing ---- */

static bool wanted(const struct um_loader *l, int mod)
{
    return l->o.data->pipe ? l->o.data->use[mod]
                           : um_sampler_batches(l->o.sampler, (enum um_modality)mod) > 0;
}

static bool reserve_slot(struct um_slot *s, int64_t N, int64_t n, int64_t values, int64_t views)
{
    struct um_batch *b = &s->batch;

    b->x       = malloc(((size_t)values + 1) * sizeof *b->x);
    b->rows    = malloc(((size_t)n + 1) * sizeof *b->rows);
    b->text    = malloc(((size_t)n + 1) * sizeof *b->text);
    b->patient = malloc(((size_t)n + 1) * sizeof *b->patient);
    b->key     = malloc(((size_t)n + 1) * sizeof *b->key);
    s->keys    = malloc((size_t)n * (UM_MAX_KEY + 1) + 1);
    s->item    = malloc(((size_t)N + 1) * sizeof *s->item);
    s->x2      = views ? malloc(((size_t)views + 1) * sizeof *s->x2) : NULL;
    return b->x && b->rows && b->text && b->patient && b->key && s->keys && s->item &&
           (s->x2 || !views);
}

static int reserve(struct um_loader *l)
{
    const struct um_data *d = l->o.data;
    int64_t               N = 0, values = 0, views = 0;

    for (int m = 0; m < UM_MODALITIES; m++) {
        const int64_t B = l->o.sampler->size[m], b = B / l->o.ranks;
        const int64_t v = b * um_data_values(d, (enum um_modality)m);

        if (!wanted(l, m))
            continue;
        if (B % l->o.ranks != 0)
            return um_fail(UM_ERANGE, "a batch of %lld records cannot be shared by %d ranks",
                           (long long)B, l->o.ranks);
        N      = B > N ? B : N;
        values = v > values ? v : values;
        views  = m == UM_2D && l->o.views == 2 ? v : views;
    }
    l->x_bytes  = (size_t)values * sizeof(float);
    l->x2_bytes = (size_t)views * sizeof(float);
    if (!(l->slot = calloc((size_t)l->nslot, sizeof *l->slot)))
        return um_fail(UM_ENOMEM, "out of memory");
    for (int i = 0; i < l->nslot; i++) {
        struct um_batch *b    = &l->slot[i].batch;
        const size_t     text = (size_t)(N / l->o.ranks) * (size_t)d->length + 1;

        b->ids  = malloc(text * sizeof *b->ids);
        b->mask = malloc(text);
        if (!b->ids || !b->mask || !reserve_slot(&l->slot[i], N, N / l->o.ranks, values, views))
            return um_fail(UM_ENOMEM, "out of memory: %d batches of %lld records", l->nslot,
                           (long long)N / l->o.ranks);
    }
    return UM_OK;
}

/* a window that holds fewer than a batch of each may be full and yet fill none */
static int check_pipe(const struct um_loader *l)
{
    int64_t sum = 0;

    if (!l->o.data->pipe)
        return UM_OK;
    if (l->o.ranks > 1)
        return um_fail(UM_EUNSUPPORTED, "%s: a pipe feeds one process, not %d: write a file first",
                       um_reader_name(l->o.data->reader), l->o.ranks);
    for (int m = 0; m < UM_MODALITIES; m++)
        sum += wanted(l, m) ? l->o.sampler->size[m] : 0;
    return l->o.window >= sum
               ? UM_OK
               : um_fail(UM_ERANGE,
                         "a window of %lld records does not hold the %lld of the batches",
                         (long long)l->o.window, (long long)sum);
}

static int start(struct um_loader *l)
{
    if (l->o.data->pipe) {
        if (pipe(l->wake) != 0)
            return um_fail_errno("pipe");
        um_reader_wake(l->o.data->reader, &l->wake[0]);
    }
    if (!(l->thread = calloc((size_t)l->o.workers, sizeof *l->thread)))
        return um_fail(UM_ENOMEM, "out of memory");
    for (; l->nthread < l->o.workers; l->nthread++)
        if (pthread_create(&l->thread[l->nthread], NULL,
                           l->o.data->pipe ? um_loader_pipe : um_loader_files, l) != 0)
            break;
    return l->nthread > 0 ? UM_OK : um_fail(UM_ENOMEM, "no thread for reading ahead");
}

static void init_locks(struct um_loader *l)
{
    pthread_condattr_t clock;

    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_cond_init(&l->filled_cond, &clock);
    (void)pthread_cond_init(&l->given_cond, NULL);
    (void)pthread_condattr_destroy(&clock);
}

int um_loader_open(struct um_loader **out, const struct um_loader_opts *opts)
{
    struct um_loader *l = calloc(1, sizeof *l);
    int               st;

    if (!l)
        return um_fail(UM_ENOMEM, "out of memory");
    l->wake[0] = l->wake[1] = -1;
    l->o                    = *opts;
    l->o.ranks              = opts->ranks > 0 ? opts->ranks : 1;
    l->o.window             = opts->window > 0 ? opts->window : WINDOW;
    l->o.workers            = opts->workers < 1 || opts->data->pipe ? 1 : opts->workers;
    l->o.workers            = l->o.workers > MOST_WORKERS ? MOST_WORKERS : l->o.workers;
    l->per_step             = um_sampler_per_step(opts->sampler);
    l->nslot                = l->per_step == 1 ? 3 : 4; /* a step in use, the others ahead */
    l->total                = (opts->to - opts->from) * l->per_step;
    init_locks(l);
    if ((st = check_pipe(l)) < 0 || (st = reserve(l)) < 0 || (st = start(l)) < 0) {
        um_loader_close(l);
        return st;
    }
    *out = l;
    return UM_OK;
}

/* the thread that may be waiting for a pipe */
static void wake(const struct um_loader *l)
{
    const char byte = 0;

    while (l->wake[1] >= 0 && write(l->wake[1], &byte, 1) < 0 && errno == EINTR)
        ;
}

void um_loader_close(struct um_loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->given_cond);
    pthread_mutex_unlock(&l->lock);
    wake(l);
    for (int i = 0; i < l->nthread; i++)
        pthread_join(l->thread[i], NULL);
    if (l->wake[0] >= 0) {
        um_reader_wake(l->o.data->reader, NULL);
        (void)close(l->wake[0]);
        (void)close(l->wake[1]);
    }
    for (int i = 0; i < l->nslot && l->slot; i++) {
        struct um_slot *s = &l->slot[i];

        free(s->batch.x);
        free(s->batch.ids);
        free(s->batch.mask);
        free(s->batch.rows);
        free(s->batch.text);
        free(s->batch.patient);
        free(s->batch.key);
        free(s->keys);
        free(s->item);
        free(s->x2);
    }
    free(l->slot);
    free(l->thread);
    (void)pthread_mutex_destroy(&l->lock);
    (void)pthread_cond_destroy(&l->filled_cond);
    (void)pthread_cond_destroy(&l->given_cond);
    free(l);
}

/* ---- handing over ---- */

static bool ready(struct um_loader *l)
{
    return l->begun > l->taken && um_loader_slot(l, l->taken)->left == 0;
}

/* until the next batch is whole; false: asked to stop before that. With the lock. */
static bool wait_ready(struct um_loader *l)
{
    struct timespec t;

    while (l->taken < l->total && !ready(l)) {
        if (!l->o.stop) {
            pthread_cond_wait(&l->filled_cond, &l->lock);
            continue;
        }
        if (l->o.stop(l->o.user))
            return false;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_nsec += ASK_MS * 1000000L;
        t.tv_sec += t.tv_nsec / 1000000000L;
        t.tv_nsec %= 1000000000L;
        (void)pthread_cond_timedwait(&l->filled_cond, &l->lock, &t);
    }
    return true;
}

int um_loader_next(struct um_loader *l, const struct um_batch **b)
{
    const double t = now();

    pthread_mutex_lock(&l->lock);
    l->given = l->taken / l->per_step * l->per_step; /* steps that are over */
    pthread_cond_broadcast(&l->given_cond);
    const bool go = wait_ready(l), end = l->taken >= l->total;
    pthread_mutex_unlock(&l->lock);
    l->waited += now() - t;
    if (!go)
        return um_fail(UM_ESTOPPED, "stopped while waiting for records");
    if (end)
        return 0;
    struct um_slot *s = um_loader_slot(l, l->taken);
    if (s->st < 0) { /* stays where it is: the same answer to a further call */
        um_seterrmsg(s->msg);
        return s->st;
    }
    l->taken++;
    *b = &s->batch;
    return 1;
}

const struct um_batch *um_loader_ahead(struct um_loader *l, int i)
{
    const int64_t   at = l->taken + i;
    struct um_slot *s  = um_loader_slot(l, at);

    pthread_mutex_lock(&l->lock);
    const bool here = at < l->total && l->begun > at && s->left == 0 && s->st >= 0;
    pthread_mutex_unlock(&l->lock);
    return here ? &s->batch : NULL;
}

bool um_loader_pixels(const struct um_loader *l, int i, void **p, size_t *bytes)
{
    if (i / 2 >= l->nslot)
        return false;
    *p     = i % 2 ? l->slot[i / 2].x2 : l->slot[i / 2].batch.x;
    *bytes = i % 2 ? l->x2_bytes : l->x_bytes;
    return true;
}

int um_loader_per_step(const struct um_loader *l)
{
    return l->per_step;
}

double um_loader_waited(const struct um_loader *l)
{
    return l->waited;
}

void um_loader_count(struct um_loader *l, struct um_loader_count *count)
{
    pthread_mutex_lock(&l->lock);
    *count = l->count;
    pthread_mutex_unlock(&l->lock);
}
