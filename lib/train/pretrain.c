/* pretrain.c - the loop over steps and what happens at the end of an epoch */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/pretrain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/checkpoint.h"
#include "train/runlog.h"
#include "train/schedule.h"
#include "train/step.h"

enum { KEYS_SHOWN = 8, PATH_BYTES = 4096, TIMING_EVERY = 100 };

struct trainer {
    struct um_model                *m;
    const struct um_data           *d;
    const struct um_pretrain_opts  *o;
    const struct um_pretrain_hooks *hooks;

    struct um_arena   *arena;
    struct um_nn      *nn;
    struct um_adamw   *optim;
    struct um_sampler  sampler;
    struct um_loader  *loader;
    struct um_runlog  *log;
    struct um_schedule lr;
    const char       **meta; /* what a resumed run must agree with */
    struct um_state    state;
    int64_t            steps, per_epoch;
    int64_t            saved; /* step of the newest checkpoint, -1: none */
    int64_t            pairs; /* since the last timing line */
    double             held;
};

/* ---- sizes ---- */

static const char *mod_name(enum um_modality mod)
{
    return mod == UM_2D ? "2d" : "3d";
}

int um_temperature_parse(const char *text, double *temperature)
{
    char *end;

    *temperature = 0;
    if (strcmp(text, "learned") == 0)
        return UM_OK;
    *temperature = strtod(text, &end);
    return end != text && !*end && *temperature >= 0.01 && *temperature <= 1e6
               ? UM_OK
               : um_fail(UM_EUSAGE, "--temperature %s: expected learned, or a number from 0.01",
                         text);
}

int64_t um_pretrain_steps(const struct um_data *d, const struct um_pretrain_opts *o,
                          int64_t *per_epoch)
{
    *per_epoch = 0;
    for (int m = 0; m < UM_MODALITIES; m++)
        *per_epoch += d->train[m].n / o->batch[m];
    return *per_epoch * o->epochs;
}

int um_pretrain_check(const struct um_data *d, const struct um_pretrain_opts *o)
{
    static const char *const what[] = { "X-rays", "volumes" }, *const opt[] = { "2d", "3d" };

    for (int m = 0; m < UM_MODALITIES; m++)
        if (o->epochs > 0 && d->train[m].n > 0 && d->train[m].n < o->batch[m])
            return um_fail(UM_ERANGE,
                           "%lld %s to train on do not fill a batch of %lld: give a "
                           "smaller --batch-%s",
                           (long long)d->train[m].n, what[m], (long long)o->batch[m], opt[m]);
    return UM_OK;
}

static int explain(const struct um_data *d, const struct um_model *m,
                   const struct um_pretrain_opts *o, struct um_outfile *out)
{
    static const char *const prefix[] = { "vision.", "text.", "proj.vision.", "proj.text.", "" };
    int64_t                  per_epoch;
    const int64_t            steps = um_pretrain_steps(d, o, &per_epoch);

    for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++)
        UM_TRY(um_outfile_printf(out, "parameters\t%s\t%lld\n", *prefix[i] ? prefix[i] : "all",
                                 (long long)um_params_count(m->ps, prefix[i])));
    for (int i = 0; i < UM_MODALITIES; i++)
        UM_TRY(um_outfile_printf(out, "pairs %s\ttrain %lld\tvalid %lld\tbatch %lld\n",
                                 mod_name((enum um_modality)i), (long long)d->train[i].n,
                                 (long long)d->valid[i].n, (long long)o->batch[i]));
    return um_outfile_printf(out, "steps\tan epoch %lld\tall %lld\n", (long long)per_epoch,
                             (long long)steps);
}

int um_pretrain_explain(const struct um_data *d, const struct um_model *m,
                        const struct um_pretrain_opts *o, const char *path)
{
    struct um_outfile *out;

    UM_TRY(um_outfile_open(&out, path));
    return um_outfile_close(out, explain(d, m, o, out), 0);
}

/* ---- what a resumed run must agree with ---- */

static int describe(struct trainer *t)
{
    const struct um_pretrain_opts *o      = t->o;
    static const char *const       clip[] = { "none", "tensor", "global" };
    struct um_arena               *a      = t->arena;
    const char *const              meta[] = {
                     "train.data",         t->d->digest,
                     "train.seed",         um_sprintf(a, "%llu", (unsigned long long)o->seed),
                     "train.epochs",       um_sprintf(a, "%lld", (long long)o->epochs),
                     "train.batch-2d",     um_sprintf(a, "%lld", (long long)o->batch[UM_2D]),
                     "train.batch-3d",     um_sprintf(a, "%lld", (long long)o->batch[UM_3D]),
                     "train.lr",           um_sprintf(a, "%.17g", o->lr),
                     "train.lr-low",       um_sprintf(a, "%.17g", o->lr_low),
                     "train.warmup",       um_sprintf(a, "%.17g", o->warmup),
                     "train.weight-decay", um_sprintf(a, "%.17g", o->optim.weight_decay),
                     "train.decay-all",    o->optim.decay_all ? "yes" : "no",
                     "train.clip",         um_sprintf(a, "%s:%.17g", clip[o->optim.clip], o->optim.max_norm),
                     "train.temperature",  um_sprintf(a, "%.17g", o->temperature),
                     "train.precision",    um_dtype_name(o->precision),
    };
    const size_t n = sizeof meta / sizeof *meta;

    for (size_t i = 0; i < n; i++)
        if (!meta[i])
            return UM_ENOMEM;
    if (!(t->meta = um_calloc_array(a, (int64_t)n + 1, sizeof *t->meta)))
        return UM_ENOMEM;
    memcpy(t->meta, meta, sizeof meta);
    return UM_OK;
}

/* ---- the end of an epoch ---- */

static int log_held(struct trainer *t, const char *modality, double loss)
{
    const struct um_logline line = { .step     = t->state.step,
                                     .epoch    = t->state.step / t->per_epoch,
                                     .set      = "valid",
                                     .modality = modality,
                                     .loss     = loss,
                                     .lr       = NAN,
                                     .theta    = NAN,
                                     .norm     = NAN };

    return um_runlog_line(t->log, &line);
}

/* sums of losses over the batches of one pass through the held-out records */
static int held_sums(struct trainer *t, struct um_loader *l, double *sum, int64_t *n)
{
    const struct um_batch *b;
    float                  loss;
    int                    st;

    while ((st = um_loader_next(l, &b)) > 0) {
        UM_TRY(um_nn_begin(t->nn, false, false, t->o->seed, (uint64_t)b->step));
        struct um_var *y = um_step_loss(t->nn, t->m, b);

        UM_TRY(um_nn_status(t->nn));
        UM_TRY(um_nn_read(t->nn, y, &loss));
        if (!isfinite(loss))
            return um_fail(UM_ENONFINITE, "held-out loss is %g after step %lld", (double)loss,
                           (long long)t->state.step);
        sum[b->mod] += (double)loss * (double)b->n;
        n[b->mod] += b->n;
    }
    return st;
}

static int held_pass(struct trainer *t, double *sum, int64_t *n)
{
    const int64_t     count[] = { t->d->valid[UM_2D].n, t->d->valid[UM_3D].n };
    int64_t           size[UM_MODALITIES];
    struct um_sampler s;
    struct um_loader *l = NULL;
    int               st;

    for (int m = 0; m < UM_MODALITIES; m++) { /* a small held-out part is one batch */
        size[m] = count[m] < t->o->batch[m] ? count[m] : t->o->batch[m];
        size[m] = size[m] < 2 ? 2 : size[m]; /* one pair alone has no loss */
    }
    UM_TRY(um_sampler_open(&s, count, size, UM_MIX_SEPARATE, false, 0));
    const struct um_loader_opts lo = { .data    = t->d,
                                       .items   = t->d->valid,
                                       .sampler = &s,
                                       .centre  = true,
                                       .to      = um_sampler_steps(&s) };
    st                             = um_sampler_steps(&s) ? um_loader_open(&l, &lo) : UM_OK;
    if (st >= 0 && l)
        st = held_sums(t, l, sum, n);
    um_loader_close(l);
    um_sampler_close(&s);
    return st;
}

static int path_in(const struct trainer *t, const char *name, char *path)
{
    if (snprintf(path, PATH_BYTES, "%s/%s", t->o->run, name) >= PATH_BYTES)
        return um_fail(UM_ERANGE, "%s: too long a name", t->o->run);
    return UM_OK;
}

/* L_vl on the held-out pairs; the best weights are kept */
static int hold_out(struct trainer *t)
{
    double  sum[UM_MODALITIES] = { 0 };
    int64_t n[UM_MODALITIES]   = { 0 };
    char    path[PATH_BYTES];

    UM_TRY(held_pass(t, sum, n));
    for (int m = 0; m < UM_MODALITIES; m++)
        if (n[m] > 0)
            UM_TRY(log_held(t, mod_name((enum um_modality)m), sum[m] / (double)n[m]));
    if (n[UM_2D] + n[UM_3D] == 0)
        return UM_OK;
    t->held = (sum[UM_2D] + sum[UM_3D]) / (double)(n[UM_2D] + n[UM_3D]);
    UM_TRY(log_held(t, "all", t->held));
    if (!(t->held < t->state.best))
        return UM_OK;
    t->state.best      = t->held;
    t->state.best_step = t->state.step;
    UM_TRY(path_in(t, "best.safetensors", path));
    return um_model_save(t->m, path);
}

static int save(struct trainer *t)
{
    if (t->saved == t->state.step)
        return UM_OK;
    t->state.updates = t->optim->updates;
    UM_TRY(um_runlog_sync(t->log, &t->state.log_bytes));
    UM_TRY(um_checkpoint_write(t->o->run, t->m, t->optim, &t->state, t->meta));
    t->saved = t->state.step;
    return um_checkpoint_prune(t->o->run, t->o->keep);
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

static int update(struct trainer *t, const struct um_batch *b, struct um_logline *line)
{
    struct um_update done;
    float            loss, theta;

    UM_TRY(um_nn_begin(t->nn, true, true, t->o->seed, (uint64_t)t->state.step));
    struct um_var *y = um_step_loss(t->nn, t->m, b);
    UM_TRY(um_nn_status(t->nn));
    UM_TRY(um_nn_read(t->nn, y, &loss));
    if (!isfinite(loss))
        return um_fail(UM_ENONFINITE, "the loss is %g", (double)loss);
    UM_TRY(um_params_zero_grad(t->m->ps));
    UM_TRY(um_nn_backward(t->nn, y));
    UM_TRY(um_model_theta(t->m, &theta));
    line->loss  = (double)loss;
    line->theta = (double)theta;
    line->lr    = um_schedule_lr(&t->lr, t->state.step);
    UM_TRY(um_adamw_step(t->optim, line->lr, &done));
    line->norm    = done.norm;
    line->clipped = done.clipped;
    return um_model_clamp(t->m);
}

static int step(struct trainer *t, const struct um_batch *b)
{
    struct um_logline line = { .step     = t->state.step,
                               .epoch    = t->state.step / t->per_epoch,
                               .set      = "train",
                               .modality = mod_name(b->mod) };
    char              keys[1024];
    int               st = update(t, b, &line);

    if (st == UM_ENONFINITE)
        return um_context(st, "step %lld, records %s", (long long)t->state.step,
                          keys_of(b, keys, sizeof keys));
    UM_TRY(st);
    UM_TRY(um_runlog_line(t->log, &line));
    t->state.step++;
    t->pairs += b->n;
    if (t->hooks->told)
        t->hooks->told(t->hooks->user,
                       &(struct um_pretrain_now){ t->state.step, t->steps, line.loss, t->held });
    return UM_OK;
}

/* after a step: held-out loss, timing, checkpoint, a wish to stop */
static int between(struct trainer *t)
{
    const int64_t n         = t->state.step;
    const bool    epoch_end = n % t->per_epoch == 0, last = n == t->steps;

    if (epoch_end)
        UM_TRY(hold_out(t));
    if (epoch_end || n % TIMING_EVERY == 0) {
        UM_TRY(um_runlog_timing(t->log, n, (n - 1) / t->per_epoch, t->pairs,
                                um_loader_waited(t->loader)));
        t->pairs = 0;
    }
    if (last || (t->o->every > 0 ? n % t->o->every == 0 : epoch_end))
        UM_TRY(save(t));
    if (last || ((!t->hooks->stop || !t->hooks->stop(t->hooks->user)) && n != t->o->stop_after))
        return UM_OK;
    UM_TRY(save(t));
    return um_fail(UM_ESTOPPED,
                   "stopped after step %lld of %lld with a checkpoint: --resume goes on",
                   (long long)n, (long long)t->steps);
}

static int loop(struct trainer *t)
{
    const struct um_batch *b;
    int                    st;

    while ((st = um_loader_next(t->loader, &b)) > 0) {
        UM_TRY(step(t, b));
        UM_TRY(between(t));
    }
    return st;
}

/* ---- the run ---- */

/* theta = log(1/T), and the optimiser leaves it alone */
static int fix_temperature(struct trainer *t)
{
    struct um_params *ps    = t->m->ps;
    const int         i     = t->m->logit_scale;
    const float       theta = (float)log(1 / t->o->temperature);

    t->optim->frozen[i] = true;
    return um_dev_kernels(ps->dev)->upload(ps->dev, ps->value + ps->list[i].offset, &theta,
                                           sizeof theta);
}

/* a distillation head that came with the weights is in no loss of this trainer: decay alone would
 * wear it down */
static void keep_head(struct trainer *t)
{
    for (int i = 0; i < t->m->ps->n; i++)
        if (strncmp(t->m->ps->list[i].name, "head.", 5) == 0)
            t->optim->frozen[i] = true;
}

static int begin(struct trainer *t)
{
    const struct um_pretrain_opts *o       = t->o;
    const int64_t                  count[] = { t->d->train[UM_2D].n, t->d->train[UM_3D].n };
    const struct um_nn_opts        nn      = { .dtype = o->precision, .recompute = o->recompute };

    t->steps = um_pretrain_steps(t->d, o, &t->per_epoch);
    t->lr    = (struct um_schedule){
           o->lr_low, o->lr,
        o->epochs > 0 ? um_schedule_warmup(o->warmup / (double)o->epochs, t->steps) : 0, t->steps
    };
    t->saved = -1;
    t->held  = NAN;
    t->state = (struct um_state){ .best = INFINITY };
    UM_TRY(um_arena_new(&t->arena));
    UM_TRY(describe(t));
    UM_TRY(um_nn_new(&t->nn, t->m->ps->dev, &nn));
    UM_TRY(um_params_grad(t->m->ps));
    UM_TRY(um_adamw_new(&t->optim, t->m->ps, &o->optim));
    keep_head(t);
    UM_TRY(um_sampler_open(&t->sampler, count, o->batch, UM_MIX_SEPARATE, true, o->seed));
    return o->temperature > 0 ? fix_temperature(t) : UM_OK;
}

/* the folder as it is found: empty, or a run to go on with */
static int take_up(struct trainer *t)
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
        UM_TRY(um_checkpoint_read(path, t->m, t->optim, &t->state, t->meta));
        if (t->state.step > t->steps)
            return um_fail(UM_EFORMAT, "%s: step %lld of a run of %lld", path,
                           (long long)t->state.step, (long long)t->steps);
        t->saved = t->state.step;
    }
    UM_TRY(um_runlog_open(&t->log, t->o->run, t->state.log_bytes));
    return um_checkpoint_prune(t->o->run, t->o->keep);
}

static int train(struct trainer *t)
{
    const struct um_loader_opts lo = { .data    = t->d,
                                       .items   = t->d->train,
                                       .sampler = &t->sampler,
                                       .seed    = t->o->seed,
                                       .from    = t->state.step,
                                       .to      = t->steps };
    char                        path[PATH_BYTES];

    if (t->state.step < t->steps) {
        UM_TRY(um_loader_open(&t->loader, &lo));
        UM_TRY(loop(t));
    }
    UM_TRY(path_in(t, "model.safetensors", path));
    return um_model_save(t->m, path);
}

int um_pretrain_run(struct um_model *m, const struct um_data *d, const struct um_pretrain_opts *o,
                    const struct um_pretrain_hooks *hooks)
{
    struct trainer t = { .m = m, .d = d, .o = o, .hooks = hooks };
    int            st;

    if ((st = um_pretrain_check(d, o)) >= 0 && (st = begin(&t)) >= 0 && (st = take_up(&t)) >= 0)
        st = train(&t);
    um_loader_close(t.loader);
    um_sampler_close(&t.sampler);
    st = um_runlog_close(t.log, st);
    um_adamw_free(t.optim);
    um_nn_free(t.nn);
    um_arena_free(t.arena);
    return st;
}
