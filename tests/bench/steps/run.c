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
    void *p = calloc(1, n ? n : 1);

    if (!p)
        ok(um_fail(UM_ENOMEM, "out of memory"));
    return p;
}

/* of one encoder: it is measured whole, the other is as small as it can be */
static int configure(const struct work *w, struct um_model_config *c)
{
    UM_TRY(um_model_preset(w->preset, c));
    c->text_dropout = 0; /* the peer is measured without */
    if (w->what == METHOD)
        um_model_preset_head(c);
    if (w->what >= CONTRAST)
        return UM_OK;
    if (w->text) {
        c->width = c->heads = c->mlp = c->layers = 1;
        c->width = c->mlp = 16;
    } else {
        c->text_width = c->text_mlp = 16;
        c->text_heads = c->text_layers = 1;
        c->vocab = 64, c->text_positions = 16;
    }
    c->proj_hidden = 16;
    return UM_OK;
}

/* values like a new model's, but drawn quickly: that of um_model_init takes longer than the runs */
static int draw(struct um_params *ps)
{
    const struct um_kernels *k    = um_dev_kernels(ps->dev);
    float                   *host = room((size_t)ps->total * sizeof *host);
    uint32_t                 x    = 1;
    int                      st   = um_params_alloc(ps);

    for (int i = 0; i < ps->n; i++) {
        const struct um_param *p = &ps->list[i];

        for (int64_t j = p->offset; j < p->offset + p->count; j++) {
            x       = x * 1664525u + 1013904223u;
            host[j] = p->init == UM_INIT_ZERO    ? 0
                      : p->init == UM_INIT_ONE   ? 1
                      : p->init == UM_INIT_CONST ? p->value
                                                 : (float)(x >> 8) * (0.07f / (1 << 24)) - 0.035f;
        }
    }
    if (st >= 0)
        st = k->upload(ps->dev, ps->value, host, (size_t)ps->total * sizeof *host);
    free(host);
    return st;
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
    const int64_t v = w->slices ? w->batch * c->volume[0] * c->volume[1] * c->volume[2] : 0;

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

/* a batch as the loader gives it */
static void batch(struct run *r)
{
    const struct work *w = r->w;

    r->rows = room((size_t)w->batch * sizeof *r->rows);
    r->text = room((size_t)w->batch * sizeof *r->text);
    r->key  = room((size_t)w->batch * sizeof *r->key);
    for (int64_t i = 0; i < w->batch; i++) {
        r->rows[i] = (int32_t)report_length[i % 8];
        r->text[i] = (uint64_t)i + 1;
        r->key[i]  = "record";
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
                                  .patient = r->text,
                                  .key     = r->key };
}

/* a step's memory, with METHOD the teacher's too */
static int step_open(struct run *r)
{
    const struct work *w = r->w;

    r->method = (struct um_method)UM_METHOD_INIT;
    if (w->what == CONTRAST) {
        r->method.lambda_icl = r->method.lambda_pcl = 0;
        r->method.select                            = UM_SELECT_NONE;
    } else {
        UM_TRY(um_model_teacher(&r->teacher, r->m));
        UM_TRY(um_model_centres(&r->centres, r->dev, &r->m->cfg, false));
    }
    return um_step_new(&r->step, &(struct um_step_opts){ .m         = r->m,
                                                         .teacher   = r->teacher,
                                                         .centres   = r->centres,
                                                         .method    = &r->method,
                                                         .precision = w->dt,
                                                         .parts     = 1,
                                                         .most      = w->batch });
}

int run_on(struct run *r, struct um_dev *dev, const struct work *w)
{
    struct um_model_config c;
    const bool             grad = w->what != FORWARD;

    *r = (struct run){ .w = w, .dev = dev };
    UM_TRY(configure(w, &c));
    UM_TRY(um_model_new(&r->m, r->dev, &c));
    UM_TRY(draw(r->m->ps));
    if (grad)
        UM_TRY(um_params_grad(r->m->ps));
    if (w->what >= UPDATE)
        UM_TRY(um_adamw_new(&r->opt, r->m->ps, &(struct um_adamw_opts)UM_ADAMW_INIT));
    inputs(r);
    batch(r);
    if (w->what >= CONTRAST)
        return step_open(r);
    return um_nn_new(&r->nn, r->dev, &(struct um_nn_opts){ .dtype = w->dt, .frozen = !grad });
}

int run_open(struct run *r, const char *device, struct um_pool *pool, const struct work *w)
{
    struct um_dev *dev;

    *r = (struct run){ .w = w };
    UM_TRY(um_dev_open(&dev, device, pool));
    return run_on(r, dev, w);
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
    free(r->rows);
    free(r->text);
    free(r->key);
    *r = (struct run){ .w = NULL };
}

size_t run_peak(const struct run *r)
{
    struct um_memory m = { 0 };

    ok(um_dev_kernels(r->dev)->memory(r->dev, &m));
    return m.peak;
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

static int encode(struct run *r)
{
    const bool     grad = r->w->what != FORWARD;
    struct um_var *y;

    UM_TRY(um_nn_begin(r->nn, grad, grad, 1, 1));
    if (grad)
        UM_TRY(um_params_zero_grad(r->m->ps));
    y = features(r);
    if (grad)
        UM_TRY(um_nn_backward(
            r->nn, um_cross_entropy(r->nn, um_cast(r->nn, y, UM_F32), r->target, false)));
    return um_nn_status(r->nn);
}

static int step(struct run *r)
{
    struct um_losses l;

    UM_TRY(um_step_begin(r->step, r->t++, 1));
    UM_TRY(um_step_add(r->step, &r->batch));
    return um_step_end(r->step, &l);
}

int run_once(struct run *r, double *seconds)
{
    const struct um_kernels *k = um_dev_kernels(r->dev);
    struct um_update         done;
    double                   t;

    UM_TRY(k->sync(r->dev));
    t = seconds_now();
    UM_TRY(r->step ? step(r) : encode(r));
    if (r->opt)
        UM_TRY(um_adamw_step(r->opt, 1e-6, &done));
    if (r->teacher)
        UM_TRY(um_step_follow(r->step, r->method.ema));
    UM_TRY(k->sync(r->dev));
    *seconds = seconds_now() - t;
    return UM_OK;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int run_median(struct run *r, int runs, double *seconds)
{
    double t[9];

    for (int i = 0; i < runs; i++)
        UM_TRY(run_once(r, &t[i]));
    qsort(t, (size_t)runs, sizeof *t, by_size);
    *seconds = t[runs / 2];
    return UM_OK;
}
