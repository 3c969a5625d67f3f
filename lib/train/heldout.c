/* heldout.c - L_vl and retrieval on the held-out records; the best weights */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/gap.h"
#include "eval/retrieval.h"
#include "train/trainer.h"

/* the vectors of one modality's held-out records, in order */
struct held {
    int64_t   n, room;
    float    *v, *r; /* [room,E] */
    uint64_t *text, *patient;
    double    sum; /* of the losses of whole batches, times their pairs */
    int64_t   counted;
};

static void held_free(struct held *h)
{
    free(h->v);
    free(h->r);
    free(h->text);
    free(h->patient);
}

static int held_new(struct held *h, int64_t n, int64_t E)
{
    const size_t size = ((size_t)n + 1) * (size_t)E * sizeof(float);

    *h         = (struct held){ .room = n };
    h->v       = malloc(size);
    h->r       = malloc(size);
    h->text    = calloc((size_t)n + 1, sizeof *h->text);
    h->patient = calloc((size_t)n + 1, sizeof *h->patient);
    return h->v && h->r && h->text && h->patient ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

/* a number of each record of the whole batch */
static int collect(struct trainer *t, const struct um_batch *b, const uint64_t *own, uint64_t *all)
{
    memcpy(all + b->first, own, (size_t)b->n * sizeof *all);
    if (b->n == b->N)
        return UM_OK;
    return um_ranks_gather(t->o->ranks, all + b->first, (size_t)b->n * sizeof *all, all);
}

static int take(struct trainer *t, struct held *h, const struct um_batch *b, bool counts)
{
    const int64_t E = t->now.m->cfg.embed;
    double        loss;

    const int st = um_step_judge(t->step, b, &loss, h->v + h->n * E, h->r + h->n * E);
    if (st == UM_ENONFINITE)
        return um_context(st, "held-out records from %s on, after step %lld", b->key[0],
                          (long long)t->state.step);
    UM_TRY(st);
    if (!isfinite(loss))
        return um_fail(UM_ENONFINITE, "held-out loss is %g after step %lld", loss,
                       (long long)t->state.step);
    UM_TRY(collect(t, b, b->text, h->text + h->n));
    UM_TRY(collect(t, b, b->patient, h->patient + h->n));
    h->n += b->N;
    if (counts) {
        h->sum += loss * (double)b->N;
        h->counted += b->N;
    }
    return UM_OK;
}

/* n records of one modality from `first` on, in batches of `size` */
static int pass(struct trainer *t, enum um_modality mod, int64_t first, int64_t n, int64_t size,
                bool counts, struct held *h)
{
    const int64_t          count[] = { mod == UM_2D ? n : 0, mod == UM_3D ? n : 0 };
    const int64_t          sizes[] = { size, size };
    const int              R       = um_ranks_size(t->o->ranks);
    const bool             shared  = size % R == 0; /* else every rank does all of it */
    const struct um_batch *b;
    struct um_loader      *l = NULL;
    struct um_sampler      s;
    int                    st;

    UM_TRY(um_sampler_open(&s, count, sizes, UM_MIX_SEPARATE, false, 0));
    um_sampler_from(&s, mod, first);
    const struct um_loader_opts lo = { .data    = t->d,
                                       .items   = t->d->valid,
                                       .sampler = &s,
                                       .centre  = true,
                                       .workers = t->o->workers,
                                       .rank    = shared ? um_ranks_rank(t->o->ranks) : 0,
                                       .ranks   = shared ? R : 1,
                                       .to      = um_sampler_steps(&s) };

    st = um_loader_open(&l, &lo);
    while (st >= 0 && (st = um_loader_next(l, &b)) > 0)
        st = take(t, h, b, counts);
    um_loader_close(l);
    um_sampler_close(&s);
    return st;
}

/* whole batches, whose loss counts, and what is left, whose vectors do; fewer than a batch are one
 */
static int look_at(struct trainer *t, enum um_modality mod, struct held *h)
{
    const int64_t n = t->d->valid[mod].n, size = t->o->batch[mod], whole = n / size * size;

    UM_TRY(held_new(h, n, t->now.m->cfg.embed));
    if (whole > 0)
        UM_TRY(pass(t, mod, 0, whole, size, true, h));
    if (n - whole > 1 || (n == 1 && whole == 0)) /* one pair alone has no loss, and no rival */
        UM_TRY(pass(t, mod, whole, n - whole, n - whole, whole == 0 && n > 1, h));
    return UM_OK;
}

static void recall(const struct um_recall *r, double out[4])
{
    memcpy(out, (const double[]){ r->r1, r->r5, r->r10, r->median }, 4 * sizeof *out);
}

static struct um_validline blank(const struct trainer *t, const char *set)
{
    struct um_validline line = { .step  = t->state.step,
                                 .epoch = t->state.step / t->per_epoch,
                                 .set   = set,
                                 .loss  = NAN,
                                 .own   = NAN };

    line.others = line.cross_1 = line.strict[0] = line.strict[1] = NAN;
    for (int i = 0; i < 4; i++)
        line.i2t[i] = line.t2i[i] = NAN;
    return line;
}

static int one_line(struct trainer *t, enum um_modality mod, const struct held *h)
{
    struct um_validline line = blank(t, mod_name(mod));
    struct um_retrieval found;

    if (h->n == 0)
        return UM_OK;
    UM_TRY(um_retrieval_run(t->o->pool, h->v, h->r, h->text, h->n, t->now.m->cfg.embed, &found));
    line.pairs = h->n;
    line.loss  = h->counted > 0 ? h->sum / (double)h->counted : NAN;
    recall(&found.i2t_same, line.i2t);
    recall(&found.t2i_same, line.t2i);
    line.strict[0] = found.i2t.r1;
    line.strict[1] = found.t2i.r1;
    return um_runlog_valid(t->log, &line);
}

/* both modalities: the loss that chooses the best weights, and how near a patient's two are */
static int all_line(struct trainer *t, const struct held h[UM_MODALITIES])
{
    struct um_validline line    = blank(t, "all");
    const int64_t       counted = h[UM_2D].counted + h[UM_3D].counted;
    struct um_gap_pairs gap;

    UM_TRY(um_gap_pairs(t->o->pool, h[UM_2D].v, h[UM_2D].patient, h[UM_2D].n, h[UM_3D].v,
                        h[UM_3D].patient, h[UM_3D].n, t->now.m->cfg.embed, &gap));
    line.pairs   = h[UM_2D].n + h[UM_3D].n;
    line.loss    = counted > 0 ? (h[UM_2D].sum + h[UM_3D].sum) / (double)counted : NAN;
    line.own     = gap.same;
    line.others  = gap.other;
    line.cross_1 = gap.r1;
    t->held      = line.loss;
    return um_runlog_valid(t->log, &line);
}

static int hold_out(struct trainer *t, struct held h[UM_MODALITIES])
{
    for (int m = 0; m < UM_MODALITIES; m++)
        UM_TRY(look_at(t, (enum um_modality)m, &h[m]));
    if (h[UM_2D].n + h[UM_3D].n == 0)
        return UM_OK;
    for (int m = 0; m < UM_MODALITIES; m++)
        UM_TRY(one_line(t, (enum um_modality)m, &h[m]));
    UM_TRY(all_line(t, h));
    if (!(t->held < t->state.best))
        return UM_OK;
    t->state.best      = t->held;
    t->state.best_step = t->state.step;
    return trainer_save_model(t, "best");
}

int trainer_hold_out(struct trainer *t)
{
    struct held h[UM_MODALITIES] = { { 0 } };
    const int   st               = hold_out(t, h);

    for (int m = 0; m < UM_MODALITIES; m++)
        held_free(&h[m]);
    return st;
}
