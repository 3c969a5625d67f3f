/* load_sampler.c - the order of batches against the method's digits */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load/sampler.h"

static void test_mix(void **state)
{
    static const char want[] = "2223223223";

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(um_mix_is_3d(7, 3, i), want[i] == '3');
    for (int64_t n2 = 0; n2 < 12; n2++)
        for (int64_t n3 = 0; n3 < 12; n3++) {
            int64_t seen = 0;

            for (int64_t i = 0; i < n2 + n3; i++)
                seen += um_mix_is_3d(n2, n3, i);
            assert_int_equal(seen, n3);
        }
}

/* how often each record of each modality comes in an epoch */
static void tally(struct um_sampler *s, int64_t epoch, int seen[2][64])
{
    const int64_t    n = um_sampler_steps(s);
    enum um_modality mod;
    const int64_t   *record;

    memset(seen, 0, 2 * sizeof *seen);
    for (int64_t i = 0; i < n; i++) {
        um_sampler_batch(s, epoch * n + i, 0, &mod, &record);
        for (int64_t k = 0; k < s->size[mod]; k++)
            seen[mod][record[k]]++;
    }
}

static void test_epochs(void **state)
{
    struct um_sampler s;
    int               a[2][64], b[2][64], once = 0;

    (void)state;
    assert_int_equal(
        um_sampler_open(&s, (int64_t[]){ 30, 13 }, (int64_t[]){ 4, 5 }, UM_MIX_SEPARATE, true, 7),
        UM_OK);
    assert_int_equal(um_sampler_steps(&s), 7 + 2);
    tally(&s, 0, a);
    tally(&s, 1, b);
    for (int i = 0; i < 30; i++) {
        assert_true(a[UM_2D][i] <= 1);
        once += a[UM_2D][i];
    }
    assert_int_equal(once, 28); /* two do not fill a batch */
    assert_true(memcmp(a, b, sizeof a) != 0);
    tally(&s, 0, b);
    assert_memory_equal(a, b, sizeof a); /* no state: going back gives the same epoch */
    um_sampler_close(&s);
}

static void test_order(void **state)
{
    struct um_sampler s, t;
    enum um_modality  mod, mod2;
    const int64_t    *x, *y;

    (void)state;
    assert_int_equal(
        um_sampler_open(&s, (int64_t[]){ 9, 9 }, (int64_t[]){ 3, 3 }, UM_MIX_SEPARATE, true, 7),
        UM_OK);
    assert_int_equal(
        um_sampler_open(&t, (int64_t[]){ 9, 9 }, (int64_t[]){ 3, 3 }, UM_MIX_SEPARATE, false, 7),
        UM_OK);
    for (int64_t i = 0; i < 6; i++) {
        um_sampler_batch(&s, i, 0, &mod, &x);
        um_sampler_batch(&t, i, 0, &mod2, &y);
        assert_int_equal(mod, mod2);
        assert_int_equal(mod, i % 2 ? UM_3D : UM_2D);
        assert_int_equal(y[0], i / 2 * 3); /* held-out records come in order */
    }
    um_sampler_close(&s);
    um_sampler_close(&t);
    assert_int_equal(
        um_sampler_open(&s, (int64_t[]){ 9, 9 }, (int64_t[]){ 0, 3 }, UM_MIX_SEPARATE, true, 7),
        UM_ERANGE);
    um_sampler_close(&s);
}

/* one batch of each a step: no record twice in an epoch, what the longer list has left over waits
 */
static void test_joint(void **state)
{
    struct um_sampler s;
    enum um_modality  mod;
    const int64_t    *record;
    int               seen[2][64] = { { 0 } }, again[2][64] = { { 0 } };

    (void)state;
    assert_int_equal(
        um_sampler_open(&s, (int64_t[]){ 30, 13 }, (int64_t[]){ 4, 5 }, UM_MIX_JOINT, true, 7),
        UM_OK);
    assert_int_equal(um_sampler_steps(&s), 2);
    assert_int_equal(um_sampler_per_step(&s), 2);
    for (int64_t step = 0; step < 4; step++)
        for (int which = 0; which < 2; which++) {
            um_sampler_batch(&s, step, which, &mod, &record);
            assert_int_equal(mod, which == 0 ? UM_2D : UM_3D);
            for (int64_t k = 0; k < s.size[mod]; k++)
                (step < 2 ? seen : again)[mod][record[k]]++;
        }
    int n[2] = { 0 };
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < 64; i++) {
            assert_in_range(seen[m][i], 0, 1);
            n[m] += seen[m][i];
        }
    assert_int_equal(n[UM_2D], 8);
    assert_int_equal(n[UM_3D], 10);
    assert_true(memcmp(seen[UM_2D], again[UM_2D], sizeof *seen) != 0);
    um_sampler_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mix),
        cmocka_unit_test(test_epochs),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_joint),
    };

    return cmocka_run_group_tests_name("load_sampler", tests, NULL, NULL);
}
