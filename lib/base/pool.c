/* pool.c - threads that sleep between runs and claim tasks one by one from a shared counter */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { SPIN = 2000 }; /* turns to watch for the next run before sleeping: kernels come in bursts */

struct um_pool {
    pthread_mutex_t lock;
    pthread_cond_t  wake, done;
    pthread_t      *thread;
    int             size; /* threads, the caller included */
    bool            stop;

    atomic_uint run;     /* counts runs: a change wakes the workers */
    atomic_int  working; /* workers that have not finished this run */
    bool        asleep;  /* caller waits on `done` */
    int (*fn)(void *, int64_t, int);
    void           *arg;
    int64_t         n;
    _Atomic int64_t next;
    _Atomic int64_t failed; /* lowest failed task, n if none */
    int             status;
    char            msg[UM_ERRMSG_MAX];
};

struct start {
    struct um_pool *pool;
    int             worker;
};

static _Thread_local int inside = -1; /* this thread's worker number while it runs a task */

int um_cpu_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    return 1;
}

static void note_failure(struct um_pool *p, int64_t task, int status)
{
    pthread_mutex_lock(&p->lock);
    if (task < p->failed) {
        p->failed = task;
        p->status = status;
        (void)snprintf(p->msg, sizeof p->msg, "%s", um_errmsg());
    }
    pthread_mutex_unlock(&p->lock);
}

static void take_tasks(struct um_pool *p, int worker)
{
    const int was = inside;

    inside = worker;
    for (;;) {
        const int64_t i = atomic_fetch_add(&p->next, 1);
        int           st;

        if (i >= p->n || i > p->failed)
            break;
        st = p->fn(p->arg, i, worker);
        if (st < 0)
            note_failure(p, i, st);
    }
    inside = was;
}

static void *work(void *arg)
{
    const struct start s    = *(struct start *)arg;
    struct um_pool    *p    = s.pool;
    unsigned           seen = 0;

    free(arg);
    for (;;) {
        for (int i = 0; i < SPIN && atomic_load(&p->run) == seen; i++)
            sched_yield();
        if (atomic_load(&p->run) == seen) {
            pthread_mutex_lock(&p->lock);
            while (atomic_load(&p->run) == seen)
                pthread_cond_wait(&p->wake, &p->lock);
            pthread_mutex_unlock(&p->lock);
        }
        seen = atomic_load(&p->run);
        if (p->stop)
            return NULL;
        take_tasks(p, s.worker);
        if (atomic_fetch_sub(&p->working, 1) == 1) {
            pthread_mutex_lock(&p->lock);
            if (p->asleep)
                pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

static void start_run(struct um_pool *p)
{
    atomic_store(&p->working, p->size - 1);
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->run, 1);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

int um_pool_new(struct um_pool **pool, int n)
{
    struct um_pool *p;

    if (n <= 0)
        n = um_cpu_count();
    if (n > 1024)
        return um_fail(UM_ERANGE, "%d threads wanted, at most 1024 allowed", n);
    p = calloc(1, sizeof *p);
    if (!p || !(p->thread = calloc((size_t)n, sizeof *p->thread))) {
        free(p);
        return um_fail(UM_ENOMEM, "out of memory");
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    for (p->size = 1; p->size < n; p->size++) {
        struct start *s = malloc(sizeof *s);

        if (s)
            *s = (struct start){ p, p->size };
        if (!s || pthread_create(&p->thread[p->size], NULL, work, s) != 0) {
            const int had = p->size;

            free(s);
            um_pool_free(p);
            return um_fail(UM_ENOMEM, "cannot start thread %d of %d", had + 1, n);
        }
    }
    *pool = p;
    return UM_OK;
}

void um_pool_free(struct um_pool *pool)
{
    if (!pool)
        return;
    pool->stop = true;
    start_run(pool);
    for (int i = 1; i < pool->size; i++)
        pthread_join(pool->thread[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->done);
    free(pool->thread);
    free(pool);
}

int um_pool_size(const struct um_pool *pool)
{
    return pool ? pool->size : 1;
}

static int run_serial(int64_t n, int (*fn)(void *, int64_t, int), void *arg)
{
    for (int64_t i = 0; i < n; i++)
        UM_TRY(fn(arg, i, inside < 0 ? 0 : inside));
    return UM_OK;
}

int um_pool_run(struct um_pool *pool, int64_t n, int (*fn)(void *arg, int64_t task, int worker),
                void *arg)
{
    struct um_pool *p = pool;

    if (!p || p->size == 1 || inside >= 0 || n <= 1)
        return run_serial(n, fn, arg);
    p->fn     = fn;
    p->arg    = arg;
    p->n      = n;
    p->next   = 0;
    p->failed = n;
    start_run(p);
    take_tasks(p, 0);
    for (int i = 0; i < SPIN && atomic_load(&p->working) > 0; i++)
        sched_yield();
    if (atomic_load(&p->working) > 0) {
        pthread_mutex_lock(&p->lock);
        p->asleep = true;
        while (atomic_load(&p->working) > 0)
            pthread_cond_wait(&p->done, &p->lock);
        p->asleep = false;
        pthread_mutex_unlock(&p->lock);
    }
    if (p->failed < n) {
        um_seterrmsg(p->msg);
        return p->status;
    }
    return UM_OK;
}
