/* sequence.c - tokenizers, masks, positions, [CLS] in front (method.md 2.1, 2.2, 2.4, 6) */
/* SPDX-License-Identifier: Apache-2.0 */
#include "model/sequence.h"

#include "model/model_int.h"

int64_t um_sequence_tokens(const struct um_model_config *cfg, enum um_modality mod, int64_t slices)
{
    return um_model_tokens(cfg, mod) + (mod == UM_3D ? slices * um_model_slice_tokens(cfg) : 0);
}

/* ---- shapes ---- */

static bool fits(struct um_nn *nn, const char *what, const struct um_var *x, const int64_t want[3])
{
    if (x->ndim != 4)
        return (void)um_nn_fail(nn, UM_ESHAPE, "vision: %s of %d dims, expected 4", what, x->ndim),
               false;
    for (int i = 0; i < 3; i++)
        if (x->dim[i + 1] != want[i])
            return (void)um_nn_fail(
                       nn, UM_ESHAPE,
                       "vision: %s [%lld,%lld,%lld] does not fit the model's [%lld,%lld,%lld]",
                       what, (long long)x->dim[1], (long long)x->dim[2], (long long)x->dim[3],
                       (long long)want[0], (long long)want[1], (long long)want[2]),
                   false;
    return true;
}

static bool all_fit(struct um_nn *nn, const struct um_model_config *c, const struct um_sequence *s)
{
    const int64_t image[3] = { 1, c->image, c->image };
    const int64_t slice[3] = { 1, um_model_slice_side(c), um_model_slice_side(c) };

    if (s->image)
        return fits(nn, "input", s->image, image);
    if (!s->volume)
        return (void)um_nn_fail(nn, UM_EMISSING, "vision: neither an image nor a volume"), false;
    if (!fits(nn, "input", s->volume, c->volume))
        return false;
    if (!s->slices)
        return true;
    if (!fits(nn, "slices", s->slices, slice))
        return false;
    if (s->volume->dim[0] < 1 || s->slices->dim[0] % s->volume->dim[0])
        return (void)um_nn_fail(nn, UM_ESHAPE, "vision: %lld slices of %lld volumes",
                                (long long)s->slices->dim[0], (long long)s->volume->dim[0]),
               false;
    return true;
}

/* ---- one kind of input: T_2D or T_3D, what is masked, where it stands ---- */

/* rows from .. from+n of the mask of every sample, for tokens [B,n] */
static const uint8_t *part_of(struct um_nn *nn, const uint8_t *mask, int64_t B, int64_t T,
                              int64_t from, int64_t n)
{
    uint8_t *part = um_nn_host(nn, (size_t)(B * n) + 1);

    for (int64_t i = 0; part && i < B * n; i++)
        part[i] = mask[i / n * T + from + i % n];
    return part;
}

static struct um_var *masked(struct um_nn *nn, const struct um_model *m, struct um_var *x,
                             const struct um_sequence *s, int64_t B, int64_t T, int64_t from,
                             int64_t n)
{
    const uint8_t *part = s->mask ? part_of(nn, s->mask, B, T, from, n) : NULL;

    return part ? um_mask_tokens(nn, x, par(nn, m, m->vit->mask_token), part) : x;
}

/* [B,D,H,W] -> [B,S P,C] */
static struct um_var *embed_3d(struct um_nn *nn, const struct um_model *m,
                               const struct um_sequence *s, int64_t T)
{
    const struct um_model_config *c     = &m->cfg;
    const float                   scale = (float)c->norm_scale, shift = (float)c->norm_shift;
    struct um_var                *x = um_patches(nn, s->volume, c->patch3, scale, shift);

    x = linear_float(nn, m, m->vit->patch3, x);
    x = masked(nn, m, x, s, s->volume->dim[0], T, 0, um_model_tokens(c, UM_3D));
    return um_add_rows(nn, x, par(nn, m, m->vit->pos_embed_3d), 0);
}

/* P_2 behind [CLS]'s row, for a grid of `side` patches; row *from is the first */
static struct um_var *positions_2d(struct um_nn *nn, const struct um_model *m, int64_t side,
                                   int64_t *from)
{
    const int64_t  own  = m->cfg.image / m->cfg.patch;
    const int64_t  a[3] = { 1, own, own }, b[3] = { 1, side, side };
    struct um_var *pos = par(nn, m, m->vit->pos_embed);

    *from = side == own;
    return side == own ? pos : um_resize_grid(nn, um_slice_tokens(nn, pos, 1, own * own), a, b);
}

/* [N,1,s,s] -> [N,P,C]; tokens `skip` on of the samples' masks */
static struct um_var *embed_2d(struct um_nn *nn, const struct um_model *m, struct um_var *pixels,
                               const struct um_sequence *s, int64_t B, int64_t T, int64_t skip)
{
    const struct um_model_config *c       = &m->cfg;
    const int64_t                 flat[3] = { 1, c->patch, c->patch };
    const int64_t                 side = pixels->dim[2] / c->patch, P = side * side;
    int64_t                       from;
    struct um_var                *x, *pos = positions_2d(nn, m, side, &from);

    x = um_patches(nn, pixels, flat, (float)c->norm_scale, (float)c->norm_shift);
    x = linear_float(nn, m, m->vit->patch, x);
    x = masked(nn, m, x, s, B, T, skip, B > 0 ? pixels->dim[0] / B * P : 0);
    return um_add_rows(nn, x, pos, from);
}

/* every token of slice z gets row z of the table */
static struct um_var *place_slices(struct um_nn *nn, const struct um_model *m, struct um_var *x,
                                   const int32_t *z)
{
    const int64_t n = x->dim[0], P = x->dim[1];
    int32_t      *at;

    if (m->vit->slice_embed < 0)
        return x;
    if (!z)
        return um_nn_fail(nn, UM_EMISSING, "vision: slices without their rows");
    if (!(at = um_nn_host(nn, (size_t)(n * P) * sizeof *at)))
        return NULL;
    for (int64_t i = 0; i < n * P; i++)
        at[i] = z[i / P];
    return um_add(nn, x,
                  um_embed(nn, um_nn_input(nn, UM_I32, 2, (int64_t[]){ n, P }, at),
                           par(nn, m, m->vit->slice_embed)));
}

static struct um_var *embed_pair(struct um_nn *nn, const struct um_model *m,
                                 const struct um_sequence *s, int64_t T)
{
    const int64_t  B = s->volume->dim[0], n = um_model_tokens(&m->cfg, UM_3D);
    struct um_var *v = embed_3d(nn, m, s, T), *x = embed_2d(nn, m, s->slices, s, B, T, n);

    if (!x || !(x = place_slices(nn, m, x, s->z)))
        return NULL;
    return um_concat(nn, v, um_reshape(nn, x, 3, (int64_t[]){ B, T - n, m->cfg.width }));
}

/* ---- the sequence ---- */

/* [CLS] has row 0 of P_2 in every sequence */
static struct um_var *class_token(struct um_nn *nn, const struct um_model *m)
{
    return um_add_rows(nn, par(nn, m, m->vit->cls_token), par(nn, m, m->vit->pos_embed), 0);
}

struct um_var *um_model_sequence(struct um_nn *nn, struct um_model *m, const struct um_sequence *s)
{
    const struct um_model_config *c = &m->cfg;
    struct um_var                *x;
    int64_t                       T;

    if (um_nn_status(nn) < 0 || !all_fit(nn, c, s))
        return NULL;
    T = um_sequence_tokens(c, s->image ? UM_2D : UM_3D,
                           s->slices ? s->slices->dim[0] / s->volume->dim[0] : 0);
    if (s->image)
        x = embed_2d(nn, m, s->image, s, s->image->dim[0], T, 0);
    else
        x = s->slices ? embed_pair(nn, m, s, T) : embed_3d(nn, m, s, T);
    if (s->keep)
        x = um_pick_tokens(nn, x, s->keep, s->kept);
    return vit_encode(nn, m, um_prepend(nn, class_token(nn, m), x), s->attn, s->last);
}

struct um_var *um_model_vision(struct um_nn *nn, struct um_model *m, enum um_modality mod,
                               struct um_var *x, float *attn)
{
    const struct um_sequence s = { .image  = mod == UM_2D ? x : NULL,
                                   .volume = mod == UM_3D ? x : NULL,
                                   .attn   = attn };

    return x ? um_model_sequence(nn, m, &s) : NULL;
}

struct um_var *um_model_pair(struct um_nn *nn, struct um_model *m, struct um_var *volume,
                             struct um_var *slices, float *attn)
{
    const struct um_sequence s = { .volume = volume, .slices = slices, .attn = attn };

    return volume && slices ? um_model_sequence(nn, m, &s) : NULL;
}
