/* norm.c - rows of the normalisations */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ops/ops.h"

#include <stddef.h>

#define EPS 1e-5f

static int layernorm_fwd(const struct ot_case *c)
{
    return c->k->layernorm_fwd(c->dev, c->a[3], c->dt, c->a[4], c->a[5], c->a[0], c->dt, c->a[1],
                               c->a[2], c->dim[0], c->dim[1], EPS);
}

enum { X, DY, GAMMA, MEAN, RSTD, DX, DGAMMA, DBETA, BETA, Y, VAR };

static int layernorm_y(const struct ot_case *c)
{
    return c->k->layernorm_fwd(c->dev, c->a[Y], c->dt, c->a[MEAN], c->a[RSTD], c->a[X], c->dt,
                               c->a[GAMMA], c->a[BETA], c->dim[0], c->dim[1], EPS);
}

static int layernorm_bwd(const struct ot_case *c)
{
    return c->k->layernorm_bwd(c->dev, c->a[DX], c->dt, false, c->a[DGAMMA], c->a[DBETA], c->a[DY],
                               c->dt, c->a[X], c->a[GAMMA], c->a[MEAN], c->a[RSTD], c->dim[0],
                               c->dim[1]);
}

/* from a float residual stream to activations, and back, added to the stream's gradient */
static int layernorm_fwd_float(const struct ot_case *c)
{
    return c->k->layernorm_fwd(c->dev, c->a[3], c->dt, c->a[4], c->a[5], c->a[0], UM_F32, c->a[1],
                               c->a[2], c->dim[0], c->dim[1], EPS);
}

static int layernorm_bwd_float(const struct ot_case *c)
{
    return c->k->layernorm_bwd(c->dev, c->a[DX], UM_F32, true, c->a[DGAMMA], c->a[DBETA], c->a[DY],
                               c->dt, c->a[X], c->a[GAMMA], c->a[MEAN], c->a[RSTD], c->dim[0],
                               c->dim[1]);
}

/* from activations to float, and back */
static int layernorm_fwd_up(const struct ot_case *c)
{
    return c->k->layernorm_fwd(c->dev, c->a[3], UM_F32, c->a[4], c->a[5], c->a[0], c->dt, c->a[1],
                               c->a[2], c->dim[0], c->dim[1], EPS);
}

static int layernorm_bwd_up(const struct ot_case *c)
{
    return c->k->layernorm_bwd(c->dev, c->a[DX], c->dt, true, c->a[DGAMMA], c->a[DBETA], c->a[DY],
                               UM_F32, c->a[X], c->a[GAMMA], c->a[MEAN], c->a[RSTD], c->dim[0],
                               c->dim[1]);
}

static int batchnorm_fwd(const struct ot_case *c)
{
    return c->k->batchnorm_fwd(c->dev, c->dt, c->a[3], c->a[4], c->a[5], c->a[6], c->a[0], c->a[1],
                               c->a[2], c->dim[0], c->dim[1], EPS);
}

static int batchnorm_plain(const struct ot_case *c)
{
    return c->k->batchnorm_fwd(c->dev, c->dt, c->a[1], c->a[2], c->a[3], c->a[4], c->a[0], NULL,
                               NULL, c->dim[0], c->dim[1], EPS);
}

static int batchnorm_eval(const struct ot_case *c)
{
    return c->k->batchnorm_eval(c->dev, c->dt, c->a[5], c->a[0], c->a[1], c->a[2], c->a[3], c->a[4],
                                c->dim[0], c->dim[1], EPS);
}

static int batchnorm_y(const struct ot_case *c)
{
    return c->dim[0] == 0
               ? UM_OK
               : c->k->batchnorm_fwd(c->dev, c->dt, c->a[Y], c->a[MEAN], c->a[RSTD], c->a[VAR],
                                     c->a[X], c->a[GAMMA], c->a[BETA], c->dim[0], c->dim[1], EPS);
}

static int batchnorm_bwd(const struct ot_case *c)
{
    return c->k->batchnorm_bwd(c->dev, c->dt, c->a[DX], c->a[DGAMMA], c->a[DBETA], c->a[DY],
                               c->a[X], c->a[GAMMA], c->a[MEAN], c->a[RSTD], c->dim[0], c->dim[1]);
}

static int lerp(const struct ot_case *c)
{
    return c->k->lerp(c->dev, c->a[1], c->a[0], 0.1f, c->dim[0]);
}

static int l2norm_fwd(const struct ot_case *c)
{
    return c->k->l2norm_fwd(c->dev, c->dt, c->a[1], c->a[2], c->a[0], c->dim[0], c->dim[1],
                            c->nr % 3 == 2 ? 50.0f : 1e-12f); /* some rows shorter than eps */
}

enum { L_X, L_DY, L_Y, L_NORM, L_DX, L_Y2, L_NORM2 };

static int l2norm_prepare(const struct ot_case *c)
{
    return c->k->l2norm_fwd(c->dev, c->dt, c->a[L_Y], c->a[L_NORM], c->a[L_X], c->dim[0], c->dim[1],
                            c->nr % 3 == 2 ? 50.0f : 1e-12f);
}

static int l2norm_y(const struct ot_case *c)
{
    return c->k->l2norm_fwd(c->dev, c->dt, c->a[L_Y2], c->a[L_NORM2], c->a[L_X], c->dim[0],
                            c->dim[1], c->nr % 3 == 2 ? 50.0f : 1e-12f);
}

static int l2norm_bwd(const struct ot_case *c)
{
    return c->k->l2norm_bwd(c->dev, c->dt, c->a[L_DX], c->a[L_DY], c->a[L_Y], c->a[L_NORM],
                            c->dim[0], c->dim[1], c->nr % 3 == 2 ? 50.0f : 1e-12f);
}

#define ROWS                                                                                       \
    .letters = "nc", .limit = { 40, 99 },                                                          \
    .shape = { { 0, 8 }, { 1, 1 }, { 3, 7 }, { 257, 33 }, { 9, 768 }, { 3, 2051 } }
/* rows of whole vectors, held in registers or, the last, too long for that */
#define VECTORS                                                                                    \
    .letters = "nc", .aligned = true,                                                              \
    .shape = { { 1, 8 }, { 70, 192 }, { 67, 384 }, { 131, 768 }, { 9, 2000 }, { 5, 4096 } }
#define COLUMNS                                                                                    \
    .letters = "nc",                                                                               \
    .limit = { 40, 99 }, .shape = { { 1, 1 },    { 2, 7 },    { 700, 35 }, { 9, 768 },             \
                                    { 3, 4099 }, { 130, 31 }, { 700, 192 } }

/* ---- softmax: letters n, c ---- */

static int softmax_fwd(const struct ot_case *c)
{
    return c->k->softmax_fwd(c->dev, c->dt, c->a[1], c->a[0], c->dim[0], c->dim[1]);
}

/* y, in array 1, from x, in array 3 */
static int softmax_y(const struct ot_case *c)
{
    return c->k->softmax_fwd(c->dev, c->dt, c->a[1], c->a[3], c->dim[0], c->dim[1]);
}

static int softmax_again(const struct ot_case *c)
{
    return c->k->softmax_fwd(c->dev, c->dt, c->a[4], c->a[3], c->dim[0], c->dim[1]);
}

static int softmax_bwd(const struct ot_case *c)
{
    return c->k->softmax_bwd(c->dev, c->dt, c->a[2], c->a[0], c->a[1], c->dim[0], c->dim[1]);
}

/* ---- distillation: letters n, c ---- */

#define DISTILL                                                                                    \
    .letters = "nc", .limit = { 40, 90 },                                                          \
    .shape = { { 0, 8 },     { 1, 3 }, { 70, 17 }, { 5, 8192 },  { 130, 257 }, { 9, 4099 },        \
               { 2, 65536 }, { 3, 2 }, { 40, 31 }, { 200, 192 }, { 4100, 12 } }

enum { D_X, D_T, D_CENTRE, D_WEIGHT, D_LSE, D_LOSS, D_QMEAN, D_SURE };

static struct um_distill distill(const struct ot_case *c)
{
    return (struct um_distill){ .dt     = c->dt,
                                .n      = c->dim[0],
                                .c      = c->dim[1],
                                .x      = c->a[D_X],
                                .t      = c->a[D_T],
                                .centre = c->a[D_CENTRE],
                                .weight = c->a[D_WEIGHT],
                                .tau_s  = 0.5f,
                                .tau_t  = 0.2f };
}

static int distill_fwd(const struct ot_case *c)
{
    const struct um_distill d = distill(c);

    return c->k->distill_fwd(c->dev, c->a[D_LOSS], c->a[D_LSE], c->nr % 2 ? NULL : c->a[D_QMEAN],
                             c->nr % 3 ? c->a[D_SURE] : NULL, &d);
}

enum { B_GLOSS = 5, B_DX, B_LOSS };

static int distill_again(const struct ot_case *c)
{
    const struct um_distill d = distill(c);

    UM_TRY(c->k->zero(c->dev, c->a[B_LOSS], sizeof(float)));
    return c->k->distill_fwd(c->dev, c->a[B_LOSS], c->a[D_LSE], NULL, NULL, &d);
}

static int distill_bwd(const struct ot_case *c)
{
    const struct um_distill d = distill(c);

    return c->k->distill_bwd(c->dev, c->a[B_DX], c->a[B_GLOSS], c->a[D_LSE], &d);
}

static int entropy(const struct ot_case *c)
{
    return c->k->entropy(c->dev, c->a[1], c->a[0], c->dim[0]);
}

const struct ot_row ot_norm[] = {
    { .name = "layernorm_fwd",
      .run  = layernorm_fwd,
      ROWS,
      .offsets  = true,
      .tol      = 2e-6,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_ACT, "nc"), IN(OT_FLOAT, "c"), IN(OT_FLOAT, "c"), OUT(OT_ACT, "nc"),
                    OUT(OT_FLOAT, "n"), OUT(OT_FLOAT, "n") } },
    { .name = "layernorm_fwd: vectors",
      .run  = layernorm_fwd,
      VECTORS,
      .tol      = 2e-6,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_ACT, "nc"), IN(OT_FLOAT, "c"), IN(OT_FLOAT, "c"), OUT(OT_ACT, "nc"),
                    OUT(OT_FLOAT, "n"), OUT(OT_FLOAT, "n") } },
    { .name    = "layernorm_bwd",
      .run     = layernorm_bwd,
      .prepare = layernorm_y,
      .forward = layernorm_y,
      .y       = Y,
      .dy      = DY,
      .wrt     = { { X, DX }, { GAMMA, DGAMMA }, { BETA, DBETA } },
      ROWS,
      .tol      = 2e-5,
      .tol_bf16 = 2e-3,
      .array    = { [X]      = IN(OT_ACT, "nc"),
                    [DY]     = IN(OT_ACT, "nc"),
                    [GAMMA]  = IN(OT_FLOAT, "c"),
                    [MEAN]   = IN(OT_FLOAT, "n"),
                    [RSTD]   = IN(OT_POSITIVE, "n"),
                    [DX]     = OUT(OT_ACT, "nc"),
                    [DGAMMA] = ACC(OT_FLOAT, "c"),
                    [DBETA]  = ACC(OT_FLOAT, "c"),
                    [BETA]   = IN(OT_FLOAT, "c"),
                    [Y]      = FWD(OT_ACT, "nc") } },
    { .name    = "layernorm_bwd: vectors",
      .run     = layernorm_bwd,
      .prepare = layernorm_y,
      VECTORS,
      .tol      = 2e-5,
      .tol_bf16 = 2e-3,
      .array    = { [X]      = IN(OT_ACT, "nc"),
                    [DY]     = IN(OT_ACT, "nc"),
                    [GAMMA]  = IN(OT_FLOAT, "c"),
                    [MEAN]   = IN(OT_FLOAT, "n"),
                    [RSTD]   = IN(OT_POSITIVE, "n"),
                    [DX]     = OUT(OT_ACT, "nc"),
                    [DGAMMA] = ACC(OT_FLOAT, "c"),
                    [DBETA]  = ACC(OT_FLOAT, "c"),
                    [BETA]   = IN(OT_FLOAT, "c"),
                    [Y]      = FWD(OT_ACT, "nc") } },
    { .name = "layernorm_fwd, float to activations",
      .run  = layernorm_fwd_float,
      ROWS,
      .offsets  = true,
      .tol      = 2e-6,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_FLOAT, "nc"), IN(OT_FLOAT, "c"), IN(OT_FLOAT, "c"), OUT(OT_ACT, "nc"),
                    OUT(OT_FLOAT, "n"), OUT(OT_FLOAT, "n") } },
    { .name = "layernorm_fwd, float to activations: vectors",
      .run  = layernorm_fwd_float,
      VECTORS,
      .tol      = 2e-6,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_FLOAT, "nc"), IN(OT_FLOAT, "c"), IN(OT_FLOAT, "c"), OUT(OT_ACT, "nc"),
                    OUT(OT_FLOAT, "n"), OUT(OT_FLOAT, "n") } },
    { .name = "layernorm_bwd, added to float",
      .run  = layernorm_bwd_float,
      ROWS,
      .tol      = 2e-5,
      .tol_bf16 = 2e-5,
      .array    = { [X]      = IN(OT_FLOAT, "nc"),
                    [DY]     = IN(OT_ACT, "nc"),
                    [GAMMA]  = IN(OT_FLOAT, "c"),
                    [MEAN]   = IN(OT_FLOAT, "n"),
                    [RSTD]   = IN(OT_POSITIVE, "n"),
                    [DX]     = ACC(OT_FLOAT, "nc"),
                    [DGAMMA] = ACC(OT_FLOAT, "c"),
                    [DBETA]  = ACC(OT_FLOAT, "c") } },
    { .name = "layernorm_bwd, added to float: vectors",
      .run  = layernorm_bwd_float,
      VECTORS,
      .tol      = 2e-5,
      .tol_bf16 = 2e-5,
      .array    = { [X]      = IN(OT_FLOAT, "nc"),
                    [DY]     = IN(OT_ACT, "nc"),
                    [GAMMA]  = IN(OT_FLOAT, "c"),
                    [MEAN]   = IN(OT_FLOAT, "n"),
                    [RSTD]   = IN(OT_POSITIVE, "n"),
                    [DX]     = ACC(OT_FLOAT, "nc"),
                    [DGAMMA] = ACC(OT_FLOAT, "c"),
                    [DBETA]  = ACC(OT_FLOAT, "c") } },
    { .name = "layernorm_fwd, activations to float: vectors",
      .run  = layernorm_fwd_up,
      VECTORS,
      .tol      = 2e-5, /* a mean of 2000 numbers is small beside them */
      .tol_bf16 = 2e-5,
      .array    = { IN(OT_ACT, "nc"), IN(OT_FLOAT, "c"), IN(OT_FLOAT, "c"), OUT(OT_FLOAT, "nc"),
                    OUT(OT_FLOAT, "n"), OUT(OT_FLOAT, "n") } },
    { .name = "layernorm_bwd, added to activations: vectors",
      .run  = layernorm_bwd_up,
      VECTORS,
      .tol      = 2e-5,
      .tol_bf16 = 2e-3,
      .array    = { [X]      = IN(OT_ACT, "nc"),
                    [DY]     = IN(OT_FLOAT, "nc"),
                    [GAMMA]  = IN(OT_FLOAT, "c"),
                    [MEAN]   = IN(OT_FLOAT, "n"),
                    [RSTD]   = IN(OT_POSITIVE, "n"),
                    [DX]     = ACC(OT_ACT, "nc"),
                    [DGAMMA] = ACC(OT_FLOAT, "c"),
                    [DBETA]  = ACC(OT_FLOAT, "c") } },
    { .name = "batchnorm_fwd",
      .run  = batchnorm_fwd,
      COLUMNS,
      .offsets  = true,
      .tol      = 2e-6,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_ACT, "nc"), IN(OT_FLOAT, "c"), IN(OT_FLOAT, "c"), OUT(OT_ACT, "nc"),
                    OUT(OT_FLOAT, "c"), OUT(OT_FLOAT, "c"), OUT(OT_FLOAT, "c") } },
    { .name = "batchnorm_fwd, not affine",
      .run  = batchnorm_plain,
      COLUMNS,
      .offsets  = true,
      .tol      = 2e-6,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_ACT, "nc"), OUT(OT_ACT, "nc"), OUT(OT_FLOAT, "c"), OUT(OT_FLOAT, "c"),
                    OUT(OT_FLOAT, "c") } },
    { .name = "batchnorm_eval",
      .run  = batchnorm_eval,
      ROWS,
      .tol      = 1e-6,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_ACT, "nc"), IN(OT_FLOAT, "c"), IN(OT_FLOAT, "c"), IN(OT_FLOAT, "c"),
                    IN(OT_POSITIVE, "c"), OUT(OT_ACT, "nc") } },
    { .name    = "batchnorm_bwd",
      .run     = batchnorm_bwd,
      .prepare = batchnorm_y,
      .forward = batchnorm_y,
      .y       = Y,
      .dy      = DY,
      .wrt     = { { X, DX }, { GAMMA, DGAMMA }, { BETA, DBETA } },
      ROWS,
      .tol      = 2e-5,
      .tol_bf16 = 2e-3,
      .array    = { [X]      = IN(OT_ACT, "nc"),
                    [DY]     = IN(OT_ACT, "nc"),
                    [GAMMA]  = IN(OT_FLOAT, "c"),
                    [MEAN]   = IN(OT_FLOAT, "c"),
                    [RSTD]   = IN(OT_POSITIVE, "c"),
                    [DX]     = OUT(OT_ACT, "nc"),
                    [DGAMMA] = ACC(OT_FLOAT, "c"),
                    [DBETA]  = ACC(OT_FLOAT, "c"),
                    [BETA]   = IN(OT_FLOAT, "c"),
                    [Y]      = FWD(OT_ACT, "nc"),
                    [VAR]    = FWD(OT_FLOAT, "c") } },
    { .name       = "lerp: EMA, running statistics",
      .run        = lerp,
      .letters    = "n",
      .limit      = { 99 },
      .shape      = { { 1 }, { 17 }, { 40 }, { 33003 } },
      .tol        = 1e-7,
      .float_only = true,
      .array      = { IN(OT_FLOAT, "n"), ACC(OT_FLOAT, "n") } },
    { .name = "l2norm_fwd: unit rows, weight norm",
      .run  = l2norm_fwd,
      ROWS,
      .offsets  = true,
      .tol      = 1e-6,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_ACT, "nc"), OUT(OT_ACT, "nc"), OUT(OT_FLOAT, "n") } },
    { .name    = "l2norm_bwd: unit rows, weight norm",
      .run     = l2norm_bwd,
      .prepare = l2norm_prepare,
      .forward = l2norm_y,
      .y       = L_Y2,
      .dy      = L_DY,
      .wrt     = { { L_X, L_DX } },
      ROWS,
      .tol      = 1e-6,
      .tol_bf16 = 2e-3,
      .array    = { IN(OT_ACT, "nc"), IN(OT_ACT, "nc"), IN(OT_ACT, "nc"), IN(OT_FLOAT, "n"),
                    OUT(OT_ACT, "nc"), FWD(OT_ACT, "nc"), FWD(OT_FLOAT, "n") } },
    { .name = "l2norm_fwd, whole vectors",
      .run  = l2norm_fwd,
      VECTORS,
      .tol      = 1e-6,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_ACT, "nc"), OUT(OT_ACT, "nc"), OUT(OT_FLOAT, "n") } },
    { .name    = "l2norm_bwd, whole vectors",
      .run     = l2norm_bwd,
      .prepare = l2norm_prepare,
      VECTORS,
      .tol      = 1e-6,
      .tol_bf16 = 2e-3,
      .array    = { IN(OT_ACT, "nc"), IN(OT_ACT, "nc"), IN(OT_ACT, "nc"), IN(OT_FLOAT, "n"),
                    OUT(OT_ACT, "nc"), FWD(OT_ACT, "nc"), FWD(OT_FLOAT, "n") } },
    { .name = "softmax_fwd",
      .run  = softmax_fwd,
      ROWS,
      .offsets  = true,
      .tol      = 5e-7,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_ACT, "nc"), OUT(OT_ACT, "nc") } },
    { .name = "softmax_fwd: vectors",
      .run  = softmax_fwd,
      VECTORS,
      .tol      = 5e-7,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_ACT, "nc"), OUT(OT_ACT, "nc") } },
    { .name    = "softmax_bwd",
      .run     = softmax_bwd,
      .prepare = softmax_y,
      .forward = softmax_again,
      .y       = 4,
      .dy      = 0,
      .wrt     = { { 3, 2 } },
      ROWS,
      .tol      = 2e-6,
      .tol_bf16 = 2e-3,
      .array    = { IN(OT_ACT, "nc"), IN(OT_ACT, "nc"), OUT(OT_ACT, "nc"), IN(OT_ACT, "nc"),
                    FWD(OT_ACT, "nc") } },
    { .name    = "softmax_bwd: vectors",
      .run     = softmax_bwd,
      .prepare = softmax_y,
      VECTORS,
      .tol      = 2e-6,
      .tol_bf16 = 2e-3,
      .array    = { IN(OT_ACT, "nc"), IN(OT_ACT, "nc"), OUT(OT_ACT, "nc"), IN(OT_ACT, "nc"),
                    FWD(OT_ACT, "nc") } },
    { .name = "distill_fwd",
      .run  = distill_fwd,
      DISTILL,
      .tol      = 2e-6,
      .tol_bf16 = 2e-6,
      .array    = { IN(OT_ACT, "nc"), IN(OT_ACT, "nc"), IN(OT_FLOAT, "c"), IN(OT_POSITIVE, "n"),
                    OUT(OT_FLOAT, "2n"), ACC(OT_FLOAT, "1"), ACC(OT_FLOAT, "c"),
                    ACC(OT_FLOAT, "1") } },
    { .name    = "distill_bwd",
      .run     = distill_bwd,
      .prepare = distill_again,
      .forward = distill_again,
      .y       = B_LOSS,
      .dy      = B_GLOSS,
      .wrt     = { { D_X, B_DX } },
      DISTILL,
      .tol      = 3e-6,
      .tol_bf16 = 3e-3,
      .array    = { IN(OT_ACT, "nc"), IN(OT_ACT, "nc"), IN(OT_FLOAT, "c"), IN(OT_POSITIVE, "n"),
                    IN(OT_FLOAT, "2n"), IN(OT_FLOAT, "1"), OUT(OT_ACT, "nc"), FWD(OT_FLOAT, "1") } },
    { .name       = "entropy",
      .run        = entropy,
      .letters    = "n",
      .shape      = { { 1 }, { 1023 }, { 65536 } },
      .limit      = { 5000 },
      .tol        = 1e-12,
      .float_only = true,
      .array      = { IN(OT_UNIT, "n"), OUT(OT_DOUBLE, "1") } },
    { .name = NULL }
};
