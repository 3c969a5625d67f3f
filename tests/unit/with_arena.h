/* with_arena.h - an arena that the tests of a file share: cmocka_run_group_tests(tests, setup,
 * teardown)
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TESTS_WITH_ARENA_H
#define UM_TESTS_WITH_ARENA_H

#include "base/arena.h"

static struct um_arena *arena;

static int setup(void **state)
{
    (void)state;
    return um_arena_new(&arena);
}

static int teardown(void **state)
{
    (void)state;
    um_arena_free(arena);
    return 0;
}

#endif
