/* distill.c - the distillation head (method.md 7.2), its losses and centres (7.3) */
/* SPDX-License-Identifier: Apache-2.0 */
#include "model/distill.h"
#include "model/model_int.h"

static const float UNIT_EPS = 1e-12f, CENTRE_PACE = 0.1f;

/* ---- the head ---- */

/* an nn.Sequential's numbers: 0 Linear, 1 GELU, 2 Linear, 3 GELU, 4 Linear */
int distill_declare(struct um_model *m, struct decl *d)
{
    const struct um_model_config *c = &m->cfg;
    struct um_head_params        *h;

    if (c->prototypes == 0)
        return UM_OK;
    if (!(m->head = h = um_calloc_array(m->ps->arena, 1, sizeof *h)))
        return UM_ENOMEM;
    h->fc1 = decl_linear(d, c->head_hidden, c->width, "head.mlp.0");
    h->fc2 = decl_linear(d, c->head_hidden, c->head_hidden, "head.mlp.2");
    h->fc3 = decl_linear(d, c->head_bottleneck, c->head_hidden, "head.mlp.4");
    h->prototypes =
        decl_add(d, UM_INIT_TRUNC02, 0, true, 2, (int64_t[]){ c->prototypes, c->head_bottleneck },
                 "head.last.weight_v");
    return d->st;
}

struct um_var *um_model_head(struct um_nn *nn, struct um_model *m, struct um_var *x)
{
    const struct um_head_params *h = m->head;
    struct um_var               *w;

    if (!h)
        return um_nn_fail(nn, UM_EMISSING, "the model has no distillation head");
    x = linear_gelu(nn, m, h->fc2, linear_gelu(nn, m, h->fc1, x));
    x = um_l2norm(nn, linear_float(nn, m, h->fc3, x), UNIT_EPS);
    w = um_l2norm(nn, par(nn, m, h->prototypes), UNIT_EPS);
    return um_linear(nn, x, w, NULL);
}

/* ---- losses ---- */

/* one of the two terms: rows of `weight` that sum to 1, or to less where samples have no token */
static struct um_var *term(struct um_nn *nn, struct um_var *z, struct um_var *zt,
                           struct um_params *centres, int which, const float *weight,
                           const struct um_distill_opts *o, struct um_distilled *out)
{
    if (!zt)
        return NULL;
    out->zmean[which] = um_mean_rows(nn, zt);
    out->qmean[which] = um_nn_zeros(nn, UM_F32, 1, &zt->dim[zt->ndim - 1]);
    out->sure[which]  = um_nn_zeros(nn, UM_F32, 1, (int64_t[]){ 1 });
    return um_distill(nn, z, zt, um_nn_param(nn, centres, o->pair + which), weight, o->tau_s,
                      o->tau_t, out->qmean[which], out->sure[which]);
}

/* 1/B for each sample; 1/(B n) for each of a sample's n patch tokens that count */
static const float *sample_weights(struct um_nn *nn, int64_t B)
{
    float *w = um_nn_host(nn, (size_t)B * sizeof *w);

    for (int64_t b = 0; w && b < B; b++)
        w[b] = 1.0f / (float)B;
    return w;
}

static const float *patch_weights(struct um_nn *nn, int64_t B, int64_t T, const uint8_t *which)
{
    float *w = um_nn_host(nn, (size_t)(B * T) * sizeof *w);

    for (int64_t b = 0; w && b < B; b++) {
        int64_t n = which ? 0 : T;

        for (int64_t t = 0; which && t < T; t++)
            n += which[b * T + t] != 0;
        for (int64_t t = 0; t < T; t++)
            w[b * T + t] = !which || which[b * T + t] ? 1.0f / (float)(B * n) : 0;
    }
    return w;
}

static bool fits(struct um_nn *nn, const struct um_var *y, const struct um_var *yt)
{
    if (!y || !yt)
        return false;
    if (y->ndim != 3 || yt->ndim != 3 || y->dim[0] != yt->dim[0] || y->dim[1] != yt->dim[1] ||
        y->dim[0] < 1 || y->dim[1] < 2) {
        (void)um_nn_fail(nn, UM_ESHAPE,
                         "distill: %lld samples of %lld tokens against %lld of %lld; expected the "
                         "same, and [CLS] with at least one token more",
                         (long long)y->dim[0], (long long)y->dim[1], (long long)yt->dim[0],
                         (long long)yt->dim[1]);
        return false;
    }
    return true;
}

/* part 0 of the outputs is [CLS], part 1 the patches: parted before the head, they are narrower */
static struct um_var *part(struct um_nn *nn, struct um_model *m, struct um_var *y, int i)
{
    return um_model_head(nn, m, um_slice_tokens(nn, y, i, i ? y->dim[1] - 1 : 1));
}

void um_model_distill(struct um_nn *nn, struct um_model *student, struct um_var *y,
                      struct um_model *teacher, struct um_var *yt, struct um_params *centres,
                      const struct um_distill_opts *opts, struct um_distilled *out)
{
    struct um_var *const cls = opts->cls ? opts->cls : yt;
    int64_t              B;

    *out = (struct um_distilled){ .icl = NULL };
    if (!fits(nn, y, yt) || !fits(nn, y, cls))
        return;
    B        = y->dim[0];
    out->icl = term(nn, part(nn, student, y, 0), part(nn, teacher, cls, 0), centres, UM_CENTRE_CLS,
                    sample_weights(nn, B), opts, out);
    if (!opts->cls_only)
        out->pcl =
            term(nn, part(nn, student, y, 1), part(nn, teacher, yt, 1), centres, UM_CENTRE_PATCH,
                 patch_weights(nn, B, y->dim[1] - 1, opts->which), opts, out);
    if (um_nn_status(nn) < 0)
        *out = (struct um_distilled){ .icl = NULL };
}

/* ---- centres ---- */

int um_model_centres(struct um_params **out, struct um_dev *dev, const struct um_model_config *cfg,
                     bool separate)
{
    static const char *const name[] = { "centre.cls", "centre.patch", "centre.cls_3d",
                                        "centre.patch_3d" };
    struct um_params        *ps;
    int                      st = 0;

    *out = NULL;
    if (cfg->prototypes < 1)
        return um_fail(UM_EMISSING, "the model has no distillation head");
    UM_TRY(um_params_new(&ps, dev));
    for (int i = 0; i < (separate ? 4 : 2) && st >= 0; i++)
        st = um_params_buffer(ps, name[i], cfg->prototypes, 0);
    if (st < 0 || (st = um_params_init(ps, 0)) < 0) {
        um_params_free(ps);
        return st;
    }
    *out = ps;
    return UM_OK;
}

int um_centre_pair(const struct um_params *centres, enum um_modality mod)
{
    return centres->n > 2 && mod == UM_3D ? 2 : 0;
}

int um_model_follow(struct um_params *centres, int pair, struct um_var *const zmean[2])
{
    const struct um_kernels *k = um_dev_kernels(centres->dev);

    for (int i = 0; i < 2; i++) {
        const struct um_param *p = &centres->list[pair + i];

        if (zmean[i])
            UM_TRY(k->lerp(centres->dev, centres->value + p->offset, zmean[i]->data, CENTRE_PACE,
                           p->count));
    }
    return UM_OK;
}
