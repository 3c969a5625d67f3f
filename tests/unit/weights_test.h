/* weights_test.h - PyTorch's files in memory, opened and refused
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TESTS_WEIGHTS_TEST_H
#define UM_TESTS_WEIGHTS_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "torch_file.h"
#include "weights/weights.h"

static const float six[6] = { 1, 2, 3, 4, 5, 6 };

static int file = -1; /* in memory: hundreds are written */

static inline const char *temp(void)
{
    static char path[64];

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return path;
}

static inline void put(struct bytes b)
{
    assert_int_equal(ftruncate(file, 0), 0);
    assert_int_equal(pwrite(file, b.p, b.n, 0), b.n);
}

static inline struct um_weights *opened(struct bytes b)
{
    struct um_weights *w;

    put(b);
    if (um_weights_open(&w, temp()) < 0)
        fail_msg("%s", um_errmsg());
    free(b.p);
    return w;
}

static inline void refused(struct bytes b, int status, const char *says)
{
    struct um_weights *w;
    int                st;

    put(b);
    if ((st = um_weights_open(&w, temp())) >= 0)
        fail_msg("accepted, expected \"%s\"", says);
    assert_null(w);
    if (!strstr(um_errmsg(), says) || strchr(um_errmsg(), '\n'))
        fail_msg("\"%s\" is not in \"%s\"", says, um_errmsg());
    if (status && st != status)
        fail_msg("status %d, expected %d: %s", st, status, um_errmsg());
    free(b.p);
}

/* {"a": value} */
#define IN_DICT(value) "\x80\2}" PK_NAME "a" value "s."
#define ZIP(pickle) torch_zip(ZIP_TORCH, pickle, sizeof(pickle) - 1, six, sizeof six)
#define LEGACY(pickle) torch_legacy(pickle, sizeof(pickle) - 1, 6, six, sizeof six)

static inline int open_file(void **state)
{
    (void)state;
    file = memfd_create("weights-torch-test", MFD_CLOEXEC);
    return file < 0 ? -1 : 0;
}

static inline int close_file(void **state)
{
    (void)state;
    return close(file);
}

#endif
