/* damage_weights.c - damage weights files of every kind at random, and count what becomes of them
 * usage: damage_weights COUNT SEED     COUNT damaged files of each kind
 *        damage_weights FOLDER         write the files, and what is inside them for fuzz_weights.c
 *
 * Prints one line a kind. Exit 1 if a bit that was flipped, or a cut, in a zip archive (which has
 * checksums) gave other values than were written; if a message is not one line; if memory ran out
 * (it is limited: no number in a small file may ask for much).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/philox.h"
#include "weights_seeds.h"
#include "weights_walk.h"

static const char *const words[] = { "\xff\xff\xff\xff", "\xff\xff\xff\x7f", "\0\0\0\x80",
                                     "\0\0\0\0",         "\1\0\0\0",         "999999999999999999" };

static const char *kind_of(int i)
{
    static const char *const zip[] = { "zip", "zip as torch.save writes it", "zip with wide fields",
                                       "legacy" };

    return i >= 4 * SEED_PICKLES ? "safetensors" : zip[i % 4];
}

/* one change; true: a cut or a single bit, which a checksum must notice */
static bool damage(struct um_rng *rng, struct bytes *b)
{
    const size_t at  = b->n ? (size_t)um_rng_below(rng, b->n) : 0;
    const int    how = b->n ? (int)um_rng_below(rng, 10) : 5; /* nothing left but to cut */

    if (how < 5) {
        b->p[at] ^= (uint8_t)(1u << um_rng_below(rng, 8));
        return true;
    }
    if (how < 7) {
        b->n = at;
        return true;
    }
    if (how < 9) {
        const char  *word = words[um_rng_below(rng, sizeof words / sizeof words[0])];
        const size_t n    = word[0] == '9' ? strlen(word) : 4;

        memcpy(b->p + at, word, n < b->n - at ? n : b->n - at);
    } else { /* bytes from elsewhere in the file */
        const size_t from = (size_t)um_rng_below(rng, b->n), most = b->n - (at > from ? at : from);

        memmove(b->p + at, b->p + from, (size_t)um_rng_below(rng, most + 1));
    }
    return false;
}

static int run(int kind, int64_t count, uint64_t seed)
{
    struct um_rng rng     = um_rng_at(seed, UM_RNG_TEST, (uint64_t)kind, 0);
    const int     fd      = memfd_create("damage", MFD_CLOEXEC);
    int64_t       refused = 0, same = 0, other = 0, bad = 0;
    uint64_t      truth = 0;
    char          path[64];

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (int64_t i = -1; i < count; i++) { /* -1: the whole file */
        struct um_weights *w;
        struct bytes       b     = seed_file(kind);
        bool               small = i >= 0;

        for (int64_t k = i < 0 ? 0 : 1 + (int64_t)um_rng_below(&rng, 2) * 2; k > 0; k--)
            small = damage(&rng, &b) && small && k == 1;
        put(fd, b.p, b.n);
        free(b.p);
        const int st = um_weights_open(&w, path);
        if (st < 0) {
            if (i < 0 || st == UM_ENOMEM || !um_errmsg()[0] || strchr(um_errmsg(), '\n')) {
                (void)fprintf(stderr, "%s: %s\n", kind_of(kind), um_errmsg());
                bad++;
            }
            refused++;
            continue;
        }
        const uint64_t h = walk(w);
        um_weights_close(w);
        truth = i < 0 ? h : truth;
        same += h == truth;
        other += h != truth;
        bad += h != truth && small && kind < 4 * SEED_PICKLES && kind % 4 != 3;
    }
    (void)close(fd);
    (void)printf("%s: %" PRId64 " damaged, %" PRId64 " refused, %" PRId64
                 " without effect, %" PRId64 " other values; %" PRId64 " wrong\n",
                 kind_of(kind), count, refused, same - 1, other, bad);
    return bad != 0;
}

static void save(const char *folder, const char *kind, int i, const char *first, const void *p,
                 size_t n)
{
    char  path[4096];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s%d", folder, kind, i);
    if (!(f = fopen(path, "wb")) || fputs(first, f) < 0 || fwrite(p, 1, n, f) != n ||
        fclose(f) != 0)
        wrong("cannot write the seeds");
}

static int write_seeds(const char *folder)
{
    static const char index[] =
        "{\"metadata\": {\"total_size\": 24, \"k\": \"v\"}, \"weight_map\": "
        "{\"a\": \"1.bin\", \"b\": \"1.bin\", \"c\": \"0\"}}";

    for (int i = 0; i < SEED_FILES; i++) {
        struct bytes b = seed_file(i);

        save(folder, "file", i, "", b.p, b.n);
        free(b.p);
    }
    for (int i = 0; i < SEED_PICKLES; i++) {
        save(folder, "zip", i, "z", seed_pickles[i].p, seed_pickles[i].n);
        save(folder, "legacy", i, "l", seed_pickles[i].p, seed_pickles[i].n);
    }
    for (int i = 0; i < SEED_HEADERS; i++)
        save(folder, "header", i, "s", seed_headers[i], strlen(seed_headers[i]));
    save(folder, "index", 0, "", index, strlen(index));
    return 0;
}

int main(int argc, char **argv)
{
    const struct rlimit memory = { 1 << 30, 1 << 30 };
    int                 bad    = 0;

    if (argc == 2)
        return write_seeds(argv[1]);
    if (argc != 3) {
        (void)fputs("usage: damage_weights COUNT SEED\n       damage_weights FOLDER\n", stderr);
        return 2;
    }
    if (setrlimit(RLIMIT_AS, &memory) != 0)
        return 2;
    for (int i = 0; i < SEED_FILES; i++)
        bad |= run(i, atoll(argv[1]), strtoull(argv[2], NULL, 10));
    return bad;
}
