/* conv.c - rows of convolutions, norms of feature maps and resampling */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ops/ops.h"

#include <stddef.h>

/* ---- convolutions: letters n samples, a channels in, o out, z, y, x places out; in = out stride
 */

struct geometry {
    int64_t k[3], stride[3], pad[3];
};

static struct um_conv conv(const struct ot_case *c, struct geometry g)
{
    struct um_conv v = { .dt = c->dt, .n = c->dim[0], .cin = c->dim[1], .cout = c->dim[2] };

    for (int i = 0; i < 3; i++) {
        v.in[i]     = c->dim[3 + i] * g.stride[i];
        v.k[i]      = g.k[i];
        v.stride[i] = g.stride[i];
        v.pad[i]    = g.pad[i];
    }
    return v;
}

enum { C_X, C_W, C_BIAS, C_Y };             /* forward: from x; transposed: from y */
enum { G_DY, G_W, G_DX, G_X, G_Y };         /* gradient of x */
enum { W_DY, W_X, W_DW, W_W, W_Y, W_BIAS }; /* gradient of w */

/* the functions of one geometry */
#define GEOMETRY(name, ...)                                                                        \
    static int name##_fwd(const struct ot_case *c)                                                 \
    {                                                                                              \
        const struct um_conv v = conv(c, (struct geometry)__VA_ARGS__);                            \
        return c->k->conv_fwd(c->dev, c->a[C_Y], c->a[C_X], c->a[C_W], c->a[C_BIAS], &v);          \
    }                                                                                              \
    static int name##_up(const struct ot_case *c)                                                  \
    {                                                                                              \
        const struct um_conv v = conv(c, (struct geometry)__VA_ARGS__);                            \
        return c->k->conv_data(c->dev, c->a[C_X], c->a[C_Y], c->a[C_W], c->a[C_BIAS], &v);         \
    }                                                                                              \
    static int name##_data_y(const struct ot_case *c)                                              \
    {                                                                                              \
        const struct um_conv v = conv(c, (struct geometry)__VA_ARGS__);                            \
        return c->k->conv_fwd(c->dev, c->a[G_Y], c->a[G_X], c->a[G_W], NULL, &v);                  \
    }                                                                                              \
    static int name##_data(const struct ot_case *c)                                                \
    {                                                                                              \
        const struct um_conv v = conv(c, (struct geometry)__VA_ARGS__);                            \
        return c->k->conv_data(c->dev, c->a[G_DX], c->a[G_DY], c->a[G_W], NULL, &v);               \
    }                                                                                              \
    static int name##_weights_y(const struct ot_case *c)                                           \
    {                                                                                              \
        const struct um_conv v = conv(c, (struct geometry)__VA_ARGS__);                            \
        return c->k->conv_fwd(c->dev, c->a[W_Y], c->a[W_X], c->a[W_W], NULL, &v);                  \
    }                                                                                              \
    static int name##_weights(const struct ot_case *c)                                             \
    {                                                                                              \
        const struct um_conv v = conv(c, (struct geometry)__VA_ARGS__);                            \
        return c->k->conv_weights(c->dev, c->a[W_DW], c->a[W_DY], c->a[W_X], &v);                  \
    }

GEOMETRY(unet, { { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 } })
GEOMETRY(flat, { { 1, 3, 3 }, { 1, 1, 1 }, { 0, 1, 1 } })
GEOMETRY(point, { { 1, 1, 1 }, { 1, 1, 1 }, { 0, 0, 0 } })
GEOMETRY(wide, { { 1, 1, 7 }, { 1, 1, 1 }, { 0, 0, 3 } })
GEOMETRY(patch, { { 2, 2, 2 }, { 2, 2, 2 }, { 0, 0, 0 } })
GEOMETRY(half, { { 3, 4, 4 }, { 1, 2, 2 }, { 1, 1, 1 } })
GEOMETRY(gaps, { { 1, 2, 2 }, { 1, 3, 3 }, { 0, 0, 0 } })
GEOMETRY(far, { { 1, 7, 7 }, { 1, 3, 3 }, { 0, 3, 3 } })

#define SIZES                                                                                      \
    .step_dim = 3, .letters = "naozyx", .limit = { 3, 20, 20, 3, 6, 9 },                           \
    .shape = { { 0, 3, 2, 1, 2, 2 },                                                               \
               { 1, 1, 1, 1, 1, 1 },                                                               \
               { 2, 16, 16, 3, 5, 18 },                                                            \
               { 1, 33, 37, 1, 21, 17 },                                                           \
               { 2, 5, 9, 2, 4, 3 } }
/* rows of one geometry; w and x: their sizes. A bfloat16 bias may be rounded first (cuDNN's is). */
#define CONV_ROWS(id, text, wsize, xsize)                                                          \
    { .name = "conv_fwd " text,                                                                    \
      .run  = id##_fwd,                                                                            \
      SIZES,                                                                                       \
      .tol      = 1e-6,                                                                            \
      .tol_bf16 = 3e-3,                                                                            \
      .array    = { IN(OT_ACT, xsize), IN(OT_FLOAT, wsize), IN(OT_FLOAT, "o"),                     \
                    OUT(OT_ACT, "nozyx") } },                                                         \
        { .name = "conv_data " text ", with bias",                                                 \
          .run  = id##_up,                                                                         \
          SIZES,                                                                                   \
          .tol      = 1e-6,                                                                        \
          .tol_bf16 = 3e-3,                                                                        \
          .array    = { OUT(OT_ACT, xsize), IN(OT_FLOAT, wsize), IN(OT_FLOAT, "a"),                \
                        IN(OT_ACT, "nozyx") } },                                                      \
        { .name    = "conv_data " text,                                                            \
          .run     = id##_data,                                                                    \
          .forward = id##_data_y,                                                                  \
          .y       = G_Y,                                                                          \
          .dy      = G_DY,                                                                         \
          .wrt     = { { G_X, G_DX } },                                                            \
          SIZES,                                                                                   \
          .tol      = 1e-6,                                                                        \
          .tol_bf16 = 1e-3,                                                                        \
          .array    = { IN(OT_ACT, "nozyx"), IN(OT_FLOAT, wsize), OUT(OT_ACT, xsize),              \
                        IN(OT_ACT, xsize), FWD(OT_ACT, "nozyx") } },                                  \
    {                                                                                              \
        .name = "conv_weights " text, .run = id##_weights, .forward = id##_weights_y, .y = W_Y,    \
        .dy = W_DY, .wrt = { { W_W, W_DW } }, SIZES, .tol = 3e-6, .tol_bf16 = 3e-6, .array = {     \
            IN(OT_ACT, "nozyx"),                                                                   \
            IN(OT_ACT, xsize),                                                                     \
            ACC(OT_FLOAT, wsize),                                                                  \
            IN(OT_FLOAT, wsize),                                                                   \
            FWD(OT_ACT, "nozyx")                                                                   \
        }                                                                                          \
    }

/* what is left over: letters n, a, o, rows and columns in (y, x) and out (Y, X), kernel k; stride
 * 2, padding 1 */
static struct um_conv odd(const struct ot_case *c)
{
    return (struct um_conv){ .dt     = c->dt,
                             .n      = c->dim[0],
                             .cin    = c->dim[1],
                             .cout   = c->dim[2],
                             .in     = { 1, c->dim[3], c->dim[4] },
                             .k      = { 1, c->dim[7], c->dim[7] },
                             .stride = { 1, 2, 2 },
                             .pad    = { 0, 1, 1 } };
}

static int odd_fwd(const struct ot_case *c)
{
    const struct um_conv v = odd(c);

    return c->k->conv_fwd(c->dev, c->a[C_Y], c->a[C_X], c->a[C_W], c->a[C_BIAS], &v);
}

static int odd_data(const struct ot_case *c)
{
    const struct um_conv v = odd(c);

    return c->k->conv_data(c->dev, c->a[G_DX], c->a[G_DY], c->a[G_W], NULL, &v);
}

static int odd_weights(const struct ot_case *c)
{
    const struct um_conv v = odd(c);

    return c->k->conv_weights(c->dev, c->a[W_DW], c->a[W_DY], c->a[W_X], &v);
}

#define ODD                                                                                        \
    .letters = "naoyxYXk", .shape = { { 2, 3, 5, 9, 8, 4, 4, 4 },                                  \
                                      { 1, 17, 8, 12, 31, 6, 16, 3 },                              \
                                      { 3, 8, 1, 6, 7, 4, 5, 1 },                                  \
                                      { 1, 4, 16, 2, 3, 1, 1, 4 },                                 \
                                      { 2, 20, 33, 41, 30, 21, 15, 3 } }

/* ---- sums over feature maps, and their norms: letters n, c, s ---- */

#define EPS 1e-5f

static int conv_bias(const struct ot_case *c)
{
    return c->k->conv_bias(c->dev, c->dt, c->a[1], c->a[0], c->dim[0], c->dim[1], c->dim[2]);
}

static int transpose(const struct ot_case *c)
{
    return c->k->transpose(c->dev, c->dt, c->a[1], c->a[0], c->dim[0], c->dim[1], c->dim[2]);
}

enum { N_X, N_DY, N_GAMMA, N_MEAN, N_RSTD, N_DX, N_DGAMMA, N_DBETA, N_BETA, N_Y, N_VAR };

static int fwd(const struct ot_case *c, bool batch, const float *gamma, const float *beta)
{
    return batch && c->dim[0] == 0
               ? UM_OK
               : c->k->mapnorm_fwd(c->dev, c->dt, batch, c->a[N_Y], c->a[N_MEAN], c->a[N_RSTD],
                                   c->a[N_VAR], c->a[N_X], gamma, beta, c->dim[0], c->dim[1],
                                   c->dim[2], EPS);
}

static int bwd(const struct ot_case *c, bool batch)
{
    return c->k->mapnorm_bwd(c->dev, c->dt, batch, c->a[N_DX], c->a[N_DGAMMA], c->a[N_DBETA],
                             c->a[N_DY], c->a[N_X], c->a[N_GAMMA], c->a[N_MEAN], c->a[N_RSTD],
                             c->dim[0], c->dim[1], c->dim[2]);
}

static int batch_y(const struct ot_case *c)
{
    return fwd(c, true, c->a[N_GAMMA], c->a[N_BETA]);
}

static int batch_bwd(const struct ot_case *c)
{
    return bwd(c, true);
}

static int instance_y(const struct ot_case *c)
{
    return fwd(c, false, c->a[N_GAMMA], c->a[N_BETA]);
}

static int instance_bwd(const struct ot_case *c)
{
    return bwd(c, false);
}

/* not affine: only x, dy, statistics and dx */
enum { P_X, P_DY, P_MEAN, P_RSTD, P_DX, P_Y };

static int plain_y(const struct ot_case *c)
{
    return c->k->mapnorm_fwd(c->dev, c->dt, false, c->a[P_Y], c->a[P_MEAN], c->a[P_RSTD], NULL,
                             c->a[P_X], NULL, NULL, c->dim[0], c->dim[1], c->dim[2], EPS);
}

static int plain_bwd(const struct ot_case *c)
{
    return c->k->mapnorm_bwd(c->dev, c->dt, false, c->a[P_DX], NULL, NULL, c->a[P_DY], c->a[P_X],
                             NULL, c->a[P_MEAN], c->a[P_RSTD], c->dim[0], c->dim[1], c->dim[2]);
}

/* arrays of the forwards alone: x, gamma, beta, y, mean, rstd, var */
static int norm_fwd(const struct ot_case *c, bool batch, bool affine)
{
    return c->k->mapnorm_fwd(c->dev, c->dt, batch, c->a[3], c->a[4], c->a[5], c->a[6], c->a[0],
                             affine ? c->a[1] : NULL, affine ? c->a[2] : NULL, c->dim[0], c->dim[1],
                             c->dim[2], EPS);
}

static int batch_fwd(const struct ot_case *c)
{
    return norm_fwd(c, true, true);
}

static int instance_fwd(const struct ot_case *c)
{
    return norm_fwd(c, false, true);
}

static int instance_plain(const struct ot_case *c)
{
    return norm_fwd(c, false, false);
}

static int map_eval(const struct ot_case *c)
{
    return c->k->mapnorm_eval(c->dev, c->dt, c->a[5], c->a[0], c->a[1], c->a[2], c->a[3], c->a[4],
                              c->dim[0], c->dim[1], c->dim[2], EPS);
}

/* statistics are over n s elements: more than two of them */
#define MAPS                                                                                       \
    .letters = "ncs", .limit = { 5, 20, 150 },                                                     \
    .shape = { { 1, 1, 3 },   { 3, 2, 5 },     { 2, 5, 2500 }, { 4, 33, 24 },                      \
               { 4, 33, 17 }, { 2, 5, 17001 }, { 2, 3, 40000 } }
#define NORM_FWD(stat)                                                                             \
    MAPS, .offsets = true, .tol = 2e-6, .tol_bf16 = 1e-3,                                          \
          .array = { IN(OT_ACT, "ncs"),  IN(OT_FLOAT, "c"),   IN(OT_FLOAT, "c"),                   \
                     OUT(OT_ACT, "ncs"), OUT(OT_FLOAT, stat), OUT(OT_FLOAT, stat),                 \
                     OUT(OT_FLOAT, stat) }
#define NORM_BWD(stat)                                                                             \
    MAPS, .y = N_Y, .dy = N_DY,                                                                    \
          .wrt = { { N_X, N_DX }, { N_GAMMA, N_DGAMMA }, { N_BETA, N_DBETA } }, .tol = 3e-6,       \
          .tol_bf16 = 1e-3, .step_tol = 1e-3,                                                      \
          .array = { IN(OT_ACT, "ncs"),  IN(OT_ACT, "ncs"),     IN(OT_FLOAT, "c"),                 \
                     IN(OT_FLOAT, stat), IN(OT_POSITIVE, stat), OUT(OT_ACT, "ncs"),                \
                     ACC(OT_FLOAT, "c"), ACC(OT_FLOAT, "c"),    IN(OT_FLOAT, "c"),                 \
                     FWD(OT_ACT, "ncs"), FWD(OT_FLOAT, stat) }

/* ---- resampling: letters n, c, from u, v, w to U, V, W ---- */

static struct um_resample grid(const struct ot_case *c, enum um_interp plane, bool corners)
{
    const int64_t *d = c->dim;

    return (struct um_resample){ .dt      = c->dt,
                                 .n       = d[0],
                                 .c       = d[1],
                                 .in      = { d[2], d[3], d[4] },
                                 .out     = { d[5], d[6], d[7] },
                                 .mode    = { UM_LINEAR, plane, plane },
                                 .corners = corners };
}

enum { R_X, R_Y };                 /* forward */
enum { R_GDY, R_GDX, R_GX, R_GY }; /* backward */
#define GRID(name, plane, corners)                                                                 \
    static int name##_fwd(const struct ot_case *c)                                                 \
    {                                                                                              \
        const struct um_resample r = grid(c, plane, corners);                                      \
        return c->k->resample_fwd(c->dev, c->a[R_Y], c->a[R_X], &r);                               \
    }                                                                                              \
    static int name##_y(const struct ot_case *c)                                                   \
    {                                                                                              \
        const struct um_resample r = grid(c, plane, corners);                                      \
        return c->k->resample_fwd(c->dev, c->a[R_GY], c->a[R_GX], &r);                             \
    }                                                                                              \
    static int name##_bwd(const struct ot_case *c)                                                 \
    {                                                                                              \
        const struct um_resample r = grid(c, plane, corners);                                      \
        return c->k->resample_bwd(c->dev, c->a[R_GDX], c->a[R_GDY], &r);                           \
    }

GRID(edges, UM_LINEAR, false)
GRID(corners, UM_LINEAR, true)
GRID(cubic, UM_CUBIC, false)

#define GRIDS                                                                                      \
    .step_dim = 3, .letters = "ncuvwUVW", .limit = { 3, 5, 4, 6, 6, 7, 9, 9 },                     \
    .shape = { { 0, 1, 1, 2, 2, 1, 4, 4 },     { 1, 1, 1, 1, 1, 2, 3, 5 },                         \
               { 9, 1, 1, 14, 14, 1, 28, 28 }, { 1, 96, 2, 14, 14, 3, 8, 9 },                      \
               { 2, 3, 4, 9, 11, 1, 5, 20 },   { 1, 2, 1, 3, 2, 1, 48, 35 } },                     \
    .tol = 1e-6, .tol_bf16 = 1e-3
#define GRID_ROWS(id, text)                                                                        \
    { .name = "resample_fwd " text,                                                                \
      .run  = id##_fwd,                                                                            \
      GRIDS,                                                                                       \
      .array = { IN(OT_ACT, "ncuvw"), OUT(OT_ACT, "ncUVW") } },                                    \
    {                                                                                              \
        .name = "resample_bwd " text, .run = id##_bwd, .forward = id##_y, .y = R_GY, .dy = R_GDY,  \
        .wrt = { { R_GX, R_GDX } }, GRIDS, .array = {                                              \
            IN(OT_ACT, "ncUVW"),                                                                   \
            OUT(OT_ACT, "ncuvw"),                                                                  \
            IN(OT_ACT, "ncuvw"),                                                                   \
            FWD(OT_ACT, "ncUVW")                                                                   \
        }                                                                                          \
    }

const struct ot_row ot_conv[] = {
    CONV_ROWS(unet, "3x3x3", "333oa", "nazyx"),
    CONV_ROWS(flat, "3x3", "33oa", "nazyx"),
    CONV_ROWS(point, "1x1", "oa", "nazyx"),
    CONV_ROWS(wide, "1x7", "7oa", "nazyx"),
    CONV_ROWS(patch, "2x2x2 by 2", "8oa", "8nazyx"),
    CONV_ROWS(half, "3x4x4 by 2", "344oa", "4nazyx"),
    CONV_ROWS(gaps, "2x2 by 3", "4oa", "9nazyx"),
    CONV_ROWS(far, "7x7 by 3", "77oa", "9nazyx"),
    { .name = "conv_fwd with rest",
      .run  = odd_fwd,
      ODD,
      .tol      = 1e-6,
      .tol_bf16 = 3e-3,
      .array    = { IN(OT_ACT, "nayx"), IN(OT_FLOAT, "oakk"), IN(OT_FLOAT, "o"),
                    OUT(OT_ACT, "noYX") } },
    { .name = "conv_data with rest",
      .run  = odd_data,
      ODD,
      .tol      = 1e-6,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_ACT, "noYX"), IN(OT_FLOAT, "oakk"), OUT(OT_ACT, "nayx") } },
    { .name = "conv_weights with rest",
      .run  = odd_weights,
      ODD,
      .tol      = 3e-6,
      .tol_bf16 = 3e-6,
      .array    = { IN(OT_ACT, "noYX"), IN(OT_ACT, "nayx"), ACC(OT_FLOAT, "oakk") } },
    { .name = "conv_bias",
      .run  = conv_bias,
      MAPS,
      .tol      = 2e-6,
      .tol_bf16 = 2e-6,
      .array    = { IN(OT_ACT, "ncs"), ACC(OT_FLOAT, "c") } },
    { .name = "transpose",
      .run  = transpose,
      MAPS,
      .array = { IN(OT_ACT, "ncs"), OUT(OT_ACT, "ncs") } },
    { .name = "mapnorm_fwd of batches", .run = batch_fwd, NORM_FWD("c") },
    { .name = "mapnorm_fwd of samples", .run = instance_fwd, NORM_FWD("nc") },
    { .name = "mapnorm_fwd of samples, not affine", .run = instance_plain, NORM_FWD("nc") },
    { .name = "mapnorm_bwd of batches", .run = batch_bwd, .forward = batch_y, NORM_BWD("c") },
    { .name    = "mapnorm_bwd of samples",
      .run     = instance_bwd,
      .forward = instance_y,
      NORM_BWD("nc") },
    { .name    = "mapnorm_bwd of samples, not affine",
      .run     = plain_bwd,
      .forward = plain_y,
      .y       = P_Y,
      .dy      = P_DY,
      .wrt     = { { P_X, P_DX } },
      MAPS,
      .tol      = 3e-6,
      .tol_bf16 = 1e-3,
      .step_tol = 1e-3,
      .array    = { IN(OT_ACT, "ncs"), IN(OT_ACT, "ncs"), IN(OT_FLOAT, "nc"), IN(OT_POSITIVE, "nc"),
                    OUT(OT_ACT, "ncs"), FWD(OT_ACT, "ncs") } },
    { .name = "mapnorm_eval",
      .run  = map_eval,
      MAPS,
      .tol      = 1e-6,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_ACT, "ncs"), IN(OT_FLOAT, "c"), IN(OT_FLOAT, "c"), IN(OT_FLOAT, "c"),
                    IN(OT_POSITIVE, "c"), OUT(OT_ACT, "ncs") } },
    GRID_ROWS(edges, "linear"),
    GRID_ROWS(corners, "linear, corners"),
    GRID_ROWS(cubic, "cubic"),
    { .name = NULL }
};
