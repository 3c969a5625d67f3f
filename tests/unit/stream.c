/* stream.c - tests of the tensor stream: what goes in comes out, and nothing else ever does */
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/philox.h"
#include "stream/umt.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) < 0)                                                                            \
            fail_msg("%s: %s", #expr, um_errmsg());                                                \
    } while (0)

static char dir[] = "/tmp/um-stream-XXXXXX";

static const char *at(const char *name)
{
    static char path[4][256];
    static int  turn;
    char       *p = path[turn++ & 3];

    (void)snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char cmd[64];

    (void)state;
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd);
}

/* ---- records made of their number alone ---- */

/* sizes: 0 tiny, every 7th a large one with a frame of its own */
static struct um_record *make_record(struct um_arena *a, int i, bool large)
{
    struct um_record *rec;
    struct um_tensor  t;
    char              key[64];

    (void)snprintf(key, sizeof key, "p%d/s\xc3\xa9%d", i / 3, i);
    OK(um_record_new(a, key, &rec));
    OK(um_map_set_int(a, &rec->meta, "number", i - 1000));
    OK(um_map_set_str(a, &rec->meta, "report", i % 2 ? "" : "No \"effusion\".\n"));
    OK(um_map_set_num(a, &rec->meta, "x", 0.1 * i));
    for (int d = 0; d < UM_NDTYPE; d++) {
        const int64_t dim[3] = { i % 3, 1 + d, large && d == UM_F32 ? 40000 : 2 };
        const int     ndim   = (i + d) % 4;

        OK(um_tensor_new(a, um_dtype_name((enum um_dtype)d), (enum um_dtype)d, ndim, dim, &t));
        struct um_rng r = um_rng_at(1, UM_RNG_TEST, (uint64_t)i, (uint32_t)d);
        for (size_t b = 0; b < um_tensor_bytes(&t); b++)
            ((uint8_t *)t.data)[b] = (uint8_t)um_rng_u32(&r);
        OK(um_record_set(a, rec, &t));
    }
    return rec;
}

static bool same_tensor(const struct um_tensor *a, const struct um_tensor *b)
{
    return strcmp(a->name, b->name) == 0 && a->dtype == b->dtype && a->ndim == b->ndim &&
           memcmp(a->dim, b->dim, (size_t)a->ndim * sizeof a->dim[0]) == 0 &&
           memcmp(a->data, b->data, um_tensor_bytes(a)) == 0;
}

static bool same_record(const struct um_record *a, const struct um_record *b)
{
    bool same = strcmp(a->key, b->key) == 0 && um_value_equal(&a->meta, &b->meta) &&
                a->ntensor == b->ntensor;

    for (int i = 0; same && i < a->ntensor; i++)
        same = same_tensor(&a->tensor[i], &b->tensor[i]);
    return same;
}

static void make_header(struct um_arena *a, int part, struct um_value *h)
{
    OK(um_header_new(a, NULL, "um-test", NULL, h));
    OK(um_map_set_int(a, h, "part", part));
}

/* parts of n records each, numbered through; `packed`: by um_pack */
static void write_stream(const char *path, int parts, int n, int level, bool large, bool packed)
{
    const struct um_writer_opts opts = { .level = level };
    struct um_outfile          *out;
    struct um_writer           *w;
    struct um_arena            *a;

    OK(um_arena_new(&a));
    OK(um_outfile_open(&out, path));
    OK(um_writer_open(&w, out, &opts));
    for (int p = 0; p < parts; p++) {
        struct um_value h;

        make_header(a, p, &h);
        OK(um_writer_part(w, &h));
        for (int i = p * n; i < (p + 1) * n; i++) {
            struct um_record *rec = make_record(a, i, large);
            struct um_packed *pk;

            if (packed) {
                OK(um_pack(&opts, rec, &pk));
                OK(um_writer_packed(w, pk));
                um_packed_free(pk);
            } else {
                OK(um_writer_record(w, rec));
            }
        }
        um_arena_reset(a);
    }
    OK(um_outfile_close(out, um_writer_close(w, UM_OK), 0));
    um_arena_free(a);
}

static void expect_stream(const char *path, int parts, int n, bool large)
{
    struct um_reader *r;
    struct um_record *rec;
    struct um_arena  *a;
    double            part;
    int               st, i = 0, p = 0;

    OK(um_arena_new(&a));
    OK(um_reader_open(&r, path));
    while ((st = um_reader_next(r, a, &rec)) > 0) {
        if (st == UM_NEXT_PART) {
            assert_int_equal(i, p * n);
            assert_true(um_map_num(um_reader_header(r), "part", &part) && part == p);
            p++;
        } else {
            assert_true(same_record(rec, make_record(a, i, large)));
            for (int t = 0; t < rec->ntensor; t++)
                assert_int_equal((uintptr_t)rec->tensor[t].data % 8, 0);
            i++;
        }
        um_arena_reset(a);
    }
    OK(st);
    assert_int_equal(p, parts);
    assert_int_equal(i, parts * n);
    assert_int_equal(um_reader_next(r, a, &rec), UM_NEXT_END);
    assert_int_equal(um_reader_bytes(r), um_reader_size(r));
    um_reader_close(r);
    um_arena_free(a);
}

static void round_trips(void **state)
{
    static const int level[] = { 0, 1, 3, 19 };

    (void)state;
    for (size_t i = 0; i < sizeof level / sizeof level[0]; i++) {
        write_stream(at("a.umt"), 1, 12, level[i], false, false);
        expect_stream(at("a.umt"), 1, 12, false);
    }
    write_stream(at("a.umt"), 3, 5, 1, true, false);
    expect_stream(at("a.umt"), 3, 5, true);
    write_stream(at("a.umt"), 2, 0, 1, false, false);
    expect_stream(at("a.umt"), 2, 0, false);
    write_stream(at("a.umt"), 1, 3000, 1, false, false); /* several shared frames */
    expect_stream(at("a.umt"), 1, 3000, false);
}

static size_t slurp(const char *path, uint8_t **data)
{
    struct stat sb;
    FILE       *f = fopen(path, "rb");

    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &sb), 0);
    *data = malloc((size_t)sb.st_size + 1);
    assert_non_null(*data);
    assert_int_equal(fread(*data, 1, (size_t)sb.st_size, f), sb.st_size);
    (void)fclose(f);
    return (size_t)sb.st_size;
}

static void spill(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void same_files(const char *a, const char *b)
{
    uint8_t     *x, *y;
    const size_t n = slurp(a, &x), m = slurp(b, &y);

    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

static void packed_gives_the_same_bytes(void **state)
{
    (void)state;
    for (int level = 0; level <= 3; level += 3) {
        write_stream(at("a.umt"), 2, 9, level, true, false);
        write_stream(at("b.umt"), 2, 9, level, true, true);
        same_files(at("a.umt"), at("b.umt"));
    }
}

static void joined_by_cat(void **state)
{
    uint8_t *x, *y;

    (void)state;
    write_stream(at("a.umt"), 1, 0, 1, false, false);
    write_stream(at("b.umt"), 1, 0, 0, false, false);
    const size_t n = slurp(at("a.umt"), &x), m = slurp(at("b.umt"), &y);
    uint8_t     *xy = malloc(n + m);
    assert_non_null(xy);
    memcpy(xy, x, n);
    memcpy(xy + n, y, m);
    spill(at("c.umt"), xy, n + m);

    struct um_reader *r;
    struct um_arena  *a;
    struct um_record *rec;
    OK(um_arena_new(&a));
    OK(um_reader_open(&r, at("c.umt")));
    assert_int_equal(um_reader_next(r, a, &rec), UM_NEXT_PART);
    assert_int_equal(um_reader_next(r, a, &rec), UM_NEXT_PART);
    assert_int_equal(um_reader_next(r, a, &rec), UM_NEXT_END);
    um_reader_close(r);
    um_arena_free(a);
    free(x);
    free(y);
    free(xy);
}

/* ---- the index ---- */

struct reading {
    struct um_index *ix;
    int              n, step;
    bool             same;
};

static void *read_some(void *arg)
{
    struct reading   *job = arg;
    struct um_arena  *a;
    struct um_record *rec;

    job->same = um_arena_new(&a) == UM_OK;
    for (int k = 0, i = job->step; job->same && k < job->n; k++, i = (i + job->step) % job->n) {
        job->same = um_index_read(job->ix, i, a, &rec) == UM_OK &&
                    same_record(rec, make_record(a, i, true));
        um_arena_reset(a);
    }
    um_arena_free(a);
    return NULL;
}

static void random_access(void **state)
{
    struct um_index *ix;
    struct reading   job[4];
    pthread_t        thread[4];
    char             key[64];

    (void)state;
    write_stream(at("a.umt"), 3, 11, 1, true, false);
    OK(um_index_open(&ix, at("a.umt")));
    assert_int_equal(um_index_count(ix), 33);
    assert_int_equal(um_index_parts(ix), 3);
    for (int i = 0; i < 33; i++) {
        double part;

        (void)snprintf(key, sizeof key, "p%d/s\xc3\xa9%d", i / 3, i);
        assert_string_equal(um_index_key(ix, i), key);
        assert_int_equal(um_index_find(ix, key, 0), i);
        assert_int_equal(um_index_find(ix, key, i + 1), -1);
        assert_true(um_map_num(um_index_header(ix, i), "part", &part) && part == i / 11);
    }
    assert_int_equal(um_index_find(ix, "p", 0), -1);
    for (int t = 0; t < 4; t++) {
        job[t] = (struct reading){ .ix = ix, .n = 33, .step = 1 + 3 * t };
        assert_int_equal(pthread_create(&thread[t], NULL, read_some, &job[t]), 0);
    }
    for (int t = 0; t < 4; t++) {
        assert_int_equal(pthread_join(thread[t], NULL), 0);
        assert_true(job[t].same);
    }
    um_index_close(ix);
    write_stream(at("a.umt"), 2, 0, 0, false, false);
    OK(um_index_open(&ix, at("a.umt")));
    assert_int_equal(um_index_count(ix), 0);
    assert_int_equal(um_index_parts(ix), 2);
    um_index_close(ix);
    spill(at("b.umt"), "", 0);
    assert_int_equal(um_index_open(&ix, at("b.umt")), UM_EFORMAT);
    assert_int_equal(um_index_open(&ix, dir), UM_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(packed_gives_the_same_bytes),
        cmocka_unit_test(joined_by_cat),
        cmocka_unit_test(random_access),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
