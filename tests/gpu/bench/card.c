/* card.c - ceilings by measurement */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/gpu/bench/card.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ISO C has no cast from an object to a function: through memory, as dlsym's own page says */
static void find(void *library, const char *name, void *to, size_t n)
{
    void *p = dlsym(library, name);

    memcpy(to, &p, n);
}

int card_open(struct card *c, const char *device, struct um_pool *pool)
{
    void *driver;

    *c = (struct card){ .dev = NULL };
    UM_TRY(um_dev_open(&c->dev, device, pool));
    c->k   = um_dev_kernels(c->dev);
    c->gpu = strcmp(um_dev_kind(c->dev), "cuda") == 0;
    driver = c->gpu ? dlopen("libcuda.so.1", RTLD_NOW) : NULL;
    if (driver) {
        find(driver, "cuMemcpyDtoDAsync_v2", &c->copy, sizeof c->copy);
        find(driver, "cuCtxSynchronize", &c->wait, sizeof c->wait);
        find(driver, "cuMemGetInfo_v2", &c->memory, sizeof c->memory);
    }
    return UM_OK;
}

void card_close(struct card *c)
{
    um_dev_close(c->dev);
}

size_t card_used(const struct card *c)
{
    size_t left, total;

    return c->memory && c->memory(&left, &total) == 0 ? total - left : 0;
}

double card_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int several(const struct card *c, int times, int (*fn)(void *arg), void *arg, double *t)
{
    const double from = card_now();

    for (int i = 0; i < times; i++)
        UM_TRY(fn(arg));
    UM_TRY(c->k->sync(c->dev));
    *t = card_now() - from;
    return UM_OK;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int card_time(const struct card *c, double least, int (*fn)(void *arg), void *arg, double *seconds)
{
    double t[5];
    int    times = 1;

    UM_TRY(several(c, 1, fn, arg, &t[0])); /* what the first call alone does */
    for (int run = 0; run < 5;) {
        UM_TRY(several(c, times, fn, arg, &t[run]));
        if (t[run] < least)
            times *= 2;
        else
            t[run++] /= times;
    }
    qsort(t, 5, sizeof *t, by_size);
    *seconds = t[2];
    return UM_OK;
}

int card_room(const struct card *c, size_t n, enum um_dtype dt, float value, void **p)
{
    enum { PART = 1 << 20 };
    const size_t size = um_dtype_size(dt);
    char        *host = malloc(PART);
    int          st   = host ? c->k->alloc(c->dev, n, p) : um_fail(UM_ENOMEM, "out of memory");

    for (size_t i = 0; st >= 0 && i < PART / size; i++) {
        const float    v = value * (float)((i * 2654435761u >> 8) % 1000) / 1000;
        const uint16_t b = um_f32_to_bf16(v);

        memcpy(host + i * size, dt == UM_F32 ? (const void *)&v : &b, size);
    }
    for (size_t i = 0; st >= 0 && i < n; i += PART)
        st = c->k->upload(c->dev, (char *)*p + i, host, n - i < PART ? n - i : PART);
    free(host);
    return st;
}

/* ---- ceilings ---------------------------------------------------------------------------------*/

struct work {
    const struct card *c;
    void              *x, *y, *z;
    int64_t            n;
    enum um_dtype      dt;
};

static int copied(void *arg)
{
    const struct work *w = arg;
    const size_t       n = (size_t)w->n * sizeof(float);

    if (w->c->copy && w->c->wait &&
        w->c->copy((uint64_t)(uintptr_t)w->y, (uint64_t)(uintptr_t)w->x, n, NULL) == 0 &&
        w->c->wait() == 0)
        return UM_OK;
    return w->c->k->cast(w->c->dev, w->y, UM_F32, w->x, UM_F32, w->n);
}

static int squared(void *arg)
{
    const struct work *w = arg;

    return w->c->k->matmul(w->c->dev, &(struct um_matmul){ .dt    = w->dt,
                                                           .dtc   = w->dt,
                                                           .tb    = true,
                                                           .batch = 1,
                                                           .m     = w->n,
                                                           .n     = w->n,
                                                           .k     = w->n,
                                                           .a     = w->x,
                                                           .b     = w->y,
                                                           .c     = w->z,
                                                           .lda   = w->n,
                                                           .ldb   = w->n,
                                                           .ldc   = w->n });
}

/* seconds of fn on so many arrays of w's, x to z, of n bytes each */
static int measure(struct work *w, int arrays, size_t n, int (*fn)(void *arg), double *t)
{
    const struct um_kernels *k       = w->c->k;
    void **const             array[] = { &w->x, &w->y, &w->z };
    int                      st      = UM_OK;

    for (int i = 0; i < arrays && st >= 0; i++)
        st = card_room(w->c, n, w->dt, 1, array[i]);
    if (st >= 0)
        st = card_time(w->c, 0.02, fn, w, t);
    for (int i = 0; i < arrays; i++)
        k->free(w->c->dev, *array[i]);
    return st;
}

int card_copy(const struct card *c, double *rate)
{
    struct work  w = { .c = c, .n = c->gpu ? (int64_t)1 << 29 : 1 << 24, .dt = UM_F32 };
    const size_t n = (size_t)w.n * sizeof(float);
    double       t;

    UM_TRY(measure(&w, 2, n, copied, &t));
    *rate = 2 * (double)n / t;
    return UM_OK;
}

int card_matmul(const struct card *c, enum um_dtype dt, double *rate)
{
    struct work  w = { .c = c, .n = c->gpu ? 8192 : 1024, .dt = dt };
    const double n = (double)w.n;
    double       t;

    UM_TRY(measure(&w, 3, (size_t)(w.n * w.n) * um_dtype_size(dt), squared, &t));
    *rate = 2 * n * n * n / t;
    return UM_OK;
}
