/* nn.h - the tape: variables, parameters, operations with gradients
 *
 * A model is written as the paper writes it: y = um_linear(nn, x, w, b). Each call checks shapes,
 * runs the forward kernel and, while training, notes its backward on the tape, an array in the
 * step's arena that um_nn_backward() walks from the end.
 *
 * Errors are sticky: the first failure is kept in the context, every later call returns NULL at
 * once, and NULL arguments pass through. So a model reads like equations and is asked once, at its
 * end: um_nn_status(nn).
 *
 * Parameters, losses, norms' statistics and the residual stream are f32 at every precision;
 * products and the activations inside a block have the context's dtype (f32 or bf16). Memory of a
 * step is the context's device arena, given back by um_nn_begin(). SPDX-License-Identifier:
 * Apache-2.0
 */
#ifndef UM_NN_NN_H
#define UM_NN_NN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "kernels/kernels.h"
#include "stream/tensor.h"

enum { UM_VAR_DIM = 5 }; /* the most dims of a parameter or variable: T_3D's kernel has 5 */

/* ---- parameters: all values in one block of device memory, gradients in another ---- */

enum um_init {
    UM_INIT_ZERO = 0,
    UM_INIT_ONE,
    UM_INIT_TRUNC02, /* truncated normal, std 0.02, cut at +-2 (absolute) */
    UM_INIT_CONST,   /* `value` */
    UM_INIT_UNIFORM  /* uniform in +-value */
};

struct um_param {
    const char  *name; /* as in the weights file: "vision.blocks.0.attn.qkv.weight" */
    int          ndim;
    int64_t      dim[UM_VAR_DIM];
    int64_t      offset, count; /* floats, in the block; offsets are multiples of 16 */
    enum um_init init;
    float        value;
    bool         decay;  /* weight decay applies (matrices; not biases, norms, positions, tokens) */
    bool         buffer; /* a running statistic: saved, not trained, no gradient */
};

struct um_params {
    struct um_dev   *dev;
    struct um_arena *arena; /* host memory of the list */
    int              n, cap;
    struct um_param *list;
    int64_t          total;        /* floats in each block */
    float           *value, *grad; /* device; grad NULL until um_params_grad */
};

UM_API UM_RESULT_USED int um_params_new(struct um_params **ps, struct um_dev *dev);
UM_API void               um_params_free(struct um_params *ps);
/* declare, before um_params_alloc; returns the index or <0. name is copied; unique (UM_EDUPLICATE)
 */
UM_API UM_RESULT_USED int um_params_add(struct um_params *ps, const char *name, int ndim,
                                        const int64_t *dim, enum um_init init, float value,
                                        bool decay);
UM_API UM_RESULT_USED int um_params_buffer(struct um_params *ps, const char *name, int64_t n,
                                           float value);
/* allocate the values, uninitialised; adding ends here. Nothing is allocated twice. */
UM_API UM_RESULT_USED int um_params_alloc(struct um_params *ps);
/* allocate values, and fill them by (seed, digest of the name): independent of order and threads */
UM_API UM_RESULT_USED int um_params_init(struct um_params *ps, uint64_t seed);
/* the same of one parameter, whose memory is there */
UM_API UM_RESULT_USED int um_params_draw(struct um_params *ps, int index, uint64_t seed);
UM_API UM_RESULT_USED int um_params_grad(struct um_params *ps); /* allocate gradients, zeroed */
UM_API UM_RESULT_USED int um_params_zero_grad(struct um_params *ps);
UM_API int                um_params_find(const struct um_params *ps, const char *name); /* or -1 */
UM_API int64_t            um_params_count(const struct um_params *ps,
                                          const char             *prefix); /* trainable values */

/* ---- the context ---- */

struct um_nn;
struct um_var {
    enum um_dtype dt;
    int           ndim;
    int64_t       dim[UM_VAR_DIM];
    void         *data; /* device */
    void *grad;  /* device, dtype dt (float for parameters); NULL: no gradient wanted (yet) */
    bool  needs; /* a gradient flows here */
    bool  param; /* the data are a parameter's and outlast the step */
};

struct um_nn_opts {
    enum um_dtype dtype; /* of products and what lies between them: UM_F32 or UM_BF16 */
    bool recompute; /* blocks keep their input and output alone and run again for the backward */
    bool frozen;    /* parameters do not change while the context lives: passes without a tape
                       keep what pack() makes of them */
};
UM_API UM_RESULT_USED int um_nn_new(struct um_nn **nn, struct um_dev *dev,
                                    const struct um_nn_opts *opts);
UM_API void               um_nn_free(struct um_nn *nn);

/* um_nn_begin - start a step: clear the tape and the sticky error, give the step's memory back.
 * grad: record a tape; train: dropout on, batch norm by batch statistics. seed and step key the
 * dropout of this pass (with a counter of places); step < 2^32. Of several passes before one
 * um_nn_backward() each is simply recorded after the other: begin once. */
UM_API UM_RESULT_USED int um_nn_begin(struct um_nn *nn, bool grad, bool train, uint64_t seed,
                                      uint64_t step);
/* um_nn_place - after um_nn_begin: this pass is a part of a larger batch, `samples` of which, with
 * `rows` rows (tokens of reports), come before it. Dropout draws what the whole batch would. */
UM_API void um_nn_place(struct um_nn *nn, int64_t samples, int64_t rows);
/* the first failure since um_nn_begin (its message becomes um_errmsg() again), or UM_OK */
UM_API int um_nn_status(const struct um_nn *nn);
/* make `st` with this message the sticky error, unless there is one; returns NULL */
UM_API UM_PRINTF(3, 4) struct um_var *um_nn_fail(struct um_nn *nn, int st, const char *fmt, ...);
UM_API struct um_dev *um_nn_dev(const struct um_nn *nn);
UM_API enum um_dtype  um_nn_dtype(const struct um_nn *nn); /* that of products */

/* um_nn_block - y = fn(nn, arg, x), a block of a network, of whose memory nothing but y is kept: at
 * once where no tape is recorded; with `recompute` the tape keeps x and y and runs the block a
 * second time in the backward, with the same dropout and without its side effects (Eq. 1, running
 * statistics). fn may use x, parameters and what was made before as they are; arg lives as long as
 * the step. The numbers are the same in every case. */
typedef struct um_var *um_block_fn(struct um_nn *nn, const void *arg, struct um_var *x);
UM_API struct um_var  *um_nn_block(struct um_nn *nn, um_block_fn *fn, const void *arg,
                                   struct um_var *x);
/* bytes of device memory that steps of this context needed at most: activations and gradients of
 * activations */
UM_API size_t um_nn_peak(const struct um_nn *nn);
/* and bytes that it holds now */
UM_API size_t um_nn_held(const struct um_nn *nn);

/* host memory that lives as long as this step; NULL: the sticky error is set */
UM_API void *um_nn_host(struct um_nn *nn, size_t bytes);

/* ---- leaves ---- */
/* a host array of dtype dt copied in as it is; no gradient */
UM_API struct um_var *um_nn_input(struct um_nn *nn, enum um_dtype dt, int ndim, const int64_t *dim,
                                  const void *host);
/* an array that is on the device already and stays as it is while the step lives; no gradient */
UM_API struct um_var *um_nn_there(struct um_nn *nn, enum um_dtype dt, int ndim, const int64_t *dim,
                                  const void *data);
/* a copy of x, a variable of any context, as float; no gradient */
UM_API struct um_var *um_nn_keep(struct um_nn *nn, const struct um_var *x);
/* zeros in the step's memory, for results that kernels add to (Eq. 1's attention); no gradient */
UM_API struct um_var *um_nn_zeros(struct um_nn *nn, enum um_dtype dt, int ndim, const int64_t *dim);
UM_API struct um_var *um_nn_param(struct um_nn *nn, struct um_params *ps, int index);
UM_API struct um_var *um_nn_param_named(struct um_nn *nn, struct um_params *ps, const char *name);

/* ---- operations (shapes in the kernel table, kernels/kernels.h) ----
 * A result has its input's dtype unless said. A variable may be used any number of times: its
 * gradients add up. */
/* x [..,k], w [n,k] as PyTorch stores it ([n,a,b,..] counts as k = a b ..), b [n] or NULL
 * -> [..,n] = x w^T + b of the context's dtype; x has that or is float. The others: into float;
 * with exact GELU; as a residual branch, res + drop(x w^T + b) with res [..,n] and of its dtype. */
UM_API struct um_var *um_linear(struct um_nn *nn, struct um_var *x, struct um_var *w,
                                struct um_var *b);
UM_API struct um_var *um_linear_float(struct um_nn *nn, struct um_var *x, struct um_var *w,
                                      struct um_var *b);
UM_API struct um_var *um_linear_gelu(struct um_nn *nn, struct um_var *x, struct um_var *w,
                                     struct um_var *b);
UM_API struct um_var *um_linear_add(struct um_nn *nn, struct um_var *x, struct um_var *w,
                                    struct um_var *b, struct um_var *res, float p);
/* the same values under another shape, and converted to another dtype */
UM_API struct um_var *um_reshape(struct um_nn *nn, struct um_var *x, int ndim, const int64_t *dim);
UM_API struct um_var *um_cast(struct um_nn *nn, struct um_var *x, enum um_dtype dt);
/* a [m,k], b [n,k], float or dt -> float [m,n] = a b^T */
UM_API struct um_var *um_matmul_nt(struct um_nn *nn, struct um_var *a, struct um_var *b);
/* a [..,m,k] ([..,k,m] with ta), b [..,k,n] ([..,n,k] with tb), the same dims in front, float or dt
 * -> [..,m,n] of the context's dtype: a product for each of those */
UM_API struct um_var *um_bmm(struct um_nn *nn, struct um_var *a, struct um_var *b, bool ta,
                             bool tb);
UM_API struct um_var *um_add(struct um_nn *nn, struct um_var *a, struct um_var *b);
/* slope: of leaky ReLU below 0 */
UM_API struct um_var *um_activation(struct um_nn *nn, struct um_var *x, enum um_act act,
                                    float slope);
UM_API struct um_var *um_gelu(struct um_nn *nn, struct um_var *x);
UM_API struct um_var *um_relu(struct um_nn *nn, struct um_var *x);
UM_API struct um_var *um_dropout(struct um_nn *nn, struct um_var *x, float p);
/* x [B,..]: what a residual branch adds, of whole samples dropped (stochastic depth); the others
 * are scaled by 1/(1-p) */
UM_API struct um_var *um_drop_path(struct um_nn *nn, struct um_var *x, float p);
UM_API struct um_var *um_layernorm(struct um_nn *nn, struct um_var *x, struct um_var *gamma,
                                   struct um_var *beta, float eps);
/* the same into another dtype: from the float residual stream to what products read */
UM_API struct um_var *um_layernorm_to(struct um_nn *nn, struct um_var *x, struct um_var *gamma,
                                      struct um_var *beta, float eps, enum um_dtype dt);
/* x [n,c], or feature maps [n,c,..] with statistics of each channel over all samples and places;
 * gamma, beta NULL: not affine; running statistics are buffers of ps (indices mean, var),
 * updated with `momentum` while training and used otherwise */
UM_API struct um_var *um_batchnorm(struct um_nn *nn, struct um_var *x, struct um_var *gamma,
                                   struct um_var *beta, struct um_params *ps, int mean, int var,
                                   float momentum, float eps);
/* feature maps x [n,c,..]: each channel of each sample by its own mean and variance; gamma, beta
 * [c], or NULL */
UM_API struct um_var *um_instancenorm(struct um_nn *nn, struct um_var *x, struct um_var *gamma,
                                      struct um_var *beta, float eps);
/* rows to unit length; of a parameter it is weight norm with gain 1 */
UM_API struct um_var *um_l2norm(struct um_nn *nn, struct um_var *x, float eps);
/* x [B,D,H,W] float -> tokens [B,T,pz py px] of the context's dtype: scale x + shift; pixels get no
 * gradient */
UM_API struct um_var *um_patches(struct um_nn *nn, struct um_var *x, const int64_t patch[3],
                                 float scale, float shift);
/* ids [B,T] int32, table [V,C] float (a parameter, or a variable whose rows are picked) -> [B,T,C]
 * float */
UM_API struct um_var *um_embed(struct um_nn *nn, struct um_var *ids, struct um_var *table);
/* x [B,T,C] + pos[from .. from+T) of pos [N,C], the same for every b */
UM_API struct um_var *um_add_rows(struct um_nn *nn, struct um_var *x, struct um_var *pos,
                                  int64_t from);
/* [cls] in front of every sample: cls [C] (or [1,1,C]), x [B,T,C] -> [B,1+T,C] */
UM_API struct um_var *um_prepend(struct um_nn *nn, struct um_var *cls, struct um_var *x);
/* a [B,T1,C], b [B,T2,C] -> [B,T1+T2,C] */
UM_API struct um_var *um_concat(struct um_nn *nn, struct um_var *a, struct um_var *b);
/* x [B,T,C] -> [B,n,C], tokens from .. from+n; n = 1 gives [B,C] */
UM_API struct um_var *um_slice_tokens(struct um_nn *nn, struct um_var *x, int64_t from, int64_t n);
/* x [B,T,C] -> [B,n,C]: tokens idx [B,n] (host) of each sample, any of them any number of times */
UM_API struct um_var *um_pick_tokens(struct um_nn *nn, struct um_var *x, const int32_t *idx,
                                     int64_t n);
/* its reverse, x [B,n,C] -> [B,T,C]: token i of a sample goes to place idx [B,n] (host), tokens of
 * one place add up, and places without any become v [C], or 0 where v is NULL */
UM_API struct um_var *um_put_tokens(struct um_nn *nn, struct um_var *x, const int32_t *idx,
                                    int64_t T, struct um_var *v);
/* x [..,C]: rows whose mask (host, one byte a row) is not 0 become v [C] */
UM_API struct um_var *um_mask_tokens(struct um_nn *nn, struct um_var *x, struct um_var *v,
                                     const uint8_t *mask);
/* qkv [B,T,3C] packed as (3, heads, d) -> [B,T,C]. cls (device float [B,T], or NULL) += scale * Eq.
 * 1's sum over heads */
UM_API struct um_var *um_attention_qkv(struct um_nn *nn, struct um_var *qkv, int64_t heads,
                                       float *cls, float scale);
/* q, k, v [B,T,C]; key_mask [B,T] uint8 or NULL; attention dropout p */
UM_API struct um_var *um_attention(struct um_nn *nn, struct um_var *q, struct um_var *k,
                                   struct um_var *v, int64_t heads, struct um_var *key_mask,
                                   float p);
/* the same for samples of their own lengths, stored one after the other: q, k, v [N,C]; sample b is
 * rows start[b] .. start[b+1]-1, at most T; start [B+1] int32 */
UM_API struct um_var *um_attention_ragged(struct um_nn *nn, struct um_var *q, struct um_var *k,
                                          struct um_var *v, int64_t heads, struct um_var *start,
                                          int64_t T, float p);
/* x [b,r,c] -> [b,c,r]: tokens [B,T,C] to feature maps [B,C,T] (then um_reshape) and back */
UM_API struct um_var *um_transpose(struct um_nn *nn, struct um_var *x);
/* x [N,cin,H,W] or [N,cin,D,H,W], w [cout,cin,k..] float as PyTorch stores it, b [cout] or NULL ->
 * [N,cout,..] of the context's dtype, (in + 2 pad - k) / stride + 1 places along each axis. stride
 * and pad: one number for each axis of space */
UM_API struct um_var *um_conv(struct um_nn *nn, struct um_var *x, struct um_var *w,
                              struct um_var *b, const int64_t *stride, const int64_t *pad);
/* x [N,cin,..], w [cin,cout,k..], b [cout] or NULL -> [N,cout,..], (in - 1) stride + k - 2 pad
 * places: the adjoint of a convolution */
UM_API struct um_var *um_conv_transposed(struct um_nn *nn, struct um_var *x, struct um_var *w,
                                         struct um_var *b, const int64_t *stride,
                                         const int64_t *pad);
/* x [N,C,H,W] or [N,C,D,H,W] to `size` places, one number for each axis of space, linearly;
 * corners: the corner samples lie on each other, else the edges do (PyTorch's align_corners) */
UM_API struct um_var *um_upsample(struct um_nn *nn, struct um_var *x, const int64_t *size,
                                  bool corners);
/* positions x [D H W,C] or [N,D H W,C] of a grid `from` = D, H, W to the grid `to`: linear in
 * depth, bicubic in plane (a = -0.75), half-pixel centres (method.md 2.2) */
UM_API struct um_var *um_resize_grid(struct um_nn *nn, struct um_var *x, const int64_t from[3],
                                     const int64_t to[3]);
UM_API struct um_var *um_softmax(struct um_nn *nn, struct um_var *x); /* over the last axis */
UM_API struct um_var *um_expscale(struct um_nn *nn, struct um_var *x, struct um_var *theta);
/* mean over the rows of the cross entropy of x [n,c] float -> float [1]; transpose: of x^T [c,n].
 * target: host, one per row, or -1: the row is left out of the sum and of the mean (none left: 0)
 */
UM_API struct um_var *um_cross_entropy(struct um_nn *nn, struct um_var *x, const int32_t *target,
                                       bool transpose);
/* the same against distributions: q host, laid out as x, 0 or more, whose rows (with transpose:
 * columns) need not sum to 1; rows of zeros are left out of the sum and of the mean */
UM_API struct um_var *um_cross_entropy_soft(struct um_nn *nn, struct um_var *x, const float *q,
                                            bool transpose);
/* the same at every place of a map x [B,C,..], or with `last` [B,..,C], float; target: host [B,..],
 * -1: the place is left out */
UM_API struct um_var *um_cross_entropy_map(struct um_nn *nn, struct um_var *x,
                                           const int32_t *target, bool last);
/* mean over the labelled elements; y host float [n,c], NaN = no label */
UM_API struct um_var *um_bce(struct um_nn *nn, struct um_var *x, const float *y);
/* focal loss (struct um_focal), mean over the labelled elements; y host, shape of x, 0..1, NaN = no
 * label; alpha < 0: none */
UM_API struct um_var *um_focal(struct um_nn *nn, struct um_var *x, const float *y, float gamma,
                               float alpha);
/* Dice loss (struct um_dice) of a map x [B,C,..], or with how->last [B,..,C], float: the mean over
 * its groups -> float [1]. how: the options, and y or target on the host; sizes, x and scale are
 * not read. */
UM_API struct um_var *um_dice(struct um_nn *nn, struct um_var *x, const struct um_dice *how);
/* sum_i weight_i H_i of student x and teacher t [n,c] (struct um_distill), float [1]; weight: host
 * [n]; centre [c] float; qmean [c] float and entropy [1], added to, or NULL. No gradient to teacher
 * and centre. */
UM_API struct um_var *um_distill(struct um_nn *nn, struct um_var *x, struct um_var *t,
                                 struct um_var *centre, const float *weight, float tau_s,
                                 float tau_t, struct um_var *qmean, struct um_var *entropy);
/* the mean of the rows of x [..,c] -> float [c]; no gradient */
UM_API struct um_var *um_mean_rows(struct um_nn *nn, struct um_var *x);
/* a weighted sum of scalars: y = sum_i w[i] x[i] */
UM_API struct um_var *um_weighted_sum(struct um_nn *nn, struct um_var *const *x, const float *w,
                                      int n);

/* um_nn_backward - gradients of scalar `loss` into every variable on the tape that needs one and,
 * added, into the parameters' grad block */
UM_API UM_RESULT_USED int um_nn_backward(struct um_nn *nn, struct um_var *loss);

/* um_nn_watch - from the next um_nn_begin on, every um_nn_backward tells `final` of each trained
 * parameter of ps once, by its index: this tape adds no more to its gradient, and the work that
 * does has been given to the device. Those that the loss does not use come first; then each when
 * its earliest use has been walked, so that whoever waits for a gradient need not wait for the
 * whole walk; what the walk never came to, at its end. The order follows from what was recorded.
 * A failure of `final` is the backward's. ps must outlive the context; UM_ENOMEM. */
typedef int               um_final_fn(void *user, int index);
UM_API UM_RESULT_USED int um_nn_watch(struct um_nn *nn, const struct um_params *ps,
                                      um_final_fn *final, void *user);

/* a variable's data as float (converted) on the host; host has room for all elements; waits */
UM_API UM_RESULT_USED int um_nn_read(struct um_nn *nn, const struct um_var *x, float *host);
/* um_nn_fetch - the same, but host has it after um_nn_wait only, which does not wait for what was
 * issued, by any context of the device, since the last um_nn_fetch */
UM_API UM_RESULT_USED int um_nn_fetch(struct um_nn *nn, const struct um_var *x, float *host);
UM_API UM_RESULT_USED int um_nn_wait(struct um_nn *nn);

#endif
