/* nn_memory.c - device memory of steps: hardly more than is needed from the first step on, no
 * allocation once the shapes were seen, a device that is too small
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/backend.h"
#include "nn/nn.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) < 0)                                                                            \
            fail_msg("%s: %s", #expr, um_errmsg());                                                \
    } while (0)

enum { C = 256, WIDE = 4 * C, LAYERS = 6 };

struct rig {
    struct um_dev    *dev;
    struct um_kernels counting; /* the device's own, but that allocations are counted */
    struct um_params *ps;
    struct um_nn     *nn;
};

static const struct um_kernels *own;
static int                      allocations;

static int counted(struct um_dev *dev, size_t n, void **p)
{
    allocations++;
    return own->alloc(dev, n, p);
}

static void open_rig(struct rig *r, bool recompute)
{
    const struct um_nn_opts opts = { .dtype = UM_F32, .recompute = recompute };
    char                    name[32];

    OK(um_dev_open(&r->dev, "cpu", NULL));
    own               = um_dev_kernels(r->dev);
    r->counting       = *own;
    r->counting.alloc = counted;
    r->dev->kernels   = &r->counting;
    OK(um_params_new(&r->ps, r->dev));
    for (int i = 0; i < LAYERS; i++) {
        (void)snprintf(name, sizeof name, "%d.a", i);
        OK(um_params_add(r->ps, name, 2, (int64_t[]){ WIDE, C }, UM_INIT_TRUNC02, 0, true));
        (void)snprintf(name, sizeof name, "%d.b", i);
        OK(um_params_add(r->ps, name, 2, (int64_t[]){ C, WIDE }, UM_INIT_TRUNC02, 0, true));
    }
    OK(um_params_init(r->ps, 1));
    OK(um_params_grad(r->ps));
    OK(um_nn_new(&r->nn, r->dev, &opts));
}

static void close_rig(struct rig *r)
{
    um_nn_free(r->nn);
    um_params_free(r->ps);
    r->dev->kernels = own;
    um_dev_close(r->dev);
}

struct layer {
    struct um_params *ps;
    int               i;
};

/* x + gelu(x a^T) b^T */
static struct um_var *layer(struct um_nn *nn, const void *arg, struct um_var *x)
{
    const struct layer *l = arg;
    struct um_var      *y = um_linear(nn, x, um_nn_param(nn, l->ps, 2 * l->i), NULL);

    return um_linear_add(nn, um_gelu(nn, y), um_nn_param(nn, l->ps, 2 * l->i + 1), NULL, x, 0);
}

/* forward and backward of n rows; the loss */
static int pass(struct rig *r, int64_t n, float *loss)
{
    float         *x = calloc((size_t)(n * C), sizeof *x);
    struct layer   l[LAYERS];
    struct um_var *y;

    assert_non_null(x);
    for (int64_t i = 0; i < n * C; i++)
        x[i] = (float)((i * 7919) % 1009) / 1009;
    UM_TRY(um_nn_begin(r->nn, true, true, 1, 1));
    y = um_nn_input(r->nn, UM_F32, 2, (int64_t[]){ n, C }, x);
    free(x);
    for (int i = 0; i < LAYERS; i++) {
        l[i] = (struct layer){ r->ps, i };
        y    = um_nn_block(r->nn, layer, &l[i], y);
    }
    y = um_reshape(r->nn, y, 2, (int64_t[]){ 1, n * C });
    y = um_matmul_nt(r->nn, y, y);
    UM_TRY(um_nn_status(r->nn));
    UM_TRY(um_nn_read(r->nn, y, loss));
    return um_nn_backward(r->nn, y);
}

/* twice the first of x's columns, by way of something that is larger than what is left of a piece
 */
static struct um_var *small_of_large(struct um_nn *nn, const void *arg, struct um_var *x)
{
    struct um_var *twice = um_add(nn, x, x);

    (void)arg;
    return um_slice_tokens(nn, twice, 0, 4);
}

/* what a block keeps moves from another piece to the end of what was there before, which the piece
 * in hand then holds: what comes next lies behind it */
static void a_result_moves_to_another_piece(void **state)
{
    enum { T = 200, W = 250 }; /* 200 KB: five are most of a first piece */
    struct rig     r;
    struct um_var *x[5], *y, *z;
    float         *host = calloc(T * W, sizeof *host), sum[4 * W], seen[4 * W];

    (void)state;
    assert_non_null(host);
    open_rig(&r, false);
    for (int round = 0; round < 3; round++) {
        OK(um_nn_begin(r.nn, false, false, 1, 1));
        for (int i = 0; i < 5; i++) {
            for (int k = 0; k < T * W; k++)
                host[k] = (float)(k % 97 + i);
            x[i] = um_nn_input(r.nn, UM_F32, 3, (int64_t[]){ 1, T, W }, host);
        }
        y = um_nn_block(r.nn, small_of_large, NULL, x[4]);
        z = um_add(r.nn, y, y);
        OK(um_nn_status(r.nn));
        OK(um_nn_read(r.nn, y, seen));
        OK(um_nn_read(r.nn, z, sum));
        for (int k = 0; k < 4 * W; k++) {
            assert_true(seen[k] == 2 * (float)(k % 97 + 4));
            assert_true(sum[k] == 2 * seen[k]);
        }
    }
    free(host);
    close_rig(&r);
}

static size_t peak(const struct rig *r)
{
    struct um_memory m;

    OK(own->memory(r->dev, &m));
    return m.peak;
}

/* the first step holds little more than it uses, the second no more, the third allocates nothing */
static void a_first_step_wastes_little(void **state)
{
    size_t need[2];

    (void)state;
    for (int again = 0; again < 2; again++) {
        struct rig r;
        float      loss[3];

        open_rig(&r, again);
        const size_t before = peak(&r);
        OK(pass(&r, 4096, &loss[0]));
        need[again] = um_nn_peak(r.nn);
        assert_true(um_nn_held(r.nn) <= need[again] + need[again] / 5);
        OK(pass(&r, 4096, &loss[1]));
        assert_true(um_nn_held(r.nn) <= um_nn_peak(r.nn) + um_nn_peak(r.nn) / 8);
        const size_t held = um_nn_held(r.nn);
        const int    so   = allocations;
        OK(pass(&r, 4096, &loss[2]));
        assert_int_equal(allocations, so);
        assert_int_equal(um_nn_held(r.nn), held);
        assert_true(loss[0] == loss[1] && loss[1] == loss[2]);
        assert_true(peak(&r) - before <= need[again] + need[again] / 4);
        close_rig(&r);
    }
    assert_true(need[1] < need[0] * 2 / 3); /* blocks give their memory back in a first step too */
}

/* reports of other lengths: what was once enough is not allocated anew */
static void other_shapes_settle_down(void **state)
{
    struct rig r;
    float      loss;

    (void)state;
    open_rig(&r, false);
    for (int i = 0; i < 12; i++)
        OK(pass(&r, 1000 + i * 7919 % 61, &loss));
    const int so = allocations;
    for (int i = 0; i < 40; i++)
        OK(pass(&r, 1000 + i * 7919 % 61, &loss));
    assert_true(allocations - so <= 6);
    OK(pass(&r, 3000, &loss)); /* and once much more */
    OK(pass(&r, 1000, &loss));
    const int then = allocations;
    for (int i = 0; i < 20; i++)
        OK(pass(&r, 1000 + i * 101, &loss));
    assert_int_equal(allocations, then);
    close_rig(&r);
}

static void a_device_that_is_too_small_says_so(void **state)
{
    struct um_memory m;
    struct rig       r;
    float            loss, after;

    (void)state;
    open_rig(&r, false);
    OK(pass(&r, 64, &loss));
    OK(own->memory(r.dev, &m));
    r.dev->memory.total = m.now + (8 << 20); /* as UM_MEMORY would */
    assert_int_equal(pass(&r, 4096, &after), UM_ENOMEM);
    assert_non_null(strstr(um_errmsg(), " bytes wanted, "));
    assert_non_null(strstr(um_errmsg(), " free of "));
    OK(own->memory(r.dev, &m));
    assert_true(m.wanted > 0 && m.now <= m.total && m.free == m.total - m.now);
    OK(pass(&r, 64, &after)); /* and goes on with what fits */
    assert_true(loss == after);
    close_rig(&r);
}

/* what is held is what was asked for, in whole units: a limit means the same in every run */
static void the_host_s_blocks_are_counted_exactly(void **state)
{
    static const size_t n[]  = { 0, 1, 64, 65, (2 << 20) - 1, 2 << 20, (2 << 20) + 1, 5 << 20 };
    static const size_t is[] = { 64, 64, 64, 128, 2 << 20, 2 << 20, 4 << 20, 6 << 20 };
    enum { N = sizeof n / sizeof n[0] };
    struct um_memory m;
    struct um_dev   *dev;
    size_t           before;
    void            *p[N], *none;

    (void)state;
    OK(um_dev_open(&dev, "ref", NULL));
    const struct um_kernels *k = um_dev_kernels(dev);
    OK(k->memory(dev, &m));
    before = m.now;
    for (int i = 0; i < N; i++) {
        const size_t now = m.now;

        OK(k->alloc(dev, n[i], &p[i]));
        OK(k->memory(dev, &m));
        assert_true((uintptr_t)p[i] % 64 == 0 && m.now - now == is[i]);
        memset(p[i], 1, is[i]);
    }
    dev->memory.total = m.now + (4 << 20); /* of a block of whole huge pages more would be needed */
    assert_int_equal(k->alloc(dev, (4 << 20) + 1, &none), UM_ENOMEM);
    assert_non_null(strstr(um_errmsg(), "6291456 bytes wanted, 4194304 free of "));
    assert_int_equal(k->alloc(dev, SIZE_MAX, &none), UM_ENOMEM);
    assert_null(none);
    for (int i = 0; i < N; i++)
        k->free(dev, p[i]);
    OK(k->memory(dev, &m));
    assert_true(m.now == before);
    um_dev_close(dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_step_wastes_little),
        cmocka_unit_test(a_result_moves_to_another_piece),
        cmocka_unit_test(other_shapes_settle_down),
        cmocka_unit_test(a_device_that_is_too_small_says_so),
        cmocka_unit_test(the_host_s_blocks_are_counted_exactly),
    };

    return cmocka_run_group_tests_name("nn_memory", tests, NULL, NULL);
}
