/* kernels.h - the one table of operations that a backend fills
 *
 * Every operation of the method's networks is one line of `struct um_kernels`. Three backends fill
 * it: ref (plain loops, double accumulators: the definition, kernels/FAMILY/ref.c), cpu (the fast
 * one, kernels/FAMILY/cpu.c) and cuda (a plug-in). A NULL entry is a reported error, never a silent
 * trip through another backend.
 *
 * Conventions
 *   Pointers are device memory of `dev` unless marked host. Activations are `void *` with a dtype
 * dt, UM_F32 or UM_BF16; parameters, statistics, losses and every gradient of a parameter are
 * float. Arrays are dense and in C order unless strides are given. Sizes are int64_t; n = 0 rows is
 * allowed everywhere and does nothing. Outputs do not overlap inputs unless said ("may be x").
 *   "+=": the output is added to; all others are overwritten. Gradients of activations are
 *   overwritten by the kernels (the tape adds them up); gradients of parameters are added to.
 *   bf16 operations load to float, compute in float, round once to nearest even when storing.
 *   Returns UM_OK; UM_ERANGE for an impossible size; UM_ENOMEM for workspace; the backend's error.
 *   Same bits for any number of threads; across backends within the tolerance of the operation
 * table. Letters: n rows, c columns or channels, B batch, T tokens, A heads, d = C/A channels of a
 * head.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_KERNELS_H
#define UM_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/pool.h"
#include "base/status.h"

struct um_dev; /* a device with its threads or stream, workspace and caches */

/* Dropout by counter: element i of the array is kept if philox(seed, i) as a uniform number is >=
 * p; kept values are scaled by 1/(1-p). p = 0: nothing is dropped. `seed` differs per place and
 * step. Of an array that is a part of a larger one, `first` elements lie before it there: the parts
 * drop what the whole would. */
struct um_drop {
    float    p;
    uint64_t seed, first;
};

/* y = f(x): x; x Phi(x); x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))/2; max(0, x); x or, below 0,
 * slope x; tanh x; 1/(1 + e^-x) */
enum um_act {
    UM_ACT_NONE = 0,
    UM_ACT_GELU,
    UM_ACT_GELU_TANH,
    UM_ACT_RELU,
    UM_ACT_LEAKY_RELU,
    UM_ACT_TANH,
    UM_ACT_SIGMOID
};

/* C[i] = drop(act(op(A[i]) op(B[i]) + bias)) + res[i] + beta C[i],  i = 0..batch-1
 * op(A) is [m,k]: A stored [m,k] (ta false) or [k,m] (ta true), rows lda apart; op(B) is [k,n]: B
 * stored [k,n] or [n,k] (tb true), rows ldb apart; C is [m,n], rows ldc apart. Batch items lie sa,
 * sb, sc elements apart (0: shared; not for C). bias [n] float or NULL. beta is 0 or 1.
 * A and B have dtype dt; where fa or fb is set they are stored as float and rounded to dt first, so
 * that a float residual stream and float master weights need no copy. C has dtype dtc; so do, with
 * rows ldc and items sc apart, res (NULL: none; what a residual branch is added to) and pre (NULL:
 * not wanted; out: the argument of act, for its backward). drop counts element (i, r, j) as
 * (i m + r) n + j. act is none or GELU. Accumulation in float or better. k = 0 gives the rest of
 * the formula. packed: B is what `pack` made of it (batch 1 or sb 0), ldb is not read. */
struct um_matmul {
    enum um_dtype  dt, dtc;
    bool           ta, tb, fa, fb, packed;
    enum um_act    act;
    int64_t        batch, m, n, k;
    const void    *a, *b, *res;
    void          *c, *pre;
    int64_t        lda, ldb, ldc, sa, sb, sc;
    const float   *bias;
    float          beta;
    struct um_drop drop;
};

/* Weights prepared once for many products: op(B) [k,n] as in um_matmul, B float */
struct um_weight {
    enum um_dtype dt; /* that of the products */
    bool          tb;
    int64_t       n, k, ldb;
    const float  *b;
};

/* Attention of A heads of d channels. Token t of sample b has its q at q + (b T + t) ldq + h d, and
 * alike k (ldk), v (ldv), o (ldo): so one packed qkv product [B,T,3,A,d] serves as three views.
 * With `start`, samples have their own lengths T_b = start[b+1] - start[b] <= T, and their tokens
 * are rows start[b] + t: no padding is stored or computed.
 *   s = q k^T / sqrt(d), keys with key_mask 0 left out (a sample with no key at all: UM_ERANGE)
 *   p = softmax(s), then dropped by `drop`;  o = p v
 * lse [B,A,T] float ([A,T_b] of each sample in turn), out: log sum exp of each row of s, which the
 * backward needs. p itself is never stored for the whole batch. */
struct um_attn {
    enum um_dtype  dt;
    int64_t        B, T, A, d;
    int64_t        ldq, ldk, ldv, ldo;
    const void    *q, *k, *v;
    const uint8_t *key_mask; /* [B,T] 0/1, or NULL: all keys */
    const int32_t *start;    /* [B+1], from 0, rising; or NULL: every sample has T tokens */
    struct um_drop drop;     /* element index ((b A + h) T + t) T + u */
};

/* Self-distillation (method.md 7.3), row i of student x and teacher t [n,c]:
 *   q_i = softmax((t_i - centre) / tau_t),  H_i = - sum_m q_im log softmax(x_i / tau_s)_m
 * weight [n] says how rows are averaged: 1/B for [CLS], 1/(B tokens) for patches, 0: left out. */
struct um_distill {
    enum um_dtype dt;
    int64_t       n, c;
    const void   *x, *t;
    const float  *centre, *weight; /* [c], [n] */
    float         tau_s, tau_t;
};

/* Focal loss with sigmoid (method.md 9.3), summed over the elements whose target y is not NaN:
 *   f = a e^(gamma log s) BCE(x, y),  s = sigmoid(-x (2y - 1)): how far the prediction is off
 *   a = alpha y + (1 - alpha) (1 - y), or 1 where alpha < 0;  BCE as bce_fwd; gamma >= 0, alpha <=
 * 1
 */
struct um_focal {
    int64_t      n;
    const float *x, *y; /* logits, and targets in 0..1 or NaN: no label */
    float        gamma, alpha, scale;
};

/* Dice loss (method.md 9.3, 9.4) of B samples, C classes and S places: element (b, j, s) of x lies
 * at (b C + j) S + s, or with `last`, classes last, at (b S + s) C + j.
 *   p = sigmoid(x), or with `softmax` over the classes
 * A group is one sample and class (G = B C, group b C + j), or with `batch` a class (G = C). Its
 * sums over the places that have a label:
 *   I = sum p y,  P = sum p,  Y = sum y  (with `square` sum p^2, sum y^2)
 *   dice = (2 I + top) / (P + Y + bottom)
 *   loss += scale * sum over groups of (1 - dice), or with `log` of -log dice
 * Classes before `first` have no part in the sum over groups (1: background left out).
 * Targets are y, laid out as x, in 0..1 or NaN: no label; or class numbers, one-hot: target [B,S],
 * -1: no label. The other is NULL. No place at all: the loss is left alone. */
struct um_dice {
    int64_t        B, C, S, first;
    const float   *x, *y;
    const int32_t *target;
    bool           last, softmax, batch, square, log;
    float          top, bottom, scale;
};

/* bytes of a device's memory */
struct um_memory {
    size_t now, peak;   /* allocated, and at most so far */
    size_t free, total; /* of the device, whoever uses it; 0: nobody knows */
    size_t wanted;      /* by the last alloc that failed for want of it; 0: none did */
};

/* what a device that captures work in graphs has been asked for: kernels, copies, library calls;
 * those that a graph repeated; graphs captured */
struct um_repeats {
    uint64_t asked, repeated, captured;
};

/* floats from .. from+n-1 of the parameters' block, and what the optimiser does to them */
struct um_span {
    int64_t from, n;
    float   gscale, wd; /* the gradient's factor (clipping); weight decay */
};

/* AdamW over spans of blocks w, m, u, g of one layout, step t >= 1:
 *   g <- gscale g;  m <- b1 m + (1-b1) g;  u <- b2 u + (1-b2) g^2
 *   w <- w (1 - lr wd) - lr (m / (1 - b1^t)) / (sqrt(u / (1 - b2^t)) + eps)
 * What lies between the spans is left alone, and so is a span whose factor is NaN: what tells that
 * a step must not count need not come to the host first. */
struct um_adam {
    float                *w, *m, *u;
    const float          *g;
    const struct um_span *span; /* host [spans]: rising, none into another */
    int64_t               spans, t;
    float                 lr, b1, b2, eps;
    const float          *factor; /* device [spans]: times gscale; NULL: 1 */
};

/* Convolution of n samples with weights w [cout,cin,k0,k1,k2] float, which are rounded to dt:
 *   y[i,o,p] = sum_{c,t} w[o,c,t] x[i,c, p stride + t - pad],  x being 0 outside
 * x [n,cin,in0,in1,in2] and y [n,cout,out0,out1,out2] have dtype dt; out = (in + 2 pad - k) /
 * stride + 1, rounded down: um_conv_out(). In 2D in0 = k0 = stride0 = 1 and pad0 = 0. UM_ERANGE for
 * sizes or strides below 1, negative padding, k larger than in + 2 pad, and what cannot be
 * addressed. */
struct um_conv {
    enum um_dtype dt;
    int64_t       n, cin, cout, in[3], k[3], stride[3], pad[3];
};

static inline int64_t um_conv_out(const struct um_conv *c, int axis)
{
    return (c->in[axis] + 2 * c->pad[axis] - c->k[axis]) / c->stride[axis] + 1;
}

/* Resampling of n grids x [in0,in1,in2,c] to y [out0,out1,out2,c], one axis after the other:
 *   y[o] = sum_i a(o,i) x[i],  at u = (o + 1/2) in/out - 1/2, or with corners o (in-1)/(out-1)
 * a: linear between the two neighbours of u, or cubic over four (Keys, a = -0.75); indices beyond
 * an edge mean the edge. Feature maps [N,C,D,H,W] are N C grids with c = 1. */
enum um_interp { UM_LINEAR = 0, UM_CUBIC };
struct um_resample {
    enum um_dtype  dt;
    int64_t        n, c, in[3], out[3];
    enum um_interp mode[3];
    bool           corners;
};

enum { UM_COMM_ID = 128 }; /* bytes that name a group of devices */

struct um_kernels {
    const char *name; /* "ref", "cpu", "cuda" */
    /* an operand with fa or fb is rounded in a pass of its own, so that one which several products
     * read is better rounded once; and what pack makes of B is B as stored, rounded and dense,
     * which any product reads */
    bool rounds_first;

    /* ---- memory: kernels/memory ---- */
    int (*alloc)(struct um_dev *dev, size_t n, void **p); /* 64-byte aligned, uninitialised */
    void (*free)(struct um_dev *dev, void *p);
    int (*memory)(struct um_dev *dev, struct um_memory *m);
    int (*upload)(struct um_dev *dev, void *dst, const void *host, size_t n);
    int (*download)(struct um_dev *dev, void *host, const void *src, size_t n);
    /* the same, but host has it after the next sync or download only: many small ones wait once */
    int (*fetch)(struct um_dev *dev, void *host, const void *src, size_t n);
    /* NULL where fetch has copied already. mark: what was fetched so far is what the next `wait`
     * waits for, and not what is issued in between: the device goes on while the host decides */
    int (*mark)(struct um_dev *dev);
    int (*wait)(struct um_dev *dev);
    /* NULL where device memory is the host's. As upload, beside what computes: dst is in no work
     * that was issued since the last sync, and host stays as it is until the next; what is issued
     * later finds it there. pin: host memory that much is staged from is copied faster; a failure
     * does no harm */
    int (*stage)(struct um_dev *dev, void *dst, const void *host, size_t n);
    int (*pin)(struct um_dev *dev, void *host, size_t n);
    void (*unpin)(struct um_dev *dev, void *host);
    int (*repeats)(struct um_dev *dev, struct um_repeats *r); /* NULL where nothing is captured */
    int (*zero)(struct um_dev *dev, void *p, size_t n);
    int (*sync)(struct um_dev *dev); /* all work issued so far is done; reports late errors */

    /* ---- products: kernels/linear ---- */
    int (*matmul)(struct um_dev *dev, const struct um_matmul *p);
    /* dst = op(B) in the backend's own layout, rounded to dt. dst NULL: only *bytes, the room it
     * needs; 0: the backend reads B best as it is */
    int (*pack)(struct um_dev *dev, void *dst, size_t *bytes, const struct um_weight *w);
    /* db[j] += sum_i dy[i,j]; dy [n,c] with rows ld apart */
    int (*bias_bwd)(struct um_dev *dev, enum um_dtype dt, float *db, const void *dy, int64_t n,
                    int64_t c, int64_t ld);

    /* ---- convolution: kernels/conv: struct um_conv; bias float, or NULL ---- */
    /* y = the convolution + bias [cout] */
    int (*conv_fwd)(struct um_dev *dev, void *y, const void *x, const float *w, const float *bias,
                    const struct um_conv *c);
    /* its adjoint by x: x[i,c,q] = bias[c] + sum_{o,t,p} w[o,c,t] y[i,o,p] over p stride + t - pad
     * = q: the gradient of x, and a transposed convolution from y to x with weights [from,to,k..]
     */
    int (*conv_data)(struct um_dev *dev, void *x, const void *y, const float *w, const float *bias,
                     const struct um_conv *c);
    /* its adjoint by w: dw[o,c,t] += sum_{i,p} y[i,o,p] x[i,c, p stride + t - pad] */
    int (*conv_weights)(struct um_dev *dev, float *dw, const void *y, const void *x,
                        const struct um_conv *c);
    /* db[j] += sum_{i,p} dy[i,j,p]; dy [n,c,s] */
    int (*conv_bias)(struct um_dev *dev, enum um_dtype dt, float *db, const void *dy, int64_t n,
                     int64_t c, int64_t s);

    /* ---- resampling: kernels/resample: struct um_resample ---- */
    int (*resample_fwd)(struct um_dev *dev, void *y, const void *x, const struct um_resample *r);
    /* its adjoint: dx[i] = sum_o a(o,i) dy[o], in the order of o */
    int (*resample_bwd)(struct um_dev *dev, void *dx, const void *dy, const struct um_resample *r);

    /* ---- elementwise: kernels/elementwise ---- */
    /* y = a + b (y may be a or b) */
    int (*add)(struct um_dev *dev, enum um_dtype dt, void *y, const void *a, const void *b,
               int64_t n);
    /* y = x, converted; n elements */
    int (*cast)(struct um_dev *dev, void *y, enum um_dtype dty, const void *x, enum um_dtype dtx,
                int64_t n);
    /* y = f(x); dx = dy f'(x), at the kinks the slope of the left (dx may be dy) */
    int (*act_fwd)(struct um_dev *dev, enum um_act act, float slope, enum um_dtype dt, void *y,
                   const void *x, int64_t n);
    int (*act_bwd)(struct um_dev *dev, enum um_act act, float slope, enum um_dtype dt, void *dx,
                   const void *dy, const void *x, int64_t n);
    /* y = x dropped; its backward is itself applied to dy (y may be x) */
    int (*dropout)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, int64_t n,
                   struct um_drop drop);
    /* y = x [B,n] with whole samples dropped: sample b is kept or not as element b of `dropout` is
     * (stochastic depth); its backward is itself applied to dy (y may be x) */
    int (*drop_path)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, int64_t B,
                     int64_t n, struct um_drop drop);
    /* y = x e^theta, theta one float; dx = dy e^theta; dtheta += sum dy x e^theta; all float */
    int (*expscale_fwd)(struct um_dev *dev, float *y, const float *x, const float *theta,
                        int64_t n);
    int (*expscale_bwd)(struct um_dev *dev, float *dx, float *dtheta, const float *dy,
                        const float *x, const float *theta, int64_t n);

    /* ---- rows: kernels/rows: the glue of sequences ---- */
    /* Copies blocks of rows: for b < B, t < n: y[b sy + oy + t] = (acc ? y[same] : 0) + x[b sx + ox
     * + t] rows of c. sx = 0 repeats one block for every b (a [CLS] token, positions); sy = 0 with
     * acc sums over b in a fixed order (their gradient). y and x have dtypes dty, dtx (f32 <- bf16
     * and so on). */
    int (*rows)(struct um_dev *dev, void *y, enum um_dtype dty, const void *x, enum um_dtype dtx,
                int64_t B, int64_t n, int64_t c, int64_t sy, int64_t oy, int64_t sx, int64_t ox,
                bool acc);
    /* y[i] = table[ids[i]], i < n, rows of c; table [v,c] float; ids in 0..v-1 (checked: UM_ERANGE)
     */
    int (*embed_fwd)(struct um_dev *dev, enum um_dtype dt, void *y, const float *table,
                     const int32_t *ids, int64_t n, int64_t v, int64_t c);
    /* dtable[ids[i]] += dy[i], for each row of the table in a fixed order */
    int (*embed_bwd)(struct um_dev *dev, enum um_dtype dt, float *dtable, const void *dy,
                     const int32_t *ids, int64_t n, int64_t v, int64_t c);
    /* y[(b, s,r,q), (z,i,j)] = scale x[b, s pz + z, r py + i, q px + j] + shift: patches of a
     * volume [B,D,H,W] float in token order (s,r,q); pz | D, py | H, px | W. An image has D = pz
     * = 1. */
    int (*patches)(struct um_dev *dev, enum um_dtype dt, void *y, const float *x, int64_t B,
                   int64_t D, int64_t H, int64_t W, int64_t pz, int64_t py, int64_t px, float scale,
                   float shift);

    /* y[b] = x[b]^T, b < B: x [B,r,c], y [B,c,r]: tokens to feature maps and back */
    int (*transpose)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, int64_t B,
                     int64_t r, int64_t c);

    /* ---- tokens: kernels/tokens: what masking leaves or replaces (method.md 6) ---- */
    /* y[b,i] = x[b, idx[b,i]], i < n: rows of c of x [B,T,c]; idx [B,n] in 0..T-1 (UM_ERANGE) */
    int (*pick_fwd)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                    const int32_t *idx, int64_t B, int64_t n, int64_t T, int64_t c);
    /* dx[b,t] = the sum of dy[b,i] over the i with idx[b,i] = t, in order */
    int (*pick_bwd)(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy,
                    const int32_t *idx, int64_t B, int64_t n, int64_t T, int64_t c);
    /* y_i = v where mask_i is not 0, else x_i; rows of x [n,c]; v [c] */
    int (*mask_fwd)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, const float *v,
                    const uint8_t *mask, int64_t n, int64_t c);
    /* dx_i = 0 where masked, else dy_i; dv += the sum of dy_i over the masked */
    int (*mask_bwd)(struct um_dev *dev, enum um_dtype dt, void *dx, float *dv, const void *dy,
                    const uint8_t *mask, int64_t n, int64_t c);

    /* ---- normalisation: kernels/layernorm, batchnorm, mapnorm, l2norm ---- */
    /* over the last axis of x [n,c]: mean, rstd = 1/sqrt(var + eps) [n], y = (x-mean) rstd gamma +
     * beta; y has dtype dty, x dtx */
    int (*layernorm_fwd)(struct um_dev *dev, void *y, enum um_dtype dty, float *mean, float *rstd,
                         const void *x, enum um_dtype dtx, const float *gamma, const float *beta,
                         int64_t n, int64_t c, float eps);
    /* dx has dtype dtx and is added to with acc; dgamma, dbeta += */
    int (*layernorm_bwd)(struct um_dev *dev, void *dx, enum um_dtype dtx, bool acc, float *dgamma,
                         float *dbeta, const void *dy, enum um_dtype dty, const void *x,
                         const float *gamma, const float *mean, const float *rstd, int64_t n,
                         int64_t c);
    /* over the rows of x [n,c], n >= 1: mean, biased var -> rstd [c]; y = (x-mean) rstd gamma +
     * beta; gamma, beta NULL: not affine. var [c] out, unbiased (times n/(n-1); n = 1: biased), for
     * the running average */
    int (*batchnorm_fwd)(struct um_dev *dev, enum um_dtype dt, void *y, float *mean, float *rstd,
                         float *var, const void *x, const float *gamma, const float *beta,
                         int64_t n, int64_t c, float eps);
    /* with given statistics: y = (x - mean)/sqrt(var + eps) gamma + beta */
    int (*batchnorm_eval)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                          const float *gamma, const float *beta, const float *mean,
                          const float *var, int64_t n, int64_t c, float eps);
    /* dgamma, dbeta += (NULL with gamma) */
    int (*batchnorm_bwd)(struct um_dev *dev, enum um_dtype dt, void *dx, float *dgamma,
                         float *dbeta, const void *dy, const void *x, const float *gamma,
                         const float *mean, const float *rstd, int64_t n, int64_t c);
    /* feature maps x [n,c,s], s > 0: statistics of each channel j over its n s elements (batch;
     * mean, rstd [c], n >= 1), or of each sample and channel over its s (mean, rstd [n,c]); y =
     * (x-mean) rstd gamma_j + beta_j; gamma, beta [c], or NULL: not affine. var, or NULL: as
     * batchnorm_fwd's
     */
    int (*mapnorm_fwd)(struct um_dev *dev, enum um_dtype dt, bool batch, void *y, float *mean,
                       float *rstd, float *var, const void *x, const float *gamma,
                       const float *beta, int64_t n, int64_t c, int64_t s, float eps);
    /* with given statistics [c]: y = (x - mean)/sqrt(var + eps) gamma + beta */
    int (*mapnorm_eval)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                        const float *gamma, const float *beta, const float *mean, const float *var,
                        int64_t n, int64_t c, int64_t s, float eps);
    /* dgamma, dbeta += (NULL with gamma) */
    int (*mapnorm_bwd)(struct um_dev *dev, enum um_dtype dt, bool batch, void *dx, float *dgamma,
                       float *dbeta, const void *dy, const void *x, const float *gamma,
                       const float *mean, const float *rstd, int64_t n, int64_t c, int64_t s);
    /* run[j] = (1 - momentum) run[j] + momentum x[j]: running statistics, centres, and the EMA
     * teacher of method.md 7.1 with momentum 1 - m_t */
    int (*lerp)(struct um_dev *dev, float *run, const float *x, float momentum, int64_t n);
    /* rows of x [n,c]: norm = max(|x|, eps) [n]; y = x / norm */
    int (*l2norm_fwd)(struct um_dev *dev, enum um_dtype dt, void *y, float *norm, const void *x,
                      int64_t n, int64_t c, float eps);
    /* dx = (dy - y (y . dy)) / norm; where the row was shorter than eps: dy / norm */
    int (*l2norm_bwd)(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy, const void *y,
                      const float *norm, int64_t n, int64_t c, float eps);

    /* ---- softmax: kernels/softmax ---- */
    /* rows of x [n,c]: y = e^x / sum e^x;  dx = y (dy - y . dy) */
    int (*softmax_fwd)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, int64_t n,
                       int64_t c);
    int (*softmax_bwd)(struct um_dev *dev, enum um_dtype dt, void *dx, const void *dy,
                       const void *y, int64_t n, int64_t c);

    /* ---- attention: kernels/attention ---- */
    int (*attention_fwd)(struct um_dev *dev, void *o, float *lse, const struct um_attn *a);
    /* dq, dk, dv with the strides of q, k, v; overwritten. o as the forward gave it, dout with ldo
     */
    int (*attention_bwd)(struct um_dev *dev, void *dq, void *dk, void *dv, const void *dout,
                         const void *o, const float *lse, const struct um_attn *a);
    /* w[b,t,u] += scale * sum_h p[b,h,t,u] before dropout, t < rows, u < T; w [B,rows,T] float.
     * Rows 1 is Eq. 1 for one layer: the attention of token 0 ([CLS]); rows T the whole matrix, for
     * who asks. With `start`, what lies past a sample's own length is left alone. */
    int (*attention_mean)(struct um_dev *dev, float *w, const float *lse, const struct um_attn *a,
                          int64_t rows, float scale);

    /* ---- losses: kernels/loss: float, loss [1] += scale * sum over rows ---- */
    /* H_i = logsumexp(x_i) - x_i[target_i]; element j of row i of x is x[i rs + j cs] (so that a
     * transpose needs no copy); target in 0..c-1, or -1: the row is left out. lse [n] out */
    int (*xent_fwd)(struct um_dev *dev, float *loss, float *lse, const float *x, int64_t rs,
                    int64_t cs, const int32_t *target, int64_t n, int64_t c, float scale);
    /* dx[i,j] = g scale (softmax(x_i)_j - [j = target_i]), g = *gloss; rows left out: 0; dx has the
     * strides of x */
    int (*xent_bwd)(struct um_dev *dev, float *dx, const float *gloss, const float *x, int64_t rs,
                    int64_t cs, const float *lse, const int32_t *target, int64_t n, int64_t c,
                    float scale);
    /* against given distributions: H_i = sum_j q_ij (logsumexp(x_i) - x_ij); q has the strides of
     * x, q >= 0; its rows need not sum to 1, and one of zeros is left out; x may
     * be -infinity where q is 0. lse [n] out */
    int (*xent_soft_fwd)(struct um_dev *dev, float *loss, float *lse, const float *x,
                         const float *q, int64_t rs, int64_t cs, int64_t n, int64_t c, float scale);
    /* dx[i,j] = g scale (softmax(x_i)_j sum_k q_ik - q_ij) */
    int (*xent_soft_bwd)(struct um_dev *dev, float *dx, const float *gloss, const float *x,
                         const float *q, int64_t rs, int64_t cs, const float *lse, int64_t n,
                         int64_t c, float scale);
    /* sigmoid binary cross entropy: sum of max(x,0) - x y + log(1 + e^-|x|) over the elements whose
     * target y is not NaN (NaN: no label) */
    int (*bce_fwd)(struct um_dev *dev, float *loss, const float *x, const float *y, int64_t n,
                   float scale);
    int (*bce_bwd)(struct um_dev *dev, float *dx, const float *gloss, const float *x,
                   const float *y, int64_t n, float scale);
    /* loss += scale * sum f, and dx = g scale df/dx; without a label 0 */
    int (*focal_fwd)(struct um_dev *dev, float *loss, const struct um_focal *f);
    int (*focal_bwd)(struct um_dev *dev, float *dx, const float *gloss, const struct um_focal *f);

    /* ---- overlap: kernels/dice: float ---- */
    /* sums [G,3] out: I, P, Y of each group */
    int (*dice_fwd)(struct um_dev *dev, float *loss, double *sums, const struct um_dice *d);
    /* dx, laid out as x: through p from d loss / dp = g scale (-2 y / D + N p' / D^2) for N / D =
     * dice, p' = 1, or with `square` 2 p; with `log` that by dice */
    int (*dice_bwd)(struct um_dev *dev, float *dx, const float *gloss, const double *sums,
                    const struct um_dice *d);

    /* ---- self-distillation: kernels/distill ---- */
    /* loss [1] += sum_i weight_i H_i; lse [n,2] out: log sum exp of the student's and the teacher's
     * arguments; qmean [c] += sum_i weight_i q_i, whose entropy tells of a collapse (NULL: not
     * wanted); entropy [1] += sum_i weight_i (- sum_m q_im log q_im): how sure the teacher is (NULL
     * alike) */
    int (*distill_fwd)(struct um_dev *dev, float *loss, float *lse, float *qmean, float *entropy,
                       const struct um_distill *d);
    /* dx_i = g weight_i / tau_s (softmax(x_i / tau_s) - q_i), g = *gloss; the teacher gets none */
    int (*distill_bwd)(struct um_dev *dev, void *dx, const float *gloss, const float *lse,
                       const struct um_distill *d);

    /* h [1] = - sum_j q_j log q_j over the q_j > 0 of q [n] */
    int (*entropy)(struct um_dev *dev, double *h, const float *q, int64_t n);

    /* ---- optimiser: kernels/optim: float ---- */
    /* sum[i] += sum of x^2 over span i (double accumulation in fixed blocks): the lengths of all
     * gradients in one call */
    int (*sumsq)(struct um_dev *dev, double *sum, const float *x, const struct um_span *span,
                 int64_t spans);
    /* factor[i] = most / |g| where |g|, the length of span i by sumsq's sum, or with `all` that of
     * all spans, is longer than most > 0, else 1. If a sum or *also (NULL: none) is not finite, all
     * are NaN: adamw then leaves everything as it is */
    int (*clip)(struct um_dev *dev, float *factor, const double *sum, const double *also,
                int64_t spans, bool all, double most);
    int (*adamw)(struct um_dev *dev, const struct um_adam *a);

    /* ---- sums over processes: kernels/comm ----
     * NULL: the backend has none, and sums go through the host (lib/ranks). A group is the devices
     * of R processes, one each, no two of them the same. All of a group call the same functions in
     * the same order with the same sizes. */
    /* id [UM_COMM_ID] out, host: the name of a group that is to be, made by one process, which
     * gives it to the others; NULL: only whether a group can be made. UM_EUNSUPPORTED: what is
     * missing */
    int (*comm_id)(struct um_dev *dev, char *id);
    /* process `rank` of `size` joins the group, and returns once all have; name [n] out, host: who
     * adds, with its version. UM_EIO: it cannot be, two processes have one device for instance; the
     * device then is as before */
    int (*comm_open)(struct um_dev *dev, const char *id, int rank, int size, char *name, size_t n);
    /* x[i] = scale * sum over the group of x[i], i < n, the same bits for all. Begins when the work
     * issued so far is done, and runs beside what is issued later, which must leave x alone until
     * comm_join. Nothing waits on the host. UM_EIO: another process is gone, perhaps */
    int (*comm_sum)(struct um_dev *dev, float *x, int64_t n, float scale);
    /* work issued from now on sees the sums begun so far. The next `sync` or `download` reports
     * UM_EIO if they fail, and does not wait for one that cannot end. */
    int (*comm_join)(struct um_dev *dev);
    /* leave the group, if the device is in one; closing the device does too. Waits for nobody: sums
     * that have not ended end undone, for a peer that failed may never take part in them. */
    void (*comm_close)(struct um_dev *dev);
};

/* um_dev_open - a device by name: "cpu", "ref" (the definitions, slow), "cuda", "cuda:N", "auto"
 * (cuda if there is one, else cpu). pool: threads for cpu, owned by the caller, may be NULL.
 * UM_EUNSUPPORTED: says why there is no such device here. The environment variable UM_ISA pins the
 * instruction set of cpu (sse2, avx2, avx512, avx512bf16). UM_MEMORY, bytes, makes cpu and ref say
 * at that many that there are no more, as a card does: for tests. */
UM_API UM_RESULT_USED int um_dev_open(struct um_dev **dev, const char *name, struct um_pool *pool);
UM_API void               um_dev_close(struct um_dev *dev); /* takes NULL */

/* um_dev_gpus - how many GPUs "cuda" (or "auto") can be, cuda:0 .. cuda:n-1. None: UM_EUNSUPPORTED,
 * why; for "auto" n = 0 is an answer. */
UM_API UM_RESULT_USED int um_dev_gpus(const char *name, int *n);

/* the device's table; its name for people ("cpu avx512, 2 threads"); its kind for history: "cpu" */
UM_API const struct um_kernels *um_dev_kernels(const struct um_dev *dev);
UM_API const char              *um_dev_name(const struct um_dev *dev);
UM_API const char              *um_dev_kind(const struct um_dev *dev);

#endif
