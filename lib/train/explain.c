/* explain.c - the plan of a run: what follows from its sizes, and what a trial of each modality
 * measures
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/philox.h"
#include "model/distill.h"
#include "train/trainer.h"

enum { TRIALS = 2 }; /* sizes of a trial batch: 2 and 4 samples, for what grows with it */

/* ---- work: 24 C^2 T + 4 C T^2 multiply-adds a layer count as two operations each ---- */

static double layer_flops(double C, double mlp, double T)
{
    return 8 * C * C * T + 4 * C * mlp * T + 4 * C * T * T;
}

static double vision_flops(const struct um_model_config *c, int64_t tokens)
{
    return (double)c->layers * layer_flops((double)c->width, (double)c->mlp, (double)(1 + tokens));
}

/* of one sample in a step: the teacher's passes once, the student's thrice (2.3, 7.4) */
static double step_flops(const struct trainer *t, enum um_modality mod)
{
    const struct um_method       *o    = &t->o->method;
    const struct um_model_config *c    = &t->now.m->cfg;
    const int64_t                 K    = um_method_pairs(o, mod) ? o->slices : 0;
    const int64_t                 all  = um_sequence_tokens(c, mod, K);
    int64_t                       seen = all;
    double                        sum  = 0;

    if (K > 0 && o->select == UM_SELECT_ATTENTION)
        sum += vision_flops(c, um_model_tokens(c, mod));
    if (um_method_distils(o))
        sum += vision_flops(c, all) * (o->views > 1 && mod == UM_2D ? 2 : 1);
    if (o->drop && um_method_masks(o))
        seen = (int64_t)ceil(o->keep.share * (double)all);
    sum += 3 * vision_flops(c, seen) * (o->views > 1 && mod == UM_2D ? 2 : 1);
    if (o->full && um_method_masks(o))
        sum += 3 * vision_flops(c, all);
    return sum + (o->freeze_text ? 1 : 3) * (double)c->text_layers *
                     layer_flops((double)c->text_width, (double)c->text_mlp, (double)t->d->length);
}

/* ---- a trial ---- */

struct trial {
    double seconds;  /* a sample, forward and backward */
    double memory;   /* bytes that grow with each sample of a part */
    double constant; /* and those that do not */
};

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fill(struct trainer *t, enum um_modality mod, int64_t n, struct um_batch *b)
{
    const int64_t each = um_data_values(t->d, mod), T = t->d->length;
    struct um_rng r = um_rng_at(t->o->seed, UM_RNG_TEST, (uint64_t)n, 0);

    *b      = (struct um_batch){ .mod = mod, .N = n, .n = n, .length = T };
    b->x    = um_alloc_array(t->arena, n * each, sizeof *b->x);
    b->x2   = t->o->method.views > 1 && mod == UM_2D ? b->x : NULL;
    b->ids  = um_calloc_array(t->arena, n * T, sizeof *b->ids);
    b->mask = um_alloc_array(t->arena, n * T, 1);
    b->text = um_calloc_array(t->arena, n, sizeof *b->text);
    b->key  = um_calloc_array(t->arena, n, sizeof(*b->key));
    if (!b->x || !b->ids || !b->mask || !b->text || !b->key)
        return UM_ENOMEM;
    for (int64_t i = 0; i < n * each; i++)
        b->x[i] = (float)um_rng_uniform(&r);
    memset(b->mask, 1, (size_t)(n * T));
    for (int64_t i = 0; i < n; i++)
        b->key[i] = "made up";
    return UM_OK;
}

/* one step on n samples, twice: the first touches memory for the first time */
static int trial_of(struct trainer *t, const struct um_step_opts *so, enum um_modality mod,
                    int64_t n, double *seconds, double *peak)
{
    struct um_step_opts o = *so;
    struct um_losses    l;
    struct um_step     *s;
    struct um_batch     b;
    int                 st;

    o.parts = 1, o.most = n, o.ranks = NULL; /* the samples are all this rank's */
    UM_TRY(fill(t, mod, n, &b));
    UM_TRY(um_step_new(&s, &o));
    for (int i = 0; i < 2; i++) {
        const double start = now();

        if ((st = um_step_begin(s, 0, 0)) < 0 || (st = um_step_add(s, &b)) < 0 ||
            (st = um_step_end(s, &l)) < 0)
            break;
        *seconds = now() - start;
    }
    *peak = (double)um_step_peak(s);
    um_step_free(s);
    return st;
}

static int try_out(struct trainer *t, const struct um_step_opts *o, enum um_modality mod,
                   struct trial *out)
{
    double s[TRIALS], peak[TRIALS];

    for (int i = 0; i < TRIALS; i++)
        UM_TRY(trial_of(t, o, mod, 2 + 2 * i, &s[i], &peak[i]));
    out->seconds  = s[1] / 4;
    out->memory   = peak[1] > peak[0] ? (peak[1] - peak[0]) / 2 : peak[1] / 4;
    out->constant = fmax(peak[1] - 4 * out->memory, 0);
    return UM_OK;
}

/* seconds of an update */
static int try_update(struct trainer *t, double *seconds)
{
    struct um_update done;
    const double     start = now();

    UM_TRY(um_adamw_step(t->now.optim, 0, &done));
    if (t->now.teacher)
        UM_TRY(um_model_teach(t->now.teacher, t->now.m, 0));
    *seconds = now() - start;
    return UM_OK;
}

/* ---- lines ---- */

static int sizes(struct trainer *t, struct um_outfile *out)
{
    static const char *const      prefix[] = { "vision.",    "text.", "proj.vision.",
                                               "proj.text.", "head.", "" };
    const struct um_model_config *c        = &t->now.m->cfg;
    const struct um_method       *o        = &t->o->method;

    for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++)
        UM_TRY(um_outfile_printf(out, "parameters\t%s\t%lld\n", *prefix[i] ? prefix[i] : "all",
                                 (long long)um_params_count(t->now.m->ps, prefix[i])));
    if (t->now.teacher)
        UM_TRY(um_outfile_printf(out, "parameters\tteacher\t%lld\n",
                                 (long long)um_params_count(t->now.teacher->ps, "")));
    for (int m = 0; m < UM_MODALITIES; m++) {
        const enum um_modality mod = (enum um_modality)m;
        const int64_t          K   = um_method_pairs(o, mod) ? o->slices : 0;

        UM_TRY(um_outfile_printf(out, "pairs %s\ttrain %lld\tvalid %lld\tbatch %lld\n",
                                 mod_name(mod), (long long)t->d->train[m].n,
                                 (long long)t->d->valid[m].n, (long long)t->o->batch[m]));
        UM_TRY(um_outfile_printf(out, "tokens %s\t%lld\tGFLOP a sample and step\t%.3g\n",
                                 mod_name(mod), (long long)(1 + um_sequence_tokens(c, mod, K)),
                                 step_flops(t, mod) / 1e9));
    }
    return um_outfile_printf(out, "steps\tan epoch %lld\tall %lld\twarm-up %lld\n",
                             (long long)t->per_epoch, (long long)t->steps, (long long)t->lr.warmup);
}

static int decisions(const struct trainer *t, struct um_outfile *out)
{
    for (int i = 0; t->meta[i]; i += 2)
        UM_TRY(um_outfile_printf(out, "decision\t%s\t%s\n", t->meta[i] + strlen("train."),
                                 t->meta[i + 1]));
    return UM_OK;
}

/* steps of a modality in the whole run */
static double steps_of(const struct trainer *t, int m)
{
    const double n[] = { (double)(t->d->train[UM_2D].n / t->o->batch[UM_2D]),
                         (double)(t->d->train[UM_3D].n / t->o->batch[UM_3D]) };

    if (t->o->mix == UM_MIX_JOINT)
        return (double)t->steps;
    return n[0] + n[1] > 0 ? (double)t->steps * n[m] / (n[0] + n[1]) : 0;
}

static int measured(struct trainer *t, const struct um_step_opts *o, struct um_outfile *out)
{
    const double own   = 4 * (4 * (double)t->now.m->ps->total +
                            (t->now.teacher ? (double)t->now.teacher->ps->total : 0));
    double       hours = 0, most = 0, update = 0;

    for (int m = 0; m < UM_MODALITIES; m++) {
        const double part  = (double)(t->o->batch[m] / t->o->parts);
        const double again = t->o->parts > 1 ? 4.0 / 3 : 1; /* a second forward */
        struct trial x;

        if (t->d->train[m].n == 0)
            continue;
        UM_TRY(try_out(t, o, (enum um_modality)m, &x));
        x.seconds *= again;
        hours += steps_of(t, m) * (double)t->o->batch[m] * x.seconds / 3600;
        most = fmax(most, x.constant + x.memory * part);
        UM_TRY(um_outfile_printf(out, "measured %s\t%.3g samples/s\t%.3g GFLOP/s\t%.3g s a step\n",
                                 mod_name((enum um_modality)m), 1 / x.seconds,
                                 step_flops(t, (enum um_modality)m) / x.seconds / 1e9,
                                 x.seconds * (double)t->o->batch[m]));
    }
    UM_TRY(try_update(t, &update));
    hours += (double)t->steps * update / 3600;
    UM_TRY(um_outfile_printf(out,
                             "memory\tweights, gradients, moments, teacher %.0f MiB\t"
                             "activations %.0f MiB\n",
                             own / 1048576, most / 1048576));
    return um_outfile_printf(out, "expected\t%.3g hours on %s\n", hours,
                             um_dev_name(t->now.m->ps->dev));
}

int trainer_explain(struct trainer *t, const struct um_step_opts *o, const char *path)
{
    struct um_outfile *out;
    int                st;

    UM_TRY(um_outfile_open(&out, path));
    if ((st = sizes(t, out)) >= 0 && (st = decisions(t, out)) >= 0)
        st = t->d->pipe ? UM_OK : measured(t, o, out);
    return um_outfile_close(out, st, 0);
}
