/* heads.c - projections into the shared space (method.md 5.1) and the contrastive loss (5.2) */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "model/model_int.h"

static const float BN_EPS = 1e-5f, BN_MOMENTUM = 0.1f, UNIT_EPS = 1e-12f;

/* ---- parameters ---- */

/* Running statistics per modality, since a batch holds one; a shared set on request. */
static struct head_stats declare_stats(struct decl *d, struct um_arena *a, const char *name,
                                       int64_t n, bool shared)
{
    struct head_stats s;

    for (int mod = UM_2D; mod <= UM_3D; mod++) {
        const char *tail = mod == UM_2D ? "" : "_3d";

        if (mod == UM_3D && shared) {
            s.mean[mod] = s.mean[UM_2D];
            s.var[mod]  = s.var[UM_2D];
            continue;
        }
        s.mean[mod] = decl_buffer(d, n, 0, um_sprintf(a, "%s.running_mean%s", name, tail));
        s.var[mod]  = decl_buffer(d, n, 1, um_sprintf(a, "%s.running_var%s", name, tail));
    }
    return s;
}

/* an nn.Sequential's numbers: 0 Linear, 1 BatchNorm, 2 ReLU, 3 Linear, 4 BatchNorm not affine */
static void declare_head(struct um_model *m, struct decl *d, struct head *h, const char *name,
                         int64_t in)
{
    const struct um_model_config *c = &m->cfg;
    struct um_arena              *a = m->ps->arena;

    if (c->proj_linear) {
        h->fc1.w = decl_add(d, UM_INIT_TRUNC02, 0, true, 2, (int64_t[]){ c->embed, in },
                            "%s.0.weight", name);
        h->fc1.b = -1;
        return;
    }
    h->fc1    = decl_linear(d, c->proj_hidden, in, "%s.0", name);
    h->bn     = decl_norm(d, c->proj_hidden, "%s.1", name);
    h->stats1 = declare_stats(d, a, um_sprintf(a, "%s.1", name), c->proj_hidden, c->bn_shared);
    h->fc2    = decl_linear(d, c->embed, c->proj_hidden, "%s.3", name);
    h->stats2 = declare_stats(d, a, um_sprintf(a, "%s.4", name), c->embed, c->bn_shared);
}

int heads_declare(struct um_model *m, struct decl *d)
{
    if (!(m->heads = um_calloc_array(m->ps->arena, 1, sizeof *m->heads)))
        return UM_ENOMEM;
    declare_head(m, d, &m->heads->vision, "proj.vision", m->cfg.width);
    declare_head(m, d, &m->heads->text, "proj.text", m->cfg.text_width);
    m->logit_scale =
        decl_add(d, UM_INIT_CONST, logf(1 / 0.07f), false, 0, (int64_t[]){ 0 }, "logit_scale");
    return d->st;
}

/* ---- forward ---- */

static struct um_var *project(struct um_nn *nn, struct um_model *m, const struct head *h,
                              enum um_modality mod, struct um_var *x)
{
    x = linear(nn, m, h->fc1, x);
    if (!m->cfg.proj_linear) {
        x = um_batchnorm(nn, x, par(nn, m, h->bn.w), par(nn, m, h->bn.b), m->ps,
                         h->stats1.mean[mod], h->stats1.var[mod], BN_MOMENTUM, BN_EPS);
        x = linear(nn, m, h->fc2, um_relu(nn, x));
        x = um_cast(nn, x, UM_F32); /* vectors that are compared are float at every precision */
        x = um_batchnorm(nn, x, NULL, NULL, m->ps, h->stats2.mean[mod], h->stats2.var[mod],
                         BN_MOMENTUM, BN_EPS);
    }
    return um_l2norm(nn, um_cast(nn, x, UM_F32), UNIT_EPS);
}

struct um_var *um_model_project_vision(struct um_nn *nn, struct um_model *m, enum um_modality mod,
                                       struct um_var *cls)
{
    return project(nn, m, &m->heads->vision, mod, cls);
}

struct um_var *um_model_project_text(struct um_nn *nn, struct um_model *m, enum um_modality mod,
                                     struct um_var *cls)
{
    return project(nn, m, &m->heads->text, mod, cls);
}

/* q [N,N]: equal shares among the reports that are the same; symmetric */
static float *shared_targets(struct um_nn *nn, int64_t N, const uint64_t *same)
{
    float *q = um_nn_host(nn, (size_t)(N * N) * sizeof *q);

    for (int64_t i = 0; q && i < N; i++) {
        int64_t n = 0;

        for (int64_t j = 0; j < N; j++)
            n += same[i] == same[j];
        for (int64_t j = 0; j < N; j++)
            q[i * N + j] = same[i] == same[j] ? 1.0f / (float)n : 0;
    }
    return q;
}

static int32_t *own_targets(struct um_nn *nn, int64_t N)
{
    int32_t *own = um_nn_host(nn, (size_t)N * sizeof *own);

    for (int64_t i = 0; own && i < N; i++)
        own[i] = (int32_t)i;
    return own;
}

/* S = e^theta v r^T;  L = 1/2 (mean_i H(S_i., i) + mean_i H(S_.i, i)) */
struct um_var *um_model_contrastive(struct um_nn *nn, struct um_model *m, struct um_var *v,
                                    struct um_var *r, const uint64_t *same)
{
    struct um_var *S, *H[2];
    const int32_t *own = NULL;
    const float   *q   = NULL;

    S = um_expscale(nn, um_matmul_nt(nn, v, r), par(nn, m, m->logit_scale));
    if (!S)
        return NULL;
    if (S->dim[0] != S->dim[1] || S->dim[0] < 1)
        return um_nn_fail(nn, UM_ESHAPE, "contrastive: %lld images and %lld reports",
                          (long long)S->dim[0], (long long)S->dim[1]);
    if (same ? !(q = shared_targets(nn, S->dim[0], same)) : !(own = own_targets(nn, S->dim[0])))
        return NULL;
    for (int t = 0; t < 2; t++)
        H[t] = same ? um_cross_entropy_soft(nn, S, q, t) : um_cross_entropy(nn, S, own, t);
    return um_weighted_sum(nn, H, (float[]){ 0.5f, 0.5f }, 2);
}

/* ---- the temperature ---- */

int um_model_theta_fetch(const struct um_model *m, float *theta)
{
    if (!m->ps->value)
        return um_fail(UM_EMISSING, "the model has no values yet");
    return um_dev_kernels(m->ps->dev)
        ->fetch(m->ps->dev, theta, m->ps->value + m->ps->list[m->logit_scale].offset,
                sizeof *theta);
}

int um_model_theta(const struct um_model *m, float *theta)
{
    UM_TRY(um_model_theta_fetch(m, theta));
    return um_dev_kernels(m->ps->dev)->sync(m->ps->dev);
}

int um_model_clamp_known(struct um_model *m, float theta)
{
    const float most = logf(100.0f);

    if (!(theta > most))
        return UM_OK;
    return um_dev_kernels(m->ps->dev)
        ->upload(m->ps->dev, m->ps->value + m->ps->list[m->logit_scale].offset, &most, sizeof most);
}

int um_model_clamp(struct um_model *m)
{
    float theta;

    UM_TRY(um_model_theta(m, &theta));
    return um_model_clamp_known(m, theta);
}
