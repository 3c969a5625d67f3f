/* ranks.c - one process alone, and what the environment says of others; more: tests/ranks */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ranks/launch.h"
#include "ranks/ranks.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) < 0)                                                                            \
            fail_msg("%s: %s", #expr, um_errmsg());                                                \
    } while (0)

static const char *const variables[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS",
                                         "SLURM_NTASKS", "PMIX_RANK" };

static int clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        if (unsetenv(variables[i]) != 0)
            return -1;
    return 0;
}

static void launched(const char *by, int size)
{
    struct um_launch l;

    OK(um_launch_find(&l));
    assert_string_equal(l.by, by);
    assert_int_equal(l.size, size);
}

static void who_started(void **state)
{
    (void)state;
    launched("", 1);
    (void)setenv("SLURM_NTASKS", "8", 1); /* a job's script is no task of it */
    launched("", 1);
    (void)setenv("PMIX_RANK", "3", 1);
    launched("PMIx", 0);
    (void)setenv("SLURM_STEP_NUM_TASKS", "2", 1);
    launched("Slurm", 2);
    (void)setenv("PMI_SIZE", "5", 1);
    launched("PMI", 5);
    (void)setenv("OMPI_COMM_WORLD_SIZE", "1", 1); /* inside a step of two helpers */
    launched("Open MPI", 1);
}

static void no_number(void **state)
{
    static const char *const bad[] = { "", "x", "0", "-2", "3x", "99999999999999999999", "1e3" };
    struct um_ranks         *r;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)setenv("PMI_SIZE", bad[i], 1);
        assert_int_equal(um_ranks_open(&r), UM_ERANGE);
        assert_null(r);
        assert_non_null(strstr(um_errmsg(), "PMI_SIZE="));
    }
}

/* every function, and what a rank of one must leave as it is */
static void every_function(struct um_ranks *r)
{
    float   x[] = { 1.5F, -0.0F, NAN };
    double  y[] = { 0.1 };
    int64_t n[] = { -7 }, from = -1, count = -1;
    char    a[] = "abc", b[4] = "";

    assert_int_equal(um_ranks_rank(r), 0);
    assert_int_equal(um_ranks_size(r), 1);
    assert_string_equal(um_ranks_name(r), "one process");
    OK(um_ranks_sum(r, x, 3));
    OK(um_ranks_sum_double(r, y, 1));
    OK(um_ranks_sum_int64(r, n, 1));
    OK(um_ranks_max(r, n, 1));
    assert_true(x[0] == 1.5F && x[1] == 0 && signbit(x[1]) && isnan(x[2]));
    assert_true(y[0] == 0.1 && n[0] == -7);
    OK(um_ranks_gather(r, a, sizeof a, b));
    assert_string_equal(b, "abc");
    OK(um_ranks_gather(r, a, sizeof a, a));
    OK(um_ranks_bcast(r, a, sizeof a, 0));
    assert_string_equal(a, "abc");
    OK(um_ranks_gather(r, a, 0, b));
    OK(um_ranks_sum(r, NULL, 0));
    OK(um_ranks_barrier(r));
    OK(um_ranks_share(r, 9, &from, &count));
    assert_true(from == 0 && count == 9);
    assert_int_equal(um_ranks_agree(r, 5), UM_OK);
    assert_int_equal(um_ranks_agree(r, um_fail(UM_EIO, "no disk")), UM_EIO);
    assert_int_equal(um_ranks_blame(r, UM_EIO), UM_EIO);
    assert_string_equal(um_errmsg(), "no disk"); /* there is no other to be told apart from */
    assert_int_equal(um_ranks_blame(r, um_fail(UM_ESHAPE, "odd")), UM_ESHAPE);
    assert_string_equal(um_errmsg(), "odd");
    um_ranks_abort(r, 1); /* returns */
}

static void one_process(void **state)
{
    struct um_ranks *r;

    (void)state;
    every_function(NULL);
    assert_int_equal(um_ranks_close(NULL, UM_EIO, 1), 1);
    for (int i = 0; i < 2; i++) { /* as often as one likes */
        OK(um_ranks_open(&r));
        every_function(r);
        assert_int_equal(um_ranks_close(r, i ? UM_ESTOPPED : UM_OK, 75), 75);
    }
    (void)setenv("OMPI_COMM_WORLD_SIZE", "1", 1);
    OK(um_ranks_open(&r));
    every_function(r);
    assert_int_equal(um_ranks_close(r, UM_OK, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_started, clean, clean),
        cmocka_unit_test_setup_teardown(no_number, clean, clean),
        cmocka_unit_test_setup_teardown(one_process, clean, clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
