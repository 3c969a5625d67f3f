/* l2norm/cpu.c - a row at a time, in vectors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/l2norm/l2norm.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_L2NORM_OPS)

struct job {
    enum um_dtype dt;
    void         *y; /* or dx */
    const void   *x, *dy;
    const float  *length;
    float        *norm;
    int64_t       n, c, rows;
    float         eps;
};

/* the scalar product of row i of a and b */
static float dot(const struct job *j, const void *a, const void *b, int64_t i)
{
    um_vf sum = { 0 };

    for (int64_t l = 0; l < j->c; l += UM_VL)
        sum +=
            um_vload(a, j->dt, i * j->c + l, j->c - l) * um_vload(b, j->dt, i * j->c + l, j->c - l);
    return um_vsum(sum);
}

static int forward(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;
    const int64_t     c = j->c;

    (void)worker;
    for (int64_t i = task * j->rows; i < um_min(j->n, (task + 1) * j->rows); i++) {
        const float length = sqrtf(dot(j, j->x, j->x, i));

        j->norm[i] = length < j->eps ? j->eps : length;
        for (int64_t l = 0; l < c; l += UM_VL)
            um_vstore(j->y, j->dt, i * c + l, c - l,
                      um_vload(j->x, j->dt, i * c + l, c - l) / j->norm[i]);
    }
    return UM_OK;
}

int UM_CPU(l2norm_fwd)(struct um_dev *dev, enum um_dtype dt, void *y, float *norm, const void *x,
                       int64_t n, int64_t c, float eps)
{
    struct job j = { .dt = dt, .y = y, .norm = norm, .x = x, .n = n, .c = c, .eps = eps };

    UM_TRY(um_check_act("l2norm_fwd", dt, n, c));
    j.rows = um_rows_per_task(c);
    return um_share(dev, um_ceil_div(n, j.rows), forward, &j);
}

static int backward(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;
    const int64_t     c = j->c;

    (void)worker;
    for (int64_t i = task * j->rows; i < um_min(j->n, (task + 1) * j->rows); i++) {
        const float along = j->length[i] > j->eps ? dot(j, j->x, j->dy, i) : 0;

        for (int64_t l = 0; l < c; l += UM_VL)
            um_vstore(j->y, j->dt, i * c + l, c - l,
                      (um_vload(j->dy, j->dt, i * c + l, c - l) -
                       um_vload(j->x, j->dt, i * c + l, c - l) * along) /
                          j->length[i]);
    }
    return UM_OK;
}

int UM_CPU(l2norm_bwd)(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy,
                       const void *y, const float *norm, int64_t n, int64_t c, float eps)
{
    struct job j = {
        .dt = dt, .y = dx, .dy = dy, .x = y, .length = norm, .n = n, .c = c, .eps = eps
    };

    UM_TRY(um_check_act("l2norm_bwd", dt, n, c));
    j.rows = um_rows_per_task(c);
    return um_share(dev, um_ceil_div(n, j.rows), backward, &j);
}
