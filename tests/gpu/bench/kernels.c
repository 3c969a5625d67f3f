/* kernels.c - how near each operation of a step comes to what the device can do
 *
 * usage: gpu/kernels [-d DEVICE] [-t SECONDS] [PATTERN]
 *
 * The shapes are those of ViT-B/16 and its losses on 256 X-rays (any device but cuda: on two), so
 * that arrays are larger than a GPU's caches. An operation bound by memory is measured by the bytes
 * it must move, each input read once and each output written once, against the rate of a copy;
 * products and attention by their FLOP against the rate of one large product in bfloat16. Lines
 * with a product's epilogue show what the epilogue costs: the same product stands above without.
 * Attention stands there twice, um's own and by cuDNN, for its default is what is faster here. None
 * is begun after -t seconds.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/gpu/bench/card.h"

enum { C = 768, MLP = 3072, HEADS = 12, T = 197, PROTOTYPES = 8192, VOCAB = 28996 };

struct bench {
    struct card              card;
    const struct um_kernels *k;
    struct um_dev           *dev;
    int64_t                  B, n;    /* samples, tokens */
    int64_t                  tokens;  /* attention's, of a sample */
    int64_t                  samples; /* and its samples */
    void                    *f[4];    /* floats: room for any of the shapes */
    void                    *h[4];    /* bfloat16 alike */
    float                   *row[4];  /* [n] or a parameter's */
    int32_t                 *ids, *kept;
    uint8_t                 *mask;
    void                    *host;
};

#define OP(name) static int name(void *arg)
#define B_ const struct bench *b = arg

/* ---- streams ----------------------------------------------------------------------------------*/

OP(layernorm_fwd)
{
    B_;
    return b->k->layernorm_fwd(b->dev, b->h[0], UM_BF16, b->row[0], b->row[1], b->f[0], UM_F32,
                               b->row[2], b->row[3], b->n, C, 1e-6f);
}
OP(layernorm_bwd)
{
    B_;
    float *dgamma = b->f[3];

    return b->k->layernorm_bwd(b->dev, b->f[1], UM_F32, true, dgamma, dgamma + C, b->h[0], UM_BF16,
                               b->f[0], b->row[2], b->row[0], b->row[1], b->n, C);
}
OP(softmax_fwd)
{
    B_;
    return b->k->softmax_fwd(b->dev, UM_BF16, b->h[1], b->h[0], b->n, C);
}
OP(softmax_bwd)
{
    B_;
    return b->k->softmax_bwd(b->dev, UM_BF16, b->h[2], b->h[1], b->h[0], b->n, C);
}
OP(gelu_fwd)
{
    B_;
    return b->k->act_fwd(b->dev, UM_ACT_GELU, 0, UM_BF16, b->h[1], b->h[0], b->n * MLP);
}
OP(gelu_bwd)
{
    B_;
    return b->k->act_bwd(b->dev, UM_ACT_GELU, 0, UM_BF16, b->h[2], b->h[1], b->h[0], b->n * MLP);
}
OP(add)
{
    B_;
    return b->k->add(b->dev, UM_F32, b->f[2], b->f[1], b->f[0], b->n * C);
}
OP(cast_down)
{
    B_;
    return b->k->cast(b->dev, b->h[0], UM_BF16, b->f[0], UM_F32, b->n * C);
}
OP(cast_up)
{
    B_;
    return b->k->cast(b->dev, b->f[0], UM_F32, b->h[0], UM_BF16, b->n * C);
}
OP(dropout)
{
    B_;
    return b->k->dropout(b->dev, UM_BF16, b->h[1], b->h[0], b->n * C,
                         (struct um_drop){ 0.1f, 7, 0 });
}
OP(bias_bwd)
{
    B_;
    return b->k->bias_bwd(b->dev, UM_BF16, b->row[0], b->h[0], b->n, MLP, MLP);
}
OP(bias_bwd_float)
{
    B_;
    return b->k->bias_bwd(b->dev, UM_F32, b->row[0], b->f[0], b->n, C, C);
}
OP(zero)
{
    B_;
    return b->k->zero(b->dev, b->f[0], (size_t)(b->n * C) * sizeof(float));
}
OP(upload)
{
    B_;
    return b->k->upload(b->dev, b->f[0], b->host, (size_t)(b->B * 224 * 224) * sizeof(float));
}

/* ---- sequences and tokens ---------------------------------------------------------------------*/

OP(patches)
{
    B_;
    return b->k->patches(b->dev, UM_BF16, b->h[0], b->f[0], b->B, 1, 224, 224, 1, 16, 16, 2, -1);
}
OP(rows)
{
    B_;
    return b->k->rows(b->dev, b->f[1], UM_F32, b->f[0], UM_F32, b->B, T - 1, C, T, 1, T - 1, 0,
                      false);
}
OP(rows_summed)
{
    B_;
    return b->k->rows(b->dev, b->f[1], UM_F32, b->f[0], UM_F32, b->B, T - 1, C, 0, 0, T, 1, true);
}
OP(pick_fwd)
{
    B_;
    return b->k->pick_fwd(b->dev, UM_F32, b->f[1], b->f[0], b->kept, b->B, T / 2, T, C);
}
OP(pick_bwd)
{
    B_;
    return b->k->pick_bwd(b->dev, UM_F32, b->f[0], b->f[1], b->kept, b->B, T / 2, T, C);
}
OP(mask_fwd)
{
    B_;
    return b->k->mask_fwd(b->dev, UM_F32, b->f[1], b->f[0], b->row[2], b->mask, b->n, C);
}
OP(mask_bwd)
{
    B_;
    return b->k->mask_bwd(b->dev, UM_F32, b->f[1], b->row[3], b->f[0], b->mask, b->n, C);
}
OP(embed_fwd)
{
    B_;
    return b->k->embed_fwd(b->dev, UM_F32, b->f[1], b->f[0], b->ids, b->n / 2, VOCAB, C);
}
OP(embed_bwd)
{
    B_;
    return b->k->embed_bwd(b->dev, UM_F32, b->f[0], b->f[1], b->ids, b->n / 2, VOCAB, C);
}
OP(transpose)
{
    B_;
    return b->k->transpose(b->dev, UM_BF16, b->h[1], b->h[0], b->B, T, C);
}

/* ---- losses and the optimiser -----------------------------------------------------------------*/

static struct um_distill distill_of(const struct bench *b)
{
    return (struct um_distill){ .dt     = UM_BF16,
                                .n      = b->n / 4,
                                .c      = PROTOTYPES,
                                .x      = b->h[0],
                                .t      = b->h[1],
                                .centre = b->row[2],
                                .weight = b->row[3],
                                .tau_s  = 0.1f,
                                .tau_t  = 0.04f };
}
OP(distill_fwd)
{
    B_;
    const struct um_distill d = distill_of(b);

    return b->k->distill_fwd(b->dev, b->row[1], b->row[0], b->f[0], b->row[1] + 1, &d);
}
OP(distill_bwd)
{
    B_;
    const struct um_distill d = distill_of(b);

    return b->k->distill_bwd(b->dev, b->h[2], b->row[1], b->row[0], &d);
}
OP(l2norm_fwd)
{
    B_;
    return b->k->l2norm_fwd(b->dev, UM_BF16, b->h[1], b->row[0], b->h[0], b->n, C, 1e-12f);
}
OP(l2norm_bwd)
{
    B_;
    return b->k->l2norm_bwd(b->dev, UM_BF16, b->h[2], b->h[1], b->h[0], b->row[0], b->n, C, 1e-12f);
}
OP(batchnorm_fwd)
{
    B_;
    return b->k->batchnorm_fwd(b->dev, UM_F32, b->f[1], b->row[0], b->row[1], b->row[2], b->f[0],
                               b->row[3], b->row[3], b->B, 2048, 1e-5f);
}
OP(lerp)
{
    B_;
    return b->k->lerp(b->dev, b->f[1], b->f[0], 0.004f, b->n * C);
}
static struct um_span span_of(const struct bench *b)
{
    return (struct um_span){ 0, b->n * C, 1, 0.05f };
}
OP(sumsq)
{
    B_;
    const struct um_span all = span_of(b);

    return b->k->sumsq(b->dev, (double *)(void *)b->row[0], b->f[0], &all, 1);
}
OP(adamw)
{
    B_;
    const struct um_span all = span_of(b);

    return b->k->adamw(b->dev, &(struct um_adam){ .w     = b->f[0],
                                                  .m     = b->f[1],
                                                  .u     = b->f[2],
                                                  .g     = b->f[3],
                                                  .span  = &all,
                                                  .spans = 1,
                                                  .t     = 10,
                                                  .lr    = 1e-9f,
                                                  .b1    = 0.9f,
                                                  .b2    = 0.999f,
                                                  .eps   = 1e-8f });
}

/* ---- products ---------------------------------------------------------------------------------*/

/* x [n,k] w^T, w [n_,k], in bfloat16 throughout */
static struct um_matmul forward(const struct bench *b, int64_t out, int64_t in)
{
    return (struct um_matmul){ .dt    = UM_BF16,
                               .dtc   = UM_BF16,
                               .tb    = true,
                               .batch = 1,
                               .m     = b->n,
                               .n     = out,
                               .k     = in,
                               .a     = b->h[0],
                               .b     = b->h[3],
                               .c     = b->h[1],
                               .lda   = in,
                               .ldb   = in,
                               .ldc   = out };
}
OP(fc1_plain)
{
    B_;
    const struct um_matmul p = forward(b, MLP, C);

    return b->k->matmul(b->dev, &p);
}
OP(fc1_rounded)
{
    B_;
    struct um_matmul p = forward(b, MLP, C);

    p.fb = true;
    p.b  = b->f[3];
    return b->k->matmul(b->dev, &p);
}
OP(fc1_bias)
{
    B_;
    struct um_matmul p = forward(b, MLP, C);

    p.bias = b->row[0];
    return b->k->matmul(b->dev, &p);
}
OP(fc1)
{
    B_;
    struct um_matmul p = forward(b, MLP, C);

    p.fb   = true;
    p.b    = b->f[3];
    p.bias = b->row[0];
    p.act  = UM_ACT_GELU;
    p.pre  = b->h[2];
    return b->k->matmul(b->dev, &p);
}
OP(fc2_plain)
{
    B_;
    const struct um_matmul p = forward(b, C, MLP);

    return b->k->matmul(b->dev, &p);
}
OP(fc2)
{
    B_;
    struct um_matmul p = forward(b, C, MLP);

    p.fb   = true;
    p.b    = b->f[3];
    p.bias = b->row[0];
    p.dtc  = UM_F32;
    p.c    = b->f[1];
    p.res  = b->f[0];
    return b->k->matmul(b->dev, &p);
}
OP(fc1_dx)
{
    B_;
    struct um_matmul p = forward(b, C, MLP);

    p.tb  = false;
    p.fb  = true;
    p.b   = b->f[3];
    p.ldb = C;
    return b->k->matmul(b->dev, &p);
}
/* out by in, += a^T x, a float or not */
static int weights(const struct bench *b, int64_t out, int64_t in, bool fa)
{
    return b->k->matmul(b->dev, &(struct um_matmul){ .dt    = UM_BF16,
                                                     .dtc   = UM_F32,
                                                     .ta    = true,
                                                     .fa    = fa,
                                                     .batch = 1,
                                                     .m     = out,
                                                     .n     = in,
                                                     .k     = b->n,
                                                     .a     = fa ? b->f[0] : b->h[0],
                                                     .b     = b->h[1],
                                                     .c     = b->f[1],
                                                     .lda   = out,
                                                     .ldb   = in,
                                                     .ldc   = in,
                                                     .beta  = 1 });
}
OP(fc1_dw)
{
    B_;
    return weights(b, MLP, C, false);
}
OP(fc2_dw)
{
    B_;
    return weights(b, C, MLP, true);
}

/* ---- attention --------------------------------------------------------------------------------*/

static struct um_attn heads_of(const struct bench *b)
{
    char *qkv = b->h[0];

    return (struct um_attn){ .dt  = UM_BF16,
                             .B   = b->samples,
                             .T   = b->tokens,
                             .A   = HEADS,
                             .d   = C / HEADS,
                             .ldq = 3 * C,
                             .ldk = 3 * C,
                             .ldv = 3 * C,
                             .ldo = C,
                             .q   = qkv,
                             .k   = qkv + C * 2,
                             .v   = qkv + 2 * C * 2 };
}
OP(attention_fwd)
{
    B_;
    const struct um_attn a = heads_of(b);

    return b->k->attention_fwd(b->dev, b->h[1], b->f[0], &a);
}
OP(attention_bwd)
{
    B_;
    const struct um_attn a = heads_of(b);
    char                *d = b->h[3];

    return b->k->attention_bwd(b->dev, d, d + C * 2, d + 2 * C * 2, b->h[2], b->h[1], b->f[0], &a);
}
OP(attention_mean)
{
    B_;
    const struct um_attn a = heads_of(b);

    return b->k->attention_mean(b->dev, b->f[1], b->f[0], &a, 1, 1.0f / HEADS);
}

/* ---- the table --------------------------------------------------------------------------------*/

struct line {
    const char *name;
    int (*fn)(void *arg);
    double bytes, flops;
};

struct rates {
    double      copy, matmul, least;
    const char *pattern; /* NULL: all */
    double      until;
};

static int print(struct bench *b, const struct rates *r, const struct line *l)
{
    double    t;
    const int st = card_time(&b->card, r->least, l->fn, b, &t);

    if (st < 0) {
        (void)printf("%-34s %s\n", l->name, um_errmsg());
        return st == UM_EUNSUPPORTED ? st : UM_OK; /* a device that is lost stays lost */
    }
    (void)printf("%-34s %11.1f %10.1f %-7s %6.3f\n", l->name, t * 1e6,
                 (l->flops > 0 ? l->flops * 1e-12 : l->bytes * 1e-9) / t,
                 l->flops > 0 ? "TFLOP/s" : "GB/s",
                 l->flops > 0 ? l->flops / t / r->matmul : l->bytes / t / r->copy);
    (void)fflush(stdout);
    return UM_OK;
}

/* what an operation of `lines` moves or multiplies, before its factor */
enum unit { ALL, WIDE, SEEN, HALF, SPREAD, WORDS, LOGITS, COLUMNS, PIXELS, FC };

static double amount(const struct bench *b, enum unit unit)
{
    const double tokens = (double)b->n, x = tokens * C;

    switch (unit) {
    case ALL: break;
    case WIDE: return tokens * MLP;
    case SEEN: return x / T * (T - 1);
    case HALF: return x / T * (T / 2);
    case SPREAD: return x + x / T * (T / 2);
    case WORDS: return (double)(b->n / 2) * C;
    case LOGITS: return (double)(b->n / 4) * PROTOTYPES;
    case COLUMNS: return (double)b->B * 2048;
    case PIXELS: return (double)b->B * 224 * 224;
    case FC: return x * MLP;
    }
    return x;
}

/* clang-format off */
static const struct {
    const char *name;
    int (*fn)(void *arg);
    enum unit unit;
    double    times; /* bytes a unit; of FC, FLOP */
} lines[] = {
    { "layernorm_fwd f32 to bf16",     layernorm_fwd,  ALL, 6 },
    { "layernorm_bwd bf16, += f32",    layernorm_bwd,  ALL, 14 },
    { "softmax_fwd",                   softmax_fwd,    ALL, 4 },
    { "softmax_bwd",                   softmax_bwd,    ALL, 6 },
    { "gelu_fwd",                      gelu_fwd,       WIDE, 4 },
    { "gelu_bwd",                      gelu_bwd,       WIDE, 6 },
    { "add f32",                       add,            ALL, 12 },
    { "cast f32 to bf16",              cast_down,      ALL, 6 },
    { "cast bf16 to f32",              cast_up,        ALL, 6 },
    { "dropout",                       dropout,        ALL, 4 },
    { "bias_bwd bf16, 3072 columns",   bias_bwd,       WIDE, 2 },
    { "bias_bwd f32, 768 columns",     bias_bwd_float, ALL, 4 },
    { "zero",                          zero,           ALL, 4 },
    { "upload of the X-rays",          upload,         PIXELS, 4 },
    { "patches",                       patches,        PIXELS, 6 },
    { "rows, behind [CLS]",            rows,           SEEN, 8 },
    { "rows, summed over samples",     rows_summed,    SEEN, 4 },
    { "pick_fwd of half the tokens",   pick_fwd,       HALF, 8 },
    { "pick_bwd",                      pick_bwd,       SPREAD, 4 },
    { "mask_fwd of half the tokens",   mask_fwd,       ALL, 6 },
    { "mask_bwd",                      mask_bwd,       ALL, 8 },
    { "embed_fwd",                     embed_fwd,      WORDS, 8 },
    { "embed_bwd, a word each",        embed_bwd,      WORDS, 12 },
    { "transpose",                     transpose,      ALL, 4 },
    { "distill_fwd, 8192 prototypes",  distill_fwd,    LOGITS, 4 },
    { "distill_bwd",                   distill_bwd,    LOGITS, 6 },
    { "l2norm_fwd",                    l2norm_fwd,     ALL, 4 },
    { "l2norm_bwd",                    l2norm_bwd,     ALL, 6 },
    { "batchnorm_fwd, 2048 columns",   batchnorm_fwd,  COLUMNS, 8 },
    { "lerp: the teacher",             lerp,           ALL, 12 },
    { "sumsq: the gradient's length",  sumsq,          ALL, 4 },
    { "adamw",                         adamw,          ALL, 28 },
    { "fc1, nothing around it",        fc1_plain,      FC, 2 },
    { "  weights rounded",             fc1_rounded,    FC, 2 },
    { "  bias",                        fc1_bias,       FC, 2 },
    { "  rounded, bias, gelu, pre",    fc1,            FC, 2 },
    { "fc2, nothing around it",        fc2_plain,      FC, 2 },
    { "  rounded, bias, residual f32", fc2,            FC, 2 },
    { "fc1 dx, weights rounded",       fc1_dx,         FC, 2 },
    { "fc1 dw, +=",                    fc1_dw,         FC, 2 },
    { "fc2 dw, dy rounded, +=",        fc2_dw,         FC, 2 },
};
/* clang-format on */

/* not left out by the pattern, and in time */
static bool wanted(const struct rates *r, const char *name)
{
    return (!r->pattern || strstr(name, r->pattern)) && card_now() < r->until;
}

static int operations(struct bench *b, const struct rates *r)
{
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const double what = lines[i].times * amount(b, lines[i].unit);
        const bool   fc   = lines[i].unit == FC;

        if (wanted(r, lines[i].name))
            UM_TRY(print(
                b, r, &(struct line){ lines[i].name, lines[i].fn, fc ? 0 : what, fc ? what : 0 }));
    }
    return UM_OK;
}

enum { SEEN_BYTES = 65536 };

/* of attention's outputs what has many bits: lse, or the gradients */
static int output_of(struct bench *b, int (*fn)(void *arg), void *seen)
{
    const void *out = fn == attention_fwd ? b->f[0] : b->h[3];

    UM_TRY(fn(b));
    return b->k->download(b->dev, seen, out, SEEN_BYTES);
}

/* the row again by cuDNN; the same bits are those of the same kernel: cuDNN has none */
static int by_cudnn(struct bench *b, const struct rates *r, const struct line *l)
{
    static char own[SEEN_BYTES], other[SEEN_BYTES];
    char        name[40];
    int         st = output_of(b, l->fn, own);

    (void)snprintf(name, sizeof name, "%s, cuDNN, %d tokens", l->name, (int)b->tokens);
    (void)setenv("UM_CUDNN_ATTENTION", "1", 1);
    if (st >= 0)
        st = output_of(b, l->fn, other);
    if (st >= 0 && memcmp(own, other, sizeof own) == 0)
        (void)printf("%-34s there is none\n", name);
    else if (st >= 0)
        st = print(b, r, &(struct line){ name, l->fn, l->bytes, l->flops });
    (void)unsetenv("UM_CUDNN_ATTENTION");
    return st;
}

static int attention(struct bench *b, const struct rates *r, int64_t tokens, int64_t samples)
{
    const double      pairs  = (double)(samples * HEADS) * (double)(tokens * tokens) * C / HEADS;
    const struct line each[] = {
        { "attention_fwd", attention_fwd, 0, 4 * pairs },
        { "attention_bwd", attention_bwd, 0, 8 * pairs },
        { "attention_mean", attention_mean, 2 * (double)(samples * tokens) * C, 0 },
    };

    b->tokens  = tokens;
    b->samples = samples;
    for (int i = 0; i < 3; i++) {
        struct line l = each[i];
        char        name[40];

        (void)snprintf(name, sizeof name, "%s, %d tokens", l.name, (int)tokens);
        l.name = name;
        if (wanted(r, name))
            UM_TRY(print(b, r, &l));
        if (wanted(r, name) && b->card.gpu && each[i].fn != attention_mean)
            UM_TRY(by_cudnn(b, r, &each[i]));
    }
    return UM_OK;
}

static int table(struct bench *b, const struct rates *r)
{
    (void)printf("%-34s %11s %10s %-7s %6s\n", "operation", "us", "rate", "", "share");
    UM_TRY(operations(b, r));
    UM_TRY(attention(b, r, T, b->B));
    return attention(b, r, 1297, (b->B + 15) / 16);
}

/* ---- memory -----------------------------------------------------------------------------------*/

static size_t larger(int64_t x, int64_t y)
{
    return (size_t)(x > y ? x : y);
}

static int rooms(struct bench *b)
{
    const size_t wide  = larger(b->n * MLP, VOCAB * C) * 2;
    const size_t wider = larger(b->n * C, VOCAB * C) * 4;
    const size_t n     = larger(b->n * HEADS, MLP * 4);
    int32_t     *ids   = malloc((size_t)b->n * sizeof *ids);
    int          st    = ids ? UM_OK : um_fail(UM_ENOMEM, "out of memory");

    b->host = calloc((size_t)b->B, 224 * 224 * sizeof(float));
    if (!b->host)
        st = um_fail(UM_ENOMEM, "out of memory");
    for (int i = 0; st >= 0 && i < 4; i++) {
        st = card_room(&b->card, wide, UM_BF16, 0.5f, &b->h[i]);
        if (st >= 0)
            st = card_room(&b->card, wider, UM_F32, 0.5f, &b->f[i]);
        if (st >= 0)
            st = card_room(&b->card, n * sizeof(float), UM_F32, 1, (void **)&b->row[i]);
    }
    for (int64_t i = 0; st >= 0 && i < b->n; i++)
        ids[i] = (int32_t)(i * 7919 % VOCAB);
    if (st >= 0)
        st = card_room(&b->card, (size_t)b->n * sizeof *ids, UM_F32, 0, (void **)&b->ids);
    if (st >= 0)
        st = b->k->upload(b->dev, b->ids, ids, (size_t)b->n * sizeof *ids);
    for (int64_t i = 0; st >= 0 && i < b->n; i++)
        ids[i] = (int32_t)(i % (T / 2) * 2);
    if (st >= 0)
        st = card_room(&b->card, (size_t)b->n * sizeof *ids, UM_F32, 0, (void **)&b->kept);
    if (st >= 0)
        st = b->k->upload(b->dev, b->kept, ids, (size_t)b->n * sizeof *ids);
    for (int64_t i = 0; st >= 0 && i < b->n; i++)
        ((uint8_t *)ids)[i] = i & 1;
    if (st >= 0)
        st = card_room(&b->card, (size_t)b->n, UM_F32, 0, (void **)&b->mask);
    if (st >= 0)
        st = b->k->upload(b->dev, b->mask, ids, (size_t)b->n);
    free(ids);
    return st;
}

static void leave(struct bench *b)
{
    for (int i = 0; i < 4; i++) {
        b->k->free(b->dev, b->h[i]);
        b->k->free(b->dev, b->f[i]);
        b->k->free(b->dev, b->row[i]);
    }
    b->k->free(b->dev, b->ids);
    b->k->free(b->dev, b->kept);
    b->k->free(b->dev, b->mask);
    free(b->host);
    card_close(&b->card);
}

static int all(struct bench *b, const char *pattern, double seconds)
{
    struct rates r = { .least   = b->card.gpu ? 0.01 : 0.002,
                       .pattern = pattern,
                       .until   = card_now() + seconds };

    UM_TRY(card_copy(&b->card, &r.copy));
    UM_TRY(card_matmul(&b->card, UM_BF16, &r.matmul));
    (void)printf("%s: copies %.0f GB/s, bfloat16 products %.1f TFLOP/s; %lld x %d tokens\n",
                 um_dev_name(b->dev), r.copy * 1e-9, r.matmul * 1e-12, (long long)b->B, T);
    UM_TRY(rooms(b));
    return table(b, &r);
}

int main(int argc, char **argv)
{
    struct bench    b       = { .B = 0 };
    const char     *device  = "cuda";
    double          seconds = 1e9;
    struct um_pool *pool    = NULL;
    int             c, st;

    while ((c = getopt(argc, argv, "d:t:")) != -1)
        switch (c) {
        case 'd': device = optarg; break;
        case 't': seconds = atof(optarg); break;
        default: return 2;
        }
    (void)unsetenv("UM_CUDNN_ATTENTION");
    st = um_pool_new(&pool, 0);
    if (st >= 0)
        st = card_open(&b.card, device, pool);
    if (st >= 0) {
        b.dev = b.card.dev;
        b.k   = b.card.k;
        b.B   = b.card.gpu ? 256 : 2;
        b.n   = b.B * T;
        st    = all(&b, argv[optind], seconds);
        leave(&b);
    }
    um_pool_free(pool);
    if (st < 0)
        (void)fprintf(stderr, "kernels: %s\n", um_errmsg());
    return st < 0;
}
