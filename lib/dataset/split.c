/* split.c - groups drawn into parts */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset/split.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mt19937.h"

const char *um_part_name(enum um_part part)
{
    static const char *const name[UM_NPART] = { "train", "valid", "test" };

    return name[part];
}

int um_part_parse(const char *text, enum um_part *part)
{
    *part = UM_TRAIN;
    if (!*text)
        return UM_OK;
    for (int i = 0; i < UM_NPART; i++)
        if (strcmp(text, um_part_name((enum um_part)i)) == 0) {
            *part = (enum um_part)i;
            return UM_OK;
        }
    return um_fail(UM_EFORMAT, "split \"%s\": expected train, valid or test", text);
}

/* a decimal sum or quotient as a person would write it: 0.1 + 0.2 is 0.3, not the double above it,
 * which would round up to one group more */
static double plain(double x)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%.15g", x);
    return strtod(text, NULL);
}

static bool shares(const struct um_split *s)
{
    return s->valid < 1 && s->test < 1;
}

int um_split_check(const struct um_split *s)
{
    const double part[] = { s->valid, s->test };

    for (int i = 0; i < 2; i++)
        if (part[i] >= 1 && part[i] != floor(part[i]))
            return um_fail(UM_ERANGE, "%s %g: a share is below 1, a number of rows is whole",
                           um_part_name(i ? UM_TEST : UM_VALID), part[i]);
    if (!shares(s) && ((s->valid > 0 && s->valid < 1) || (s->test > 0 && s->test < 1)))
        return um_fail(UM_ERANGE,
                       "valid %g and test %g: both shares (below 1) or both numbers of rows are "
                       "expected",
                       s->valid, s->test);
    if (shares(s) && plain(s->valid + s->test) >= 1)
        return um_fail(UM_ERANGE, "valid %g and test %g: shares must sum to less than 1", s->valid,
                       s->test);
    return UM_OK;
}

/* how many of the first of n groups, order[] after order[], are `want` of them, or hold as many
 * rows */
static int64_t held(double want, bool share, int64_t n, const int64_t *rows, const int64_t *order)
{
    int64_t k   = 0;
    double  got = 0;

    if (share)
        return (int64_t)ceil(want * (double)n);
    while (k < n && got < want)
        got += (double)rows[order[k++]];
    return k;
}

/* a[0..n-1] permuted; b has room for n, and so has p */
static void permute(uint32_t seed, int64_t *a, int64_t n, int64_t *p, int64_t *b)
{
    um_mt_permutation(seed, p, n);
    for (int64_t i = 0; i < n; i++)
        b[i] = a[p[i]];
    memcpy(a, b, (size_t)n * sizeof *a);
}

/* how many of the n groups that were held out, order[0..n-1], go to valid and come first */
static int64_t part_valid(const struct um_split *s, const int64_t *rows, int64_t *order, int64_t n,
                          int64_t *tmp)
{
    if (s->test == 0 || s->valid == 0)
        return s->valid > 0 ? n : 0;
    permute(s->seed, order, n, tmp, tmp + n);
    if (shares(s)) /* 0.2 of the 0.3 that three groups are: two of them, and not the next above */
        return (int64_t)ceil(plain(s->valid * (double)n / plain(s->valid + s->test)));
    return held(s->valid, false, n, rows, order);
}

static int too_few(const struct um_split *s, int64_t n, const int64_t n_part[UM_NPART])
{
    return um_fail(UM_ERANGE,
                   "valid %g and test %g of %lld groups: train would get %lld, valid %lld, test "
                   "%lld of them",
                   s->valid, s->test, (long long)n, (long long)n_part[UM_TRAIN],
                   (long long)n_part[UM_VALID], (long long)n_part[UM_TEST]);
}

int um_split_draw(const struct um_split *s, int64_t n, const int64_t *rows, int64_t *order,
                  int64_t n_part[UM_NPART])
{
    const double want = plain(s->valid + s->test);
    int64_t      k, v;
    int64_t     *tmp;

    UM_TRY(um_split_check(s));
    if (n > UINT32_MAX)
        return um_fail(UM_ERANGE, "%lld groups: more than the generator can number", (long long)n);
    if (!(tmp = calloc((size_t)n + 1, 2 * sizeof *tmp)))
        return um_fail(UM_ENOMEM, "out of memory");
    um_mt_permutation(s->seed, order, n);
    k = held(want, shares(s), n, rows, order);
    v = part_valid(s, rows, order, k, tmp);

    n_part[UM_TRAIN] = n - k;
    n_part[UM_VALID] = v;
    n_part[UM_TEST]  = k - v;
    memcpy(tmp, order, (size_t)k * sizeof *tmp); /* held out: to the end */
    memmove(order, order + k, (size_t)(n - k) * sizeof *order);
    memcpy(order + n - k, tmp, (size_t)k * sizeof *tmp);
    free(tmp);
    if (n_part[UM_TRAIN] < 1 || (s->valid > 0 && v < 1) || (s->test > 0 && k - v < 1))
        return too_few(s, n, n_part);
    return UM_OK;
}

int64_t um_subset_count(double f, int64_t n, const char *rounding)
{
    const double k = f * (double)n;

    if (strcmp(rounding, "even") == 0)
        return um_mt_sample_count(f, n);
    return (int64_t)(strcmp(rounding, "ceil") == 0 ? ceil(k) : floor(k));
}
