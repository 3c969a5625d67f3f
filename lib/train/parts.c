/* parts.c - batches of several parts and several processes, around one contrast */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/step_int.h"

#include <string.h>

/* ---- a batch in parts ---- */

/* x's value is of no interest, its gradient is g [count], on the device */
static struct um_var *pulled(struct um_nn *nn, struct um_var *x, const float *g, int64_t count)
{
    const int64_t dim[2] = { 1, count };

    return um_matmul_nt(nn, um_reshape(nn, x, 2, dim), um_nn_there(nn, UM_F32, 2, dim, g));
}

/* the vectors of all samples of a split batch, on the host */
struct vectors {
    float *cls, *text;
};

static int make_vectors(struct um_step *s, int64_t N, struct vectors *v)
{
    const int64_t C = s->o.m->cfg.width, Ct = s->o.m->cfg.text_width;

    v->cls  = um_alloc_array(s->arena, N * C, sizeof(float));
    v->text = um_alloc_array(s->arena, N * Ct, sizeof(float));
    return v->cls && v->text ? UM_OK : UM_ENOMEM;
}

/* decisions about a part, and its vectors, samples `at` on of the batch: to the contrast, and with
 * other ranks to the host as well */
static int first_pass(struct um_step *s, struct pass *x, int64_t at, const struct vectors *v)
{
    const int64_t  C = s->o.m->cfg.width, Ct = s->o.m->cfg.text_width;
    struct um_var *y[UM_VIEWS];

    UM_TRY(step_freeze(s, x));
    if (x->read)
        x->read = um_nn_keep(s->keeper, x->read);
    UM_TRY(step_look(s, x, false));
    for (int i = 0; i < UM_VIEWS && x->seen[i]; i++)
        x->seen[i] = um_nn_keep(s->keeper, x->seen[i]);
    UM_TRY(um_nn_status(s->keeper));
    step_encode(s, x, y);
    UM_TRY(um_nn_status(s->nn));
    if (!v->cls)
        return um_contrast_put(s->contrast, at, x->cls, x->text);
    UM_TRY(um_nn_read(s->nn, x->cls, v->cls + at * C));
    return um_nn_read(s->nn, x->text, v->text + at * Ct);
}

/* again with a tape, to which the contrast's gradients are handed */
static int second_pass(struct um_step *s, struct pass *x, int64_t at, double share)
{
    const struct um_method *o = s->o.method;
    const int64_t           n = x->part.n, C = s->o.m->cfg.width, Ct = s->o.m->cfg.text_width;
    const float            *dcls, *dtext;
    struct um_var          *y[UM_VIEWS];
    const float w[] = { 1, 1, (float)(share * o->lambda_icl), (float)(share * o->lambda_pcl) };

    um_contrast_got(s->contrast, at, &dcls, &dtext);
    UM_TRY(step_pass_begin(s, &x->part, true));
    x->text = NULL; /* after the images: its gradients are summed over ranks before theirs */
    step_encode(s, x, y);
    if (x->seen[0])
        UM_TRY(step_distil(s, x, y));
    struct um_var *const term[] = { pulled(s->nn, x->cls, dcls, n * C),
                                    x->read ? NULL : pulled(s->nn, x->text, dtext, n * Ct), x->icl,
                                    x->pcl };

    UM_TRY(um_nn_status(s->nn));
    UM_TRY(step_note(s, x, share));
    return um_nn_backward(s->nn, step_total(s->nn, term, w, 4));
}

/* every rank's n rows of `each` floats, in place */
static int gather(struct um_step *s, const struct um_batch *b, float *x, int64_t each)
{
    return um_ranks_gather(s->o.ranks, x + b->first * each, (size_t)(b->n * each) * sizeof *x, x);
}

static int gather_vectors(struct um_step *s, const struct um_batch *b, const struct vectors *v)
{
    UM_TRY(gather(s, b, v->cls, s->o.m->cfg.width));
    return gather(s, b, v->text, s->o.m->cfg.text_width);
}

/* hashes of the reports of the whole batch, where equal ones are positives; else NULL */
static int all_texts(struct um_step *s, const struct um_batch *b, uint64_t **all)
{
    *all = NULL;
    if (!s->o.method->same_text)
        return UM_OK;
    if (!(*all = um_alloc_array(s->arena, b->N, sizeof **all)))
        return UM_ENOMEM;
    memcpy(*all + b->first, b->text, (size_t)b->n * sizeof **all);
    return b->n == b->N
               ? UM_OK
               : um_ranks_gather(s->o.ranks, *all + b->first, (size_t)b->n * sizeof **all, *all);
}

static int first_passes(struct um_step *s, const struct um_batch *b, struct pass *x,
                        const struct vectors *v)
{
    const int64_t each = b->n / s->o.parts;

    UM_TRY(um_nn_begin(s->keeper, false, false, 0, 0));
    for (int64_t i = 0; i < s->o.parts; i++) {
        x[i].part = (struct um_part){ b, i * each, each };
        UM_TRY(first_pass(s, &x[i], b->first + i * each, v));
    }
    return UM_OK;
}

/* is this the last backward of the step? */
static bool last(const struct um_step *s, int64_t part)
{
    return s->reduce && s->batch + 1 == s->o.batches && part + 1 == s->o.parts;
}

static int second_passes(struct um_step *s, const struct um_batch *b, struct pass *x)
{
    const int64_t each = b->n / s->o.parts;

    for (int64_t i = 0; i < s->o.parts; i++) {
        if (last(s, i))
            UM_TRY(um_reduce_start(s->reduce));
        UM_TRY(second_pass(s, &x[i], b->first + i * each, (double)each / (double)b->N));
    }
    return UM_OK;
}

int step_parts(struct um_step *s, const struct um_batch *b)
{
    const bool     shared = um_ranks_size(s->o.ranks) > 1;
    struct pass   *x      = um_calloc_array(s->arena, s->o.parts, sizeof *x);
    struct vectors v      = { NULL, NULL };
    uint64_t      *texts;

    if (!x)
        return UM_ENOMEM;
    if (shared)
        UM_TRY(make_vectors(s, b->N, &v));
    UM_TRY(um_ranks_agree(s->o.ranks, first_passes(s, b, x, &v)));
    if (shared)
        UM_TRY(gather_vectors(s, b, &v));
    UM_TRY(all_texts(s, b, &texts));
    struct um_contrast_batch c = { .mod    = b->mod,
                                   .N      = b->N,
                                   .cls    = v.cls,
                                   .text   = v.text,
                                   .same   = texts,
                                   .blocks = s->o.method->local ? um_ranks_size(s->o.ranks) : 1 };

    UM_TRY(um_contrast_learn(s->contrast, &c));
    UM_TRY(step_later(s, c.late, &s->sum.vl, 1));
    if (shared) { /* icl, pcl are this rank's own, and ranks stop together */
        UM_TRY(um_dev_kernels(s->o.m->ps->dev)->sync(s->o.m->ps->dev));
        UM_TRY(um_ranks_agree(s->o.ranks, step_settle(s)));
    }
    return um_ranks_agree(s->o.ranks, second_passes(s, b, x));
}

/* ---- held-out batches ---- */

static int judge_part(struct um_step *s, const struct um_part *p, float *cls, float *text)
{
    struct um_view view[UM_VIEWS];
    struct um_var *y, *r;

    UM_TRY(um_look(&s->looker, p, 0, false, s->arena, view, NULL));
    UM_TRY(um_nn_begin(s->nn, false, false, 0, 0));
    y = um_slice_tokens(s->nn, um_view_pass(s->nn, s->o.m, &view[0], false, NULL, false), 0, 1);
    r = step_texts(s->nn, s->o.m, p);
    UM_TRY(um_nn_status(s->nn));
    UM_TRY(um_nn_read(s->nn, y, cls));
    return um_nn_read(s->nn, r, text);
}

int um_step_judge(struct um_step *s, const struct um_batch *b, double *loss, float *v, float *r)
{
    const int64_t  C = s->o.m->cfg.width, Ct = s->o.m->cfg.text_width;
    const int64_t  each = (b->n + s->o.parts - 1) / s->o.parts;
    struct vectors x;
    uint64_t      *texts;
    int            st = UM_OK;

    um_arena_reset(s->arena);
    UM_TRY(make_vectors(s, b->N, &x));
    for (int64_t i = 0; i < b->n && st >= 0; i += each) {
        const struct um_part p = { b, i, b->n - i < each ? b->n - i : each };

        st = judge_part(s, &p, x.cls + (b->first + i) * C, x.text + (b->first + i) * Ct);
    }
    UM_TRY(um_ranks_agree(s->o.ranks, st));
    if (b->n < b->N)
        UM_TRY(gather_vectors(s, b, &x));
    UM_TRY(all_texts(s, b, &texts));
    struct um_contrast_batch c = { .mod    = b->mod,
                                   .N      = b->N,
                                   .cls    = x.cls,
                                   .text   = x.text,
                                   .same   = texts,
                                   .blocks = 1,
                                   .v      = v,
                                   .r      = r };

    UM_TRY(um_contrast_judge(s->contrast, &c));
    *loss = (double)c.loss;
    return UM_OK;
}
