/* auc.c - Mann-Whitney by one walk over the sorted scores */
/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/auc.h"

#include <math.h>
#include <stdlib.h>

struct scored {
    float   score;
    int64_t i;
};

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

int um_auc_order(const float *score, int64_t n, int64_t *order)
{
    struct scored *s = NULL;

    for (int64_t i = 0; i < n; i++)
        if (!isfinite(score[i]))
            return um_fail(UM_ENONFINITE, "score %lld of %lld is not finite", (long long)i,
                           (long long)n);
    if (n > 0 && !(s = calloc((size_t)n, sizeof *s)))
        return um_fail(UM_ENOMEM, "out of memory");
    for (int64_t i = 0; i < n; i++)
        s[i] = (struct scored){ score[i], i };
    if (n > 1)
        qsort(s, (size_t)n, sizeof *s, by_score);
    for (int64_t i = 0; i < n; i++)
        order[i] = s[i].i;
    free(s);
    return UM_OK;
}

double um_auc(const float *score, const int8_t *label, const int32_t *weight, const int64_t *order,
              int64_t n)
{
    double below = 0, positive = 0, won = 0; /* negatives passed, positives passed, pairs won */

    for (int64_t i = 0; i < n;) {
        const float s = score[order[i]];
        double      p = 0, q = 0; /* positives and negatives of this score */

        for (; i < n && score[order[i]] == s; i++) {
            const double w = weight ? weight[order[i]] : 1;

            if (label[order[i]] > 0)
                p += w;
            else if (label[order[i]] == 0)
                q += w;
        }
        won += p * (below + q / 2);
        below += q;
        positive += p;
    }
    return positive > 0 && below > 0 ? won / (positive * below) : NAN;
}

double um_accuracy(const int32_t *guess, const int32_t *label, const int32_t *weight, int64_t n)
{
    double right = 0, all = 0;

    for (int64_t i = 0; i < n; i++) {
        const double w = weight ? weight[i] : 1;

        if (label[i] < 0)
            continue;
        all += w;
        right += guess[i] == label[i] ? w : 0;
    }
    return all > 0 ? right / all : NAN;
}
