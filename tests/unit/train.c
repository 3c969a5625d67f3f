/* train.c - AdamW against its formula, clipping, checkpoints, the probe and its figures */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
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
#include "model/distill.h"
#include "train/adamw.h"
#include "train/checkpoint.h"
#include "train/probe.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) < 0)                                                                            \
            fail_msg("%s: %s", #expr, um_errmsg());                                                \
    } while (0)

enum { N = 12 }; /* values of the decayed matrix */

static void near(double got, double want, double tol)
{
    if (!(fabs(got - want) <= tol))
        fail_msg("got %.17g, expected %.17g", got, want);
}

/* ---- AdamW ---- */

struct rig {
    struct um_dev    *dev;
    struct um_params *ps;
    int               w, b, stat; /* decayed [3,4], plain [5], a running statistic [2] */
};

static void open_rig(struct rig *r)
{
    OK(um_dev_open(&r->dev, "cpu", NULL));
    OK(um_params_new(&r->ps, r->dev));
    OK(r->w = um_params_add(r->ps, "w", 2, (int64_t[]){ 3, 4 }, UM_INIT_UNIFORM, 1, true));
    OK(r->b = um_params_add(r->ps, "b", 1, (int64_t[]){ 5 }, UM_INIT_UNIFORM, 1, false));
    OK(r->stat = um_params_buffer(r->ps, "stat", 2, 7));
    OK(um_params_init(r->ps, 3));
    OK(um_params_grad(r->ps));
}

static void close_rig(struct rig *r)
{
    um_params_free(r->ps);
    um_dev_close(r->dev);
}

static float *at(const struct rig *r, float *block, int i)
{
    return block + r->ps->list[i].offset; /* the device is the host */
}

static void fill(struct um_rng *rng, float *x, int64_t n, double scale)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(scale * um_rng_normal(rng));
}

/* the formula of adamw.h in double, one tensor */
static void formula(double *w, double *m, double *u, const float *g, int n, double scale, double lr,
                    double wd, int t)
{
    for (int i = 0; i < n; i++) {
        const double x = (double)g[i] * scale;

        m[i] = 0.9 * m[i] + 0.1 * x;
        u[i] = 0.999 * u[i] + 0.001 * x * x;
        w[i] = w[i] * (1 - lr * wd) -
               lr * (m[i] / (1 - pow(0.9, t))) / (sqrt(u[i] / (1 - pow(0.999, t))) + 1e-8);
    }
}

static double length(const float *x, int n)
{
    double s = 0;

    for (int i = 0; i < n; i++)
        s += (double)x[i] * (double)x[i];
    return sqrt(s);
}

/* the factor of a tensor of length len by the options */
static double clip_of(const struct um_adamw_opts *o, double len, double all)
{
    const double x = o->clip == UM_CLIP_GLOBAL ? all : len;

    return o->clip != UM_CLIP_NONE && x > o->max_norm ? o->max_norm / x : 1;
}

static void run_adamw(const char *clip, double scale)
{
    struct um_adamw_opts opts = UM_ADAMW_INIT;
    struct um_rng        rng  = um_rng_at(5, UM_RNG_TEST, 0, 0);
    struct um_update     done;
    struct um_adamw     *o;
    struct rig           r;
    double               w[2][N], m[2][N] = { { 0 } }, u[2][N] = { { 0 } };
    const int            n[2] = { N, 5 };

    open_rig(&r);
    OK(um_clip_parse(clip, &opts));
    OK(um_adamw_new(&o, r.ps, &opts));
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < n[p]; i++)
            w[p][i] = (double)at(&r, r.ps->value, p ? r.b : r.w)[i];
    for (int t = 1; t <= 20; t++) {
        float *g[2] = { at(&r, r.ps->grad, r.w), at(&r, r.ps->grad, r.b) };

        fill(&rng, g[0], N, scale);
        fill(&rng, g[1], 5, scale / 4);
        const double len[2] = { length(g[0], N), length(g[1], 5) };
        const double all    = sqrt(len[0] * len[0] + len[1] * len[1]);
        int64_t      cut    = 0;
        for (int p = 0; p < 2; p++) {
            const double f = clip_of(&opts, len[p], all);

            cut += f < 1;
            formula(w[p], m[p], u[p], g[p], n[p], f, 0.01, p ? 0 : 0.05, t);
        }
        OK(um_adamw_step(o, 0.01, &done));
        near(done.norm, all, 1e-6 * all);
        assert_int_equal(done.clipped, cut);
    }
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < n[p]; i++)
            near((double)at(&r, r.ps->value, p ? r.b : r.w)[i], w[p][i], 1e-6);
    near((double)at(&r, r.ps->value, r.stat)[1], 7, 0); /* a statistic is not trained */
    um_adamw_free(o);
    close_rig(&r);
}

static void test_adamw(void **state)
{
    (void)state;
    run_adamw("0", 10);
    run_adamw("3", 10);  /* both tensors are cut */
    run_adamw("3", 1.2); /* the larger one, sometimes */
    run_adamw("global:3", 10);
}

static void test_adamw_refuses(void **state)
{
    struct um_adamw_opts opts = UM_ADAMW_INIT;
    struct um_update     done;
    struct um_adamw     *o;
    struct rig           r;
    float                before[N];

    (void)state;
    open_rig(&r);
    OK(um_adamw_new(&o, r.ps, &opts));
    memcpy(before, at(&r, r.ps->value, r.w), sizeof before);
    at(&r, r.ps->grad, r.b)[2] = NAN;
    assert_int_equal(um_adamw_step(o, 0.01, &done), UM_ENONFINITE);
    assert_non_null(strstr(um_errmsg(), "gradient of b "));
    assert_int_equal(o->updates[r.w] + o->updates[r.b], 0);
    assert_memory_equal(before, at(&r, r.ps->value, r.w), sizeof before);
    const double lost          = NAN; /* the device is the host */
    at(&r, r.ps->grad, r.b)[2] = 1;
    OK(um_adamw_start(o, 0.01, &lost));
    assert_int_equal(um_adamw_finish(o, &done), UM_ENONFINITE);
    assert_non_null(strstr(um_errmsg(), "the loss is not finite"));
    assert_int_equal(o->updates[r.w] + o->updates[r.b], 0);
    assert_memory_equal(before, at(&r, r.ps->value, r.w), sizeof before);
    at(&r, r.ps->grad, r.b)[2] = NAN;
    o->frozen[r.b]             = true; /* what is not updated need not be finite */
    OK(um_adamw_step(o, 0.01, &done));
    assert_true(o->updates[r.w] == 1 && o->updates[r.b] == 0);
    assert_int_equal(um_clip_parse("x", &opts), UM_EUSAGE);
    assert_int_equal(um_clip_parse("global:-1", &opts), UM_EUSAGE);
    um_adamw_free(o);
    close_rig(&r);
}

/* ---- checkpoints ---- */

static int tiny(struct um_model **m, struct um_dev *dev, uint64_t seed)
{
    struct um_model_config c;

    UM_TRY(um_model_preset("tiny", &c));
    um_model_preset_head(&c);
    UM_TRY(um_model_new(m, dev, &c));
    return um_model_init(*m, seed);
}

/* all that a checkpoint holds, of a tiny model */
static struct um_training training(struct um_dev *dev, uint64_t seed)
{
    const struct um_adamw_opts opts = UM_ADAMW_INIT;
    struct um_training         t    = { .m = NULL };

    OK(tiny(&t.m, dev, seed));
    OK(um_model_teacher(&t.teacher, t.m));
    OK(um_model_centres(&t.centres, dev, &t.m->cfg, true));
    OK(um_adamw_new(&t.optim, t.m->ps, &opts));
    return t;
}

static void training_free(struct um_training *t)
{
    um_adamw_free(t->optim);
    um_params_free(t->centres);
    um_model_free(t->teacher);
    um_model_free(t->m);
}

/* numbers that no other tensor has, in every one; the gaps between tensors belong to nobody */
static void mark(const struct um_params *ps, float *block, float at)
{
    for (int i = 0; i < ps->n; i++)
        for (int64_t k = 0; k < ps->list[i].count; k++)
            block[ps->list[i].offset + k] = at + (float)(i + k);
}

static void same_block(const struct um_params *ps, const float *a, const float *b, bool buffers)
{
    for (int i = 0; i < ps->n; i++)
        if (buffers || !ps->list[i].buffer)
            assert_memory_equal(a + ps->list[i].offset, b + ps->list[i].offset,
                                (size_t)ps->list[i].count * sizeof(float));
}

static void test_checkpoint(void **state)
{
    static const char *const meta[] = { "train.seed", "1", NULL }, *const other[] = { "train.seed",
                                                                                      "2", NULL };
    const struct um_state s = { 1200000, 12, { 345, 67, 8 }, 0.25, 6, { 90, INT64_MAX } };
    struct um_state       back;
    char                  dir[] = "/tmp/um-train-XXXXXX", *path;
    struct um_training    a, b;
    struct um_arena      *arena;
    struct um_dev        *dev;

    (void)state;
    assert_non_null(mkdtemp(dir));
    OK(um_arena_new(&arena));
    OK(um_dev_open(&dev, "cpu", NULL));
    a = training(dev, 1);
    b = training(dev, 2);
    mark(a.m->ps, a.optim->u, 0.5f);
    mark(a.m->ps, a.optim->m, -7);
    mark(a.teacher->ps, a.teacher->ps->value, 3);
    mark(a.centres, a.centres->value, 11);
    a.optim->updates[3] = 9;
    OK(um_checkpoint_find(dir, arena, &path));
    assert_null(path);
    for (int64_t step = 999999; step <= 1200000; step += 100000) /* 7 digits after 6 */
        OK(um_checkpoint_write(dir, &a, &(struct um_state){ .step = step }, meta));
    OK(um_checkpoint_write(dir, &a, &s, meta));
    OK(um_checkpoint_find(dir, arena, &path));
    assert_non_null(strstr(path, "/ckpt-1200000.safetensors"));
    assert_int_equal(um_checkpoint_read(path, &b, &back, other), UM_EMISMATCH);
    OK(um_checkpoint_read(path, &b, &back, meta));
    assert_memory_equal(&s, &back, sizeof s);
    same_block(a.m->ps, a.m->ps->value, b.m->ps->value, true);
    same_block(a.m->ps, a.optim->m, b.optim->m, false);
    same_block(a.m->ps, a.optim->u, b.optim->u, false);
    same_block(a.teacher->ps, a.teacher->ps->value, b.teacher->ps->value, true);
    same_block(a.centres, a.centres->value, b.centres->value, true);
    assert_memory_equal(a.optim->updates, b.optim->updates,
                        (size_t)a.m->ps->n * sizeof *a.optim->updates);
    OK(um_checkpoint_prune(dir, 1));
    OK(um_checkpoint_find(dir, arena, &path));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0); /* the others were removed */
    training_free(&a);
    training_free(&b);
    um_dev_close(dev);
    um_arena_free(arena);
}

/* ---- the probe ---- */

enum { RECORDS = 300, WIDTH = 6 };

/* records of one label: feature 0 tells it, with noise, at an offset and scale of its own */
static struct um_labelled *made(bool classes)
{
    struct um_rng       rng = um_rng_at(8, UM_RNG_TEST, 0, 0);
    struct um_labelled *f;
    struct um_arena    *a;

    OK(um_arena_new(&a));
    OK(um_labelled_new(&f, "cls", classes, NULL));
    for (int i = 0; i < RECORDS; i++) {
        static const char *const split[] = { "train", "valid", "test" };
        const int                y       = (int)um_rng_below(&rng, 2);
        struct um_value          label   = { .kind = UM_MAP };
        struct um_record        *rec;
        struct um_tensor         t;
        char                     text[32];

        um_arena_reset(a);
        (void)snprintf(text, sizeof text, "r%d", i);
        OK(um_record_new(a, text, &rec));
        OK(um_tensor_new(a, "cls", UM_F32, 1, (int64_t[]){ WIDTH }, &t));
        for (int c = 0; c < WIDTH; c++)
            ((float *)t.data)[c] =
                (float)(100 * (c == 5) + um_rng_normal(&rng) + (c == 0 ? 3 * y : 0));
        OK(um_record_set(a, rec, &t));
        OK(um_map_set_str(a, &rec->meta, "split", split[i % 3]));
        (void)snprintf(text, sizeof text, "p%d", i / 3);
        OK(um_map_set_str(a, &rec->meta, "patient", text));
        OK(um_map_set_int(a, &label, "l", y));
        if (classes)
            OK(um_map_set_str(a, &rec->meta, "class", y ? "ill" : "healthy"));
        else
            OK(um_map_set(a, &rec->meta, "label", &label));
        OK(um_labelled_add(f, rec));
    }
    um_arena_free(a);
    OK(um_labelled_settle(f, true));
    return f;
}

static void test_probe(void **state)
{
    struct um_probe_opts o = UM_PROBE_INIT;
    struct um_probe_cell one, two;
    struct um_labelled  *f = made(false);
    struct um_arena     *a;
    struct um_dev       *dev;

    (void)state;
    OK(um_arena_new(&a));
    OK(um_dev_open(&dev, "cpu", NULL));
    o.lr          = 0.02;
    o.standardize = true; /* feature 5 is 100 everywhere, nearly */
    OK(um_probe_cell(dev, f, 1, &o, 200, a, &one));
    OK(um_probe_cell(dev, f, 1, &o, 200, a, &two));
    assert_int_equal(one.ntrain, 100);
    assert_int_equal(one.nscore, 2);
    near(one.score[0].value, 0.983, 0.02); /* Phi(3/sqrt 2) */
    assert_true(one.score[0].lo <= one.score[0].value && one.score[0].value <= one.score[0].hi);
    near(one.score[1].value, one.score[0].value, 0); /* the mean of one */
    near(two.score[0].value, one.score[0].value, 0);
    near(two.score[0].hi, one.score[0].hi, 0);
    OK(um_probe_cell(dev, f, 0.001, &o, 50, a, &two));
    assert_int_equal(two.ntrain, 1);
    o.epochs =
        5000; /* stops long before, just when the loss has not fallen for `patience` epochs */
    o.patience = 3;
    OK(um_probe_cell(dev, f, 1, &o, 50, a, &two));
    assert_in_range(two.fit.best, 1, 4000);
    assert_int_equal(two.fit.epochs, two.fit.best + 3);
    o.epochs = 0;
    OK(um_probe_cell(dev, f, 1, &o, 50, a, &two));
    assert_int_equal(two.fit.best, 0);
    o.patience = 10;
    um_labelled_free(f);

    f        = made(true);
    o.epochs = 50;
    OK(um_probe_cell(dev, f, 1, &o, 200, a, &one));
    assert_int_equal(one.nscore, 4);
    assert_string_equal(one.score[0].label, "healthy");
    near(one.score[0].value, one.score[1].value, 1e-12); /* two classes: the same AUROC */
    assert_string_equal(one.score[3].metric, "accuracy");
    near(one.score[3].value, 0.933, 0.05); /* Phi(3/2) */
    um_labelled_free(f);
    um_dev_close(dev);
    um_arena_free(a);
}

/* records are added whose labels come late, differ or are not numbers */
static void test_labelled(void **state)
{
    struct um_labelled *f;
    struct um_arena    *a;
    struct um_record   *rec;
    struct um_tensor    t;
    struct um_value     label = { .kind = UM_MAP }, nil = { .kind = UM_NIL };

    (void)state;
    OK(um_arena_new(&a));
    OK(um_labelled_new(&f, "cls", false, NULL));
    OK(um_record_new(a, "r", &rec));
    assert_int_equal(um_labelled_add(f, rec), UM_EMISSING);
    assert_non_null(strstr(um_errmsg(), "um-encode"));
    OK(um_tensor_new(a, "cls", UM_F32, 1, (int64_t[]){ 2 }, &t));
    memset(t.data, 0, um_tensor_bytes(&t));
    OK(um_record_set(a, rec, &t));
    assert_int_equal(um_labelled_add(f, rec), UM_EMISSING); /* no split */
    OK(um_map_set_str(a, &rec->meta, "split", "train"));
    OK(um_labelled_add(f, rec));
    assert_int_equal(f->unlabelled, 1);
    for (int i = 0; i < 3; i++)
        OK(um_map_set_int(a, &label, i == 0 ? "x" : i == 1 ? "y" : "z", i % 2));
    OK(um_map_set(a, &label, "z", &nil));
    OK(um_map_set(a, &rec->meta, "label", &label));
    for (int i = 0; i < 600; i++) /* several times the first room */
        OK(um_labelled_add(f, rec));
    assert_int_equal(f->nname, 3);
    near((double)f->y[3 * 599 + 1], 1, 0);
    assert_true(isnan(f->y[3 * 599 + 2]));
    OK(um_map_set_num(a, &label, "y", -1));
    OK(um_map_set(a, &rec->meta, "label", &label));
    assert_int_equal(um_labelled_add(f, rec), UM_ERANGE);
    OK(um_map_set_int(a, &label, "y", 1));
    OK(um_map_set_int(a, &label, "new", 1));
    OK(um_map_set(a, &rec->meta, "label", &label));
    assert_int_equal(um_labelled_add(f, rec), UM_EMISMATCH);
    ((float *)t.data)[1] = INFINITY;
    assert_int_equal(um_labelled_add(f, rec), UM_ENONFINITE);
    assert_int_equal(um_labelled_settle(f, false), UM_EMISSING); /* no test part */
    um_labelled_free(f);
    um_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adamw),      cmocka_unit_test(test_adamw_refuses),
        cmocka_unit_test(test_checkpoint), cmocka_unit_test(test_probe),
        cmocka_unit_test(test_labelled),
    };

    return cmocka_run_group_tests_name("train", tests, NULL, NULL);
}
