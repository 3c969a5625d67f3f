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

/* ---- samples of their own lengths: T, T - 1, .. and again; the rest of the rows is nobody's
 * --------
 */

typedef int attend(const struct ot_case *c, const struct um_attn *a);

/* run with the samples' first rows in the device's memory */
static int ragged(const struct ot_case *c, attend *run)
{
    int32_t        start[64] = { 0 };
    struct um_attn a         = packed(c, c->a[QKV]);
    void          *p;
    int            st;

    for (int64_t b = 0; b < a.B; b++)
        start[b + 1] = start[b] + (int32_t)(a.T > 0 ? a.T - (5 * b + c->nr) % a.T : 0);
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
    { .name = NULL }
};
