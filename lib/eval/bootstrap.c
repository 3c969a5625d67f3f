/* bootstrap.c - resamples of patients as weights of records */
/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"

struct work {
    int32_t *times;  /* [groups] how often each patient was drawn */
    int32_t *weight; /* [n] */
    double  *out;    /* [k] */
    double  *value;  /* [k][reps], the defined ones first */
    int64_t *used;   /* [k] */
};

double um_percentile(const double *x, int64_t n, double p)
{
    const double  at = p * (double)(n - 1);
    const int64_t i  = (int64_t)at;

    return i + 1 < n ? x[i] + (at - (double)i) * (x[i + 1] - x[i]) : x[n - 1];
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static int check(const struct um_bootstrap *b)
{
    if (b->n < 1 || b->groups < 1 || b->reps < 1 || b->k < 1)
        return um_fail(UM_ERANGE, "bootstrap of %lld records, %lld patients, %lld resamples",
                       (long long)b->n, (long long)b->groups, (long long)b->reps);
    for (int64_t i = 0; i < b->n; i++)
        if (b->group[i] < 0 || b->group[i] >= b->groups)
            return um_fail(UM_ERANGE, "bootstrap: patient %d of record %lld, of %lld patients",
                           b->group[i], (long long)i, (long long)b->groups);
    return UM_OK;
}

static void draw(const struct um_bootstrap *b, int64_t rep, const struct work *w)
{
    struct um_rng r = um_rng_at(b->seed, UM_RNG_BOOTSTRAP, (uint64_t)rep, 0);

    memset(w->times, 0, (size_t)b->groups * sizeof *w->times);
    for (int64_t g = 0; g < b->groups; g++)
        w->times[um_rng_below(&r, (uint64_t)b->groups)]++;
    for (int64_t i = 0; i < b->n; i++)
        w->weight[i] = w->times[b->group[i]];
}

static int resample(const struct um_bootstrap *b, struct work *w)
{
    for (int64_t rep = 0; rep < b->reps; rep++) {
        draw(b, rep, w);
        UM_TRY(b->figures(b->user, w->weight, w->out));
        for (int i = 0; i < b->k; i++)
            if (!isnan(w->out[i]))
                w->value[i * b->reps + w->used[i]++] = w->out[i];
    }
    return UM_OK;
}

static void settle(const struct um_bootstrap *b, const struct work *w, double *lo, double *hi,
                   int64_t *defined)
{
    for (int i = 0; i < b->k; i++) {
        double       *x = w->value + i * b->reps;
        const int64_t n = w->used[i];

        qsort(x, (size_t)n, sizeof *x, ascending);
        lo[i] = n > 0 ? um_percentile(x, n, 0.025) : NAN;
        hi[i] = n > 0 ? um_percentile(x, n, 0.975) : NAN;
        if (defined)
            defined[i] = n;
    }
}

int um_bootstrap_run(const struct um_bootstrap *b, double *lo, double *hi, int64_t *defined)
{
    struct work w  = { 0 };
    int         st = check(b);

    if (st < 0)
        return st;
    w.times  = calloc((size_t)b->groups, sizeof *w.times);
    w.weight = calloc((size_t)b->n, sizeof *w.weight);
    w.out    = calloc((size_t)b->k, sizeof *w.out);
    w.value  = calloc((size_t)b->k * (size_t)b->reps, sizeof *w.value);
    w.used   = calloc((size_t)b->k, sizeof *w.used);
    if (!w.times || !w.weight || !w.out || !w.value || !w.used)
        st = um_fail(UM_ENOMEM, "out of memory");
    else if ((st = resample(b, &w)) >= 0)
        settle(b, &w, lo, hi, defined);
    free(w.times);
    free(w.weight);
    free(w.out);
    free(w.value);
    free(w.used);
    return st;
}
