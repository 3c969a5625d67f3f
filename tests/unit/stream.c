/* stream.c - tests of the tensor stream: what goes in comes out, and nothing else ever does */
/* SPDX-License-Identifier: Apache-2.0 */
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
#include "stream/frame.h"
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
    *data = calloc((size_t)sb.st_size + 1, 1);
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
    char             key[64], got[UM_MAX_KEY + 1];
    int64_t          found;

    (void)state;
    write_stream(at("a.umt"), 3, 11, 1, true, false);
    OK(um_index_open(&ix, at("a.umt")));
    assert_int_equal(um_index_count(ix), 33);
    assert_int_equal(um_index_parts(ix), 3);
    for (int i = 0; i < 33; i++) {
        double part;

        (void)snprintf(key, sizeof key, "p%d/s\xc3\xa9%d", i / 3, i);
        OK(um_index_key(ix, i, got));
        assert_string_equal(got, key);
        assert_int_equal(um_index_find(ix, key, 0, &found), 1);
        assert_int_equal(found, i);
        assert_int_equal(um_index_find(ix, key, i + 1, &found), 0);
        assert_true(um_map_num(um_index_header(ix, i), "part", &part) && (int)part == i / 11);
    }
    assert_int_equal(um_index_find(ix, "p", 0, &found), 0);
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

/* many entries a part: they are read from the file where they are needed, and must be what they
 * were when it was opened */
static void a_long_index(void **state)
{
    enum { N = 150, HALF = N / 2 };
    struct um_index  *ix;
    struct um_arena  *a;
    struct um_record *rec;
    char              key[64], got[UM_MAX_KEY + 1];
    int64_t           found;

    (void)state;
    OK(um_arena_new(&a));
    write_stream(at("a.umt"), 2, HALF, 1, false, false);
    OK(um_index_open(&ix, at("a.umt")));
    assert_int_equal(um_index_count(ix), N);
    for (int k = 0, i = 0; k < N; k++, i = (i + 37) % N) { /* in leaps: another block each time */
        (void)snprintf(key, sizeof key, "p%d/s\xc3\xa9%d", i / 3, i);
        OK(um_index_key(ix, i, got));
        assert_string_equal(got, key);
        assert_int_equal(um_index_find(ix, key, 0, &found), 1);
        assert_int_equal(found, i);
        OK(um_index_read(ix, i, a, &rec));
        assert_true(same_record(rec, make_record(a, i, false)));
        um_arena_reset(a);
    }
    assert_int_equal(um_index_find(ix, "p0/s", 0, &found), 0);
    struct stat sb;
    const int   fd = open(at("a.umt"), O_RDWR);
    assert_int_equal(fstat(fd, &sb), 0);
    assert_int_equal(pwrite(fd, "!", 1, sb.st_size - 40 - 3), 1); /* in the last key */
    OK(um_index_key(ix, N - 33, got));
    assert_int_equal(um_index_key(ix, N - 2, got), UM_EFORMAT);
    assert_non_null(strstr(um_errmsg(), "a.umt: the index has changed since it was opened"));
    assert_int_equal(um_index_read(ix, N - 2, a, &rec), UM_EFORMAT);
    (void)close(fd);
    um_index_close(ix);
    assert_int_equal(um_index_open(&ix, at("a.umt")), UM_EFORMAT);
    um_arena_free(a);
}

/* ---- damage ---- */

enum verdict { REFUSED, SAME, OTHER };

/* What a reader makes of the file at `path`, of `parts` parts of n records: OTHER if any value that
 * it hands out is not the one that was written, or if it takes a part of the stream for all of it.
 */
static enum verdict judge(const char *path, int parts, int n, bool large, struct um_arena *a)
{
    struct um_reader *r;
    struct um_record *rec;
    bool              same = true;
    int               st, i = 0, p = 0;

    OK(um_reader_open(&r, path));
    while ((st = um_reader_next(r, a, &rec)) > 0) {
        if (st == UM_NEXT_PART) {
            struct um_value h;

            make_header(a, p, &h);
            same = same && i == p * n && p < parts && um_value_equal(&h, um_reader_header(r));
            p++;
        } else {
            same = same && i < parts * n && same_record(rec, make_record(a, i, large));
            i++;
        }
    }
    if (st < 0) {
        char *first = strdup(um_errmsg());

        assert_non_null(strstr(first, path));
        assert_non_null(strstr(first, i ? "last good record: p" : "no record before it"));
        assert_int_equal(um_reader_next(r, a, &rec), st);
        assert_string_equal(um_errmsg(), first);
        free(first);
    }
    um_reader_close(r);
    um_arena_reset(a);
    if (!same)
        return OTHER;
    return st < 0 ? REFUSED : i == parts * n && p == parts ? SAME : OTHER;
}

/* the same by the index: OTHER if a record is not what was written under its number */
static enum verdict judge_index(const char *path, int n, bool large, struct um_arena *a)
{
    struct um_index  *ix;
    struct um_record *rec;
    enum verdict      v = SAME;

    if (um_index_open(&ix, path) < 0)
        return REFUSED;
    if (um_index_count(ix) != n)
        v = OTHER;
    for (int64_t i = 0; i < um_index_count(ix); i++) {
        if (um_index_read(ix, i, a, &rec) < 0)
            v = v == SAME ? REFUSED : v;
        else if (i >= n || !same_record(rec, make_record(a, (int)i, large)))
            v = OTHER;
        um_arena_reset(a);
    }
    um_index_close(ix);
    return v;
}

static void no_flipped_bit_gives_other_values(void **state)
{
    struct um_arena *a;

    (void)state;
    OK(um_arena_new(&a));
    for (int level = 0; level < 2; level++) {
        const char *path = at("flip.umt");
        uint8_t    *data;
        int         count[3] = { 0 };

        write_stream(path, 2, 1, level, false, false);
        const size_t n  = slurp(path, &data);
        const int    fd = open(path, O_WRONLY);
        assert_true(fd >= 0);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            const uint8_t bad = (uint8_t)(data[bit / 8] ^ 1u << bit % 8);

            assert_int_equal(pwrite(fd, &bad, 1, (off_t)(bit / 8)), 1);
            count[judge(path, 2, 1, false, a)]++;
            assert_int_not_equal(judge_index(path, 2, false, a), OTHER);
            assert_int_equal(pwrite(fd, &data[bit / 8], 1, (off_t)(bit / 8)), 1);
        }
        (void)close(fd);
        free(data);
        assert_int_equal(count[OTHER], 0);
        /* an unused bit and the window size in the head of a frame may change without effect */
        assert_true(count[SAME] * 100 < count[REFUSED]);
    }
    um_arena_free(a);
}

static void no_cut_is_taken_for_the_whole(void **state)
{
    struct um_arena *a;

    (void)state;
    OK(um_arena_new(&a));
    for (int level = 0; level < 2; level++) {
        const char *path = at("cut.umt");
        uint8_t    *data;

        write_stream(path, 3, 2, level, false, false);
        const size_t n = slurp(path, &data);
        assert_int_equal(judge(path, 3, 2, false, a), SAME);
        for (size_t left = n; left-- > 0;) {
            assert_int_equal(truncate(path, (off_t)left), 0);
            assert_int_equal(judge(path, 3, 2, false, a), REFUSED);
        }
        spill(path, data, n + 1); /* slurp left a byte of room */
        assert_int_equal(judge(path, 3, 2, false, a), REFUSED);
        free(data);
    }
    um_arena_free(a);
}

/* frames by their magic number: where each begins, and the end */
static int find_frames(const uint8_t *data, size_t n, size_t *start, int max)
{
    int frames = 0;

    for (size_t i = 0; i + 4 <= n; i++)
        if (memcmp(data + i, "\x28\xb5\x2f\xfd", 4) == 0) {
            assert_true(frames < max - 1);
            start[frames++] = i;
        }
    start[frames] = n;
    return frames;
}

static void lost_doubled_and_moved_frames_show(void **state)
{
    struct um_arena *a;
    uint8_t         *data;
    size_t           start[32];
    const char      *path = at("frames.umt");

    (void)state;
    OK(um_arena_new(&a));
    write_stream(path, 1, 8, 1, true, false);
    const size_t n      = slurp(path, &data);
    const int    frames = find_frames(data, n, start, 32);
    uint8_t     *bad    = malloc(2 * n);
    assert_non_null(bad);
    assert_true(frames > 5);
    for (int i = 1; i < frames - 1; i++) { /* not the header, not the trailer with its index */
        const size_t len = start[i + 1] - start[i], rest = n - start[i + 1];

        memcpy(bad, data, start[i]); /* lost */
        memcpy(bad + start[i], data + start[i + 1], rest);
        spill(path, bad, n - len);
        assert_int_equal(judge(path, 1, 8, true, a) == SAME, 0);
        memcpy(bad, data, start[i + 1]); /* doubled */
        memcpy(bad + start[i + 1], data + start[i], len + rest);
        spill(path, bad, n + len);
        assert_int_equal(judge(path, 1, 8, true, a), REFUSED);
    }
    for (int i = 1; i + 2 < frames; i++) { /* moved behind the next */
        const size_t len = start[i + 1] - start[i], next = start[i + 2] - start[i + 1];

        memcpy(bad, data, n);
        memcpy(bad + start[i], data + start[i + 1], next);
        memcpy(bad + start[i] + next, data + start[i], len);
        spill(path, bad, n);
        assert_int_equal(judge(path, 1, 8, true, a) == SAME, 0);
    }
    free(bad);
    free(data);
    um_arena_free(a);
}

/* ---- hostile messages ---- */

/* each in a whole frame with a right checksum */
static void hostile_sizes_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t      n;
    } bad[] = {
#define B(s) { s, sizeof s - 1 }
        B("\xdf\xff\xff\xff\xff"),     /* a map of 4 G names */
        B("\xdd\xff\xff\xff\xff\xc0"), /* a list of 4 G */
        B("\xc6\xff\xff\xff\xff\x00"), /* 4 GiB of bytes */
        B("\x81\x01\x02"),             /* a name that is a number */
        B("\x82\xa1"
          "a\x01\xa1"
          "a\x02"),                                /* a name twice */
        B("\x81\xa1\xff\x01"),                     /* not UTF-8 */
        B("\x81\xa1\x00\x01"),                     /* text with a NUL */
        B("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), /* beyond int64 */
        B("\xd4\x01\x01"),                         /* an extension type */
        B("\xc1"),                                 /* never used */
        B("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
          "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0"),
        B("\x82\xa3umt\x02\xa7history\x90"), /* a version to come */
        B("\x81\xa3umt\x01"),                /* no history */
        B("\x82\xa3"
          "end\x00\xa5index\xc2"), /* a trailer first */
#undef B
    };
    struct um_arena *a;

    (void)state;
    OK(um_arena_new(&a));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct um_buf frame = { 0 };
        void         *cctx  = NULL;

        OK(um_frame_write(&frame, (int)(i % 2), &cctx, (const uint8_t *)bad[i].bytes, bad[i].n));
        um_frame_cctx_free(cctx);
        spill(at("bad.umt"), frame.p, frame.n);
        um_buf_free(&frame);
        assert_int_equal(judge(at("bad.umt"), 1, 0, false, a), REFUSED);
    }
    um_arena_free(a);
}

/* a record whose shape is changed under the data */
static void shapes_must_fit_their_data(void **state)
{
    static const struct {
        const char *dtype;
        int64_t     a, b;
        size_t      bytes;
    } bad[] = {
        { "float32", 2, 3, 23 },
        { "float32", 2, 3, 25 },
        { "float32", 2, -3, 24 },
        { "float33", 2, 3, 24 },
        { "uint8", INT64_MAX, INT64_MAX, 1 },
        { "uint8", 0, INT64_MAX, 0 },
        { "uint8", (int64_t)1 << 32, (int64_t)1 << 32, 0 },
    };
    struct um_arena *a;

    (void)state;
    OK(um_arena_new(&a));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char            zeros[32] = { 0 };
        const char     *field[] = { "dtype", "shape", "data" }, *name[] = { "image" };
        const char     *top[]  = { "key", "meta", "tensors" };
        struct um_value dim[]  = { { .kind = UM_INT, .i = bad[i].a },
                                   { .kind = UM_INT, .i = bad[i].b } };
        struct um_value part[] = {
            { .kind = UM_STR, .s = bad[i].dtype, .n = (int64_t)strlen(bad[i].dtype) },
            { .kind = UM_LIST, .n = 2, .item = dim },
            { .kind = UM_BIN, .s = zeros, .n = (int64_t)bad[i].bytes }
        };
        struct um_value       tensor = { .kind = UM_MAP, .n = 3, .key = field, .item = part };
        struct um_value       item[] = { { .kind = UM_STR, .s = "k", .n = 1 },
                                         { .kind = UM_MAP },
                                         { .kind = UM_MAP, .n = 1, .key = name, .item = &tensor } };
        const struct um_value v      = { .kind = UM_MAP, .n = 3, .key = top, .item = item };
        struct um_record     *rec;

        assert_int_equal(um_message_to_record(a, &v, &rec), UM_EFORMAT);
        assert_non_null(strstr(um_errmsg(), "record k"));
    }
    um_arena_free(a);
}

static void writer_refuses_what_cannot_be_read(void **state)
{
    struct um_writer_opts opts = { .level = 1 };
    struct um_outfile    *out;
    struct um_writer     *w;
    struct um_arena      *a;
    struct um_record     *rec;
    struct um_value       h;
    char                  longkey[1100];

    (void)state;
    OK(um_arena_new(&a));
    OK(um_outfile_open(&out, at("w.umt")));
    OK(um_writer_open(&w, out, &opts));
    make_header(a, 0, &h);
    OK(um_record_new(a, "k", &rec));
    assert_int_equal(um_writer_record(w, rec), UM_ERANGE); /* no header yet */
    OK(um_writer_part(w, &h));
    OK(um_writer_record(w, rec));
    assert_int_equal(um_writer_record(w, rec), UM_EDUPLICATE);
    memset(longkey, 'x', sizeof longkey);
    longkey[sizeof longkey - 1] = 0;
    rec->key                    = longkey;
    assert_int_equal(um_writer_record(w, rec), UM_ERANGE);
    rec->key = "a\nb";
    assert_int_equal(um_writer_record(w, rec), UM_EFORMAT);
    rec->key = "";
    assert_int_equal(um_writer_record(w, rec), UM_ERANGE);
    rec->key = "m";
    OK(um_map_set_str(a, &rec->meta, "report", "caf\xe9"));
    assert_int_equal(um_writer_record(w, rec), UM_EFORMAT);
    OK(um_map_set_str(a, &rec->meta, "report", "fine"));
    OK(um_writer_record(w, rec));
    OK(um_writer_part(w, &h)); /* keys are unique within a part alone */
    OK(um_writer_record(w, rec));
    OK(um_outfile_close(out, um_writer_close(w, UM_OK), 0));
    struct um_tensor t;
    assert_int_equal(um_tensor_new(a, "v", UM_F32, 2, (int64_t[]){ 1 << 15, 1 << 15 }, &t),
                     UM_ERANGE);
    assert_int_equal(um_tensor_new(a, "v", UM_F32, 1, (int64_t[]){ -1 }, &t), UM_ERANGE);
    opts.level = 20;
    assert_int_equal(um_writer_open(&w, NULL, &opts), UM_ERANGE);
    um_arena_free(a);
}

static void values_as_json(void **state)
{
    struct um_arena *a;
    struct um_value  m = { .kind = UM_MAP };
    char            *text;

    (void)state;
    OK(um_arena_new(&a));
    OK(um_map_set_str(a, &m, "s", "a\"\\\n\x01\xc3\xa9"));
    OK(um_map_set_num(a, &m, "third", 1. / 3));
    OK(um_map_set_num(a, &m, "one", 1));
    OK(um_map_set_num(a, &m, "nan", NAN));
    OK(um_map_set_nums(a, &m, "l", (double[]){ 0.1, -1e300 }, 2));
    OK(um_map_set_int(a, &m, "i", INT64_MIN));
    assert_true(um_map_remove(&m, "one"));
    assert_false(um_map_remove(&m, "one"));
    OK(um_value_json(a, &m, &text));
    assert_string_equal(text, "{\"s\":\"a\\\"\\\\\\n\\u0001\xc3\xa9\",\"third\":0.3333333333333333,"
                              "\"nan\":null,\"l\":[0.1,-1e+300],\"i\":-9223372036854775808}");
    um_arena_free(a);
}

static void missing_tensors_name_their_tool(void **state)
{
    struct um_arena        *a;
    const struct um_tensor *t;

    (void)state;
    OK(um_arena_new(&a));
    const struct um_record *rec = make_record(a, 1, false);
    assert_int_equal(um_record_get(rec, "ids", UM_I32, 1, &t), UM_EMISSING);
    assert_string_equal(um_errmsg(), "`ids` missing: run um-tokenize");
    assert_int_equal(um_record_get(rec, "float32", UM_F64, -1, &t), UM_EDTYPE);
    assert_int_equal(um_record_get(rec, "float32", UM_F32, 7, &t), UM_ESHAPE);
    OK(um_record_get(rec, "float32", UM_NDTYPE, -1, &t));
    um_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(packed_gives_the_same_bytes),
        cmocka_unit_test(joined_by_cat),
        cmocka_unit_test(random_access),
        cmocka_unit_test(a_long_index),
        cmocka_unit_test(no_flipped_bit_gives_other_values),
        cmocka_unit_test(no_cut_is_taken_for_the_whole),
        cmocka_unit_test(lost_doubled_and_moved_frames_show),
        cmocka_unit_test(hostile_sizes_are_refused),
        cmocka_unit_test(shapes_must_fit_their_data),
        cmocka_unit_test(writer_refuses_what_cannot_be_read),
        cmocka_unit_test(values_as_json),
        cmocka_unit_test(missing_tensors_name_their_tool),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
