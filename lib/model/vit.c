/* vit.c - the shared vision encoder (method.md 2): its parameters, and its pre-norm blocks
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
    v->patch       = declare_patch(d, "patch_embed", 4, (int64_t[]){ C, 1, c->patch, c->patch });
    v->patch3      = declare_patch(d, "patch_embed_3d", 5,
                                   (int64_t[]){ C, 1, c->patch3[0], c->patch3[1], c->patch3[2] });
    v->slice_embed = -1;
    if (c->slice_embed)
        v->slice_embed = decl_add(d, UM_INIT_ZERO, 0, false, 2, (int64_t[]){ c->volume[0], C },
                                  "vision.slice_embed");
    for (int64_t l = 0; l < c->layers; l++)
        declare_block(d, &v->block[l], l, C, c->mlp);
    v->norm = decl_norm(d, C, "vision.norm");
    return d->st;
}

/* ---- forward ---- */

struct block {
    const struct um_model  *m;
    const struct vit_block *p;
    float                  *attn; /* where Eq. 1 is added up, or NULL */
    float                   each;
};

/* x <- x + Proj(Attn(LN1(x)));  x <- x + W2 GELU(W1 LN2(x) + b1) + b2 */
static struct um_var *block(struct um_nn *nn, const void *arg, struct um_var *x)
{
    const struct block     *b  = arg;
    const struct um_model  *m  = b->m;
    const struct vit_block *p  = b->p;
    const enum um_dtype     dt = um_nn_dtype(nn);
    struct um_var          *y;

    y = linear(nn, m, p->qkv, norm_to(nn, m, p->norm1, x, EPS, dt));
    y = um_attention_qkv(nn, y, m->cfg.heads, b->attn, b->each);
    x = linear_add(nn, m, p->proj, y, x, 0);

    y = linear_gelu(nn, m, p->fc1, norm_to(nn, m, p->norm2, x, EPS, dt));
    return linear_add(nn, m, p->fc2, y, x, 0);
}

struct um_var *vit_encode(struct um_nn *nn, const struct um_model *m, struct um_var *x, float *attn,
                          bool last)
{
    const int64_t L = m->cfg.layers, from = last ? L - 1 : 0; /* Eq. 1: 1/(L A) sum over l, h */
    const float   each = 1.0f / (float)((L - from) * m->cfg.heads);
    struct block *b    = um_nn_host(nn, (size_t)L * sizeof *b);

    for (int64_t l = 0; b && l < L; l++) {
        b[l] = (struct block){ m, &m->vit->block[l], l >= from ? attn : NULL, each };
        x    = um_nn_block(nn, block, &b[l], x);
    }
    return norm(nn, m, m->vit->norm, x, EPS);
}
