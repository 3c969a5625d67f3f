/* softmax/cpu.c - a row at a time, in vectors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/softmax/softmax.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_SOFTMAX_OPS)

struct job {
    enum um_dtype dt;
    void         *out; /* y or dx */
    const void   *x, *dy, *y;
    int64_t       n, c, rows;
};

static void forward_row(const struct job *j, int64_t i)
{
    const int64_t c = j->c, at = i * c;
    um_vf         most = um_vset(-INFINITY), sum = { 0 };

    for (int64_t l = 0; l < c; l += UM_VL)
        most = um_vmax(um_vfill(um_vload(j->x, j->dt, at + l, c - l), c - l, -INFINITY), most);
    const float max = um_vmost(most);
    for (int64_t l = 0; l < c; l += UM_VL)
        sum += um_vfill(um_vexp(um_vload(j->x, j->dt, at + l, c - l) - max), c - l, 0);
    const float each = 1 / um_vsum(sum);
    for (int64_t l = 0; l < c; l += UM_VL)
        um_vstore(j->out, j->dt, at + l, c - l,
                  um_vexp(um_vload(j->x, j->dt, at + l, c - l) - max) * each);
}

static void backward_row(const struct job *j, int64_t i)
{
    const int64_t c = j->c, at = i * c;
    um_vf         sum = { 0 };

    for (int64_t l = 0; l < c; l += UM_VL)
        sum += um_vload(j->dy, j->dt, at + l, c - l) * um_vload(j->y, j->dt, at + l, c - l);
    const float dot = um_vsum(sum);
    for (int64_t l = 0; l < c; l += UM_VL)
        um_vstore(j->out, j->dt, at + l, c - l,
                  um_vload(j->y, j->dt, at + l, c - l) *
                      (um_vload(j->dy, j->dt, at + l, c - l) - dot));
}

static int some(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;

    (void)worker;
    for (int64_t i = task * j->rows; i < um_min(j->n, (task + 1) * j->rows); i++)
        if (j->dy)
            backward_row(j, i);
        else
            forward_row(j, i);
    return UM_OK;
}

int UM_CPU(softmax_fwd)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, int64_t n,
                        int64_t c)
{
    struct job j = { .dt = dt, .out = y, .x = x, .n = n, .c = c };

    UM_TRY(um_check_act("softmax_fwd", dt, n, c));
    j.rows = um_rows_per_task(c);
    return um_share(dev, um_ceil_div(n, j.rows), some, &j);
}

int UM_CPU(softmax_bwd)(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy,
                        const void *y, int64_t n, int64_t c)
{
    struct job j = { .dt = dt, .out = dx, .dy = dy, .y = y, .n = n, .c = c };

    UM_TRY(um_check_act("softmax_bwd", dt, n, c));
    j.rows = um_rows_per_task(c);
    return um_share(dev, um_ceil_div(n, j.rows), some, &j);
}
