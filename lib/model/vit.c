/* vit.c - the shared vision encoder (method.md 2): two tokenizers, positions, [CLS], pre-norm
 * blocks
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/model_int.h"

static const float EPS = 1e-6f;

/* ---- parameters ---- */

static void declare_block(struct decl *d, struct vit_block *b, int64_t l, int64_t C, int64_t mlp)
{
    const long long i = l;

    b->norm1 = decl_norm(d, C, "vision.blocks.%lld.norm1", i);
    b->qkv   = decl_linear(d, 3 * C, C, "vision.blocks.%lld.attn.qkv", i);
    b->proj  = decl_linear(d, C, C, "vision.blocks.%lld.attn.proj", i);
    b->norm2 = decl_norm(d, C, "vision.blocks.%lld.norm2", i);
    b->fc1   = decl_linear(d, mlp, C, "vision.blocks.%lld.mlp.fc1", i);
    b->fc2   = decl_linear(d, C, mlp, "vision.blocks.%lld.mlp.fc2", i);
}

/* a patch kernel [C,1,..] and its bias */
static struct pair declare_patch(struct decl *d, const char *name, int ndim, const int64_t *dim)
{
    struct pair p;

    p.w = decl_add(d, UM_INIT_TRUNC02, 0, true, ndim, dim, "vision.%s.proj.weight", name);
    p.b = decl_add(d, UM_INIT_ZERO, 0, false, 1, dim, "vision.%s.proj.bias", name);
    return p;
}

int vit_declare(struct um_model *m, struct decl *d)
{
    const struct um_model_config *c = &m->cfg;
    const int64_t                 C = c->width, T2 = um_model_tokens(c, UM_2D);
    const int64_t                 T3 = um_model_tokens(c, UM_3D);
    struct um_vit_params         *v  = um_calloc_array(m->ps->arena, 1, sizeof *v);

    m->vit = v;
    if (!v || !(v->block = um_calloc_array(m->ps->arena, c->layers, sizeof *v->block)))
        return UM_ENOMEM;
    v->cls_token =
        decl_add(d, UM_INIT_TRUNC02, 0, false, 3, (int64_t[]){ 1, 1, C }, "vision.cls_token");
    v->mask_token =
        decl_add(d, UM_INIT_ZERO, 0, false, 3, (int64_t[]){ 1, 1, C }, "vision.mask_token");
    v->pos_embed =
        decl_add(d, UM_INIT_TRUNC02, 0, false, 3, (int64_t[]){ 1, 1 + T2, C }, "vision.pos_embed");
    v->pos_embed_3d =
        decl_add(d, UM_INIT_TRUNC02, 0, false, 3, (int64_t[]){ 1, T3, C }, "vision.pos_embed_3d");
    v->patch  = declare_patch(d, "patch_embed", 4, (int64_t[]){ C, 1, c->patch, c->patch });
    v->patch3 = declare_patch(d, "patch_embed_3d", 5,
                              (int64_t[]){ C, 1, c->patch3[0], c->patch3[1], c->patch3[2] });
    for (int64_t l = 0; l < c->layers; l++)
        declare_block(d, &v->block[l], l, C, c->mlp);
    v->norm = decl_norm(d, C, "vision.norm");
    return d->st;
}

/* ---- forward ---- */

/* T_2D: [B,1,H,W] -> [B,P,C];  T_3D: [B,D,H,W] -> [B,S P,C] */
static struct um_var *tokenize(struct um_nn *nn, const struct um_model *m, enum um_modality mod,
                               struct um_var *x)
{
    const struct um_model_config *c       = &m->cfg;
    const int64_t                 flat[3] = { 1, c->patch, c->patch };
    const float                   scale = (float)c->norm_scale, shift = (float)c->norm_shift;

    if (mod == UM_2D)
        return linear_float(nn, m, m->vit->patch, um_patches(nn, x, flat, scale, shift));
    return linear_float(nn, m, m->vit->patch3, um_patches(nn, x, c->patch3, scale, shift));
}

/* tokens with their positions, which start at row 1 of P_2 and row 0 of P_3 */
static struct um_var *embed(struct um_nn *nn, const struct um_model *m, enum um_modality mod,
                            struct um_var *x)
{
    const struct um_vit_params *v = m->vit;

    x = tokenize(nn, m, mod, x);
    return mod == UM_2D ? um_add_rows(nn, x, par(nn, m, v->pos_embed), 1)
                        : um_add_rows(nn, x, par(nn, m, v->pos_embed_3d), 0);
}

/* [CLS] has row 0 of P_2 in every sequence */
static struct um_var *class_token(struct um_nn *nn, const struct um_model *m)
{
    return um_add_rows(nn, par(nn, m, m->vit->cls_token), par(nn, m, m->vit->pos_embed), 0);
}

struct block {
    const struct um_model  *m;
    const struct vit_block *p;
    float                  *attn; /* where Eq. 1 is added up, or NULL */
};

/* x <- x + Proj(Attn(LN1(x)));  x <- x + W2 GELU(W1 LN2(x) + b1) + b2 */
static struct um_var *block(struct um_nn *nn, const void *arg, struct um_var *x)
{
    const struct block     *b  = arg;
    const struct um_model  *m  = b->m;
    const struct vit_block *p  = b->p;
    const enum um_dtype     dt = um_nn_dtype(nn);
    const float    each        = 1.0f / (float)(m->cfg.layers * m->cfg.heads); /* Eq. 1: 1/(L A) */
    struct um_var *y;

    y = linear(nn, m, p->qkv, norm_to(nn, m, p->norm1, x, EPS, dt));
    y = um_attention_qkv(nn, y, m->cfg.heads, b->attn, each);
    x = linear_add(nn, m, p->proj, y, x, 0);

    y = linear_gelu(nn, m, p->fc1, norm_to(nn, m, p->norm2, x, EPS, dt));
    return linear_add(nn, m, p->fc2, y, x, 0);
}

/* the shape the model takes: an X-ray or slice [1,H,W], a volume [D,H,W] */
static struct um_var *misfit(struct um_nn *nn, const struct um_model_config *c,
                             enum um_modality mod, const struct um_var *x)
{
    const int64_t  flat[3] = { 1, c->image, c->image };
    const int64_t *want    = mod == UM_2D ? flat : c->volume;

    if (x->ndim != 4)
        return um_nn_fail(nn, UM_ESHAPE, "vision: an input of %d dims, expected 4", x->ndim);
    return um_nn_fail(nn, UM_ESHAPE,
                      "vision: input [%lld,%lld,%lld] does not fit the model's [%lld,%lld,%lld]",
                      (long long)x->dim[1], (long long)x->dim[2], (long long)x->dim[3],
                      (long long)want[0], (long long)want[1], (long long)want[2]);
}

static bool fits(struct um_nn *nn, const struct um_model_config *c, enum um_modality mod,
                 const struct um_var *x)
{
    const int64_t flat[3] = { 1, c->image, c->image };
    bool          yes     = x->ndim == 4;

    for (int i = 0; i < 3 && yes; i++)
        yes = x->dim[i + 1] == (mod == UM_2D ? flat[i] : c->volume[i]);
    if (!yes)
        (void)misfit(nn, c, mod, x);
    return yes;
}

/* the shared blocks and the final LN; the result is float at every precision */
static struct um_var *encode(struct um_nn *nn, const struct um_model *m, struct um_var *x,
                             float *attn)
{
    struct block *b = um_nn_host(nn, (size_t)m->cfg.layers * sizeof *b);

    for (int64_t l = 0; b && l < m->cfg.layers; l++) {
        b[l] = (struct block){ m, &m->vit->block[l], attn };
        x    = um_nn_block(nn, block, &b[l], x);
    }
    return norm(nn, m, m->vit->norm, x, EPS);
}

struct um_var *um_model_vision(struct um_nn *nn, struct um_model *m, enum um_modality mod,
                               struct um_var *x, float *attn)
{
    if (!x || !fits(nn, &m->cfg, mod, x))
        return NULL;
    x = um_prepend(nn, class_token(nn, m), embed(nn, m, mod, x));
    return encode(nn, m, x, attn);
}

struct um_var *um_model_pair(struct um_nn *nn, struct um_model *m, struct um_var *volume,
                             struct um_var *slices, float *attn)
{
    struct um_var *x, *s;
    int64_t        B, K;

    if (!volume || !slices || !fits(nn, &m->cfg, UM_3D, volume) ||
        !fits(nn, &m->cfg, UM_2D, slices))
        return NULL;
    B = volume->dim[0];
    K = B > 0 ? slices->dim[0] / B : 0;
    if (slices->dim[0] != K * B)
        return um_nn_fail(nn, UM_ESHAPE, "vision: %lld slices of %lld volumes",
                          (long long)slices->dim[0], (long long)B);
    x = embed(nn, m, UM_3D, volume);
    s = embed(nn, m, UM_2D, slices);
    s = um_reshape(nn, s, 3, (int64_t[]){ B, K * um_model_tokens(&m->cfg, UM_2D), m->cfg.width });
    x = um_prepend(nn, class_token(nn, m), um_concat(nn, x, s));
    return encode(nn, m, x, attn);
}
