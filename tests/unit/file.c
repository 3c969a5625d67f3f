/* file.c - output files: links followed, nothing left behind, messages in the caller's own words */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/file.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/um-file-XXXXXX";

static int enter(void **state)
{
    (void)state;
    return mkdtemp(dir) && chdir(dir) == 0 && mkdir("there", 0777) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        (void)unlink(i ? "there/old" : "link");
    (void)rmdir("there");
    return chdir("/") == 0 ? rmdir(dir) : -1;
}

static int put(const char *path, const char *text)
{
    struct um_outfile *f;
    int                st = um_outfile_open(&f, path);

    if (st >= 0)
        st = um_outfile_close(f, um_outfile_write(f, text, strlen(text)), 0);
    return st;
}

static void holds(const char *path, const char *text)
{
    struct um_arena *a;
    uint8_t         *data;
    size_t           n;

    assert_int_equal(um_arena_new(&a), UM_OK);
    assert_int_equal(um_file_read(a, path, 1 << 20, &data, &n), UM_OK);
    assert_string_equal((const char *)data, text);
    um_arena_free(a);
}

/* n bytes to a path where no file may grow past 4096 of them: over the buffer's size the write
 * fails, else the close */
static int put_too_much(const char *path, size_t n)
{
    struct rlimit      old, small;
    struct um_outfile *f    = NULL;
    char              *zero = calloc(1, n);
    int                st;

    assert_non_null(zero);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small          = old;
    small.rlim_cur = 4096;
    (void)setrlimit(RLIMIT_FSIZE, &small);
    if ((st = um_outfile_open(&f, path)) >= 0) {
        st = um_outfile_write(f, zero, n);
        st = um_outfile_close(f, st, 1);
    }
    (void)setrlimit(RLIMIT_FSIZE, &old);
    free(zero);
    return st;
}

/* a file that is new, one that is there, a link to it, a way around: each by its own name */
static void messages_name_the_path_as_given(void **state)
{
    static const char *const path[] = { "new", "there/old", "link", "there/../link" };
    char                     want[64];

    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(put("there/old", "whole"), UM_OK);
    assert_int_equal(symlink("there/old", "link"), 0);
    for (size_t i = 0; i < 8; i++) {
        (void)snprintf(want, sizeof want, "%s: File too large", path[i / 2]);
        assert_int_equal(put_too_much(path[i / 2], i % 2 ? 5000 : 1 << 17), UM_EIO);
        assert_string_equal(um_errmsg(), want);
    }
    assert_int_not_equal(access("new", F_OK), 0);
    holds("link", "whole");
}

/* the same of the rename: the target became a folder meanwhile */
static void a_rename_that_fails(void **state)
{
    struct um_outfile *f;

    (void)state;
    assert_int_equal(um_outfile_open(&f, "link"), UM_OK);
    assert_int_equal(unlink("there/old"), 0);
    assert_int_equal(mkdir("there/old", 0777), 0);
    assert_int_equal(um_outfile_close(f, UM_OK, 0), UM_EIO);
    assert_string_equal(um_errmsg(), "link: Is a directory");
    assert_int_equal(um_outfile_open(&f, "link"), UM_EIO);
    assert_string_equal(um_errmsg(), "link: a directory, not a file");
    assert_int_equal(rmdir("there/old"), 0);
}

/* the bytes go to where the link leads, by a temporary name there; leave() finds nothing else */
static void links_are_followed(void **state)
{
    struct stat sb;

    (void)state;
    assert_int_equal(put("link", "first"), UM_OK); /* to a file that is not there */
    holds("there/old", "first");
    assert_int_equal(put("link", "second"), UM_OK);
    holds("there/old", "second");
    assert_int_equal(lstat("link", &sb), 0);
    assert_true(S_ISLNK(sb.st_mode));
}

/* a name of the standard output that is a pipe leads nowhere a file could be */
static void a_pipe_by_its_name(void **state)
{
    char name[32], got[8] = { 0 };
    int  fd[2];

    (void)state;
    assert_int_equal(pipe(fd), 0);
    (void)snprintf(name, sizeof name, "/dev/fd/%d", fd[1]);
    assert_int_equal(put(name, "in it"), UM_OK);
    assert_int_equal(read(fd[0], got, sizeof got - 1), 5);
    assert_string_equal(got, "in it");
    (void)close(fd[0]);
    (void)close(fd[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_name_the_path_as_given),
        cmocka_unit_test(a_rename_that_fails),
        cmocka_unit_test(links_are_followed),
        cmocka_unit_test(a_pipe_by_its_name),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
