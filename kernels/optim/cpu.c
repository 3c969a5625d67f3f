/* optim/cpu.c - spans are cut into pieces of UM_SPAN floats, each a task; all float, so plain loops
 * make vectors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/optim/optim.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_OPTIM_OPS)

enum { LANES = 16 };

/* first[i]: number of span i's first piece; first[spans]: how many there are */
struct pieces {
    const struct um_span *span;
    int64_t               spans, *first;
};

static int cut(struct um_dev *dev, const struct um_span *span, int64_t spans, size_t more,
               struct pieces *p)
{
    void   *space;
    int64_t n = 0;

    for (int64_t i = 0; i < spans; i++)
        n += um_ceil_div(span[i].n, UM_SPAN);
    UM_TRY(
        um_share_scratch(dev, (size_t)(spans + 1) * sizeof *p->first + (size_t)n * more, &space));
    *p = (struct pieces){ span, spans, space };
    n  = 0;
    for (int64_t i = 0; i <= spans; i++) {
        p->first[i] = n;
        n += i < spans ? um_ceil_div(span[i].n, UM_SPAN) : 0;
    }
    return UM_OK;
}

/* the span that piece k is of; its floats from *from on, *n of them */
static const struct um_span *piece(const struct pieces *p, int64_t k, int64_t *from, int64_t *n)
{
    int64_t low = 0, high = p->spans; /* first[low] <= k < first[high] */

    while (high - low > 1) {
        const int64_t mid = low + (high - low) / 2;

        if (p->first[mid] <= k)
            low = mid;
        else
            high = mid;
    }
    const int64_t at = (k - p->first[low]) * UM_SPAN;

    *from = p->span[low].from + at;
    *n    = um_min(p->span[low].n - at, UM_SPAN);
    return &p->span[low];
}

struct squares {
    struct pieces pieces;
    const float  *x;
    double       *part; /* one for each piece */
};

static int squares(void *arg, int64_t task, int worker)
{
    const struct squares *j           = arg;
    double                lane[LANES] = { 0 }, sum = 0;
    int64_t               from, n, i;

    (void)worker;
    (void)piece(&j->pieces, task, &from, &n);
    const float *x = j->x + from;
    for (i = 0; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += (double)x[i + l] * (double)x[i + l];
    for (; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    for (int l = 0; l < LANES; l++)
        sum += lane[l];
    j->part[task] = sum;
    return UM_OK;
}

int UM_CPU(sumsq)(struct um_dev *dev, double *sum, const float *x, const struct um_span *span,
                  int64_t spans)
{
    struct squares j = { .x = x };

    UM_TRY(um_check_spans("sumsq", span, spans));
    UM_TRY(cut(dev, span, spans, sizeof *j.part, &j.pieces));
    j.part = (double *)(j.pieces.first + spans + 1);
    UM_TRY(um_share(dev, j.pieces.first[spans], squares, &j));
    for (int64_t i = 0; i < spans; i++) {
        double total = 0;

        for (int64_t k = j.pieces.first[i]; k < j.pieces.first[i + 1]; k++)
            total += j.part[k];
        sum[i] += total;
    }
    return UM_OK;
}

/* a few hundred values: as the definition has it */
int UM_CPU(clip)(struct um_dev *dev, float *factor, const double *sum, const double *also,
                 int64_t spans, bool all, double most)
{
    return um_ref_clip(dev, factor, sum, also, spans, all, most);
}

struct step {
    struct pieces         pieces;
    const struct um_adam *a;
    float                 rate, root;
};

static int step(void *arg, int64_t task, int worker)
{
    const struct step    *j = arg;
    const struct um_adam *a = j->a;
    int64_t               from, n;
    const struct um_span *s  = piece(&j->pieces, task, &from, &n);
    const float           b1 = a->b1, b2 = a->b2, eps = a->eps, rate = j->rate, root = j->root;
    const float           factor = a->factor ? a->factor[s - a->span] : 1;
    const float           gscale = s->gscale * factor;
    const float           shrink = (float)(1 - (double)a->lr * (double)s->wd);
    float *restrict w = a->w + from, *restrict m = a->m + from, *restrict u = a->u + from;
    const float *restrict g = a->g + from;

    (void)worker;
    if (isnan(gscale))
        return UM_OK;
    for (int64_t i = 0; i < n; i++) {
        const float gi = g[i] * gscale;

        m[i] = b1 * m[i] + (1 - b1) * gi;
        u[i] = b2 * u[i] + (1 - b2) * (gi * gi);
        w[i] = w[i] * shrink - rate * m[i] / (sqrtf(u[i]) * root + eps);
    }
    return UM_OK;
}

int UM_CPU(adamw)(struct um_dev *dev, const struct um_adam *a)
{
    struct step j = { .a = a };

    UM_TRY(um_check_adam(a));
    j.rate = (float)((double)a->lr / (1 - pow((double)a->b1, (double)a->t)));
    j.root = (float)(1 / sqrt(1 - pow((double)a->b2, (double)a->t)));
    UM_TRY(cut(dev, a->span, a->spans, 0, &j.pieces));
    return um_share(dev, j.pieces.first[a->spans], step, &j);
}
