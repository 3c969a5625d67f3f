/* feed.c - inputs one after the other, and their headers before their records */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct input {
    const char       *path; /* to open; NULL for standard input as it is */
    const char       *name;
    bool              regular; /* can be read twice */
    int64_t           size;    /* -1: not known */
    int               spool;   /* descriptor of the copy, or -1 */
    struct um_reader *reader;
    struct um_index  *ix;
    int64_t           first; /* number of its first record, when random */
};

struct um_feed {
    struct um_arena *arena;
    struct um_join   join;
    struct input    *in;
    int              n, now;
    int64_t          count, done; /* done: bytes of the inputs behind us */
    bool             random, keep;
};

/* ---- opening ---- */

static int copy(int from, int to, const char *name)
{
    static const size_t chunk = 1 << 16;
    char               *buf   = malloc(chunk);
    int                 st    = buf ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
    ssize_t             got   = 0;

    while (st >= 0 && (got = read(from, buf, chunk)) != 0) {
        if (got < 0 && errno != EINTR)
            st = um_fail_errno("%s", name);
        for (ssize_t at = 0, put; st >= 0 && at < got; at += put < 0 ? 0 : put)
            if ((put = write(to, buf + at, (size_t)(got - at))) < 0 && errno != EINTR)
                st = um_fail_errno("%s: copy in TMPDIR", name);
    }
    free(buf);
    return st;
}

/* a copy that has no name and vanishes with us */
static int spool(struct um_feed *f, struct input *in)
{
    const char *dir  = getenv("TMPDIR");
    char       *path = um_sprintf(f->arena, "%s/um-spool-XXXXXX", dir && *dir ? dir : "/tmp");
    const int   from = in->path ? open(in->path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;

    if (from < 0)
        return um_fail_errno("%s", in->name);
    if (!path || (in->spool = mkstemp(path)) < 0) {
        const int st = path ? um_fail_errno("%s", path) : UM_ENOMEM;
        if (in->path)
            (void)close(from);
        return st;
    }
    (void)unlink(path);
    const int st = copy(from, in->spool, in->name);
    if (in->path)
        (void)close(from);
    UM_TRY(st);
    in->regular = true;
    in->size    = lseek(in->spool, 0, SEEK_CUR);
    in->path    = um_sprintf(f->arena, "/proc/self/fd/%d", in->spool);
    return in->path ? UM_OK : UM_ENOMEM;
}

static int look(struct input *in, const char *file)
{
    const bool  std = !file || strcmp(file, "-") == 0;
    struct stat sb;

    in->path = std ? NULL : file;
    in->name = std ? "standard input" : file;
    if ((std ? fstat(STDIN_FILENO, &sb) : stat(file, &sb)) != 0)
        return um_fail_errno("%s", in->name);
    in->regular = S_ISREG(sb.st_mode) && (!std || lseek(STDIN_FILENO, 0, SEEK_CUR) == 0);
    in->size    = in->regular ? sb.st_size : -1;
    if (std && in->regular)
        in->path = "/proc/self/fd/0";
    return UM_OK;
}

static int open_reader(const struct um_feed *f, struct input *in)
{
    UM_TRY(um_reader_open(&in->reader, in->path));
    if (f->keep)
        um_reader_keep(in->reader);
    return um_reader_rename(in->reader, in->name);
}

static void close_reader(struct input *in)
{
    um_reader_close(in->reader);
    in->reader = NULL;
}

/* the headers of all parts, by going through them */
static int scan_headers(struct um_feed *f, struct input *in)
{
    struct um_arena  *a;
    struct um_record *rec;
    int               st;

    UM_TRY(um_arena_new(&a));
    st = open_reader(f, in);
    while (st >= 0 && (st = um_reader_next(in->reader, a, &rec)) > 0) {
        if (st == UM_NEXT_PART)
            st = um_join_add(&f->join, um_reader_header(in->reader), in->name);
        um_arena_reset(a);
    }
    close_reader(in);
    um_arena_free(a);
    return st;
}

static int headers_of_file(struct um_feed *f, struct input *in)
{
    int st = um_index_open(&in->ix, in->path);

    if (st < 0) { /* a damaged or cut file is told best from its front */
        const char *why = um_strndup(f->arena, um_errmsg(), strlen(um_errmsg()));

        UM_TRY(scan_headers(f, in));
        if (f->random)
            um_seterrmsg(why ? why : "out of memory");
        return f->random ? st : UM_OK;
    }
    for (int p = 0; p < um_index_parts(in->ix); p++)
        UM_TRY(um_join_add(&f->join, um_index_part_header(in->ix, p), in->name));
    in->first = f->count;
    f->count += um_index_count(in->ix);
    if (!f->random) {
        um_index_close(in->ix);
        in->ix = NULL;
    }
    return UM_OK;
}

static int headers_of_pipe(struct um_feed *f, struct input *in)
{
    struct um_record *rec;

    UM_TRY(open_reader(f, in));
    UM_TRY(um_reader_next(in->reader, f->arena, &rec)); /* the header comes first, or an error */
    return um_join_add(&f->join, um_reader_header(in->reader), in->name);
}

static int open_all(struct um_feed *f, char **files, const struct um_feed_opts *opts)
{
    int std = 0;

    UM_TRY(um_arena_new(&f->arena));
    f->join.arena = f->arena;
    while (files && files[f->n])
        f->n++;
    const int n = f->n ? f->n : 1;
    f->n        = 0;
    if (!(f->in = um_calloc_array(f->arena, n, sizeof *f->in)))
        return UM_ENOMEM;
    for (; f->n < n;) {
        struct input *in = &f->in[f->n];

        in->spool = -1;
        UM_TRY(look(in, files ? files[f->n] : NULL));
        f->n++;
        std += strcmp(in->name, "standard input") == 0;
        if (std > 1)
            return um_fail(UM_EUSAGE, "standard input is named twice");
        if (!in->regular && (opts->random || opts->spool))
            UM_TRY(spool(f, in));
        UM_TRY(in->regular ? headers_of_file(f, in) : headers_of_pipe(f, in));
    }
    return UM_OK;
}

int um_feed_open(struct um_feed **feed, char **files, const struct um_feed_opts *opts)
{
    struct um_feed *f = calloc(1, sizeof *f);

    if (!f)
        return um_fail(UM_ENOMEM, "out of memory");
    f->random    = opts->random;
    f->keep      = opts->keep;
    const int st = open_all(f, files, opts);
    if (st < 0) {
        um_feed_close(f);
        return st;
    }
    *feed = f;
    return UM_OK;
}

void um_feed_close(struct um_feed *f)
{
    if (!f)
        return;
    for (int i = 0; i < f->n; i++) {
        close_reader(&f->in[i]);
        um_index_close(f->in[i].ix);
        if (f->in[i].spool >= 0)
            (void)close(f->in[i].spool);
    }
    um_arena_free(f->arena);
    free(f);
}

struct um_join *um_feed_join(struct um_feed *f)
{
    return &f->join;
}

/* ---- reading ---- */

/* our header is written already: what a part adds to it now comes too late */
static int check_part(struct um_feed *f, struct input *in)
{
    const int fresh = um_join_add(&f->join, um_reader_header(in->reader), in->name);

    if (fresh > 0)
        return um_fail(
            UM_EMISMATCH,
            "%s: a later part has another header than the first; --spool reads all first",
            in->name);
    return fresh;
}

int um_feed_next(struct um_feed *f, struct um_arena *arena, struct um_record **rec, int *input)
{
    while (f->now < f->n) {
        struct input *in = &f->in[f->now];

        if (!in->reader)
            UM_TRY(open_reader(f, in));
        const int st = um_reader_next(in->reader, arena, rec);
        if (st < 0)
            return st;
        *input = f->now;
        if (st == UM_NEXT_RECORD)
            return 1;
        if (st == UM_NEXT_PART) {
            UM_TRY(check_part(f, in));
            continue;
        }
        f->done += um_reader_bytes(in->reader);
        close_reader(in);
        f->now++;
    }
    return 0;
}

int64_t um_feed_count(const struct um_feed *f)
{
    return f->count;
}

static int input_of(const struct um_feed *f, int64_t i)
{
    int lo = 0, hi = f->n - 1;

    while (lo < hi) {
        const int mid = (lo + hi + 1) / 2;

        if (f->in[mid].first <= i)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

int um_feed_key(struct um_feed *f, int64_t i, char key[UM_MAX_KEY + 1])
{
    const struct input *in = &f->in[input_of(f, i)];

    return um_index_key(in->ix, i - in->first, key);
}

int um_feed_read(struct um_feed *f, int64_t i, struct um_arena *arena, struct um_record **rec,
                 int *input)
{
    *input                 = input_of(f, i);
    const struct input *in = &f->in[*input];
    return um_index_read(in->ix, i - in->first, arena, rec);
}

int64_t um_feed_bytes(const struct um_feed *f)
{
    const struct um_reader *r = f->now < f->n ? f->in[f->now].reader : NULL;

    return f->done + (r ? um_reader_bytes(r) : 0);
}

int64_t um_feed_size(const struct um_feed *f)
{
    int64_t sum = 0;

    for (int i = 0; i < f->n; i++) {
        if (f->in[i].size < 0)
            return -1;
        sum += f->in[i].size;
    }
    return sum;
}
