/* pass.c - one part of a batch: decided about, encoded, compared with what the teacher saw */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/step_int.h"

#include <math.h>

/* ---- one part through the student ---- */

static int64_t rows_before(const struct um_part *p)
{
    const struct um_batch *b = p->b;
    int64_t                n = b->rows_before;

    for (int64_t i = 0; i < p->from * b->length; i++)
        n += b->mask[i] != 0;
    return n;
}

int step_pass_begin(struct um_step *s, const struct um_part *p, bool grad)
{
    UM_TRY(um_nn_begin(s->nn, grad, true, s->o.seed, (uint64_t)s->step));
    um_nn_place(s->nn, p->b->first + p->from, rows_before(p));
    return UM_OK;
}

struct um_var *step_texts(struct um_nn *nn, struct um_model *m, const struct um_part *p)
{
    const struct um_batch *b = p->b;

    return um_model_text(nn, m, p->n, b->length, b->ids + p->from * b->length,
                         b->mask + p->from * b->length);
}

/* a text encoder that does not learn is run without dropout and without a tape */
int step_freeze(struct um_step *s, struct pass *x)
{
    if (!s->reader)
        return UM_OK;
    UM_TRY(um_nn_begin(s->reader, false, false, 0, 0));
    x->read = um_cast(s->reader, step_texts(s->reader, s->o.m, &x->part), UM_F32);
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

    UM_TRY(step_pass_begin(e->s, &x->part, e->grad));
    x->text = x->read ? x->read : step_texts(e->s->nn, e->s->o.m, &x->part);
    return um_nn_status(e->s->nn);
}

int step_look(struct um_step *s, struct pass *x, bool grad)
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

void step_encode(struct um_step *s, struct pass *x, struct um_var *y[UM_VIEWS])
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
        x->text = x->read ? x->read : step_texts(nn, s->o.m, &x->part);
}

/* ---- self-distillation of a part ---- */

int step_distil(struct um_step *s, struct pass *x, struct um_var *const y[UM_VIEWS])
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

struct um_var *step_total(struct um_nn *nn, struct um_var *const *term, const float *w, int n)
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

/* ---- losses, which come to the host at the end of the step ---- */

int step_later(struct um_step *s, const struct um_var *x, double *sum, double share)
{
    return um_late_add(s->late, x, sum, share, s->batch);
}

int step_note(struct um_step *s, const struct pass *x, double share)
{
    if (x->icl)
        UM_TRY(step_later(s, x->icl, &s->sum.icl, share));
    return x->pcl ? step_later(s, x->pcl, &s->sum.pcl, share) : UM_OK;
}

int step_finite(void *losses)
{
    const struct um_losses *l = losses;
    const double            x = l->vl + l->icl + l->pcl;

    if (!isfinite(x))
        return um_fail(UM_ENONFINITE, "the loss is %g (vl %g, icl %g, pcl %g)", x, l->vl, l->icl,
                       l->pcl);
    return UM_OK;
}

/* after a sync of the device */
int step_settle(struct um_step *s)
{
    UM_TRY(um_late_settle(s->late, step_finite, &s->sum));
    if (s->means)
        um_means_settle(s->means);
    return UM_OK;
}
