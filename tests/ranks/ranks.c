/* ranks.c - one of the processes that tests/pipeline/ranks.bats starts by mpirun
 *
 * usage: ranks MODE [ARGUMENT]
 *   check         every function against what it must give; rank 0 prints a digest of all results
 *   big           blocks of more than 2^31 bytes: by hand, for it takes 7 GiB on two ranks
 *   alone RANK    that rank fails while the others wait for it
 *   die RANK      that rank is killed while the others wait for it
 *   agree RANK    that rank fails where all arrive (-1: every rank, alike)
 *   stop          every rank stops as asked
 *   twice         opens, closes, opens again
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/philox.h"
#include "cli/cli.h"
#include "ranks/ranks.h"

static struct um_ranks     *ranks;
static struct um_hash      *seen; /* of all results */
static const struct um_tool tool = { .name = "ranks" };

#define HOLDS(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            return um_fail(UM_EMISMATCH, "line %d: %s", __LINE__, #cond);                          \
    } while (0)

/* every rank can draw every rank's numbers */
static struct um_rng draws(int rank, int64_t n)
{
    return um_rng_at(7, UM_RNG_TEST, (uint64_t)n, (uint32_t)rank);
}

/* of any size and sign: in another order their sum has other bits */
static double draw(struct um_rng *g)
{
    const uint32_t bits = um_rng_u32(g);

    return ldexp((double)(int32_t)bits, (int)(bits % 61) - 61);
}

static void *block(int64_t n, size_t width)
{
    void *p = malloc((size_t)(n ? n : 1) * width);

    if (!p)
        abort();
    return p;
}

/* the same bytes on all ranks? */
static int alike(const void *data, size_t n)
{
    char  mine[UM_HASH_HEX];
    char *all  = block(um_ranks_size(ranks), sizeof mine);
    bool  same = true;

    um_hash_add(seen, data, n);
    um_hash_bytes_hex(data, n, mine);
    const int st = um_ranks_gather(ranks, mine, sizeof mine, all);
    for (int i = 0; i < um_ranks_size(ranks); i++)
        same = same && memcmp(all + (size_t)i * sizeof mine, mine, sizeof mine) == 0;
    free(all);
    UM_TRY(st);
    HOLDS(same);
    return UM_OK;
}

/* ---- sums ---- */

static int sum_float(int64_t n)
{
    float  *x    = block(n, sizeof *x);
    double *want = block(n, sizeof *want);
    bool    same = true;

    for (int i = 0; i < um_ranks_size(ranks); i++) {
        struct um_rng g = draws(i, n);

        for (int64_t j = 0; j < n; j++) {
            const float v = (float)draw(&g);

            want[j] = i ? want[j] + (double)v : (double)v;
            if (i == um_ranks_rank(ranks))
                x[j] = v;
        }
    }
    int st = um_ranks_sum(ranks, x, n);
    for (int64_t j = 0; j < n; j++) {
        const float w = (float)want[j];

        same = same && memcmp(&x[j], &w, sizeof w) == 0;
    }
    st = st < 0 ? st : alike(x, (size_t)n * sizeof *x);
    free(x);
    free(want);
    UM_TRY(st);
    HOLDS(same);
    return UM_OK;
}

static int sum_double(int64_t n)
{
    double *x    = block(n, sizeof *x);
    double *want = block(n, sizeof *want);
    bool    same = true;

    for (int i = 0; i < um_ranks_size(ranks); i++) {
        struct um_rng g = draws(i, n);

        for (int64_t j = 0; j < n; j++) {
            const double v = draw(&g);

            want[j] = i ? want[j] + v : v;
            if (i == um_ranks_rank(ranks))
                x[j] = v;
        }
    }
    int st = um_ranks_sum_double(ranks, x, n);
    for (int64_t j = 0; j < n; j++)
        same = same && memcmp(&x[j], &want[j], sizeof *x) == 0;
    st = st < 0 ? st : alike(x, (size_t)n * sizeof *x);
    free(x);
    free(want);
    UM_TRY(st);
    HOLDS(same);
    return UM_OK;
}

static int whole_numbers(int64_t n)
{
    int64_t *x = block(n, sizeof *x), *y = block(n, sizeof *y);
    bool     same = true;
    int      st;

    for (int64_t j = 0; j < n; j++) {
        struct um_rng g = draws(um_ranks_rank(ranks), j);

        x[j] = y[j] = (int64_t)um_rng_below(&g, 1ULL << 62) - (1LL << 61);
    }
    if ((st = um_ranks_sum_int64(ranks, x, n)) >= 0)
        st = um_ranks_max(ranks, y, n);
    for (int64_t j = 0; j < n; j++) {
        uint64_t sum  = 0;
        int64_t  most = INT64_MIN;

        for (int i = 0; i < um_ranks_size(ranks); i++) {
            struct um_rng g = draws(i, j);
            const int64_t v = (int64_t)um_rng_below(&g, 1ULL << 62) - (1LL << 61);

            sum += (uint64_t)v;
            most = v > most ? v : most;
        }
        same = same && x[j] == (int64_t)sum && y[j] == most;
    }
    st = st < 0 ? st : alike(x, (size_t)n * sizeof *x);
    st = st < 0 ? st : alike(y, (size_t)n * sizeof *y);
    free(x);
    free(y);
    UM_TRY(st);
    HOLDS(same);
    return UM_OK;
}

/* what is not finite on one rank is not on any; the rest is untouched by it */
static int not_finite(void)
{
    const int last = um_ranks_size(ranks) - 1;
    float     x[5] = { 1, 1, 1, 1, -0.0F };

    if (um_ranks_rank(ranks) == last) {
        x[1] = NAN;
        x[2] = INFINITY;
    } else {
        x[2] = -INFINITY;
    }
    UM_TRY(um_ranks_sum(ranks, x, 5));
    HOLDS(x[0] == (float)(last + 1) && x[3] == (float)(last + 1));
    HOLDS(isnan(x[1]));
    HOLDS(last ? isnan(x[2]) : isinf(x[2]));
    HOLDS(x[4] == 0 && signbit(x[4]));
    return UM_OK;
}

static int sums(void)
{
    const int64_t R        = um_ranks_size(ranks);
    const int64_t sizes[]  = { 0, 1, 2, 3, 5, R - 1, R, R + 1, 1000, 4097 };
    const int64_t chunks[] = { (1 << 20) - 1, (1 << 20) + 3 }; /* floats: one chunk, two */

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        UM_TRY(sum_float(sizes[i]));
        UM_TRY(sum_double(sizes[i]));
        UM_TRY(whole_numbers(sizes[i]));
    }
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++)
        UM_TRY(sum_float(chunks[i]));
    UM_TRY(sum_double((1 << 19) + 1));
    return not_finite();
}

/* ---- bytes ---- */

static void fill(unsigned char *x, size_t n, int rank)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (unsigned char)(i * 31 + i / 251 + (size_t)rank * 101);
}

static bool filled(const unsigned char *x, size_t n, int rank)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] != (unsigned char)(i * 31 + i / 251 + (size_t)rank * 101))
            return false;
    return true;
}

static int gather(size_t n, bool in_place)
{
    const int      R = um_ranks_size(ranks), rank = um_ranks_rank(ranks);
    unsigned char *all  = block((int64_t)(n * (size_t)R + 1), 1);
    unsigned char *mine = in_place ? all + (size_t)rank * n : block((int64_t)n, 1);
    bool           same = true;

    fill(mine, n, rank);
    all[n * (size_t)R] = 0xa5;
    int st             = um_ranks_gather(ranks, mine, n, all);
    for (int i = 0; i < R; i++)
        same = same && filled(all + (size_t)i * n, n, i);
    same = same && all[n * (size_t)R] == 0xa5;
    st   = st < 0 ? st : alike(all, n * (size_t)R);
    if (!in_place)
        free(mine);
    free(all);
    UM_TRY(st);
    HOLDS(same);
    return UM_OK;
}

static int bcast(size_t n, int root)
{
    unsigned char *x = block((int64_t)n + 1, 1);

    fill(x, n, um_ranks_rank(ranks));
    x[n]            = 0xa5;
    const int  st   = um_ranks_bcast(ranks, x, n, root);
    const bool same = filled(x, n, root) && x[n] == 0xa5;
    free(x);
    UM_TRY(st);
    HOLDS(same);
    return UM_OK;
}

static int bytes(void)
{
    static const size_t sizes[] = { 0, 1, 3, 4096, 100003, (1 << 22) + 5 };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        UM_TRY(gather(sizes[i], false));
        UM_TRY(gather(sizes[i] / 2, true));
        for (int root = 0; root < um_ranks_size(ranks); root++)
            UM_TRY(bcast(sizes[i], root));
    }
    return UM_OK;
}

static int big(void)
{
    const size_t n = ((size_t)1 << 31) / (size_t)um_ranks_size(ranks) + 12345;

    UM_TRY(gather(n, true));
    return bcast(((size_t)1 << 31) + 5, um_ranks_size(ranks) - 1);
}

/* ---- the rest ---- */

static int shares(void)
{
    const int R = um_ranks_size(ranks);
    int64_t   from, n;
    int       count;

    HOLDS(um_ranks_local(ranks, &count) == um_ranks_rank(ranks) && count == R); /* one host */

    UM_TRY(um_ranks_share(ranks, 12LL * R, &from, &n));
    HOLDS(n == 12 && from == 12LL * um_ranks_rank(ranks));
    if (R > 1)
        HOLDS(um_ranks_share(ranks, 12LL * R + 1, &from, &n) == UM_ERANGE);
    return UM_OK;
}

/* a failure agreed on that is not the end: the next one starts anew */
static int recovers(void)
{
    const int last = um_ranks_size(ranks) - 1;
    char      want[64];

    UM_TRY(um_ranks_agree(ranks, UM_OK));
    const bool me = um_ranks_rank(ranks) == last;
    HOLDS(um_ranks_agree(ranks, me ? um_fail(UM_ERANGE, "no %d", 5) : 1) == UM_ERANGE);
    (void)snprintf(want, sizeof want, last ? "rank %d of %d: no 5" : "no 5", last, last + 1);
    HOLDS(strcmp(um_errmsg(), want) == 0);
    return um_ranks_agree(ranks, 3);
}

static int check(void)
{
    char hex[UM_HASH_HEX];

    UM_TRY(um_hash_new(&seen));
    UM_TRY(sums());
    UM_TRY(bytes());
    UM_TRY(shares());
    UM_TRY(recovers());
    UM_TRY(um_ranks_barrier(ranks));
    um_hash_hex(seen, hex);
    if (um_ranks_rank(ranks) == 0)
        printf("rank %d of %d, %s\n%s\n", um_ranks_rank(ranks), um_ranks_size(ranks),
               um_ranks_name(ranks), hex);
    return UM_OK;
}

static int fail_alone(int who, bool die)
{
    UM_TRY(um_ranks_barrier(ranks));
    if (um_ranks_rank(ranks) == who && die)
        (void)raise(SIGKILL);
    if (um_ranks_rank(ranks) == who)
        return um_fail(UM_EFORMAT, "record p7: \"volume\": cut");
    for (;;)
        UM_TRY(um_ranks_barrier(ranks)); /* for ever, were it not for the abort */
}

static int run(const char *mode, int arg)
{
    UM_TRY(um_ranks_open(&ranks));
    if (strcmp(mode, "check") == 0)
        return check();
    if (strcmp(mode, "big") == 0)
        return um_hash_new(&seen) < 0 ? UM_ENOMEM : big();
    if (strcmp(mode, "alone") == 0 || strcmp(mode, "die") == 0)
        return fail_alone(arg, mode[0] == 'd');
    if (strcmp(mode, "agree") == 0)
        return um_ranks_agree(ranks, arg < 0 || um_ranks_rank(ranks) == arg
                                         ? um_fail(UM_EIO, "ckpt-000008: disk full")
                                         : UM_OK);
    if (strcmp(mode, "stop") == 0)
        return um_ranks_agree(ranks, um_fail(UM_ESTOPPED, "stopped after step 8"));
    if (strcmp(mode, "twice") == 0) {
        (void)um_ranks_close(ranks, UM_OK, 0);
        return um_ranks_open(&ranks);
    }
    return um_usage("no mode %s", mode);
}

int main(int argc, char **argv)
{
    const int st   = run(argc > 1 ? argv[1] : "", argc > 2 ? atoi(argv[2]) : 0);
    const int code = um_exit(&tool, um_ranks_blame(ranks, st));

    um_hash_free(seen);
    return um_ranks_close(ranks, st, code);
}
