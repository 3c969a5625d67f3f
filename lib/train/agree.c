/* agree.c - headers of streams against the configuration of a model */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/agree.h"

#include <string.h>

int um_data_adopt(const struct um_data *d, int64_t size, struct um_model_config *cfg)
{
    if (d->has_window)
        memcpy(cfg->window, d->window, sizeof cfg->window);
    if (d->has_cased)
        cfg->cased = d->cased;
    memcpy(cfg->vocab_digest, d->vocab, sizeof cfg->vocab_digest);
    if (size > 0 && d->vocab_size > 0 && size != d->vocab_size)
        return um_fail(UM_EMISMATCH, "the streams' vocabulary has %lld pieces, not %lld",
                       (long long)d->vocab_size, (long long)size);
    cfg->vocab = size > 0 ? size : d->vocab_size;
    if (cfg->vocab == 0)
        return um_fail(UM_EMISSING, "the streams do not say how large their vocabulary is: give "
                                    "--vocab FILE or --vocab-size N");
    return UM_OK;
}

int um_data_agree(const struct um_data *d, const struct um_model_config *cfg)
{
    if (d->has_window && memcmp(d->window, cfg->window, sizeof cfg->window) != 0)
        return um_fail(UM_EMISMATCH, "window: the model's is %g,%g HU, the streams' %g,%g",
                       cfg->window[0], cfg->window[1], d->window[0], d->window[1]);
    if (d->vocab[0] && cfg->vocab_digest[0] && strcmp(d->vocab, cfg->vocab_digest) != 0)
        return um_fail(UM_EMISMATCH, "vocabulary: the model's is %s, the streams' %s",
                       cfg->vocab_digest, d->vocab);
    if (d->vocab_size && d->vocab_size != cfg->vocab)
        return um_fail(UM_EMISMATCH, "vocabulary: the model's has %lld pieces, the streams' %lld",
                       (long long)cfg->vocab, (long long)d->vocab_size);
    if (d->has_cased && d->cased != cfg->cased)
        return um_fail(UM_EMISMATCH, "case: the model reads %s word pieces, the streams have %s",
                       cfg->cased ? "cased" : "lower-case", d->cased ? "cased" : "lower-case");
    return UM_OK;
}

/* what may be changed of a model however it came to be */
static void change(const struct um_start *s, struct um_model_config *c)
{
    if (s->proj_linear && !c->proj_linear)
        c->embed *= 4; /* 512 where the perceptron has 128 (5.1) */
    c->proj_linear = c->proj_linear || s->proj_linear;
    c->bn_shared   = c->bn_shared || s->bn_shared;
    c->slice_embed = c->slice_embed || s->slice_embed;
    c->slice       = s->slice == 0 ? c->slice : s->slice == c->image ? 0 : s->slice;
    if (s->head && c->prototypes == 0)
        um_model_preset_head(c);
    if (s->head && s->prototypes > 0)
        c->prototypes = s->prototypes;
}

/* what the options made of the sizes, by the options' names */
static int check_sizes(const struct um_start *s, const struct um_model_config *c)
{
    const int64_t    *v = c->volume, *p = c->patch3;
    const char *const opt = s->patch3[0] > 0 ? "--patch-3d" : "--volume";

    if (s->slice > 0 && s->slice % c->patch)
        return um_fail(UM_ERANGE, "--slice-size %lld: the patches of %lld x %lld must divide it",
                       (long long)s->slice, (long long)c->patch, (long long)c->patch);
    for (int i = 0; i < 3 && s->volume[0] + s->patch3[0] > 0; i++)
        if (v[i] % p[i])
            return um_fail(UM_ERANGE,
                           "%s: tokens of %lldx%lldx%lld must divide volumes of %lldx%lldx%lld",
                           opt, (long long)p[0], (long long)p[1], (long long)p[2], (long long)v[0],
                           (long long)v[1], (long long)v[2]);
    if (s->patch3[0] > 0 && c->inflate && (p[1] != c->patch || p[2] != c->patch))
        return um_fail(
            UM_ERANGE,
            "--patch-3d %lldx%lldx%lld: rows and columns must be %lld, as the patches of "
            "X-rays, which tokens of volumes begin as: %lldx%lldx%lld",
            (long long)p[0], (long long)p[1], (long long)p[2], (long long)c->patch, (long long)p[0],
            (long long)c->patch, (long long)c->patch);
    return UM_OK;
}

static int new_model(const struct um_start *s, const struct um_data *d, struct um_dev *dev,
                     struct um_model **m)
{
    struct um_model_config c;

    UM_TRY(um_model_preset(s->preset, &c));
    UM_TRY(um_data_adopt(d, s->vocab_size, &c));
    c.text_layers = s->text_layers > 0 ? s->text_layers : c.text_layers;
    c.norm_scale  = s->mgca ? 2 : c.norm_scale;
    c.norm_shift  = s->mgca ? -1 : c.norm_shift;
    if (s->volume[0] > 0)
        memcpy(c.volume, s->volume, sizeof c.volume);
    if (s->patch3[0] > 0)
        memcpy(c.patch3, s->patch3, sizeof c.patch3);
    change(s, &c);
    UM_TRY(check_sizes(s, &c));
    UM_TRY(um_model_new(m, dev, &c));
    return um_model_init(*m, s->seed);
}

/* sizes of a new model that were asked for beside weights that have others */
static int hold_sizes(const struct um_start *s, const struct um_model_config *c)
{
    const bool mgca = c->norm_scale == 2 && c->norm_shift == -1;

    if (s->text_layers > 0 && s->text_layers != c->text_layers)
        return um_fail(UM_EMISMATCH, "--text-layers %lld: the model of --init has %lld",
                       (long long)s->text_layers, (long long)c->text_layers);
    if (s->mgca && !mgca)
        return um_fail(UM_EMISMATCH, "--norm mgca: the model of --init reads %g x + %g",
                       c->norm_scale, c->norm_shift);
    if ((s->volume[0] > 0 && memcmp(s->volume, c->volume, sizeof c->volume) != 0) ||
        (s->patch3[0] > 0 && memcmp(s->patch3, c->patch3, sizeof c->patch3) != 0))
        return um_fail(
            UM_EMISMATCH,
            "--volume, --patch-3d: the model of --init has %lldx%lldx%lld in %lldx%lldx%lld",
            (long long)c->volume[0], (long long)c->volume[1], (long long)c->volume[2],
            (long long)c->patch3[0], (long long)c->patch3[1], (long long)c->patch3[2]);
    return UM_OK;
}

/* loaded weights under a configuration that may have grown */
static int grown(const struct um_start *s, struct um_dev *dev, struct um_model **m)
{
    struct um_model_config c   = (*m)->cfg;
    struct um_model       *old = *m;
    int                    st;

    change(s, &c);
    UM_TRY(check_sizes(s, &c));
    if (memcmp(&c, &old->cfg, sizeof c) == 0)
        return UM_OK;
    *m = NULL;
    if ((st = um_model_new(m, dev, &c)) >= 0 && (st = um_model_init(*m, s->seed)) >= 0)
        st = um_model_inherit(*m, old);
    um_model_free(old);
    return st;
}

int um_start_model(const struct um_start *s, const struct um_data *d, struct um_dev *dev,
                   struct um_model **m)
{
    *m = NULL;
    if (s->init && strcmp(s->init, "random") != 0) {
        UM_TRY(um_model_load(m, dev, s->init, NULL));
        UM_TRY(hold_sizes(s, &(*m)->cfg));
        UM_TRY(um_data_agree(d, &(*m)->cfg));
        UM_TRY(grown(s, dev, m));
    } else {
        UM_TRY(new_model(s, d, dev, m));
    }
    if (s->dropout >= 0)
        (*m)->cfg.text_dropout = s->dropout;
    return UM_OK;
}
