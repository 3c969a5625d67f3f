/* graph.c - runs of kernels that come again: the same bits as one by one, whatever differs
 *
 * A run of every kind of request (kernels, copies up and down, zeros, a product of the library) is
 * asked for again and again with other contents, seeds, addresses and now and then another length,
 * once on a device that captures all it can and once on one that captures nothing.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/gpu/gpu.h"

enum { RUN = 4, RUNS = 20, ROUNDS = RUN * RUNS, ROWS = 32, COLS = 24, N = ROWS * COLS, PLACES = 3 };

/* of one device */
struct side {
    struct um_dev           *dev;
    const struct um_kernels *k;
    float                   *x, *w, *place[PLACES]; /* device */
    float                    out[ROUNDS][N];
};

static float value(int i, int salt)
{
    return (float)(((unsigned)i * 2654435761u + (unsigned)salt * 40503u) >> 16 & 1023) / 512 - 1;
}

static int fill(struct side *s, float *to, int n, int salt)
{
    float host[N];

    for (int i = 0; i < n; i++)
        host[i] = value(i, salt);
    return s->k->upload(s->dev, to, host, (size_t)n * sizeof *host);
}

/* y = gelu(drop(x) w^T + w's first row) and a little more. From run to run the places change, there
 * and back, and the seed, which is the first one's again in time; some runs are of fewer rows. */
static int one_round(struct side *s, int round)
{
    const struct um_kernels *k = s->k;
    const int            run = round / RUN, rows = run % 7 == 5 ? ROWS / 2 : ROWS, n = rows * COLS;
    const int            at = round + run % 2;
    float               *y = s->place[at % PLACES], *t = s->place[(at + 1) % PLACES];
    const struct um_drop drop      = { 0.25f, 7, (uint64_t)(run % 3 + round % RUN) << 32 };
    const struct um_matmul product = { .dt    = UM_F32,
                                       .dtc   = UM_F32,
                                       .tb    = true,
                                       .batch = 1,
                                       .m     = rows,
                                       .n     = COLS,
                                       .k     = COLS,
                                       .a     = t,
                                       .b     = s->w,
                                       .c     = y,
                                       .bias  = s->w,
                                       .lda   = COLS,
                                       .ldb   = COLS,
                                       .ldc   = COLS };

    UM_TRY(fill(s, s->x, n, round));
    UM_TRY(k->dropout(s->dev, UM_F32, t, s->x, n, drop));
    UM_TRY(k->matmul(s->dev, &product));
    UM_TRY(k->act_fwd(s->dev, UM_ACT_GELU, 0, UM_F32, y, y, n));
    UM_TRY(k->zero(s->dev, t, COLS * sizeof *t)); /* its first row */
    UM_TRY(k->add(s->dev, UM_F32, y, y, t, n));
    return k->fetch(s->dev, s->out[round], y, (size_t)n * sizeof *y);
}

static int rounds(struct side *s)
{
    UM_TRY(s->k->alloc(s->dev, N * sizeof(float), (void **)&s->x));
    UM_TRY(s->k->alloc(s->dev, COLS * COLS * sizeof(float), (void **)&s->w));
    for (int i = 0; i < PLACES; i++)
        UM_TRY(s->k->alloc(s->dev, N * sizeof(float), (void **)&s->place[i]));
    UM_TRY(fill(s, s->w, COLS * COLS, 99));
    for (int i = 0; i < ROUNDS; i++) {
        UM_TRY(one_round(s, i));
        if (i % RUN == RUN - 1)
            UM_TRY(s->k->sync(s->dev));
    }
    return s->k->sync(s->dev);
}

/* with graphs of `least` requests; the share that was repeated */
static int side(struct side *s, const char *device, const char *least, double *share)
{
    struct um_repeats r;
    int               st;

    (void)setenv("UM_GRAPH", least, 1);
    st = um_dev_open(&s->dev, device, NULL);
    (void)unsetenv("UM_GRAPH");
    if (st < 0)
        return st;
    s->k = um_dev_kernels(s->dev);
    st   = rounds(s);
    if (st >= 0)
        st = s->k->repeats(s->dev, &r);
    *share = st >= 0 && r.asked > 0 ? (double)r.repeated / (double)r.asked : 0;
    s->k->free(s->dev, s->x);
    s->k->free(s->dev, s->w);
    for (int i = 0; i < PLACES; i++)
        s->k->free(s->dev, s->place[i]);
    um_dev_close(s->dev);
    return st;
}

/* runs of eight that differ in a size, so many times each, in turn */
static int come_round(struct um_dev *dev, int ways, int times, struct um_repeats *r)
{
    const struct um_kernels *k = um_dev_kernels(dev);
    void                    *p;
    int                      st;

    UM_TRY(k->alloc(dev, (size_t)ways, &p));
    st = k->zero(dev, p, (size_t)ways);
    for (int i = 0; i < ways * times && st >= 0; i++) {
        for (int j = 0; j < 8 && st >= 0; j++)
            st = k->zero(dev, p, (size_t)(i % ways + 1));
        st = st < 0 ? st : k->sync(dev);
    }
    k->free(dev, p);
    return st < 0 ? st : k->repeats(dev, r);
}

/* of more runs than graphs are kept, those that are kept repeat, and are not captured again and
 * again to make room for each other */
static int crowded(struct um_dev *dev)
{
    struct um_repeats r;

    UM_TRY(come_round(dev, 600, 5, &r));
    return r.captured >= 300 && r.captured <= 600 && r.repeated >= r.asked / 3
               ? UM_OK
               : um_fail(UM_ERANGE, "600 runs in turn: %llu captured, %llu of %llu repeated",
                         (unsigned long long)r.captured, (unsigned long long)r.repeated,
                         (unsigned long long)r.asked);
}

/* where a graph takes memory from the card, it is given back to who needs it. What a driver takes
 * is its own affair, so the emulated card alone is asked. */
static int makes_room(struct um_dev *dev)
{
    const struct um_kernels *k = um_dev_kernels(dev);
    struct um_memory         before, with;
    struct um_repeats        r;
    void                    *p;

    if (!getenv("UM_EMU_NODE"))
        return UM_OK;
    UM_TRY(k->memory(dev, &before));
    UM_TRY(come_round(dev, 100, 3, &r));
    UM_TRY(k->memory(dev, &with));
    if (with.free >= before.free)
        return um_fail(UM_ERANGE, "graphs take no memory");
    UM_TRY(k->alloc(dev, with.free + (before.free - with.free) / 2, &p));
    k->free(dev, p);
    return come_round(dev, 100, 3, &r);
}

static bool of_its_own(const char *device, int (*judge)(struct um_dev *dev), char *said,
                       size_t size)
{
    struct um_dev *dev;
    int            st = um_dev_open(&dev, device, NULL);

    if (st >= 0) {
        st = judge(dev);
        um_dev_close(dev);
    }
    if (st < 0)
        (void)snprintf(said, size, "%s", um_errmsg());
    return st >= 0;
}

static bool judge(struct um_dev *dev, struct side s[2], char *said, size_t size)
{
    double with = 0, without = 0;

    if (side(&s[0], um_dev_kind(dev), "1", &with) < 0 ||
        side(&s[1], um_dev_kind(dev), "0", &without) < 0)
        (void)snprintf(said, size, "%s", um_errmsg());
    else if (!(with >= 0.4) || without != 0)
        (void)snprintf(said, size, "%.0f %% were repeated by graphs, and %.0f %% without",
                       100 * with, 100 * without);
    else if (memcmp(s[0].out, s[1].out, sizeof s[0].out) != 0)
        (void)snprintf(said, size, "other bits with graphs than without");
    else
        return of_its_own(um_dev_kind(dev), crowded, said, size) &&
               of_its_own(um_dev_kind(dev), makes_room, said, size);
    return false;
}

bool gpu_graph(struct um_dev *dev, char *said, size_t size)
{
    const char  *was  = getenv("UM_GRAPH");
    char        *kept = was ? strdup(was) : NULL;
    struct side *s    = calloc(2, sizeof *s);
    const bool   good = !um_dev_kernels(dev)->repeats || (s && judge(dev, s, said, size));

    if (kept)
        (void)setenv("UM_GRAPH", kept, 1);
    free(kept);
    free(s);
    return good;
}
