/* fuzz.h - what the targets for libFuzzer share
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TESTS_FUZZ_H
#define UM_TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* one arena for all inputs, emptied */
static inline struct um_arena *fuzz_arena(void)
{
    static struct um_arena *a;

    if (!a && um_arena_new(&a) < 0)
        abort();
    um_arena_reset(a);
    return a;
}

static inline void fuzz_wrong(const char *what)
{
    (void)fprintf(stderr, "%s: \"%s\"\n", what, um_errmsg());
    abort();
}

/* a refusal is one line of text */
static inline void fuzz_refused(int st)
{
    if (st >= 0)
        return;
    if (!um_errmsg()[0])
        fuzz_wrong("no word");
    for (const char *p = um_errmsg(); *p; p++)
        if ((unsigned char)*p < ' ')
            fuzz_wrong("not one line");
}

/* bytes as a reader gets them: changeable, at an aligned place of just their size */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t n)
{
    uint8_t *p = malloc(n > 0 ? n : 1);

    if (!p)
        abort();
    if (n > 0)
        memcpy(p, data, n);
    return p;
}

#endif
