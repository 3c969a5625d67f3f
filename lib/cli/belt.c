/* belt.c - a ring of slots between the thread that reads and writes and those that work */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/belt.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MEAN_OF = 64 };             /* items, of late, whose time is looked at */
static const double QUICK = 25e-6; /* seconds; a wake-up takes 5 to 50 microseconds */

int um_emit_record(struct um_emit *e, const struct um_record *rec)
{
    if (e->n == e->cap) {
        const int          cap  = e->cap ? 2 * e->cap : 4;
        struct um_packed **more = realloc(e->packed, (size_t)cap * sizeof *more);

        if (!more)
            return um_fail(UM_ENOMEM, "out of memory");
        e->packed = more;
        e->cap    = cap;
    }
    UM_TRY(um_pack(e->opts, rec, &e->packed[e->n]));
    e->n++;
    return UM_OK;
}

static void emit_clear(struct um_emit *e)
{
    while (e->n > 0)
        um_packed_free(e->packed[--e->n]);
}

/* ---- in any thread ---- */

static void drop_item(const struct belt *b, struct slot *s)
{
    if (s->item && b->free_item)
        b->free_item(s->item);
    s->item = NULL;
}

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void work_on(const struct belt *b, int worker, struct slot *s)
{
    const double start = now();

    s->st   = b->work(b->owner, worker, s);
    s->took = now() - start;
    if (s->st < 0) {
        memcpy(s->msg, um_errmsg(), strlen(um_errmsg()) + 1);
        emit_clear(&s->emit);
    }
    drop_item(b, s);
}

struct hand { /* what a worker starts with */
    struct belt *belt;
    int          worker;
};

static void *worker(void *arg)
{
    const struct hand h = *(struct hand *)arg;
    struct belt      *b = h.belt;

    free(arg);
    pthread_mutex_lock(&b->lock);
    for (;;) {
        while (!b->stop && b->taken == b->filled)
            pthread_cond_wait(&b->wake, &b->lock);
        if (b->stop)
            break;
        struct slot *s = &b->slot[b->taken++ % b->nslot];

        pthread_mutex_unlock(&b->lock);
        work_on(b, h.worker, s);
        pthread_mutex_lock(&b->lock);
        s->done = true;
        pthread_cond_signal(&b->done);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* ---- in the calling thread ---- */

static int start_worker(struct belt *b)
{
    struct hand *h = malloc(sizeof *h);

    if (h)
        *h = (struct hand){ b, b->nthread };
    if (!h || pthread_create(&b->thread[b->nthread], NULL, worker, h) != 0) {
        free(h);
        return um_fail(UM_ENOMEM, "cannot start thread %d of %d", b->nthread + 1, b->jobs);
    }
    b->nthread++;
    return UM_OK;
}

int belt_open(struct belt *b, const char *unit)
{
    const struct um_common *c = b->common;

    b->opts.level = (int)c->level;
    b->jobs       = b->work_group ? 1 : um_jobs(c);
    b->nslot      = b->work_group ? (int)b->group_size : b->jobs > 1 ? 2 * b->jobs : 1;
    b->slot       = calloc((size_t)b->nslot, sizeof *b->slot);
    b->group      = calloc((size_t)b->nslot, sizeof *b->group);
    b->thread     = calloc((size_t)b->jobs, sizeof *b->thread);
    if (!b->slot || !b->group || !b->thread)
        return um_fail(UM_ENOMEM, "out of memory");
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->wake, NULL);
    pthread_cond_init(&b->done, NULL);
    for (int i = 0; i < b->nslot; i++) {
        b->slot[i].emit.opts = &b->opts;
        UM_TRY(um_arena_new(&b->slot[i].arena));
    }
    /* one would replace the other */
    if (c->rejects && c->output && strcmp(c->rejects, c->output) == 0)
        return um_usage("--rejects and --output name the same file");
    UM_TRY(um_stream_open(&b->out, c->output));
    if (c->rejects)
        UM_TRY(um_outfile_open(&b->rejects, c->rejects));
    UM_TRY(um_writer_open(&b->writer, b->out, &b->opts));
    return b->lent ? UM_OK : um_progress_new(&b->bar, b->tool, unit);
}

/* a failed record that need not end the run */
static bool skippable(const struct belt *b, int st)
{
    return b->common->on_error && strcmp(b->common->on_error, "skip") == 0 && st != UM_EPIPE &&
           st != UM_EUSAGE && st != UM_ESTOPPED;
}

static int reject(struct belt *b, const char *key, int st)
{
    char text[UM_ERRMSG_MAX];

    (void)memcpy(text, um_errmsg(), strlen(um_errmsg()) + 1); /* of one line, without tabs */
    if (b->rejected++ == 0) {
        (void)um_context(st, "%s", key);
        b->first = strdup(um_errmsg());
    }
    if (!b->rejects)
        return UM_OK;
    return um_outfile_printf(b->rejects, "%s\t%s\t%s\n", key, um_status_name(st), text);
}

static int write_slot(struct belt *b, struct slot *s)
{
    int st = s->st < 0 ? s->st : UM_OK;

    if (st < 0)
        um_seterrmsg(s->msg);
    for (int i = 0; st >= 0 && i < s->emit.n; i++) {
        st = um_writer_packed(b->writer, s->emit.packed[i]);
        if (st < 0 && st != UM_EDUPLICATE)
            return st; /* the output itself: no record is to blame */
    }
    if (st < 0)
        st = skippable(b, st) ? reject(b, s->key, st) : um_context(st, "record %s", s->key);
    return st;
}

/* the oldest item, which is finished, leaves the belt */
static int retire(struct belt *b)
{
    struct slot *s     = &b->slot[b->written % b->nslot];
    const int    st    = write_slot(b, s);
    double       total = 0;

    emit_clear(&s->emit);
    s->done   = false;
    b->failed = st < 0;
    b->took += (s->took - b->took) / MEAN_OF;
    b->written++;
    b->count++;
    if (st >= 0) {
        const int64_t count = b->before + b->count;
        const double  done  = b->progress(b->owner, count, &total);

        um_progress_set(b->bar, done, total, count, NULL);
    }
    return st;
}

static bool finished(struct belt *b, bool wait)
{
    struct slot *s = &b->slot[b->written % b->nslot];
    bool         done;

    pthread_mutex_lock(&b->lock);
    while (wait && !s->done)
        pthread_cond_wait(&b->done, &b->lock);
    done = s->done;
    pthread_mutex_unlock(&b->lock);
    return done;
}

/* everything that waits is worked on together */
static int run_group(struct belt *b)
{
    if (!b->work_group || b->filled == b->taken) /* without groups, `taken` is the workers' */
        return UM_OK;
    const int n = (int)(b->filled - b->taken);
    int       st;

    for (int i = 0; i < n; i++)
        b->group[i] = &b->slot[(b->taken + i) % b->nslot];
    st        = b->work_group(b->owner, b->group, n);
    b->failed = st < 0;
    b->taken  = b->filled;
    for (int i = 0; i < n; i++) {
        if (b->group[i]->st < 0)
            emit_clear(&b->group[i]->emit);
        drop_item(b, b->group[i]);
        b->group[i]->done = true;
    }
    return st;
}

int belt_slot(struct belt *b, struct slot **s)
{
    if (b->filled - b->written == b->nslot)
        UM_TRY(run_group(b));
    while (b->written < b->filled && finished(b, b->filled - b->written == b->nslot))
        UM_TRY(retire(b));
    *s = &b->slot[b->filled % b->nslot];
    um_arena_reset((*s)->arena);
    return UM_OK;
}

/* items that take less time than it takes to wake a thread: the caller works on them itself, as
 * worker 0, who has nothing to do meanwhile */
static bool work_here(const struct belt *b)
{
    return b->jobs == 1 || (b->count >= MEAN_OF && b->took < QUICK);
}

int belt_push(struct belt *b)
{
    if (b->work_group) { /* waits for others */
        b->slot[b->filled % b->nslot].st = UM_OK;
        b->filled++;
        return UM_OK;
    }
    if (work_here(b)) {
        struct slot *s = &b->slot[b->filled % b->nslot];

        UM_TRY(belt_drain(b)); /* worker 0 may be at it */
        pthread_mutex_lock(&b->lock);
        b->filled++;
        b->taken++;
        pthread_mutex_unlock(&b->lock);
        work_on(b, 0, s);
        s->done = true;
        return UM_OK;
    }
    if (b->nthread < b->jobs && b->filled - b->written >= b->nthread)
        UM_TRY(start_worker(b)); /* no more threads than there is work for */
    pthread_mutex_lock(&b->lock);
    b->filled++;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    return UM_OK;
}

int belt_drain(struct belt *b)
{
    UM_TRY(run_group(b));
    while (b->written < b->filled) {
        (void)finished(b, true);
        UM_TRY(retire(b));
    }
    return UM_OK;
}

int belt_settle(struct belt *b, int st)
{
    char msg[UM_ERRMSG_MAX];

    if (b->failed)
        return st;
    (void)memcpy(msg, um_errmsg(), strlen(um_errmsg()) + 1);
    const int earlier = belt_drain(b);
    if (earlier < 0 || st >= 0)
        return earlier;
    um_seterrmsg(msg);
    return st;
}

static void free_slots(struct belt *b)
{
    for (int i = 0; b->slot && i < b->nslot; i++) {
        drop_item(b, &b->slot[i]);
        emit_clear(&b->slot[i].emit);
        free(b->slot[i].emit.packed);
        um_arena_free(b->slot[i].arena);
    }
    free(b->slot);
    free(b->group);
    free(b->thread);
}

int belt_close(struct belt *b, int st)
{
    if (b->nthread > 0) {
        pthread_mutex_lock(&b->lock);
        b->stop = true;
        pthread_cond_broadcast(&b->wake);
        pthread_mutex_unlock(&b->lock);
    }
    for (int i = 0; i < b->nthread; i++)
        pthread_join(b->thread[i], NULL);
    free_slots(b);
    if (b->writer)
        st = um_writer_close(b->writer, st);
    st = um_outfile_close(b->rejects, st, 0);
    st = um_outfile_close(b->out, st, 0);
    if (!b->lent)
        um_progress_free(b->bar);
    if (st >= 0 && b->rejected)
        um_warn(b->tool, "%lld of %lld records skipped; the first: %s", (long long)b->rejected,
                (long long)b->count, b->first ? b->first : "?");
    free(b->first);
    return st;
}
