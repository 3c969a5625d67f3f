/* keep.h - which tokens of a sequence the student sees (method.md 6) */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MODEL_KEEP_H
#define UM_MODEL_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"

struct um_keep_opts {
    double  share;  /* rho, above 0 and at most 1 */
    bool    random; /* uniformly, as many; else those with the highest attention */
    int64_t block;  /* whole squares of block x block patches of a slab or picture; 1: tokens */
};

/* The groups of a sequence: an X-ray is one; a volume one, and each of its K slices one, so that
 * neither dimension can starve the other. Each is `depth` layers of side x width patches. */
struct um_keep_group {
    int64_t depth, rows, cols;
};
enum { UM_KEEP_GROUPS = 1 + 4096 };

/* um_keep_groups - of a sequence with `slices` slices; *n groups, at most UM_KEEP_GROUPS.
 * UM_ERANGE: a share outside (0,1], or block does not divide a group's rows and columns. */
UM_API UM_RESULT_USED int um_keep_groups(const struct um_model_config *cfg, enum um_modality mod,
                                         int64_t slices, const struct um_keep_opts *o,
                                         struct um_keep_group *g, int *n);

/* um_keep_count - kept tokens of one sample: the sum over groups of block^2 ceil(rho n / block^2):
 * 98 of 196, 256 of 512, 648 of a pair with four slices */
UM_API int64_t um_keep_count(const struct um_keep_group *g, int n, const struct um_keep_opts *o);

/* um_keep_choose - kept [T] 1 or 0 for one sample
 *
 *     in each group of n tokens keep the ceil(rho n) with the highest a_t (ties: lower index); with
 *     block b: the ceil(rho n / b^2) squares with the highest sum
 *
 * a     [T] attention of Eq. 1 without [CLS]'s own; not read with `random`
 * rng   of the draw (seed, step, record, purpose); not used without `random`
 *
 * UM_ENONFINITE: an attention is not finite; UM_ENOMEM. Source: method.md 6 (A-CLIP,
 * arXiv:2212.08653). */
struct um_rng;
UM_API UM_RESULT_USED int um_keep_choose(const struct um_keep_group *g, int n,
                                         const struct um_keep_opts *o, const float *a,
                                         struct um_rng *rng, uint8_t *kept);

#endif
