/* encoders.c - vision (timm, MONAI) and text (transformers): outputs, Eq. 1, Eq. 2, all gradients
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "model/slice.h"
#include "tests/golden/golden.h"

static int vision_done(struct gold *g, struct um_var *y, struct um_var *eq1)
{
    UM_TRY(gold_judge_var(g, "tokens/y", y));
    UM_TRY(gold_judge_var(g, "attention/eq1", eq1));
    UM_TRY(gold_backward(g, y));
    return gold_judge_gradients(g);
}

/* Eq. 1's sums [B,tokens of a sequence]; NULL data: the sticky error is set */
static struct um_var *sums(struct gold *g, int64_t B, int64_t T, float **at)
{
    struct um_var *v = um_nn_zeros(g->nn, UM_F32, 2, (int64_t[]){ B, T });

    *at = v ? v->data : NULL;
    return v;
}

static struct um_var *vision(struct gold *g, enum um_modality mod, struct um_var **eq1)
{
    const struct um_tensor *x = gold_in(g, "x");
    float                  *at;

    *eq1 = sums(g, x ? x->dim[0] : 0, 1 + um_model_tokens(&g->m->cfg, mod), &at);
    return um_model_vision(g->nn, g->m, mod, gold_input(g, "x"), at);
}

static int run_vit2d(struct gold *g)
{
    struct um_var *y, *eq1;

    UM_TRY(um_nn_begin(g->nn, true, true, 0, 0));
    y = vision(g, UM_2D, &eq1);
    return vision_done(g, y, eq1);
}

/* Eq. 2 of each sample, from Eq. 1 without [CLS] */
static int slice_scores(const struct um_model_config *c, const float *eq1, int64_t B,
                        struct um_arena *a, float *score)
{
    const int64_t    T = um_model_tokens(c, UM_3D), S = um_model_slabs(c), D = c->volume[0];
    struct um_tensor t = { .name = "attention", .dtype = UM_F32, .ndim = 2, .dim = { S, T / S } };

    for (int64_t b = 0; b < B; b++) {
        struct um_tensor out;

        t.data = (void *)(uintptr_t)(eq1 + b * (1 + T) + 1);
        UM_TRY(um_slice_score(a, &t, D, &out));
        for (int64_t z = 0; z < D; z++)
            score[b * D + z] = ((const float *)out.data)[z];
    }
    return UM_OK;
}

static int judge_scores(struct gold *g, const struct um_var *eq1, struct um_arena *a)
{
    const int64_t B = eq1->dim[0], D = g->m->cfg.volume[0];
    float        *x = um_alloc_array(a, B * eq1->dim[1], sizeof *x);
    float        *s = um_alloc_array(a, B * D, sizeof *s);

    if (!x || !s)
        return UM_ENOMEM;
    UM_TRY(um_nn_read(g->nn, eq1, x));
    UM_TRY(slice_scores(&g->m->cfg, x, B, a, s));
    return gold_judge(g, "scores/eq2", s, B * D);
}

static int run_vit3d(struct gold *g)
{
    struct um_var   *y, *eq1;
    struct um_arena *a;
    int              st;

    UM_TRY(um_nn_begin(g->nn, true, true, 0, 0));
    y = vision(g, UM_3D, &eq1);
    UM_TRY(um_nn_status(g->nn));
    UM_TRY(um_arena_new(&a));
    st = judge_scores(g, eq1, a);
    um_arena_free(a);
    return st < 0 ? st : vision_done(g, y, eq1);
}

static int run_pair(struct gold *g)
{
    const struct um_tensor       *v = gold_in(g, "volume"), *s = gold_in(g, "slices");
    const struct um_model_config *c = &g->m->cfg;
    struct um_var                *y, *eq1;
    float                        *at;

    if (!v || !s)
        return UM_EMISSING;
    UM_TRY(um_nn_begin(g->nn, true, true, 0, 0));
    eq1 = sums(g, v->dim[0],
               1 + um_model_tokens(c, UM_3D) + s->dim[0] / v->dim[0] * um_model_tokens(c, UM_2D),
               &at);
    y   = um_model_pair(g->nn, g->m, gold_input(g, "volume"), gold_input(g, "slices"), at);
    return vision_done(g, y, eq1);
}

static int run_bert(struct gold *g)
{
    const struct um_tensor *ids = gold_in(g, "ids"), *mask = gold_in(g, "mask");
    struct um_var          *y;

    if (!ids || !mask)
        return UM_EMISSING;
    UM_TRY(um_nn_begin(g->nn, true, true, 0, 0));
    y = um_model_text(g->nn, g->m, ids->dim[0], ids->dim[1], ids->data, mask->data);
    UM_TRY(gold_judge_var(g, "states/y", y));
    UM_TRY(gold_backward(g, y));
    return gold_judge_gradients(g);
}

const struct gold_case gold_encoders[] = { { "vit2d", true, run_vit2d },
                                           { "vit3d", true, run_vit3d },
                                           { "pair", true, run_pair },
                                           { "bert", true, run_bert },
                                           { NULL, false, NULL } };
