/* basic.c - rows of products, elementwise operations, sequences and tokens */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ops/ops.h"

#include <stddef.h>

/* ---- products: letters b items, m, n, k; rows lie 2 elements further apart than they must -------
 */

enum { M_A, M_B, M_BIAS, M_C, M_G };

static struct um_matmul product(const struct ot_case *c, bool ta, bool tb)
{
    const int64_t m = c->dim[1], n = c->dim[2], k = c->dim[3];

    return (struct um_matmul){ .dt    = c->dt,
                               .dtc   = c->dt,
                               .ta    = ta,
                               .tb    = tb,
                               .batch = c->dim[0],
                               .m     = m,
                               .n     = n,
                               .k     = k,
                               .a     = c->a[M_A],
                               .b     = c->a[M_B],
                               .c     = c->a[M_C],
                               .lda   = ta ? m : k,
                               .ldb   = tb ? k : n,
                               .ldc   = n,
                               .sa    = m * k,
                               .sb    = n * k,
                               .sc    = m * n };
}

static int matmul_nn(const struct ot_case *c)
{
    const struct um_matmul p = product(c, false, false);

    return c->k->matmul(c->dev, &p);
}

static int matmul_nt(const struct ot_case *c)
{
    struct um_matmul p = product(c, false, true);

    p.bias = c->a[M_BIAS];
    return c->k->matmul(c->dev, &p);
}

/* as the gradient of weights: a^T b, added to a float result */
static int matmul_tn(const struct ot_case *c)
{
    struct um_matmul p = product(c, true, false);

    p.dtc  = UM_F32;
    p.beta = 1;
    return c->k->matmul(c->dev, &p);
}

/* both transposed, the second shared by all items, bias and beta, into the activation type */
static int matmul_tt(const struct ot_case *c)
{
    struct um_matmul p = product(c, true, true);

    p.sb   = 0;
    p.bias = c->a[M_BIAS];
    p.beta = 1;
    return c->k->matmul(c->dev, &p);
}

/* what a linear layer fuses: letters b (one item), m, n, k */
enum { F_A, F_B, F_BIAS, F_RES, F_C, F_PRE };

static int fused(const struct ot_case *c, struct um_matmul p)
{
    p.bias = c->a[F_BIAS];
    p.c    = c->a[F_C];
    return c->k->matmul(c->dev, &p);
}

static int fused_gelu(const struct ot_case *c)
{
    struct um_matmul p = product(c, false, true);

    p.act = UM_ACT_GELU;
    p.pre = c->a[F_PRE];
    return fused(c, p);
}

/* into a float residual stream, with dropout, from float weights */
static int fused_residual(const struct ot_case *c)
{
    struct um_matmul p = product(c, false, true);

    p.dtc  = UM_F32;
    p.fb   = true;
    p.res  = c->a[F_RES];
    p.drop = (struct um_drop){ 0.3f, 7, 1001 };
    return fused(c, p);
}

/* as the gradients of a layer in a float stream: both operands float, rounded on the way */
static int rounded_nn(const struct ot_case *c)
{
    struct um_matmul p = product(c, false, false);

    p.fa = p.fb = true;
    p.dtc = UM_F32, p.beta = 1;
    return c->k->matmul(c->dev, &p);
}

static int rounded_tn(const struct ot_case *c)
{
    struct um_matmul p = product(c, true, false);

    p.fa = p.fb = true;
    p.dtc = UM_F32, p.beta = 1;
    return c->k->matmul(c->dev, &p);
}

/* packed weights */
static int packed(const struct ot_case *c, bool tb)
{
    struct um_matmul p = product(c, false, tb);
    struct um_weight w = { c->dt, tb, p.n, p.k, p.ldb, c->a[M_B] };
    size_t           bytes;
    void            *to = NULL;
    int              st = c->k->pack(c->dev, NULL, &bytes, &w);

    p.sb     = 0;
    p.bias   = c->a[M_BIAS];
    p.packed = st >= 0 && bytes > 0;
    if (p.packed && (st = c->k->alloc(c->dev, bytes, &to)) >= 0)
        st = c->k->pack(c->dev, to, &bytes, &w);
    p.b = p.packed ? to : c->a[M_B];
    if (st >= 0)
        st = c->k->matmul(c->dev, &p);
    c->k->free(c->dev, to);
    return st;
}

static int packed_nn(const struct ot_case *c)
{
    return packed(c, false);
}

static int packed_nt(const struct ot_case *c)
{
    return packed(c, true);
}

/* bias_bwd as the gradient of a product's bias */
static int bias_bwd(const struct ot_case *c)
{
    return c->k->bias_bwd(c->dev, c->dt, c->a[1], c->a[0], c->dim[0], c->dim[1], 2 * c->dim[1]);
}

static int bias_fwd(const struct ot_case *c)
{
    const float            zero = 0;
    const struct um_matmul p    = { .dt    = UM_F32,
                                    .dtc   = UM_F32,
                                    .batch = 1,
                                    .m     = c->dim[0],
                                    .n     = c->dim[1],
                                    .a     = &zero,
                                    .b     = &zero,
                                    .c     = c->a[3],
                                    .ldb   = c->dim[1],
                                    .ldc   = 2 * c->dim[1],
                                    .bias  = c->a[2] };

    return c->k->matmul(c->dev, &p);
}

/* the second half of each row is nobody's: zero, so that it adds nothing to the value */
static int bias_prepare(const struct ot_case *c)
{
    return c->k->zero(c->dev, c->a[3], (size_t)(2 * c->dim[0] * c->dim[1]) * sizeof(float));
}

/* ---- elementwise ------------------------------------------------------------------------------
 */

static int add(const struct ot_case *c)
{
    return c->k->add(c->dev, c->dt, c->a[2], c->a[0], c->a[1], c->dim[0]);
}

static int cast_up(const struct ot_case *c)
{
    return c->k->cast(c->dev, c->a[1], UM_F32, c->a[0], c->dt, c->dim[0]);
}

static int cast_down(const struct ot_case *c)
{
    return c->k->cast(c->dev, c->a[1], c->dt, c->a[0], UM_F32, c->dim[0]);
}

/* forward and backward of each activation; forward again where differences can be taken */
#define ACTIVATION(name, act)                                                                      \
    static int name##_fwd(const struct ot_case *c)                                                 \
    {                                                                                              \
        return c->k->act_fwd(c->dev, act, 0.1f, c->dt, c->a[1], c->a[0], c->dim[0]);               \
    }                                                                                              \
    static int name##_bwd(const struct ot_case *c)                                                 \
    {                                                                                              \
        return c->k->act_bwd(c->dev, act, 0.1f, c->dt, c->a[2], c->a[1], c->a[0], c->dim[0]);      \
    }
#define SMOOTH(name, act)                                                                          \
    ACTIVATION(name, act)                                                                          \
    static int name##_y(const struct ot_case *c)                                                   \
    {                                                                                              \
        return c->k->act_fwd(c->dev, act, 0.1f, c->dt, c->a[3], c->a[0], c->dim[0]);               \
    }

SMOOTH(gelu, UM_ACT_GELU)
SMOOTH(gelu_tanh, UM_ACT_GELU_TANH)
ACTIVATION(relu, UM_ACT_RELU)
ACTIVATION(leaky_relu, UM_ACT_LEAKY_RELU)
SMOOTH(tanh, UM_ACT_TANH)
SMOOTH(sigmoid, UM_ACT_SIGMOID)

/* first 0 at the first, aligned case, so that vectors begin blocks of random numbers; else odd */
static int dropout(const struct ot_case *c)
{
    const float p[] = { 0.1f, 0, 1, 0.5f };

    return c->k->dropout(c->dev, c->dt, c->a[1], c->a[0], c->dim[0],
                         (struct um_drop){ p[c->nr % 4], 0x123456789abcdef0u + (uint64_t)c->nr,
                                           13 * (uint64_t)c->nr });
}

static int expscale_fwd(const struct ot_case *c)
{
    return c->k->expscale_fwd(c->dev, c->a[2], c->a[0], c->a[1], c->dim[0]);
}

static int expscale_y(const struct ot_case *c)
{
    return c->k->expscale_fwd(c->dev, c->a[5], c->a[0], c->a[1], c->dim[0]);
}

static int expscale_bwd(const struct ot_case *c)
{
    return c->k->expscale_bwd(c->dev, c->a[3], c->a[4], c->a[2], c->a[0], c->a[1], c->dim[0]);
}

/* ---- rows: letters B, n, c; y has blocks of 2n rows, x of 3n ------------------------------------
 */

static int rows_copy(const struct ot_case *c)
{
    const int64_t n = c->dim[1];

    return c->k->rows(c->dev, c->a[1], c->dt, c->a[0], UM_F32, c->dim[0], n, c->dim[2], 2 * n, n,
                      3 * n, n, true);
}

/* one block repeated for every sample, as positions are; and its adjoint, their sum */
static int rows_repeat(const struct ot_case *c)
{
    const int64_t n = c->dim[1];

    return c->k->rows(c->dev, c->a[1], c->dt, c->a[0], UM_F32, c->dim[0], n, c->dim[2], n, 0, 0, 0,
                      false);
}

static int rows_sum(const struct ot_case *c)
{
    const int64_t n = c->dim[1];

    return c->k->rows(c->dev, c->a[1], UM_F32, c->a[0], c->dt, c->dim[0], n, c->dim[2], 0, 0, n, 0,
                      true);
}

static int rows_sum_y(const struct ot_case *c)
{
    const int64_t n = c->dim[1];

    return c->k->rows(c->dev, c->a[3], c->dt, c->a[2], UM_F32, c->dim[0], n, c->dim[2], n, 0, 0, 0,
                      false);
}

static int embed_fwd(const struct ot_case *c)
{
    return c->k->embed_fwd(c->dev, c->dt, c->a[2], c->a[0], c->a[1], c->dim[0], c->dim[1],
                           c->dim[2]);
}

static int embed_y(const struct ot_case *c)
{
    return c->k->embed_fwd(c->dev, c->dt, c->a[4], c->a[3], c->a[1], c->dim[0], c->dim[1],
                           c->dim[2]);
}

static int embed_bwd(const struct ot_case *c)
{
    return c->k->embed_bwd(c->dev, c->dt, c->a[2], c->a[0], c->a[1], c->dim[0], c->dim[1],
                           c->dim[2]);
}

/* letters B, s r q patches a side, z i j voxels of each */
static int patches(const struct ot_case *c)
{
    const int64_t *d = c->dim;

    return c->k->patches(c->dev, c->dt, c->a[1], c->a[0], d[0], d[1] * d[4], d[2] * d[5],
                         d[3] * d[6], d[4], d[5], d[6], 1.5f, -0.25f);
}

static int drop_path(const struct ot_case *c)
{
    const float p[] = { 0.3f, 0, 1, 0.5f };

    return c->k->drop_path(
        c->dev, c->dt, c->a[1], c->a[0], c->dim[0], c->dim[1],
        (struct um_drop){ p[c->nr % 4], 0x123456789abcdef0u + (uint64_t)c->nr, (uint64_t)c->nr });
}

#define MATMUL_SHAPES                                                                              \
    .letters = "bmnk", .tol = 1e-6, .tol_bf16 = 3e-3, .limit = { 3, 60, 60, 60 },                  \
    .shape = { { 1, 0, 8, 8 }, { 1, 8, 8, 0 },     { 1, 1, 1, 1 },                                 \
               { 2, 5, 3, 7 }, { 1, 331, 97, 65 }, { 1, 200, 24, 1000 } }
/* .. and one that packs, of several chunks and blocks, none of them whole */
#define LARGE_SHAPES                                                                               \
    .letters = "bmnk", .tol = 1e-6, .tol_bf16 = 3e-3, .limit = { 3, 60, 60, 60 },                  \
    .shape = { { 1, 0, 8, 8 }, { 1, 8, 8, 0 },     { 1, 1, 1, 1 },                                 \
               { 2, 5, 3, 7 }, { 1, 331, 97, 65 }, { 1, 515, 400, 90 } }
/* the last is aligned, and no multiple of a vector */
#define SPANS .letters = "n", .limit = { 300 }, .shape = { { 1 }, { 16 }, { 17 }, { 33003 } }

/* ---- tokens: letters B, n picked of v, c
 * ----------------------------------------------------------
 */

static int pick_fwd(const struct ot_case *c)
{
    return c->k->pick_fwd(c->dev, c->dt, c->a[2], c->a[0], c->a[1], c->dim[0], c->dim[1], c->dim[2],
                          c->dim[3]);
}

static int pick_y(const struct ot_case *c)
{
    return c->k->pick_fwd(c->dev, c->dt, c->a[4], c->a[3], c->a[1], c->dim[0], c->dim[1], c->dim[2],
                          c->dim[3]);
}

static int pick_bwd(const struct ot_case *c)
{
    return c->k->pick_bwd(c->dev, c->dt, c->a[2], c->a[0], c->a[1], c->dim[0], c->dim[1], c->dim[2],
                          c->dim[3]);
}

/* letters T rows, c */
static int mask_fwd(const struct ot_case *c)
{
    return c->k->mask_fwd(c->dev, c->dt, c->a[3], c->a[0], c->a[2], c->a[1], c->dim[0], c->dim[1]);
}

static int mask_y(const struct ot_case *c)
{
    return c->k->mask_fwd(c->dev, c->dt, c->a[6], c->a[4], c->a[5], c->a[1], c->dim[0], c->dim[1]);
}

static int mask_bwd(const struct ot_case *c)
{
    return c->k->mask_bwd(c->dev, c->dt, c->a[2], c->a[3], c->a[0], c->a[1], c->dim[0], c->dim[1]);
}

#define PICKS                                                                                      \
    .letters = "Bnvc", .limit = { 4, 20, 20, 40 }, .tol = 1e-7, .tol_bf16 = 3e-3,                  \
    .shape = { { 0, 3, 4, 5 },   { 2, 0, 3, 4 },    { 3, 7, 5, 17 },   { 2, 98, 196, 48 },         \
               { 3, 40, 9, 31 }, { 1, 2, 3, 4099 }, { 2, 40, 33, 768 } }
#define MASKS                                                                                      \
    .letters = "Tc", .limit = { 70, 40 }, .tol = 2e-6,                                             \
    .tol_bf16 = 2e-6, .shape = { { 0, 8 },    { 1, 1 },    { 130, 33 }, { 35, 768 },               \
                                 { 3, 4099 }, { 700, 31 }, { 700, 192 } }

#define ACTIVATION_ROW(fn, most, most_bf16)                                                        \
    {                                                                                              \
        .name = #fn, .run = fn, SPANS, .tol = (most), .tol_bf16 = (most_bf16), .array = {          \
            IN(OT_ACT, "n"),                                                                       \
            OUT(OT_ACT, "n")                                                                       \
        }                                                                                          \
    }
#define ACTIVATION_ROWS(f)                                                                         \
    ACTIVATION_ROW(f##_fwd, 2e-7, 5e-4),                                                           \
    {                                                                                              \
        .name = #f "_bwd", .run = f##_bwd, .forward = f##_y, .y = 3, .dy = 1, .wrt = { { 0, 2 } }, \
        SPANS, .tol = 1e-6, .tol_bf16 = 5e-4, .array = {                                           \
            IN(OT_ACT, "n"),                                                                       \
            IN(OT_ACT, "n"),                                                                       \
            OUT(OT_ACT, "n"),                                                                      \
            FWD(OT_ACT, "n")                                                                       \
        }                                                                                          \
    }
/* with a kink, across which differences say nothing */
#define KINK_ROWS(f)                                                                               \
    ACTIVATION_ROW(f##_fwd, 1e-7, 5e-4),                                                           \
    {                                                                                              \
        .name = #f "_bwd", .run = f##_bwd, SPANS, .tol = 1e-7, .tol_bf16 = 5e-4, .array = {        \
            IN(OT_ACT, "n"),                                                                       \
            IN(OT_ACT, "n"),                                                                       \
            OUT(OT_ACT, "n")                                                                       \
        }                                                                                          \
    }

const struct ot_row ot_basic[] = {
    { .name = "matmul: batched, a b",
      .run  = matmul_nn,
      MATMUL_SHAPES,
      .array = { IN(OT_ACT, "bmk"), IN(OT_ACT, "bnk"), IN(OT_FLOAT, "n"), OUT(OT_ACT, "bmn") } },
    { .name = "matmul: linear, a b^T + bias",
      .run  = matmul_nt,
      MATMUL_SHAPES,
      .array = { IN(OT_ACT, "bmk"), IN(OT_ACT, "bnk"), IN(OT_FLOAT, "n"), OUT(OT_ACT, "bmn") } },
    { .name = "matmul: batched, += a^T b",
      .run  = matmul_tn,
      MATMUL_SHAPES,
      .array = { IN(OT_ACT, "bmk"), IN(OT_ACT, "bnk"), IN(OT_FLOAT, "n"), ACC(OT_FLOAT, "bmn") } },
    { .name = "matmul: += a^T b^T + bias",
      .run  = matmul_tt,
      MATMUL_SHAPES,
      .array = { IN(OT_ACT, "bmk"), IN(OT_ACT, "nk"), IN(OT_FLOAT, "n"), ACC(OT_ACT, "bmn") } },
    { .name = "matmul: linear with gelu",
      .run  = fused_gelu,
      MATMUL_SHAPES,
      .array = { IN(OT_ACT, "bmk"), IN(OT_ACT, "bnk"), IN(OT_FLOAT, "n"), IN(OT_ACT, "1"),
                 OUT(OT_ACT, "bmn"), OUT(OT_ACT, "bmn") } },
    { .name = "matmul: linear with dropout and residual, float weights",
      .run  = fused_residual,
      LARGE_SHAPES,
      .array = { IN(OT_ACT, "bmk"), IN(OT_FLOAT, "bnk"), IN(OT_FLOAT, "n"), IN(OT_FLOAT, "bmn"),
                 OUT(OT_FLOAT, "bmn") } },
    { .name = "matmul: += a b, both float",
      .run  = rounded_nn,
      LARGE_SHAPES,
      .array = { IN(OT_FLOAT, "bmk"), IN(OT_FLOAT, "bnk"), IN(OT_FLOAT, "n"),
                 ACC(OT_FLOAT, "bmn") } },
    { .name = "matmul: += a^T b, both float",
      .run  = rounded_tn,
      LARGE_SHAPES,
      .array = { IN(OT_FLOAT, "bmk"), IN(OT_FLOAT, "bnk"), IN(OT_FLOAT, "n"),
                 ACC(OT_FLOAT, "bmn") } },
    { .name = "matmul: a b + bias, packed",
      .run  = packed_nn,
      MATMUL_SHAPES,
      .array = { IN(OT_ACT, "bmk"), IN(OT_FLOAT, "nk"), IN(OT_FLOAT, "n"), OUT(OT_ACT, "bmn") } },
    { .name = "matmul: linear, packed",
      .run  = packed_nt,
      MATMUL_SHAPES,
      .array = { IN(OT_ACT, "bmk"), IN(OT_FLOAT, "nk"), IN(OT_FLOAT, "n"), OUT(OT_ACT, "bmn") } },
    { .name     = "bias_bwd",
      .run      = bias_bwd,
      .forward  = bias_fwd,
      .y        = 3,
      .dy       = 0,
      .wrt      = { { 2, 1 } },
      .prepare  = bias_prepare,
      .letters  = "nc",
      .tol      = 2e-6,
      .tol_bf16 = 2e-6,
      .array = { IN(OT_ACT, "2nc"), ACC(OT_FLOAT, "c"), IN(OT_FLOAT, "c"), FWD(OT_FLOAT, "2nc") },
      .shape = { { 0, 8 }, { 1, 1 }, { 3, 7 }, { 2500, 33 }, { 70, 768 } },
      .limit = { 99, 99 } },
    { .name = "add",
      .run  = add,
      SPANS,
      .tol      = 1e-7,
      .tol_bf16 = 1e-7,
      .array    = { IN(OT_ACT, "n"), IN(OT_ACT, "n"), OUT(OT_ACT, "n") } },
    { .name = "cast to float32",
      .run  = cast_up,
      SPANS,
      .array = { IN(OT_ACT, "n"), OUT(OT_FLOAT, "n") } },
    { .name = "cast from float32",
      .run  = cast_down,
      SPANS,
      .array = { IN(OT_FLOAT, "n"), OUT(OT_ACT, "n") } },
    ACTIVATION_ROWS(gelu),
    ACTIVATION_ROWS(gelu_tanh),
    ACTIVATION_ROWS(tanh),
    ACTIVATION_ROWS(sigmoid),
    KINK_ROWS(relu),
    KINK_ROWS(leaky_relu),
    { .name     = "dropout",
      .run      = dropout,
      .letters  = "n",
      .limit    = { 300 },
      .shape    = { { 33003 }, { 16 }, { 17 }, { 4099 }, { 1 }, { 5000 } },
      .tol      = 0,
      .tol_bf16 = 0,
      .array    = { IN(OT_ACT, "n"), OUT(OT_ACT, "n") } },
    { .name    = "drop_path: whole samples",
      .run     = drop_path,
      .letters = "nc",
      .array   = { IN(OT_ACT, "nc"), OUT(OT_ACT, "nc") },
      .shape   = { { 0, 8 }, { 5, 0 }, { 7, 1 }, { 5, 9008 }, { 40, 33 }, { 5, 9001 } },
      .limit   = { 40, 99 } },
    { .name = "expscale_fwd",
      .run  = expscale_fwd,
      SPANS,
      .tol        = 2e-7,
      .float_only = true,
      .array      = { IN(OT_FLOAT, "n"), IN(OT_FLOAT, "1"), OUT(OT_FLOAT, "n") } },
    { .name    = "expscale_bwd",
      .run     = expscale_bwd,
      .forward = expscale_y,
      .y       = 5,
      .dy      = 2,
      .wrt     = { { 0, 3 }, { 1, 4 } },
      SPANS,
      .tol        = 2e-5,
      .float_only = true,
      .array      = { IN(OT_FLOAT, "n"), IN(OT_FLOAT, "1"), IN(OT_FLOAT, "n"), OUT(OT_FLOAT, "n"),
                      ACC(OT_FLOAT, "1"), FWD(OT_FLOAT, "n") } },
    { .name     = "rows: a slice added",
      .run      = rows_copy,
      .letters  = "Bnc",
      .tol      = 1e-7,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_FLOAT, "3Bnc"), ACC(OT_ACT, "2Bnc") },
      .shape    = { { 0, 2, 8 }, { 2, 0, 8 }, { 3, 5, 7 }, { 2, 200, 96 }, { 2, 3, 768 } },
      .limit    = { 4, 9, 50 } },
    { .name    = "rows: a block repeated",
      .run     = rows_repeat,
      .letters = "Bnc",
      .array   = { IN(OT_FLOAT, "nc"), OUT(OT_ACT, "Bnc") },
      .shape   = { { 2, 65, 96 }, { 3, 5, 7 }, { 0, 2, 8 }, { 40, 1, 768 }, { 2, 65, 96 } },
      .limit   = { 4, 9, 50 } },
    { .name     = "rows: blocks summed",
      .run      = rows_sum,
      .forward  = rows_sum_y,
      .y        = 3,
      .dy       = 0,
      .wrt      = { { 2, 1 } },
      .letters  = "Bnc",
      .tol      = 1e-6,
      .tol_bf16 = 1e-6,
      .array = { IN(OT_ACT, "Bnc"), ACC(OT_FLOAT, "nc"), IN(OT_FLOAT, "nc"), FWD(OT_ACT, "Bnc") },
      .shape = { { 0, 2, 8 },
                 { 3, 5, 7 },
                 { 17, 65, 96 },
                 { 40, 1, 768 },
                 { 300, 2, 50 },
                 { 1, 1, 4099 },
                 { 17, 65, 96 } },
      .limit = { 4, 9, 50 } },
    { .name    = "embed_fwd: embedding gather",
      .run     = embed_fwd,
      .letters = "nvc",
      .array   = { IN(OT_FLOAT, "vc"), IN(OT_ID, "n"), OUT(OT_ACT, "nc") },
      .shape   = { { 40, 30, 768 }, { 5, 1, 7 }, { 300, 50, 96 }, { 0, 4, 8 }, { 3, 2, 4099 } },
      .limit   = { 90, 9, 99 } },
    { .name     = "embed_bwd: embedding scatter",
      .run      = embed_bwd,
      .forward  = embed_y,
      .y        = 4,
      .dy       = 0,
      .wrt      = { { 3, 2 } },
      .letters  = "nvc",
      .tol      = 1e-6,
      .tol_bf16 = 1e-6,
      .array    = { IN(OT_ACT, "nc"), IN(OT_ID, "n"), ACC(OT_FLOAT, "vc"), IN(OT_FLOAT, "vc"),
                    FWD(OT_ACT, "nc") },
      /* one id for all; runs longer than any block's share; ids of three bytes; hardly one twice */
      .shape = { { 700, 1, 192 },
                 { 5, 1, 7 },
                 { 300, 50, 96 },
                 { 2300, 20, 32 },
                 { 4200, 40, 31 },
                 { 0, 4, 8 },
                 { 300, 70000, 4 },
                 { 65, 500, 1 },
                 { 33, 2, 4099 },
                 { 64, 65, 768 } },
      .limit = { 90, 9, 99 } },
    { .name     = "patches: patch embedding, 2D and 3D",
      .run      = patches,
      .letters  = "Bsrqzij",
      .tol      = 1e-7,
      .tol_bf16 = 1e-3,
      .array    = { IN(OT_FLOAT, "Bsrqzij"), OUT(OT_ACT, "Bsrqzij") },
      .shape    = { { 0, 1, 2, 2, 1, 4, 4 }, { 1, 1, 7, 7, 1, 16, 16 }, { 2, 3, 2, 4, 4, 8, 8 } },
      .limit    = { 2, 3, 3, 3, 3, 5, 20 } },
    { .name = "pick_fwd: gather of tokens",
      .run  = pick_fwd,
      PICKS,
      .array = { IN(OT_ACT, "Bvc"), IN(OT_ID, "Bn"), OUT(OT_ACT, "Bnc") } },
    { .name    = "pick_bwd: scatter of tokens",
      .run     = pick_bwd,
      .forward = pick_y,
      .y       = 4,
      .dy      = 0,
      .wrt     = { { 3, 2 } },
      PICKS,
      .array = { IN(OT_ACT, "Bnc"), IN(OT_ID, "Bn"), OUT(OT_ACT, "Bvc"), IN(OT_ACT, "Bvc"),
                 FWD(OT_ACT, "Bnc") } },
    { .name = "mask_fwd: tokens",
      .run  = mask_fwd,
      MASKS,
      .array = { IN(OT_ACT, "Tc"), IN(OT_MASK, "T"), IN(OT_FLOAT, "c"), OUT(OT_ACT, "Tc") } },
    { .name    = "mask_bwd: tokens",
      .run     = mask_bwd,
      .forward = mask_y,
      .y       = 6,
      .dy      = 0,
      .wrt     = { { 4, 2 }, { 5, 3 } },
      MASKS,
      .array = { IN(OT_ACT, "Tc"), IN(OT_MASK, "T"), OUT(OT_ACT, "Tc"), ACC(OT_FLOAT, "c"),
                 IN(OT_ACT, "Tc"), IN(OT_FLOAT, "c"), FWD(OT_ACT, "Tc") } },
    { .name = NULL }
};
