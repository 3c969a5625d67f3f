/* step.c - a step of the method: which tokens, which slices, the same numbers however it is split.
 * Checks of method.md section 12 bear their number: 2, 3, 6 here; 1, 4, 5, 11 in model.c; 7 to 9 in
 * distill.c; 14, 15 in um-train.bats
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mt19937.h"
#include "base/philox.h"
#include "load/sampler.h"
#include "model/distill.h"
#include "train/adamw.h"
#include "train/schedule.h"
#include "train/step.h"

#include "tests/unit/late_device.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) < 0)                                                                            \
            fail_msg("%s: %s", #expr, um_errmsg());                                                \
    } while (0)

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

static void near(double got, double want, double rel)
{
    if (!(fabs(got - want) <= rel * fabs(want)))
        fail_msg("got %.17g, expected %.17g", got, want);
}

static struct um_model *model(struct um_dev *dev, const char *preset, uint64_t seed)
{
    struct um_model_config c;
    struct um_model       *m;

    OK(um_model_preset(preset, &c));
    um_model_preset_head(&c);
    c.slice_embed  = true;
    c.slice        = c.image == 32 ? 16 : 0;
    c.text_dropout = 0.1;
    OK(um_model_new(&m, dev, &c));
    if (seed)
        OK(um_model_init(m, seed));
    return m;
}

/* every parameter of the teacher lies a tenth of the way from `old`, its block before, to m's */
static void followed(const struct um_model *t, const struct um_model *m, const float *old)
{
    for (int i = 0; i < t->ps->n; i++) {
        const struct um_param *p = &t->ps->list[i], *q;
        const int              j = um_params_find(m->ps, p->name);

        assert_true(j >= 0);
        q = &m->ps->list[j];
        for (int64_t k = 0; k < p->count; k++) {
            const double was = (double)old[p->offset + k],
                         own = (double)m->ps->value[q->offset + k];

            assert_true(fabs((double)t->ps->value[p->offset + k] - 0.9 * was - 0.1 * own) <=
                        1e-7 * (fabs(was) + fabs(own)));
        }
    }
}

/* the teacher has the vision encoder and the head, and follows */
static void check_1_teacher_counts(void **state)
{
    struct um_model *m    = model(ref, "tiny", 1), *t;
    const char      *name = "vision.blocks.1.mlp.fc1.weight";
    const float     *own;
    float           *old;

    (void)state;
    assert_int_equal(86586624 + 8392960, 94979584);
    OK(um_model_teacher(&t, m));
    assert_int_equal(um_params_count(t->ps, ""),
                     um_params_count(m->ps, "vision.") + um_params_count(m->ps, "head."));
    own = m->ps->value + m->ps->list[um_params_find(m->ps, name)].offset;
    assert_memory_equal(own, t->ps->value + t->ps->list[um_params_find(t->ps, name)].offset,
                        64 * 32 * sizeof(float));
    old = malloc((size_t)t->ps->total * sizeof *old);
    assert_non_null(old);
    memcpy(old, t->ps->value, (size_t)t->ps->total * sizeof *old);
    OK(um_model_init(m, 2));
    OK(um_model_teach(t, m, 0.1));
    followed(t, m, old);
    free(old);
    um_model_free(t);
    um_model_free(m);
}

/* ---- 2: token counts ---- */

static void check_2_token_counts(void **state)
{
    struct um_keep_opts    o = { .share = 0.5, .block = 1 };
    struct um_keep_group   g[5];
    struct um_model_config c;
    uint8_t                kept[1296];
    float                  a[1296];
    int                    n;

    (void)state;
    OK(um_model_preset("vit-b", &c));
    assert_int_equal(1 + um_sequence_tokens(&c, UM_2D, 0), 197);
    assert_int_equal(1 + um_sequence_tokens(&c, UM_3D, 0), 513);
    assert_int_equal(1 + um_sequence_tokens(&c, UM_3D, 4), 1297);
    OK(um_keep_groups(&c, UM_2D, 0, &o, g, &n));
    assert_int_equal(um_keep_count(g, n, &o), 98);
    OK(um_keep_groups(&c, UM_3D, 0, &o, g, &n));
    assert_int_equal(um_keep_count(g, n, &o), 256);
    OK(um_keep_groups(&c, UM_3D, 4, &o, g, &n));
    assert_int_equal(1 + um_keep_count(g, n, &o), 649);
    for (int i = 0; i < 1296; i++)
        a[i] = (float)((i * 7919) % 1009); /* ties: the lower index */
    OK(um_keep_choose(g, n, &o, a, NULL, kept));
    for (int group = 0, from = 0; group < n; from += group ? 196 : 512, group++) {
        int sum = 0;

        for (int i = 0; i < (group ? 196 : 512); i++)
            sum += kept[from + i];
        assert_int_equal(sum, group ? 98 : 256);
    }
}

/* the kept tokens are the best of their group, the earlier of equal ones; squares stay whole */
static void check_2_which_tokens(void **state)
{
    const struct um_keep_group g[] = { { 1, 4, 4 }, { 2, 2, 4 } };
    struct um_keep_opts        o   = { .share = 0.3, .block = 1 };
    struct um_rng              r   = um_rng_at(1, UM_RNG_TEST, 0, 0);
    float                      a[32];
    uint8_t                    kept[32];

    (void)state;
    for (int i = 0; i < 32; i++)
        a[i] = (float)(i % 5);
    OK(um_keep_choose(g, 2, &o, a, NULL, kept)); /* ceil(0.3 16) = 5 of each */
    for (int i = 0; i < 16; i++)
        assert_int_equal(kept[i], i == 4 || i == 9 || i == 14 || i == 3 || i == 8);
    for (int i = 16; i < 32; i++)
        assert_int_equal(kept[i], i == 19 || i == 24 || i == 29 || i == 18 || i == 23);
    o.block = 2;
    OK(um_keep_choose(g, 2, &o, a, NULL, kept)); /* ceil(0.3 4) = 2 squares of each */
    for (int i = 0; i < 16; i++)
        assert_int_equal(kept[i], kept[i / 8 * 8 + i % 4 / 2 * 2]);
    assert_int_equal(um_keep_count(g, 2, &o), 16);
    o.random = true;
    OK(um_keep_choose(g, 2, &o, NULL, &r, kept));
    for (int half = 0, sum = 0; half < 2; half++, sum = 0) {
        for (int i = 0; i < 16; i++)
            sum += kept[16 * half + i];
        assert_int_equal(sum, 8);
    }
    o.random = false;
    a[7]     = NAN;
    assert_int_equal(um_keep_choose(g, 2, &o, a, NULL, kept), UM_ENONFINITE);
}

/* ---- 3: schedules, permutations, order ---- */

static void check_3_schedules_and_order(void **state)
{
    static const double      m[]   = { 0.996, 0.996585786, 0.998, 0.999414214 };
    static const int64_t     p0[]  = { 2, 8, 4, 9, 1, 6, 7, 3, 0, 5 };
    static const int64_t     p42[] = { 8, 1, 5, 0, 7, 2, 9, 4, 3, 6 };
    static const int         mix[] = { 0, 0, 0, 1, 0, 0, 1, 0, 0, 1 };
    const struct um_schedule s     = { 1e-8, 2e-5, um_schedule_warmup(0.4, 1000), 1000 };
    int64_t                  a[10];

    (void)state;
    near(um_schedule_lr(&s, 0), 1e-8, 1e-12);
    near(um_schedule_lr(&s, 1), 5.9975e-8, 1e-12);
    near(um_schedule_lr(&s, 200), 1.0005e-5, 1e-12);
    near(um_schedule_lr(&s, 400), 2e-5, 1e-12);
    near(um_schedule_lr(&s, 550), 1.707253e-5, 1e-6);
    near(um_schedule_lr(&s, 999), 1.013701e-8, 1e-6);
    for (int i = 0; i < 4; i++)
        near(um_schedule_momentum(0.996, 250 * i, 1000), m[i], 1e-9);
    um_mt_permutation(0, a, 10);
    assert_memory_equal(a, p0, sizeof p0);
    um_mt_permutation(42, a, 10);
    assert_memory_equal(a, p42, sizeof p42);
    for (int i = 0; i < 10; i++)
        assert_int_equal(um_mix_is_3d(7, 3, i), mix[i]);
}

/* ---- slices by other rules ---- */

static void slices_by_rule(void **state)
{
    struct um_rng   r = um_rng_at(3, UM_RNG_TEST, 0, 0);
    struct um_slice s[4];
    int             seen[32] = { 0 };

    (void)state;
    OK(um_slice_pick(UM_SELECT_UNIFORM, 32, 4, 4, false, NULL, NULL, s));
    assert_true(s[0].z == 4 && s[1].z == 12 && s[2].z == 20 && s[3].z == 28);
    OK(um_slice_pick(UM_SELECT_MIDDLE, 32, 4, 4, false, NULL, NULL, s));
    assert_true(s[0].z == 14 && s[1].z == 15 && s[2].z == 16 && s[3].z == 17);
    for (int i = 0; i < 4000; i++) {
        OK(um_slice_pick(UM_SELECT_RANDOM, 32, 4, 4, false, NULL, &r, s));
        for (int k = 0; k < 4; k++) {
            assert_true(k == 0 || s[k].z > s[k - 1].z);
            seen[s[k].z]++;
        }
    }
    for (int z = 0; z < 32; z++) /* 500 each; five standard deviations are 105 */
        assert_in_range(seen[z], 395, 605);
    assert_int_equal(um_slice_pick(UM_SELECT_UNIFORM, 3, 1, 4, false, NULL, NULL, s), UM_ERANGE);
}

/* ---- 6: one batch of eight, two of four, four of two ---- */

enum { N = 8, LEN = 10 }; /* 51 tokens: an odd number, so that spare rows are one or more */

/* made-up pairs; the first two have the same report */
struct pairs {
    struct um_batch b;
    float          *x, *x2;
    int32_t         ids[N * LEN], rows[N];
    uint8_t         mask[N * LEN];
    uint64_t        text[N], patient[N];
    const char     *key[N];
    char            name[N][8];
};

static void make_pairs(struct pairs *p, const struct um_model_config *c, enum um_modality mod)
{
    const int64_t each =
        mod == UM_2D ? c->image * c->image : c->volume[0] * c->volume[1] * c->volume[2];
    struct um_rng r = um_rng_at(17, UM_RNG_TEST, (uint64_t)mod, 0);

    memset(p, 0, sizeof *p);
    p->x  = calloc((size_t)(N * each), sizeof *p->x);
    p->x2 = calloc((size_t)(N * each), sizeof *p->x2);
    assert_true(p->x && p->x2);
    for (int64_t i = 0; i < N * each; i++) {
        p->x[i]  = (float)(0.5 * um_rng_uniform(&r) + 0.5 * (double)(i / each) / N);
        p->x2[i] = (float)um_rng_uniform(&r);
    }
    for (int i = 0; i < N; i++) {
        const int from = i == 1 ? 0 : i, length = 3 + from % (LEN - 2);

        (void)snprintf(p->name[i], sizeof p->name[i], "r%d", i);
        p->key[i]  = p->name[i];
        p->text[i] = (uint64_t)from;
        for (int t = 0; t < length; t++) {
            p->ids[i * LEN + t]  = i == 1 ? p->ids[t] : (int32_t)um_rng_below(&r, 64);
            p->mask[i * LEN + t] = 1;
        }
    }
    p->b = (struct um_batch){ .mod     = mod,
                              .N       = N,
                              .n       = N,
                              .length  = LEN,
                              .x       = p->x,
                              .ids     = p->ids,
                              .mask    = p->mask,
                              .rows    = p->rows,
                              .text    = p->text,
                              .patient = p->patient,
                              .key     = p->key };
}

struct ran {
    struct um_model  *m, *teacher;
    struct um_params *centres;
    struct um_losses  l;
};

static struct ran run(struct um_dev *dev, const struct um_method *o, int64_t parts,
                      enum um_dtype precision)
{
    struct ran      r = { .m = model(dev, "tiny", 9) };
    struct um_step *s;

    OK(um_model_teacher(&r.teacher, r.m));
    OK(um_model_init(r.m, 10)); /* not what the teacher was */
    OK(um_model_centres(&r.centres, dev, &r.m->cfg, o->centres));
    OK(um_params_grad(r.m->ps));
    OK(um_step_new(&s, &(struct um_step_opts){ .m         = r.m,
                                               .teacher   = r.teacher,
                                               .centres   = r.centres,
                                               .method    = o,
                                               .precision = precision,
                                               .seed      = 5,
                                               .parts     = parts,
                                               .most      = N }));
    OK(um_step_begin(s, 3, 1));
    for (int mod = UM_2D; mod <= UM_3D; mod++) {
        struct pairs p;

        make_pairs(&p, &r.m->cfg, (enum um_modality)mod);
        p.b.x2 = o->views > 1 && mod == UM_2D ? p.x2 : NULL;
        OK(um_step_add(s, &p.b));
        free(p.x);
        free(p.x2);
    }
    OK(um_step_end(s, &r.l));
    OK(um_step_follow(s, 0.9));
    um_step_free(s);
    return r;
}

static void ran_free(struct ran *r)
{
    um_model_free(r->m);
    um_model_free(r->teacher);
    um_params_free(r->centres);
}

static double length(const float *a, int64_t n)
{
    double s = 0;

    for (int64_t i = 0; i < n; i++)
        s += (double)a[i] * (double)a[i];
    return sqrt(s);
}

/* |a - b| / max(|b|, least): what lies in front of a batch norm has gradients of rounding alone */
static double apart(const float *a, const float *b, int64_t n, double least)
{
    double d = 0;

    for (int64_t i = 0; i < n; i++)
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(d) / fmax(length(b, n), least);
}

static void same(const struct ran *a, const struct ran *b, double tol)
{
    const double all = length(b->m->ps->grad, b->m->ps->total);

    near(a->l.vl, b->l.vl, tol);
    near(a->l.loss, b->l.loss, tol);
    if (!isnan(b->l.icl)) {
        near(a->l.icl, b->l.icl, tol);
        near(a->l.sure[0], b->l.sure[0], tol);
        near(a->l.spread[0], b->l.spread[0], tol);
    }
    if (!isnan(b->l.pcl))
        near(a->l.pcl, b->l.pcl, tol);
    for (int i = 0; i < a->m->ps->n; i++) {
        const struct um_param *p = &a->m->ps->list[i];
        const float           *x = a->m->ps->grad + p->offset, *y = b->m->ps->grad + p->offset;

        if (p->buffer) /* running statistics */
            x = a->m->ps->value + p->offset, y = b->m->ps->value + p->offset;
        if (!(apart(x, y, p->count, 1e-2 * all) <= 20 * tol))
            fail_msg("%s: %g apart", p->name, apart(x, y, p->count, 1e-2 * all));
    }
    for (int i = 0; i < a->centres->n; i++) {
        const struct um_param *p = &a->centres->list[i];

        assert_true(apart(a->centres->value + p->offset, b->centres->value + p->offset, p->count,
                          1e-6) <= 20 * tol);
    }
}

/* what a switch does to the step must survive its splitting */
static void each_method(void (*check)(const struct um_method *))
{
    const struct um_method plain = UM_METHOD_INIT;
    struct um_method       o;

    check(&plain);
    o = plain, o.drop = true, o.patches = UM_PATCH_ALL, check(&o);
    o = plain, o.patches = UM_PATCH_MASKED, o.same_text = true, check(&o);
    o = plain, o.full = true, o.keep.random = true, check(&o);
    o = plain, o.views = 2, o.select = UM_SELECT_RANDOM, check(&o);
    o = plain, o.freeze_text = true, o.attn_student = true, o.attn_last = true, check(&o);
    o = plain, o.patches = UM_PATCH_NONE, o.select = UM_SELECT_NONE, check(&o);
    o = plain, o.lambda_icl = o.lambda_pcl = 0, o.select = UM_SELECT_MIDDLE, check(&o);
    o = plain, o.centres = true, check(&o);
    o = plain, o.spread = true, o.slices = 2, o.lambda_icl = 0.5, check(&o);
}

static void split_on_cpu(const struct um_method *o)
{
    struct ran whole = run(cpu, o, 1, UM_F32);

    for (int64_t parts = 2; parts <= 4; parts *= 2) {
        struct ran r = run(cpu, o, parts, UM_F32);

        same(&r, &whole, 1e-5);
        ran_free(&r);
    }
    ran_free(&whole);
}

static void check_6_splits_give_the_same(void **state)
{
    (void)state;
    each_method(split_on_cpu);
}

static void check_6_in_reference_arithmetic(void **state)
{
    const struct um_method o     = UM_METHOD_INIT;
    struct ran             whole = run(ref, &o, 1, UM_F32);

    (void)state;
    for (int64_t parts = 2; parts <= 4; parts *= 2) {
        struct ran r = run(ref, &o, parts, UM_F32);

        same(&r, &whole, 1e-6);
        ran_free(&r);
    }
    ran_free(&whole);
}

/* ref and cpu compute the same step */
static void backends(const struct um_method *o)
{
    struct ran a = run(ref, o, 1, UM_F32), b = run(cpu, o, 1, UM_F32);

    same(&b, &a, 1e-5);
    ran_free(&a);
    ran_free(&b);
}

static void reference_and_fast_agree(void **state)
{
    (void)state;
    each_method(backends);
}

/* ---- a loss that is not finite ---- */

/* an X-ray batch and a volume batch, one of them with a pixel that is no number */
/* a device that answers late is waited for, and has texts to encode until then */
static void answers_late(const struct um_method *o)
{
    const bool waits  = (um_method_masks(o) && !o->keep.random) || o->select == UM_SELECT_ATTENTION;
    struct ran prompt = run(cpu, o, 1, UM_F32), r;

    late_begin(cpu);
    r = run(cpu, o, 1, UM_F32);
    assert_int_equal(late.waits > 0, waits);
    assert_int_equal(late.embeds > 0, waits && !o->freeze_text);
    same(&r, &prompt, 0);
    ran_free(&r);
    late_end(cpu);
    ran_free(&prompt);
}

static void the_device_encodes_while_the_host_decides(void **state)
{
    (void)state;
    each_method(answers_late);
}

static int nothing_repeated(struct um_dev *dev, struct um_repeats *r)
{
    (void)dev;
    *r = (struct um_repeats){ 0 };
    return UM_OK;
}

/* rows of no report, which fill a batch up where graphs are made, change nothing but rounding */
static void with_spare_rows(const struct um_method *o)
{
    const struct um_kernels *own   = um_dev_kernels(cpu);
    struct um_kernels        table = *own;
    struct ran               plain = run(cpu, o, 1, UM_F32), r;

    table.repeats = nothing_repeated;
    cpu->kernels  = &table;
    r             = run(cpu, o, 1, UM_F32);
    same(&r, &plain, 1e-5);
    ran_free(&r);
    cpu->kernels = own;
    ran_free(&plain);
}

static void spare_rows_change_nothing(void **state)
{
    (void)state;
    each_method(with_spare_rows);
}

static int two_batches(struct um_step *s, const struct um_model *m, int bad)
{
    int st = UM_OK;

    for (int mod = UM_2D; mod <= UM_3D && st >= 0; mod++) {
        struct pairs p;

        make_pairs(&p, &m->cfg, (enum um_modality)mod);
        if (mod == bad)
            p.x[77] = NAN;
        st = um_step_add(s, &p.b);
        free(p.x);
        free(p.x2);
    }
    return st;
}

static void never_updated(const struct um_adamw *optim, const struct um_params *ps)
{
    for (int64_t i = 0; i < ps->total; i++)
        assert_true(optim->m[i] == 0 && optim->u[i] == 0);
    for (int i = 0; i < ps->n; i++)
        assert_int_equal(optim->updates[i], 0);
}

/* two batches, one not finite; the update is issued before anybody looks */
static void not_finite(struct um_dev *dev, int bad, int64_t parts)
{
    struct um_method           o    = UM_METHOD_INIT;
    const struct um_adamw_opts adam = UM_ADAMW_INIT;
    struct um_model           *m    = model(dev, "tiny", 9), *teacher;
    const size_t               size = (size_t)m->ps->total * sizeof(float);
    float                     *was  = malloc(size);
    struct um_params          *centres;
    struct um_adamw           *optim;
    struct um_losses           l;
    struct um_step            *s;
    int                        st;

    o.keep.random = true, o.select = UM_SELECT_NONE; /* attention would tell at once */
    OK(um_model_teacher(&teacher, m));
    OK(um_model_centres(&centres, dev, &m->cfg, false));
    OK(um_params_grad(m->ps));
    OK(um_adamw_new(&optim, m->ps, &adam));
    OK(um_step_new(&s, &(struct um_step_opts){ .m         = m,
                                               .teacher   = teacher,
                                               .centres   = centres,
                                               .method    = &o,
                                               .seed      = 5,
                                               .precision = UM_F32,
                                               .parts     = parts,
                                               .most      = N }));
    OK(um_step_begin(s, 3, 1));
    st = two_batches(s, m, bad);
    for (int i = 0; i < m->ps->n; i++) /* what training leaves as it is, batch norm does not */
        if (m->ps->list[i].buffer)
            memset(m->ps->value + m->ps->list[i].offset, 0,
                   (size_t)m->ps->list[i].count * sizeof(float));
    memcpy(was, m->ps->value, size);
    if (st >= 0) {
        OK(um_step_close(s));
        assert_true(!isfinite(*um_step_health(s)));
        OK(um_adamw_start(optim, 1, um_step_health(s)));
        st = um_step_end(s, &l);
        um_adamw_undo(optim);
    }
    assert_int_equal(st, UM_ENONFINITE);
    assert_non_null(strstr(um_errmsg(), "the loss is "));
    assert_int_equal(um_step_blame(s), bad);
    assert_memory_equal(was, m->ps->value, size);
    never_updated(optim, m->ps);
    um_step_free(s);
    um_adamw_free(optim);
    um_params_free(centres);
    um_model_free(teacher);
    um_model_free(m);
    free(was);
}

static void a_loss_that_is_not_finite_changes_nothing(void **state)
{
    (void)state;
    for (int bad = UM_2D; bad <= UM_3D; bad++) {
        not_finite(ref, bad, 1);
        not_finite(cpu, bad, 1);
        not_finite(cpu, bad, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_1_teacher_counts),
        cmocka_unit_test(check_2_token_counts),
        cmocka_unit_test(check_2_which_tokens),
        cmocka_unit_test(check_3_schedules_and_order),
        cmocka_unit_test(slices_by_rule),
        cmocka_unit_test(check_6_splits_give_the_same),
        cmocka_unit_test(check_6_in_reference_arithmetic),
        cmocka_unit_test(reference_and_fast_agree),
        cmocka_unit_test(the_device_encodes_while_the_host_decides),
        cmocka_unit_test(spare_rows_change_nothing),
        cmocka_unit_test(a_loss_that_is_not_finite_changes_nothing),
    };

    return cmocka_run_group_tests_name("step", tests, setup, teardown);
}
