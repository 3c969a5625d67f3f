/* attention.h - softmax attention; equations in kernels.h
 *
 * With s_tu = q_t.k_u / sqrt(d), p = softmax(s), f_tu the dropout factor (0 or 1/(1-p)):
 *     o_t   = sum_u f_tu p_tu v_u
 *     dv_u  = sum_t f_tu p_tu do_t
 *     ds_tu = p_tu (f_tu do_t.v_u - do_t.o_t)        as sum_u p_tu f_tu do_t.v_u = do_t.o_t
 *     dq_t  = sum_u ds_tu k_u / sqrt(d),  dk_u = sum_t ds_tu q_t / sqrt(d)
 * Keys left out have p = 0. The backward makes p again from lse: p_tu = exp(s_tu - lse_t).
 * Source: Dao et al., arXiv:2205.14135, Algorithm 4 for the backward from lse.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_ATTENTION_H
#define UM_KERNELS_ATTENTION_H

#include "kernels/backend.h"

#define UM_ATTENTION_OPS(X, b) X(b, attention_fwd) X(b, attention_bwd) X(b, attention_mean)

UM_ATTENTION_OPS(UM_DECLARE, ref)

/* um_check_attn - sizes, dtype, dropout, and a key for every sample: UM_ERANGE, UM_EDTYPE */
UM_RESULT_USED int um_check_attn(const char *op, const struct um_attn *a);
/* um_check_mean - 0 <= rows <= T */
UM_RESULT_USED int um_check_mean(const struct um_attn *a, int64_t rows);

/* the first row and the number of tokens of sample b */
static inline int64_t um_attn_first(const struct um_attn *a, int64_t b)
{
    return a->start ? a->start[b] : b * a->T;
}

static inline int64_t um_attn_len(const struct um_attn *a, int64_t b)
{
    return a->start ? a->start[b + 1] - a->start[b] : a->T;
}

#endif
