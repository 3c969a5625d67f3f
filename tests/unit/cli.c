/* cli.c - the option table, exit codes and what is said: um_args exits, so each case is a child */
/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"

struct seen {
    int  code; /* exit status, or 128 + signal */
    char out[8192], err[4096];
};

static void slurp(FILE *f, char *buf, size_t n)
{
    rewind(f);
    buf[fread(buf, 1, n - 1, f)] = 0;
    (void)fclose(f);
}

/* run fn in a child with standard output and error caught */
static struct seen in_child(int (*fn)(void *), void *arg)
{
    struct seen s   = { 0 };
    FILE       *out = tmpfile(), *err = tmpfile();
    int         status;

    assert_non_null(out);
    assert_non_null(err);
    (void)fflush(NULL);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(fileno(out), 1);
        (void)dup2(fileno(err), 2);
        const int code = fn(arg);
        (void)fflush(NULL);
        _exit(code);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    s.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    slurp(out, s.out, sizeof s.out);
    slurp(err, s.err, sizeof s.err);
    return s;
}

static int lines(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += *s == '\n';
    return n;
}

struct line {
    char *argv[8];
    bool  no_operands;
};

/* parse, then print what came out */
static int parse(void *arg)
{
    struct line         *l = arg;
    struct um_common     c = UM_COMMON_INIT;
    int64_t              n = 3;
    double               x = 0.5;
    bool                 a = false, b = true;
    const char          *name   = NULL;
    const struct um_opt  opts[] = { UM_OPT_OUTPUT(&c),
                                    UM_OPT_ERRORS(&c),
                                    UM_OPT_TALK(&c),
                                    UM_OPT_INT('n', "number", "N", &n, -5, 4e9, true, "a number"),
                                    UM_OPT_NUM(0, "ratio", "X", &x, 0, 1, true, "a ratio"),
                                    UM_OPT_FLAG('a', "all", &a, true, "all of it"),
                                    UM_OPT_FLAG(0, "better", &b, true, "better"),
                                    UM_OPT_STR(0, "name", "NAME", &name, true, "a name"),
                                    UM_OPT_END };
    const struct um_tool tool   = { "um-test",
                                    "test the table",
                                  l->no_operands ? NULL : "[file ...]",
                                    "  um-test x   try it",
                                    opts,
                                    &c };
    int                  argc   = 0;

    while (l->argv[argc])
        argc++;
    char **rest = um_args(&tool, argc, l->argv);
    printf("n=%lld x=%g a=%d b=%d name=%s o=%s on=%s:", (long long)n, x, a, b, name ? name : "-",
           c.output ? c.output : "-", c.on_error);
    while (*rest)
        printf(" %s", *rest++);
    return um_exit(&tool, UM_OK);
}

static void values(void **state)
{
    static const struct {
        struct line line;
        const char *out;
    } t[] = {
        { { { "um-test" }, 0 }, "n=3 x=0.5 a=0 b=1 name=- o=- on=stop:" },
        { { { "um-test", "-n", "10k", "f", "--ratio=1", "-" }, 0 },
          "n=10000 x=1 a=0 b=1 name=- o=- on=stop: f -" },
        { { { "um-test", "-an4G", "-oX", "--no-better", "--", "-n" }, 0 },
          "n=4000000000 x=0.5 a=1 b=0 name=- o=X on=stop: -n" },
        { { { "um-test", "--all", "--no-all", "--number", "-5", "--on-error", "skip" }, 0 },
          "n=-5 x=0.5 a=0 b=1 name=- o=- on=skip:" },
        { { { "um-test", "--name=", "-n2M", "-n1" }, 0 }, "n=1 x=0.5 a=0 b=1 name= o=- on=stop:" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct line       l = t[i].line;
        const struct seen s = in_child(parse, &l);

        assert_string_equal(s.out, t[i].out);
        assert_string_equal(s.err, "");
        assert_int_equal(s.code, 0);
    }
}

static void usage_errors(void **state)
{
    static const struct {
        struct line line;
        const char *says;
    } t[] = {
        { { { "um-test", "--nope=3" }, 0 }, "unknown option --nope;" },
        { { { "um-test", "-aZ" }, 0 }, "unknown option -Z;" },
        { { { "um-test", "x", "--all=3" }, 0 }, "option --all takes no value;" },
        { { { "um-test", "--help=3" }, 0 }, "option --help takes no value;" },
        { { { "um-test", "--name" }, 0 }, "option --name needs a value;" },
        { { { "um-test", "-n" }, 0 }, "option -n needs a value;" },
        { { { "um-test", "-n", "12x" }, 0 }, "-n 12x: a whole number expected;" },
        { { { "um-test", "-n", "" }, 0 }, "-n : a whole number expected;" },
        { { { "um-test", "-n", "k" }, 0 }, "-n k: a whole number expected;" },
        { { { "um-test", "-n", "1kk" }, 0 }, "-n 1kk: a whole number expected;" },
        { { { "um-test", "-n", "-6" }, 0 }, "-n -6: -5 to 4000000000 allowed;" },
        { { { "um-test", "-n", "99999999999999999999" }, 0 }, "-5 to 4000000000 allowed;" },
        { { { "um-test", "-n", "9223372036854775807G" }, 0 }, "-5 to 4000000000 allowed;" },
        { { { "um-test", "--ratio", "nan" }, 0 }, "--ratio nan: a number expected;" },
        { { { "um-test", "--ratio", "1.5" }, 0 }, "--ratio 1.5: 0 to 1 allowed;" },
        { { { "um-test", "--on-error", "sto" }, 0 }, "one of stop|skip expected;" },
        { { { "um-test", "--on-error", "stop|skip" }, 0 }, "one of stop|skip expected;" },
        { { { "um-test", "--on-error", "" }, 0 }, "one of stop|skip expected;" },
        { { { "um-test", "what" }, 1 }, "unexpected operand what;" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct line       l = t[i].line;
        const struct seen s = in_child(parse, &l);

        assert_int_equal(s.code, 2);
        assert_string_equal(s.out, "");
        assert_int_equal(lines(s.err), 1);
        assert_non_null(strstr(s.err, t[i].says));
        assert_non_null(strstr(s.err, "see um-test --help"));
    }
}

static void help_shows_true_defaults(void **state)
{
    struct line       l = { { "um-test", "-n", "7", "--help" }, 0 };
    const struct seen s = in_child(parse, &l);

    (void)state;
    assert_int_equal(s.code, 0);
    assert_string_equal(s.err, "");
    assert_non_null(strstr(s.out, "Usage: um-test [options] [file ...]\ntest the table\n"));
    assert_non_null(strstr(s.out, "  -n, --number=N              a number (default 3)\n"));
    assert_non_null(strstr(s.out, "better (default; --no-better turns it off)"));
    assert_non_null(strstr(s.out, "Examples:\n  um-test x   try it\n"));
}

static void the_table_can_be_read(void **state)
{
    struct line       l = { { "um-test", "--dump-options" }, 0 };
    struct line       v = { { "um-test", "--version" }, 0 };
    const struct seen s = in_child(parse, &l);

    (void)state;
    assert_non_null(strstr(s.out, "n\tnumber\tN\n"));
    assert_non_null(strstr(s.out, "-\tbetter\t-\n"));
    assert_non_null(strstr(s.out, "-\ton-error\tstop|skip\n"));
    assert_non_null(strstr(in_child(parse, &v).out, "um-test (um) " UM_VERSION "\n"));
}

static int exit_for(void *arg)
{
    const struct um_opt  none[] = { UM_OPT_END };
    const struct um_tool tool   = { "um-test", "", NULL, NULL, none, NULL };

    (void)um_fail(UM_EIO, "file \n\x1b[31m: gone");
    return um_exit(&tool, *(int *)arg);
}

static int exit_silently(void *arg)
{
    const struct um_opt  none[] = { UM_OPT_END };
    const struct um_tool tool   = { "um-test", "", NULL, NULL, none, NULL };

    um_seterrmsg(""); /* another process says it */
    return um_exit(&tool, *(int *)arg);
}

static void exit_codes(void **state)
{
    static const int t[][2] = { { UM_OK, 0 },     { 1, 0 },          { UM_EPIPE, 0 },
                                { UM_EUSAGE, 2 }, { UM_EFORMAT, 1 }, { UM_ESTOPPED, 75 } };

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        int               st = t[i][0];
        const struct seen s  = in_child(exit_for, &st);

        assert_int_equal(s.code, t[i][1]);
        assert_int_equal(lines(s.err), t[i][1] != 0);
        const struct seen none = in_child(exit_silently, &st);

        assert_int_equal(none.code, t[i][1]);
        assert_string_equal(none.err, "");
        if (st == UM_EFORMAT) /* nothing in a message moves the cursor or breaks the line */
            assert_string_equal(s.err, "um-test: file ??[31m: gone\n");
    }
}

static int full_stdout(void *arg)
{
    const int full = open("/dev/full", O_WRONLY);

    (void)dup2(full, 1);
    return parse(arg);
}

static void a_full_disk_is_an_error(void **state)
{
    struct line l[] = { { { "um-test", "--help" }, 0 }, { { "um-test" }, 0 } };

    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct seen s = in_child(full_stdout, &l[i]);

        assert_int_equal(s.code, 1);
        assert_string_equal(s.err, "um-test: standard output: No space left on device\n");
    }
}

static int killed_while_writing(void *arg)
{
    const struct um_opt  none[] = { UM_OPT_END };
    const struct um_tool tool   = { "um-test", "", NULL, NULL, none, NULL };
    char                *argv[] = { "um-test", NULL };

    /* static: what dies with the process is no leak, wherever the compiler kept the pointers */
    static struct um_outfile *a, *b;

    (void)signal(*(int *)arg, SIG_DFL); /* a test run in the background is born ignoring some */
    (void)um_args(&tool, 1, argv);
    if (um_outfile_open(&a, "um-cli-a") < 0 || um_outfile_open(&b, "um-cli-b") < 0 ||
        um_outfile_write(a, "half", 4) < 0 || um_outfile_close(b, UM_OK, 0) < 0)
        return 1;
    (void)raise(*(int *)arg);
    return 1;
}

static int files_like(const char *pattern)
{
    char  text[256], name[256];
    FILE *f;
    int   n = 0;

    (void)snprintf(text, sizeof text, "ls -d %s 2>/dev/null", pattern);
    f = popen(text, "r");
    assert_non_null(f);
    while (fgets(name, sizeof name, f))
        n++;
    (void)pclose(f);
    return n;
}

static void signals_leave_no_temporaries(void **state)
{
    char dir[] = "um-cli-XXXXXX", back[4096];

    (void)state;
    assert_non_null(getcwd(back, sizeof back));
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    for (int i = 0; i < 3; i++) {
        int               sig = (int[]){ SIGINT, SIGTERM, SIGPIPE }[i];
        const struct seen s   = in_child(killed_while_writing, &sig);

        assert_int_equal(s.code, 128 + sig); /* the parent sees the signal itself */
        assert_int_equal(files_like("*"), 1);
        assert_int_equal(unlink("um-cli-b"), 0); /* the finished one stays */
    }
    assert_int_equal(chdir(back), 0);
    assert_int_equal(rmdir(dir), 0);
}

static int show_progress(void *arg)
{
    const struct um_opt  none[] = { UM_OPT_END };
    struct um_common     c      = { .progress = arg };
    const struct um_tool tool   = { "um-test", "", NULL, NULL, none, &c };
    struct um_progress  *p;

    if (um_progress_new(&p, &tool, "images") < 0)
        return 1;
    for (int i = 0; i < 40; i++) {
        const struct timespec ms = { 0, 10000000 };

        um_progress_set(p, i, 40, i, "loss 1.5");
        (void)nanosleep(&ms, NULL);
    }
    um_progress_free(p);
    return 0;
}

static void progress_only_when_wanted(void **state)
{
    const struct seen s = in_child(show_progress, "always");

    (void)state;
    assert_string_equal(in_child(show_progress, "auto").err, ""); /* not a terminal */
    assert_string_equal(in_child(show_progress, "never").err, "");
    assert_int_equal(lines(s.err), 1); /* one a second where it is not a terminal */
    assert_non_null(strstr(s.err, "/40 images  "));
    assert_non_null(strstr(s.err, "ETA 0:00"));
    assert_non_null(strstr(s.err, "loss 1.5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(usage_errors),
        cmocka_unit_test(help_shows_true_defaults),
        cmocka_unit_test(the_table_can_be_read),
        cmocka_unit_test(exit_codes),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(signals_leave_no_temporaries),
        cmocka_unit_test(progress_only_when_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
