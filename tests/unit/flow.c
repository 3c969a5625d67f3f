/* flow.c - a flow keeps order, parts, bytes and the first error, whatever its threads do */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/flow.h"

enum { RECORDS = 60 };

static char             dir[] = "um-flow-XXXXXX";
static struct um_arena *keep; /* for the whole program */

static void write_part(struct um_writer *w, int part, int records)
{
    struct um_value  header;
    struct um_arena *a;

    assert_int_equal(um_arena_new(&a), UM_OK);
    assert_int_equal(um_header_new(a, NULL, "um-made", NULL, &header), UM_OK);
    assert_int_equal(um_map_set_int(a, &header, "window", part), UM_OK);
    assert_int_equal(um_writer_part(w, &header), UM_OK);
    for (int i = 0; i < records; i++) {
        const int64_t dim[1] = { i % 7 == 0 ? 100000 : 10 }; /* frames shared and of their own */
        struct um_record *rec;
        struct um_tensor  t;

        um_arena_reset(a);
        assert_int_equal(um_record_new(a, um_sprintf(a, "p%d/r%d", part, i), &rec), UM_OK);
        assert_int_equal(um_map_set_int(a, &rec->meta, "i", i), UM_OK);
        assert_int_equal(um_tensor_new(a, "x", UM_F32, 1, dim, &t), UM_OK);
        for (int64_t j = 0; j < dim[0]; j++)
            ((float *)t.data)[j] = (float)(i * 1000 + j);
        assert_int_equal(um_record_set(a, rec, &t), UM_OK);
        assert_int_equal(um_writer_record(w, rec), UM_OK);
    }
    um_arena_free(a);
}

static void write_stream(const char *path, int first, int parts, int records)
{
    static const struct um_writer_opts opts = { .level = 1 };
    struct um_outfile                 *f;
    struct um_writer                  *w;

    assert_int_equal(um_outfile_open(&f, path), UM_OK);
    assert_int_equal(um_writer_open(&w, f, &opts), UM_OK);
    for (int p = 0; p < parts; p++)
        write_part(w, first + p, records);
    assert_int_equal(um_outfile_close(f, um_writer_close(w, UM_OK), 0), UM_OK);
}

/* ---- a tool ---- */

struct work {
    int bad_from, bad_step; /* records that fail; step 0: none */
    int twice;              /* every so manieth record becomes two, the next one none */
    int parts;
};

/* later records finish earlier, so that order must be kept by the flow */
static void dawdle(int64_t i)
{
    const struct timespec t = { 0, (long)((RECORDS - i) % 5) * 200000 };

    (void)nanosleep(&t, NULL);
}

static int map(void *user, int worker, struct um_arena *a, struct um_record *rec, struct um_emit *e)
{
    const struct work *w = user;
    double             i = -1;

    assert_in_range(worker, 0, 6);
    assert_true(um_map_num(&rec->meta, "i", &i));
    dawdle((int64_t)i);
    if (w->twice && (int)i % w->twice == 1)
        return UM_OK;
    UM_TRY(um_emit_record(e, rec));
    if (w->bad_step && (int)i >= w->bad_from && ((int)i - w->bad_from) % w->bad_step == 0)
        return um_fail(UM_ESHAPE, "x:\tbad %d", (int)i);
    if (w->twice && (int)i % w->twice == 0) {
        rec->key = um_sprintf(a, "%s/again", rec->key);
        return um_emit_record(e, rec);
    }
    return UM_OK;
}

static int part(void *user, struct um_arena *a, const struct um_value *in, struct um_value *out)
{
    double window;

    ((struct work *)user)->parts++;
    assert_true(um_map_num(in, "window", &window));
    return um_map_set_int(a, out, "window", (int64_t)window + 100);
}

static int run(int jobs, char **files, const char *out, struct work *w, const char *rejects)
{
    static const struct um_opt none[] = { UM_OPT_END };
    struct um_common           c      = UM_COMMON_INIT;
    const struct um_tool       tool   = { "um-test", "", "[file ...]", NULL, none, &c };
    const struct um_flow       f      = {
                   .tool = &tool, .common = &c, .files = files, .user = w, .part = part, .map = map
    };

    c.jobs     = jobs;
    c.output   = out;
    c.quiet    = true;
    c.rejects  = rejects;
    c.on_error = rejects ? "skip" : "stop";
    return um_flow_run(&f);
}

static const char *slurp(const char *path, size_t *n)
{
    uint8_t *data;

    assert_int_equal(um_file_read(keep, path, 1 << 30, &data, n), UM_OK);
    return (const char *)data;
}

static char *files[] = { "in1.umt", "in2.umt", NULL };

static void same_bytes_for_any_jobs(void **state)
{
    struct work w = { .twice = 4 };
    size_t      n1, n;

    (void)state;
    assert_int_equal(run(1, files, "j1.umt", &w, NULL), UM_OK);
    assert_int_equal(w.parts, 3);
    const char *one = slurp("j1.umt", &n1);
    for (int jobs = 2; jobs <= 7; jobs += 5) {
        assert_int_equal(run(jobs, files, "jn.umt", &w, NULL), UM_OK);
        const char *many = slurp("jn.umt", &n);
        assert_int_equal(n, n1);
        assert_memory_equal(many, one, n);
    }
}

/* keys and parts of an output, as text */
static const char *outline(const char *path)
{
    struct um_reader *r;
    struct um_record *rec;
    char             *text = um_strdup(keep, "");
    double            window;
    int               st;

    assert_int_equal(um_reader_open(&r, path), UM_OK);
    while ((st = um_reader_next(r, keep, &rec)) > 0) {
        if (st == UM_NEXT_PART && um_map_num(um_reader_header(r), "window", &window))
            text = um_sprintf(keep, "%s[%g]", text, window);
        else if (st == UM_NEXT_RECORD)
            text = um_sprintf(keep, "%s %s", text, rec->key);
    }
    assert_int_equal(st, UM_NEXT_END);
    um_reader_close(r);
    return text;
}

static void parts_and_order(void **state)
{
    struct work w       = { .twice = 4 };
    char       *small[] = { "small1.umt", "small2.umt", NULL };

    (void)state;
    write_stream("small1.umt", 1, 2, 3);
    write_stream("small2.umt", 3, 1, 5);
    assert_int_equal(run(3, small, "small.umt", &w, NULL), UM_OK);
    assert_string_equal(outline("small.umt"),
                        "[101] p1/r0 p1/r0/again p1/r2[102] p2/r0 p2/r0/again p2/r2"
                        "[103] p3/r0 p3/r0/again p3/r2 p3/r3 p3/r4 p3/r4/again");
}

static void the_first_error_in_order_wins(void **state)
{
    (void)state;
    for (int jobs = 1; jobs <= 7; jobs++) {
        struct work w = { .bad_from = 5, .bad_step = 1 }; /* 9 is done long before 5 */

        assert_int_equal(run(jobs, files, "bad.umt", &w, NULL), UM_ESHAPE);
        assert_string_equal(um_errmsg(), "record p1/r5: x:?bad 5");
        assert_int_not_equal(access("bad.umt", F_OK), 0);
    }
}

static void skipping_lists_the_rejects(void **state)
{
    size_t n, n1 = 0;

    (void)state;
    for (int jobs = 1; jobs <= 7; jobs += 3) {
        struct work w     = { .bad_from = 7, .bad_step = 40 };
        const char *head  = "p1/r7\tshape\tx:?bad 7\np1/r47\tshape\tx:?bad 47\np2/r7\t";
        char       *two[] = { "in1.umt", NULL };

        assert_int_equal(run(jobs, two, "skip.umt", &w, "rejects.tsv"), UM_OK);
        const char *text = slurp("rejects.tsv", &n);
        assert_memory_equal(text, head, strlen(head));
        assert_null(strstr(outline("skip.umt"), "p1/r7 "));
        assert_non_null(strstr(outline("skip.umt"), "p1/r6 p1/r8"));
        (void)slurp("skip.umt", &n);
        assert_true(n1 == 0 || n == n1);
        n1 = n;
    }
}

static void a_cut_input_is_an_error(void **state)
{
    size_t             n;
    const char        *all   = slurp("in1.umt", &n);
    char              *cut[] = { "cut.umt", NULL };
    struct um_outfile *f;

    (void)state;
    assert_int_equal(um_outfile_open(&f, "cut.umt"), UM_OK);
    assert_int_equal(um_outfile_close(f, um_outfile_write(f, all, n / 2), 0), UM_OK);
    for (int jobs = 1; jobs <= 7; jobs += 3) {
        struct work fine = { 0 }, bad = { .bad_from = 3, .bad_step = 1000 };

        assert_int_equal(run(jobs, cut, "bad.umt", &fine, NULL), UM_EFORMAT);
        assert_non_null(strstr(um_errmsg(), "cut.umt"));
        assert_int_equal(run(jobs, cut, "bad.umt", &bad, NULL), UM_ESHAPE); /* came before */
        assert_int_not_equal(access("bad.umt", F_OK), 0);
    }
}

static void a_missing_input_is_an_error(void **state)
{
    struct work w      = { 0 };
    char       *gone[] = { "in1.umt", "gone.umt", NULL };

    (void)state;
    assert_true(run(2, gone, "bad.umt", &w, NULL) < 0);
    assert_non_null(strstr(um_errmsg(), "gone.umt"));
    assert_int_not_equal(access("bad.umt", F_OK), 0);
}

/* ---- a source ---- */

enum { TURN = 1000 }; /* rows: RECORDS of them slow, the others quick, and again */

struct rows {
    int n, fail_at, made, freed;
};

static int next(void *user, void **item, const char **key)
{
    struct rows *r = user;
    static char  name[32]; /* overwritten by the next call: the flow must copy */

    if (r->fail_at && r->made == r->fail_at)
        return um_fail(UM_EFORMAT, "row %d", r->made);
    if (r->made == r->n)
        return 0;
    int *i = malloc(sizeof *i);
    assert_non_null(i);
    *i = r->made++;
    (void)snprintf(name, sizeof name, "row%d", *i);
    *item = i;
    *key  = name;
    return 1;
}

static int made, dropped;

static void free_row(void *item)
{
    free(item);
    __atomic_add_fetch(&dropped, 1, __ATOMIC_SEQ_CST);
}

static int map_row(void *user, int worker, struct um_arena *a, void *item, struct um_emit *e)
{
    const int         i = *(int *)item;
    struct um_record *rec;

    (void)user;
    (void)worker;
    dawdle(i % TURN);
    if (i % 10 == 3)
        return um_fail(UM_EMISSING, "no image");
    UM_TRY(um_record_new(a, um_sprintf(a, "row%d", i), &rec));
    return um_emit_record(e, rec);
}

static int run_source(int jobs, struct rows *rows, const char *on_error, const char *out)
{
    static const struct um_opt none[] = { UM_OPT_END };
    struct um_common           c      = UM_COMMON_INIT;
    const struct um_tool       tool   = { "um-test", "", NULL, NULL, none, &c };
    struct um_value            header;

    assert_int_equal(um_header_new(keep, NULL, "um-test", NULL, &header), UM_OK);
    const struct um_source s = { .tool      = &tool,
                                 .common    = &c,
                                 .user      = rows,
                                 .total     = rows->n,
                                 .unit      = "rows",
                                 .header    = &header,
                                 .next      = next,
                                 .map       = map_row,
                                 .free_item = free_row };

    c.jobs       = jobs;
    c.output     = out;
    c.on_error   = on_error;
    c.quiet      = true;
    dropped      = 0;
    const int st = um_source_run(&s);
    made         = rows->made;
    return st;
}

static void sources_free_every_item_once(void **state)
{
    (void)state;
    for (int jobs = 1; jobs <= 7; jobs += 3) {
        struct rows ok = { .n = 50 }, cut = { .n = 50, .fail_at = 3 }, bad = { .n = 50 };

        assert_int_equal(run_source(jobs, &ok, "skip", "rows.umt"), UM_OK);
        assert_int_equal(dropped, 50);
        assert_non_null(strstr(outline("rows.umt"), "row2 row4"));
        assert_int_equal(run_source(jobs, &bad, "stop", "no.umt"), UM_EMISSING);
        assert_string_equal(um_errmsg(), "record row3: no image");
        assert_int_equal(dropped, made);
        assert_int_equal(run_source(jobs, &cut, "skip", "no.umt"), UM_EFORMAT);
        assert_string_equal(um_errmsg(), "row 3");
        assert_int_equal(dropped, 3);
        assert_int_not_equal(access("no.umt", F_OK), 0);
    }
}

/* quick rows are worked on by the caller, slow ones handed to threads, back and forth */
static void quick_or_slow_the_same_bytes(void **state)
{
    size_t n, m;

    (void)state;
    for (int jobs = 1; jobs <= 7; jobs += 3) {
        struct rows rows = { .n = 3 * TURN };

        assert_int_equal(run_source(jobs, &rows, "skip", jobs == 1 ? "j1.umt" : "jn.umt"), UM_OK);
        assert_int_equal(dropped, 3 * TURN);
        if (jobs == 1)
            continue;
        const char *one = slurp("j1.umt", &n), *many = slurp("jn.umt", &m);

        assert_int_equal(n, m);
        assert_memory_equal(one, many, n);
    }
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir) || chdir(dir) != 0 || um_arena_new(&keep) < 0)
        return -1;
    write_stream("in1.umt", 1, 2, RECORDS);
    write_stream("in2.umt", 3, 1, RECORDS);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const name[] = { "in1.umt",     "in2.umt",    "j1.umt",     "jn.umt",
                                        "small.umt",   "small1.umt", "small2.umt", "skip.umt",
                                        "rejects.tsv", "cut.umt",    "rows.umt" };

    (void)state;
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++)
        (void)unlink(name[i]);
    um_arena_free(keep);
    return chdir("..") == 0 ? rmdir(dir) : -1; /* fails if a temporary stayed behind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes_for_any_jobs),
        cmocka_unit_test(parts_and_order),
        cmocka_unit_test(the_first_error_in_order_wins),
        cmocka_unit_test(skipping_lists_the_rejects),
        cmocka_unit_test(a_cut_input_is_an_error),
        cmocka_unit_test(a_missing_input_is_an_error),
        cmocka_unit_test(sources_free_every_item_once),
        cmocka_unit_test(quick_or_slow_the_same_bytes),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
