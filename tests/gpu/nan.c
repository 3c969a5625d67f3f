/* nan.c - one NaN must not be lost on the way to the loss: each operation makes NaN of it
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/gpu/gpu.h"

enum { N = 64 }; /* two rows of 32, the first with a NaN */

struct arrays {
    const struct um_kernels *k;
    struct um_dev           *dev;
    float                   *x, *y, *row; /* device, [N] each; row: numbers of rows */
    int32_t                 *target;
};

static int layernorm(struct arrays *a)
{
    return a->k->layernorm_fwd(a->dev, a->y, UM_F32, a->row, a->row + 2, a->x, UM_F32, a->x + 32,
                               a->x + 32, 2, 32, 1e-5f);
}

static int l2norm(struct arrays *a)
{
    return a->k->l2norm_fwd(a->dev, UM_F32, a->y, a->row, a->x, 2, 32, 1e-6f);
}

static int softmax(struct arrays *a)
{
    return a->k->softmax_fwd(a->dev, UM_F32, a->y, a->x, 2, 32);
}

static int gelu(struct arrays *a)
{
    return a->k->act_fwd(a->dev, UM_ACT_GELU, 0, UM_F32, a->y, a->x, N);
}

static int relu(struct arrays *a)
{
    return a->k->act_fwd(a->dev, UM_ACT_RELU, 0, UM_F32, a->y, a->x, N);
}

static int xent(struct arrays *a)
{
    UM_TRY(a->k->zero(a->dev, a->y, sizeof(float)));
    return a->k->xent_fwd(a->dev, a->y, a->row, a->x, 32, 1, a->target, 2, 32, 1);
}

/* at: where of y the NaN must be; clean: where none may be, or -1 */
static const struct {
    const char *name;
    int (*run)(struct arrays *a);
    int at, clean;
} ops[] = { { "layernorm", layernorm, 0, 32 },
            { "l2norm", l2norm, 0, 32 },
            { "softmax", softmax, 0, 32 },
            { "gelu", gelu, 3, 2 },
            { "relu", relu, 3, 2 },
            { "xent", xent, 0, -1 } };

static bool one(struct arrays *a, size_t i, char *said, size_t size)
{
    float y[N];

    if (ops[i].run(a) < 0 || a->k->download(a->dev, y, a->y, sizeof y) < 0)
        (void)snprintf(said, size, "%s: %s", ops[i].name, um_errmsg());
    else if (!isnan(y[ops[i].at]))
        (void)snprintf(said, size, "%s makes %g of a NaN", ops[i].name, (double)y[ops[i].at]);
    else if (ops[i].clean >= 0 && !isfinite(y[ops[i].clean]))
        (void)snprintf(said, size, "%s: %g where there was no NaN", ops[i].name,
                       (double)y[ops[i].clean]);
    else
        return true;
    return false;
}

bool gpu_nan(struct um_dev *dev, char *said, size_t size)
{
    const int32_t none[2] = { 0, 0 };
    struct arrays a       = { .k = um_dev_kernels(dev), .dev = dev };
    float         x[N]    = { 0 };
    bool          good    = true;

    for (int i = 0; i < N; i++)
        x[i] = (float)i / N;
    x[3] = NAN;
    if (a.k->alloc(dev, sizeof x, (void **)&a.x) < 0 ||
        a.k->alloc(dev, sizeof x, (void **)&a.y) < 0 ||
        a.k->alloc(dev, sizeof x, (void **)&a.row) < 0 ||
        a.k->alloc(dev, sizeof none, (void **)&a.target) < 0 ||
        a.k->upload(dev, a.x, x, sizeof x) < 0 ||
        a.k->upload(dev, a.target, none, sizeof none) < 0 || a.k->zero(dev, a.y, sizeof x) < 0) {
        (void)snprintf(said, size, "%s", um_errmsg());
        good = false;
    }
    for (size_t i = 0; good && i < sizeof ops / sizeof ops[0]; i++)
        good = one(&a, i, said, size);
    a.k->free(dev, a.x);
    a.k->free(dev, a.y);
    a.k->free(dev, a.row);
    a.k->free(dev, a.target);
    return good;
}
