/* share.h - cutting an operation into tasks whose size depends on its shape alone
 *
 * A task writes only what is its own. Sums over rows go by blocks of rows: each task leaves its
 * block's sums in the shared workspace, and they are added afterwards in order of the blocks.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_SHARE_H
#define UM_KERNELS_SHARE_H

#include "kernels/backend.h"

enum {
    UM_SPAN  = 16384, /* elements of one task of an elementwise operation */
    UM_PARTS = 64     /* most blocks of rows of an operation that sums over rows */
};

static inline int64_t um_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t um_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t um_ceil_div(int64_t n, int64_t by)
{
    return n / by + (n % by != 0);
}

/* rows of one task, for rows of c elements that are independent */
static inline int64_t um_rows_per_task(int64_t c)
{
    return c < UM_SPAN ? UM_SPAN / c : 1;
}

/* rows of one task where sums over the n rows are wanted: at most UM_PARTS tasks */
static inline int64_t um_rows_per_part(int64_t n)
{
    const int64_t rows = um_ceil_div(n, UM_PARTS);

    return rows < 32 ? 32 : rows;
}

/* um_share - fn(arg, task, worker) for every task, on the device's threads */
static inline int um_share(struct um_dev *dev, int64_t                           tasks,
                           int (*fn)(void *arg, int64_t task, int worker), void *arg)
{
    return tasks > 0 ? um_pool_run(dev->pool, tasks, fn, arg) : UM_OK;
}

/* um_share_scratch - workspace that all tasks of one operation see; another block than any
 * worker's */
static inline int um_share_scratch(struct um_dev *dev, size_t n, void **p)
{
    return um_dev_scratch(dev, dev->workers, n, p);
}

/* sum[j] += part[0][j] + part[1][j] + ..., j < c, each part c floats, `apart` floats after the one
 * before */
static inline void um_add_parts(float *sum, const float *part, int64_t parts, int64_t apart,
                                int64_t c)
{
    for (int64_t j = 0; j < c; j++) {
        double s = (double)sum[j];

        for (int64_t i = 0; i < parts; i++)
            s += (double)part[i * apart + j];
        sum[j] = (float)s;
    }
}

#endif
