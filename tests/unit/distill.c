/* distill.c - the distillation head, its losses and centres: method.md section 12, points 1, 7, 8,
 * 9 SPDX-License-Identifier: Apache-2.0
 */
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
#include "model/distill.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) < 0)                                                                            \
            fail_msg("%s: %s", #expr, um_errmsg());                                                \
    } while (0)

enum { B = 3, T = 4, C = 32, M = 64, N = B * (1 + T) };

static const int64_t SHAPE[3] = { B, 1 + T, C };

/* ref, where differences are taken, and cpu */
static struct um_dev *ref, *cpu;

static int setup(void **state)
{
    (void)state;
    return um_dev_open(&ref, "ref", NULL) < 0 || um_dev_open(&cpu, "cpu", NULL) < 0;
}

static int teardown(void **state)
{
    (void)state;
    um_dev_close(ref);
    um_dev_close(cpu);
    return 0;
}

static float *normal(int64_t n, double std, uint64_t seed)
{
    struct um_rng r = um_rng_at(seed, UM_RNG_TEST, 0, 0);
    float        *x = malloc((size_t)n * sizeof *x);

    assert_non_null(x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(std * um_rng_normal(&r));
    return x;
}

static float *values(const struct um_model *m, const char *name)
{
    const int i = um_params_find(m->ps, name);

    assert_true(i >= 0);
    return m->ps->value + m->ps->list[i].offset;
}

/* a tiny model with a head whose weights are of size 0.3, so that logits are not all alike */
static struct um_model *with_head(struct um_dev *dev, uint64_t seed)
{
    struct um_model_config cfg;
    struct um_model       *m;

    OK(um_model_preset("tiny", &cfg));
    um_model_preset_head(&cfg);
    OK(um_model_new(&m, dev, &cfg));
    OK(um_model_init(m, seed));
    for (int i = 0; i < m->ps->n; i++) {
        const struct um_param *p = &m->ps->list[i];
        float                 *x;

        if (strncmp(p->name, "head.", 5) != 0)
            continue;
        x = normal(p->count, 0.3, seed + (uint64_t)i);
        memcpy(m->ps->value + p->offset, x, (size_t)p->count * sizeof *x);
        free(x);
    }
    return m;
}

static struct um_nn *context(struct um_dev *dev, enum um_dtype dt, bool frozen)
{
    struct um_nn *nn;

    OK(um_nn_new(&nn, dev, &(struct um_nn_opts){ .dtype = dt, .frozen = frozen }));
    return nn;
}

/* ---- the head ---- */

/* point 1; and no preset has a head before it is asked for */
static void head_has_the_methods_size(void **state)
{
    static const char *const name[] = { "tiny", "phantom", "vit-ti", "vit-s", "vit-b" };
    struct um_model_config   cfg;
    struct um_model         *m;

    (void)state;
    for (int i = 0; i < 5; i++) {
        OK(um_model_preset(name[i], &cfg));
        assert_true(cfg.prototypes == 0 && cfg.head_hidden == 0 && cfg.head_bottleneck == 0);
        OK(um_model_new(&m, ref, &cfg));
        assert_int_equal(um_params_count(m->ps, "head."), 0);
        um_model_free(m);
        um_model_preset_head(&cfg);
        assert_true(cfg.prototypes > 0);
    }
    OK(um_model_new(&m, ref, &cfg));
    assert_int_equal(um_params_count(m->ps, "head."), 8392960);
    assert_int_equal(um_params_count(m->ps, ""), 206381825);
    assert_int_equal(um_params_count(m->ps, "head.last.weight_v"), 8192 * 256);
    assert_true(um_params_find(m->ps, "head.mlp.4.bias") >= 0);
    um_model_free(m);
}

/* a file without the fields has no head; half a head is refused; both ways for files with one */
static void head_is_in_the_configuration(void **state)
{
    struct um_model_config cfg, back;
    struct um_arena       *a;
    char                  *json, *again, path[64];
    struct um_model       *m = with_head(ref, 5), *copy;

    (void)state;
    OK(um_arena_new(&a));
    OK(um_model_preset("tiny", &cfg));
    OK(um_model_config_json(a, &cfg, &json));
    assert_null(strstr(json, "prototypes"));
    assert_null(strstr(json, "head_"));
    memset(&back, 0xff, sizeof back);
    OK(um_model_config_parse(json, &back));
    assert_true(back.prototypes == 0 && back.head_hidden == 0 && back.head_bottleneck == 0);

    json[strlen(json) - 1] = 0;
    assert_int_equal(um_model_config_parse(um_sprintf(a, "%s,\"prototypes\":64}", json), &back),
                     UM_ERANGE);
    assert_non_null(strstr(um_errmsg(), "prototypes 64, head_hidden 0, head_bottleneck 0"));
    assert_int_equal(um_model_config_parse(um_sprintf(a, "%s,\"prototypes\":-1}", json), &back),
                     UM_ERANGE);

    OK(um_model_config_json(a, &m->cfg, &json));
    OK(um_model_config_parse(json, &back));
    OK(um_model_config_json(a, &back, &again));
    assert_string_equal(json, again);
    assert_true(back.prototypes == M && back.head_hidden == 64 && back.head_bottleneck == 16);

    snprintf(path, sizeof path, "distill-test-%ld.safetensors", (long)getpid());
    OK(um_model_save(m, path));
    OK(um_model_load(&copy, ref, path, NULL));
    (void)unlink(path);
    assert_memory_equal(m->ps->value, copy->ps->value, (size_t)m->ps->total * sizeof(float));
    um_model_free(m);
    um_model_free(copy);
    um_arena_free(a);
}

static void a_model_without_a_head_says_so(void **state)
{
    struct um_nn          *nn = context(ref, UM_F32, false);
    float                 *x  = normal(N * C, 1, 1);
    struct um_params      *centres;
    struct um_model_config cfg;
    struct um_model       *m;

    (void)state;
    OK(um_model_preset("tiny", &cfg));
    OK(um_model_new(&m, ref, &cfg));
    OK(um_model_init(m, 1));
    OK(um_nn_begin(nn, false, false, 0, 0));
    assert_null(um_model_head(nn, m, um_nn_input(nn, UM_F32, 3, SHAPE, x)));
    assert_int_equal(um_nn_status(nn), UM_EMISSING);
    assert_non_null(strstr(um_errmsg(), "no distillation head"));
    assert_int_equal(um_model_centres(&centres, ref, &cfg, false), UM_EMISSING);
    free(x);
    um_nn_free(nn);
    um_model_free(m);
}

static void logits_of(struct um_nn *nn, struct um_model *m, const float *x, float *z)
{
    struct um_var *y;

    OK(um_nn_begin(nn, false, false, 0, 0));
    y = um_model_head(nn, m, um_nn_input(nn, UM_F32, 3, SHAPE, x));
    OK(um_nn_status(nn));
    assert_true(y->ndim == 3 && y->dim[0] == B && y->dim[1] == 1 + T && y->dim[2] == M);
    OK(um_nn_read(nn, y, z));
}

/* point 7, on both devices */
static void rows_have_no_length_and_logits_are_cosines(void **state)
{
    struct um_dev *dev[2] = { ref, cpu };
    float         *x = normal(N * C, 2, 7), z[2][N * M], most = 0;

    (void)state;
    for (int d = 0; d < 2; d++) {
        struct um_model *m  = with_head(dev[d], 5);
        struct um_nn    *nn = context(dev[d], UM_F32, false);
        float           *w  = values(m, "head.last.weight_v");

        logits_of(nn, m, x, z[0]);
        for (int j = 0; j < 16; j++)
            w[9 * 16 + j] *= 4; /* a power of two: not a bit changes */
        for (int j = 0; j < 16; j++)
            w[10 * 16 + j] *= 0.037f;
        logits_of(nn, m, x, z[1]);
        for (int i = 0; i < N * M; i++) {
            const float rounding = i % M == 10 ? 1e-6f : 0;

            if (!(fabsf(z[1][i] - z[0][i]) <= rounding))
                fail_msg("logit %d: %.9g became %.9g", i, (double)z[0][i], (double)z[1][i]);
            if (!(fabsf(z[0][i]) <= 1 + 1e-6f))
                fail_msg("logit %d: %.9g", i, (double)z[0][i]);
            most = fmaxf(most, fabsf(z[0][i]));
        }
        um_nn_free(nn);
        um_model_free(m);
    }
    assert_true(most > 0.5f); /* the bound is near, not a factor away */
    free(x);
}

/* the unit prototypes are made anew in each step's memory: a context that keeps prepared weights
 * may keep those of parameters alone */
static void a_frozen_context_sees_each_models_prototypes(void **state)
{
    struct um_model *m[2] = { with_head(cpu, 5), with_head(cpu, 6) };
    struct um_nn    *nn[2];
    float           *x = normal(N * C, 2, 7), z[2][N * M];

    (void)state;
    for (int dt = 0; dt < 2; dt++) {
        for (int k = 0; k < 2; k++)
            nn[k] = context(cpu, dt ? UM_BF16 : UM_F32, k == 1);
        for (int i = 0; i < 4; i++) {
            logits_of(nn[0], m[i % 2], x, z[0]);
            logits_of(nn[1], m[i % 2], x, z[1]);
            for (int j = 0; j < N * M; j++)
                if (!(fabsf(z[0][j] - z[1][j]) <= 0.02f))
                    fail_msg("step %d, logit %d: %g and %g", i, j, (double)z[0][j],
                             (double)z[1][j]);
        }
        for (int k = 0; k < 2; k++)
            um_nn_free(nn[k]);
    }
    for (int k = 0; k < 2; k++)
        um_model_free(m[k]);
    free(x);
}

/* ---- losses ---- */

struct rig {
    struct um_model  *student, *teacher;
    struct um_nn     *nn;
    struct um_params *centres;
    float            *y, *yt;
};

static struct rig open_rig(struct um_dev *dev)
{
    struct rig r = { with_head(dev, 5),     with_head(dev, 6),    context(dev, UM_F32, false), NULL,
                     normal(N * C, 1.5, 8), normal(N * C, 1.5, 9) };

    OK(um_model_centres(&r.centres, dev, &r.student->cfg, false));
    return r;
}

static void close_rig(struct rig *r)
{
    um_model_free(r->student);
    um_model_free(r->teacher);
    um_nn_free(r->nn);
    um_params_free(r->centres);
    free(r->y);
    free(r->yt);
}

static struct um_distilled losses(struct rig *r, bool grad, const struct um_distill_opts *o,
                                  float L[2])
{
    struct um_distilled d;

    OK(um_nn_begin(r->nn, grad, grad, 0, 0));
    um_model_distill(r->nn, r->student, um_nn_input(r->nn, UM_F32, 3, SHAPE, r->y), r->teacher,
                     um_nn_input(r->nn, UM_F32, 3, SHAPE, r->yt), r->centres, o, &d);
    OK(um_nn_status(r->nn));
    OK(um_nn_read(r->nn, d.icl, &L[0]));
    OK(um_nn_read(r->nn, d.pcl, &L[1]));
    return d;
}

/* the definition on logits: H of rows r of z against zt, averaged over those that count */
static double expected(const float *z, const float *zt, const float *c, int first, int last,
                       double tau_s, double tau_t, const uint8_t *which)
{
    double sum = 0;

    for (int b = 0; b < B; b++) {
        double of = 0;
        int    n  = 0;

        for (int t = first; t <= last; t++) {
            const float *s = z + (b * (1 + T) + t) * M, *q = zt + (b * (1 + T) + t) * M;
            double       es = 0, eq = 0, h = 0;

            if (which && !which[b * T + t - 1])
                continue;
            for (int m = 0; m < M; m++) {
                es += exp((double)s[m] / tau_s);
                eq += exp((double)(q[m] - c[m]) / tau_t);
            }
            for (int m = 0; m < M; m++)
                h -= exp((double)(q[m] - c[m]) / tau_t) / eq * ((double)s[m] / tau_s - log(es));
            of += h;
            n++;
        }
        sum += n ? of / n / B : 0;
    }
    return sum;
}

/* both terms by their definition: with centres, with patches left out, one sample without any */
static void losses_are_the_definition(void **state)
{
    const uint8_t                which[B * T] = { 1, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1 };
    const struct um_distill_opts plain        = { .tau_s = 0.1f, .tau_t = 0.04f },
                                 some         = { .tau_s = 0.1f, .tau_t = 0.07f, .which = which };
    struct um_dev *dev[2]                     = { ref, cpu };
    static float   z[N * M], zt[N * M];

    (void)state;
    for (int d = 0; d < 2; d++) {
        struct rig r = open_rig(dev[d]);
        float     *c = normal(2 * M, 0.1, 10), L[2];

        memcpy(r.centres->value + r.centres->list[0].offset, c, M * sizeof *c);
        memcpy(r.centres->value + r.centres->list[1].offset, c + M, M * sizeof *c);
        logits_of(r.nn, r.student, r.y, z);
        logits_of(r.nn, r.teacher, r.yt, zt);
        (void)losses(&r, false, &plain, L);
        assert_true(fabs((double)L[0] - expected(z, zt, c, 0, 0, 0.1, 0.04, NULL)) < 1e-4);
        assert_true(fabs((double)L[1] - expected(z, zt, c + M, 1, T, 0.1, 0.04, NULL)) < 1e-4);
        (void)losses(&r, false, &some, L);
        assert_true(fabs((double)L[0] - expected(z, zt, c, 0, 0, 0.1, 0.07, NULL)) < 1e-4);
        assert_true(fabs((double)L[1] - expected(z, zt, c + M, 1, T, 0.1, 0.07, which)) < 1e-4);
        free(c);
        close_rig(&r);
    }
}

/* points 8 and 9: logits of 0 give log M; student = teacher with one temperature and no centre the
 * mean entropy of q, to which qmean's rows add up */
static void check_8_and_9_known_losses(void **state)
{
    const struct um_distill_opts one = { .tau_s = 0.1f, .tau_t = 0.1f };
    static float                 z[N * M];
    const float                  none[M] = { 0 };
    struct rig                   r       = open_rig(cpu);
    float                        L[2], q[M];
    double                       sum = 0;
    struct um_distilled          d;

    (void)state;
    memcpy(r.teacher->ps->value, r.student->ps->value,
           (size_t)r.student->ps->total * sizeof(float));
    memcpy(r.yt, r.y, N * C * sizeof(float));
    logits_of(r.nn, r.student, r.y, z);
    d = losses(&r, false, &one, L);
    assert_true(fabs((double)L[0] - expected(z, z, none, 0, 0, 0.1, 0.1, NULL)) < 1e-5);
    assert_true(fabs((double)L[1] - expected(z, z, none, 1, T, 0.1, 0.1, NULL)) < 1e-5);
    OK(um_nn_read(r.nn, d.qmean[UM_CENTRE_PATCH], q));
    for (int m = 0; m < M; m++)
        sum += (double)q[m];
    assert_true(fabs(sum - 1) < 1e-5);

    for (int k = 0; k < 2; k++) { /* the last layer before the prototypes gives nothing */
        struct um_model *m = k ? r.teacher : r.student;

        memset(values(m, "head.mlp.4.weight"), 0, 16 * 64 * sizeof(float));
        memset(values(m, "head.mlp.4.bias"), 0, 16 * sizeof(float));
    }
    (void)losses(&r, false, &(struct um_distill_opts){ .tau_s = 0.1f, .tau_t = 0.04f }, L);
    assert_true(fabs((double)L[0] - log(M)) < 1e-5 && fabs((double)L[1] - log(M)) < 1e-5);
    close_rig(&r);
}

/* the centres start at 0 and go a tenth of the way to the mean logits, each to its own */
static void centres_follow_the_teacher(void **state)
{
    const struct um_distill_opts o = { .tau_s = 0.1f, .tau_t = 0.04f };
    static float                 zt[N * M];
    struct rig                   r = open_rig(cpu);
    struct um_distilled          d;
    float                        L[2];

    (void)state;
    logits_of(r.nn, r.teacher, r.yt, zt);
    for (int step = 1; step <= 2; step++) {
        d = losses(&r, false, &o, L);
        OK(um_model_follow(r.centres, 0, d.zmean));
        for (int i = 0; i < 2 * M; i++) {
            const int   k = i / M, m = i % M;
            const float got  = r.centres->value[r.centres->list[k].offset + m];
            double      mean = 0;

            for (int b = 0; b < B; b++)
                for (int t = k; t <= k * T; t++)
                    mean += (double)zt[(b * (1 + T) + t) * M + m] / (B * (k ? T : 1));
            mean *= step == 1 ? 0.1 : 0.19;
            if (!(fabs((double)got - mean) <= 1e-6))
                fail_msg("step %d, centre %d of %d: %g, expected %g", step, m, k, (double)got,
                         mean);
        }
    }
    close_rig(&r);
}

static double total(struct rig *r, const struct um_distill_opts *o)
{
    float L[2];

    (void)losses(r, false, o, L);
    return (double)L[0] + 2 * (double)L[1];
}

/* every parameter of the student's head against differences along its gradient, W through its
 * weight norm (no gradient along a row); none to the teacher and to the centres */
static void gradients_match_differences(void **state)
{
    const struct um_distill_opts o  = { .tau_s = 0.4f, .tau_t = 0.3f };
    struct rig                   r  = open_rig(ref);
    struct um_params            *ps = r.student->ps;
    float                        L[2];
    struct um_distilled          d;

    (void)state;
    OK(um_params_grad(ps));
    d = losses(&r, true, &o, L);
    OK(um_nn_backward(r.nn, um_weighted_sum(r.nn, (struct um_var *const[]){ d.icl, d.pcl },
                                            (float[]){ 1, 2 }, 2)));
    assert_null(r.teacher->ps->grad);
    assert_null(r.centres->grad);
    for (int i = 0; i < ps->n; i++) {
        const struct um_param *p = &ps->list[i];
        float                 *w = ps->value + p->offset, *g = ps->grad + p->offset, *save;
        double                 len = 0, diff[2];

        for (int64_t j = 0; j < p->count; j++)
            len += (double)g[j] * (double)g[j];
        len = sqrt(len);
        if (strncmp(p->name, "head.", 5) != 0) {
            assert_true(len == 0);
            continue;
        }
        assert_non_null(save = malloc((size_t)p->count * sizeof *save));
        memcpy(save, w, (size_t)p->count * sizeof *w);
        for (int side = 0; side < 2; side++) {
            for (int64_t j = 0; j < p->count; j++)
                w[j] = save[j] + (side ? 0.01f : -0.01f) * g[j] / (float)len;
            diff[side] = total(&r, &o);
        }
        memcpy(w, save, (size_t)p->count * sizeof *w);
        free(save);
        if (!(len > 0) || !(fabs((diff[1] - diff[0]) / 0.02 - len) <= 0.01 * len))
            fail_msg("%s: |gradient| %g, difference %g", p->name, len, (diff[1] - diff[0]) / 0.02);
    }
    for (int m = 0; m < M; m++) { /* along a row nothing changes */
        const float *w   = values(r.student, "head.last.weight_v") + (ptrdiff_t)m * 16;
        const float *g   = ps->grad + (w - ps->value);
        double       dot = 0, size = 0;

        for (int j = 0; j < 16; j++) {
            dot += (double)w[j] * (double)g[j];
            size += fabs((double)w[j] * (double)g[j]);
        }
        assert_true(size > 0 && fabs(dot) <= 1e-5 * size);
    }
    close_rig(&r);
}

static void misfits_are_named(void **state)
{
    const struct um_distill_opts o = { .tau_s = 0.1f, .tau_t = 0.04f };
    struct rig                   r = open_rig(ref);
    struct um_distilled          d;

    (void)state;
    OK(um_nn_begin(r.nn, false, false, 0, 0));
    um_model_distill(r.nn, r.student, um_nn_input(r.nn, UM_F32, 3, SHAPE, r.y), r.teacher,
                     um_nn_input(r.nn, UM_F32, 3, (int64_t[]){ B, T, C }, r.yt), r.centres, &o, &d);
    assert_int_equal(um_nn_status(r.nn), UM_ESHAPE);
    assert_non_null(strstr(um_errmsg(), "3 samples of 5 tokens against 3 of 4"));
    assert_null(d.icl);
    OK(um_nn_begin(r.nn, false, false, 0, 0));
    assert_null(um_mean_rows(r.nn, um_nn_zeros(r.nn, UM_F32, 2, (int64_t[]){ 0, 5 })));
    assert_int_equal(um_nn_status(r.nn), UM_ESHAPE);
    assert_non_null(strstr(um_errmsg(), "mean_rows: x float32 [0,5]"));
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(head_has_the_methods_size),
        cmocka_unit_test(head_is_in_the_configuration),
        cmocka_unit_test(a_model_without_a_head_says_so),
        cmocka_unit_test(rows_have_no_length_and_logits_are_cosines),
        cmocka_unit_test(a_frozen_context_sees_each_models_prototypes),
        cmocka_unit_test(losses_are_the_definition),
        cmocka_unit_test(check_8_and_9_known_losses),
        cmocka_unit_test(centres_follow_the_teacher),
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(misfits_are_named),
    };

    return cmocka_run_group_tests_name("distill", all, setup, teardown);
}
