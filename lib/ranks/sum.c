/* sum.c - sums and the like over ranks, with the same bits on each
 *
 * An array is cut into one part a rank. Every rank sends each part to the rank it belongs to, which
 * folds what it received in the order of ranks; then the results are copied to all. Both steps move
 * (R-1)/R of the array in and out of each rank, the least that any sum over ranks can do with.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "ranks/ranks_int.h"

enum { BLOCK = 512 }; /* doubles that stay in the nearest cache */

/* own[j] = fold over i of in[i * n + j], i < ranks */
struct fold {
    size_t width;
    void (*run)(void *own, const void *in, int64_t n, int ranks);
};

static void add_float(void *own, const void *in, int64_t n, int ranks)
{
    float       *y = own;
    const float *x = in;
    double       acc[BLOCK];

    for (int64_t from = 0; from < n; from += BLOCK) {
        const int64_t k = n - from < BLOCK ? n - from : BLOCK;

        for (int64_t j = 0; j < k; j++)
            acc[j] = (double)x[from + j];
        for (int i = 1; i < ranks; i++)
            for (int64_t j = 0; j < k; j++)
                acc[j] += (double)x[i * n + from + j];
        for (int64_t j = 0; j < k; j++)
            y[from + j] = (float)acc[j];
    }
}

static void add_double(void *own, const void *in, int64_t n, int ranks)
{
    double       *y = own;
    const double *x = in;

    memcpy(y, x, (size_t)n * sizeof *y);
    for (int i = 1; i < ranks; i++)
        for (int64_t j = 0; j < n; j++)
            y[j] += x[i * n + j];
}

static void add_int64(void *own, const void *in, int64_t n, int ranks)
{
    int64_t       *y = own;
    const int64_t *x = in;

    memcpy(y, x, (size_t)n * sizeof *y);
    for (int i = 1; i < ranks; i++)
        for (int64_t j = 0; j < n; j++)
            y[j] = (int64_t)((uint64_t)y[j] + (uint64_t)x[i * n + j]);
}

static void largest(void *own, const void *in, int64_t n, int ranks)
{
    int64_t       *y = own;
    const int64_t *x = in;

    memcpy(y, x, (size_t)n * sizeof *y);
    for (int i = 1; i < ranks; i++)
        for (int64_t j = 0; j < n; j++)
            y[j] = y[j] < x[i * n + j] ? x[i * n + j] : y[j];
}

static int over_ranks(struct um_ranks *r, void *x, int64_t n, const struct fold *f)
{
    const int64_t most = (int64_t)(UM_RANKS_CHUNK / f->width);
    int64_t       k;

    if (!um_ranks_many(r))
        return UM_OK;
    for (int64_t done = 0; done < n; done += k) {
        char *at = (char *)x + (size_t)done * f->width;

        k = n - done < most ? n - done : most;
        for (int i = 0; i <= r->size; i++)
            r->part[i] = (int)((size_t)(k * i / r->size) * f->width);
        const int *mine = r->part + r->rank;

        UM_TRY(um_ranks_did(r, r->plugin->spread(at, r->scratch, r->part), "sum"));
        if (mine[1] > mine[0])
            f->run(at + mine[0], r->scratch, (mine[1] - mine[0]) / (int64_t)f->width, r->size);
        UM_TRY(um_ranks_did(r, r->plugin->collect(at, r->part), "sum"));
    }
    return UM_OK;
}

int um_ranks_sum(struct um_ranks *r, float *x, int64_t n)
{
    return over_ranks(r, x, n, &(struct fold){ sizeof *x, add_float });
}

int um_ranks_sum_double(struct um_ranks *r, double *x, int64_t n)
{
    return over_ranks(r, x, n, &(struct fold){ sizeof *x, add_double });
}

int um_ranks_sum_int64(struct um_ranks *r, int64_t *x, int64_t n)
{
    return over_ranks(r, x, n, &(struct fold){ sizeof *x, add_int64 });
}

int um_ranks_max(struct um_ranks *r, int64_t *x, int64_t n)
{
    return over_ranks(r, x, n, &(struct fold){ sizeof *x, largest });
}
