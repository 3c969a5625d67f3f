/* resample/cpu.c - a task is a grid, one axis after the other in float
 *
 * Forward, the last axis comes first, while there are fewest rows; the adjoint goes the other way.
 * An axis is a table: for each place the list of those it is summed from, in order.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/resample/resample.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_RESAMPLE_OPS)

/* place o of `to` is the sum of weight[k] x[index[k]], start[o] <= k < start[o + 1] */
struct axis {
    int64_t  from, to;
    int64_t *start, *index;
    float   *weight;
    bool     same; /* nothing changes */
};

struct job {
    struct um_dev *dev;
    enum um_dtype  dt;
    void          *y;
    const void    *x;
    int64_t        c, in[3], out[3]; /* of what is read and written */
    int64_t        most;             /* elements of the largest grid on the way */
    struct axis    axis[3];
    int            order[3];
};

static int64_t volume(const int64_t d[3])
{
    return d[0] * d[1] * d[2];
}

/* ---- tables -------------------------------------------------------------------------------------
 */

static void forward_table(struct axis *t, const struct um_resample *r, int axis)
{
    int64_t k = 0;

    t->from = r->in[axis];
    t->to   = r->out[axis];
    for (int64_t o = 0; o < t->to; o++) {
        double    w[UM_TAPS];
        const int n = um_resample_taps(r, axis, o, t->index + k, w);

        t->start[o] = k;
        for (int i = 0; i < n; i++)
            t->weight[k + i] = (float)w[i];
        k += n;
    }
    t->start[t->to] = k;
}

/* the same sums from the other end: counted, then filled in the order of o */
static void adjoint_table(struct axis *t, const struct um_resample *r, int axis)
{
    int64_t index[UM_TAPS];
    double  w[UM_TAPS];

    t->from = r->out[axis];
    t->to   = r->in[axis];
    memset(t->start, 0, (size_t)(t->to + 1) * sizeof *t->start);
    for (int64_t o = 0; o < t->from; o++)
        for (int i = 0, n = um_resample_taps(r, axis, o, index, w); i < n; i++)
            t->start[index[i] + 1]++;
    for (int64_t i = 0; i < t->to; i++)
        t->start[i + 1] += t->start[i];
    for (int64_t o = 0; o < t->from; o++)
        for (int i = 0, n = um_resample_taps(r, axis, o, index, w); i < n; i++) {
            const int64_t k = t->start[index[i]]++;

            t->index[k]  = o;
            t->weight[k] = (float)w[i];
        }
    for (int64_t i = t->to; i > 0; i--) /* each start has moved on to the next */
        t->start[i] = t->start[i - 1];
    t->start[0] = 0;
}

static int tables(struct job *j, const struct um_resample *r, bool adjoint)
{
    size_t bytes = 0;
    void  *room;
    char  *at;

    for (int i = 0; i < 3; i++)
        bytes += (size_t)(r->in[i] + r->out[i] + 1 + r->out[i] * UM_TAPS) * sizeof(int64_t) +
                 (size_t)(r->out[i] * UM_TAPS) * sizeof(double);
    UM_TRY(um_share_scratch(j->dev, bytes, &room));
    at = room;
    for (int i = 0; i < 3; i++) {
        struct axis *t = &j->axis[i];

        t->start  = (void *)at;
        t->index  = t->start + r->in[i] + r->out[i] + 1;
        t->weight = (void *)(t->index + r->out[i] * UM_TAPS);
        t->same   = r->in[i] == r->out[i];
        at        = (char *)t->weight + (size_t)(r->out[i] * UM_TAPS) * sizeof(double);
        if (adjoint)
            adjoint_table(t, r, i);
        else
            forward_table(t, r, i);
        j->in[i]    = adjoint ? r->out[i] : r->in[i];
        j->out[i]   = adjoint ? r->in[i] : r->out[i];
        j->order[i] = adjoint ? i : 2 - i;
    }
    return UM_OK;
}

/* ---- grids --------------------------------------------------------------------------------------
 */

/* one row of `inner`: y = sum of weighted rows of x */
static void sum_rows(const struct axis *t, int64_t o, float *y, const float *x, int64_t inner)
{
    for (int64_t l = 0; l < inner; l += UM_VL) {
        um_vf s = { 0 };

        for (int64_t k = t->start[o]; k < t->start[o + 1]; k++)
            s += um_vloadf(x + t->index[k] * inner, l, inner - l) * t->weight[k];
        um_vstoref(y, l, inner - l, s);
    }
}

/* x [outer,from,inner] -> y [outer,to,inner] */
static void along(const struct axis *t, float *y, const float *x, int64_t outer, int64_t inner)
{
    for (int64_t b = 0; b < outer; b++, x += t->from * inner, y += t->to * inner)
        for (int64_t o = 0; o < t->to; o++) {
            float s = 0;

            if (inner > 1) {
                sum_rows(t, o, y + o * inner, x, inner);
                continue;
            }
            for (int64_t k = t->start[o]; k < t->start[o + 1]; k++)
                s += x[t->index[k]] * t->weight[k];
            y[o] = s;
        }
}

static void convert(void *y, enum um_dtype dty, int64_t iy, const void *x, enum um_dtype dtx,
                    int64_t ix, int64_t n)
{
    for (int64_t l = 0; l < n; l += UM_VL)
        um_vstore(y, dty, iy + l, n - l, um_vload(x, dtx, ix + l, n - l));
}

static int grid(void *arg, int64_t i, int worker)
{
    const struct job *j    = arg;
    int64_t           d[3] = { j->in[0], j->in[1], j->in[2] };
    float            *here, *there;
    void             *room;

    UM_TRY(um_dev_scratch(j->dev, worker, (size_t)j->most * 2 * sizeof(float), &room));
    here  = room;
    there = here + j->most;
    convert(here, UM_F32, 0, j->x, j->dt, i * volume(d) * j->c, volume(d) * j->c);
    for (int k = 0; k < 3; k++) {
        const int axis  = j->order[k];
        int64_t   outer = 1, inner = j->c;
        float    *swap = here;

        if (j->axis[axis].same)
            continue;
        for (int a = 0; a < axis; a++)
            outer *= d[a];
        for (int a = axis + 1; a < 3; a++)
            inner *= d[a];
        along(&j->axis[axis], there, here, outer, inner);
        d[axis] = j->axis[axis].to;
        here    = there;
        there   = swap;
    }
    convert(j->y, j->dt, i * volume(d) * j->c, here, UM_F32, 0, volume(d) * j->c);
    return UM_OK;
}

static int resample(struct um_dev *dev, void *y, const void *x, const struct um_resample *r,
                    bool adjoint)
{
    struct job j = { .dev = dev, .dt = r->dt, .y = y, .x = x, .c = r->c };
    int64_t    d[3];

    if (r->n == 0)
        return UM_OK;
    UM_TRY(tables(&j, r, adjoint));
    memcpy(d, j.in, sizeof d);
    j.most = volume(d) * r->c;
    for (int k = 0; k < 3; k++) {
        d[j.order[k]] = j.out[j.order[k]];
        j.most        = volume(d) * r->c > j.most ? volume(d) * r->c : j.most;
    }
    return um_share(dev, r->n, grid, &j);
}

int UM_CPU(resample_fwd)(struct um_dev *dev, void *y, const void *x, const struct um_resample *r)
{
    UM_TRY(um_check_resample("resample_fwd", r));
    return resample(dev, y, x, r, false);
}

int UM_CPU(resample_bwd)(struct um_dev *dev, void *dx, const void *dy, const struct um_resample *r)
{
    UM_TRY(um_check_resample("resample_bwd", r));
    return resample(dev, dx, dy, r, true);
}
