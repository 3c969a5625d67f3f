/* keep.c - the best squares of each group, or as many at random */
/* SPDX-License-Identifier: Apache-2.0 */
#include "model/keep.h"

#include <math.h>
#include <stdlib.h>

#include "base/philox.h"

static int check_block(const struct um_keep_group *g, int64_t block)
{
    if (block < 1 || g->rows % block || g->cols % block)
        return um_fail(UM_ERANGE, "a mask of blocks of %lld does not divide %lld x %lld tokens",
                       (long long)block, (long long)g->rows, (long long)g->cols);
    return UM_OK;
}

int um_keep_groups(const struct um_model_config *cfg, enum um_modality mod, int64_t slices,
                   const struct um_keep_opts *o, struct um_keep_group *g, int *n)
{
    const int64_t side = cfg->image / cfg->patch, cut = um_model_slice_side(cfg) / cfg->patch;

    if (!(o->share > 0 && o->share <= 1))
        return um_fail(UM_ERANGE, "a share of %g tokens kept: expected above 0, at most 1",
                       o->share);
    if (slices < 0 || slices >= UM_KEEP_GROUPS)
        return um_fail(UM_ERANGE, "%lld slices", (long long)slices);
    *n   = mod == UM_2D ? 1 : 1 + (int)slices;
    g[0] = mod == UM_2D
               ? (struct um_keep_group){ 1, side, side }
               : (struct um_keep_group){ um_model_slabs(cfg), cfg->volume[1] / cfg->patch3[1],
                                         cfg->volume[2] / cfg->patch3[2] };
    for (int i = 1; i < *n; i++)
        g[i] = (struct um_keep_group){ 1, cut, cut };
    for (int i = 0; i < *n && i < 2; i++)
        UM_TRY(check_block(&g[i], o->block));
    return UM_OK;
}

static int64_t tokens_of(const struct um_keep_group *g)
{
    return g->depth * g->rows * g->cols;
}

/* squares of a group that are kept; ceil of what is a whole number but for rounding is that number
 */
static int64_t squares(const struct um_keep_group *g, const struct um_keep_opts *o)
{
    const int64_t n = tokens_of(g) / (o->block * o->block);
    const int64_t k = (int64_t)ceil(o->share * (double)n - 1e-9);

    return k < 1 ? 1 : k < n ? k : n;
}

int64_t um_keep_count(const struct um_keep_group *g, int n, const struct um_keep_opts *o)
{
    int64_t count = 0;

    for (int i = 0; i < n; i++)
        count += squares(&g[i], o) * o->block * o->block;
    return count;
}

/* ---- one group ---- */

struct square {
    double  a;
    int64_t at; /* number among the group's squares */
};

static int better(const void *pa, const void *pb)
{
    const struct square *a = pa, *b = pb;

    if (a->a != b->a)
        return a->a > b->a ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* token t of a group belongs to this square */
static int64_t square_of(const struct um_keep_group *g, int64_t block, int64_t t)
{
    const int64_t col = t % g->cols, row = t / g->cols % g->rows, s = t / (g->cols * g->rows);

    return (s * (g->rows / block) + row / block) * (g->cols / block) + col / block;
}

/* the number of squares, in the order in which they are kept */
static int rank(const struct um_keep_group *g, const struct um_keep_opts *o, const float *a,
                struct um_rng *rng, struct square *sq, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sq[i] = (struct square){ o->random ? um_rng_uniform(rng) : 0, i };
    for (int64_t t = 0; a && t < tokens_of(g) && !o->random; t++) {
        if (!isfinite(a[t]))
            return um_fail(UM_ENONFINITE, "attention of token %lld is not finite", (long long)t);
        sq[square_of(g, o->block, t)].a += (double)a[t];
    }
    qsort(sq, (size_t)n, sizeof *sq, better);
    return UM_OK;
}

static int choose(const struct um_keep_group *g, const struct um_keep_opts *o, const float *a,
                  struct um_rng *rng, uint8_t *kept)
{
    const int64_t  n = tokens_of(g) / (o->block * o->block), k = squares(g, o);
    struct square *sq  = calloc((size_t)n, sizeof *sq);
    uint8_t       *yes = calloc((size_t)n, 1);
    int            st = sq && yes ? rank(g, o, a, rng, sq, n) : um_fail(UM_ENOMEM, "out of memory");

    for (int64_t i = 0; st >= 0 && i < k; i++)
        yes[sq[i].at] = 1;
    for (int64_t t = 0; st >= 0 && t < tokens_of(g); t++)
        kept[t] = yes[square_of(g, o->block, t)];
    free(sq);
    free(yes);
    return st;
}

int um_keep_choose(const struct um_keep_group *g, int n, const struct um_keep_opts *o,
                   const float *a, struct um_rng *rng, uint8_t *kept)
{
    int64_t at = 0;

    if (!a && !o->random)
        return um_fail(UM_EMISSING, "a mask by attention without an attention");
    for (int i = 0; i < n; i++) {
        UM_TRY(choose(&g[i], o, a ? a + at : NULL, rng, kept + at));
        at += tokens_of(&g[i]);
    }
    return UM_OK;
}
