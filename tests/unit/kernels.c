/* kernels.c - devices, refusals, and the functions under the vector code; the operations themselves
 * are judged by tests/ops
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "kernels/load.h"
#include "kernels/vec.h"

static struct um_dev *open_cpu(struct um_pool *pool)
{
    struct um_dev *dev;

    assert_int_equal(um_dev_open(&dev, "cpu", pool), UM_OK);
    return dev;
}

/* e^x in units in the last place, at 100,000 places of the normal range */
static void exponential_is_accurate(void **state)
{
    double worst = 0;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        const float  x    = -87.3f + 176.0f * (float)i / 100000.0f;
        const double want = exp((double)x), ulp = want > FLT_MIN ? want * 0x1p-23 : FLT_MIN;
        const double e = fabs((double)um_vexp(um_vset(x))[0] - want) / ulp;

        worst = !(e <= worst) ? e : worst;
    }
    print_message("# worst error of e^x: %.2f units of 2^-23\n", worst);
    assert_true(worst <= 2);
    assert_true(um_vexp(um_vset(0))[0] == 1);
    assert_true(um_vexp(um_vset(-INFINITY))[0] == 0);
    assert_true(um_vexp(um_vset(INFINITY))[0] == INFINITY);
    assert_true(um_vexp(um_vset(88.9f))[0] == INFINITY);
    assert_true(isnan(um_vexp(um_vset(NAN))[0]));
}

static void normal_distribution_is_accurate(void **state)
{
    double worst = 0, tail = 0;

    (void)state;
    for (int i = 0; i <= 100000; i++) {
        const float  x    = -13.0f + 26.0f * (float)i / 100000.0f;
        const double want = 0.5 * erfc(-(double)x * 0.70710678118654752440);
        um_vf        cdf, bell;

        um_vnormal(um_vset(x), &cdf, &bell);
        const double e = fabs((double)cdf[0] - want), r = x > -3 ? e / want : 0;
        worst = !(e <= worst) ? e : worst;
        tail  = !(r <= tail) ? r : tail;
    }
    print_message("# worst error of Phi: %.2g, relative above -3: %.2g\n", worst, tail);
    assert_true(worst <= 2e-7);
    assert_true(tail <= 5e-7);
}

static void bfloat16_rounds_as_the_scalar_does(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1u << 20; i++) {
        const uint32_t bits = i * 4099u + (i & 1 ? 0x8000u : 0);
        float          f;

        memcpy(&f, &bits, sizeof f);
        assert_int_equal(um_vbf16_of(um_vset(f) + (um_vf){ 0 })[0], um_f32_to_bf16(f + 0.0f));
    }
}

static void devices_by_name(void **state)
{
    struct um_dev *dev;

    (void)state;
    assert_int_equal(um_dev_open(&dev, "ref", NULL), UM_OK);
    assert_string_equal(um_dev_kind(dev), "ref");
    um_dev_close(dev);
    dev = open_cpu(NULL);
    assert_string_equal(um_dev_kind(dev), "cpu");
    assert_non_null(strstr(um_dev_name(dev), "1 thread"));
    um_dev_close(dev);
    assert_int_equal(um_dev_open(&dev, "tpu", NULL), UM_EUNSUPPORTED);
    assert_null(dev);
    assert_non_null(strstr(um_errmsg(), "tpu"));
    um_dev_close(NULL);
}

static void unknown_instruction_sets_are_refused(void **state)
{
    struct um_dev *dev;

    (void)state;
    assert_int_equal(setenv("UM_ISA", "avx1024", 1), 0);
    assert_int_equal(um_dev_open(&dev, "cpu", NULL), UM_EUNSUPPORTED);
    assert_non_null(strstr(um_errmsg(), "avx1024"));
    assert_int_equal(unsetenv("UM_ISA"), 0);
}

/* nothing is late, staged or captured where memory is the host's, and sums over processes go
 * through lib/ranks */
static bool empty_on_hosts(size_t at)
{
    return (at >= offsetof(struct um_kernels, mark) &&
            at <= offsetof(struct um_kernels, repeats)) ||
           at >= offsetof(struct um_kernels, comm_id);
}

static void every_entry_is_filled(void **state)
{
    static const char *const names[] = { "ref", "cpu" };
    struct um_dev           *dev;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(um_dev_open(&dev, names[i], NULL), UM_OK);
        const struct um_kernels *k = um_dev_kernels(dev);
        for (size_t at = offsetof(struct um_kernels, alloc); at < sizeof *k; at += sizeof(void *)) {
            void *entry;

            memcpy(&entry, (const char *)k + at, sizeof entry);
            if (empty_on_hosts(at))
                assert_null(entry);
            else
                assert_non_null(entry);
        }
        um_dev_close(dev);
    }
}

static void impossible_calls_are_refused(void **state)
{
    static const char *const names[] = { "ref", "cpu" };
    float                    x[64]   = { 0 }, y[64], l[8];
    const int32_t            ids[]   = { 0, 7 };
    const uint8_t            none[4] = { 1, 1, 0, 0 };
    struct um_dev           *dev;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(um_dev_open(&dev, names[i], NULL), UM_OK);
        const struct um_kernels *k = um_dev_kernels(dev);
        struct um_matmul         p = { .dt    = UM_F32,
                                       .dtc   = UM_F32,
                                       .batch = 1,
                                       .m     = 2,
                                       .n     = 2,
                                       .k     = 2,
                                       .a     = x,
                                       .b     = x,
                                       .c     = y,
                                       .lda   = 1,
                                       .ldb   = 2,
                                       .ldc   = 2 };
        struct um_attn           a = { .dt       = UM_F32,
                                       .B        = 2,
                                       .T        = 2,
                                       .A        = 1,
                                       .d        = 2,
                                       .ldq      = 2,
                                       .ldk      = 2,
                                       .ldv      = 2,
                                       .ldo      = 2,
                                       .q        = x,
                                       .k        = x,
                                       .v        = x,
                                       .key_mask = none };

        assert_int_equal(k->matmul(dev, &p), UM_ERANGE);
        p.dt = UM_I32;
        assert_int_equal(k->matmul(dev, &p), UM_EDTYPE);
        assert_int_equal(k->attention_fwd(dev, y, l, &a), UM_ERANGE);
        assert_non_null(strstr(um_errmsg(), "sample 1 has no key"));
        assert_int_equal(k->embed_fwd(dev, UM_F32, y, x, ids, 2, 7, 2), UM_ERANGE);
        assert_int_equal(k->xent_fwd(dev, y, l, x, 4, 1, ids, 2, 4, 1), UM_ERANGE);
        assert_int_equal(k->layernorm_fwd(dev, y, UM_F16, l, l, x, UM_F32, x, x, 2, 4, 0),
                         UM_EDTYPE);
        assert_int_equal(k->add(dev, UM_F32, y, x, x, -1), UM_ERANGE);
        assert_int_equal(k->add(dev, UM_F32, y, x, x, INT64_MAX), UM_ERANGE);
        assert_int_equal(k->patches(dev, UM_F32, y, x, 1, 1, 8, 8, 1, 3, 4, 1, 0), UM_ERANGE);
        assert_int_equal(k->batchnorm_fwd(dev, UM_F32, y, l, l, l, x, NULL, NULL, 0, 4, 0),
                         UM_ERANGE);
        assert_int_equal(k->dropout(dev, UM_F32, y, x, 8, (struct um_drop){ 1.5f, 0, 0 }),
                         UM_ERANGE);
        um_dev_close(dev);
    }
}

/* one sum that is not finite, or *also, and no span is touched */
static void an_update_that_must_not_count_changes_nothing(void **state)
{
    static const char *const names[] = { "ref", "cpu" };
    const struct um_span     s[2]    = { { 0, 3, 1, 0.1f }, { 4, 4, 1, 0 } };
    struct um_dev           *dev;

    (void)state;
    for (int i = 0; i < 2 * 3; i++) {
        float        w[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, m[8] = { 1 }, u[8] = { 2 }, g[8], f[2];
        const float  w0[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, m0[8] = { 1 }, u0[8] = { 2 };
        const double bad[]  = { (double)INFINITY, (double)NAN, 1 };
        double       sum[2] = { 0 };

        assert_int_equal(um_dev_open(&dev, names[i / 3], NULL), UM_OK);
        const struct um_kernels *k = um_dev_kernels(dev);
        for (int j = 0; j < 8; j++)
            g[j] = i % 3 == 2 && j == 5 ? NAN : 1;
        const struct um_adam a = { .w      = w,
                                   .m      = m,
                                   .u      = u,
                                   .g      = g,
                                   .span   = s,
                                   .spans  = 2,
                                   .t      = 1,
                                   .lr     = 1,
                                   .b1     = 0.9f,
                                   .b2     = 0.99f,
                                   .eps    = 1e-8f,
                                   .factor = f };
        assert_int_equal(k->sumsq(dev, sum, g, s, 2), UM_OK);
        assert_int_equal(k->clip(dev, f, sum, &bad[i % 3], 2, false, 1), UM_OK);
        assert_true(isnan(f[0]) && isnan(f[1]));
        assert_int_equal(k->adamw(dev, &a), UM_OK);
        assert_memory_equal(w, w0, sizeof w);
        assert_memory_equal(m, m0, sizeof m);
        assert_memory_equal(u, u0, sizeof u);
        sum[0] = sum[1] = 4;
        assert_int_equal(k->clip(dev, f, sum, NULL, 2, true, 1), UM_OK);
        assert_true(f[0] == (float)(1 / sqrt(8)) && f[1] == f[0]);
        assert_int_equal(k->clip(dev, f, sum, &bad[2], 2, false, 2), UM_OK);
        assert_true(f[0] == 1 && f[1] == 1);
        assert_int_equal(k->clip(dev, f, sum, NULL, 2, false, 0), UM_ERANGE);
        um_dev_close(dev);
    }
}

static void impossible_losses_and_updates_are_refused(void **state)
{
    static const char *const names[] = { "ref", "cpu" };
    float                    x[64]   = { 0 }, y[64];
    const int32_t class[4]           = { 0, 1, -1, 2 };
    const struct um_span into[2]     = { { 0, 4, 1, 0 }, { 3, 2, 1, 0 } };
    const struct um_adam early       = { y, y, y, x, into, 1, 0, 1, 0, 0, 0, NULL };
    const struct um_dice wrong       = { .B = 1, .C = 2, .S = 4, .x = x, .target = class };
    const struct um_dice none_of     = { .B = 1, .C = 2, .S = 4, .x = x };
    double               sum[6];
    struct um_dev       *dev;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(um_dev_open(&dev, names[i], NULL), UM_OK);
        const struct um_kernels *k = um_dev_kernels(dev);

        assert_int_equal(k->adamw(dev, &early), UM_ERANGE);
        assert_int_equal(k->sumsq(dev, sum, x, into, 2), UM_ERANGE);
        assert_int_equal(k->dice_fwd(dev, y, sum, &wrong), UM_ERANGE);
        assert_non_null(strstr(um_errmsg(), "class 2 at place 3 of sample 0"));
        assert_int_equal(k->dice_bwd(dev, y, x, sum, &none_of), UM_ERANGE);
        assert_int_equal(k->focal_fwd(dev, y, &(struct um_focal){ .n = 1, .gamma = -1 }),
                         UM_ERANGE);
        assert_int_equal(k->drop_path(dev, UM_F32, y, x, 2, 4, (struct um_drop){ -1, 0, 0 }),
                         UM_ERANGE);
        um_dev_close(dev);
    }
}

/* one NaN must not be lost on the way to the loss */
static void nan_goes_through_one(struct um_dev *dev)
{
    const struct um_kernels *k     = um_dev_kernels(dev);
    float                    x[40] = { 0 }, y[40], m[1], r[1], lse[4], loss = 0;
    const int32_t            target = 0;
    const struct um_attn     a      = { .dt  = UM_F32,
                                        .B   = 1,
                                        .T   = 4,
                                        .A   = 1,
                                        .d   = 4,
                                        .ldq = 4,
                                        .ldk = 4,
                                        .ldv = 4,
                                        .ldo = 4,
                                        .q   = x,
                                        .k   = x,
                                        .v   = x };

    x[3] = NAN;
    assert_int_equal(k->layernorm_fwd(dev, y, UM_F32, m, r, x, UM_F32, x + 8, x + 8, 1, 8, 1e-5f),
                     UM_OK);
    assert_true(isnan(y[0]) && isnan(m[0]) && isnan(r[0]));
    assert_int_equal(k->act_fwd(dev, UM_ACT_GELU, 0, UM_F32, y, x, 8), UM_OK);
    assert_true(isnan(y[3]) && y[2] == 0);
    assert_int_equal(k->act_fwd(dev, UM_ACT_RELU, 0, UM_F32, y, x, 8), UM_OK);
    assert_true(isnan(y[3]));
    assert_int_equal(k->xent_fwd(dev, &loss, lse, x, 8, 1, &target, 1, 8, 1), UM_OK);
    assert_true(isnan(loss));
    assert_int_equal(k->l2norm_fwd(dev, UM_F32, y, r, x, 1, 8, 1e-6f), UM_OK);
    assert_true(isnan(y[0]) && isnan(r[0]));
    assert_int_equal(k->attention_fwd(dev, y, lse, &a), UM_OK);
    assert_true(isnan(y[0]) && isnan(lse[0]));
    um_dev_close(dev);
}

static void nan_goes_through(void **state)
{
    struct um_dev *ref;

    (void)state;
    nan_goes_through_one(open_cpu(NULL));
    assert_int_equal(um_dev_open(&ref, "ref", NULL), UM_OK);
    nan_goes_through_one(ref);
}

/* p = 0.1 of a million: within five standard deviations, and the rest scaled */
static void dropout_drops_its_share(void **state)
{
    enum { N = 1000000 };
    struct um_dev *dev  = open_cpu(NULL);
    float         *x    = malloc(N * sizeof *x);
    int            gone = 0;

    (void)state;
    assert_non_null(x);
    for (int i = 0; i < N; i++)
        x[i] = 1;
    assert_int_equal(
        um_dev_kernels(dev)->dropout(dev, UM_F32, x, x, N, (struct um_drop){ 0.1f, 42, 0 }), UM_OK);
    for (int i = 0; i < N; i++) {
        assert_true(x[i] == 0 || x[i] == 1 / (1 - 0.1f));
        gone += x[i] == 0;
    }
    assert_in_range(gone, 98500, 101500);
    free(x);
    um_dev_close(dev);
}

/* sample b by word b % 4 of Philox block b / 4, straight from the block function */
static void samples_drop_by_philox(void **state)
{
    enum { B = 301, N = 7 };
    const uint64_t seed   = 0x123456789abcdef0u;
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    struct um_dev *dev    = open_cpu(NULL);
    float          x[B * N], y[B * N];

    (void)state;
    for (int i = 0; i < B * N; i++)
        x[i] = 1 + (float)i;
    assert_int_equal(
        um_dev_kernels(dev)->drop_path(dev, UM_F32, y, x, B, N, (struct um_drop){ 0.25f, seed, 0 }),
        UM_OK);
    for (uint32_t b = 0; b < B; b++) {
        const uint32_t ctr[4] = { b / 4, 0, 0, 0x64726f70 };
        uint32_t       word[4];

        um_philox(ctr, key, word);
        for (uint32_t i = b * N; i < (b + 1) * N; i++)
            assert_true(y[i] == (word[b % 4] >> 8 < 1u << 22 ? 0 : x[i] * (1 / (1 - 0.25f))));
    }
    um_dev_close(dev);
}

/* the optimiser over many spans in one call: the same bits as a call for each */
static void spans_at_once_or_one_by_one(void **state)
{
    enum { N = 40000 };
    static float             w[2][N], m[2][N], u[2][N], g[N];
    const struct um_span     s[]       = { { 0, 17000, 0.5f, 0.1f },
                                           { 17008, 3, 1, 0 },
                                           { 17024, 20001, 2, 0.05f } };
    double                   sum[2][3] = { { 0 } };
    struct um_dev           *dev       = open_cpu(NULL);
    const struct um_kernels *k         = um_dev_kernels(dev);
    struct um_rng            rng       = um_rng_at(3, UM_RNG_TEST, 0, 0);

    (void)state;
    for (int i = 0; i < N; i++) {
        g[i]    = (float)um_rng_normal(&rng);
        w[0][i] = w[1][i] = (float)um_rng_normal(&rng);
    }
    for (int at = 0; at < 2; at++)
        for (int i = 0; i < (at ? 3 : 1); i++) {
            const struct um_adam a = { w[at], m[at], u[at], g,     s + i, at ? 1 : 3,
                                       4,     1e-3f, 0.9f,  0.99f, 1e-8f, NULL };

            assert_int_equal(k->adamw(dev, &a), UM_OK);
            assert_int_equal(k->sumsq(dev, sum[at] + i, g, s + i, a.spans), UM_OK);
        }
    assert_memory_equal(w[0], w[1], sizeof w[0]);
    assert_memory_equal(m[0], m[1], sizeof m[0]);
    assert_memory_equal(u[0], u[1], sizeof u[0]);
    assert_memory_equal(sum[0], sum[1], sizeof sum[0]);
    assert_true(m[0][17000] == 0 && m[0][17011] == 0 && m[0][17010] != 0); /* nothing between */
    um_dev_close(dev);
}

static int threads_here(void)
{
    DIR *d = opendir("/proc/self/task");
    int  n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        (void)closedir(d);
    return n;
}

/* oneDNN's own threads would show as new tasks of the process */
static void products_start_no_threads(void **state)
{
    enum { N = 384 };
    struct um_pool *pool;
    struct um_dev  *dev;
    float          *a = calloc(N * N, sizeof *a), *c = calloc(N * N, sizeof *c);

    (void)state;
    assert_true(a && c);
    assert_int_equal(um_pool_new(&pool, 2), UM_OK);
    dev              = open_cpu(pool);
    const int before = threads_here();
    for (int i = 0; i < 2; i++) {
        const enum um_dtype    dt = i ? UM_BF16 : UM_F32;
        const struct um_matmul p  = { .dt    = dt,
                                      .dtc   = dt,
                                      .batch = 1,
                                      .m     = N,
                                      .n     = N,
                                      .k     = N,
                                      .a     = a,
                                      .b     = a,
                                      .c     = c,
                                      .lda   = N,
                                      .ldb   = N,
                                      .ldc   = N };

        assert_int_equal(um_dev_kernels(dev)->matmul(dev, &p), UM_OK);
    }
    assert_int_equal(threads_here(), before);
    um_dev_close(dev);
    um_pool_free(pool);
    free(a);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_is_accurate),
        cmocka_unit_test(normal_distribution_is_accurate),
        cmocka_unit_test(bfloat16_rounds_as_the_scalar_does),
        cmocka_unit_test(devices_by_name),
        cmocka_unit_test(unknown_instruction_sets_are_refused),
        cmocka_unit_test(every_entry_is_filled),
        cmocka_unit_test(impossible_calls_are_refused),
        cmocka_unit_test(an_update_that_must_not_count_changes_nothing),
        cmocka_unit_test(impossible_losses_and_updates_are_refused),
        cmocka_unit_test(nan_goes_through),
        cmocka_unit_test(dropout_drops_its_share),
        cmocka_unit_test(samples_drop_by_philox),
        cmocka_unit_test(spans_at_once_or_one_by_one),
        cmocka_unit_test(products_start_no_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
