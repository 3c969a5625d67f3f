/* score.c - AUROC per label and accuracy, each over the records and over resamples of patients */
/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/auc.h"
#include "eval/bootstrap.h"

struct table {
    const struct um_labelled *f;
    const int64_t            *index;
    int64_t                   n;
    int                       K;
    struct um_arena          *a;
    float                    *score;                 /* [K,n] */
    int8_t                   *label;                 /* [K,n]: 1, 0, -1 */
    int64_t                  *order;                 /* [K,n] */
    int32_t                  *guess, *truth, *group; /* [n] */
    int64_t                   groups;
};

/* K AUROC, their mean, and for classes accuracy: K + 1 or K + 2 values */
static int figures(void *user, const int32_t *weight, double *out)
{
    const struct table *t   = user;
    double              sum = 0;
    int                 n   = 0;

    for (int k = 0; k < t->K; k++) {
        const int64_t at = (int64_t)k * t->n;

        out[k] = um_auc(t->score + at, t->label + at, weight, t->order + at, t->n);
        if (!isnan(out[k])) {
            sum += out[k];
            n++;
        }
    }
    out[t->K] = n ? sum / n : NAN;
    if (t->f->classes)
        out[t->K + 1] = um_accuracy(t->guess, t->truth, weight, t->n);
    return UM_OK;
}

static bool room(struct table *t)
{
    const int64_t all = t->n * t->K;

    t->score = um_alloc_array(t->a, all, sizeof *t->score);
    t->label = um_alloc_array(t->a, all, sizeof *t->label);
    t->order = um_alloc_array(t->a, all, sizeof *t->order);
    t->guess = um_alloc_array(t->a, t->n, sizeof *t->guess);
    t->truth = um_alloc_array(t->a, t->n, sizeof *t->truth);
    t->group = um_alloc_array(t->a, t->n, sizeof *t->group);
    return t->score && t->label && t->order && t->guess && t->truth && t->group;
}

static void softmax(const float *x, int K, double *p)
{
    double max = -INFINITY, sum = 0;

    for (int k = 0; k < K; k++)
        max = (double)x[k] > max ? (double)x[k] : max;
    for (int k = 0; k < K; k++)
        sum += p[k] = exp((double)x[k] - max);
    for (int k = 0; k < K; k++)
        p[k] /= sum;
}

static int fill_classes(struct table *t, const float *out)
{
    double *p = um_alloc_array(t->a, t->K, sizeof *p);

    if (!p)
        return UM_ENOMEM;
    for (int64_t i = 0; i < t->n; i++) {
        const float *x = out + i * t->K;

        t->truth[i] = t->f->of[t->index[i]];
        t->guess[i] = 0;
        softmax(x, t->K, p);
        for (int k = 0; k < t->K; k++) {
            t->guess[i]            = x[k] > x[t->guess[i]] ? k : t->guess[i];
            t->score[k * t->n + i] = (float)p[k];
            t->label[k * t->n + i] = t->truth[i] == k;
        }
    }
    return UM_OK;
}

static void fill_labels(struct table *t, const float *out)
{
    for (int64_t i = 0; i < t->n; i++)
        for (int k = 0; k < t->K; k++) {
            const float y = t->f->y[t->index[i] * t->K + k];

            t->score[k * t->n + i] = out[i * t->K + k];
            t->label[k * t->n + i] = isnan(y) ? -1 : y > 0;
        }
}

struct owner {
    uint64_t patient;
    int64_t  i;
};

static int by_patient(const void *a, const void *b)
{
    const struct owner *x = a, *y = b;

    if (x->patient != y->patient)
        return x->patient < y->patient ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

/* patients are numbered by where they come first, so that the hash's value changes nothing */
static int fill_groups(struct table *t)
{
    struct owner *o = um_alloc_array(t->a, t->n, sizeof *o);

    if (!o)
        return UM_ENOMEM;
    for (int64_t i = 0; i < t->n; i++)
        o[i] = (struct owner){ t->f->patient[t->index[i]], i };
    qsort(o, (size_t)t->n, sizeof *o, by_patient);
    for (int64_t i = 0; i < t->n; i++) /* first the number of the patient's first record */
        t->group[o[i].i] =
            (int32_t)(i > 0 && o[i].patient == o[i - 1].patient ? t->group[o[i - 1].i] : o[i].i);
    for (int64_t i = 0; i < t->n; i++)
        t->group[i] = t->group[i] == i ? (int32_t)t->groups++ : t->group[t->group[i]];
    return UM_OK;
}

static int64_t counted(const struct table *t, int k)
{
    int64_t n = 0;

    for (int64_t i = 0; i < t->n; i++)
        n += t->label[k * t->n + i] >= 0;
    return n;
}

static int measure(struct table *t, const float *out, int64_t reps, uint64_t seed,
                   struct um_score *score, int *count)
{
    const int k     = t->K + 1 + t->f->classes;
    double   *value = um_alloc_array(t->a, 3 * (int64_t)k, sizeof *value);

    if (!value || !room(t))
        return UM_ENOMEM;
    UM_TRY(fill_groups(t));
    if (t->f->classes)
        UM_TRY(fill_classes(t, out));
    else
        fill_labels(t, out);
    for (int i = 0; i < t->K; i++)
        UM_TRY(um_auc_order(t->score + i * t->n, t->n, t->order + i * t->n));
    UM_TRY(figures(t, NULL, value));
    const struct um_bootstrap b = { t->n, t->group, t->groups, reps, seed, k, t, figures };
    UM_TRY(um_bootstrap_run(&b, value + k, value + 2 * k, NULL));
    for (int i = 0; i < k; i++)
        score[i] = (struct um_score){ .label  = i < t->K    ? t->f->name[i]
                                                : i == t->K ? "mean"
                                                            : "all",
                                      .metric = i <= t->K ? "auroc" : "accuracy",
                                      .n      = i < t->K ? counted(t, i) : t->n,
                                      .value  = value[i],
                                      .lo     = value[k + i],
                                      .hi     = value[2 * k + i] };
    *count = k;
    return UM_OK;
}

int um_score_table(const struct um_labelled *f, const int64_t *index, int64_t n, const float *out,
                   int64_t reps, uint64_t seed, struct um_score *score, int *count)
{
    struct table t = { .f = f, .index = index, .n = n, .K = f->nname };
    int          st;

    if (n < 1 || n > INT32_MAX)
        return um_fail(UM_ERANGE, "figures of %lld records", (long long)n);
    UM_TRY(um_arena_new(&t.a));
    st = measure(&t, out, reps, seed, score, count);
    um_arena_free(t.a);
    return st;
}
