/* plot.c - tables, curves and gnuplot's script, from bytes on */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/philox.h"
#include "plot/gnuplot.h"
#include "plot/panels.h"

static char path[] = "/tmp/um-plot-XXXXXX";

static int make_path(void **state)
{
    const int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int drop_path(void **state)
{
    (void)state;
    return unlink(path);
}

static int read_bytes(struct um_table **t, const char *text, size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return um_table_read(t, path);
}

static struct um_table *table(const char *text)
{
    struct um_table *t;

    assert_int_equal(read_bytes(&t, text, strlen(text)), UM_OK);
    return t;
}

static void test_table(void **state)
{
    struct um_table *t = table("step\tname\tloss\n1\ta b\t0.5\n2\t\tnan\r\n3\tc\t-inf\n4\tcut");
    double           x;
    int64_t          col;

    (void)state;
    assert_true(t->rows == 3 && t->cols == 3 && t->cut);
    assert_string_equal(um_table_text(t, 0, 1), "a b");
    assert_string_equal(um_table_text(t, 1, 1), "");
    assert_int_equal(um_table_column(t, "loss"), 2);
    assert_int_equal(um_table_column(t, "los"), -1);
    assert_int_equal(um_table_number(t, 0, 2, &x), UM_OK);
    assert_true(x == 0.5);
    assert_int_equal(um_table_number(t, 1, 2, &x), UM_OK);
    assert_true(isnan(x));
    assert_int_equal(um_table_number(t, 2, 2, &x), UM_OK);
    assert_true(isinf(x));
    assert_int_equal(um_table_number(t, 1, 1, &x), UM_EFORMAT);
    assert_non_null(strstr(um_errmsg(), ": line 3: name: \"\" is not a number"));
    assert_int_equal(um_table_need(t, "lr", &col), UM_EMISSING);
    assert_non_null(strstr(um_errmsg(), ": no column lr; there are step, name, loss"));
    assert_true(um_table_numeric(t, 2) && !um_table_numeric(t, 1));
    um_table_free(t);
}

static void test_bad_tables(void **state)
{
    static const struct {
        const char *text;
        size_t      n;
        int         st;
        const char *says;
    } bad[] = {
        { "", 0, UM_EFORMAT, ": empty file" },
        { "a\tb", 3, UM_EFORMAT, ": no complete line" },
        { "a\tb\n1\n", 6, UM_EFORMAT, ": line 2: 1 fields, but the header has 2" },
        { "a\tb\n1\t2\n1\t2\t3\n", 15, UM_EFORMAT, ": line 3: 3 fields, but the header has 2" },
        { "a\tb\n1\t2\n\n", 9, UM_EFORMAT, ": line 3: 1 fields, but the header has 2" },
        { "a\tb\n1\t\0\n", 8, UM_EFORMAT, ": line 2: a NUL byte" },
        { "a\t\n1\t2\n", 7, UM_EFORMAT, ": line 1: column 2 has no name" },
        { "a\ta\n1\t2\n", 8, UM_EFORMAT, ": line 1: two columns a" },
    };
    char             wide[4096];
    struct um_table *t;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_bytes(&t, bad[i].text, bad[i].n), bad[i].st);
        if (!strstr(um_errmsg(), bad[i].says) || strncmp(um_errmsg(), path, strlen(path)) != 0)
            fail_msg("\"%s\", expected the path and \"%s\"", um_errmsg(), bad[i].says);
    }
    memset(wide, '\t', sizeof wide);
    wide[sizeof wide - 1] = '\n';
    assert_int_equal(read_bytes(&t, wide, sizeof wide), UM_ERANGE);
    assert_non_null(strstr(um_errmsg(), ": line 1: 4096 columns, at most 1024 allowed"));
    assert_int_equal(um_table_read(&t, "/nonexistent/t"), UM_EMISSING);
    assert_int_equal(um_table_read(&t, "/tmp"), UM_EIO);
}

/* bytes changed, cut and inserted: an error or a table whose every cell can be read */
static void test_damaged_tables(void **state)
{
    static const char whole[] = "step\tset\tx\n1\ta\t2.5\n2\tb\tnan\n3\ta\t-7e3\n";
    struct um_rng     r       = um_rng_at(21, UM_RNG_TEST, 0, 0);
    int               good    = 0;

    (void)state;
    for (int round = 0; round < 400; round++) {
        char             text[sizeof whole];
        size_t           n = um_rng_below(&r, sizeof whole);
        struct um_table *t;

        memcpy(text, whole, sizeof whole);
        for (uint64_t k = um_rng_below(&r, 3); k > 0; k--)
            text[um_rng_below(&r, sizeof whole - 1)] = "\t\n\r\0x\xff"[um_rng_below(&r, 6)];
        if (read_bytes(&t, text, n) < 0)
            continue;
        good++;
        for (int64_t i = 0; i < t->rows * t->cols; i++) {
            double x;

            assert_true(strlen(um_table_text(t, i / t->cols, i % t->cols)) < n);
            assert_true(um_table_number(t, i / t->cols, i % t->cols, &x) == UM_OK ||
                        strstr(um_errmsg(), "is not a number"));
        }
        um_table_free(t);
    }
    assert_true(good > 20 && good < 380);
}

static void test_smooth(void **state)
{
    enum { N = 200 };
    struct um_rng    r = um_rng_at(22, UM_RNG_TEST, 0, 0);
    struct um_arena *a;

    (void)state;
    assert_int_equal(um_arena_new(&a), UM_OK);
    for (int64_t w = 1; w < 300; w += 23) {
        double           x[N], y[N], from[N];
        struct um_points p = { N, x, y };

        for (int i = 0; i < N; i++) {
            x[i]    = i;
            from[i] = y[i] = um_rng_below(&r, 5) ? um_rng_normal(&r) : NAN;
        }
        assert_int_equal(um_points_smooth(a, &p, w), UM_OK);
        for (int i = 0; i < N; i++) {
            double  sum  = 0;
            int64_t have = 0;

            for (int k = i; k >= 0 && have < w; k--)
                if (!isnan(from[k]))
                    sum += from[k], have++;
            assert_true(isnan(from[i]) ? isnan(y[i]) : fabs(y[i] - sum / (double)have) < 1e-12);
        }
    }
    um_arena_free(a);
}

static void test_thin(void **state)
{
    enum { N = 100003 };
    struct um_rng    r = um_rng_at(23, UM_RNG_TEST, 0, 0);
    double          *x = malloc(2 * N * sizeof *x);
    struct um_points p = { N, x, x + N };
    struct um_arena *a;
    bool             peak = false, pit = false, gap = false;

    (void)state;
    assert_non_null(x);
    assert_int_equal(um_arena_new(&a), UM_OK);
    for (int i = 0; i < N; i++) {
        p.x[i] = i;
        p.y[i] = i >= 30000 && i < 31000 ? NAN : um_rng_normal(&r);
    }
    p.y[77777] = 50;
    p.y[12345] = -50;
    assert_int_equal(um_points_thin(a, &p), UM_OK);
    assert_true(p.n <= 4096 && p.n > 2000);
    assert_true(p.x[0] == 0 && p.x[p.n - 1] == N - 1);
    for (int64_t i = 0; i < p.n; i++) {
        assert_true(i == 0 || p.x[i] > p.x[i - 1]);
        peak |= p.x[i] == 77777 && p.y[i] == 50;
        pit |= p.x[i] == 12345 && p.y[i] == -50;
        gap |= isnan(p.y[i]);
        assert_true(p.x[i] < 30000 || p.x[i] >= 31000 || isnan(p.y[i]));
    }
    assert_true(peak && pit && gap);
    um_arena_free(a);
    free(x);
}

static void test_curves(void **state)
{
    struct um_table *t = table("step\tmodality\ta\tb\n1\t2d\t1\tnan\n1\t2d\t3\tnan\n2\t3d\t5\tnan\n"
                               "nan\t2d\t9\t9\n3\t2d\tinf\tnan\n4\t2d\t-8\tnan\n4\t2d\tnan\tnan\n");
    const struct um_table  *tables[] = { t, NULL };
    const char *const       label[]  = { "one", "two" };
    struct um_want          w        = { "p", { "a", "b" }, "modality", { NULL } };
    struct um_curve_opts    o        = { .smooth = 1 };
    struct um_figure        f        = { 0 };
    const struct um_points *p;

    (void)state;
    assert_int_equal(um_arena_new(&f.a), UM_OK);
    assert_int_equal(um_curves_panel(&f, &w, &o, tables, label, 2), 1);
    assert_true(f.npanels == 1 && f.panel[0]->ncurves == 2); /* b has no value */
    assert_string_equal(f.panel[0]->xlabel, "step");
    assert_string_equal(f.panel[0]->curve[0].series, "one 2d");
    p = &f.panel[0]->curve[0].line;
    assert_true(p->n == 3 && p->x[0] == 1 && p->y[0] == 2); /* the mean of two rows */
    assert_true(p->x[1] == 3 && isnan(p->y[1]));
    assert_true(p->x[2] == 4 && p->y[2] == -8);
    assert_true(f.panel[0]->curve[1].look.tint == 1 && f.panel[0]->curve[1].look.colour == 0);
    o.logy = true;
    w.by   = NULL;
    assert_int_equal(um_curves_panel(&f, &w, &o, tables, label, 1), 1);
    p = &f.panel[1]->curve[0].line;
    assert_true(p->n == 4 && p->y[1] == 5 && isnan(p->y[3]));
    assert_true(!f.panel[1]->curve[0].series && f.panel[1]->curve[0].look.colour == -1);
    w.column[0] = "b";
    w.column[1] = NULL;
    assert_int_equal(um_curves_panel(&f, &w, &o, tables, label, 1), 0);
    w.column[0] = "modality";
    assert_int_equal(um_curves_panel(&f, &w, &o, tables, label, 1), UM_EFORMAT);
    assert_non_null(strstr(um_errmsg(), ": line 2: modality: \"2d\" is not a number"));
    um_arena_free(f.a);
    um_table_free(t);
}

/* what is in a name is never a command */
static void test_script(void **state)
{
    struct um_table             *t        = table("s\t`id`\n1\t2\n2\tnan\n3\t4\n");
    const struct um_table       *tables[] = { t };
    const struct um_want         w    = { "it's `id`\n\"$(id)\" \xff", { "`id`" }, NULL, { NULL } };
    const struct um_curve_opts   o    = { .x = "s", .smooth = 2 };
    const struct um_gnuplot_opts as[] = { { UM_PICTURE_PNG, 0, 0 },
                                          { UM_PICTURE_SVG, 500, 400 },
                                          { UM_PICTURE_TEXT, 0, 0 } };
    struct um_figure             f    = { .title = "a 'b'" };

    (void)state;
    assert_int_equal(um_arena_new(&f.a), UM_OK);
    assert_int_equal(um_curves_panel(&f, &w, &o, tables, NULL, 1), 1);
    for (size_t i = 0; i < sizeof as / sizeof *as; i++) {
        char  *s;
        size_t n;

        assert_int_equal(um_gnuplot_script(&f, &as[i], &s, &n), UM_OK);
        assert_int_equal(strlen(s), n);
        assert_non_null(strstr(s, "set title 'it\u2019s `id`?\"$(id)\" ?'"));
        assert_non_null(strstr(s, "'a \u2019b\u2019'"));
        assert_non_null(strstr(s, "$c0 << end\n1 2\n2 NaN\n3 3\nend\n"));
        assert_true(!strstr(s, "$r0 << end\n1 2\n2 NaN\n3 4\nend\n") ==
                    (as[i].as == UM_PICTURE_TEXT));
        free(s);
    }
    um_arena_free(f.a);
    um_table_free(t);
}

/* names of any length: the last 20 characters, whole ones */
static void test_long_names(void **state)
{
    static const char text[] =
        "x\tset\ty\n1\tab\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"
        "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4zz\t2\n";
    struct um_table             *t        = table(text);
    const struct um_table       *tables[] = { t };
    const struct um_want         w        = { "p", { "y" }, "set", { NULL } };
    const struct um_curve_opts   o        = { .smooth = 1 };
    const struct um_gnuplot_opts as       = { UM_PICTURE_PNG, 0, 0 };
    struct um_figure             f        = { 0 };
    char                        *s;
    size_t                       n;

    (void)state;
    assert_int_equal(um_arena_new(&f.a), UM_OK);
    assert_int_equal(um_curves_panel(&f, &w, &o, tables, NULL, 1), 1);
    assert_int_equal(um_gnuplot_script(&f, &as, &s, &n), UM_OK);
    assert_non_null(
        strstr(s, " title '\u2026\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"
                  "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4zz'"));
    free(s);
    um_arena_free(f.a);
    um_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),  cmocka_unit_test(test_bad_tables),
        cmocka_unit_test(test_smooth), cmocka_unit_test(test_damaged_tables),
        cmocka_unit_test(test_thin),   cmocka_unit_test(test_curves),
        cmocka_unit_test(test_script), cmocka_unit_test(test_long_names),
    };

    return cmocka_run_group_tests(tests, make_path, drop_path);
}
