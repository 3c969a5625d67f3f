/* export.c - encoders under other people's names */
/* SPDX-License-Identifier: Apache-2.0 */
#include "model/export.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/model_int.h"
#include "weights/safetensors.h"

struct export
{
    const struct um_model             *m;
    const struct um_model_export_opts *o;
    struct um_arena                   *a;
    struct um_tensor                  *t; /* [n] of the encoder, under its new names */
    int                                n;
};

/* ---- what goes out ---- */

static bool ours_alone(const struct um_model *m, int i)
{
    const struct um_vit_params *v = m->vit;

    return i == v->mask_token || i == v->pos_embed_3d || i == v->patch3.w || i == v->patch3.b;
}

/* the encoder's tensors, whose names lose `vision.` or `text.`; those of index w and b in *kernel,
 * *bias */
static int collect(struct export *x, struct um_tensor **kernel, struct um_tensor **bias)
{
    const char        *prefix = x->o->form == UM_AS_TIMM ? "vision." : "text.";
    const struct pair *patch  = &x->m->vit->patch;
    struct um_tensor  *all;
    int                n;

    UM_TRY(um_model_tensors(x->m, x->m->ps->value, "", x->a, &all, &n));
    if (!(x->t = um_calloc_array(x->a, n, sizeof *x->t)))
        return UM_ENOMEM;
    for (int i = 0; i < n; i++) { /* the values: one tensor for each parameter */
        struct um_tensor *t = &x->t[x->n];

        if (strncmp(all[i].name, prefix, strlen(prefix)) != 0 || ours_alone(x->m, i))
            continue;
        *t = all[i];
        t->name += strlen(prefix);
        *kernel = i == patch->w ? t : *kernel;
        *bias   = i == patch->b ? t : *bias;
        x->n++;
    }
    return UM_OK;
}

/* T_2D over the channels and pixels of its reader */
static int spread(struct export *x, struct um_tensor *kernel, struct um_tensor *bias)
{
    static const struct um_pixels unit = { 1, { 0, 0, 0 }, { 1, 1, 1 } };
    const struct um_model_config *c    = &x->m->cfg;
    const int                     n    = x->o->channels;
    const int64_t                 m    = c->patch * c->patch;
    float                        *w    = um_alloc_array(x->a, c->width * n * m, sizeof *w);
    struct um_fold                f;

    if (!w)
        return UM_ENOMEM;
    UM_TRY(
        um_pixels_out(x->o->pixels.n ? &x->o->pixels : &unit, n, c->norm_scale, c->norm_shift, &f));
    um_fold_out(&f, n, kernel->data, c->width, m, w, bias->data);
    kernel->data   = w;
    kernel->dim[1] = n;
    return UM_OK;
}

/* float32 to the type wanted */
static int narrow(const struct export *x, struct um_tensor *t)
{
    const enum um_dtype dt = x->o->dtype;
    const int64_t       n  = um_tensor_count(t);
    const float        *f  = t->data;
    uint16_t           *h;

    if (dt == UM_F32)
        return UM_OK;
    if (!(h = um_alloc_array(x->a, n, sizeof *h)))
        return UM_ENOMEM;
    for (int64_t i = 0; i < n; i++) {
        h[i] = dt == UM_F16 ? um_f32_to_f16(f[i]) : um_f32_to_bf16(f[i]);
        if (!isfinite(um_elem_get(h, dt, i)))
            return um_fail(UM_ENONFINITE, "%s: element %lld is %g, too large for %s", t->name,
                           (long long)i, (double)f[i], um_dtype_name(dt));
    }
    t->data  = h;
    t->dtype = dt;
    return UM_OK;
}

/* ---- what was done ---- */

static json_t *numbers(const double *x)
{
    return json_pack("[f,f,f]", x[0], x[1], x[2]);
}

static int describe(const struct export *x, const char **text)
{
    static const double           zero[3] = { 0, 0, 0 }, one[3] = { 1, 1, 1 };
    const struct um_model_config *c = &x->m->cfg;
    const struct um_pixels       *p = &x->o->pixels;
    char                          digest[33], *dump;
    json_t                       *o;

    UM_TRY(um_model_digest(x->m, digest));
    if (x->o->form == UM_AS_TIMM)
        o = json_pack("{ss,ss,ss,sI,sI,sI,si,so,so}", "to", "timm", "model", digest, "dtype",
                      um_dtype_name(x->o->dtype), "heads", (json_int_t)c->heads, "image",
                      (json_int_t)c->image, "patch", (json_int_t)c->patch, "channels",
                      x->o->channels, "mean", numbers(p->n ? p->mean : zero), "std",
                      numbers(p->n ? p->std : one));
    else
        o = json_pack("{ss,ss,ss,sI,sb,ss}", "to", "bert", "model", digest, "dtype",
                      um_dtype_name(x->o->dtype), "heads", (json_int_t)c->text_heads, "cased",
                      c->cased, "vocab_digest", c->vocab_digest);
    dump  = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    *text = dump ? um_strdup(x->a, dump) : NULL;
    free(dump);
    json_decref(o);
    return *text ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

static int export(struct export *x, const char *path)
{
    struct um_tensor *kernel = NULL, *bias = NULL;
    const char       *done;

    UM_TRY(describe(x, &done));
    UM_TRY(collect(x, &kernel, &bias));
    if (x->o->form == UM_AS_TIMM)
        UM_TRY(spread(x, kernel, bias));
    for (int i = 0; i < x->n; i++)
        UM_TRY(narrow(x, &x->t[i]));
    return um_safetensors_write(path ? path : "-", x->t, x->n,
                                (const char *const[]){ "format", "pt", "um.export", done, NULL });
}

int um_model_export(const struct um_model *m, const char *path,
                    const struct um_model_export_opts *o)
{
    struct export x = { .m = m, .o = o };
    int st;

    UM_TRY(um_arena_new(&x.a));
    st = export(&x, path);
    um_arena_free(x.a);
    return st;
}
