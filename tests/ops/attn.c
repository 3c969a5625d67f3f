/* attn.c - rows of attention: q, k and v packed as one product [B,T,3,A,d], or three arrays */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ops/ops.h"

#include <stddef.h>

enum { QKV, MASK, DOUT, O, LSE, DQKV, O2, LSE2 };

static void *shifted(const struct ot_case *c, void *p, int64_t i)
{
    return (char *)p + i * (int64_t)um_dtype_size(c->dt);
}

/* letters B, T, A, d; every second case without a mask, every third with dropout */
static struct um_attn packed(const struct ot_case *c, void *qkv)
{
    const int64_t C = c->dim[2] * c->dim[3];

    return (struct um_attn){ .dt       = c->dt,
                             .B        = c->dim[0],
                             .T        = c->dim[1],
                             .A        = c->dim[2],
                             .d        = c->dim[3],
                             .ldq      = 3 * C,
                             .ldk      = 3 * C,
                             .ldv      = 3 * C,
                             .ldo      = C,
                             .q        = qkv,
                             .k        = shifted(c, qkv, C),
                             .v        = shifted(c, qkv, 2 * C),
                             .key_mask = c->nr % 2 ? NULL : c->a[MASK],
                             .drop     = { c->nr % 3 == 1 ? 0.2f : 0, 99, 7 * (uint64_t)c->nr } };
}

static int forward(const struct ot_case *c)
{
    const struct um_attn a = packed(c, c->a[QKV]);

    return c->k->attention_fwd(c->dev, c->a[2], c->a[3], &a);
}

static int prepare(const struct ot_case *c)
{
    const struct um_attn a = packed(c, c->a[QKV]);

    return c->k->attention_fwd(c->dev, c->a[O], c->a[LSE], &a);
}

static int again(const struct ot_case *c)
{
    const struct um_attn a = packed(c, c->a[QKV]);

    return c->k->attention_fwd(c->dev, c->a[O2], c->a[LSE2], &a);
}

static int backward(const struct ot_case *c)
{
    const struct um_attn a = packed(c, c->a[QKV]);
    const int64_t        C = c->dim[2] * c->dim[3];

    return c->k->attention_bwd(c->dev, c->a[DQKV], shifted(c, c->a[DQKV], C),
                               shifted(c, c->a[DQKV], 2 * C), c->a[DOUT], c->a[O], c->a[LSE], &a);
}

static int cls_prepare(const struct ot_case *c)
{
    const struct um_attn a = packed(c, c->a[QKV]);

    return c->k->attention_fwd(c->dev, c->a[2], c->a[3], &a);
}

static int cls(const struct ot_case *c)
{
    const struct um_attn a = packed(c, c->a[QKV]);

    return c->k->attention_mean(c->dev, c->a[4], c->a[3], &a, 1, 0.25f);
}

static int whole(const struct ot_case *c)
{
    const struct um_attn a = packed(c, c->a[QKV]);

    return c->k->attention_mean(c->dev, c->a[4], c->a[3], &a, a.T, 0.25f);
}

/* ---- samples of their own lengths, T to none; the other rows are nobody's ---- */

typedef int attend(const struct ot_case *c, const struct um_attn *a);

/* run with the samples' first rows in the device's memory */
static int ragged(const struct ot_case *c, attend *run)
{
    int32_t        start[64] = { 0 };
    struct um_attn a         = packed(c, c->a[QKV]);
    void          *p;
    int            st;

    for (int64_t b = 0; b < a.B; b++)
        start[b + 1] = start[b] + (int32_t)(a.T > 0 ? a.T - (5 * b + c->nr) % (a.T + 1) : 0);
    UM_TRY(c->k->alloc(c->dev, sizeof start, &p));
    a.key_mask = NULL;
    a.start    = p;
    st         = c->k->upload(c->dev, p, start, sizeof start);
    if (st >= 0)
        st = run(c, &a);
    if (st >= 0)
        st = c->k->sync(c->dev);
    c->k->free(c->dev, p);
    return st;
}

/* o and lse, and 0 where nobody's rows are */
static int ragged_into(const struct ot_case *c, const struct um_attn *a, void *o, void *lse)
{
    const size_t n = (size_t)(a->B * a->T * a->A);

    UM_TRY(c->k->zero(c->dev, o, n * (size_t)a->d * um_dtype_size(c->dt)));
    UM_TRY(c->k->zero(c->dev, lse, n * sizeof(float)));
    return c->k->attention_fwd(c->dev, o, lse, a);
}

static int into_outputs(const struct ot_case *c, const struct um_attn *a)
{
    return ragged_into(c, a, c->a[2], c->a[3]);
}

static int into_inputs(const struct ot_case *c, const struct um_attn *a)
{
    return ragged_into(c, a, c->a[O], c->a[LSE]);
}

static int into_seconds(const struct ot_case *c, const struct um_attn *a)
{
    return ragged_into(c, a, c->a[O2], c->a[LSE2]);
}

static int ragged_forward(const struct ot_case *c)
{
    return ragged(c, into_outputs);
}

static int ragged_prepare(const struct ot_case *c)
{
    return ragged(c, into_inputs);
}

static int ragged_again(const struct ot_case *c)
{
    return ragged(c, into_seconds);
}

static int into_gradients(const struct ot_case *c, const struct um_attn *a)
{
    const int64_t C = a->A * a->d;

    UM_TRY(c->k->zero(c->dev, c->a[DQKV], (size_t)(3 * a->B * a->T * C) * um_dtype_size(c->dt)));
    return c->k->attention_bwd(c->dev, c->a[DQKV], shifted(c, c->a[DQKV], C),
                               shifted(c, c->a[DQKV], 2 * C), c->a[DOUT], c->a[O], c->a[LSE], a);
}

static int ragged_backward(const struct ot_case *c)
{
    return ragged(c, into_gradients);
}

/* ---- what tiles of 16 and 64 tokens on a GPU make interesting: every array lies on 16 bytes and
 * has gaps between its rows, which must be left alone
 * -------- */

enum { DROP = 1, HIDDEN = 2, LENGTHS = 4 }; /* dimension x: dropout, masked keys, own lengths */

enum { T_QKV, T_DOUT, T_O, T_LSE, T_DQKV };

static int64_t tiles_length(const struct ot_case *c, int64_t b)
{
    const int64_t T = c->dim[1], some[] = { 0, 1, 64, 65, T }, n = some[b % 5];

    return !(c->dim[4] & LENGTHS) || n > T ? T : n;
}

/* of each sample every fifth key, and if there are others the whole first tile, or sixteenth */
static bool tiles_hidden(const struct ot_case *c, int64_t b, int64_t u)
{
    const int64_t n = tiles_length(c, b), first = n > 64 ? 64 : n > 16 ? 16 : 0;

    return (c->dim[4] & HIDDEN) && (u % 5 == 1 || u < first);
}

/* p moved to the next 16 bytes; a gap is never shorter than that */
static void *aligned(void *p)
{
    return (char *)p + (16 - (uintptr_t)p % 16) % 16;
}

static struct um_attn tiles(const struct ot_case *c, void *qkv)
{
    const int64_t C = c->dim[2] * c->dim[3];
    void         *q = aligned(qkv);

    return (struct um_attn){ .dt   = c->dt,
                             .B    = c->dim[0],
                             .T    = c->dim[1],
                             .A    = c->dim[2],
                             .d    = c->dim[3],
                             .ldq  = 4 * C,
                             .ldk  = 4 * C,
                             .ldv  = 4 * C,
                             .ldo  = 2 * C,
                             .q    = q,
                             .k    = shifted(c, q, C),
                             .v    = shifted(c, q, 2 * C),
                             .drop = { c->dim[4] & DROP ? 0.2f : 0, 99, 5 * (uint64_t)c->nr } };
}

/* run with mask and first rows in the device's memory */
static int tiles_with(const struct ot_case *c, attend *run)
{
    struct {
        int32_t start[8];
        uint8_t mask[2048];
    } host           = { 0 };
    struct um_attn a = tiles(c, c->a[T_QKV]);
    char          *p;
    void          *there;
    int            st;

    for (int64_t b = 0; b < a.B; b++) {
        host.start[b + 1] = host.start[b] + (int32_t)tiles_length(c, b);
        for (int64_t u = 0; u < a.T; u++)
            host.mask[b * a.T + u] = !tiles_hidden(c, b, u);
    }
    UM_TRY(c->k->alloc(c->dev, sizeof host, &there));
    p = there;
    if (c->dim[4] & LENGTHS)
        a.start = (int32_t *)there;
    if (c->dim[4] & HIDDEN)
        a.key_mask = (uint8_t *)p + offsetof(__typeof__(host), mask);
    st = c->k->upload(c->dev, there, &host, sizeof host);
    if (st >= 0)
        st = run(c, &a);
    if (st >= 0)
        st = c->k->sync(c->dev);
    c->k->free(c->dev, there);
    return st;
}

/* keys and values that do not count become so large that nothing is like them: on ref, whose memory
 * is the host's */
static int tiles_spoil(const struct ot_case *c)
{
    const struct um_attn a   = tiles(c, c->a[T_QKV]);
    int64_t              row = 0;

    for (int64_t b = 0; b < a.B; b++)
        for (int64_t u = 0; u < tiles_length(c, b); u++, row++)
            for (int64_t j = 0; j < a.A * a.d && tiles_hidden(c, b, u); j++)
                for (int v = 1; v < 3; v++) {
                    const float bad = (float)(u + j) * 1e4f;
                    void *at = shifted(c, aligned(c->a[T_QKV]), row * a.ldk + v * a.A * a.d + j);

                    if (c->dt == UM_F32)
                        *(float *)at = bad;
                    else
                        *(uint16_t *)at = um_f32_to_bf16(bad);
                }
    return UM_OK;
}

static int tiles_out(const struct ot_case *c, const struct um_attn *a)
{
    const size_t n = (size_t)(a->B * a->T * a->A);

    UM_TRY(c->k->zero(c->dev, c->a[1], 2 * n * (size_t)a->d * um_dtype_size(c->dt)));
    UM_TRY(c->k->zero(c->dev, c->a[2], n * sizeof(float)));
    return c->k->attention_fwd(c->dev, aligned(c->a[1]), c->a[2], a);
}

static int tiles_fwd(const struct ot_case *c)
{
    return tiles_with(c, tiles_out);
}

static int tiles_given(const struct ot_case *c, const struct um_attn *a)
{
    return c->k->attention_fwd(c->dev, aligned(c->a[T_O]), c->a[T_LSE], a);
}

static int tiles_prepare(const struct ot_case *c)
{
    UM_TRY(tiles_spoil(c));
    return tiles_with(c, tiles_given);
}

static int tiles_back(const struct ot_case *c, const struct um_attn *a)
{
    const int64_t C  = a->A * a->d;
    void         *dq = aligned(c->a[T_DQKV]);

    UM_TRY(c->k->zero(c->dev, c->a[T_DQKV], (size_t)(4 * a->B * a->T * C) * um_dtype_size(c->dt)));
    return c->k->attention_bwd(c->dev, dq, shifted(c, dq, C), shifted(c, dq, 2 * C),
                               aligned(c->a[T_DOUT]), aligned(c->a[T_O]), c->a[T_LSE], a);
}

static int tiles_bwd(const struct ot_case *c)
{
    return tiles_with(c, tiles_back);
}

/* of two queries: a sample may have none or one */
static int tiles_two(const struct ot_case *c, const struct um_attn *a)
{
    return c->k->attention_mean(c->dev, c->a[T_DQKV], c->a[T_LSE], a, 2, 0.25f);
}

static int tiles_mean(const struct ot_case *c)
{
    return tiles_with(c, tiles_two);
}

/* around tiles of 64, and channels of a head that are padded or are not; then the same with keys
 * left out and with own lengths */
#define TILES                                                                                      \
    .letters = "BTAdx",                                                                            \
    .shape   = { { 1, 63, 2, 8, DROP },   { 2, 64, 1, 24, 0 },     { 1, 65, 2, 64, 0 },            \
                 { 1, 130, 1, 80, DROP }, { 1, 197, 2, 64, DROP }, { 1, 65, 1, 128, DROP },        \
                 { 1, 112, 1, 32, DROP }, { 1, 35, 1, 200, DROP }, { 1, 24, 2, 32, DROP } }
#define HOLES                                                                                      \
    .letters = "BTAdx", .shape = { { 1, 197, 1, 64, HIDDEN },                                      \
                                   { 5, 130, 1, 64, LENGTHS },                                     \
                                   { 5, 130, 2, 32, LENGTHS | HIDDEN | DROP },                     \
                                   { 2, 130, 1, 80, HIDDEN | DROP },                               \
                                   { 2, 81, 1, 96, HIDDEN | DROP },                                \
                                   { 5, 66, 1, 128, LENGTHS | HIDDEN },                            \
                                   { 5, 90, 1, 5, LENGTHS | HIDDEN | DROP },                       \
                                   { 1, 40, 2, 136, HIDDEN },                                      \
                                   { 2, 24, 2, 64, HIDDEN } }
/* nothing dropped and nothing left out: what a GPU's library may do too */
#define WHOLE                                                                                      \
    .letters = "BTAdx", .shape = {                                                                 \
        { 1, 197, 2, 64, 0 }, { 2, 50, 3, 32, 0 }, { 1, 130, 1, 80, 0 }, { 2, 81, 1, 96, 0 },      \
        { 1, 65, 1, 128, 0 }, { 3, 2, 2, 16, 0 },  { 2, 1, 2, 64, 0 },   { 4, 17, 3, 8, 0 }        \
    }
#define TILES_FWD(WHICH, NAME)                                                                     \
    {                                                                                              \
        .name = "attention_fwd, " NAME, .run = tiles_fwd, .prepare = tiles_spoil, WHICH,           \
        .tol = 2e-6, .tol_bf16 = 4e-3, .array = {                                                  \
            IN(OT_ACT, "4BTAd"),                                                                   \
            OUT(OT_ACT, "2BTAd"),                                                                  \
            OUT(OT_FLOAT, "BAT")                                                                   \
        }                                                                                          \
    }
#define TILES_BWD(WHICH, NAME)                                                                     \
    {                                                                                              \
        .name = "attention_bwd, " NAME, .run = tiles_bwd, .prepare = tiles_prepare, WHICH,         \
        .tol = 5e-6, .tol_bf16 = 6e-3, .array = {                                                  \
            IN(OT_ACT, "4BTAd"),                                                                   \
            IN(OT_ACT, "2BTAd"),                                                                   \
            IN(OT_ACT, "2BTAd"),                                                                   \
            IN(OT_FLOAT, "BAT"),                                                                   \
            OUT(OT_ACT, "4BTAd")                                                                   \
        }                                                                                          \
    }
#define TILES_MEAN(WHICH, NAME)                                                                    \
    {                                                                                              \
        .name = "attention_mean, " NAME, .run = tiles_mean, .prepare = tiles_prepare, WHICH,       \
        .tol = 2e-6, .tol_bf16 = 2e-6, .array = {                                                  \
            IN(OT_ACT, "4BTAd"),                                                                   \
            IN(OT_ACT, "2BTAd"),                                                                   \
            IN(OT_ACT, "2BTAd"),                                                                   \
            IN(OT_FLOAT, "BAT"),                                                                   \
            ACC(OT_FLOAT, "2BT")                                                                   \
        }                                                                                          \
    }

#define HEADS                                                                                      \
    .letters = "BTAd", .limit = { 3, 40, 4, 30 },                                                  \
    .shape = { { 0, 3, 1, 4 },   { 1, 1, 1, 1 },    { 2, 65, 4, 24 },                              \
               { 1, 300, 1, 8 }, { 1, 197, 2, 64 }, { 2, 33, 3, 5 } }

const struct ot_row ot_attn[] = {
    { .name = "attention_fwd",
      .run  = forward,
      HEADS,
      .tol      = 2e-6,
      .tol_bf16 = 4e-3,
      .array    = { IN(OT_ACT, "3BTAd"), IN(OT_MASK, "BT"), OUT(OT_ACT, "BTAd"),
                    OUT(OT_FLOAT, "BAT") } },
    { .name    = "attention_bwd",
      .run     = backward,
      .prepare = prepare,
      .forward = again,
      .y       = O2,
      .dy      = DOUT,
      .wrt     = { { QKV, DQKV } },
      HEADS,
      .tol      = 5e-6,
      .tol_bf16 = 6e-3,
      .array    = { IN(OT_ACT, "3BTAd"), IN(OT_MASK, "BT"), IN(OT_ACT, "BTAd"), IN(OT_ACT, "BTAd"),
                    IN(OT_FLOAT, "BAT"), OUT(OT_ACT, "3BTAd"), FWD(OT_ACT, "BTAd"),
                    FWD(OT_FLOAT, "BAT") } },
    { .name    = "attention_mean, [CLS]",
      .run     = cls,
      .prepare = cls_prepare,
      HEADS,
      .tol      = 2e-6,
      .tol_bf16 = 2e-6,
      .array    = { IN(OT_ACT, "3BTAd"), IN(OT_MASK, "BT"), IN(OT_ACT, "BTAd"), IN(OT_FLOAT, "BAT"),
                    ACC(OT_FLOAT, "BT") } },
    { .name    = "attention_mean, all rows",
      .run     = whole,
      .prepare = cls_prepare,
      HEADS,
      .tol      = 2e-6,
      .tol_bf16 = 2e-6,
      .array    = { IN(OT_ACT, "3BTAd"), IN(OT_MASK, "BT"), IN(OT_ACT, "BTAd"), IN(OT_FLOAT, "BAT"),
                    ACC(OT_FLOAT, "BTT") } },
    { .name = "attention_fwd, own lengths",
      .run  = ragged_forward,
      HEADS,
      .tol      = 2e-6,
      .tol_bf16 = 4e-3,
      .array    = { IN(OT_ACT, "3BTAd"), IN(OT_MASK, "BT"), OUT(OT_ACT, "BTAd"),
                    OUT(OT_FLOAT, "BAT") } },
    { .name    = "attention_bwd, own lengths",
      .run     = ragged_backward,
      .prepare = ragged_prepare,
      .forward = ragged_again,
      .y       = O2,
      .dy      = DOUT,
      .wrt     = { { QKV, DQKV } },
      HEADS,
      .tol      = 5e-6,
      .tol_bf16 = 6e-3,
      .array    = { IN(OT_ACT, "3BTAd"), IN(OT_MASK, "BT"), IN(OT_ACT, "BTAd"), IN(OT_ACT, "BTAd"),
                    IN(OT_FLOAT, "BAT"), OUT(OT_ACT, "3BTAd"), FWD(OT_ACT, "BTAd"),
                    FWD(OT_FLOAT, "BAT") } },
    TILES_FWD(TILES, "tiles"),
    TILES_FWD(HOLES, "holes"),
    TILES_FWD(WHOLE, "whole"),
    TILES_BWD(TILES, "tiles"),
    TILES_BWD(HOLES, "holes"),
    TILES_BWD(WHOLE, "whole"),
    TILES_MEAN(TILES, "tiles"),
    TILES_MEAN(HOLES, "holes"),
    { .name = NULL }
};
