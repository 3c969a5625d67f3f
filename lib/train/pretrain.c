/* pretrain.c - the loop over steps and what happens between them */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/pretrain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "model/distill.h"
#include "train/guard.h"
#include "train/trainer.h"

enum { KEYS_SHOWN = 8, KEYS_BYTES = 1024, PATH_BYTES = 4096, TIMING_EVERY = 100, MOST_SKIPS = 20 };

/* ---- sizes ---- */

int64_t um_pretrain_steps(const struct um_data *d, const struct um_pretrain_opts *o,
                          int64_t *per_epoch)
{
    const int64_t n2 = d->train[UM_2D].n / o->batch[UM_2D];
    const int64_t n3 = d->train[UM_3D].n / o->batch[UM_3D];

    *per_epoch = o->mix == UM_MIX_JOINT ? (n2 < n3 ? n2 : n3) : n2 + n3;
    if (d->pipe)
        *per_epoch = o->steps;
    return o->steps > 0 ? o->steps : *per_epoch * o->epochs;
}

static int check_batches(const struct um_data *d, const struct um_pretrain_opts *o)
{
    static const char *const what[] = { "X-rays", "volumes" }, *const opt[] = { "-2d", "-3d" };
    const int64_t R = um_ranks_size(o->ranks);

    for (int m = 0; m < UM_MODALITIES; m++) {
        if (!d->pipe && d->train[m].n == 0 && o->mix == UM_MIX_JOINT)
            return um_fail(UM_EMISSING, "--mix joint: there are no %s to train on", what[m]);
        if (!d->pipe && d->train[m].n > 0 && d->train[m].n < o->batch[m])
            return um_fail(UM_ERANGE,
                           "%lld %s to train on do not fill a batch of %lld: give a "
                           "smaller --batch%s",
                           (long long)d->train[m].n, what[m], (long long)o->batch[m],
                           o->own[m] ? opt[m] : "");
        if ((d->pipe || d->train[m].n > 0) && o->batch[m] % (o->parts * R))
            return um_fail(UM_ERANGE,
                           "a batch of %lld %s does not divide into %lld rank%s x %lld part%s "
                           "(--accumulate)",
                           (long long)o->batch[m], what[m], (long long)R, R == 1 ? "" : "s",
                           (long long)o->parts, o->parts == 1 ? "" : "s");
    }
    return UM_OK;
}

int um_pretrain_check(const struct um_data *d, const struct um_model_config *cfg,
                      const struct um_pretrain_opts *o)
{
    const bool use[] = { d->pipe || d->train[UM_2D].n > 0, d->pipe || d->train[UM_3D].n > 0 };

    if (d->pipe && o->steps < 1)
        return um_fail(UM_EUSAGE, "a pipe does not say how long it is: give --steps N, after which "
                                  "the learning rate has come down");
    if (o->epochs > 0 || o->steps > 0)
        UM_TRY(check_batches(d, o));
    return um_method_check(&o->method, cfg, use);
}

/* ---- what is written, by one rank ---- */

static bool writes(const struct trainer *t)
{
    return um_ranks_rank(t->o->ranks) == 0;
}

int trainer_save_model(struct trainer *t, const char *name)
{
    char path[PATH_BYTES];

    if (snprintf(path, sizeof path, "%s/%s.safetensors", t->o->run, name) >= PATH_BYTES)
        return um_fail(UM_ERANGE, "%s: too long a name", t->o->run);
    return um_ranks_agree(t->o->ranks,
                          writes(t) ? um_model_save_run(t->now.m, t->now.teacher, t->meta, path)
                                    : UM_OK);
}

static int write_checkpoint(struct trainer *t)
{
    UM_TRY(um_runlog_sync(t->log, t->state.log_bytes));
    UM_TRY(um_checkpoint_write(t->o->run, &t->now, &t->state, t->meta));
    return um_checkpoint_prune(t->o->run, t->o->keep);
}

static int save(struct trainer *t)
{
    if (t->saved == t->state.step)
        return UM_OK;
    UM_TRY(um_ranks_agree(t->o->ranks, writes(t) ? write_checkpoint(t) : UM_OK));
    t->saved = t->state.step;
    return UM_OK;
}

/* ---- one step ---- */

/* "a, b, c and 141 more", for the message of a loss that is not finite */
static const char *keys_of(const struct um_batch *b, char *buf, size_t size)
{
    size_t n = 0;

    buf[0] = 0;
    for (int64_t i = 0; i < b->n && i < KEYS_SHOWN && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? ", " : "", b->key[i]);
    if (b->n > KEYS_SHOWN && n < size)
        (void)snprintf(buf + n, size - n, " and %lld more", (long long)b->n - KEYS_SHOWN);
    return buf;
}

/* The prototypes stay as they are in the first epoch (section 8); in a run of no more than one, in
 * the first fiftieth of its steps, which the first of 50 epochs is. */
static void hold_prototypes(struct trainer *t)
{
    const int     i     = um_params_find(t->now.m->ps, "head.last.weight_v");
    const int64_t first = t->steps > t->per_epoch ? t->per_epoch : (t->steps + 49) / 50;

    if (i >= 0 && um_method_distils(&t->o->method))
        t->now.optim->frozen[i] = t->state.step < first;
}

static int update(struct trainer *t, struct um_losses *l, struct um_logline *line)
{
    struct um_update done;
    int              st;

    UM_TRY(um_step_close(t->step));
    UM_TRY(um_model_theta_fetch(t->now.m, &t->theta[0]));
    UM_TRY(um_adamw_start(t->now.optim, line->lr, um_step_health(t->step)));
    UM_TRY(um_model_theta_fetch(t->now.m, &t->theta[1]));
    UM_TRY(um_ahead_look(t->ahead));
    st = um_step_end(t->step, l); /* the one wait of a step that decides nothing */
    if (st < 0) {
        um_adamw_undo(t->now.optim);
        return st;
    }
    line->loss        = l->loss;
    line->vl          = l->vl;
    line->icl         = l->icl;
    line->pcl         = l->pcl;
    line->temperature = exp(-(double)t->theta[0]);
    memcpy(line->sure, l->sure, sizeof line->sure);
    memcpy(line->spread, l->spread, sizeof line->spread);
    UM_TRY(um_adamw_finish(t->now.optim, &done));
    line->norm    = done.norm;
    line->clipped = done.clipped;
    UM_TRY(um_model_clamp_known(t->now.m, t->theta[1]));
    return um_step_follow(t->step, line->momentum);
}

/* a batch, and its lines of batches.tsv also where its loss is not finite, which all ranks know */
static int add_batch(struct trainer *t, const struct um_batch *b)
{
    const int st = um_step_add(t->step, b);

    if (st < 0 && st != UM_ENONFINITE)
        return st;
    UM_TRY(trainer_note_batch(t, b));
    return st < 0 ? um_ranks_agree(t->o->ranks, st) : st;
}

/* the batches of a step; keys of each for a message, their digests into one; one that is known not
 * to be finite leaves those after it unused, but not to the next step */
static int add_batches(struct trainer *t, const struct um_batch *b, struct um_logline *line,
                       char keys[UM_MODALITIES][KEYS_BYTES])
{
    const int n  = um_loader_per_step(t->loader);
    int       st = UM_OK, got;

    line->batch    = b->digest;
    line->modality = n > 1 ? "2d,3d" : mod_name(b->mod);
    for (int i = 0;; i++) {
        struct um_batch own = *b;

        UM_TRY(um_ahead_take(t->ahead, &own)); /* unused ones too: they are counted */
        if (st >= 0) {
            (void)keys_of(b, keys[i], KEYS_BYTES);
            st = add_batch(t, &own);
        }
        t->pairs += b->N;
        t->state.taken = b->taken;
        if (i + 1 == n || (st < 0 && st != UM_ENONFINITE))
            return st;
        if ((got = um_loader_next(t->loader, &b)) <= 0)
            return got < 0 ? got : um_fail(UM_EFORMAT, "a joint step without its second batch");
        line->batch = um_hash64((const uint64_t[]){ line->batch, b->digest }, 16);
    }
}

static int not_finite(const struct trainer *t, int st, const char *keys)
{
    if (t->saved < 0)
        return um_context(st, "step %lld, records %s; there is no checkpoint yet",
                          (long long)t->state.step, keys);
    return um_context(st, "step %lld, records %s; the last checkpoint is of step %lld",
                      (long long)t->state.step, keys, (long long)t->saved);
}

/* as if the step had not been: its line has no losses */
static int skip(struct trainer *t, struct um_logline *line)
{
    if (++t->skips > MOST_SKIPS)
        return um_context(UM_ENONFINITE, "%d steps in a row are not finite", MOST_SKIPS + 1);
    t->state.skipped++;
    line->loss = NAN;
    if (t->hooks->warn)
        t->hooks->warn(t->hooks->user, um_errmsg());
    return um_guard_restore(t->guard);
}

static int step(struct trainer *t, const struct um_batch *b)
{
    const int64_t     n = t->state.step, epoch = n / t->per_epoch;
    struct um_logline line                            = { .step        = n,
                                                          .epoch       = epoch,
                                                          .loss        = NAN,
                                                          .vl          = NAN,
                                                          .icl         = NAN,
                                                          .pcl         = NAN,
                                                          .lr          = um_schedule_lr(&t->lr, n),
                                                          .momentum    = NAN,
                                                          .temperature = NAN,
                                                          .norm        = NAN,
                                                          .sure        = { NAN, NAN },
                                                          .spread      = { NAN, NAN } };
    struct um_losses  l                               = { 0 };
    char              keys[UM_MODALITIES][KEYS_BYTES] = { "", "" };
    int               st;

    if (t->now.teacher)
        line.momentum = um_schedule_momentum(t->o->method.ema, n, t->steps);
    if (t->guard)
        UM_TRY(um_guard_keep(t->guard));
    hold_prototypes(t);
    UM_TRY(um_step_begin(t->step, n, epoch));
    if ((st = add_batches(t, b, &line, keys)) >= 0)
        st = update(t, &l, &line);
    if (st == UM_ENONFINITE) {
        (void)not_finite(t, st, keys[um_step_blame(t->step)]);
        if (!t->guard)
            return st;
        st = skip(t, &line);
    } else {
        t->skips = 0;
        trainer_watch(t, b->mod, &l);
    }
    UM_TRY(st);
    UM_TRY(um_runlog_line(t->log, &line));
    t->state.step++;
    if (t->hooks->told && writes(t))
        t->hooks->told(t->hooks->user,
                       &(struct um_pretrain_now){ t->state.step, t->steps, line.loss, t->held,
                                                  um_loader_waited(t->loader) });
    return UM_OK;
}

/* ---- between steps ---- */

static bool time_to_look(const struct trainer *t, bool epoch_end, bool last)
{
    const int64_t every = t->o->valid_every;

    return every > 0 && (last || (epoch_end && t->state.step / t->per_epoch % every == 0));
}

static int stopped(struct trainer *t)
{
    UM_TRY(save(t));
    return um_ranks_agree(
        t->o->ranks,
        um_fail(UM_ESTOPPED, "stopped after step %lld of %lld with a checkpoint: --resume goes on",
                (long long)t->state.step, (long long)t->steps));
}

/* a signal may reach one rank alone */
static int asked_to_stop(struct trainer *t)
{
    int64_t stop = t->state.step == t->o->stop_after;

    if (t->hooks->stop && t->hooks->stop(t->hooks->user))
        stop = 1;
    UM_TRY(um_ranks_max(t->o->ranks, &stop, 1));
    return stop ? stopped(t) : UM_OK;
}

/* after a step: held-out records, timing, checkpoint, a wish to stop */
static int between(struct trainer *t)
{
    const int64_t n         = t->state.step;
    const bool    epoch_end = n % t->per_epoch == 0, last = n == t->steps;

    if (time_to_look(t, epoch_end, last))
        UM_TRY(trainer_hold_out(t));
    if (epoch_end || last || n % TIMING_EVERY == 0) {
        UM_TRY(um_runlog_timing(t->log, n, (n - 1) / t->per_epoch, t->pairs,
                                um_loader_waited(t->loader)));
        t->pairs = 0;
    }
    if (last || (t->o->every > 0 ? n % t->o->every == 0 : epoch_end))
        UM_TRY(save(t));
    return last ? UM_OK : asked_to_stop(t);
}

static int loop(struct trainer *t)
{
    const struct um_batch *b;
    int                    st;

    while ((st = um_loader_next(t->loader, &b)) > 0) {
        UM_TRY(step(t, b));
        UM_TRY(between(t));
    }
    return st == UM_ESTOPPED ? stopped(t) : st;
}

/* ---- the run ---- */

/* theta = log(1/T), and the optimiser leaves it alone */
static int fix_temperature(struct trainer *t)
{
    struct um_params *ps    = t->now.m->ps;
    const int         i     = t->now.m->logit_scale;
    const float       theta = (float)log(1 / t->o->method.temperature);

    t->now.optim->frozen[i] = true;
    return um_dev_kernels(ps->dev)->upload(ps->dev, ps->value + ps->list[i].offset, &theta,
                                           sizeof theta);
}

/* what is in no loss of this run: decay alone would wear it down */
static void freeze(struct trainer *t)
{
    const struct um_params *ps = t->now.m->ps;

    for (int i = 0; i < ps->n; i++) {
        const bool head = strncmp(ps->list[i].name, "head.", 5) == 0;
        const bool text = strncmp(ps->list[i].name, "text.", 5) == 0;

        if ((head && !um_method_distils(&t->o->method)) || (text && t->o->method.freeze_text))
            t->now.optim->frozen[i] = true;
    }
}

static struct um_step_opts step_opts(struct trainer *t)
{
    const struct um_pretrain_opts *o = t->o;

    return (struct um_step_opts){ .m         = t->now.m,
                                  .teacher   = t->now.teacher,
                                  .centres   = t->now.centres,
                                  .method    = &o->method,
                                  .precision = o->precision,
                                  .recompute = o->recompute,
                                  .seed      = o->seed,
                                  .parts     = o->parts,
                                  .ranks     = o->ranks,
                                  .batches   = o->mix == UM_MIX_JOINT ? 2 : 1,
                                  .chosen    = t->keys ? trainer_note_part : NULL,
                                  .user      = t,
                                  .most      = trainer_batch(o) };
}

static int begin_networks(struct trainer *t)
{
    const struct um_pretrain_opts *o = t->o;
    struct um_model               *m = t->now.m;

    if (um_method_teaches(&o->method))
        UM_TRY(um_model_teacher(&t->now.teacher, m));
    if (um_method_distils(&o->method))
        UM_TRY(um_model_centres(&t->now.centres, m->ps->dev, &m->cfg, o->method.centres));
    UM_TRY(um_params_grad(m->ps));
    UM_TRY(um_adamw_new(&t->now.optim, m->ps, &o->optim));
    freeze(t);
    if (o->skip)
        UM_TRY(um_guard_new(&t->guard, m->ps));
    return o->method.temperature > 0 ? fix_temperature(t) : UM_OK;
}

static int64_t warmup_steps(const struct trainer *t)
{
    const double epochs = t->o->warmup;

    if (epochs < 0)
        return um_schedule_warmup(0.4, t->steps);
    return epochs * (double)t->per_epoch < (double)t->steps ? llround(epochs * (double)t->per_epoch)
                                                            : t->steps;
}

static int begin(struct trainer *t)
{
    const struct um_pretrain_opts *o       = t->o;
    const int64_t                  count[] = { t->d->train[UM_2D].n, t->d->train[UM_3D].n };

    t->steps = um_pretrain_steps(t->d, o, &t->per_epoch);
    t->lr    = (struct um_schedule){ o->lr_low, o->lr, warmup_steps(t), t->steps };
    t->saved = -1;
    t->held  = NAN;
    t->state = (struct um_state){ .best = INFINITY };
    UM_TRY(um_arena_new(&t->arena));
    UM_TRY(trainer_describe(t));
    UM_TRY(begin_networks(t));
    return um_sampler_open(&t->sampler, count, o->batch, o->mix, true, o->seed);
}

/* the folder as it is found: empty, or a run to go on with */
static int find_run(struct trainer *t)
{
    char *path;

    UM_TRY(um_mkdirs(t->o->run));
    UM_TRY(um_checkpoint_find(t->o->run, t->arena, &path));
    if (path && !t->o->resume)
        return um_fail(UM_EMISMATCH,
                       "%s: a run is here already (%s): --resume goes on with it, or name another "
                       "folder",
                       t->o->run, strrchr(path, '/') + 1);
    if (path) {
        UM_TRY(um_checkpoint_read(path, &t->now, &t->state, t->meta));
        if (t->state.step > t->steps)
            return um_fail(UM_EFORMAT, "%s: step %lld of a run of %lld", path,
                           (long long)t->state.step, (long long)t->steps);
        t->saved = t->state.step;
    }
    return UM_OK;
}

static int open_logs(struct trainer *t)
{
    UM_TRY(um_runlog_open(&t->log, t->o->run, t->o->batches, t->state.log_bytes));
    return um_checkpoint_prune(t->o->run, t->o->keep);
}

/* "cpu avx512", "cuda NVIDIA H100": a device's name without its number and its threads */
static void kind_of(const struct um_dev *dev, char *kind, size_t size)
{
    const char  *name = um_dev_name(dev);
    const size_t n = strcspn(name, ":,"), skip = strspn(name + n, ":0123456789");
    const char  *rest = name + n + skip;

    (void)snprintf(kind, size, "%.*s%.*s", (int)n, name, (int)strcspn(rest, ","), rest);
}

/* what must be the same on every rank: heads are computed by each, and must stay alike */
static int compare(struct trainer *t)
{
    char mine[2][64], first[2][64];

    memset(mine, 0, sizeof mine);
    (void)snprintf(mine[0], sizeof mine[0], "%s", t->d->digest);
    kind_of(t->now.m->ps->dev, mine[1], sizeof mine[1]);
    memcpy(first, mine, sizeof first);
    UM_TRY(um_ranks_bcast(t->o->ranks, first, sizeof first, 0));
    if (memcmp(first[0], mine[0], sizeof mine[0]) != 0)
        return um_fail(UM_EMISMATCH, "other data (%s) than rank 0 (%s)", mine[0], first[0]);
    if (memcmp(first[1], mine[1], sizeof mine[1]) != 0)
        return um_fail(UM_EMISMATCH,
                       "another processor (%s) than rank 0 (%s): UM_ISA makes CPUs alike; GPUs "
                       "must be of one kind",
                       mine[1], first[1]);
    return UM_OK;
}

/* all ranks look before one of them changes anything */
static int take_up(struct trainer *t)
{
    UM_TRY(um_ranks_agree(t->o->ranks, compare(t)));
    UM_TRY(um_ranks_agree(t->o->ranks, find_run(t)));
    return um_ranks_agree(t->o->ranks, writes(t) ? open_logs(t) : UM_OK);
}

/* a pipe that ends early has trained on all there was */
static int wind_up(struct trainer *t)
{
    char text[160];

    if (t->state.skipped > 0 && t->hooks->warn) {
        (void)snprintf(text, sizeof text, "%lld of %lld steps were passed over: not finite",
                       (long long)t->state.skipped, (long long)t->state.step);
        t->hooks->warn(t->hooks->user, text);
    }
    if (t->state.step < t->steps) {
        (void)snprintf(text, sizeof text, "the pipe ended after %lld of %lld steps",
                       (long long)t->state.step, (long long)t->steps);
        if (t->hooks->warn)
            t->hooks->warn(t->hooks->user, text);
        UM_TRY(save(t));
    }
    return UM_OK;
}

static int train(struct trainer *t)
{
    const struct um_step_opts   so = step_opts(t);
    const struct um_loader_opts lo = { .data    = t->d,
                                       .items   = t->d->train,
                                       .sampler = &t->sampler,
                                       .views   = (int)t->o->method.views,
                                       .seed    = t->o->seed,
                                       .from    = t->state.step,
                                       .to      = t->steps,
                                       .workers = t->o->workers,
                                       .rank    = um_ranks_rank(t->o->ranks),
                                       .ranks   = um_ranks_size(t->o->ranks),
                                       .window  = t->o->window,
                                       .taken   = t->state.taken,
                                       .stop    = t->d->pipe ? t->hooks->stop
                                                             : NULL, /* a pipe may keep us waiting */
                                       .user    = t->hooks->user };

    if (t->state.step < t->steps) {
        UM_TRY(um_step_new(&t->step, &so));
        if (*um_step_note(t->step) && t->hooks->warn)
            t->hooks->warn(t->hooks->user, um_step_note(t->step));
        if (t->state.step == 0 && t->o->valid_every > 0) /* what the run began with */
            UM_TRY(trainer_hold_out(t));
        UM_TRY(um_loader_open(&t->loader, &lo));
        UM_TRY(um_ahead_new(&t->ahead, t->now.m->ps->dev, t->loader));
        UM_TRY(loop(t));
        UM_TRY(wind_up(t));
    }
    return trainer_save_model(t, "model");
}

static int end(struct trainer *t, int st)
{
    struct um_dev *dev = t->now.m->ps->dev;
    char           text[UM_ERRMSG_MAX];

    (void)snprintf(text, sizeof text, "%s", um_errmsg());
    um_step_leave(t->step);
    (void)um_dev_kernels(dev)->sync(dev); /* what it still hands out goes to what is freed here */
    um_seterrmsg(text);
    um_ahead_free(t->ahead);
    um_loader_close(t->loader);
    um_sampler_close(&t->sampler);
    st = um_runlog_close(t->log, st);
    um_step_free(t->step);
    um_guard_free(t->guard);
    um_adamw_free(t->now.optim);
    um_params_free(t->now.centres);
    um_model_free(t->now.teacher);
    um_arena_free(t->arena);
    return st;
}

int um_pretrain_run(struct um_model *m, struct um_data *d, const struct um_pretrain_opts *o,
                    const struct um_pretrain_hooks *hooks)
{
    struct trainer t = { .now = { .m = m }, .d = d, .o = o, .hooks = hooks };
    int            st;

    if ((st = um_ranks_agree(o->ranks, um_pretrain_check(d, &m->cfg, o))) >= 0 &&
        (st = begin(&t)) >= 0 && (st = take_up(&t)) >= 0 && (st = trainer_note_begin(&t)) >= 0)
        st = train(&t);
    return end(&t, trainer_shortage(&t, st));
}

int um_pretrain_explain(struct um_model *m, struct um_data *d, const struct um_pretrain_opts *o,
                        const char *path)
{
    struct trainer t = { .now = { .m = m }, .d = d, .o = o };
    int            st;

    if ((st = um_pretrain_check(d, &m->cfg, o)) >= 0 && (st = begin(&t)) >= 0) {
        const struct um_step_opts so = step_opts(&t);

        st = trainer_explain(&t, &so, path);
    }
    return end(&t, st);
}
