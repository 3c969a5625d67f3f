/* rig.h - a context with parameters, and its gradients against central differences on the
 * definitions (device "ref"), for the tests of the tape
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TESTS_UNIT_RIG_H
#define UM_TESTS_UNIT_RIG_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/nn.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) < 0)                                                                            \
            fail_msg("%s: %s", #expr, um_errmsg());                                                \
    } while (0)

enum { MAX_PAR = 4 };

struct rig {
    struct um_dev    *dev;
    struct um_nn     *nn;
    struct um_params *ps;
    int               n; /* trained parameters */
};

struct test {
    const char *name;
    int64_t     dim[MAX_PAR][UM_VAR_DIM]; /* of the parameters p[i]; the first 0 ends a shape */
    struct um_var *(*build)(struct rig *r, struct um_var *const *p);
    bool zero_stat; /* add running statistics of 5 after the parameters */
};

/* ---- a scalar of anything: cross entropy over the last axis ---- */

static inline struct um_var *scalar(struct rig *r, struct um_var *y)
{
    static const int32_t target[64] = { 1, 0, 2, 1, 1, 0, 2, 2, 0, 1, 2, 0, 1, 1, 0, 2 };
    int64_t              n          = 1;

    if (!y)
        return NULL;
    for (int i = 0; i + 1 < y->ndim; i++)
        n *= y->dim[i];
    assert_true(n <= 64);
    y = um_reshape(r->nn, y, 2, (int64_t[]){ n, y->dim[y->ndim - 1] });
    return um_cross_entropy(r->nn, um_cast(r->nn, y, UM_F32), target, false);
}

/* ---- the judgement ---- */

static inline void rig_open_on(struct rig *r, const struct test *t, const char *device)
{
    const struct um_nn_opts opts = { .dtype = UM_F32 };

    OK(um_dev_open(&r->dev, device, NULL));
    OK(um_nn_new(&r->nn, r->dev, &opts));
    OK(um_params_new(&r->ps, r->dev));
    for (r->n = 0; t && r->n < MAX_PAR && t->dim[r->n][0]; r->n++) {
        char name[16];
        int  nd = 0;

        while (nd < UM_VAR_DIM && t->dim[r->n][nd])
            nd++;
        snprintf(name, sizeof name, "p%d", r->n);
        OK(um_params_add(r->ps, name, nd, t->dim[r->n], UM_INIT_UNIFORM, 1, true));
    }
    if (t && t->zero_stat) {
        OK(um_params_buffer(r->ps, "mean", 5, 0));
        OK(um_params_buffer(r->ps, "var", 5, 1));
    }
    OK(um_params_init(r->ps, 7));
    OK(um_params_grad(r->ps));
}

static inline void rig_open(struct rig *r, const struct test *t)
{
    rig_open_on(r, t, "ref");
}

static inline void rig_close(struct rig *r)
{
    um_params_free(r->ps);
    um_nn_free(r->nn);
    um_dev_close(r->dev);
}

static inline struct um_var *build(struct rig *r, const struct test *t, bool grad)
{
    struct um_var *p[MAX_PAR] = { 0 };

    OK(um_nn_begin(r->nn, grad, true, 11, 3));
    for (int i = 0; i < r->n; i++)
        p[i] = um_nn_param(r->nn, r->ps, i);
    return t->build(r, p);
}

static inline double loss_of(struct rig *r, const struct test *t)
{
    struct um_var *y = build(r, t, false);
    float          x;

    OK(um_nn_status(r->nn));
    OK(um_nn_read(r->nn, y, &x));
    return (double)x;
}

/* d loss / d w by differences of fourth order; ref's memory is the host's */
static inline double difference(struct rig *r, const struct test *t, float *w)
{
    const double h = 1.0 / 32;
    const float  x = *w;
    double       f[5];

    for (int k = 0; k < 5; k++) {
        *w   = x + (float)((k - 2) * h);
        f[k] = loss_of(r, t);
    }
    *w = x;
    return (f[0] - 8 * f[1] + 8 * f[3] - f[4]) / (12 * h);
}

/* the relative L2 error of a parameter's gradient */
static inline double gradient_error(struct rig *r, const struct test *t, const struct um_param *p)
{
    double num = 0, den = 0;

    for (int64_t i = 0; i < p->count; i++) {
        const double g = difference(r, t, r->ps->value + p->offset + i);

        num += pow(g - (double)r->ps->grad[p->offset + i], 2);
        den += g * g;
    }
    return sqrt(num / den);
}

/* every parameter's gradient of every test */
static inline void check_gradients(const struct test *tests, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        struct rig     r;
        struct um_var *loss;

        rig_open(&r, &tests[k]);
        loss = build(&r, &tests[k], true);
        OK(um_nn_status(r.nn));
        OK(um_nn_backward(r.nn, loss));
        for (int i = 0; i < r.n; i++) {
            const double e = gradient_error(&r, &tests[k], &r.ps->list[i]);

            if (!(e <= 3e-4))
                fail_msg("%s: gradient of p%d is off by %g", tests[k].name, i, e);
        }
        rig_close(&r);
    }
}

static inline void expect_error(struct rig *r, const struct um_var *y, int st, const char *text)
{
    assert_null(y);
    assert_int_equal(um_nn_status(r->nn), st);
    if (!strstr(um_errmsg(), text))
        fail_msg("\"%s\" is not in \"%s\"", text, um_errmsg());
    OK(um_nn_begin(r->nn, true, true, 0, 0));
    OK(um_nn_status(r->nn)); /* a new step forgets the failure */
}

#endif
