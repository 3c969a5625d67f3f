/* run.c - the works themselves */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/steps/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model/distill.h"

const int64_t report_length[8] = { 112, 74, 58, 97, 41, 83, 66, 52 };

double seconds_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void ok(int st)
{
    if (st < 0) {
        (void)fprintf(stderr, "steps: %s\n", um_errmsg());
        exit(1);
    }
}

void *room(size_t n)
{
    void *p = calloc(1, n);

    if (!p)
        ok(um_fail(UM_ENOMEM, "out of memory"));
    return p;
}

/* of one encoder: it is measured whole, the other is as small as it can be */
static void configure(const struct work *w, struct um_model_config *c)
{
    ok(um_model_preset(w->preset, c));
    c->text_dropout = 0; /* the peer is measured without */
    if (w->what == METHOD) {
        um_model_preset_head(c);
        return;
    }
    if (w->text) {
        c->width = c->heads = c->mlp = c->layers = 1;
        c->width = c->mlp = 16;
    } else {
        c->text_width = c->text_mlp = 16;
        c->text_heads = c->text_layers = 1;
        c->vocab = 64, c->text_positions = 16;
    }
    c->proj_hidden = 16;
}

static void fill(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(i * 7919 % 1000) / 1000;
}

static void inputs(struct run *r)
{
    const struct work            *w = r->w;
    const struct um_model_config *c = &r->m->cfg;
    const int64_t                 n = w->batch * (w->slices ? w->slices : 1) * c->image * c->image;
    const int64_t                 v = w->batch * c->volume[0] * c->volume[1] * c->volume[2];

    r->x      = room((size_t)n * sizeof *r->x);
    r->volume = room((size_t)v * sizeof *r->volume);
    r->ids    = room((size_t)(w->batch * LENGTH) * sizeof *r->ids);
    r->mask   = room((size_t)(w->batch * LENGTH));
    r->target = room((size_t)w->batch * sizeof *r->target);
    fill(r->x, n);
    fill(r->volume, v);
    for (int64_t i = 0; i < w->batch * LENGTH; i++) {
        r->mask[i] = i % LENGTH < report_length[i / LENGTH % 8];
        r->ids[i]  = r->mask[i] ? (int32_t)(1 + i * 31 % 50) : 0;
    }
}

/* the teacher's memory, and a batch as the loader gives it */
static void method_open(struct run *r)
{
    const struct work *w = r->w;

    r->method = (struct um_method)UM_METHOD_INIT;
    ok(um_model_teacher(&r->teacher, r->m));
    ok(um_model_centres(&r->centres, r->dev, &r->m->cfg, false));
    ok(um_step_new(&r->step, &(struct um_step_opts){ .m         = r->m,
                                                     .teacher   = r->teacher,
                                                     .centres   = r->centres,
                                                     .method    = &r->method,
                                                     .precision = w->dt,
                                                     .parts     = 1,
                                                     .most      = w->batch }));
    for (int i = 0; i < 8; i++) {
        r->rows[i] = (int32_t)report_length[i];
        r->text[i] = r->patient[i] = (uint64_t)i + 1;
        r->key[i]                  = "record";
    }
    r->batch = (struct um_batch){ .mod     = w->slices ? UM_3D : UM_2D,
                                  .N       = w->batch,
                                  .n       = w->batch,
                                  .length  = LENGTH,
                                  .x       = w->slices ? r->volume : r->x,
                                  .ids     = r->ids,
                                  .mask    = r->mask,
                                  .rows    = r->rows,
                                  .text    = r->text,
                                  .patient = r->patient,
                                  .key     = r->key };
}

void run_open(struct run *r, struct um_pool *pool, const struct work *w)
{
    struct um_model_config c;
    const bool             grad = w->what != FORWARD;

    *r = (struct run){ .w = w };
    configure(w, &c);
    ok(um_dev_open(&r->dev, "cpu", pool));
    ok(um_model_new(&r->m, r->dev, &c));
    ok(um_model_init(r->m, 1));
    if (grad)
        ok(um_params_grad(r->m->ps));
    if (w->what >= UPDATE)
        ok(um_adamw_new(&r->opt, r->m->ps, &(struct um_adamw_opts)UM_ADAMW_INIT));
    inputs(r);
    if (w->what == METHOD)
        method_open(r);
    else
        ok(um_nn_new(&r->nn, r->dev, &(struct um_nn_opts){ .dtype = w->dt, .frozen = !grad }));
}

void run_close(struct run *r)
{
    um_step_free(r->step);
    um_params_free(r->centres);
    um_model_free(r->teacher);
    um_adamw_free(r->opt);
    um_nn_free(r->nn);
    um_model_free(r->m);
    um_dev_close(r->dev);
    free(r->x);
    free(r->volume);
    free(r->ids);
    free(r->mask);
    free(r->target);
}

/* the vector at [CLS] */
static struct um_var *features(struct run *r)
{
    const struct um_model_config *c = &r->m->cfg;
    const int64_t                 B = r->w->batch, K = r->w->slices ? r->w->slices : 1;
    const int64_t                 image[4]  = { B * K, 1, c->image, c->image };
    const int64_t                 volume[4] = { B, c->volume[0], c->volume[1], c->volume[2] };
    struct um_var                *x;

    if (r->w->text)
        return um_model_text(r->nn, r->m, B, LENGTH, r->ids, r->mask);
    x = um_nn_input(r->nn, UM_F32, 4, image, r->x);
    if (r->w->slices)
        x = um_model_pair(r->nn, r->m, um_nn_input(r->nn, UM_F32, 4, volume, r->volume), x, NULL);
    else
        x = um_model_vision(r->nn, r->m, UM_2D, x, NULL);
    return um_slice_tokens(r->nn, x, 0, 1);
}

static void encode(struct run *r)
{
    const bool     grad = r->w->what != FORWARD;
    struct um_var *y;

    ok(um_nn_begin(r->nn, grad, grad, 1, 1));
    if (grad)
        ok(um_params_zero_grad(r->m->ps));
    y = features(r);
    if (grad)
        ok(um_nn_backward(r->nn,
                          um_cross_entropy(r->nn, um_cast(r->nn, y, UM_F32), r->target, false)));
    ok(um_nn_status(r->nn));
}

double run_once(struct run *r)
{
    const double     t = seconds_now();
    struct um_losses l;
    struct um_update done;

    if (r->w->what == METHOD) {
        ok(um_step_begin(r->step, r->t++, 1));
        ok(um_step_add(r->step, &r->batch));
        ok(um_step_end(r->step, &l));
    } else {
        encode(r);
    }
    if (r->opt)
        ok(um_adamw_step(r->opt, 1e-6, &done));
    if (r->w->what == METHOD)
        ok(um_step_follow(r->step, r->method.ema));
    return seconds_now() - t;
}
