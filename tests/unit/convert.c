/* convert.c - weights of others: names, kernels folded, positions, what does not fit
 *
 * Whole files, and what timm and transformers compute of them, are in tests/oracle/convert.py.
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
#include <unistd.h>

#include <cmocka.h>

#include "base/philox.h"
#include "kernels/backend.h"
#include "model/export.h"
#include "model/foreign.h"
#include "model/import.h"
#include "model/listing.h"
#include "model/model_int.h"
#include "weights/safetensors.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) < 0)                                                                            \
            fail_msg("%s: %s", #expr, um_errmsg());                                                \
    } while (0)

static struct um_dev   *dev;
static struct um_arena *arena;
static char             folder[] = "/tmp/um-convert-XXXXXX";

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || um_arena_new(&arena) < 0)
        return -1;
    return um_dev_open(&dev, "cpu", NULL) < 0 ? um_dev_open(&dev, "ref", NULL) : 0;
}

static int teardown(void **state)
{
    (void)state;
    um_dev_close(dev);
    um_arena_free(arena);
    return rmdir(folder);
}

static const char *path(const char *name)
{
    return um_sprintf(arena, "%s/%s", folder, name);
}

static float *noise(int64_t n, uint64_t seed)
{
    struct um_rng r = um_rng_at(seed, UM_RNG_TEST, 0, 0);
    float        *x = um_alloc_array(arena, n, sizeof *x);

    for (int64_t i = 0; i < n; i++)
        x[i] = (float)um_rng_normal(&r);
    return x;
}

static void says(const char *what)
{
    if (!strstr(um_errmsg(), what))
        fail_msg("\"%s\" is not in \"%s\"", what, um_errmsg());
}

/* ---- pixels ---- */

/* w . (u_1, .., u_n) + b of one patch, u = what a network of n channels sees of grey g */
static double embed(const float *w, const float *b, int64_t i, int n, int64_t m, const float *g,
                    const double *mean, const double *std, double *size)
{
    double sum = (double)b[i];

    *size = fabs(sum);

    for (int c = 0; c < n; c++)
        for (int64_t j = 0; j < m; j++) {
            const double x = (double)w[(i * n + c) * m + j] * ((double)g[j] - mean[c]) / std[c];

            sum += x;
            *size += fabs(x);
        }
    return sum;
}

/* method.md 12, point 12: the embedding of a grey patch stays, there and back */
static void folded_kernels_embed_as_before(void **state)
{
    enum { C = 5, M = 35 };
    static const double mine[3][2] = { { 1, 0 }, { 2, -1 }, { 0.3, 7 } };

    (void)state;
    for (int k = 0; k < 9; k++) {
        const double    *me = mine[k / 3], own_mean = -me[1] / me[0], own_std = 1 / me[0];
        const int        n = k % 3 == 2 ? 1 : 3;
        const float     *x = noise(C * n * M, (uint64_t)k), *g = noise(M, 50);
        float           *b = noise(C, 60), *bias = noise(C, 60), *out = noise(C, 60);
        float            w[C * M], back[C * 3 * M];
        struct um_pixels p;
        struct um_fold   f;

        OK(um_pixels_named(k % 3 == 0 ? "imagenet" : "half", &p));
        OK(um_pixels_in(&p, n, me[0], me[1], &f));
        um_fold_in(&f, n, x, C, M, w, bias);
        OK(um_pixels_out(&p, n, me[0], me[1], &f));
        memcpy(out, bias, C * sizeof *out);
        um_fold_out(&f, n, w, C, M, back, out);
        for (int64_t i = 0; i < C; i++) {
            double       size[3];
            const double was  = embed(x, b, i, n, M, g, p.mean, p.std, &size[0]);
            const double is   = embed(w, bias, i, 1, M, g, &own_mean, &own_std, &size[1]);
            const double then = embed(back, out, i, n, M, g, p.mean, p.std, &size[2]);

            if (!(fabs(is - was) <= 1e-7 * (size[0] + size[1])) ||
                !(fabs(then - is) <= 1e-7 * (size[1] + size[2])))
                fail_msg("%d: %.9g became %.9g, then %.9g", k, was, is, then);
        }
    }
}

static void one_channel_of_unit_pixels_keeps_its_bits(void **state)
{
    float            x[3] = { 1.5f, -0.0f, 1e-42f }, w[3], b[1] = { -0.0f };
    struct um_pixels p;
    struct um_fold   f;

    (void)state;
    OK(um_pixels_named("unit", &p));
    OK(um_pixels_in(&p, 1, 1, 0, &f));
    um_fold_in(&f, 1, x, 1, 3, w, b);
    assert_memory_equal(w, x, sizeof x);
    assert_true(signbit(b[0]));
    OK(um_pixels_out(&p, 1, 1, 0, &f));
    memset(w, 0, sizeof w);
    um_fold_out(&f, 1, x, 1, 3, w, b);
    assert_memory_equal(w, x, sizeof x);
}

static void pixels_are_parsed(void **state)
{
    static const char *const bad[][2] = {
        { "", "1" },        { "0.5", "" },       { "a", "1" },          { "1,2", "1,2" },
        { "1,2,3,4", "1" }, { "0", "1,1,1" },    { "0", "-1" },         { "0,0,0", "1,0,1" },
        { "nan", "1" },     { "inf", "1" },      { "1,2,3,", "1,1,1" }, { "1;2;3", "1" },
        { "0", "inf" },     { "1,,3", "1,1,1" },
    };
    struct um_pixels p;

    (void)state;
    OK(um_pixels_parse("0.5", "2", &p));
    assert_true(p.n == 1 && p.mean[2] == 0.5 && p.std[1] == 2);
    OK(um_pixels_parse("1,-2,3e1", "4,5,6", &p));
    assert_true(p.n == 3 && p.mean[1] == -2 && p.mean[2] == 30 && p.std[2] == 6);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (um_pixels_parse(bad[i][0], bad[i][1], &p) != UM_EUSAGE)
            fail_msg("mean %s, std %s were accepted", bad[i][0], bad[i][1]);
    assert_int_equal(um_pixels_named("dino", &p), UM_EUSAGE);
    OK(um_pixels_named("imagenet", &p));
    assert_int_equal(um_pixels_in(&p, 1, 1, 0, &(struct um_fold){ { 0 }, { 0 } }), UM_EUSAGE);
    assert_int_equal(um_pixels_in(&p, 3, 0, 0, &(struct um_fold){ { 0 }, { 0 } }), UM_ERANGE);
}

/* ---- positions ---- */

static void grids_are_known_by_their_rows(void **state)
{
    bool cls;

    (void)state;
    for (int64_t side = 1; side < 200; side++) {
        assert_int_equal(grid_side(1 + side * side, &cls), side);
        assert_true(cls);
        if (side > 1) {
            assert_int_equal(grid_side(side * side, &cls), side);
            assert_false(cls);
            assert_int_equal(grid_side(side * side + 2, &cls), 0);
        }
    }
    assert_int_equal(grid_side(0, &cls), 0);
    assert_int_equal(grid_side(7, &cls), 0);
}

static void positions_fit_another_grid(void **state)
{
    enum { C = 3 };
    const float *x = noise(1 + 25 * C + C, 4);
    float        y[(1 + 9) * C], z[(1 + 25) * C], want[9 * C];

    (void)state;
    grid_resize(x + C, 5, 5, want, 3, 3, C);
    grid_fit(x, 26, y, 3, C);
    assert_memory_equal(y, x, C * sizeof *y);
    assert_memory_equal(y + C, want, sizeof want);
    grid_fit(x + C, 25, y, 3, C); /* none of [CLS] */
    for (int i = 0; i < C; i++)
        assert_true(y[i] == 0);
    assert_memory_equal(y + C, want, sizeof want);
    grid_fit(x, 26, z, 5, C);
    assert_memory_equal(z, x, sizeof z);
}

/* ---- names ---- */

static void some_names_and_how_many_more(void **state)
{
    struct um_listing l = { 0 };
    char              letters[700];

    (void)state;
    um_listing_add(&l, "%s", "a");
    assert_string_equal(um_listing_text(&l), "a");
    for (int i = 0; i < 10; i++)
        um_listing_add(&l, "b%d", i);
    assert_string_equal(um_listing_text(&l), "a, b0, b1, b2, b3, b4, b5, b6 and 3 more");
    memset(letters, 'x', sizeof letters);
    letters[sizeof letters - 1] = 0;
    l                           = (struct um_listing){ 0 };
    um_listing_add(&l, "%s", letters);
    um_listing_add(&l, "after");
    assert_string_equal(um_listing_text(&l), "2 more");
    l = (struct um_listing){ 0 };
    for (int i = 0; i < 8; i++)
        um_listing_add(&l, "%.100s", letters);
    assert_string_equal(um_listing_text(&l) + 5 * 100 + 4 * 2, " and 3 more");
}

/* a file of empty tensors with these names */
static struct um_weights *named(const char *const *name)
{
    const char        *file = path("names");
    struct um_tensor   t[16];
    struct um_weights *w;
    int                n = 0;

    for (; name[n]; n++)
        t[n] = (struct um_tensor){ .name = name[n], .dtype = UM_F32, .ndim = 1, .data = "" };
    OK(um_safetensors_write(file, t, n, NULL));
    OK(um_weights_open(&w, file));
    unlink(file);
    return w;
}

static void source_is(const struct um_foreign *f, const char *ours, const char *const *want)
{
    const char *got[UM_JOINED];
    const int   n = um_foreign_source(f, arena, ours, got);
    int         k = 0;

    for (; want[k]; k++)
        if (k >= n || strcmp(got[k], want[k]) != 0)
            fail_msg("%s: %s, expected %s", ours, k < n ? got[k] : "nothing", want[k]);
    assert_int_equal(n, k);
}

#define SOURCE(f, ours, ...) source_is(f, ours, (const char *const[]){ __VA_ARGS__ })

static void names_of_others(void **state)
{
    struct um_foreign  f;
    struct um_weights *w;

    (void)state;
    w = named((const char *const[]){ "a.b.blocks.0.attn.qkv.weight",
                                     "decoder_blocks.0.attn.qkv.weight", NULL });
    OK(um_foreign_find(&f, arena, w, UM_VISION, NULL));
    assert_string_equal(f.prefix, "a.b.");
    SOURCE(&f, "blocks.11.mlp.fc1.bias", "a.b.blocks.11.mlp.fc1.bias", NULL);
    SOURCE(&f, "mask_token", NULL);
    SOURCE(&f, "pos_embed_3d", NULL);
    SOURCE(&f, "patch_embed_3d.proj.bias", NULL);
    um_weights_close(w);

    w = named((const char *const[]){ "encoder.layer.0.attention.attention.query.weight", NULL });
    OK(um_foreign_find(&f, arena, w, UM_VISION, NULL));
    SOURCE(&f, "blocks.10.attn.qkv.bias", "encoder.layer.10.attention.attention.query.bias",
           "encoder.layer.10.attention.attention.key.bias",
           "encoder.layer.10.attention.attention.value.bias", NULL);
    SOURCE(&f, "norm.weight", "layernorm.weight", NULL);
    SOURCE(&f, "blocks.3.norm1.weight", "encoder.layer.3.layernorm_before.weight", NULL);
    SOURCE(&f, "cls_token", "embeddings.cls_token", NULL);
    SOURCE(&f, "mask_token", NULL);
    um_weights_close(w);

    w = named((const char *const[]){ "x.encoder.layer.0.attention.self.query.weight",
                                     "x.embeddings.LayerNorm.gamma", NULL });
    OK(um_foreign_find(&f, arena, w, UM_TEXT, NULL));
    SOURCE(&f, "embeddings.LayerNorm.weight", "x.embeddings.LayerNorm.gamma", NULL);
    SOURCE(&f, "embeddings.LayerNorm.bias", "x.embeddings.LayerNorm.bias", NULL);
    assert_int_equal(um_foreign_find(&f, arena, w, UM_VISION, NULL), UM_EMISSING);
    says("not a ViT");
    um_weights_close(w);
}

static void prefixes_are_found_or_said(void **state)
{
    struct um_foreign  f;
    struct um_weights *w = named((const char *const[]){
        "blocks.0.attn.qkv.weight", "ema.blocks.0.attn.qkv.weight", "ema2.blocks.0.attn.qkv.weight",
        "xblocks.0.attn.qkv.weight", NULL });

    (void)state;
    assert_int_equal(um_foreign_find(&f, arena, w, UM_VISION, NULL), UM_EMISMATCH);
    says("(none), ema., ema2.: say which");
    assert_int_equal(um_foreign_find(&f, arena, w, UM_VISION, "em"), UM_EMISMATCH);
    assert_int_equal(um_foreign_find(&f, arena, w, UM_VISION, "x"), UM_EMISSING);
    says("nothing under the prefix x");
    OK(um_foreign_find(&f, arena, w, UM_VISION, "ema"));
    assert_string_equal(f.prefix, "ema.");
    OK(um_foreign_find(&f, arena, w, UM_VISION, "ema2."));
    assert_string_equal(f.prefix, "ema2.");
    OK(um_foreign_find(&f, arena, w, UM_VISION, ""));
    assert_string_equal(f.prefix, "");
    um_weights_close(w);
}

static void what_is_left_out_knowingly(void **state)
{
    const struct um_foreign vision = { .part = UM_VISION }, text = { .part = UM_TEXT };
    const char             *why;

    (void)state;
    assert_true(um_foreign_spare(&vision, "head.mlp.0.weight", &why));
    assert_true(um_foreign_spare(&vision, "decoder_blocks.3.norm1.bias", &why));
    assert_true(um_foreign_spare(&vision, "mask_token", &why));
    assert_false(um_foreign_spare(&vision, "mask_tokens", &why));
    assert_string_equal(why, "");
    assert_false(um_foreign_spare(&vision, "blocks.0.attn.q_norm.weight", &why));
    assert_string_equal(why, "normalised queries");
    assert_false(um_foreign_spare(&text, "head.weight", &why));
    assert_true(um_foreign_spare(&text, "pooler.dense.bias", &why));
    assert_false(um_foreign_spare(&text, "embeddings.position_ids2", &why));
}

/* ---- whole files ---- */

/* a timm file of tiny's size, one channel, drawn; *t may be changed before it is written */
static struct um_tensor *timm(struct um_model *m, int *n)
{
    struct um_tensor *all, *t;
    int               k;

    OK(um_model_tensors(m, m->ps->value, "", arena, &all, &k));
    t  = um_calloc_array(arena, k, sizeof *t);
    *n = 0;
    for (int i = 0; i < k; i++)
        if (strncmp(all[i].name, "vision.", 7) == 0 && !strstr(all[i].name, "3d") &&
            !strstr(all[i].name, "mask")) {
            t[*n] = all[i];
            t[(*n)++].name += 7;
        }
    return t;
}

static struct um_model *tiny(uint64_t seed)
{
    struct um_model_config c;
    struct um_model       *m;

    OK(um_model_preset("tiny", &c));
    OK(um_model_new(&m, dev, &c));
    OK(um_model_init(m, seed));
    return m;
}

static float *value(const struct um_model *m, const char *name)
{
    const int i = um_params_find(m->ps, name);

    assert_true(i >= 0);
    return m->ps->value + m->ps->list[i].offset;
}

static void same_value(const struct um_model *a, const struct um_model *b, const char *name)
{
    const struct um_param *p = &a->ps->list[um_params_find(a->ps, name)];

    if (memcmp(value(a, name), value(b, name), (size_t)p->count * sizeof(float)) != 0)
        fail_msg("%s differs", name);
}

/* what comes from the file has its bits; what does not is um_model_init's, to the bit */
static void the_rest_is_drawn_as_at_the_start(void **state)
{
    const char             *file = path("vit");
    struct um_model        *from = tiny(1), *init = tiny(2), *m;
    int                     n;
    const struct um_tensor *t = timm(from, &n);
    struct um_import        o = { .preset = "tiny", .vision = file, .mgca = -1, .seed = 2 };

    (void)state;
    OK(um_safetensors_write(file, t, n, NULL));
    OK(um_model_import(&m, dev, &o));
    for (int i = 0; i < m->ps->n; i++) {
        const char *name   = m->ps->list[i].name;
        const bool  vision = strncmp(name, "vision.", 7) == 0;

        if (!strstr(name, "3d") || !vision)
            same_value(m, vision && !strstr(name, "mask") ? from : init, name);
    }
    /* from the same values the seed makes the same P_3: from's own grid, init's noise */
    memcpy(value(init, "vision.pos_embed"), value(from, "vision.pos_embed"),
           5 * 32 * sizeof(float));
    OK(um_params_draw(init->ps, init->vit->pos_embed_3d, 2));
    OK(vit_inflate(init));
    same_value(m, init, "vision.pos_embed_3d");
    um_model_free(m);
    /* no file for either: all of it */
    o.vision = NULL;
    OK(um_model_import(&m, dev, &o));
    um_model_free(init);
    init = tiny(2);
    for (int i = 0; i < m->ps->n; i++)
        same_value(m, init, m->ps->list[i].name);
    um_model_free(m), um_model_free(from), um_model_free(init);
    unlink(file);
}

static void refused(struct um_model *from, const char *what, const char *said)
{
    const char       *file = path("bad");
    struct um_import  o    = { .preset = "tiny", .vision = file, .mgca = -1 };
    struct um_model  *m;
    int               n;
    struct um_tensor *t = timm(from, &n);

    for (int i = 0; i < n; i++) {
        struct um_tensor *x = &t[i];

        if (strcmp(what, "flat") == 0 && strcmp(x->name, "norm.bias") == 0)
            x->ndim = 2, x->dim[1] = x->dim[0], x->dim[0] = 1;
        if (strcmp(what, "scalar") == 0 && strcmp(x->name, "cls_token") == 0)
            x->ndim = 0;
        if (strcmp(what, "positions") == 0 && strcmp(x->name, "pos_embed") == 0)
            x->dim[1] = 4, x->dim[2] = 40;
        if (strcmp(what, "infinite") == 0 && strcmp(x->name, "pos_embed") == 0)
            ((float *)x->data)[33] = INFINITY;
        if (strcmp(what, "gone") == 0)
            x->name = um_sprintf(arena, "%s%s", x->name, strstr(x->name, "qkv") ? "" : "?");
    }
    OK(um_safetensors_write(file, t, n, NULL));
    assert_true(um_model_import(&m, dev, &o) < 0);
    assert_null(m);
    says(said);
    assert_true(strncmp(um_errmsg(), file, strlen(file)) == 0);
    assert_null(strchr(um_errmsg(), '\n'));
    assert_true(strlen(um_errmsg()) < UM_ERRMSG_MAX - 1);
    unlink(file);
}

static void what_does_not_fit_is_named(void **state)
{
    struct um_model *from = tiny(1);

    (void)state;
    refused(from, "flat", "norm.bias (expected [32], got float32 [1,32])");
    refused(from, "scalar", "cls_token (expected [1,1,32], got float32 [])");
    refused(from, "positions",
            "pos_embed (expected [1,5,32] or of another square grid, got "
            "float32 [1,4,40])");
    refused(from, "infinite", "pos_embed: element 33 is inf");
    refused(from, "gone", "26 missing: cls_token [1,1,32], pos_embed [1,5,32]");
    refused(from, "gone", "26 not known: blocks.0.attn.proj.bias?, ");
    refused(from, "gone", " and 18 more");
    um_model_free(from);
}

/* a configuration that claims more than its file holds does not make us allocate it */
static void sizes_that_lie_are_refused_first(void **state)
{
    const char       *file = path("lies"), *conf;
    struct um_model  *m, *from = tiny(1);
    struct um_tensor *t;
    struct um_import  o = { .preset = "tiny", .vision = file, .mgca = -1 };
    char             *json;
    int               n;

    (void)state;
    from->cfg.width  = 16384;
    from->cfg.layers = 32;
    from->cfg.mlp    = 65536;
    OK(um_model_config_json(arena, &from->cfg, &json));
    conf = json;
    OK(um_model_tensors(from, from->ps->value, "", arena, &t, &n));
    OK(um_safetensors_write(file, t, n, (const char *const[]){ "um.config", conf, NULL }));
    assert_int_equal(um_model_import(&m, dev, &o), UM_EMISSING);
    says("does not fit tiny: 360 missing: vision.blocks.2.norm1.weight [16384], ");
    unlink(file);
    um_model_free(from);
}

static void configurations_are_changed_whole_or_not(void **state)
{
    struct um_model_config c, was;

    (void)state;
    memset(&c, 0, sizeof c);
    OK(um_model_preset("tiny", &c));
    OK(um_model_config_change("{\"layers\": 3, \"window\": [0, 1], \"cased\": true}", &c));
    assert_true(c.layers == 3 && c.window[1] == 1 && c.cased && c.width == 32);
    memcpy(&was, &c, sizeof c);
    assert_int_equal(um_model_config_change("{\"layers\": 4, \"wide\": 1}", &c), UM_EMISSING);
    says("no field is called wide");
    assert_int_equal(um_model_config_change("{\"layers\": 4, \"layers\": 5}", &c), UM_EFORMAT);
    assert_int_equal(um_model_config_change("[]", &c), UM_EFORMAT);
    assert_int_equal(um_model_config_change("{\"layers\": 0}", &c), UM_ERANGE);
    assert_int_equal(um_model_config_change("{\"layers\": \"4\"}", &c), UM_EFORMAT);
    assert_memory_equal(&was, &c, sizeof c);
}

static void exports_refuse_what_a_type_cannot_hold(void **state)
{
    const char                 *file = path("out");
    struct um_model            *m    = tiny(1);
    struct um_model_export_opts o    = { .form = UM_AS_TIMM, .channels = 1, .dtype = UM_F16 };

    (void)state;
    value(m, "vision.norm.bias")[5] = -65520; /* rounds to infinity; 65519 does not */
    assert_int_equal(um_model_export(m, file, &o), UM_ENONFINITE);
    says("norm.bias: element 5 is -65520, too large for float16");
    assert_int_equal(access(file, F_OK), -1);
    value(m, "vision.norm.bias")[5] = -65519;
    OK(um_model_export(m, file, &o));
    o.dtype = UM_BF16;
    OK(um_model_export(m, file, &o));
    unlink(file);
    um_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folded_kernels_embed_as_before),
        cmocka_unit_test(one_channel_of_unit_pixels_keeps_its_bits),
        cmocka_unit_test(pixels_are_parsed),
        cmocka_unit_test(grids_are_known_by_their_rows),
        cmocka_unit_test(positions_fit_another_grid),
        cmocka_unit_test(some_names_and_how_many_more),
        cmocka_unit_test(names_of_others),
        cmocka_unit_test(prefixes_are_found_or_said),
        cmocka_unit_test(what_is_left_out_knowingly),
        cmocka_unit_test(the_rest_is_drawn_as_at_the_start),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(sizes_that_lie_are_refused_first),
        cmocka_unit_test(configurations_are_changed_whole_or_not),
        cmocka_unit_test(exports_refuse_what_a_type_cannot_hold),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
