/* import_values.c - from the tensors of files to the values of a model */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/import_int.h"

/* ---- floats ---- */

/* all elements as float32, each of them finite */
static int floats(const struct supply *s, const struct um_tensor *t, float *x)
{
    const int64_t n = um_tensor_count(t);

    if (t->dtype == UM_F32)
        memcpy(x, t->data, (size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        if (t->dtype != UM_F32)
            x[i] = (float)um_elem_get(t->data, t->dtype, i);
        if (!isfinite(x[i]))
            return um_fail(UM_ENONFINITE, "%s: %s: element %lld is %g, not a finite float32",
                           s->path, t->name, (long long)i, um_elem_get(t->data, t->dtype, i));
    }
    return UM_OK;
}

static int store(const struct um_model *m, int i, const float *x)
{
    const struct um_kernels *k = um_dev_kernels(m->ps->dev);
    const struct um_param   *p = &m->ps->list[i];

    UM_TRY(k->upload(m->ps->dev, m->ps->value + p->offset, x, (size_t)p->count * sizeof *x));
    return k->sync(m->ps->dev);
}

static int room(float **x, int64_t n)
{
    *x = calloc((size_t)n, sizeof **x);
    return *x ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

/* ---- one parameter ---- */

/* tensors joined by their rows, or the one */
static int give(const struct import *im, const struct supply *s, int i,
                const struct um_tensor *const *t, int n)
{
    float *x;
    int    st;

    UM_TRY(room(&x, im->m->ps->list[i].count));
    st = UM_OK;
    for (int64_t k = 0, at = 0; k < n && st >= 0; at += um_tensor_count(t[k]), k++)
        st = floats(s, t[k], x + at);
    if (st >= 0)
        st = store(im->m, i, x);
    free(x);
    return st;
}

static int give_positions(const struct import *im, const struct supply *s, int i,
                          const struct um_tensor *t)
{
    const struct um_model_config *c = &im->cfg;
    float                        *x = NULL, *y = NULL;
    int                           st;

    if ((st = room(&x, um_tensor_count(t))) >= 0 &&
        (st = room(&y, im->m->ps->list[i].count)) >= 0 && (st = floats(s, t, x)) >= 0) {
        grid_fit(x, t->dim[1], y, c->image / c->patch, c->width);
        st = store(im->m, i, y);
    }
    free(x), free(y);
    return st;
}

/* what the source's pixels are to the network that is made */
static int folding(const struct import *im, const struct supply *s, int channels, struct um_fold *f)
{
    static const struct um_pixels unit  = { 1, { 0, 0, 0 }, { 1, 1, 1 } };
    const double                  scale = im->cfg.norm_scale, shift = im->cfg.norm_shift;
    struct um_pixels              own = unit;

    if (s->ours) {
        if (s->cfg.norm_scale == scale && s->cfg.norm_shift == shift) {
            *f = (struct um_fold){ .times = { 1 } };
            return UM_OK;
        }
        if (!(s->cfg.norm_scale > 0))
            return um_fail(UM_ERANGE, "%s: um.config: norm_scale %g, expected above 0 to change it",
                           s->path, s->cfg.norm_scale);
        own.mean[0] = -s->cfg.norm_shift / s->cfg.norm_scale;
        own.std[0]  = 1 / s->cfg.norm_scale;
        return um_pixels_in(&own, 1, scale, shift, f);
    }
    return um_pixels_in(im->o->pixels.n ? &im->o->pixels : &unit, channels, scale, shift, f);
}

/* T_2D or T_3D: the kernel w [C,n,..] and the bias b */
static int give_patch(const struct import *im, const struct supply *s, struct pair p,
                      const struct um_tensor *w)
{
    const struct um_param  *pw = &im->m->ps->list[p.w];
    const int64_t           C = pw->dim[0], m = pw->count / C;
    const char             *name[UM_JOINED];
    const struct um_tensor *b[UM_JOINED];
    struct um_fold          f;
    float                  *x = NULL, *y = NULL, *bias = NULL;
    int                     st;

    UM_TRY(import_source(im, p.b, name, b));
    UM_TRY(folding(im, s, (int)w->dim[1], &f));
    if ((st = room(&x, um_tensor_count(w))) >= 0 && (st = room(&y, pw->count)) >= 0 &&
        (st = room(&bias, C)) >= 0 && (st = floats(s, w, x)) >= 0 &&
        (st = floats(s, b[0], bias)) >= 0) {
        um_fold_in(&f, (int)w->dim[1], x, C, m, y, bias);
        if ((st = store(im->m, p.w, y)) >= 0)
            st = store(im->m, p.b, bias);
    }
    free(x), free(y), free(bias);
    return st;
}

static int give_param(const struct import *im, int i)
{
    const struct um_vit_params *v = im->m->vit;
    const char                 *name[UM_JOINED], *rest;
    const struct um_tensor     *t[UM_JOINED];
    const struct supply        *s = &im->supply[import_group(im->m->ps->list[i].name, &rest)];
    int                         n;

    UM_TRY(n = import_source(im, i, name, t));
    if (n == 0)
        return um_params_draw(im->m->ps, i, im->o->seed);
    if (i == v->pos_embed)
        return give_positions(im, s, i, t[0]);
    if (i == v->patch.w || i == v->patch3.w)
        return give_patch(im, s, i == v->patch.w ? v->patch : v->patch3, t[0]);
    if (i == v->patch.b || i == v->patch3.b)
        return UM_OK; /* with its kernel */
    return give(im, s, i, t, n);
}

int import_values(struct import *im)
{
    for (int i = 0; i < im->m->ps->n; i++)
        UM_TRY(give_param(im, i));
    return im->cfg.inflate && !im->supply[VISION].ours ? vit_inflate(im->m) : UM_OK;
}
