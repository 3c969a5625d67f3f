/* scores.c - sixteen queries at a time against a gallery */
/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/scores.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 16 };

/* sixteen sums that do not wait for each other; each of them goes through c in order */
static void dots(const double *query, const float *x, int64_t e, double out[AT_ONCE])
{
    double sum[AT_ONCE] = { 0 };

    for (int64_t c = 0; c < e; c++) {
        const double *q = query + c * AT_ONCE;

        for (int k = 0; k < AT_ONCE; k++)
            sum[k] += q[k] * (double)x[c];
    }
    memcpy(out, sum, sizeof sum);
}

static int some_queries(void *arg, int64_t task, int worker)
{
    const struct um_scores *s     = arg;
    const int64_t           first = task * AT_ONCE;
    const int64_t           many  = s->queries - first < AT_ONCE ? s->queries - first : AT_ONCE;
    double                 *query = calloc((size_t)s->e + (size_t)s->n, AT_ONCE * sizeof *query);
    double                 *score;
    double                  out[AT_ONCE];

    (void)worker;
    if (!query)
        return um_fail(UM_ENOMEM, "out of memory");
    score = query + s->e * AT_ONCE;
    for (int64_t c = 0; c < s->e; c++) /* of the queries that are not there: zeros */
        for (int64_t k = 0; k < many; k++)
            query[c * AT_ONCE + k] = (double)s->query[(first + k) * s->e + c];
    for (int64_t j = 0; j < s->n; j++) {
        dots(query, s->gallery + j * s->e, s->e, out);
        for (int64_t k = 0; k < many; k++)
            score[k * s->n + j] = out[k];
    }
    for (int64_t k = 0; k < many; k++)
        s->take(s->arg, first + k, score + k * s->n);
    free(query);
    return UM_OK;
}

int um_scores_run(struct um_pool *pool, struct um_scores *s)
{
    return um_pool_run(pool, (s->queries + AT_ONCE - 1) / AT_ONCE, some_queries, s);
}

int um_scores_finite(const char *what, const float *x, int64_t n, int64_t e)
{
    if (n < 0 || e < 1)
        return um_fail(UM_ESHAPE, "%s: expected [n,E] with n >= 0 and E >= 1, got [%lld,%lld]",
                       what, (long long)n, (long long)e);
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < e; c++)
            if (!isfinite(x[i * e + c]))
                return um_fail(UM_ENONFINITE, "%s: row %lld of %lld: component %lld is %g", what,
                               (long long)i, (long long)n, (long long)c, (double)x[i * e + c]);
    return UM_OK;
}

double um_first_match(const double *score, const uint64_t *match, uint64_t key, int64_t n)
{
    bool    any   = false;
    double  best  = 0;
    int64_t above = 0, equal = 0, matches = 0; /* others above the best match, beside it; matches */

    for (int64_t j = 0; j < n; j++)
        if (match[j] == key && (!any || score[j] > best))
            any = true, best = score[j];
    if (!any)
        return NAN;
    for (int64_t j = 0; j < n; j++)
        if (match[j] == key)
            matches += score[j] == best;
        else if (score[j] >= best)
            score[j] > best ? above++ : equal++;
    return 1 + (double)above + (double)equal / (double)(matches + 1);
}
