/* model_int.h - what the files of lib/model share: declaring parameters, using them by index */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MODEL_MODEL_INT_H
#define UM_MODEL_MODEL_INT_H

#include "model/model.h"

/* ---- declaring: the first failure sticks, so that a list of parameters reads as a list ---- */

struct decl {
    struct um_params *ps;
    int               st;
};

struct pair { /* weight and bias, of a product or of a norm; b -1: none */
    int w, b;
};

int decl_add(struct decl *d, enum um_init init, float value, bool decay, int ndim,
             const int64_t *dim, const char *fmt, ...) UM_PRINTF(7, 8);
int decl_buffer(struct decl *d, int64_t n, float value, const char *name);
/* NAME.weight [n,k] with decay, NAME.bias [n] */
struct pair decl_linear(struct decl *d, int64_t n, int64_t k, const char *fmt, ...) UM_PRINTF(4, 5);
/* NAME.weight [c] = 1, NAME.bias [c] = 0 */
struct pair decl_norm(struct decl *d, int64_t c, const char *fmt, ...) UM_PRINTF(3, 4);

/* ---- using ---- */

static inline struct um_var *par(struct um_nn *nn, const struct um_model *m, int index)
{
    return um_nn_param(nn, m->ps, index);
}

static inline struct um_var *linear(struct um_nn *nn, const struct um_model *m, struct pair p,
                                    struct um_var *x)
{
    return um_linear(nn, x, par(nn, m, p.w), p.b < 0 ? NULL : par(nn, m, p.b));
}

static inline struct um_var *linear_float(struct um_nn *nn, const struct um_model *m, struct pair p,
                                          struct um_var *x)
{
    return um_linear_float(nn, x, par(nn, m, p.w), p.b < 0 ? NULL : par(nn, m, p.b));
}

static inline struct um_var *linear_gelu(struct um_nn *nn, const struct um_model *m, struct pair p,
                                         struct um_var *x)
{
    return um_linear_gelu(nn, x, par(nn, m, p.w), par(nn, m, p.b));
}

/* res + Drop(x w^T + b) */
static inline struct um_var *linear_add(struct um_nn *nn, const struct um_model *m, struct pair p,
                                        struct um_var *x, struct um_var *res, float drop)
{
    return um_linear_add(nn, x, par(nn, m, p.w), par(nn, m, p.b), res, drop);
}

static inline struct um_var *norm(struct um_nn *nn, const struct um_model *m, struct pair p,
                                  struct um_var *x, float eps)
{
    return um_layernorm(nn, x, par(nn, m, p.w), par(nn, m, p.b), eps);
}

/* for products to read: of dtype dt */
static inline struct um_var *norm_to(struct um_nn *nn, const struct um_model *m, struct pair p,
                                     struct um_var *x, float eps, enum um_dtype dt)
{
    return um_layernorm_to(nn, x, par(nn, m, p.w), par(nn, m, p.b), eps, dt);
}

/* ---- the parts ---- */

struct vit_block {
    struct pair norm1, qkv, proj, norm2, fc1, fc2;
};

struct um_vit_params {
    int               cls_token, mask_token, pos_embed, pos_embed_3d;
    int               slice_embed; /* -1: none */
    struct pair       patch, patch3, norm;
    struct vit_block *block; /* [layers] */
};

struct bert_layer {
    struct pair query, key, value, attn_out, attn_norm, inner, out, norm;
};

struct um_bert_params {
    int                word, position, type;
    struct pair        norm;
    struct bert_layer *layer; /* [text_layers] */
};

struct head_stats { /* running statistics of one batch norm, per modality */
    int mean[2], var[2];
};

struct head {
    struct pair       fc1, bn, fc2;
    struct head_stats stats1, stats2;
};

struct um_heads {
    struct head vision, text;
};

struct um_head_params { /* the distillation head */
    struct pair fc1, fc2, fc3;
    int         prototypes;
};

/* the shared blocks and the final LN on x [B,1+T,C]; the result is float at every precision. attn:
 * Eq. 1 is added up there, over all layers or the last alone; or NULL */
struct um_var *vit_encode(struct um_nn *nn, const struct um_model *m, struct um_var *x, float *attn,
                          bool last);

/* each declares its parameters and fills its indices, which live in the list's arena */
int vit_declare(struct um_model *m, struct decl *d);
int bert_declare(struct um_model *m, struct decl *d);
int heads_declare(struct um_model *m, struct decl *d);
int distill_declare(struct um_model *m, struct decl *d);

/* positions x [h,w,c] -> y [H,W,c]: bicubic, a = -0.75, half-pixel centres, edges clamped */
void grid_resize(const float *x, int64_t h, int64_t w, float *y, int64_t H, int64_t W, int64_t c);
/* the side of the square grid of a table of positions: 1 + side^2 rows, or side^2 without one for
 * [CLS]; 0: neither */
int64_t grid_side(int64_t rows, bool *cls);
/* a table x [rows,c] to y [1 + side^2,c]: the grid resized, bit by bit where it has that side;
 * [CLS]'s row untouched, 0 where there is none */
void grid_fit(const float *x, int64_t rows, float *y, int64_t side, int64_t c);

/* T_3D = T_2D repeated / depth, with its bias; P_3 = P_2's grid + what P_3 holds (2.1, 2.2) */
int vit_inflate(struct um_model *m);

#endif
