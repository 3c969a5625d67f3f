/* bert.c - the text encoder (method.md 3): BERT's post-norm layers, no pooler */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

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

/* The real tokens of a batch, one sample after the other: padding is neither stored nor computed.
 */
struct tokens {
    struct um_var *ids, *position; /* [1,N]: pieces, and where in its report each stands */
    struct um_var *start; /* [B+1]: the first of each sample, and N; more with spare ones */
    struct um_var *cls;   /* [1,B]: the row of each sample's [CLS] */
    int64_t        N, T;  /* tokens in all; no report is longer */
};

/* samples that hold spare rows: enough for an eighth of B samples of T rows */
static int64_t spare_samples(const struct um_nn *nn, int64_t B)
{
    return um_dev_kernels(um_nn_dev(nn))->repeats ? (B + 7) / 8 : 0;
}

/* A device that repeats work of the same shapes in graphs would meet others in each batch, whose
 * reports have other lengths. There the rows are filled up, by at most an eighth, to a multiple of
 * a power of two. Spare rows are samples of their own that nobody reads: their gradients are 0. */
static void fill_up(struct tokens *t, int64_t spares, int32_t *id, int32_t *at, int32_t *start)
{
    int64_t unit = 1, rows;

    while (unit * 16 <= t->N)
        unit *= 2;
    rows = (unit - t->N % unit) % unit;
    for (int64_t i = 0; i < spares; i++) {
        const int64_t n = rows < t->T ? rows : t->T;

        memset(id + t->N, 0, (size_t)n * sizeof *id);
        memset(at + t->N, 0, (size_t)n * sizeof *at);
        t->N += n;
        rows -= n;
        start[i] = (int32_t)t->N;
    }
}

static struct tokens gather(struct um_nn *nn, int64_t B, int64_t T, const int32_t *ids,
                            const uint8_t *mask)
{
    const int64_t spares = spare_samples(nn, B), most = (B + spares) * T;
    struct tokens t  = { .T = T };
    int32_t      *id = um_nn_host(nn, (size_t)(2 * most + B + spares + 1) * sizeof *id);
    int32_t      *at = id + most, *start = at + most;

    if (!id)
        return t;
    for (int64_t b = 0; b < B; b++) {
        start[b] = (int32_t)t.N;
        if (mask && T > 0 && !mask[b * T])
            (void)um_nn_fail(nn, UM_ERANGE, "text: the mask leaves out [CLS] of report %lld",
                             (long long)b);
        for (int64_t i = 0; i < T; i++)
            if (!mask || mask[b * T + i]) {
                id[t.N]   = ids[b * T + i];
                at[t.N++] = (int32_t)i;
            }
    }
    start[B] = (int32_t)t.N;
    if (spares > 0)
        fill_up(&t, spares, id, at, start + B + 1);
    t.ids      = um_nn_input(nn, UM_I32, 2, (int64_t[]){ 1, t.N }, id);
    t.position = um_nn_input(nn, UM_I32, 2, (int64_t[]){ 1, t.N }, at);
    t.start    = um_nn_input(nn, UM_I32, 1, (int64_t[]){ B + spares + 1 }, start);
    t.cls      = um_nn_input(nn, UM_I32, 2, (int64_t[]){ 1, B }, start);
    return t;
}

/* words + positions + token type 0, normalised, dropped: [N,C] float */
static struct um_var *embed(struct um_nn *nn, const struct um_model *m, const struct tokens *t)
{
    const struct um_bert_params *b = m->bert;
    const int64_t                C = m->cfg.text_width;
    struct um_var               *x = um_embed(nn, t->ids, par(nn, m, b->word));

    x = um_add(nn, x, um_embed(nn, t->position, par(nn, m, b->position)));
    x = um_reshape(nn, x, 3, (int64_t[]){ t->N, 1, C }); /* one row, the type, for every token */
    x = um_add_rows(nn, x, par(nn, m, b->type), 0);
    x = um_reshape(nn, x, 2, (int64_t[]){ t->N, C });
    return um_dropout(nn, norm(nn, m, b->norm, x, EPS), (float)m->cfg.text_dropout);
}

struct layer {
    const struct um_model   *m;
    const struct bert_layer *p;
    const struct tokens     *t;
};

/* x <- LN(x + Drop(Attn(x)));  x <- LN(x + Drop(W2 GELU(W1 x + b1) + b2)) */
static struct um_var *layer(struct um_nn *nn, const void *arg, struct um_var *x)
{
    const struct layer      *l = arg;
    const struct um_model   *m = l->m;
    const struct bert_layer *b = l->p;
    const struct tokens     *t = l->t;
    const float              p = (float)m->cfg.text_dropout;
    struct um_var           *y;

    y = um_attention_ragged(nn, linear(nn, m, b->query, x), linear(nn, m, b->key, x),
                            linear(nn, m, b->value, x), m->cfg.text_heads, t->start, t->T, p);
    x = norm(nn, m, b->attn_norm, linear_add(nn, m, b->attn_out, y, x, p), EPS);

    y = linear_gelu(nn, m, b->inner, x);
    return norm(nn, m, b->norm, linear_add(nn, m, b->out, y, x, p), EPS);
}

struct um_var *um_model_text(struct um_nn *nn, struct um_model *m, int64_t B, int64_t T,
                             const int32_t *ids, const uint8_t *mask)
{
    struct tokens *t = um_nn_host(nn, sizeof *t);
    struct layer  *l = um_nn_host(nn, (size_t)m->cfg.text_layers * sizeof *l);
    struct um_var *x;

    if (!t || !l)
        return NULL;
    if (B < 0 || T < 1 || T > m->cfg.text_positions || B > INT32_MAX / 2 / T)
        return um_nn_fail(nn, UM_ESHAPE, "text: %lld x %lld ids, the model has %lld positions",
                          (long long)B, (long long)T, (long long)m->cfg.text_positions);
    *t = gather(nn, B, T, ids, mask);
    x  = embed(nn, m, t);
    for (int64_t i = 0; i < m->cfg.text_layers; i++) {
        l[i] = (struct layer){ m, &m->bert->layer[i], t };
        x    = um_nn_block(nn, layer, &l[i], x);
    }
    return um_reshape(nn, um_embed(nn, t->cls, x), 2, (int64_t[]){ B, m->cfg.text_width });
}
