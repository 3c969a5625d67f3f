/* bert.c - the text encoder (method.md 3): BERT's post-norm layers, no pooler */
/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model_int.h"

static const float EPS = 1e-12f;

/* ---- parameters ---- */

static void declare_layer(struct decl *d, struct bert_layer *b, int64_t l, int64_t C, int64_t mlp)
{
    const long long i = l;

    b->query     = decl_linear(d, C, C, "text.encoder.layer.%lld.attention.self.query", i);
    b->key       = decl_linear(d, C, C, "text.encoder.layer.%lld.attention.self.key", i);
    b->value     = decl_linear(d, C, C, "text.encoder.layer.%lld.attention.self.value", i);
    b->attn_out  = decl_linear(d, C, C, "text.encoder.layer.%lld.attention.output.dense", i);
    b->attn_norm = decl_norm(d, C, "text.encoder.layer.%lld.attention.output.LayerNorm", i);
    b->inner     = decl_linear(d, mlp, C, "text.encoder.layer.%lld.intermediate.dense", i);
    b->out       = decl_linear(d, C, mlp, "text.encoder.layer.%lld.output.dense", i);
    b->norm      = decl_norm(d, C, "text.encoder.layer.%lld.output.LayerNorm", i);
}

int bert_declare(struct um_model *m, struct decl *d)
{
    const struct um_model_config *c = &m->cfg;
    const int64_t                 C = c->text_width;
    struct um_bert_params        *b = um_calloc_array(m->ps->arena, 1, sizeof *b);

    m->bert = b;
    if (!b || !(b->layer = um_calloc_array(m->ps->arena, c->text_layers, sizeof *b->layer)))
        return UM_ENOMEM;
    b->word     = decl_add(d, UM_INIT_TRUNC02, 0, true, 2, (int64_t[]){ c->vocab, C },
                           "text.embeddings.word_embeddings.weight");
    b->position = decl_add(d, UM_INIT_TRUNC02, 0, false, 2, (int64_t[]){ c->text_positions, C },
                           "text.embeddings.position_embeddings.weight");
    b->type     = decl_add(d, UM_INIT_TRUNC02, 0, true, 2, (int64_t[]){ 2, C },
                           "text.embeddings.token_type_embeddings.weight");
    b->norm     = decl_norm(d, C, "text.embeddings.LayerNorm");
    for (int64_t l = 0; l < c->text_layers; l++)
        declare_layer(d, &b->layer[l], l, C, c->text_mlp);
    return d->st;
}

/* ---- forward ---- */

/* words + positions + token type 0, normalised, dropped */
static struct um_var *embed(struct um_nn *nn, const struct um_model *m, struct um_var *ids)
{
    const struct um_bert_params *b  = m->bert;
    const int64_t                BT = ids ? ids->dim[0] * ids->dim[1] : 0, C = m->cfg.text_width;
    struct um_var               *x = um_embed(nn, ids, par(nn, m, b->word));
    const int64_t                B = x ? x->dim[0] : 0, T = x ? x->dim[1] : 0;

    x = um_add_rows(nn, x, par(nn, m, b->position), 0);
    x = um_reshape(nn, x, 3, (int64_t[]){ BT, 1, C }); /* one row, the type, for every token */
    x = um_add_rows(nn, x, par(nn, m, b->type), 0);
    x = um_reshape(nn, x, 3, (int64_t[]){ B, T, C });
    return um_dropout(nn, norm(nn, m, b->norm, x, EPS), (float)m->cfg.text_dropout);
}

/* x <- LN(x + Drop(Attn(x)));  x <- LN(x + Drop(W2 GELU(W1 x + b1) + b2)) */
static struct um_var *layer(struct um_nn *nn, const struct um_model *m, const struct bert_layer *b,
                            struct um_var *x, struct um_var *mask)
{
    const float    p = (float)m->cfg.text_dropout;
    struct um_var *y;

    y = um_attention(nn, linear(nn, m, b->query, x), linear(nn, m, b->key, x),
                     linear(nn, m, b->value, x), m->cfg.text_heads, mask, p);
    y = um_dropout(nn, linear(nn, m, b->attn_out, y), p);
    x = norm(nn, m, b->attn_norm, um_add(nn, x, y), EPS);

    y = um_gelu(nn, linear(nn, m, b->inner, x));
    y = um_dropout(nn, linear(nn, m, b->out, y), p);
    return norm(nn, m, b->norm, um_add(nn, x, y), EPS);
}

struct um_var *um_model_text(struct um_nn *nn, struct um_model *m, struct um_var *ids,
                             struct um_var *mask)
{
    struct um_var *x;

    if (ids && (ids->ndim != 2 || ids->dim[1] > m->cfg.text_positions))
        return um_nn_fail(nn, UM_ESHAPE, "text: ids of length %lld, the model has %lld positions",
                          (long long)(ids->ndim == 2 ? ids->dim[1] : ids->ndim),
                          (long long)m->cfg.text_positions);
    x = embed(nn, m, ids);
    for (int64_t l = 0; l < m->cfg.text_layers; l++)
        x = layer(nn, m, &m->bert->layer[l], x, mask);
    return x;
}
