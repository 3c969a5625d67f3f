/* dice/cpu.c - a task is a run of places of a sample, walked in tiles whose probabilities and
 * labels lie class by class in the worker's workspace, whatever the layout of x
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/dice/dice.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_DICE_OPS)

enum { TILE = 256 };

struct job {
    struct um_dev        *dev;
    const struct um_dice *d;
    int64_t               rows, parts; /* places of a task, tasks of a sample */
    double               *part;        /* [B, parts, C, 3] */
    const float          *ab;          /* [G, 2]: d loss / dp = ab[0] y + ab[1] p' */
    float                *dx;
};

/* places s .. s+n-1 of sample b: p and y [C,TILE]; without a label y is NaN */
struct tile {
    int64_t b, s, n;
    float  *p, *y;
};

static int tile_new(const struct job *j, int worker, struct tile *t)
{
    const size_t plane = (size_t)j->d->C * TILE;
    void        *space;

    UM_TRY(um_dev_scratch(j->dev, worker, 2 * plane * sizeof(float), &space));
    t->p = space;
    t->y = t->p + plane;
    return UM_OK;
}

/* places of one class, side by side */
static void load_plane(const struct um_dice *d, const struct tile *t, const float *from, int64_t j,
                       float *to)
{
    const float *x = from + um_dice_at(d, t->b, j, t->s);

    if (!d->last)
        memcpy(to, x, (size_t)t->n * sizeof *to);
    for (int64_t i = 0; d->last && i < t->n; i++)
        to[i] = x[i * d->C];
    memset(to + t->n, 0, (size_t)(TILE - t->n) * sizeof *to);
}

static void store_plane(const struct um_dice *d, const struct tile *t, float *dx, int64_t j)
{
    const float *p = t->p + j * TILE;
    float       *x = dx + um_dice_at(d, t->b, j, t->s);

    if (!d->last)
        memcpy(x, p, (size_t)t->n * sizeof *x);
    for (int64_t i = 0; d->last && i < t->n; i++)
        x[i * d->C] = p[i];
}

static void load_labels(const struct um_dice *d, const struct tile *t, int64_t j)
{
    float *y             = t->y + j * TILE;
    const int32_t *class = d->target + t->b * d->S + t->s;

    if (d->y)
        load_plane(d, t, d->y, j, y);
    for (int64_t i = 0; !d->y && i < t->n; i++)
        y[i] = class[i] < 0 ? NAN : class[i] == j ? 1.0f : 0.0f;
    for (int64_t i = t->n; i < TILE; i++)
        y[i] = NAN;
}

/* logits to probabilities over the classes, UM_VL places at a time */
static void softmax(float *p, int64_t C)
{
    for (int64_t i = 0; i < TILE; i += UM_VL) {
        um_vf most = um_vset(-INFINITY), sum = { 0 };

        for (int64_t j = 0; j < C; j++)
            most = um_vmax(um_vloadf(p, j * TILE + i, UM_VL), most);
        for (int64_t j = 0; j < C; j++) {
            const um_vf e = um_vexp(um_vloadf(p, j * TILE + i, UM_VL) - most);

            sum += e;
            um_vstoref(p, j * TILE + i, UM_VL, e);
        }
        for (int64_t j = 0; j < C; j++)
            um_vstoref(p, j * TILE + i, UM_VL, um_vloadf(p, j * TILE + i, UM_VL) / sum);
    }
}

static void load_tile(const struct um_dice *d, const struct tile *t)
{
    for (int64_t j = 0; j < d->C; j++) {
        load_plane(d, t, d->x, j, t->p + j * TILE);
        load_labels(d, t, j);
    }
    if (d->softmax)
        softmax(t->p, d->C);
    for (int64_t i = 0; !d->softmax && i < d->C * TILE; i += UM_VL)
        um_vstoref(t->p, i, UM_VL, um_vsigmoid(um_vloadf(t->p, i, UM_VL)));
}

static um_vf where(um_vi mask, um_vf v)
{
    return (um_vf)((um_vi)v & mask);
}

/* not NaN */
static um_vi labelled(um_vf y)
{
    return (um_vi)um_vabs(y) <= 0x7f800000;
}

/* sum[0..2] += a class's I, P, Y in a tile */
static void add_tile(const struct um_dice *d, const float *p, const float *y, double *sum)
{
    um_vf I = { 0 }, P = { 0 }, Y = { 0 };

    for (int64_t i = 0; i < TILE; i += UM_VL) {
        const um_vf yv = um_vloadf(y, i, UM_VL), t = where(labelled(yv), yv);
        const um_vf q = where(labelled(yv), um_vloadf(p, i, UM_VL));

        I += q * t;
        P += d->square ? q * q : q;
        Y += d->square ? t * t : t;
    }
    sum[0] += (double)um_vsum(I);
    sum[1] += (double)um_vsum(P);
    sum[2] += (double)um_vsum(Y);
}

/* the first tile of a task's places; false: there are none */
static bool first_tile(const struct job *j, int64_t task, struct tile *t, int64_t *end)
{
    t->b = task / j->parts;
    t->s = task % j->parts * j->rows;
    *end = um_min(j->d->S, t->s + j->rows);
    t->n = um_min(TILE, *end - t->s);
    return t->n > 0;
}

static bool next_tile(struct tile *t, int64_t end)
{
    t->s += t->n;
    t->n = um_min(TILE, end - t->s);
    return t->n > 0;
}

static int sums_of(void *arg, int64_t task, int worker)
{
    const struct job     *j   = arg;
    const struct um_dice *d   = j->d;
    double               *sum = j->part + task * 3 * d->C;
    struct tile           t;
    int64_t               end;

    UM_TRY(tile_new(j, worker, &t));
    memset(sum, 0, 3 * (size_t)d->C * sizeof *sum);
    for (bool more = first_tile(j, task, &t, &end); more; more = next_tile(&t, end)) {
        load_tile(d, &t);
        for (int64_t c = 0; c < d->C; c++)
            add_tile(d, t.p + c * TILE, t.y + c * TILE, sum + 3 * c);
    }
    return UM_OK;
}

static void cut(struct job *j)
{
    j->rows  = um_rows_per_part(j->d->S);
    j->parts = um_ceil_div(j->d->S, j->rows);
}

int UM_CPU(dice_fwd)(struct um_dev *dev, float *loss, double *sums, const struct um_dice *d)
{
    struct job j = { .dev = dev, .d = d };
    void      *p;

    UM_TRY(um_check_classes("dice_fwd", d));
    cut(&j);
    UM_TRY(um_share_scratch(dev, (size_t)(d->B * j.parts * d->C) * 3 * sizeof(double), &p));
    j.part = p;
    UM_TRY(um_share(dev, d->B * j.parts, sums_of, &j));
    memset(sums, 0, (size_t)um_dice_groups(d) * 3 * sizeof *sums);
    for (int64_t i = 0; i < d->B * j.parts; i++) {
        double *to = sums + (d->batch ? 0 : i / j.parts * d->C * 3);

        for (int64_t k = 0; k < 3 * d->C; k++)
            to[k] += j.part[i * 3 * d->C + k];
    }
    um_dice_add(d, loss, sums);
    return UM_OK;
}

/* p of places i .. becomes d loss / dp of one class, 0 where that has no part */
static um_vf slope(const struct job *j, const struct tile *t, int64_t c, int64_t i)
{
    const struct um_dice *d  = j->d;
    const float          *ab = j->ab + 2 * (d->batch ? c : t->b * d->C + c);
    const um_vf p = um_vloadf(t->p, c * TILE + i, UM_VL), y = um_vloadf(t->y, c * TILE + i, UM_VL);

    return where(labelled(y), ab[0] * y + (d->square ? 2.0f * ab[1] * p : um_vset(ab[1])));
}

/* p of places i .. becomes dx */
static void through_softmax(const struct job *j, const struct tile *t, int64_t i)
{
    um_vf mean = { 0 };

    for (int64_t c = 0; c < j->d->C; c++)
        mean += um_vloadf(t->p, c * TILE + i, UM_VL) * slope(j, t, c, i);
    for (int64_t c = 0; c < j->d->C; c++) {
        const um_vf p = um_vloadf(t->p, c * TILE + i, UM_VL);

        um_vstoref(t->p, c * TILE + i, UM_VL, p * (slope(j, t, c, i) - mean));
    }
}

static void through_sigmoid(const struct job *j, const struct tile *t, int64_t i)
{
    for (int64_t c = 0; c < j->d->C; c++) {
        const um_vf p = um_vloadf(t->p, c * TILE + i, UM_VL);

        um_vstoref(t->p, c * TILE + i, UM_VL, p * (1.0f - p) * slope(j, t, c, i));
    }
}

static int gradient(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;
    struct tile       t;
    int64_t           end;

    UM_TRY(tile_new(j, worker, &t));
    for (bool more = first_tile(j, task, &t, &end); more; more = next_tile(&t, end)) {
        load_tile(j->d, &t);
        for (int64_t i = 0; i < TILE; i += UM_VL)
            if (j->d->softmax)
                through_softmax(j, &t, i);
            else
                through_sigmoid(j, &t, i);
        for (int64_t c = 0; c < j->d->C; c++)
            store_plane(j->d, &t, j->dx, c);
    }
    return UM_OK;
}

int UM_CPU(dice_bwd)(struct um_dev *dev, float *dx, const float *gloss, const double *sums,
                     const struct um_dice *d)
{
    const double  g = (double)*gloss * (double)d->scale;
    const int64_t G = um_dice_groups(d);
    struct job    j = { .dev = dev, .d = d, .dx = dx };
    void         *p;
    float        *ab;

    UM_TRY(um_check_classes("dice_bwd", d));
    cut(&j);
    UM_TRY(um_share_scratch(dev, (size_t)G * 2 * sizeof *ab, &p));
    j.ab = ab = p;
    for (int64_t i = 0; i < G; i++) {
        double s[2] = { 0 };

        if (i % d->C >= d->first)
            um_dice_slope(d, sums + 3 * i, s);
        ab[2 * i]     = (float)(g * s[0]);
        ab[2 * i + 1] = (float)(g * s[1]);
    }
    return um_share(dev, d->B * j.parts, gradient, &j);
}
