/* products.c - how the GPU does its products, as far as the host decides it: no GPU is needed */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/linear/route.h"
#include "kernels/plans.h"

static float    bias[8];
static uint16_t res[64], pre[64], out[64];

/* bfloat16 alone, [8,8] */
static struct um_matmul plain(void)
{
    return (struct um_matmul){
        .dt = UM_BF16, .dtc = UM_BF16, .batch = 1, .m = 8, .n = 8, .k = 8, .ldc = 8, .c = out
    };
}

static void is(const struct um_matmul *p, bool fused, enum um_route_how how, bool in_product)
{
    const struct um_route r = um_route_of(p, fused);

    assert_int_equal(r.how, how);
    assert_int_equal(r.bias, in_product);
}

static void nothing_and_no_product(void **state)
{
    struct um_matmul p = plain();

    (void)state;
    p.bias = bias;
    p.k    = 0;
    is(&p, true, UM_ROUTE_REST, false);
    p.m = 0;
    is(&p, true, UM_ROUTE_NOTHING, false);
}

static void one_product_where_it_can_be(void **state)
{
    struct um_matmul p = plain();

    (void)state;
    is(&p, true, UM_ROUTE_PRODUCT, false);
    p.beta = 1;
    is(&p, true, UM_ROUTE_PRODUCT, false);
    p.bias = bias;
    is(&p, true, UM_ROUTE_PRODUCT, true);
    p.res = res; /* c and a residual: one matrix more than a product adds */
    is(&p, true, UM_ROUTE_FINISH, false);
    p.beta = 0;
    is(&p, true, UM_ROUTE_PRODUCT, true);
    p.pre = pre; /* without an activation: what lies before the residual */
    is(&p, true, UM_ROUTE_FINISH, false);
}

static void gelu_is_a_pass_of_its_own(void **state)
{
    struct um_matmul p = plain();

    (void)state;
    p.act  = UM_ACT_GELU;
    p.bias = bias;
    is(&p, true, UM_ROUTE_GELU, true);
    p.pre = pre;
    is(&p, true, UM_ROUTE_GELU, true);
    is(&p, false, UM_ROUTE_FINISH, false);
    p.drop.p = 0.1f;
    is(&p, true, UM_ROUTE_FINISH, false);
    p.drop.p = 0;
    p.res    = res;
    is(&p, true, UM_ROUTE_FINISH, false);
    p.res  = NULL;
    p.beta = 1;
    is(&p, true, UM_ROUTE_FINISH, false);
}

/* a product in float may lie in c, unless somebody still reads c */
static void product_lies_in_a_float_result(void **state)
{
    struct um_matmul p = plain();

    (void)state;
    p.drop.p = 0.1f;
    assert_false(um_route_of(&p, true).in_place);
    p.dtc = UM_F32;
    assert_true(um_route_of(&p, true).in_place);
    p.res = res;
    assert_true(um_route_of(&p, true).in_place);
    p.res = out;
    assert_false(um_route_of(&p, true).in_place);
    p.res  = NULL;
    p.beta = 1;
    assert_false(um_route_of(&p, true).in_place);
}

/* what is left when cuBLASLt has no algorithm is bare: the plain kernel knows nothing else */
static void what_is_left_is_bare(void **state)
{
    struct um_matmul p = plain();

    (void)state;
    for (int bits = 0; bits < 128; bits++) {
        p.bias   = bits & 1 ? bias : NULL;
        p.res    = bits & 2 ? res : NULL;
        p.pre    = bits & 4 ? pre : NULL;
        p.beta   = bits & 8 ? 1.0f : 0.0f;
        p.act    = bits & 16 ? UM_ACT_GELU : UM_ACT_NONE;
        p.drop.p = bits & 32 ? 0.5f : 0.0f;
        p.dt     = bits & 64 ? UM_F32 : UM_BF16;
        assert_true(um_route_of(&p, false).bare);
        assert_false(um_route_of(&p, false).bias);
    }
    p = plain();
    is(&p, false, UM_ROUTE_PRODUCT, false);
    p.dt = UM_F32; /* float operands, a bfloat16 result: by cuBLASLt in float, then rounded */
    is(&p, false, UM_ROUTE_FINISH, false);
}

/* ---- plans ---- */

struct plan {
    int64_t key[2];
    int     value;
};

static int dropped;

static void count_drop(void *plan)
{
    dropped += ((struct plan *)plan)->value >= 0;
}

static struct plan *keep(struct um_plans *t, int64_t a, int64_t b, int value)
{
    struct plan *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->key[0] = a;
    p->key[1] = b;
    p->value  = value;
    um_plans_keep(t, p);
    return p;
}

static struct plan *find(struct um_plans *t, int64_t a, int64_t b)
{
    const int64_t key[2] = { a, b };

    return um_plans_find(t, key);
}

static void plans_are_found_by_all_of_their_key(void **state)
{
    struct um_plans *t = um_plans_new(16, count_drop);

    (void)state;
    assert_non_null(t);
    assert_null(find(t, 1, 2));
    for (int i = 0; i < 1000; i++)
        (void)keep(t, i, i % 7, i);
    for (int i = 0; i < 1000; i++) {
        assert_non_null(find(t, i, i % 7));
        assert_int_equal(find(t, i, i % 7)->value, i);
        assert_null(find(t, i, i % 7 + 1));
    }
    dropped = 0;
    um_plans_free(t);
    assert_int_equal(dropped, 1000);
    um_plans_free(NULL);
}

/* shapes without end: never more than UM_PLANS at once, and each dropped just once */
static void full_table_empties_itself(void **state)
{
    struct um_plans *t = um_plans_new(16, count_drop);
    const int        n = 3 * UM_PLANS + 5;

    (void)state;
    dropped = 0;
    for (int i = 0; i < n; i++) {
        (void)keep(t, 0, i, i);
        assert_true(t->n >= 1 && t->n <= UM_PLANS);
        assert_int_equal(find(t, 0, i)->value, i);
    }
    assert_int_equal(dropped, 3 * UM_PLANS);
    assert_null(find(t, 0, 0));
    um_plans_free(t);
    assert_int_equal(dropped, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_and_no_product),
        cmocka_unit_test(one_product_where_it_can_be),
        cmocka_unit_test(gelu_is_a_pass_of_its_own),
        cmocka_unit_test(product_lies_in_a_float_result),
        cmocka_unit_test(what_is_left_is_bare),
        cmocka_unit_test(plans_are_found_by_all_of_their_key),
        cmocka_unit_test(full_table_empties_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
