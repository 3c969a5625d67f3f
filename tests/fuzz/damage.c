/* damage.c - cut streams and flip bits in them at random, and count what a reader makes of it
 * usage: damage COUNT SEED FILE ...
 *
 * Prints one line a file: how many cuts and flips were refused, how many had no effect, and how
 * many were accepted with other values than were written (exit 1 unless that is 0). "Other values"
 * is any record handed out, from the front or by the index, that is not the one at that place in
 * the undamaged file, and an end that is taken for the end of the stream though records are
 * missing. A cut between two parts that were joined by cat(1) would count too: give streams of our
 * writer.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/philox.h"
#include "stream/umt.h"

enum verdict { REFUSED, SAME, OTHER };

/* the stream as it was written: a digest of each header and record, in order */
struct truth {
    uint64_t *digest;
    int64_t   n, cap, records;
};

static void die(void)
{
    (void)fprintf(stderr, "damage: %s\n", um_errmsg());
    exit(2);
}

static uint64_t digest_record(struct um_arena *a, const struct um_record *rec)
{
    char    *meta;
    uint64_t h;

    if (um_value_json(a, &rec->meta, &meta) < 0)
        die();
    h = um_hash64(rec->key, strlen(rec->key)) * 31 + um_hash64(meta, strlen(meta));
    for (int i = 0; i < rec->ntensor; i++) {
        const struct um_tensor *t = &rec->tensor[i];

        h = h * 31 + um_hash64(t->name, strlen(t->name));
        h = h * 31 + (uint64_t)t->dtype;
        h = h * 31 + um_hash64(t->dim, (size_t)t->ndim * sizeof t->dim[0]);
        h = h * 31 + um_hash64(t->data, um_tensor_bytes(t));
    }
    return h;
}

static uint64_t digest_header(struct um_arena *a, const struct um_value *v)
{
    char *text;

    if (um_value_json(a, v, &text) < 0)
        die();
    return um_hash64(text, strlen(text));
}

static void remember(struct truth *t, uint64_t digest)
{
    if (t->n == t->cap) {
        t->cap    = t->cap ? 2 * t->cap : 64;
        t->digest = realloc(t->digest, (size_t)t->cap * sizeof *t->digest);
        if (!t->digest)
            exit(2);
    }
    t->digest[t->n++] = digest;
}

/* go through the stream: learn it, or compare it with what was learnt */
static enum verdict go(const char *path, struct um_arena *a, struct truth *t, bool learn)
{
    struct um_reader *r;
    struct um_record *rec;
    bool              same = true;
    int64_t           i    = 0;
    int               st;

    if (um_reader_open(&r, path) < 0)
        die();
    while ((st = um_reader_next(r, a, &rec)) > 0) {
        const bool     part = st == UM_NEXT_PART;
        const uint64_t d    = part ? digest_header(a, um_reader_header(r)) : digest_record(a, rec);

        if (learn) {
            t->records += !part;
            remember(t, d);
        } else {
            same = same && i < t->n && t->digest[i] == d;
            i++;
        }
        um_arena_reset(a);
    }
    um_reader_close(r);
    if (learn && st < 0)
        die();
    return !same ? OTHER : st < 0 ? REFUSED : i == t->n ? SAME : OTHER;
}

/* by the index: every record that comes must be one of the stream, under its key */
static enum verdict go_index(const char *path, struct um_arena *a, const struct truth *t,
                             const uint64_t *by_number)
{
    struct um_index  *ix;
    struct um_record *rec;
    enum verdict      v = SAME;

    if (um_index_open(&ix, path) < 0)
        return REFUSED;
    const bool whole = um_index_count(ix) == t->records;
    for (int64_t i = 0; i < um_index_count(ix); i++) {
        const int st = um_index_read(ix, i, a, &rec);

        if (st < 0)
            v = v == OTHER ? OTHER : REFUSED;
        else if (!whole || digest_record(a, rec) != by_number[i])
            v = OTHER;
        um_arena_reset(a);
    }
    um_index_close(ix);
    return v;
}

static uint64_t *learn_index(const char *path, struct um_arena *a, const struct truth *t)
{
    uint64_t         *d = calloc((size_t)t->records + 1, sizeof *d);
    struct um_index  *ix;
    struct um_record *rec;

    if (!d || um_index_open(&ix, path) < 0)
        die();
    for (int64_t i = 0; i < t->records; i++) {
        if (um_index_read(ix, i, a, &rec) < 0)
            die();
        d[i] = digest_record(a, rec);
        um_arena_reset(a);
    }
    um_index_close(ix);
    return d;
}

static int damage(const char *file, int64_t count, uint64_t seed)
{
    struct um_arena *a;
    struct truth     t = { 0 };
    uint8_t         *data;
    size_t           n;
    char             path[64];
    int64_t          cut[3] = { 0 }, flip[3] = { 0 }, index[3] = { 0 };
    const int        fd = memfd_create("damage", MFD_CLOEXEC);

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (um_arena_new(&a) < 0 || um_file_read(a, file, SIZE_MAX / 2, &data, &n) < 0)
        die();
    uint8_t *whole = malloc(n);
    if (fd < 0 || !whole || n == 0)
        exit(2);
    memcpy(whole, data, n);
    um_arena_reset(a);
    (void)go(file, a, &t, true);
    uint64_t     *by_number = learn_index(file, a, &t);
    struct um_rng rng       = um_rng_at(seed, UM_RNG_TEST, um_hash64(whole, n), 0);
    for (int64_t i = 0; i < count; i++) {
        const size_t  left = (size_t)um_rng_below(&rng, n);
        const size_t  bit  = (size_t)um_rng_below(&rng, 8 * (uint64_t)n);
        const uint8_t bad  = (uint8_t)(whole[bit / 8] ^ 1u << bit % 8);

        if (ftruncate(fd, 0) != 0 || pwrite(fd, whole, left, 0) != (ssize_t)left)
            exit(2);
        cut[go(path, a, &t, false)]++;
        if (pwrite(fd, whole, n, 0) != (ssize_t)n || pwrite(fd, &bad, 1, (off_t)(bit / 8)) != 1)
            exit(2);
        flip[go(path, a, &t, false)]++;
        index[go_index(path, a, &t, by_number)]++;
    }
    (void)printf("%s: %zu bytes, %" PRId64 " records\n"
                 "  cuts:  %" PRId64 " refused, %" PRId64 " accepted\n"
                 "  flips: %" PRId64 " refused, %" PRId64 " without effect, %" PRId64
                 " accepted with other values\n"
                 "  flips, by the index: %" PRId64 " refused, %" PRId64 " without effect, %" PRId64
                 " accepted with other values\n",
                 file, n, t.records, cut[REFUSED], cut[SAME] + cut[OTHER], flip[REFUSED],
                 flip[SAME], flip[OTHER], index[REFUSED], index[SAME], index[OTHER]);
    (void)fflush(stdout);
    free(by_number);
    free(t.digest);
    free(whole);
    um_arena_free(a);
    (void)close(fd);
    return cut[SAME] + cut[OTHER] + flip[OTHER] + index[OTHER] != 0;
}

int main(int argc, char **argv)
{
    int bad = 0;

    if (argc < 4) {
        (void)fputs("usage: damage COUNT SEED FILE ...\n", stderr);
        return 2;
    }
    for (int i = 3; i < argc; i++)
        bad |= damage(argv[i], atoll(argv[1]), strtoull(argv[2], NULL, 10));
    return bad;
}
