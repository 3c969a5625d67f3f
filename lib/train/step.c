/* step.c - a batch at once, or its encoders part by part around one contrast */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/late.h"
#include "train/means.h"

struct um_step {
    struct um_step_opts o;
    struct um_looker    looker;
    struct um_nn       *nn;     /* the student's tape */
    struct um_nn       *reader; /* texts whose encoder does not learn; NULL: it does */
    struct um_nn       *keeper; /* what parts wait with while others are looked at */
    struct um_contrast *contrast;
    struct um_means    *means;  /* NULL without self-distillation */
    struct um_reduce   *reduce; /* NULL for one rank */
    struct um_losses    sum;    /* of the batches so far */
    struct um_late     *late;   /* those of this process that are still on the device */
    int64_t             step, epoch;
    int                 batch; /* of the step: the one in hand */
    bool                closed;
    struct um_arena    *arena; /* decisions of a batch */
};

/* ---- setting up ---- */

void um_step_leave(struct um_step *s)
{
    if (!s)
        return;
    um_reduce_free(s->reduce);
    s->reduce = NULL;
}

void um_step_free(struct um_step *s)
{
    if (!s)
        return;
    um_step_leave(s);
    um_late_free(s->late);
    um_nn_free(s->looker.nn);
    um_nn_free(s->nn);
    um_nn_free(s->reader);
    um_nn_free(s->keeper);
    um_contrast_free(s->contrast);
    um_means_free(s->means);
    um_arena_free(s->arena);
    free(s);
}

static int make_means(struct um_step *s)
{
    if (!um_method_distils(s->o.method))
        return UM_OK;
    if (s->o.m->cfg.prototypes < 1 || !s->o.teacher || !s->o.centres)
        return um_fail(UM_EMISSING, "self-distillation without a head, a teacher or centres");
    return um_means_new(&s->means, s->o.m->ps->dev, s->o.m->cfg.prototypes);
}

/* projections and theta have the gradient of the whole batch on every rank */
static bool alike(const void *user, const struct um_param *p)
{
    (void)user;
    return strncmp(p->name, "proj.", 5) == 0 || strcmp(p->name, "logit_scale") == 0;
}

/* in no loss of this method */
static bool unused(const void *user, const struct um_param *p)
{
    const struct um_method *o = user;

    return (o->freeze_text && strncmp(p->name, "text.", 5) == 0) ||
           (!um_method_distils(o) && strncmp(p->name, "head.", 5) == 0);
}

static int make_reduce(struct um_step *s)
{
    if (um_ranks_size(s->o.ranks) == 1)
        return UM_OK;
    return um_reduce_new(&s->reduce, &(struct um_reduce_opts){ .ranks  = s->o.ranks,
                                                               .ps     = s->o.m->ps,
                                                               .nn     = s->nn,
                                                               .shared = alike,
                                                               .unused = unused,
                                                               .user   = s->o.method,
                                                               .bucket = s->o.bucket });
}

int um_step_new(struct um_step **out, const struct um_step_opts *o)
{
    struct um_dev          *dev   = o->m->ps->dev;
    const struct um_nn_opts nn    = { .dtype = o->precision, .recompute = o->recompute };
    const struct um_nn_opts plain = { .dtype = o->precision };
    struct um_step         *s     = calloc(1, sizeof *s);
    int                     st;

    *out = NULL;
    if (!s)
        return um_fail(UM_ENOMEM, "out of memory");
    s->o      = *o;
    s->looker = (struct um_looker){
        .m = o->m, .teacher = o->teacher, .method = o->method, .seed = o->seed
    };
    if ((st = um_arena_new(&s->arena)) < 0 || (st = um_late_new(&s->late, dev)) < 0 ||
        (st = um_nn_new(&s->nn, dev, &nn)) < 0 ||
        (st = um_nn_new(&s->looker.nn, dev, &plain)) < 0 ||
        (o->method->freeze_text && (st = um_nn_new(&s->reader, dev, &plain)) < 0) ||
        (st = um_nn_new(&s->keeper, dev, &plain)) < 0 ||
        (st = um_contrast_new(&s->contrast, o->m, o->precision, o->most)) < 0 ||
        (st = make_means(s)) < 0 || (st = make_reduce(s)) < 0) {
        um_step_free(s);
        return st;
    }
    *out = s;
    return UM_OK;
}

const char *um_step_note(const struct um_step *s)
{
    return s->reduce ? um_reduce_why(s->reduce) : "";
}

size_t um_step_peak(const struct um_step *s)
{
    return um_nn_peak(s->nn) + um_nn_peak(s->looker.nn) + um_nn_peak(s->keeper) +
           (s->reader ? um_nn_peak(s->reader) : 0);
}

size_t um_step_held(const struct um_step *s)
{
    return um_nn_held(s->nn) + um_nn_held(s->looker.nn) + um_nn_held(s->keeper) +
           (s->reader ? um_nn_held(s->reader) : 0);
}

/* ---- one part through the student ---- */

struct pass {
    struct um_part part;
    struct um_view view[UM_VIEWS];
    struct um_var *seen[UM_VIEWS]; /* the teacher's outputs, in the looker's memory or kept */
    struct um_var *read;           /* texts' vectors that get no gradient, or NULL */
    /* of the tape in hand */
    struct um_var *cls, *text; /* [n,C], [n,Ct] */
    struct um_var *icl, *pcl;  /* [1], or NULL */
};

static int64_t rows_before(const struct um_part *p)
{
    const struct um_batch *b = p->b;
    int64_t                n = b->rows_before;

    for (int64_t i = 0; i < p->from * b->length; i++)
        n += b->mask[i] != 0;
    return n;
}

static int begin(struct um_step *s, const struct um_part *p, bool grad)
{
    UM_TRY(um_nn_begin(s->nn, grad, true, s->o.seed, (uint64_t)s->step));
    um_nn_place(s->nn, p->b->first + p->from, rows_before(p));
    return UM_OK;
}

static struct um_var *text_of(struct um_nn *nn, struct um_model *m, const struct um_part *p)
{
    const struct um_batch *b = p->b;

    return um_model_text(nn, m, p->n, b->length, b->ids + p->from * b->length,
                         b->mask + p->from * b->length);
}

/* a text encoder that does not learn is run without dropout and without a tape */
static int freeze(struct um_step *s, struct pass *x)
{
    if (!s->reader)
        return UM_OK;
    UM_TRY(um_nn_begin(s->reader, false, false, 0, 0));
    x->read = um_cast(s->reader, text_of(s->reader, s->o.m, &x->part), UM_F32);
    return um_nn_status(s->reader);
}

/* a pass whose texts are encoded while the host waits for what its slices and masks are chosen by
 */
struct early {
    struct um_step *s;
    struct pass    *x;
    bool            grad;
};

static int begin_early(void *user)
{
    const struct early *e = user;
    struct pass        *x = e->x;

    UM_TRY(begin(e->s, &x->part, e->grad));
    x->text = x->read ? x->read : text_of(e->s->nn, e->s->o.m, &x->part);
    return um_nn_status(e->s->nn);
}

/* decides about a part, and begins its tape */
static int look(struct um_step *s, struct pass *x, bool grad)
{
    struct early e = { s, x, grad };
    int          st;

    s->looker.meanwhile = begin_early;
    s->looker.user      = &e;
    st                  = um_look(&s->looker, &x->part, s->step, true, s->arena, x->view, x->seen);
    if (st >= 0)
        st = um_looker_meanwhile(&s->looker);
    s->looker.meanwhile = NULL; /* e ends here */
    UM_TRY(st);
    return s->o.chosen ? s->o.chosen(s->o.user, &x->part, x->view) : UM_OK;
}

/* both encoders, texts unless they are there: y [n,1+T,C] of each view; cls is the first view's,
 * masked or complete */
static void encode(struct um_step *s, struct pass *x, struct um_var *y[UM_VIEWS])
{
    struct um_nn *nn     = s->nn;
    const bool    masked = x->view[0].masked != NULL, full = masked && s->o.method->full;

    y[0]   = um_view_pass(nn, s->o.m, &x->view[0], masked, NULL, false);
    y[1]   = x->seen[1]
                 ? um_view_pass(nn, s->o.m, &x->view[1], x->view[1].masked != NULL, NULL, false)
                 : NULL;
    x->cls = um_slice_tokens(
        nn, full ? um_view_pass(nn, s->o.m, &x->view[0], false, NULL, false) : y[0], 0, 1);
    if (!x->text)
        x->text = x->read ? x->read : text_of(nn, s->o.m, &x->part);
}

/* ---- self-distillation of a part ---- */

/* losses of each view, their mean; with two views [CLS] answers the other view */
static int distil(struct um_step *s, struct pass *x, struct um_var *const y[UM_VIEWS])
{
    const struct um_method *o    = s->o.method;
    const int               n    = x->seen[1] ? 2 : 1;
    const int               pair = um_centre_pair(s->o.centres, x->view[0].mod);
    const float             half = 1.0f / (float)n;
    struct um_var          *icl[UM_VIEWS], *pcl[UM_VIEWS], *t[UM_VIEWS];

    for (int i = 0; i < n; i++)
        t[i] = um_view_pick(s->nn, &x->view[i], x->seen[i]);
    for (int i = 0; i < n; i++) {
        const struct um_distill_opts opts = { .tau_s    = (float)o->tau_s,
                                              .tau_t    = (float)um_method_tau(o, s->epoch),
                                              .which    = o->patches == UM_PATCH_MASKED
                                                              ? x->view[i].masked
                                                              : NULL,
                                              .cls      = t[n - 1 - i],
                                              .cls_only = !um_method_patches(o),
                                              .pair     = pair };
        struct um_distilled          d;

        um_model_distill(s->nn, s->o.m, y[i], s->o.teacher, t[i], s->o.centres, &opts, &d);
        UM_TRY(um_nn_status(s->nn));
        UM_TRY(um_means_add(s->means, pair, &d, (double)x->part.n));
        icl[i] = d.icl;
        pcl[i] = d.pcl;
    }
    x->icl = um_weighted_sum(s->nn, icl, (float[]){ half, half }, n);
    x->pcl = pcl[0] ? um_weighted_sum(s->nn, pcl, (float[]){ half, half }, n) : NULL;
    return um_nn_status(s->nn);
}

/* ---- losses, which come to the host at the end of the step ---- */

/* x [1] counts `share` in *sum, and must be finite */
static int later(struct um_step *s, const struct um_var *x, double *sum, double share)
{
    return um_late_add(s->late, x, sum, share, s->batch);
}

static int note(struct um_step *s, const struct pass *x, double share)
{
    if (x->icl)
        UM_TRY(later(s, x->icl, &s->sum.icl, share));
    return x->pcl ? later(s, x->pcl, &s->sum.pcl, share) : UM_OK;
}

static int finite(void *losses)
{
    const struct um_losses *l = losses;
    const double            x = l->vl + l->icl + l->pcl;

    if (!isfinite(x))
        return um_fail(UM_ENONFINITE, "the loss is %g (vl %g, icl %g, pcl %g)", x, l->vl, l->icl,
                       l->pcl);
    return UM_OK;
}

/* after a sync of the device */
static int settle(struct um_step *s)
{
    UM_TRY(um_late_settle(s->late, finite, &s->sum));
    if (s->means)
        um_means_settle(s->means);
    return UM_OK;
}

/* ---- a batch at once ---- */

/* the sum of up to four terms with their weights; those that are NULL are left out */
static struct um_var *total(struct um_nn *nn, struct um_var *const *term, const float *w, int n)
{
    struct um_var *have[4];
    float          weight[4];
    int            k = 0;

    for (int i = 0; i < n; i++)
        if (term[i] && w[i] != 0) {
            have[k]     = term[i];
            weight[k++] = w[i];
        }
    return um_weighted_sum(nn, have, weight, k);
}

static int run_whole(struct um_step *s, const struct um_batch *b)
{
    const struct um_method *o = s->o.method;
    struct pass             x = { .part = { b, 0, b->n } };
    struct um_var          *y[UM_VIEWS], *v, *r, *vl;

    UM_TRY(freeze(s, &x));
    UM_TRY(look(s, &x, true));
    encode(s, &x, y);
    if (x.seen[0])
        UM_TRY(distil(s, &x, y));
    v  = um_model_project_vision(s->nn, s->o.m, b->mod, x.cls);
    r  = um_model_project_text(s->nn, s->o.m, b->mod, x.text);
    vl = um_contrast_loss(s->nn, s->o.m, v, r, o->same_text ? b->text : NULL, 1);
    UM_TRY(um_nn_status(s->nn));
    UM_TRY(later(s, vl, &s->sum.vl, 1));
    UM_TRY(note(s, &x, 1));
    struct um_var *const term[] = { vl, x.icl, x.pcl };
    const float          w[]    = { 1, (float)o->lambda_icl, (float)o->lambda_pcl };

    return um_nn_backward(s->nn, total(s->nn, term, w, 3));
}

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

    UM_TRY(freeze(s, x));
    if (x->read)
        x->read = um_nn_keep(s->keeper, x->read);
    UM_TRY(look(s, x, false));
    for (int i = 0; i < UM_VIEWS && x->seen[i]; i++)
        x->seen[i] = um_nn_keep(s->keeper, x->seen[i]);
    UM_TRY(um_nn_status(s->keeper));
    encode(s, x, y);
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
    UM_TRY(begin(s, &x->part, true));
    x->text = NULL; /* after the images: its gradients are summed over ranks before theirs */
    encode(s, x, y);
    if (x->seen[0])
        UM_TRY(distil(s, x, y));
    struct um_var *const term[] = { pulled(s->nn, x->cls, dcls, n * C),
                                    x->read ? NULL : pulled(s->nn, x->text, dtext, n * Ct), x->icl,
                                    x->pcl };

    UM_TRY(um_nn_status(s->nn));
    UM_TRY(note(s, x, share));
    return um_nn_backward(s->nn, total(s->nn, term, w, 4));
}

/* every rank's n rows of `each` floats, in place */
static int gather(struct um_step *s, const struct um_batch *b, float *x, int64_t each)
{
    return um_ranks_gather(s->o.ranks, x + b->first * each, (size_t)(b->n * each) * sizeof *x, x);
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

/* all ranks contrast the same vectors, so that each has the whole gradient of its own samples */
static int run_parts(struct um_step *s, const struct um_batch *b)
{
    const int64_t  C = s->o.m->cfg.width, Ct = s->o.m->cfg.text_width;
    const bool     shared = um_ranks_size(s->o.ranks) > 1;
    struct pass   *x      = um_calloc_array(s->arena, s->o.parts, sizeof *x);
    struct vectors v      = { NULL, NULL };
    uint64_t      *texts;

    if (!x)
        return UM_ENOMEM;
    if (shared)
        UM_TRY(make_vectors(s, b->N, &v));
    UM_TRY(um_ranks_agree(s->o.ranks, first_passes(s, b, x, &v)));
    if (shared) {
        UM_TRY(gather(s, b, v.cls, C));
        UM_TRY(gather(s, b, v.text, Ct));
    }
    UM_TRY(all_texts(s, b, &texts));
    struct um_contrast_batch c = { .mod    = b->mod,
                                   .N      = b->N,
                                   .cls    = v.cls,
                                   .text   = v.text,
                                   .same   = texts,
                                   .blocks = s->o.method->local ? um_ranks_size(s->o.ranks) : 1 };

    UM_TRY(um_contrast_learn(s->contrast, &c));
    UM_TRY(later(s, c.late, &s->sum.vl, 1));
    if (shared) { /* icl, pcl are this rank's own, and ranks stop together */
        UM_TRY(um_dev_kernels(s->o.m->ps->dev)->sync(s->o.m->ps->dev));
        UM_TRY(um_ranks_agree(s->o.ranks, settle(s)));
    }
    return um_ranks_agree(s->o.ranks, second_passes(s, b, x));
}

/* ---- sums over ranks ---- */

static int reduce(struct um_step *s)
{
    double part[] = { s->sum.icl, s->sum.pcl };

    UM_TRY(um_ranks_sum_double(s->o.ranks, part, 2));
    s->sum.icl = part[0], s->sum.pcl = part[1];
    if (s->means)
        UM_TRY(um_means_share(s->means, s->o.ranks, s->reduce));
    return um_reduce_end(s->reduce);
}

/* ---- the step ---- */

int um_step_begin(struct um_step *s, int64_t step, int64_t epoch)
{
    if (s->reduce)
        UM_TRY(um_reduce_drop(s->reduce));
    s->step   = step;
    s->epoch  = epoch;
    s->sum    = (struct um_losses){ 0 };
    s->batch  = -1;
    s->closed = false;
    if (s->means)
        um_means_begin(s->means);
    UM_TRY(um_late_begin(s->late));
    return um_params_zero_grad(s->o.m->ps);
}

/* what an earlier batch of the step did comes first */
static int earlier(struct um_step *s, int st)
{
    char text[UM_ERRMSG_MAX];

    (void)snprintf(text, sizeof text, "%s", um_errmsg());
    if (um_late_bad(s->late) < 0 && um_ranks_size(s->o.ranks) == 1) {
        UM_TRY(um_dev_kernels(s->o.m->ps->dev)->sync(s->o.m->ps->dev));
        UM_TRY(settle(s));
        um_seterrmsg(text);
    }
    return st;
}

int um_step_add(struct um_step *s, const struct um_batch *b)
{
    int st;

    s->batch++;
    um_arena_reset(s->arena);
    st = s->o.parts > 1 || um_ranks_size(s->o.ranks) > 1 ? run_parts(s, b) : run_whole(s, b);
    return st == UM_ENONFINITE ? earlier(s, st) : st;
}

int um_step_close(struct um_step *s)
{
    const bool shared = um_ranks_size(s->o.ranks) > 1;

    s->closed = true;
    if (shared) {
        UM_TRY(um_dev_kernels(s->o.m->ps->dev)->sync(s->o.m->ps->dev));
        UM_TRY(um_ranks_agree(s->o.ranks, settle(s)));
        UM_TRY(reduce(s));
        UM_TRY(finite(&s->sum));
    }
    return s->means ? um_means_close(s->means) : UM_OK;
}

const double *um_step_health(const struct um_step *s)
{
    return um_ranks_size(s->o.ranks) > 1 ? NULL : um_late_health(s->late);
}

int um_step_blame(const struct um_step *s)
{
    const int bad = um_late_bad(s->late);

    return bad >= 0 ? bad : s->batch;
}

int um_step_end(struct um_step *s, struct um_losses *out)
{
    const struct um_method *o = s->o.method;

    if (!s->closed)
        UM_TRY(um_step_close(s));
    UM_TRY(um_dev_kernels(s->o.m->ps->dev)->sync(s->o.m->ps->dev));
    UM_TRY(settle(s));
    *out      = s->sum;
    out->loss = out->vl;
    if (um_method_distils(o))
        out->loss += o->lambda_icl * out->icl;
    if (um_method_patches(o))
        out->loss += o->lambda_pcl * out->pcl;
    out->icl = um_method_distils(o) ? out->icl : NAN;
    out->pcl = um_method_patches(o) ? out->pcl : NAN;
    for (int i = 0; i < 2; i++) {
        out->sure[i] = out->spread[i] = NAN;
        if (s->means)
            um_means_entropy(s->means, i, &out->sure[i], &out->spread[i]);
    }
    return UM_OK;
}

int um_step_follow(struct um_step *s, double momentum)
{
    if (s->o.teacher)
        UM_TRY(um_model_teach(s->o.teacher, s->o.m, 1 - momentum));
    return s->means ? um_means_follow(s->means, s->o.centres) : UM_OK;
}

/* ---- held-out batches ---- */

static int judge_part(struct um_step *s, const struct um_part *p, float *cls, float *text)
{
    struct um_view view[UM_VIEWS];
    struct um_var *y, *r;

    UM_TRY(um_look(&s->looker, p, 0, false, s->arena, view, NULL));
    UM_TRY(um_nn_begin(s->nn, false, false, 0, 0));
    y = um_slice_tokens(s->nn, um_view_pass(s->nn, s->o.m, &view[0], false, NULL, false), 0, 1);
    r = text_of(s->nn, s->o.m, p);
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
    if (b->n < b->N) {
        UM_TRY(gather(s, b, x.cls, C));
        UM_TRY(gather(s, b, x.text, Ct));
    }
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
