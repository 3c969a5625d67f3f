/* steps.c - works sized for a GPU: how fast, how much of its memory, where the time goes
 *
 * usage: gpu/steps [-d DEVICE] [-t SECONDS] [-l | -i | PATTERN]
 *
 *   PATTERN  a line for each work, or for those whose name holds it, and below where its time
 *            goes; none is begun after -t seconds
 *   -l       the works, a line each: name, preset, what, batch, slices, of reports
 *   -i       reads lines "WORK open" and answers the batch that fits the memory; "WORK ours"
 *            and answers seconds; "WORK peak" and answers bytes of the device; "WORK close"
 *
 * On any device but cuda: the same with small networks and batches, to try this program. A batch
 * that does not fit is halved. FLOP are counted from the products that the work is made of
 * (products.c), a multiplication and an addition being two; the share is that of the bfloat16
 * rate measured with one large product here.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/bench/steps/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/gpu/bench/card.h"
#include "tests/gpu/bench/profile.h"

enum { RUNS = 5, WORKS = 7 };
static const char *const whats[] = { "forward", "backward", "update", "contrast", "method" };

static const struct work large[WORKS] = {
    { "vit-b step", "vit-b", UM_BF16, UPDATE, 256, 0, false },
    { "vit-b forward", "vit-b", UM_BF16, FORWARD, 512, 0, false },
    { "vit-b contrast", "vit-b", UM_BF16, CONTRAST, 128, 0, false },
    { "vit-b method X-rays", "vit-b", UM_BF16, METHOD, 128, 0, false },
    { "vit-b method volumes", "vit-b", UM_BF16, METHOD, 16, 4, false },
    { "bert step", "vit-b", UM_BF16, UPDATE, 512, 0, true },
    { "small step", "vit-ti", UM_BF16, UPDATE, 8, 0, false }, /* bound by launches */
};
static const struct work small[WORKS] = {
    { "vit-ti step", "vit-ti", UM_BF16, UPDATE, 4, 0, false },
    { "vit-ti forward", "vit-ti", UM_BF16, FORWARD, 4, 0, false },
    { "vit-ti contrast", "vit-ti", UM_BF16, CONTRAST, 4, 0, false },
    { "vit-ti method X-rays", "vit-ti", UM_BF16, METHOD, 2, 0, false },
    { "vit-ti method volumes", "vit-ti", UM_BF16, METHOD, 2, 4, false },
    { "bert-ti step", "vit-ti", UM_BF16, UPDATE, 4, 0, true },
    { "small step", "vit-ti", UM_BF16, UPDATE, 2, 0, false },
};

struct bench {
    const char     *device;
    struct um_pool *pool;
    struct card     card;
    struct work     works[WORKS];
    double          matmul; /* FLOP/s */
};

static int open_once(struct bench *b, struct run *r, const struct work *w)
{
    struct um_dev *dev;
    double         t;

    UM_TRY(um_dev_open(&dev, b->device, b->pool));
    profile_start(dev);
    UM_TRY(run_on(r, dev, w));
    return run_once(r, &t);
}

/* a work open and once run; its batch halved until it fits. After an error
 * it is closed */
static int fit(struct bench *b, struct run *r, struct work *w)
{
    int st = UM_ENOMEM;

    while (st == UM_ENOMEM && w->batch > 0) {
        *r = (struct run){ .w = w };
        st = open_once(b, r, w);
        if (st < 0)
            run_close(r);
        if (st == UM_ENOMEM)
            w->batch /= 2;
    }
    return st;
}

/* ---- the table ---- */

/* a work's operations, each alone; what the first runs so do once is not counted */
static int profile(struct run *r, double whole)
{
    double t  = 0;
    int    st = UM_OK;

    for (int i = 0; i < 2 && st >= 0; i++) {
        profile_count(true);
        st = run_once(r, &t);
    }
    profile_count(false);
    if (st < 0)
        return st;
    (void)printf("    its operations, each alone: %.2f ms\n", t * 1e3);
    profile_print(whole);
    return UM_OK;
}

static int row(struct bench *b, struct run *r, size_t before)
{
    const struct work *w     = r->w;
    const double       flops = run_flops(r);
    double             t;

    UM_TRY(run_median(r, RUNS, &t));
    (void)printf("%-22s %5lld %10.2f %9.1f %8.2f %8.2f %6.3f %8.2f", w->name, (long long)w->batch,
                 t * 1e3, (double)w->batch / t, flops * 1e-12, flops / t * 1e-12,
                 flops / t / b->matmul, (double)run_peak(r) / (1 << 30));
    if (before)
        (void)printf(" %8.2f\n", (double)(card_used(&b->card) - before) / (1 << 30));
    else
        (void)printf(" %8s\n", "-");
    (void)fflush(stdout);
    return profile(r, t);
}

/* a work's row and what follows it; false, with the reason in its place: it failed, others may not
 */
static bool line(struct bench *b, struct work *w)
{
    const size_t before = card_used(&b->card);
    struct run   r;
    int          st = fit(b, &r, w);

    if (st >= 0) {
        st = row(b, &r, before);
        run_close(&r);
    }
    if (st < 0)
        (void)printf("%-22s failed: %s\n", w->name, um_errmsg());
    (void)fflush(stdout);
    return st >= 0;
}

/* do all works run that there is time for? */
static bool table(struct bench *b, const char *pattern, double seconds)
{
    const double from = seconds_now();
    double       copy;
    bool         good = true;

    ok(card_copy(&b->card, &copy));
    ok(card_matmul(&b->card, UM_BF16, &b->matmul));
    (void)printf("%s: bfloat16 products %.1f TFLOP/s, copies %.0f GB/s\n", um_dev_name(b->card.dev),
                 b->matmul * 1e-12, copy * 1e-9);
    (void)printf("%-22s %5s %10s %9s %8s %8s %6s %8s %8s\n", "work", "batch", "ms", "samples/s",
                 "TFLOP", "TFLOP/s", "share", "peak GiB", "card GiB");
    for (int i = 0; i < WORKS; i++)
        if (pattern && !strstr(b->works[i].name, pattern))
            continue;
        else if (seconds_now() - from > seconds)
            (void)printf("%-22s out of time\n", b->works[i].name);
        else
            good = line(b, &b->works[i]) && good;
    return good;
}

/* ---- for who compares ---- */

static void list(const struct bench *b)
{
    for (int i = 0; i < WORKS; i++) {
        const struct work *w = &b->works[i];

        (void)printf("%s\t%s\t%s\t%lld\t%lld\t%d\n", w->name, w->preset, whats[w->what],
                     (long long)w->batch, (long long)w->slices, w->text);
    }
}

static void serve(struct bench *b)
{
    struct run r = { .w = NULL };
    char       line[64], what[8];
    double     t;
    int        i;

    while (fgets(line, sizeof line, stdin) && sscanf(line, "%d %7s", &i, what) == 2) {
        if (i < 0 || i >= WORKS)
            break;
        if (strcmp(what, "open") == 0) {
            ok(fit(b, &r, &b->works[i]));
            (void)printf("%lld\n", (long long)b->works[i].batch);
        } else if (strcmp(what, "ours") == 0 && r.w) {
            ok(run_once(&r, &t));
            (void)printf("%.6g\n", t);
        } else if (strcmp(what, "peak") == 0 && r.w) {
            (void)printf("%zu\n", run_peak(&r));
        } else {
            if (r.w)
                run_close(&r);
            (void)printf("0\n");
        }
        (void)fflush(stdout);
    }
    if (r.w)
        run_close(&r);
}

int main(int argc, char **argv)
{
    struct bench b       = { .device = "cuda" };
    double       seconds = 1e9;
    char         mode    = 0;
    bool         good    = true;
    int          c;

    while ((c = getopt(argc, argv, "d:t:li")) != -1)
        switch (c) {
        case 'd': b.device = optarg; break;
        case 't': seconds = atof(optarg); break;
        case 'l':
        case 'i': mode = (char)c; break;
        default: return 2;
        }
    memcpy(b.works, strncmp(b.device, "cuda", 4) == 0 ? large : small, sizeof b.works);
    ok(um_pool_new(&b.pool, 0));
    if (mode == 'l') {
        list(&b);
    } else if (mode == 'i') {
        serve(&b);
    } else {
        ok(card_open(&b.card, b.device, b.pool));
        good = table(&b, argv[optind], seconds);
        card_close(&b.card);
    }
    um_pool_free(b.pool);
    return !good;
}
