/* features.c - a record's inputs checked and cropped, its outputs made room for and checked */
/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/features.h"

#include <math.h>
#include <string.h>

static const char *const inputs[]  = { "image", "volume", "ids", "ids_mask" };
static const char *const outputs[] = { "cls",       "embedding", "tokens",
                                       "attention", "text_cls",  "text_embedding" };

/* ---- the header ---- */

static int check_window(const struct um_model_config *c, const struct um_value *header)
{
    const struct um_value *w = um_map_get(header, "window");
    double                 x[2];

    if (!w)
        return UM_OK;
    if (w->kind != UM_LIST || w->n != 2)
        return um_fail(UM_EFORMAT, "header: window is not two numbers");
    for (int i = 0; i < 2; i++)
        x[i] = w->item[i].kind == UM_INT ? (double)w->item[i].i : w->item[i].f;
    if (!(x[0] == c->window[0] && x[1] == c->window[1]))
        return um_fail(UM_EMISMATCH,
                       "volumes were made with window %g,%g, the model was trained with %g,%g",
                       x[0], x[1], c->window[0], c->window[1]);
    return UM_OK;
}

static int check_norm(const struct um_model_config *c, const struct um_value *header)
{
    const char *norm = um_map_str(header, "norm");
    const bool  mgca = norm && strcmp(norm, "mgca") == 0;

    if (norm && !(c->norm_scale == (mgca ? 2 : 1) && c->norm_shift == (mgca ? -1 : 0)))
        return um_fail(UM_EMISMATCH, "the stream has norm %s, the model's input is %g x %+g", norm,
                       c->norm_scale, c->norm_shift);
    return UM_OK;
}

static int check_vocab(const struct um_model_config *c, const struct um_value *header)
{
    const char *vocab = um_map_str(header, "vocab");
    double      cased;

    if (vocab && *c->vocab_digest && strcmp(vocab, c->vocab_digest) != 0)
        return um_fail(UM_EMISMATCH, "ids are of vocabulary %s, the model was trained with %s",
                       vocab, c->vocab_digest);
    if (*c->vocab_digest && um_map_num(header, "cased", &cased) && (cased != 0) != c->cased)
        return um_fail(UM_EMISMATCH, "ids are %s, the model was trained with %s text",
                       cased != 0 ? "cased" : "lower case", c->cased ? "cased" : "lower case");
    return UM_OK;
}

int um_features_header(const struct um_features *f, const struct um_value *header)
{
    UM_TRY(check_window(f->cfg, header));
    UM_TRY(check_norm(f->cfg, header));
    return f->text ? check_vocab(f->cfg, header) : UM_OK;
}

/* ---- inputs ---- */

static int image_misfit(const struct um_tensor *t, int64_t C)
{
    char shape[UM_SHAPE_TEXT];

    return um_fail(UM_ESHAPE,
                   "`image`: expected uint8 [1,%lld,%lld] or larger, or float32 [1,%lld,%lld], got "
                   "%s %s",
                   (long long)C, (long long)C, (long long)C, (long long)C, um_dtype_name(t->dtype),
                   um_shape_text(t, shape, sizeof shape));
}

static int take_image(struct um_arena *a, const struct um_tensor *t, int64_t C, const float **x)
{
    const uint8_t *from = t->data;
    int64_t        H, W;
    float         *to;

    if (t->ndim != 3 || t->dim[0] != 1)
        return image_misfit(t, C);
    H = t->dim[1], W = t->dim[2];
    if (t->dtype == UM_F32 && H == C && W == C) {
        *x = t->data;
        return UM_OK;
    }
    if (t->dtype != UM_U8 || H < C || W < C)
        return image_misfit(t, C);
    if (!(to = um_alloc_array(a, C * C, sizeof *to)))
        return UM_ENOMEM;
    from += (H - C) / 2 * W + (W - C) / 2;
    for (int64_t i = 0; i < C; i++)
        for (int64_t j = 0; j < C; j++)
            to[i * C + j] = (float)from[i * W + j] / 255.0f;
    *x = to;
    return UM_OK;
}

static int take_volume(const struct um_tensor *t, const int64_t want[3], const float **x)
{
    char shape[UM_SHAPE_TEXT];

    if (t->dtype != UM_F32 || t->ndim != 3 || memcmp(t->dim, want, 3 * sizeof *want) != 0)
        return um_fail(UM_ESHAPE, "`volume`: expected float32 [%lld,%lld,%lld], got %s %s",
                       (long long)want[0], (long long)want[1], (long long)want[2],
                       um_dtype_name(t->dtype), um_shape_text(t, shape, sizeof shape));
    *x = t->data;
    return UM_OK;
}

/* room for an output [n], or [n,m], in the record */
static int output(struct um_arena *a, struct um_record *rec, const char *name, int64_t n, int64_t m,
                  float **data)
{
    const int64_t    dim[2] = { n, m };
    struct um_tensor t;

    UM_TRY(um_tensor_new(a, name, UM_F32, m ? 2 : 1, dim, &t));
    *data = t.data;
    return um_record_set(a, rec, &t);
}

static int take_picture(const struct um_features *f, struct um_arena *a, struct um_record *rec,
                        struct um_encode_item *it)
{
    const struct um_model_config *c   = f->cfg;
    const struct um_tensor       *img = um_record_find(rec, "image");
    const struct um_tensor       *vol = um_record_find(rec, "volume");
    int64_t                       T, S;

    if (img && vol)
        return um_fail(UM_EMISMATCH,
                       "`image` and `volume` in one record: drop one (um-cat --drop)");
    if (!img && !vol)
        return f->text ? UM_OK : um_fail(UM_EMISSING, "no `image` or `volume`: run um-preprocess");
    it->mod = vol ? UM_3D : UM_2D;
    UM_TRY(vol ? take_volume(vol, c->volume, &it->picture)
               : take_image(a, img, c->image, &it->picture));
    T = um_model_tokens(c, it->mod);
    S = vol ? um_model_slabs(c) : 1;
    UM_TRY(output(a, rec, "cls", c->width, 0, &it->cls));
    UM_TRY(output(a, rec, "embedding", c->embed, 0, &it->embedding));
    if (f->tokens)
        UM_TRY(output(a, rec, "tokens", T, c->width, &it->tokens));
    return f->attention ? output(a, rec, "attention", S, T / S, &it->attention) : UM_OK;
}

static int take_text(const struct um_features *f, struct um_arena *a, struct um_record *rec,
                     struct um_encode_item *it)
{
    const struct um_tensor *ids, *mask;

    UM_TRY(um_record_get(rec, "ids", UM_I32, 1, &ids));
    UM_TRY(um_record_get(rec, "ids_mask", UM_U8, 1, &mask));
    if (mask->dim[0] != ids->dim[0])
        return um_fail(UM_ESHAPE, "`ids_mask` [%lld] does not fit `ids` [%lld]",
                       (long long)mask->dim[0], (long long)ids->dim[0]);
    UM_TRY(um_encode_check_ids(f->cfg, ids->data, mask->data, ids->dim[0]));
    it->ids      = ids->data;
    it->ids_mask = mask->data;
    it->len      = ids->dim[0];
    UM_TRY(output(a, rec, "text_cls", f->cfg->text_width, 0, &it->text_cls));
    return output(a, rec, "text_embedding", f->cfg->embed, 0, &it->text_embedding);
}

int um_features_take(const struct um_features *f, struct um_arena *a, struct um_record *rec,
                     struct um_encode_item *it)
{
    *it = (struct um_encode_item){ .mod = UM_2D };
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++)
        (void)um_record_remove(rec, outputs[i]); /* those of another model */
    UM_TRY(take_picture(f, a, rec, it));
    return f->text ? take_text(f, a, rec, it) : UM_OK;
}

/* ---- outputs ---- */

int um_features_done(const struct um_features *f, struct um_record *rec)
{
    for (size_t k = 0; k < sizeof outputs / sizeof outputs[0]; k++) {
        const struct um_tensor *t = um_record_find(rec, outputs[k]);

        for (int64_t i = 0; t && i < um_tensor_count(t); i++)
            if (!isfinite(((const float *)t->data)[i]))
                return um_fail(UM_ENONFINITE, "`%s` came out not finite; is the input finite?",
                               outputs[k]);
    }
    for (size_t k = 0; f->drop && k < sizeof inputs / sizeof inputs[0]; k++)
        (void)um_record_remove(rec, inputs[k]);
    return UM_OK;
}
