/* steps.c - how fast whole passes and training steps are, beside what their products alone take
 *
 * usage: bench/steps [-i | -m WORK | PATTERN]   a table of all works, or of those whose name holds
 * the pattern; -i: reads "WORK ours|limit|close" lines, answers seconds; -m: runs one three times,
 * for who watches the process's memory
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/bench/steps/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct work works[] = {
    { "vit-b forward 8 f32", "vit-b", UM_F32, FORWARD, 8, 0, false },
    { "vit-b forward 8 bf16", "vit-b", UM_BF16, FORWARD, 8, 0, false },
    { "vit-b step 8 f32", "vit-b", UM_F32, UPDATE, 8, 0, false },
    { "vit-b step 8 bf16", "vit-b", UM_BF16, UPDATE, 8, 0, false },
    { "pair backward 2 bf16", "vit-b", UM_BF16, BACKWARD, 2, 4, false },
    { "vit-ti step 32 bf16", "vit-ti", UM_BF16, UPDATE, 32, 0, false },
    { "vit-ti forward 1 bf16", "vit-ti", UM_BF16, FORWARD, 1, 0, false },
    { "vit-ti forward 32 bf16", "vit-ti", UM_BF16, FORWARD, 32, 0, false },
    { "bert backward 8x112 bf16", "vit-b", UM_BF16, BACKWARD, 8, 0, true },
    { "vit-ti method 8 X-rays bf16", "vit-ti", UM_BF16, METHOD, 8, 0, false },
    { "vit-ti method 4 volumes bf16", "vit-ti", UM_BF16, METHOD, 4, 4, false },
};
enum { WORKS = sizeof works / sizeof works[0] };

static double once(struct run *r)
{
    double t;

    ok(run_once(r, &t));
    return t;
}

static double median(struct run *r)
{
    double t;

    (void)once(r); /* memory and plans */
    ok(run_median(r, 7, &t));
    return t;
}

/* three runs of one work, for who watches the process's memory */
static void thrice(struct um_pool *pool, int i)
{
    struct run r;

    ok(run_open(&r, "cpu", pool, &works[i]));
    for (int n = 0; n < 3; n++)
        (void)once(&r);
    run_close(&r);
}

/* answers lines "N ours" and "N limit"; the works asked for stay open */
static void serve(struct um_pool *pool)
{
    struct run open[WORKS] = { 0 };
    char       line[64], what[8];
    int        i;

    while (fgets(line, sizeof line, stdin) && sscanf(line, "%d %7s", &i, what) == 2) {
        if (i < 0 || i >= WORKS)
            break;
        if (!open[i].w) {
            ok(run_open(&open[i], "cpu", pool, &works[i]));
            (void)once(&open[i]);
        }
        if (strcmp(what, "close") == 0) {
            run_close(&open[i]);
            (void)printf("0\n");
        } else {
            (void)printf("%.6g\n", what[0] == 'o' ? once(&open[i]) : run_limit(&open[i], pool));
        }
        (void)fflush(stdout);
    }
    for (i = 0; i < WORKS; i++)
        if (open[i].w)
            run_close(&open[i]);
}

int main(int argc, char **argv)
{
    struct um_pool *pool;

    ok(um_pool_new(&pool, THREADS));
    if (argc > 1 && strcmp(argv[1], "-i") == 0) {
        serve(pool);
        um_pool_free(pool);
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "-m") == 0) {
        thrice(pool, atoi(argv[2]) % WORKS);
        um_pool_free(pool);
        return 0;
    }
    (void)printf("work\tours\tpeer\tratio\tlimit\tshare\n");
    for (int i = 0; i < WORKS; i++) {
        struct run r;
        double     t, l;

        if (argc > 1 && !strstr(works[i].name, argv[1]))
            continue;
        ok(run_open(&r, "cpu", pool, &works[i]));
        t = median(&r);
        l = run_limit(&r, pool);
        (void)printf("%s\t%.4f\tpeer missing\t-\t%.4f\t%.2f\n", works[i].name, t, l, l / t);
        (void)fflush(stdout);
        run_close(&r);
    }
    um_pool_free(pool);
    return 0;
}
