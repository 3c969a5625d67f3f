/* loss.c - rows of the losses and the optimiser */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ops/ops.h"

#include <stddef.h>

#define SPANS .letters = "n", .limit = { 300 }, .shape = { { 1 }, { 16 }, { 17 }, { 33003 } }
#define ROWS                                                                                       \
    .letters = "nc", .limit = { 99, 99 },                                                          \
    .shape = { { 0, 8 },     { 1, 1 },    { 3, 7 },    { 64, 256 },   { 33, 768 }, { 2000, 5 },    \
               { 3, 65536 }, { 65, 257 }, { 9, 4099 }, { 1100, 192 }, { 40, 31 } }

/* ---- cross entropy, labels: letters n, c ---- */

/* every second case walks the matrix by columns, as the other direction of a contrastive loss */
static void strides(const struct ot_case *c, int64_t *rs, int64_t *cs)
{
    *rs = c->nr % 2 ? 1 : c->dim[1];
    *cs = c->nr % 2 ? c->dim[0] : 1;
}

static int xent_fwd(const struct ot_case *c)
{
    int64_t rs, cs;

    strides(c, &rs, &cs);
    return c->k->xent_fwd(c->dev, c->a[2], c->a[3], c->a[0], rs, cs, c->a[1], c->dim[0], c->dim[1],
                          0.5f);
}

enum { X_X, X_TARGET, X_G, X_LSE, X_DX, X_LOSS, X_LSE2 };

static int xent_prepare(const struct ot_case *c)
{
    int64_t rs, cs;
    float   loss = 0;

    strides(c, &rs, &cs);
    return c->k->xent_fwd(c->dev, &loss, c->a[X_LSE], c->a[X_X], rs, cs, c->a[X_TARGET], c->dim[0],
                          c->dim[1], 0.5f);
}

static int xent_y(const struct ot_case *c)
{
    int64_t rs, cs;

    strides(c, &rs, &cs);
    *(float *)c->a[X_LOSS] = 0;
    return c->k->xent_fwd(c->dev, c->a[X_LOSS], c->a[X_LSE2], c->a[X_X], rs, cs, c->a[X_TARGET],
                          c->dim[0], c->dim[1], 0.5f);
}

static int xent_bwd(const struct ot_case *c)
{
    int64_t rs, cs;

    strides(c, &rs, &cs);
    return c->k->xent_bwd(c->dev, c->a[X_DX], c->a[X_G], c->a[X_X], rs, cs, c->a[X_LSE],
                          c->a[X_TARGET], c->dim[0], c->dim[1], 0.5f);
}

static int bce_fwd(const struct ot_case *c)
{
    return c->k->bce_fwd(c->dev, c->a[2], c->a[0], c->a[1], c->dim[0], 0.25f);
}

static int bce_y(const struct ot_case *c)
{
    *(float *)c->a[4] = 0;
    return c->k->bce_fwd(c->dev, c->a[4], c->a[0], c->a[1], c->dim[0], 0.25f);
}

static int bce_bwd(const struct ot_case *c)
{
    return c->k->bce_bwd(c->dev, c->a[3], c->a[2], c->a[0], c->a[1], c->dim[0], 0.25f);
}

/* ---- cross entropy against distributions ---- */

enum { S_X, S_Q, S_G, S_LSE, S_DX, S_LOSS, S_LSE2 };

static int soft(const struct ot_case *c, float *loss, float *lse)
{
    int64_t rs, cs;

    strides(c, &rs, &cs);
    return c->k->xent_soft_fwd(c->dev, loss, lse, c->a[S_X], c->a[S_Q], rs, cs, c->dim[0],
                               c->dim[1], 0.5f);
}

static int soft_fwd(const struct ot_case *c)
{
    return soft(c, c->a[2], c->a[3]);
}

static int soft_prepare(const struct ot_case *c)
{
    float loss = 0;

    return soft(c, &loss, c->a[S_LSE]);
}

static int soft_y(const struct ot_case *c)
{
    *(float *)c->a[S_LOSS] = 0;
    return soft(c, c->a[S_LOSS], c->a[S_LSE2]);
}

static int soft_bwd(const struct ot_case *c)
{
    int64_t rs, cs;

    strides(c, &rs, &cs);
    return c->k->xent_soft_bwd(c->dev, c->a[S_DX], c->a[S_G], c->a[S_X], c->a[S_Q], rs, cs,
                               c->a[S_LSE], c->dim[0], c->dim[1], 0.5f);
}

/* ---- focal: with and without alpha, and gamma 0, which is BCE ---- */

static struct um_focal focal(const struct ot_case *c)
{
    const float gamma[] = { 2, 2, 0, 1.5f }, alpha[] = { -1, 0.25f, 0.75f };

    return (struct um_focal){ .n     = c->dim[0],
                              .x     = c->a[0],
                              .y     = c->a[1],
                              .gamma = gamma[c->nr % 4],
                              .alpha = alpha[c->nr % 3],
                              .scale = 0.25f };
}

static int focal_fwd(const struct ot_case *c)
{
    const struct um_focal f = focal(c);

    return c->k->focal_fwd(c->dev, c->a[2], &f);
}

static int focal_y(const struct ot_case *c)
{
    const struct um_focal f = focal(c);

    *(float *)c->a[4] = 0;
    return c->k->focal_fwd(c->dev, c->a[4], &f);
}

static int focal_bwd(const struct ot_case *c)
{
    const struct um_focal f = focal(c);

    return c->k->focal_bwd(c->dev, c->a[3], c->a[2], &f);
}

/* ---- Dice: letters B, c, s; every second case has its classes last -----------------------------
 */

enum { D_X, D_Y, D_G, D_SUMS, D_DX, D_LOSS, D_SUMS2 };

/* method.md 9.4: per sample, one-hot, squared; 9.4 `batch`: no background; 9.3: sigmoid, soft
 * masks, the logarithm; and soft masks per sample */
enum form { SQUARED, BATCH, LOG, MASKS };

static struct um_dice dice(const struct ot_case *c, enum form f)
{
    const bool     hard = f == SQUARED || f == BATCH;
    struct um_dice d    = { .B       = c->dim[0],
                            .C       = c->dim[1],
                            .S       = c->dim[2],
                            .first   = f == BATCH && c->dim[1] > 1,
                            .x       = c->a[D_X],
                            .last    = c->nr % 2,
                            .softmax = hard,
                            .batch   = f == BATCH || f == LOG,
                            .square  = f == SQUARED || f == MASKS,
                            .log     = f == LOG,
                            .top     = f == LOG       ? 1
                                       : f == SQUARED ? 0
                                                      : 1e-5f,
                            .bottom  = f == LOG       ? 1
                                       : f == SQUARED ? 1e-6f
                                                      : 1e-5f,
                            .scale   = 0.5f };

    if (hard)
        d.target = c->a[D_Y];
    else
        d.y = c->a[D_Y];
    return d;
}

static int dice_again(const struct ot_case *c, enum form f)
{
    const struct um_dice d = dice(c, f);

    *(float *)c->a[D_LOSS] = 0;
    return c->k->dice_fwd(c->dev, c->a[D_LOSS], c->a[D_SUMS2], &d);
}

static int dice_sums(const struct ot_case *c, enum form f)
{
    const struct um_dice d    = dice(c, f);
    float                loss = 0;

    return c->k->dice_fwd(c->dev, &loss, c->a[D_SUMS], &d);
}

#define DICE(name, form)                                                                           \
    static int name##_fwd(const struct ot_case *c)                                                 \
    {                                                                                              \
        const struct um_dice d = dice(c, form);                                                    \
        return c->k->dice_fwd(c->dev, c->a[2], c->a[3], &d);                                       \
    }                                                                                              \
    static int name##_y(const struct ot_case *c)                                                   \
    {                                                                                              \
        return dice_again(c, form);                                                                \
    }                                                                                              \
    static int name##_prepare(const struct ot_case *c)                                             \
    {                                                                                              \
        return dice_sums(c, form);                                                                 \
    }                                                                                              \
    static int name##_bwd(const struct ot_case *c)                                                 \
    {                                                                                              \
        const struct um_dice d = dice(c, form);                                                    \
        return c->k->dice_bwd(c->dev, c->a[D_DX], c->a[D_G], c->a[D_SUMS], &d);                    \
    }

DICE(squared, SQUARED)
DICE(batch, BATCH)
DICE(logarithm, LOG)
DICE(masks, MASKS)

/* ---- the optimiser: three spans, one of them empty, with a gap before the last ------------------
 */

/* where the arrays are aligned, the spans begin at multiples of four */
static void spans(const struct ot_case *c, struct um_span s[3])
{
    const int64_t unit = c->nr % 3 ? 1 : 4;
    const int64_t n = c->dim[0], third = n / 3 / unit * unit, gap = n / 8 / unit * unit;

    s[0] = (struct um_span){ 0, third, 0.5f, 0.05f };
    s[1] = (struct um_span){ third, 0, 1, 0 };
    s[2] = (struct um_span){ third + gap, n - third - gap, 1, 0 };
}

static int sumsq(const struct ot_case *c)
{
    struct um_span s[3];

    spans(c, s);
    return c->k->sumsq(c->dev, c->a[1], c->a[0], s, 3);
}

static int squares(const struct ot_case *c)
{
    for (int a = 0; a < 3; a += 2)
        for (int64_t i = 0; i < (a ? 1 : c->dim[0]); i++)
            ((double *)c->a[a])[i] *= ((double *)c->a[a])[i];
    return UM_OK;
}

static int clip(const struct ot_case *c)
{
    return c->k->clip(c->dev, c->a[1], c->a[0], c->nr % 3 ? c->a[2] : NULL, c->dim[0], c->nr % 2,
                      c->nr % 2 ? 20 : 1.0);
}

static int adamw(const struct ot_case *c)
{
    struct um_span s[3];

    spans(c, s);
    return c->k->adamw(c->dev, &(struct um_adam){ .w     = c->a[0],
                                                  .m     = c->a[1],
                                                  .u     = c->a[2],
                                                  .g     = c->a[3],
                                                  .span  = s,
                                                  .spans = 3,
                                                  .t     = 1 + c->nr,
                                                  .lr    = 1e-3f,
                                                  .b1    = 0.9f,
                                                  .b2    = 0.95f,
                                                  .eps   = 1e-8f });
}

static int adamw_factors(const struct ot_case *c)
{
    struct um_span s[3];

    spans(c, s);
    return c->k->adamw(c->dev, &(struct um_adam){ .w      = c->a[0],
                                                  .m      = c->a[1],
                                                  .u      = c->a[2],
                                                  .g      = c->a[3],
                                                  .span   = s,
                                                  .spans  = 3,
                                                  .t      = 1 + c->nr,
                                                  .lr     = 1e-3f,
                                                  .b1     = 0.9f,
                                                  .b2     = 0.95f,
                                                  .factor = c->a[4],
                                                  .eps    = 1e-8f });
}

/* step_tol: a logit moves the float loss by little more than its rounding */
#define DICE_ROWS(what, f, kind, ysize, groups)                                                    \
    { .name       = "dice_fwd: " what,                                                             \
      .run        = f##_fwd,                                                                       \
      .letters    = "Bcs",                                                                         \
      .tol        = 2e-6,                                                                          \
      .float_only = true,                                                                          \
      .array      = { IN(OT_FLOAT, "Bcs"), IN(kind, ysize), ACC(OT_FLOAT, "1"),                    \
                      OUT(OT_DOUBLE, groups) },                                                    \
      .shape      = { { 0, 2, 8 }, { 2, 3, 0 }, { 1, 1, 1 }, { 2, 14, 700 }, { 1, 2, 40000 } },    \
      .limit      = { 4, 9, 300 } },                                                                    \
    {                                                                                              \
        .name = "dice_bwd: " what, .run = f##_bwd, .prepare = f##_prepare, .forward = f##_y,       \
        .y = D_LOSS, .dy = D_G, .wrt = { { D_X, D_DX } }, .letters = "Bcs", .tol = 5e-6,           \
        .step_tol = 1e-3, .float_only = true,                                                      \
        .array = { IN(OT_FLOAT, "Bcs"),   IN(kind, ysize),      IN(OT_FLOAT, "1"),                 \
                   IN(OT_DOUBLE, groups), OUT(OT_FLOAT, "Bcs"), FWD(OT_FLOAT, "1"),                \
                   FWD(OT_DOUBLE, groups) },                                                       \
        .shape = { { 0, 2, 8 }, { 2, 3, 0 }, { 1, 2, 1 }, { 2, 14, 700 }, { 1, 2, 40000 } },       \
        .limit = {                                                                                 \
            4,                                                                                     \
            9,                                                                                     \
            300                                                                                    \
        }                                                                                          \
    }

const struct ot_row ot_loss[] = {
    { .name       = "xent_fwd: cross entropy, hard targets",
      .run        = xent_fwd,
      .tol        = 1e-6,
      .float_only = true,
      .offsets    = true,
      .array = { IN(OT_ACT, "nc"), IN(OT_TARGET, "n"), ACC(OT_FLOAT, "1"), OUT(OT_FLOAT, "n") },
      ROWS },
    { .name       = "xent_bwd: cross entropy, hard targets",
      .run        = xent_bwd,
      .prepare    = xent_prepare,
      .forward    = xent_y,
      .y          = X_LOSS,
      .dy         = X_G,
      .wrt        = { { X_X, X_DX } },
      .tol        = 2e-6,
      .float_only = true,
      .array      = { IN(OT_ACT, "nc"), IN(OT_TARGET, "n"), IN(OT_FLOAT, "1"), IN(OT_FLOAT, "n"),
                      OUT(OT_FLOAT, "nc"), FWD(OT_FLOAT, "1"), FWD(OT_FLOAT, "n") },
      ROWS },
    { .name = "bce_fwd: sigmoid BCE",
      .run  = bce_fwd,
      SPANS,
      .tol        = 1e-6,
      .float_only = true,
      .array      = { IN(OT_FLOAT, "n"), IN(OT_LABEL, "n"), ACC(OT_FLOAT, "1") } },
    { .name    = "bce_bwd: sigmoid BCE",
      .run     = bce_bwd,
      .forward = bce_y,
      .y       = 4,
      .dy      = 2,
      .wrt     = { { 0, 3 } },
      SPANS,
      .tol        = 1e-6,
      .float_only = true,
      .array      = { IN(OT_FLOAT, "n"), IN(OT_LABEL, "n"), IN(OT_FLOAT, "1"), OUT(OT_FLOAT, "n"),
                      FWD(OT_FLOAT, "1") } },
    { .name = "xent_soft_fwd: cross entropy, soft targets",
      .run  = soft_fwd,
      ROWS,
      .tol        = 1e-6,
      .float_only = true,
      .offsets    = true,
      .array = { IN(OT_ACT, "nc"), IN(OT_UNIT, "nc"), ACC(OT_FLOAT, "1"), OUT(OT_FLOAT, "n") } },
    { .name    = "xent_soft_bwd: cross entropy, soft targets",
      .run     = soft_bwd,
      .prepare = soft_prepare,
      .forward = soft_y,
      .y       = S_LOSS,
      .dy      = S_G,
      .wrt     = { { S_X, S_DX } },
      ROWS,
      .tol        = 2e-6,
      .float_only = true,
      .array      = { IN(OT_ACT, "nc"), IN(OT_UNIT, "nc"), IN(OT_FLOAT, "1"), IN(OT_FLOAT, "n"),
                      OUT(OT_FLOAT, "nc"), FWD(OT_FLOAT, "1"), FWD(OT_FLOAT, "n") } },
    { .name = "focal_fwd",
      .run  = focal_fwd,
      SPANS,
      .tol        = 1e-6,
      .float_only = true,
      .array      = { IN(OT_FLOAT, "n"), IN(OT_SOFT, "n"), ACC(OT_FLOAT, "1") } },
    { .name    = "focal_bwd",
      .run     = focal_bwd,
      .forward = focal_y,
      .y       = 4,
      .dy      = 2,
      .wrt     = { { 0, 3 } },
      SPANS,
      .tol        = 1e-6,
      .float_only = true,
      .array      = { IN(OT_FLOAT, "n"), IN(OT_SOFT, "n"), IN(OT_FLOAT, "1"), OUT(OT_FLOAT, "n"),
                      FWD(OT_FLOAT, "1") } },
    DICE_ROWS("softmax, by sample, squared", squared, OT_TARGET, "Bs", "3Bc"),
    DICE_ROWS("softmax, whole batch, no background", batch, OT_TARGET, "Bs", "3c"),
    DICE_ROWS("sigmoid, whole batch, logarithm", logarithm, OT_SOFT, "Bcs", "3c"),
    DICE_ROWS("sigmoid, by sample, soft masks", masks, OT_SOFT, "Bcs", "3Bc"),
    { .name = "sumsq: global gradient norm",
      .run  = sumsq,
      SPANS,
      .tol        = 1e-12,
      .float_only = true,
      .array      = { IN(OT_FLOAT, "n"), ACC(OT_DOUBLE, "3") } },
    { .name = "adamw: fused, decay groups",
      .run  = adamw,
      SPANS,
      .tol        = 2e-7,
      .float_only = true,
      .array      = { ACC(OT_FLOAT, "n"), ACC(OT_FLOAT, "n"), ACC(OT_POSITIVE, "n"),
                      IN(OT_FLOAT, "n") } },
    { .name = "adamw: factors on the device",
      .run  = adamw_factors,
      SPANS,
      .tol        = 2e-7,
      .float_only = true,
      .array = { ACC(OT_FLOAT, "n"), ACC(OT_FLOAT, "n"), ACC(OT_POSITIVE, "n"), IN(OT_FLOAT, "n"),
                 IN(OT_POSITIVE, "3") } },
    { .name       = "clip: factors of gradients",
      .run        = clip,
      .prepare    = squares,
      .letters    = "n",
      .shape      = { { 1 }, { 7 }, { 1024 }, { 2500 } },
      .limit      = { 3000 },
      .tol        = 1e-7,
      .float_only = true,
      .array      = { IN(OT_DOUBLE, "n"), OUT(OT_FLOAT, "n"), IN(OT_DOUBLE, "1") } },
    { .name = NULL }
};
