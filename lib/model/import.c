/* import.c - a model from files: which files, what sizes, then checked and filled */
/* SPDX-License-Identifier: Apache-2.0 */
#include "model/import.h"

#include <string.h>

#include "model/import_int.h"

static const char *const GROUP[GROUPS]  = { "vision.", "text.", "" };
static const char        TEACHER[]      = "teacher.vision.";
static const char        WORDS[]        = "embeddings.word_embeddings.weight";
static const char *const SOURCE[GROUPS] = { "vision", "text", "the rest" };

enum group import_group(const char *name, const char **rest)
{
    for (int g = 0; g < GROUPS; g++)
        if (strncmp(name, GROUP[g], strlen(GROUP[g])) == 0) {
            *rest = name + strlen(GROUP[g]);
            return (enum group)g;
        }
    *rest = name;
    return REST;
}

int import_source(const struct import *im, int i, const char *name[UM_JOINED],
                  const struct um_tensor *t[UM_JOINED])
{
    const char          *rest;
    const struct supply *s = &im->supply[import_group(im->m->ps->list[i].name, &rest)];
    int                  n = 0;

    if (s->path)
        UM_TRY(n = um_foreign_source(&s->f, im->a, rest, name));
    for (int k = 0; k < n; k++)
        t[k] = um_weights_find(s->f.w, name[k]);
    return n;
}

/* ---- files ---- */

static bool any_under(const struct um_weights *w, const char *prefix)
{
    for (int i = 0; i < um_weights_count(w); i++)
        if (strncmp(um_weights_at(w, i)->name, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

/* group g out of our own file */
static int supply_ours(struct import *im, enum group g, const struct um_weights *w,
                       const char *path)
{
    struct supply *s      = &im->supply[g];
    const char    *prefix = g == VISION && im->o->teacher ? TEACHER : GROUP[g];

    s->path = path;
    s->ours = true;
    UM_TRY(um_model_config_parse(um_weights_meta(w, "um.config"), &s->cfg));
    if (g == VISION && im->o->teacher && !any_under(w, TEACHER))
        return um_fail(UM_EMISSING, "no teacher in it: no tensor %s*", TEACHER);
    um_foreign_ours(&s->f, w, g == TEXT ? UM_TEXT : UM_VISION, prefix);
    return UM_OK;
}

static int supply_theirs(struct import *im, enum group g, const struct um_weights *w,
                         const char *path)
{
    struct supply *s = &im->supply[g];

    s->path = path;
    UM_TRY(um_foreign_find(&s->f, im->a, w, (enum um_part)g, im->o->prefix));
    return UM_OK;
}

static int open_part(struct import *im, enum group g, const char *path)
{
    struct um_weights *w;
    int                st;

    if (!path)
        return UM_OK;
    UM_TRY(um_weights_open(&im->file[g], path));
    w  = im->file[g];
    st = um_weights_meta(w, "um.config") ? supply_ours(im, g, w, path)
                                         : supply_theirs(im, g, w, path);
    return st < 0 ? um_context(st, "%s", path) : UM_OK;
}

static int open_base(struct import *im)
{
    const char *path = im->o->base;
    int         st   = UM_OK;

    if (!path)
        return UM_OK;
    UM_TRY(um_weights_open(&im->base, path));
    if (!um_weights_meta(im->base, "um.config"))
        st = um_fail(UM_EMISSING, "no um.config in the metadata: not a model of um");
    for (int g = 0; g < GROUPS && st >= 0; g++)
        if (!im->supply[g].path)
            st = supply_ours(im, (enum group)g, im->base, path);
    return st < 0 ? um_context(st, "%s", path) : UM_OK;
}

static int open_files(struct import *im)
{
    const struct um_import *o = im->o;

    UM_TRY(open_part(im, VISION, o->vision));
    UM_TRY(open_part(im, TEXT, o->text));
    UM_TRY(open_base(im));
    if (o->teacher && !im->supply[VISION].ours)
        return um_fail(UM_EUSAGE, "a teacher is in models of um alone");
    if (o->pixels.n && (!im->supply[VISION].path || im->supply[VISION].ours))
        return um_fail(UM_EUSAGE, "pixels are said of a vision encoder that is not um's; a model "
                                  "of um says it itself");
    if (o->prefix && (!o->vision || im->supply[VISION].ours) && (!o->text || im->supply[TEXT].ours))
        return um_fail(UM_EUSAGE, "a prefix is said of names that are not um's");
    return UM_OK;
}

/* ---- sizes ---- */

static void adopt_vision(struct um_model_config *c, const struct um_model_config *from)
{
    c->width      = from->width;
    c->heads      = from->heads;
    c->mlp        = from->mlp;
    c->layers     = from->layers;
    c->image      = from->image;
    c->patch      = from->patch;
    c->norm_scale = from->norm_scale;
    c->norm_shift = from->norm_shift;
    c->inflate    = from->inflate;
    memcpy(c->volume, from->volume, sizeof c->volume);
    memcpy(c->patch3, from->patch3, sizeof c->patch3);
    memcpy(c->window, from->window, sizeof c->window);
}

static void adopt_text(struct um_model_config *c, const struct um_model_config *from)
{
    c->text_width     = from->text_width;
    c->text_heads     = from->text_heads;
    c->text_mlp       = from->text_mlp;
    c->text_layers    = from->text_layers;
    c->text_positions = from->text_positions;
    c->text_dropout   = from->text_dropout;
    c->vocab          = from->vocab;
    c->cased          = from->cased;
    memcpy(c->vocab_digest, from->vocab_digest, sizeof c->vocab_digest);
}

/* the vocabulary of a BERT is as large as its table, whatever the preset says */
static void adopt_words(struct import *im)
{
    const struct um_foreign *f    = &im->supply[TEXT].f;
    const char              *name = um_sprintf(im->a, "%s%s", f->prefix, WORDS);
    const struct um_tensor  *t    = name ? um_weights_find(f->w, name) : NULL;

    if (t && t->ndim == 2 && t->dim[0] >= 1)
        im->cfg.vocab = t->dim[0];
    im->cfg.vocab_digest[0] = 0;
}

static int adopt_vocabulary(struct import *im)
{
    const struct um_import *o = im->o;

    if (o->vocab <= 0)
        return UM_OK;
    if (im->supply[TEXT].path && im->cfg.vocab != o->vocab)
        return um_fail(UM_EMISMATCH, "%s: word embeddings of %lld pieces, the vocabulary has %lld",
                       im->supply[TEXT].path, (long long)im->cfg.vocab, (long long)o->vocab);
    im->cfg.vocab = o->vocab;
    memcpy(im->cfg.vocab_digest, o->vocab_digest, sizeof im->cfg.vocab_digest);
    return UM_OK;
}

static int configure(struct import *im)
{
    const struct um_import *o = im->o;
    struct um_model_config *c = &im->cfg;

    if (im->base)
        *c = im->supply[REST].cfg;
    else
        UM_TRY(um_model_preset(o->preset, c));
    if (im->supply[VISION].ours)
        adopt_vision(c, &im->supply[VISION].cfg);
    if (im->supply[TEXT].ours)
        adopt_text(c, &im->supply[TEXT].cfg);
    else if (im->supply[TEXT].path)
        adopt_words(im);
    if (o->config)
        UM_TRY(um_model_config_change(o->config, c));
    UM_TRY(adopt_vocabulary(im));
    c->text_layers = o->text_layers > 0 ? o->text_layers : c->text_layers;
    if (o->mgca >= 0) {
        c->norm_scale = o->mgca ? 2 : 1;
        c->norm_shift = o->mgca ? -1 : 0;
    }
    return UM_OK;
}

/* ---- the whole ---- */

static void tell(const struct import *im)
{
    for (int g = 0; g < GROUPS && im->o->told; g++) {
        const struct supply *s = &im->supply[g];
        const char          *line;

        if (s->path)
            line = um_sprintf(im->a, "%s: %d tensors of %s (%s, %s%s)", SOURCE[g], s->taken,
                              s->path, um_weights_format(s->f.w), um_foreign_kind(&s->f),
                              s->f.prefix[0] ? um_sprintf(im->a, ", under %s", s->f.prefix) : "");
        else
            line = um_sprintf(im->a, "%s: at random, by the seed", SOURCE[g]);
        if (line)
            im->o->told(im->o->user, line);
        if (s->left_out && (line = um_sprintf(im->a, "left out of %s: %s", s->path, s->left_out)))
            im->o->told(im->o->user, line);
    }
}

static int import(struct import *im, struct um_dev *dev)
{
    UM_TRY(open_files(im));
    UM_TRY(configure(im));
    UM_TRY(um_model_new(&im->m, dev, &im->cfg));
    /* the shapes first: a configuration that lies must not make us allocate what it claims */
    UM_TRY(import_check(im));
    tell(im);
    UM_TRY(um_params_alloc(im->m->ps));
    return import_values(im);
}

int um_model_import(struct um_model **m, struct um_dev *dev, const struct um_import *o)
{
    struct import im = { .o = o };
    int           st;

    *m = NULL;
    UM_TRY(um_arena_new(&im.a));
    st = import(&im, dev);
    um_weights_close(im.base);
    um_weights_close(im.file[VISION]);
    um_weights_close(im.file[TEXT]);
    um_arena_free(im.a);
    if (st < 0)
        um_model_free(im.m);
    else
        *m = im.m;
    return st < 0 ? st : UM_OK;
}
