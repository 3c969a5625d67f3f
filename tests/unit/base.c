/* base.c - tests of the ground floor */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/dtype.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/philox.h"
#include "base/pool.h"
#include "base/shuffle.h"

/* the known answers that Random123 publishes for philox4x32-10 */
static void philox_known_answers(void **state)
{
    static const struct {
        uint32_t ctr[4], key[2], out[4];
    } kat[] = {
        { { 0 }, { 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof kat / sizeof kat[0]; i++) {
        uint32_t out[4];

        um_philox(kat[i].ctr, kat[i].key, out);
        assert_memory_equal(out, kat[i].out, sizeof out);
    }
}

static void permutation_is_one(void **state)
{
    struct um_rng r = um_rng_at(7, UM_RNG_TEST, 1, 2);
    int64_t       a[257], seen[257] = { 0 };

    (void)state;
    um_rng_permute(&r, a, 257);
    for (int i = 0; i < 257; i++) {
        assert_in_range(a[i], 0, 256);
        seen[a[i]]++;
    }
    for (int i = 0; i < 257; i++)
        assert_int_equal(seen[i], 1);
}

/* every number once, for any n */
static void shuffles_are_permutations(void **state)
{
    static char       seen[10007];
    static const int  large[] = { 255, 256, 257, 1000, 4095, 10007 };
    struct um_shuffle s;

    (void)state;
    for (int k = 1; k < 130; k++) {
        const int     n = k < 124 ? k : large[k - 124];
        struct um_rng r = um_rng_at(9, UM_RNG_TEST, (uint64_t)n, 1);

        um_shuffle_begin(&s, &r, n);
        memset(seen, 0, sizeof seen);
        for (int i = 0; i < n; i++) {
            const int64_t x = um_shuffle_at(&s, i);

            assert_in_range(x, 0, n - 1);
            assert_int_equal(seen[x]++, 0);
        }
    }
}

/* all orders of five are as frequent; of many, one stays where it was and one follows the one that
 * it followed, on average */
static void shuffles_are_uniform(void **state)
{
    enum { TIMES = 12000, ORDERS = 120, N = 300, RUNS = 200 };
    int               count[ORDERS] = { 0 }, kept = 0, followed = 0;
    struct um_shuffle s;
    int64_t           x[N];

    (void)state;
    for (int t = 0; t < TIMES; t++) {
        struct um_rng r    = um_rng_at(42, UM_RNG_TEST, 0, (uint32_t)t);
        int           rank = 0;

        um_shuffle_begin(&s, &r, 5);
        for (int i = 0; i < 5; i++)
            x[i] = um_shuffle_at(&s, i);
        for (int i = 0; i < 5; i++) {
            int below = 0;

            for (int j = i + 1; j < 5; j++)
                below += x[j] < x[i];
            rank = rank * (5 - i) + below;
        }
        count[rank]++;
    }
    for (int i = 0; i < ORDERS; i++) /* 100 expected, standard deviation 10 */
        assert_in_range(count[i], 50, 150);
    for (int t = 0; t < RUNS; t++) {
        struct um_rng r = um_rng_at(43, UM_RNG_TEST, 0, (uint32_t)t);

        um_shuffle_begin(&s, &r, N);
        for (int i = 0; i < N; i++) {
            x[i] = um_shuffle_at(&s, i);
            kept += x[i] == i;
            followed += i > 0 && x[i] == x[i - 1] + 1;
        }
    }
    assert_in_range(kept, RUNS - 70, RUNS + 70); /* standard deviation 14 */
    assert_in_range(followed, RUNS - 70, RUNS + 70);
}

static void half_floats_round_trip(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        const float f = um_f16_to_f32((uint16_t)h);

        if (isnan(f))
            assert_true(isnan(um_f16_to_f32(um_f32_to_f16(f))));
        else
            assert_int_equal(um_f32_to_f16(f), h);
    }
    assert_int_equal(um_f32_to_f16(65519.99f), 0x7bff);
    assert_int_equal(um_f32_to_f16(65520.f), 0x7c00);
    assert_int_equal(um_f32_to_f16(1.00048828125f), 0x3c00); /* half way: to even */
    assert_int_equal(um_f32_to_bf16(1.00390625f), 0x3f80);   /* half way: to even, down */
    assert_int_equal(um_f32_to_bf16(1.01171875f), 0x3f82);   /* half way: to even, up */
    assert_int_equal(um_f32_to_bf16(1.005f), 0x3f81);        /* past half way */
    assert_int_equal(um_f32_to_bf16(-1.005f), 0xbf81);
    assert_int_equal(um_f32_to_bf16(3.4e38f), 0x7f80); /* past the largest: infinity */
    assert_true(isnan(um_bf16_to_f32(um_f32_to_bf16(NAN))));
}

static int count_task(void *arg, int64_t task, int worker)
{
    int64_t *sum = arg;

    (void)worker;
    sum[task] += task;
    return task == 500 || task == 700 ? um_fail(UM_ERANGE, "task %d", (int)task) : UM_OK;
}

static void pool_runs_every_task_once(void **state)
{
    (void)state;
    for (int n = 1; n <= 7; n += 3) {
        struct um_pool *p;

        assert_int_equal(um_pool_new(&p, n), UM_OK);
        for (int turn = 0; turn < 200; turn++) {
            int64_t sum[400] = { 0 };

            assert_int_equal(um_pool_run(p, 400, count_task, sum), UM_OK);
            for (int i = 0; i < 400; i++)
                assert_int_equal(sum[i], i);
        }
        int64_t sum[1000] = { 0 };
        assert_int_equal(um_pool_run(p, 1000, count_task, sum), UM_ERANGE);
        assert_string_equal(um_errmsg(), "task 500");
        um_pool_free(p);
    }
}

/* what is held follows the sizes of late: large pieces of other sizes are not kept for ever */
static void arena_gives_back(void **state)
{
    struct um_arena *a;
    char            *same = NULL;

    (void)state;
    assert_int_equal(um_arena_new(&a), UM_OK);
    for (size_t turn = 0; turn < 64; turn++) { /* 64 sizes: 6.4 GB if all were kept */
        char *p = um_alloc(a, (size_t)68000000 + turn * 1000000);

        assert_non_null(p);
        p[0] = p[67999999] = 1;
        assert_true(um_arena_held(a) <= (size_t)3 * (68000000 + 64 * 1000000));
        um_arena_reset(a);
    }
    for (int turn = 0; turn < 4; turn++) {
        char *p = um_alloc(a, 70000000);

        same = turn == 1 ? p : same;
        if (turn > 1)
            assert_ptr_equal(p, same);
        um_arena_reset(a);
    }
    um_arena_free(a);
}

/* a file and what it inflates to, record after record of nearly the same size: the same memory */
static void arena_keeps_what_fits(void **state)
{
    struct um_arena *a;
    size_t           held = 0;

    (void)state;
    assert_int_equal(um_arena_new(&a), UM_OK);
    for (size_t turn = 0; turn < 12; turn++) {
        const size_t size[2] = { (size_t)76000000 + turn % 3 * 2000000, (size_t)157000000 };

        for (size_t i = 0; i < 2; i++) {
            char *p = um_alloc(a, size[i]);

            assert_non_null(p);
            assert_non_null(um_alloc(a, 1000));
            p[0] = p[size[i] - 1] = 1;
        }
        held = turn == 0 ? um_arena_held(a) : held;
        assert_int_equal(um_arena_held(a), held);
        um_arena_reset(a);
    }
    um_arena_free(a);
}

static void arena_rewinds(void **state)
{
    struct um_arena *a;

    (void)state;
    assert_int_equal(um_arena_new(&a), UM_OK);
    for (int turn = 0; turn < 3; turn++) {
        char *first = um_alloc(a, 100);
        memset(first, 1, 100);
        const struct um_mark m = um_arena_mark(a);
        for (size_t i = 1; i < 400; i++) {
            char *p = um_alloc(a, i * 997);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 64, 0);
            memset(p, 2, i * 997);
        }
        um_arena_rewind(a, m);
        memset(um_alloc(a, 100000), 3, 100000);
        for (int i = 0; i < 100; i++)
            assert_int_equal(first[i], 1);
        um_arena_reset(a);
        assert_int_equal(um_arena_used(a), 0);
    }
    assert_null(um_alloc(a, SIZE_MAX));
    assert_null(um_alloc_array(a, INT64_MAX, 8));
    assert_null(um_alloc_array(a, -1, 8));
    um_arena_free(a);
}

static void messages_stack(void **state)
{
    (void)state;
    assert_int_equal(um_fail(UM_ESHAPE, "expected %d", 3), UM_ESHAPE);
    assert_int_equal(um_context(UM_ESHAPE, "record %s", "a"), UM_ESHAPE);
    assert_string_equal(um_errmsg(), "record a: expected 3");
    assert_string_equal(um_status_name(UM_EPIPE), "pipe");
    assert_string_equal(um_status_name(UM_EPIPE - 1), "unknown");
}

/* what a file holds must not make two lines, or what is no text, of a message */
static void messages_are_a_line(void **state)
{
    char long_one[2 * UM_ERRMSG_MAX];

    (void)state;
    (void)um_fail(UM_EFORMAT, "type \"%s\"",
                  "a\tb\nc\x7f \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 "
                  "\xff\xc0\x80\xed\xa0\x80\xe2\x82");
    assert_string_equal(um_errmsg(), "type \"a?b?c? \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 "
                                     "????????\"");
    for (size_t i = 0; i + 1 < sizeof long_one; i += 2)
        memcpy(long_one + i, "\xc3\xa9", 2);
    long_one[sizeof long_one - 1] = 0;
    (void)um_fail(UM_EFORMAT, "%s", long_one); /* cut between the bytes of a character */
    assert_int_equal(strlen(um_errmsg()), UM_ERRMSG_MAX - 1);
    assert_string_equal(um_errmsg() + UM_ERRMSG_MAX - 4, "\xc3\xa9?");
}

static void digest_is_xxh3(void **state)
{
    char            hex[UM_HASH_HEX];
    struct um_hash *h;

    (void)state;
    um_hash_bytes_hex("", 0, hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f"); /* xxhsum -H2 of nothing */
    assert_int_equal(um_hash_new(&h), UM_OK);
    um_hash_add(h, "", 0);
    um_hash_hex(h, hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    um_hash_free(h);
}

static void numbers_are_decimal(void **state)
{
    static const struct {
        const char *text;
        double      x;
    } good[]                       = { { "1", 1 },      { "-.5", -0.5 }, { "+2.", 2 },
                                       { "1e3", 1000 }, { "007", 7 },    { "3,4", 3 } };
    static const char *const bad[] = { "",  " 1",  "\t1", "0x10", "-0X1",  ".",
                                       "-", "inf", "nan", "e3",   "1e999", "--1" };
    double                   x;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *p = good[i].text;

        assert_true(um_number_at(&p, &x) && x == good[i].x);
        assert_true(!*p || *p == ',');
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *p = bad[i];

        if (um_number_at(&p, &x))
            fail_msg("\"%s\" was taken", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(permutation_is_one),
        cmocka_unit_test(shuffles_are_permutations),
        cmocka_unit_test(shuffles_are_uniform),
        cmocka_unit_test(half_floats_round_trip),
        cmocka_unit_test(pool_runs_every_task_once),
        cmocka_unit_test(arena_rewinds),
        cmocka_unit_test(arena_gives_back),
        cmocka_unit_test(arena_keeps_what_fits),
        cmocka_unit_test(messages_stack),
        cmocka_unit_test(messages_are_a_line),
        cmocka_unit_test(digest_is_xxh3),
        cmocka_unit_test(numbers_are_decimal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
