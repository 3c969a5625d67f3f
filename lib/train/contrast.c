/* contrast.c - the vectors of a batch as parameters of a small network of their own */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/contrast.h"

#include <stdlib.h>

struct um_contrast {
    struct um_model  *m;
    struct um_nn     *nn;
    struct um_params *in; /* "cls" [N,C], "text" [N,Ct]: their gradients are what is asked for */
    int64_t           N;
};

enum { CLS = 0, TEXT = 1 };

void um_contrast_free(struct um_contrast *c)
{
    if (!c)
        return;
    um_params_free(c->in);
    um_nn_free(c->nn);
    free(c);
}

static int declare(struct um_contrast *c)
{
    const struct um_model_config *o    = &c->m->cfg;
    const int64_t                 v[2] = { c->N, o->width }, r[2] = { c->N, o->text_width };
    int                           i;

    UM_TRY(um_params_new(&c->in, c->m->ps->dev));
    if ((i = um_params_add(c->in, "cls", 2, v, UM_INIT_ZERO, 0, false)) < 0 ||
        (i = um_params_add(c->in, "text", 2, r, UM_INIT_ZERO, 0, false)) < 0)
        return i;
    UM_TRY(um_params_init(c->in, 0));
    return um_params_grad(c->in);
}

int um_contrast_new(struct um_contrast **out, struct um_model *m, enum um_dtype dtype, int64_t N)
{
    struct um_contrast *c = calloc(1, sizeof *c);
    int                 st;

    *out = NULL;
    if (!c)
        return um_fail(UM_ENOMEM, "out of memory");
    c->m = m;
    c->N = N;
    if ((st = um_nn_new(&c->nn, m->ps->dev, &(struct um_nn_opts){ .dtype = dtype })) < 0 ||
        (st = declare(c)) < 0) {
        um_contrast_free(c);
        return st;
    }
    *out = c;
    return UM_OK;
}

struct um_var *um_contrast_loss(struct um_nn *nn, struct um_model *m, struct um_var *v,
                                struct um_var *r, const uint64_t *same, int64_t blocks)
{
    int64_t         n;
    float          *share;
    struct um_var **L;

    if (!v || !r || blocks <= 1)
        return um_model_contrastive(nn, m, v, r, same);
    n     = v->dim[0] / blocks;
    share = um_nn_host(nn, (size_t)blocks * sizeof *share);
    L     = um_nn_host(nn, (size_t)blocks * sizeof(*L));
    v     = um_reshape(nn, v, 3, (int64_t[]){ 1, v->dim[0], v->dim[1] });
    r     = um_reshape(nn, r, 3, (int64_t[]){ 1, r->dim[0], r->dim[1] });
    for (int64_t i = 0; L && share && v && r && i < blocks; i++) {
        const int64_t  dim[2] = { n, v->dim[2] };
        struct um_var *a      = um_reshape(nn, um_slice_tokens(nn, v, i * n, n), 2, dim);
        struct um_var *b      = um_reshape(nn, um_slice_tokens(nn, r, i * n, n), 2, dim);

        share[i] = 1.0f / (float)blocks;
        L[i]     = um_model_contrastive(nn, m, a, b, same ? same + i * n : NULL);
    }
    return L && share && um_nn_status(nn) >= 0 ? um_weighted_sum(nn, L, share, (int)blocks) : NULL;
}

/* the first N rows of input i */
static struct um_var *rows(struct um_contrast *c, int i, int64_t N)
{
    struct um_var *x = um_nn_param(c->nn, c->in, i);
    const int64_t  w = c->in->list[i].dim[1];

    x = um_reshape(c->nn, x, 3, (int64_t[]){ 1, c->N, w });
    return um_reshape(c->nn, um_slice_tokens(c->nn, x, 0, N), 2, (int64_t[]){ N, w });
}

static int upload(struct um_contrast *c, int i, const float *host, int64_t N)
{
    const struct um_params *ps = c->in;

    return um_dev_kernels(ps->dev)->upload(ps->dev, ps->value + ps->list[i].offset, host,
                                           (size_t)(N * ps->list[i].dim[1]) * sizeof *host);
}

static int download(struct um_contrast *c, int i, float *host, int64_t N)
{
    const struct um_params *ps = c->in;

    return um_dev_kernels(ps->dev)->download(ps->dev, host, ps->grad + ps->list[i].offset,
                                             (size_t)(N * ps->list[i].dim[1]) * sizeof *host);
}

/* input i, sample `at`, in a block of values or gradients */
static float *place(const struct um_contrast *c, float *block, int i, int64_t at)
{
    return block + c->in->list[i].offset + at * c->in->list[i].dim[1];
}

int um_contrast_put(struct um_contrast *c, int64_t at, const struct um_var *cls,
                    const struct um_var *text)
{
    const struct um_var *const x[] = { cls, text };

    for (int i = CLS; i <= TEXT; i++) {
        const int64_t n = x[i]->dim[0], w = c->in->list[i].dim[1];

        if (at < 0 || at + n > c->N || x[i]->dim[1] != w)
            return um_fail(UM_ERANGE, "contrast: samples %lld to %lld of %lld", (long long)at,
                           (long long)(at + n), (long long)c->N);
        UM_TRY(um_dev_kernels(c->in->dev)
                   ->cast(c->in->dev, place(c, c->in->value, i, at), UM_F32, x[i]->data, x[i]->dt,
                          n * w));
    }
    return UM_OK;
}

void um_contrast_got(const struct um_contrast *c, int64_t at, const float **dcls,
                     const float **dtext)
{
    *dcls  = place(c, c->in->grad, CLS, at);
    *dtext = place(c, c->in->grad, TEXT, at);
}

static int pass(struct um_contrast *c, struct um_contrast_batch *b, bool learn)
{
    struct um_var *v, *r, *y;

    if (b->N < 1 || b->N > c->N)
        return um_fail(UM_ERANGE, "contrast: %lld samples, room for %lld", (long long)b->N,
                       (long long)c->N);
    if (b->cls)
        UM_TRY(upload(c, CLS, b->cls, b->N));
    if (b->text)
        UM_TRY(upload(c, TEXT, b->text, b->N));
    UM_TRY(um_params_zero_grad(c->in));
    UM_TRY(um_nn_begin(c->nn, learn, learn, 0, 0));
    v = um_model_project_vision(c->nn, c->m, b->mod, rows(c, CLS, b->N));
    r = um_model_project_text(c->nn, c->m, b->mod, rows(c, TEXT, b->N));
    y = um_contrast_loss(c->nn, c->m, v, r, b->same, b->blocks);
    UM_TRY(um_nn_status(c->nn));
    if (b->v)
        UM_TRY(um_nn_read(c->nn, v, b->v));
    if (b->r)
        UM_TRY(um_nn_read(c->nn, r, b->r));
    b->late = y;
    if (!learn || b->dcls)
        UM_TRY(um_nn_read(c->nn, y, &b->loss));
    return learn ? um_nn_backward(c->nn, y) : UM_OK;
}

int um_contrast_learn(struct um_contrast *c, struct um_contrast_batch *b)
{
    UM_TRY(pass(c, b, true));
    if (!b->dcls)
        return UM_OK;
    UM_TRY(um_dev_kernels(c->in->dev)->sync(c->in->dev));
    UM_TRY(download(c, CLS, b->dcls, b->N));
    return download(c, TEXT, b->dtext, b->N);
}

int um_contrast_judge(struct um_contrast *c, struct um_contrast_batch *b)
{
    return pass(c, b, false);
}
