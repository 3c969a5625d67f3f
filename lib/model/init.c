/* init.c - initial values (method.md 2.2, 2.3): drawn, then the 3D tokenizer from the 2D one */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "model/model_int.h"

/* ---- values to and from the device ---- */

static int fetch(const struct um_model *m, int index, float **x)
{
    const struct um_kernels *k = um_dev_kernels(m->ps->dev);
    const struct um_param   *p = &m->ps->list[index];
    const size_t             n = (size_t)p->count * sizeof **x;

    if (!(*x = malloc(n)))
        return um_fail(UM_ENOMEM, "out of memory");
    UM_TRY(k->sync(m->ps->dev));
    return k->download(m->ps->dev, *x, m->ps->value + p->offset, n);
}

static int store(const struct um_model *m, int index, const float *x)
{
    const struct um_kernels *k = um_dev_kernels(m->ps->dev);
    const struct um_param   *p = &m->ps->list[index];

    UM_TRY(k->upload(m->ps->dev, m->ps->value + p->offset, x, (size_t)p->count * sizeof *x));
    return k->sync(m->ps->dev);
}

/* ---- T_3D from T_2D, P_3 from P_2 ---- */

/* w3[c,z,:] = w2[c,:] / depth, so that a block constant in z embeds as its slice does */
static void inflate_kernel(const struct um_model_config *c, const float *w2, float *w3)
{
    const int64_t n = c->patch * c->patch, depth = c->patch3[0];

    for (int64_t i = 0; i < c->width * depth; i++)
        for (int64_t j = 0; j < n; j++)
            w3[i * n + j] = w2[i / depth * n + j] / (float)depth;
}

/* P_3 = P_2's grid resized, for all slabs, + what was drawn for P_3: N(0, 0.02^2) */
static void inflate_positions(const struct um_model_config *c, const float *p2, float *p3,
                              float *grid)
{
    const int64_t side = c->image / c->patch;
    const int64_t rows = c->volume[1] / c->patch3[1], cols = c->volume[2] / c->patch3[2];
    const int64_t n = rows * cols * c->width;

    grid_resize(p2 + c->width, side, side, grid, rows, cols, c->width); /* row 0 is [CLS]'s */
    for (int64_t i = 0; i < um_model_slabs(c) * n; i++)
        p3[i] += grid[i % n];
}

static int inflate_tokenizer(struct um_model *m)
{
    const struct um_model_config *c  = &m->cfg;
    float                        *w2 = NULL, *w3 = NULL, *b = NULL;
    int                           st;

    if (c->patch3[1] != c->patch || c->patch3[2] != c->patch)
        return um_fail(UM_EUNSUPPORTED, "inflate: patch3 [%lld,%lld] is not patch [%lld,%lld]",
                       (long long)c->patch3[1], (long long)c->patch3[2], (long long)c->patch,
                       (long long)c->patch);
    if ((st = fetch(m, m->vit->patch.w, &w2)) >= 0 && (st = fetch(m, m->vit->patch3.w, &w3)) >= 0 &&
        (st = fetch(m, m->vit->patch.b, &b)) >= 0) {
        inflate_kernel(c, w2, w3);
        if ((st = store(m, m->vit->patch3.w, w3)) >= 0)
            st = store(m, m->vit->patch3.b, b);
    }
    free(w2), free(w3), free(b);
    return st;
}

int vit_inflate(struct um_model *m)
{
    const int at = m->vit->pos_embed_3d;
    float    *p2 = NULL, *p3 = NULL, *grid = NULL;
    int       st;

    UM_TRY(inflate_tokenizer(m));
    if ((st = fetch(m, m->vit->pos_embed, &p2)) >= 0 && (st = fetch(m, at, &p3)) >= 0) {
        grid = malloc((size_t)m->ps->list[at].count * sizeof *grid);
        st   = grid ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
    }
    if (st >= 0) {
        inflate_positions(&m->cfg, p2, p3, grid);
        st = store(m, at, p3);
    }
    free(p2), free(p3), free(grid);
    return st;
}

int um_model_init(struct um_model *m, uint64_t seed)
{
    UM_TRY(um_params_init(m->ps, seed));
    return m->cfg.inflate ? vit_inflate(m) : UM_OK;
}
