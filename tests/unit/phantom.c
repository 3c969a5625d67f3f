/* phantom.c - made-up cases: physics, truth against masks, wording against labels, determinism */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "phantom/phantom.h"
#include "phantom/save.h"
#include "phantom/xray.h"
#include "text/report.h"

enum { CASES = 60 };

static const struct um_phantom_config small = { .seed       = 7,
                                                .findings   = 31,
                                                .prevalence = 0.4,
                                                .split      = { 0.7, 0.1, 0.2 },
                                                .depth      = 32,
                                                .height     = 64,
                                                .width      = 64,
                                                .xray       = 112 };

static struct um_phantom *maker(const struct um_phantom_config *cfg)
{
    struct um_phantom *p = NULL;

    assert_int_equal(um_phantom_new(&p, cfg), UM_OK);
    return p;
}

/* 20 rows of 3 mm: 7 of water, 5 of twice water (1000 HU), 8 of nothing */
static void slab_obeys_beer_lambert(void **state)
{
    enum { NX = 5, NY = 20, NZ = 3 };
    float     hu[NZ * NY * NX], out[NZ * NX];
    const int n[3] = { NX, NY, NZ };

    (void)state;
    for (int i = 0; i < NZ * NY * NX; i++) {
        const int y = i / NX % NY;

        hu[i] = y < 7 ? 0 : y < 12 ? 1000 : -1000;
    }
    um_xray_project(hu, n, 3, out);
    for (int i = 0; i < NZ * NX; i++)
        assert_true(fabs(out[i] - UM_MU_WATER * 3 * (7 + 2 * 5)) <= 1e-5);
}

/* photons through 100 mm of water: mean exp(-mu d), variance near 1/N after the logarithm */
static void noise_is_poisson(void **state)
{
    enum { N = 40000 };
    static float  image[N];
    const double  depth = UM_MU_WATER * 100, photons = 50000;
    struct um_rng r   = um_rng_at(1, UM_RNG_TEST, 0, 0);
    double        sum = 0, square = 0;

    (void)state;
    for (int i = 0; i < N; i++)
        image[i] = (float)depth;
    um_xray_expose(image, N, photons, &r);
    for (int i = 0; i < N; i++) {
        sum += image[i];
        square += (image[i] - depth) * (image[i] - depth);
    }
    const double want = 1 / (photons * exp(-depth));
    assert_true(fabs(sum / N - depth) <= 5 * sqrt(want / N) + want);
    assert_true(fabs(square / N / want - 1) <= 0.04);
}

/* a picture that is linear stays so; the head (high z) is at the top, x runs to the right */
static void resample_keeps_ramps(void **state)
{
    enum { NX = 16, NZ = 12, W = 40, H = 24 };
    float                in[NZ * NX], scratch[NZ * W], out[H * W];
    const struct um_view view = { 2, 2, 14, 10, W, H };

    (void)state;
    for (int i = 0; i < NZ * NX; i++)
        in[i] = (float)(3 * (i % NX) + 10 * (i / NX));
    um_xray_resample(in, NX, NZ, &view, scratch, out);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            const double u = 2 + 12 * (x + 0.5) / W - 0.5, v = 10 - 8 * (y + 0.5) / H - 0.5;

            assert_true(fabs(out[y * W + x] - (3 * u + 10 * v)) <= 1e-3);
        }
}

static void check_lesion(const struct um_phantom_case *c, int f)
{
    const struct um_lesion *l     = &c->lesion[f];
    const int64_t           plane = (int64_t)c->height * c->width;
    int64_t                 n = 0, first = c->depth, last = -1, flat = 0;
    int                     box[4] = { c->w, c->h, 0, 0 };

    for (int64_t i = 0; i < plane * c->depth; i++)
        if (c->mask[i] >> f & 1) {
            n++;
            first = i / plane < first ? i / plane : first;
            last  = i / plane;
        }
    for (int i = 0; i < c->w * c->h; i++)
        if (c->mask2d[i] >> f & 1) {
            const int x = i % c->w, y = i / c->w;

            flat++;
            box[0] = x < box[0] ? x : box[0];
            box[1] = y < box[1] ? y : box[1];
            box[2] = x + 1 > box[2] ? x + 1 : box[2];
            box[3] = y + 1;
        }
    assert_int_equal(n > 0, l->present);
    assert_int_equal(flat > 0, l->present);
    assert_int_equal(l->voxels, n);
    if (!l->present)
        return;
    assert_int_equal(l->z0, first);
    assert_int_equal(l->z1, last);
    for (int k = 0; k < 4; k++)
        assert_int_equal((int)l->box[k], box[k]);
    if (f != UM_CARDIOMEGALY) /* the patient's left is at the right of the picture and high x */
        assert_int_equal(l->side == 'L', l->at[0] > 0.5 * c->width);
}

static void truth_is_what_the_masks_say(void **state)
{
    struct um_phantom *p    = maker(&small);
    int                seen = 0;

    (void)state;
    for (int i = 0; i < CASES; i++) {
        const struct um_phantom_case *c = um_phantom_make(p, i);
        int                           n = 0;

        for (int f = 0; f < UM_FINDINGS; f++) {
            check_lesion(c, f);
            n += c->lesion[f].present;
            seen |= c->lesion[f].present << f;
        }
        assert_true(n <= 3);
        assert_int_equal(c->ctr > 0.5, c->lesion[UM_CARDIOMEGALY].present);
    }
    assert_int_equal(seen, 31);
    um_phantom_free(p);
}

/* is the word at `at` denied: does a word of negation stand before it in its sentence? */
static int denied(const char *text, const char *at)
{
    static const char *const no[] = { "no ", "without ", "negative " };
    const char              *s    = at;
    char                     before[512];

    while (s > text && s[-1] != '.' && s[-1] != ':')
        s--;
    assert_true((size_t)(at - s) < sizeof before);
    for (size_t i = 0; i <= (size_t)(at - s); i++)
        before[i] = (char)(i < (size_t)(at - s) ? s[i] | 0x20 : 0); /* lower case */
    for (int i = 0; i < 3; i++)
        if (strstr(before, no[i]))
            return 1;
    return 0;
}

/* each finding: stated at least once and never denied where it is, never stated where it is not */
static void check_words(const struct um_phantom_case *c, const char *report)
{
    char text[UM_PHANTOM_REPORT];

    (void)snprintf(text, sizeof text, "%s", report);
    for (char *s = text; *s; s++)
        *s = (char)(*s >= 'A' && *s <= 'Z' ? *s + 32 : *s);
    for (int f = 0; f < UM_FINDINGS; f++) {
        const char *word   = um_finding_name(f);
        int         stated = 0;

        for (const char *s = text; (s = strstr(s, word)) != NULL; s += strlen(word)) {
            const int no = denied(text, s);

            if (c->lesion[f].present == no)
                fail_msg("%s: %s is %s: %s", c->name, word, no ? "denied" : "stated", report);
            stated += !no;
        }
        if (c->lesion[f].present && !stated)
            fail_msg("%s: %s is not stated: %s", c->name, word, report);
    }
}

static void reports_say_what_is_there(void **state)
{
    struct um_phantom *p     = maker(&small);
    struct um_arena   *a     = NULL;
    int64_t            words = 0, same = 0;

    (void)state;
    assert_int_equal(um_arena_new(&a), UM_OK);
    for (int i = 0; i < CASES; i++) {
        const struct um_phantom_case *c = um_phantom_make(p, i);

        same += strcmp(c->report_ct, c->report_xray) == 0;
        for (int kind = 0; kind < 2; kind++) {
            const char      *report = kind ? c->report_xray : c->report_ct;
            struct um_report clean;

            check_words(c, report);
            assert_null(strpbrk(report, "\t\n\r"));
            assert_int_equal(um_report_clean(a, report, strlen(report), NULL, &clean), UM_OK);
            assert_true(um_report_enough(&clean, 3));
            assert_true(clean.sentences <= 7);
            words += clean.words;
            um_arena_reset(a);
        }
    }
    assert_true(same < CASES / 4);
    assert_in_range(words / (2 * CASES), 35, 70);
    um_arena_free(a);
    um_phantom_free(p);
}

static uint64_t digest(const struct um_phantom_case *c)
{
    const size_t n = (size_t)c->depth * (size_t)c->height * (size_t)c->width;
    uint64_t     h = 1469598103934665603u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint64_t)(uint16_t)c->ct[i] ^ (uint64_t)c->mask[i] << 16) * 1099511628211u;
    for (int i = 0; i < c->w * c->h; i++)
        h = (h ^ c->xray[i] ^ (uint64_t)c->mask2d[i] << 8) * 1099511628211u;
    for (const char *s = c->report_ct; *s; s++)
        h = (h ^ (uint8_t)*s) * 1099511628211u;
    return h;
}

static void a_case_depends_on_its_index_alone(void **state)
{
    struct um_phantom       *p = maker(&small), *q = maker(&small);
    struct um_phantom_config other = small;
    uint64_t                 h[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        h[i] = digest(um_phantom_make(p, i));
    for (int i = 3; i >= 0; i--)
        assert_true(digest(um_phantom_make(q, i)) == h[i]);
    assert_true(h[0] != h[1] && h[1] != h[2] && h[2] != h[3]);
    um_phantom_free(q);
    other.seed++;
    q = maker(&other);
    assert_true(digest(um_phantom_make(q, 0)) != h[0]);
    um_phantom_free(q);
    um_phantom_free(p);
}

/* the stored volume, brought back by its affine, is the canonical one; all axis orders occur */
static void stored_order_is_told_by_the_affine(void **state)
{
    struct um_phantom *p       = maker(&small);
    int16_t           *out     = malloc(sizeof *out * 32 * 64 * 64);
    int                seen[3] = { 0 };

    (void)state;
    assert_non_null(out);
    for (int i = 0; i < 30; i++) {
        const struct um_phantom_case *c = um_phantom_make(p, i);
        int64_t                       dim[3];
        double                        m[12];

        seen[0] |= strcmp(c->axes, "LPS") == 0;
        seen[1] |= strcmp(c->axes, "RAS") == 0;
        seen[2] |= strcmp(c->axes, "LAS") == 0;
        um_save_stored(c, c->ct, 2, out, dim, m);
        for (int64_t v = 0; v < dim[0] * dim[1] * dim[2]; v += 37) {
            const double at[3] = { (double)(v % dim[0]), (double)(v / dim[0] % dim[1]),
                                   (double)(v / dim[0] / dim[1]) };
            int64_t      k[3];

            for (int a = 0; a < 3; a++) {
                const double ras =
                    m[4 * a] * at[0] + m[4 * a + 1] * at[1] + m[4 * a + 2] * at[2] + m[4 * a + 3];

                k[a] = llrint(((a < 2 ? -ras : ras) - c->origin[a]) / c->spacing[a]);
            }
            assert_int_equal(out[v], c->ct[(k[2] * 64 + k[1]) * 64 + k[0]]);
        }
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    free(out);
    um_phantom_free(p);
}

/* air outside, lung and soft tissue inside: the two peaks that readers of CTs look for */
static void volumes_look_like_ct(void **state)
{
    struct um_phantom *p = maker(&small);
    const int64_t      n = 32 * 64 * 64;

    (void)state;
    for (int i = 0; i < 5; i++) {
        const struct um_phantom_case *c   = um_phantom_make(p, i);
        int64_t                       air = 0, soft = 0, bone = 0;

        for (int64_t v = 0; v < n; v++) {
            air += c->ct[v] >= -1100 && c->ct[v] <= -700;
            soft += c->ct[v] >= -150 && c->ct[v] <= 150;
            bone += c->ct[v] > 200;
        }
        assert_true(air > n / 5 && soft > n / 5 && bone > n / 1000);
        assert_true(c->ct[0] < -900);
    }
    um_phantom_free(p);
}

static void bad_configurations_are_refused(void **state)
{
    struct um_phantom       *p = NULL;
    struct um_phantom_config c = small;

    (void)state;
    c.depth = 7;
    assert_int_equal(um_phantom_new(&p, &c), UM_ERANGE);
    c       = small;
    c.depth = c.height = c.width = 1024;
    assert_int_equal(um_phantom_new(&p, &c), UM_ERANGE);
    c          = small;
    c.split[0] = 0.8;
    assert_int_equal(um_phantom_new(&p, &c), UM_ERANGE);
    c.split[0] = (double)NAN;
    assert_int_equal(um_phantom_new(&p, &c), UM_ERANGE);
    c            = small;
    c.prevalence = (double)NAN;
    assert_int_equal(um_phantom_new(&p, &c), UM_ERANGE);
    c      = small;
    c.xray = 31;
    assert_int_equal(um_phantom_new(&p, &c), UM_ERANGE);
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slab_obeys_beer_lambert),
        cmocka_unit_test(noise_is_poisson),
        cmocka_unit_test(resample_keeps_ramps),
        cmocka_unit_test(truth_is_what_the_masks_say),
        cmocka_unit_test(reports_say_what_is_there),
        cmocka_unit_test(a_case_depends_on_its_index_alone),
        cmocka_unit_test(stored_order_is_told_by_the_affine),
        cmocka_unit_test(volumes_look_like_ct),
        cmocka_unit_test(bad_configurations_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
