/* model.c - counts, identities and files of the model: method.md section 12, points 1, 2, 4, 5, 11
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
#include "kernels/memory/memory.h"
#include "model/model.h"
#include "model/model_int.h"
#include "weights/safetensors.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) < 0)                                                                            \
            fail_msg("%s: %s", #expr, um_errmsg());                                                \
    } while (0)

static struct um_dev *dev;

static int setup(void **state)
{
    (void)state;
    return um_dev_open(&dev, "cpu", NULL) < 0 ? um_dev_open(&dev, "ref", NULL) : 0;
}

static int teardown(void **state)
{
    (void)state;
    um_dev_close(dev);
    return 0;
}

static struct um_model *preset(const char *name, uint64_t seed)
{
    struct um_model_config cfg;
    struct um_model       *m;

    OK(um_model_preset(name, &cfg));
    OK(um_model_new(&m, dev, &cfg));
    OK(um_model_init(m, seed));
    return m;
}

static struct um_nn *context(enum um_dtype dt)
{
    struct um_nn *nn;

    OK(um_nn_new(&nn, dev, &(struct um_nn_opts){ .dtype = dt }));
    return nn;
}

/* numbers in 0..1 */
static float *noise(int64_t n, uint64_t seed)
{
    struct um_rng r = um_rng_at(seed, UM_RNG_TEST, 0, 0);
    float        *x = malloc((size_t)n * sizeof *x);

    for (int64_t i = 0; i < n; i++)
        x[i] = (float)um_rng_uniform(&r);
    return x;
}

static double distance(const float *a, const float *b, int64_t n)
{
    double num = 0, den = 0;

    for (int64_t i = 0; i < n; i++) {
        num += (double)(a[i] - b[i]) * (double)(a[i] - b[i]);
        den += (double)b[i] * (double)b[i];
    }
    return sqrt(num / den);
}

/* ---- counts ---- */

static void check_1_parameter_counts(void **state)
{
    struct um_model_config cfg;
    struct um_model       *m;

    (void)state;
    OK(um_model_preset("vit-b", &cfg));
    OK(um_model_new(&m, dev, &cfg)); /* declares, allocates nothing */
    assert_null(m->ps->value);
    assert_int_equal(um_params_count(m->ps, "vision."), 86586624);
    assert_int_equal(um_params_count(m->ps, "text."), 107719680);
    assert_int_equal(um_params_count(m->ps, "proj.vision."), 1841280);
    assert_int_equal(um_params_count(m->ps, "proj.text."), 1841280);
    assert_int_equal(um_params_count(m->ps, "logit_scale"), 1);
    assert_int_equal(
        um_params_count(m->ps, "vision.blocks.") + um_params_count(m->ps, "vision.norm"), 85056000);
    assert_int_equal(um_params_count(m->ps, "vision.patch_embed.proj"), 197376);
    assert_int_equal(um_params_count(m->ps, "vision.patch_embed_3d.proj"), 787200);
    assert_int_equal(um_params_count(m->ps, "vision.pos_embed_3d"), 393216);
    assert_int_equal(um_model_tokens(&m->cfg, UM_2D), 196);
    assert_int_equal(um_model_tokens(&m->cfg, UM_3D), 512);
    assert_int_equal(um_model_slabs(&m->cfg), 8);
    um_model_free(m);
}

/* weight decay: matrices; not biases, norms, positions, [CLS], mask token, theta */
static void decay_is_for_matrices(void **state)
{
    static const char *const without[] = { "vision.cls_token",
                                           "vision.mask_token",
                                           "vision.pos_embed",
                                           "vision.pos_embed_3d",
                                           "vision.norm.weight",
                                           "vision.blocks.0.attn.qkv.bias",
                                           "text.embeddings.position_embeddings.weight",
                                           "text.embeddings.LayerNorm.weight",
                                           "proj.vision.1.weight",
                                           "logit_scale" };
    static const char *const with[]    = { "vision.patch_embed_3d.proj.weight",
                                           "vision.blocks.1.mlp.fc2.weight",
                                           "text.embeddings.word_embeddings.weight",
                                           "text.encoder.layer.1.attention.output.dense.weight",
                                           "proj.text.3.weight" };
    struct um_model         *m         = preset("tiny", 1);

    (void)state;
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
        const int k = um_params_find(m->ps, without[i]);

        assert_true(k >= 0 && !m->ps->list[k].decay);
    }
    for (size_t i = 0; i < sizeof with / sizeof with[0]; i++) {
        const int k = um_params_find(m->ps, with[i]);

        assert_true(k >= 0 && m->ps->list[k].decay);
    }
    assert_true(um_params_find(m->ps, "proj.text.4.running_var_3d") >= 0);
    um_model_free(m);
}

/* ---- configuration ---- */

static void configuration_goes_both_ways(void **state)
{
    static const char *const name[] = { "tiny", "phantom", "vit-ti", "vit-s", "vit-b" };
    struct um_arena         *a;

    (void)state;
    OK(um_arena_new(&a));
    for (int i = 0; i < 5; i++) {
        struct um_model_config cfg, back;
        char                  *json, *again;

        OK(um_model_preset(name[i], &cfg));
        strcpy(cfg.vocab_digest, "0123456789abcdef0123456789abcdef");
        cfg.norm_scale = 1.0 / 3;
        OK(um_model_config_json(a, &cfg, &json));
        OK(um_model_config_parse(json, &back));
        OK(um_model_config_json(a, &back, &again));
        assert_string_equal(json, again);
        assert_true(back.norm_scale == cfg.norm_scale && back.volume[2] == cfg.volume[2]);
        assert_string_equal(back.preset, name[i]);
    }
    um_arena_free(a);
    assert_int_equal(um_model_preset("huge", &(struct um_model_config){ .width = 0 }), UM_ERANGE);
}

static void bad_configurations_are_refused(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } bad[] = {
        { "\"heads\":2", "\"heads\":3", "heads 3 does not divide width 32" },
        { "\"heads\":2", "\"heads\":0", "heads 0" },
        { "\"heads\":2", "\"heads\":2.5", "heads is not a whole number" },
        { "\"image\":32", "\"image\":40", "patch 16 does not divide image 40" },
        { "\"volume\":[8,32,32]", "\"volume\":[8,32,33]", "patch3 16 does not divide volume 33" },
        { "\"volume\":[8,32,32]", "\"volume\":[8,32]", "volume is not a list of 3" },
        { "\"width\":32", "\"width\":-32", "width -32" },
        { "\"width\":32", "\"width\":9223372036854775807", "width 9.22337e+18" },
        { "\"vocab\":64", "\"vocabulary\":64", "no vocab" },
        { "\"window\":[-1000.0,1000.0]", "\"window\":[5,5]", "window from 5 to 5" },
        { "\"text_dropout\":0.1", "\"text_dropout\":1", "text_dropout 1" },
        { "\"cased\":false", "\"cased\":0", "cased is not true or false" },
        { "\"preset\":\"tiny\"", "\"preset\":\"a name far longer than thirty-two bytes\"",
          "preset" },
        { "\"vocab_digest\":\"\"", "\"vocab_digest\":\"xyz\"", "vocab_digest" },
        { "{\"preset\"", "[{\"preset\"", "um.config" },
        { "\"width\":32", "\"width\":32,\"width\":32", "um.config" },
    };
    struct um_model_config cfg;
    struct um_arena       *a;
    char                  *json;

    (void)state;
    OK(um_arena_new(&a));
    OK(um_model_preset("tiny", &cfg));
    OK(um_model_config_json(a, &cfg, &json));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *at = strstr(json, bad[i].from);
        char       *text;

        if (!at)
            fail_msg("%s is not in %s", bad[i].from, json);
        text =
            um_sprintf(a, "%.*s%s%s", (int)(at - json), json, bad[i].to, at + strlen(bad[i].from));
        if (um_model_config_parse(text, &cfg) >= 0)
            fail_msg("%s was accepted", bad[i].to);
        if (!strstr(um_errmsg(), bad[i].says))
            fail_msg("\"%s\" is not in \"%s\"", bad[i].says, um_errmsg());
    }
    um_arena_free(a);
}

/* ---- section 12 ---- */

/* point 4: over a sequence, [CLS]'s share included, Eq. 1 sums to 1 */
static void check_4_attention_sums_to_one(void **state)
{
    struct um_model *m  = preset("tiny", 3);
    struct um_nn    *nn = context(UM_F32);

    (void)state;
    for (int mod = UM_2D; mod <= UM_3D; mod++) {
        const int64_t  dim[4] = { 2, mod ? 8 : 1, 32, 32 };
        const int64_t  T      = 1 + um_model_tokens(&m->cfg, (enum um_modality)mod);
        float         *x      = noise(2 * dim[1] * 32 * 32, 5), a[2 * 9];
        struct um_var *attn, *y;

        OK(um_nn_begin(nn, false, false, 0, 0));
        attn = um_nn_zeros(nn, UM_F32, 2, (int64_t[]){ 2, T });
        y    = um_model_vision(nn, m, (enum um_modality)mod, um_nn_input(nn, UM_F32, 4, dim, x),
                               attn->data);
        OK(um_nn_status(nn));
        assert_true(y->dim[0] == 2 && y->dim[1] == T && y->dim[2] == 32);
        OK(um_nn_read(nn, attn, a));
        for (int b = 0; b < 2; b++) {
            double sum = 0, tokens = 0;

            for (int64_t t = 0; t < T; t++) {
                sum += (double)a[b * T + t];
                tokens += t ? (double)a[b * T + t] : 0;
                assert_true(a[b * T + t] > 0);
            }
            assert_true(fabs(sum - 1) <= 1e-5 && tokens < 1);
        }
        free(x);
    }
    um_nn_free(nn);
    um_model_free(m);
}

static double contrastive(struct um_nn *nn, struct um_model *m, const float *v, const float *r,
                          int64_t n, int64_t e)
{
    struct um_var *L;
    float          x;

    OK(um_nn_begin(nn, false, false, 0, 0));
    L = um_model_contrastive(nn, m, um_nn_input(nn, UM_F32, 2, (int64_t[]){ n, e }, v),
                             um_nn_input(nn, UM_F32, 2, (int64_t[]){ n, e }, r), NULL);
    OK(um_nn_status(nn));
    OK(um_nn_read(nn, L, &x));
    return (double)x;
}

/* point 5 */
static void check_5_contrastive_loss(void **state)
{
    const float      eye[16]  = { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1 };
    const float      same[16] = { 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0 };
    const float      theta0 = 0, hot = 6;
    struct um_model *m  = preset("tiny", 3);
    struct um_nn    *nn = context(UM_F32);
    float           *at = m->ps->value + m->ps->list[m->logit_scale].offset;
    float            theta;

    (void)state;
    OK(um_model_theta(m, &theta));
    assert_true(fabsf(theta - 2.659260f) < 1e-6f);
    OK(um_dev_kernels(dev)->upload(dev, at, &theta0, sizeof theta0));
    assert_true(fabs(contrastive(nn, m, eye, eye, 4, 4) - 0.743668) < 1e-6);
    assert_true(fabs(contrastive(nn, m, same, same, 4, 4) - log(4)) < 1e-6);
    OK(um_dev_kernels(dev)->upload(dev, at, &hot, sizeof hot));
    OK(um_model_clamp(m));
    OK(um_model_theta(m, &theta));
    assert_true(fabsf(theta - 4.605170f) < 1e-6f);
    um_nn_free(nn);
    um_model_free(m);
}

/* point 11: a volume constant along z embeds in every slab as its slice does */
static void check_11_inflated_kernel_embeds_slices(void **state)
{
    struct um_model *m  = preset("phantom", 9);
    struct um_nn    *nn = context(UM_F32);
    float           *x = noise(64 * 64, 2), *v = malloc(16 * 64 * 64 * sizeof *v);
    float           *y2 = malloc(16 * 96 * sizeof *y2), *y3 = malloc(64 * 96 * sizeof *y3);
    struct um_var   *t2, *t3;

    (void)state;
    for (int z = 0; z < 16; z++)
        memcpy(v + z * 64 * 64, x, 64 * 64 * sizeof *x);
    OK(um_nn_begin(nn, false, false, 0, 0));
    t2 = um_patches(nn, um_nn_input(nn, UM_F32, 4, (int64_t[]){ 1, 1, 64, 64 }, x),
                    (int64_t[]){ 1, 16, 16 }, 1, 0);
    t2 = um_linear(nn, t2, um_nn_param_named(nn, m->ps, "vision.patch_embed.proj.weight"),
                   um_nn_param_named(nn, m->ps, "vision.patch_embed.proj.bias"));
    t3 = um_patches(nn, um_nn_input(nn, UM_F32, 4, (int64_t[]){ 1, 16, 64, 64 }, v), m->cfg.patch3,
                    1, 0);
    t3 = um_linear(nn, t3, um_nn_param_named(nn, m->ps, "vision.patch_embed_3d.proj.weight"),
                   um_nn_param_named(nn, m->ps, "vision.patch_embed_3d.proj.bias"));
    OK(um_nn_status(nn));
    OK(um_nn_read(nn, t2, y2));
    OK(um_nn_read(nn, t3, y3));
    for (int s = 0; s < 4; s++)
        assert_true(distance(y3 + s * 16 * 96, y2, 16 * 96) <= 1e-5);
    free(x), free(v), free(y2), free(y3);
    um_nn_free(nn);
    um_model_free(m);
}

/* bicubic, a = -0.75, half-pixel, clamped: values of torch.nn.functional.interpolate(mode
 * "bicubic", align_corners False) for x[r,q] = (r+1)^2 + 3 q on 3 x 3 */
static void grids_are_resized_bicubically(void **state)
{
    static const float want2[4] = { 2.078125f, 6.9296875f, 8.546875f, 13.3984375f };
    float              x[9], y[4];

    (void)state;
    for (int i = 0; i < 9; i++)
        x[i] = (float)((i / 3 + 1) * (i / 3 + 1) + 3 * (i % 3));
    grid_resize(x, 3, 3, y, 2, 2, 1);
    for (int i = 0; i < 4; i++)
        if (!(fabsf(y[i] - want2[i]) < 1e-5f))
            fail_msg("%d: %.9g, expected %.9g", i, (double)y[i], (double)want2[i]);
}

/* ---- forward passes ---- */

/* padding behind the mask changes nothing; a longer text is refused */
static void text_ignores_what_is_masked(void **state)
{
    struct um_model *m     = preset("tiny", 3);
    struct um_nn    *nn    = context(UM_F32);
    const int32_t    id[8] = { 2, 7, 9, 3, 2, 7, 9, 3 },
                  pad[12]  = { 2, 7, 9, 3, 0, 0, 2, 7, 9, 3, 50, 51 };
    const uint8_t on[8]    = { 1, 1, 1, 1, 1, 1, 1, 1 },
                  some[12] = { 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0 };
    const int32_t many[33] = { 0 };
    const uint8_t none[4]  = { 0, 1, 1, 1 };
    float         a[2 * 32], b[2 * 32];

    (void)state;
    OK(um_nn_begin(nn, false, false, 0, 0));
    OK(um_nn_read(nn, um_model_text(nn, m, 2, 4, id, on), a));
    OK(um_nn_read(nn, um_model_text(nn, m, 2, 6, pad, some), b));
    assert_true(distance(b, a, 2 * 32) <= 1e-6);
    OK(um_nn_begin(nn, false, false, 0, 0));
    assert_null(um_model_text(nn, m, 1, 33, many, NULL));
    assert_int_equal(um_nn_status(nn), UM_ESHAPE);
    OK(um_nn_begin(nn, false, false, 0, 0));
    assert_null(um_model_text(nn, m, 1, 4, id, none));
    assert_int_equal(um_nn_status(nn), UM_ERANGE);
    um_nn_free(nn);
    um_model_free(m);
}

/* --norm mgca: the network that scales its input to -1..1 sees what one that does not is given so
 */
static void input_is_scaled_as_configured(void **state)
{
    struct um_model *m    = preset("tiny", 3);
    struct um_nn    *nn   = context(UM_F32);
    const int64_t    n    = 2 * 8 * 32 * 32;
    float           *x[3] = { noise(n, 5), noise(n, 5), noise(n, 5) }, *y[3];

    (void)state;
    for (int64_t i = 0; i < n; i++)
        x[1][i] = 2 * x[0][i] - 1;
    for (int mod = UM_2D; mod <= UM_3D; mod++) {
        const int64_t dim[4] = { 2, mod ? 8 : 1, 32, 32 };
        const int64_t count  = 2 * (1 + um_model_tokens(&m->cfg, (enum um_modality)mod)) * 32;

        for (int k = 0; k < 3; k++) { /* 0: plain, 1: already scaled, 2: scaled by the model */
            struct um_var *v;

            m->cfg.norm_scale = k == 2 ? 2 : 1;
            m->cfg.norm_shift = k == 2 ? -1 : 0;
            assert_non_null(y[k] = malloc((size_t)count * sizeof *y[k]));
            OK(um_nn_begin(nn, false, false, 0, 0));
            v = um_nn_input(nn, UM_F32, 4, dim, x[k]);
            v = um_model_vision(nn, m, (enum um_modality)mod, v, NULL);
            OK(um_nn_read(nn, v, y[k]));
        }
        assert_true(distance(y[2], y[1], count) <= 1e-5);
        assert_true(distance(y[0], y[1], count) > 1e-3);
        for (int k = 0; k < 3; k++)
            free(y[k]);
    }
    for (int k = 0; k < 3; k++)
        free(x[k]);
    um_nn_free(nn);
    um_model_free(m);
}

static void wrong_inputs_name_both_shapes(void **state)
{
    struct um_model *m  = preset("tiny", 3);
    struct um_nn    *nn = context(UM_F32);
    float           *x  = noise(8 * 32 * 48, 1);

    (void)state;
    OK(um_nn_begin(nn, false, false, 0, 0));
    assert_null(um_model_vision(nn, m, UM_3D,
                                um_nn_input(nn, UM_F32, 4, (int64_t[]){ 1, 8, 32, 48 }, x), NULL));
    assert_int_equal(um_nn_status(nn), UM_ESHAPE);
    assert_non_null(strstr(um_errmsg(), "[8,32,48] does not fit the model's [8,32,32]"));
    free(x);
    um_nn_free(nn);
    um_model_free(m);
}

/* image to embedding, in float and in bfloat16 */
static void bfloat16_follows_float(void **state)
{
    struct um_model *m = preset("tiny", 3);
    float           *x = noise(4 * 32 * 32, 8), e[2][4 * 16];

    (void)state;
    for (int k = 0; k < 2; k++) {
        struct um_nn  *nn = context(k ? UM_BF16 : UM_F32);
        struct um_var *y;

        OK(um_nn_begin(nn, false, false, 0, 0));
        y = um_nn_input(nn, UM_F32, 4, (int64_t[]){ 4, 1, 32, 32 }, x);
        y = um_slice_tokens(nn, um_model_vision(nn, m, UM_2D, y, NULL), 0, 1);
        y = um_model_project_vision(nn, m, UM_2D, y);
        OK(um_nn_read(nn, y, e[k]));
        um_nn_free(nn);
    }
    assert_true(distance(e[1], e[0], 4 * 16) <= 0.03);
    assert_true(distance(e[1], e[0], 4 * 16) > 0);
    free(x);
    um_model_free(m);
}

/* a step of training: every parameter of the path has a gradient, the loss falls along it */
static void a_training_step_descends(void **state)
{
    struct um_model *m     = preset("tiny", 3);
    struct um_nn    *nn    = context(UM_F32);
    float           *x     = noise(4 * 8 * 32 * 32, 8), loss[2];
    const int32_t    id[8] = { 2, 7, 2, 9, 2, 11, 2, 13 };

    (void)state;
    OK(um_params_grad(m->ps));
    for (int k = 0; k < 2; k++) {
        struct um_var *v, *r, *L;

        OK(um_nn_begin(nn, true, true, 1, 1)); /* the same dropout twice */
        v = um_nn_input(nn, UM_F32, 4, (int64_t[]){ 4, 8, 32, 32 }, x);
        v = um_slice_tokens(nn, um_model_vision(nn, m, UM_3D, v, NULL), 0, 1);
        r = um_model_text(nn, m, 4, 2, id, NULL);
        r = um_model_project_text(nn, m, UM_3D, r);
        L = um_model_contrastive(nn, m, um_model_project_vision(nn, m, UM_3D, v), r, NULL);
        OK(um_nn_status(nn));
        OK(um_nn_read(nn, L, &loss[k]));
        if (k == 1)
            break;
        OK(um_nn_backward(nn, L));
        double g2 = 0; /* so far along the gradient that 0.001 is to be gained */

        for (int64_t i = 0; i < m->ps->total; i++)
            g2 += (double)m->ps->grad[i] * (double)m->ps->grad[i];
        for (int64_t i = 0; i < m->ps->total; i++)
            m->ps->value[i] -= (float)(1e-3 / g2) * m->ps->grad[i];
    }
    assert_true(loss[1] < loss[0] - 5e-4f);
    for (int i = 0; i < m->ps->n; i++) {
        const struct um_param *p    = &m->ps->list[i];
        const bool             used = !p->buffer && !strstr(p->name, "patch_embed.") &&
                          strcmp(p->name, "vision.mask_token") != 0;
        double sum = 0;

        for (int64_t j = 0; j < p->count; j++)
            sum += fabs((double)m->ps->grad[p->offset + j]);
        if ((sum > 0) != used)
            fail_msg("%s: gradient %g", p->name, sum);
    }
    free(x);
    um_nn_free(nn);
    um_model_free(m);
}

/* ---- files ---- */

static const char *temp(void)
{
    static char path[64];

    snprintf(path, sizeof path, "model-test-%ld.safetensors", (long)getpid());
    return path;
}

static void weights_go_both_ways(void **state)
{
    struct um_model *m = preset("tiny", 3), *back, *other = preset("tiny", 4);
    char             digest[33], again[33], third[33];

    (void)state;
    OK(um_model_save(m, temp()));
    OK(um_model_load(&back, dev, temp(), digest));
    OK(um_model_digest(m, again));
    OK(um_model_digest(other, third));
    assert_string_equal(digest, again);
    assert_string_not_equal(digest, third);
    assert_memory_equal(m->ps->value, back->ps->value, (size_t)m->ps->total * sizeof(float));
    (void)unlink(temp());
    um_model_free(m);
    um_model_free(back);
    um_model_free(other);
}

/* a checkpoint: the weights under their own names, moments under a prefix, extras ignored */
static void blocks_go_both_ways(void **state)
{
    struct um_model       *m = preset("tiny", 3), *back;
    struct um_tensor      *t, *u, all[512];
    struct um_safetensors *s;
    struct um_arena       *a;
    char                  *json;
    int                    n, k;

    (void)state;
    OK(um_arena_new(&a));
    OK(um_params_grad(m->ps));
    for (int64_t i = 0; i < m->ps->total; i++)
        m->ps->grad[i] = (float)i;
    OK(um_model_config_json(a, &m->cfg, &json));
    OK(um_model_tensors(m, m->ps->value, "", a, &t, &n));
    OK(um_model_tensors(m, m->ps->grad, "optim.m.", a, &u, &k));
    assert_int_equal(n, m->ps->n);
    assert_int_equal(k, m->ps->n - 16); /* running statistics have no moments */
    memcpy(all, t, (size_t)n * sizeof *t);
    memcpy(all + n, u, (size_t)k * sizeof *u);
    OK(um_safetensors_write(temp(), all, n + k, (const char *const[]){ "um.config", json, NULL }));
    OK(um_model_load(&back, dev, temp(), NULL));
    OK(um_params_grad(back->ps));
    OK(um_safetensors_open(&s, temp()));
    assert_int_equal(um_safetensors_count(s), n + k);
    OK(um_model_restore(back, back->ps->grad, "optim.m.", s));
    for (int i = 0; i < m->ps->n; i++)
        for (int64_t j = m->ps->list[i].offset; j < m->ps->list[i].offset + m->ps->list[i].count;
             j++)
            assert_true(m->ps->list[i].buffer || back->ps->grad[j] == (float)j);
    um_safetensors_close(s);
    (void)unlink(temp());
    um_arena_free(a);
    um_model_free(m);
    um_model_free(back);
}

static void expect_load(int st, const char *text)
{
    struct um_model *m;

    assert_int_equal(um_model_load(&m, dev, temp(), NULL), st);
    assert_null(m);
    if (!strstr(um_errmsg(), text))
        fail_msg("\"%s\" is not in \"%s\"", text, um_errmsg());
}

static void models_that_do_not_fit_are_refused(void **state)
{
    struct um_model  *m = preset("tiny", 3);
    struct um_tensor *t, save;
    struct um_arena  *a;
    char             *json, *other;
    const char       *meta[3] = { "um.config", NULL, NULL };
    int               n;

    (void)state;
    OK(um_arena_new(&a));
    OK(um_model_config_json(a, &m->cfg, &json));
    OK(um_model_tensors(m, m->ps->value, "", a, &t, &n));
    OK(um_safetensors_write(temp(), t, n, NULL));
    expect_load(UM_EMISSING, "no um.config");

    m->cfg.layers = 3; /* the configuration promises a block more */
    OK(um_model_config_json(a, &m->cfg, &other));
    meta[1] = other;
    OK(um_safetensors_write(temp(), t, n, meta));
    expect_load(UM_EMISSING, "no tensor vision.blocks.2.norm1.weight");

    m->cfg.layers = 2, m->cfg.vocab = 1 << 24, m->cfg.text_width = 16384; /* a terabyte */
    OK(um_model_config_json(a, &m->cfg, &other));
    meta[1] = other;
    OK(um_safetensors_write(temp(), t, n, meta));
    expect_load(UM_ERANGE, "text.embeddings.word_embeddings.weight: the model is too large");

    meta[1]   = json;
    save      = t[2];
    t[2].ndim = 2, t[2].dim[0] = t[2].dim[1], t[2].dim[1] = t[2].dim[2];
    OK(um_safetensors_write(temp(), t, n, meta));
    expect_load(UM_ESHAPE, "vision.pos_embed: expected float32 [1,5,32], got float32 [5,32]");

    t[2] = save, t[2].dtype = UM_I32;
    OK(um_safetensors_write(temp(), t, n, meta));
    expect_load(UM_EDTYPE, "vision.pos_embed: expected float32 [1,5,32], got int32 [1,5,32]");

    t[2] = save, ((float *)t[2].data)[7] = NAN;
    OK(um_safetensors_write(temp(), t, n, meta));
    expect_load(UM_ENONFINITE, "vision.pos_embed: element 7 is NaN");

    (void)unlink(temp());
    expect_load(UM_EMISSING, "no such file");
    um_arena_free(a);
    um_model_free(m);
}

/* ---- memory of a step ---- */

static int allocations;

static int counted_alloc(struct um_dev *on, size_t n, void **p)
{
    allocations++;
    return um_ref_alloc(on, n, p);
}

/* one training step's loss, gradients and peak; Eq. 1 [2,5] of the volumes goes to attn */
static float step_of(bool recompute, float *grad, size_t *peak, float *attn)
{
    struct um_model_config c;
    struct um_model       *m;
    struct um_nn          *nn;
    struct um_kernels      k;
    struct um_dev         *own;
    const int32_t          id[8] = { 2, 7, 9, 3, 2, 11, 3, 0 };
    const uint8_t          on[8] = { 1, 1, 1, 1, 1, 1, 1, 0 };
    float                 *x = noise(2 * 8 * 32 * 32, 8), loss = 0;

    OK(um_dev_open(&own, "cpu", NULL));
    k            = *own->kernels;
    k.alloc      = counted_alloc;
    own->kernels = &k;
    OK(um_model_preset("tiny", &c));
    c.layers = c.text_layers = 4;
    c.text_dropout           = 0.2;
    OK(um_model_new(&m, own, &c));
    OK(um_model_init(m, 3));
    OK(um_params_grad(m->ps));
    OK(um_nn_new(&nn, own, &(struct um_nn_opts){ .dtype = UM_F32, .recompute = recompute }));
    for (int step = 0; step < 4; step++) {
        struct um_var *v, *r, *a, *L;

        allocations = 0;
        OK(um_nn_begin(nn, true, true, 1, 1));
        OK(um_params_zero_grad(m->ps));
        a = um_nn_zeros(nn, UM_F32, 2, (int64_t[]){ 2, 1 + um_model_tokens(&c, UM_3D) });
        v = um_nn_input(nn, UM_F32, 4, (int64_t[]){ 2, 8, 32, 32 }, x);
        v = um_slice_tokens(nn, um_model_vision(nn, m, UM_3D, v, a->data), 0, 1);
        r = um_model_project_text(nn, m, UM_3D, um_model_text(nn, m, 2, 4, id, on));
        L = um_model_contrastive(nn, m, um_model_project_vision(nn, m, UM_3D, v), r, NULL);
        OK(um_nn_backward(nn, L));
        OK(um_nn_read(nn, L, &loss));
        OK(um_nn_read(nn, a, attn));
        if (step >= 2)
            assert_int_equal(allocations, 0);
    }
    memcpy(grad, m->ps->grad, (size_t)m->ps->total * sizeof *grad);
    *peak = um_nn_peak(nn);
    um_nn_free(nn);
    um_model_free(m);
    um_dev_close(own);
    free(x);
    return loss;
}

/* after two steps nothing is allocated; a block that is run again gives the same bits, and needs
 * less memory */
static void steps_allocate_once_and_recompute_exactly(void **state)
{
    enum { ROOM = 1 << 20 };
    float *grad[2], *attn[2], loss[2];
    size_t peak[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        grad[i] = calloc(ROOM, sizeof **grad);
        attn[i] = calloc(ROOM, sizeof **attn);
        loss[i] = step_of(i == 1, grad[i], &peak[i], attn[i]);
    }
    assert_memory_equal(&loss[0], &loss[1], sizeof *loss);
    assert_memory_equal(grad[0], grad[1], ROOM * sizeof **grad);
    assert_memory_equal(attn[0], attn[1], ROOM * sizeof **attn);
    assert_true(attn[0][1] > 0);
    printf("# peak %zu bytes, with blocks run again %zu\n", peak[0], peak[1]);
    assert_true(peak[1] < peak[0] * 3 / 4);
    for (int i = 0; i < 2; i++) {
        free(grad[i]);
        free(attn[i]);
    }
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(check_1_parameter_counts),
        cmocka_unit_test(decay_is_for_matrices),
        cmocka_unit_test(configuration_goes_both_ways),
        cmocka_unit_test(bad_configurations_are_refused),
        cmocka_unit_test(check_4_attention_sums_to_one),
        cmocka_unit_test(check_5_contrastive_loss),
        cmocka_unit_test(check_11_inflated_kernel_embeds_slices),
        cmocka_unit_test(grids_are_resized_bicubically),
        cmocka_unit_test(text_ignores_what_is_masked),
        cmocka_unit_test(input_is_scaled_as_configured),
        cmocka_unit_test(wrong_inputs_name_both_shapes),
        cmocka_unit_test(bfloat16_follows_float),
        cmocka_unit_test(a_training_step_descends),
        cmocka_unit_test(weights_go_both_ways),
        cmocka_unit_test(blocks_go_both_ways),
        cmocka_unit_test(models_that_do_not_fit_are_refused),
        cmocka_unit_test(steps_allocate_once_and_recompute_exactly),
    };

    return cmocka_run_group_tests_name("model", all, setup, teardown);
}
