/* split.c - tests of splits: the vectors of method.md 9.8, published sizes, and manifests parted */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataset/groups.h"
#include "dataset/parted.h"
#include "dataset/split.h"

enum { RSNA = 26684 };

static int64_t ones[RSNA], order[RSNA];

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < RSNA; i++)
        ones[i] = 1;
    return 0;
}

static void draws(struct um_split s, int64_t n, int64_t train, int64_t valid, int64_t test)
{
    int64_t n_part[UM_NPART];

    assert_int_equal(um_split_draw(&s, n, ones, order, n_part), UM_OK);
    assert_int_equal(n_part[UM_TRAIN], train);
    assert_int_equal(n_part[UM_VALID], valid);
    assert_int_equal(n_part[UM_TEST], test);
}

static void one_part(void **state)
{
    const int64_t zero[] = { 9, 1, 6, 7, 3, 0, 5, 2, 8, 4 }; /* 2 8 4 held out, the rest first */

    (void)state;
    draws((struct um_split){ .seed = 0, .test = 0.25 }, 10, 7, 0, 3);
    assert_memory_equal(order, zero, sizeof zero);
    draws((struct um_split){ .seed = 0, .valid = 3 }, 10, 7, 3, 0);
    assert_memory_equal(order, zero, sizeof zero);
}

/* 2 8 4 9 of seed 0 are held out; permutation(4) of seed 0 is 2 3 1 0 */
static void two_parts(void **state)
{
    const int64_t want[] = { 1, 6, 7, 3, 0, 5, 4, 9, 8, 2 };

    (void)state;
    draws((struct um_split){ .seed = 0, .valid = 0.2, .test = 0.2 }, 10, 6, 2, 2);
    assert_memory_equal(order, want, sizeof want);
    draws((struct um_split){ .seed = 0, .valid = 2, .test = 2 }, 10, 6, 2, 2);
    assert_memory_equal(order, want, sizeof want);
    draws((struct um_split){ .seed = 0, .valid = 0.1, .test = 0.2 }, 10, 7, 1, 2);
    /* a third, or 7 of 9, are numbers that no double is */
    draws((struct um_split){ .seed = 0, .valid = 0.2, .test = 0.1 }, 10, 7, 2, 1);
    draws((struct um_split){ .seed = 0, .valid = 0.7, .test = 0.2 }, 10, 1, 7, 2);
}

static void published_sizes(void **state)
{
    (void)state;
    draws((struct um_split){ .seed = 0, .valid = 0.15, .test = 0.15 }, RSNA, 18678, 4003, 4003);
    draws((struct um_split){ .seed = 0, .valid = 5337, .test = 5337 }, RSNA, 16010, 5337, 5337);
    assert_int_equal(um_subset_count(0.01, 191027, "even"), 1910);
    assert_int_equal(um_subset_count(0.2, 24, "ceil"), 5);
    assert_int_equal(um_subset_count(0.01, 16010, "floor"), 160);
    assert_int_equal(um_subset_count(0.5, 5, "even"), 2);
}

/* counts are rows: the groups of seed 0 in turn, 2 8 4, until four rows are there */
static void counts_are_rows(void **state)
{
    const int64_t   rows[] = { 1, 1, 3, 1, 1, 1, 1, 1, 1, 1 };
    struct um_split s      = { .seed = 0, .valid = 4 };
    int64_t         n_part[UM_NPART];

    (void)state;
    assert_int_equal(um_split_draw(&s, 10, rows, order, n_part), UM_OK);
    assert_int_equal(n_part[UM_VALID], 2);
    assert_int_equal(order[8], 2);
    assert_int_equal(order[9], 8);
}

static void nothing_left(void **state)
{
    const struct um_split wrong[] = { { 0, 0.5, 0.5 }, { 0, 10, 0 }, { 0, 1e9, 0 }, { 0, 3, 8 } };
    int64_t               n_part[UM_NPART];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(um_split_draw(&wrong[i], 10, ones, order, n_part), UM_ERANGE);
    assert_int_equal(um_split_draw(&(struct um_split){ 0, 0.1, 0 }, 0, ones, order, n_part),
                     UM_ERANGE);
}

/* 0.6 + 0.6 is more than all, and not 1.2 rows */
static void no_split(void **state)
{
    const struct um_split wrong[] = { { 0, 0.6, 0.6 },   { 0, 0.7, 0.3 },  { 0, 0.5, 0.5 },
                                      { 0, 0.999, 0.2 }, { 0, 0.5, 4 },    { 0, 4, 0.5 },
                                      { 0, 1.5, 0 },     { 0, 3, 2.0625 }, { 0, 1, 0.5 } };
    int64_t               n_part[UM_NPART];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(um_split_check(&wrong[i]), UM_ERANGE);
        assert_int_equal(um_split_draw(&wrong[i], 1000, ones, order, n_part), UM_ERANGE);
    }
    assert_int_equal(um_split_check(&(struct um_split){ 0, 0, 0 }), UM_OK);
    draws((struct um_split){ .valid = 1 }, 10, 9, 1, 0); /* a row, not all */
    draws((struct um_split){ .valid = 0.6, .test = 0.3 }, 10, 1, 6, 3);
    draws((struct um_split){ .valid = 0.1, .test = 0.8 }, 10, 1, 1, 8);
    draws((struct um_split){ .valid = 1, .test = 8 }, 10, 1, 1, 8);
}

static void groups_by_name(void **state)
{
    const char *const name[] = { "b", "a", "b", "", "a", "b" };
    const int64_t     at[]   = { 3, 1, 4, 0, 2, 5 };
    struct um_arena  *a;
    struct um_groups  g;

    (void)state;
    assert_int_equal(um_arena_new(&a), UM_OK);
    assert_int_equal(um_groups_new(a, name, 6, &g), UM_OK);
    assert_int_equal(g.n, 3);
    assert_memory_equal(g.at, at, sizeof at);
    assert_int_equal(g.rows[2], 3);
    assert_int_equal(g.of[4], 1);
    assert_int_equal(g.from[3], 6);
    assert_int_equal(um_groups_new(a, NULL, 6, &g), UM_OK);
    assert_int_equal(g.n, 6);
    assert_int_equal(um_groups_new(a, NULL, 0, &g), UM_OK);
    assert_int_equal(g.n, 0);
    um_arena_free(a);
}

/* rows that are valid or test already stay; a patient in both is counted */
static void parted(void **state)
{
    char             path[] = "/tmp/um-split-XXXXXX";
    const int        fd     = mkstemp(path);
    FILE            *f      = fd < 0 ? NULL : fdopen(fd, "w");
    struct um_parted t      = { .opts = { "patient", 0, 0, 0.25, 1, "even", false } };
    int64_t          shared;

    (void)state;
    assert_non_null(f);
    assert_true(fputs("key\tpatient\timage\tsplit\n", f) >= 0);
    for (int i = 0; i < 10; i++)
        assert_true(fprintf(f, "k%d\tp%d\tx\t%s\n", i, i, i % 2 ? "train" : "") > 0);
    assert_true(fputs("v\tp0\tx\tvalid\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(um_parted_read(&t, path), UM_OK);
    assert_int_equal(um_parted_split(&t), UM_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(t.part[i], i == 2 || i == 8 || i == 4 ? UM_TEST : UM_TRAIN);
    assert_int_equal(t.part[10], UM_VALID);
    assert_int_equal(um_parted_shared(&t, &shared), UM_OK);
    assert_int_equal(shared, 1);
    um_parted_free(&t);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_part),        cmocka_unit_test(two_parts),
        cmocka_unit_test(published_sizes), cmocka_unit_test(counts_are_rows),
        cmocka_unit_test(nothing_left),    cmocka_unit_test(no_split),
        cmocka_unit_test(groups_by_name),  cmocka_unit_test(parted),
    };

    return cmocka_run_group_tests_name("split", tests, setup, NULL);
}
