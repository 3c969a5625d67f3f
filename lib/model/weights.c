/* weights.c - the model to and from a safetensors file; digests; blocks for checkpoints */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "model/model_int.h"
#include "weights/safetensors.h"

enum { NAME_MAX_BYTES = 256 };

/* ---- to tensors ---- */

int um_model_tensors(const struct um_model *m, const float *block, const char *prefix,
                     struct um_arena *a, struct um_tensor **t, int *n)
{
    const struct um_params  *ps   = m->ps;
    const struct um_kernels *k    = um_dev_kernels(ps->dev);
    float                   *host = um_alloc_array(a, ps->total, sizeof *host);

    *t = um_calloc_array(a, ps->n, sizeof **t);
    *n = 0;
    if (!block)
        return um_fail(UM_EMISSING, "the model has no values yet");
    if (!host || !*t)
        return UM_ENOMEM;
    UM_TRY(k->sync(ps->dev));
    UM_TRY(k->download(ps->dev, host, block, (size_t)ps->total * sizeof *host));
    for (int i = 0; i < ps->n; i++) {
        const struct um_param *p = &ps->list[i];
        struct um_tensor      *x = &(*t)[*n];

        if (p->buffer && block != ps->value)
            continue;
        *x = (struct um_tensor){ .dtype = UM_F32, .ndim = p->ndim, .data = host + p->offset };
        memcpy(x->dim, p->dim, (size_t)p->ndim * sizeof p->dim[0]);
        if (!(x->name = um_sprintf(a, "%s%s", prefix, p->name)))
            return UM_ENOMEM;
        ++*n;
    }
    return UM_OK;
}

/* format and um.config in front of the caller's pairs */
static int describe(const struct um_model *m, const char *const *meta, struct um_arena *a,
                    const char ***all)
{
    char *json;
    int   n = 0;

    while (meta && meta[n])
        n++;
    UM_TRY(um_model_config_json(a, &m->cfg, &json));
    if (!(*all = um_calloc_array(a, n + 5, sizeof **all)))
        return UM_ENOMEM;
    memcpy(*all, (const char *const[]){ "format", "pt", "um.config", json }, 4 * sizeof **all);
    for (int i = 0; i < n; i++)
        (*all)[4 + i] = meta[i];
    return UM_OK;
}

static int save(const struct um_model *m, const struct um_model *teacher, const char *const *meta,
                const char *path, struct um_arena *a)
{
    struct um_tensor *s, *t = NULL, *all;
    const char      **pairs;
    int               n, k = 0;

    UM_TRY(describe(m, meta, a, &pairs));
    UM_TRY(um_model_tensors(m, m->ps->value, "", a, &s, &n));
    if (teacher)
        UM_TRY(um_model_tensors(teacher, teacher->ps->value, "teacher.", a, &t, &k));
    if (!(all = um_calloc_array(a, n + k, sizeof *all)))
        return UM_ENOMEM;
    memcpy(all, s, (size_t)n * sizeof *all);
    if (k)
        memcpy(all + n, t, (size_t)k * sizeof *all);
    return um_safetensors_write(path, all, n + k, pairs);
}

int um_model_save_run(const struct um_model *m, const struct um_model *teacher,
                      const char *const *meta, const char *path)
{
    struct um_arena *a;
    int              st;

    UM_TRY(um_arena_new(&a));
    st = save(m, teacher, meta, path, a);
    um_arena_free(a);
    return st;
}

int um_model_save(const struct um_model *m, const char *path)
{
    return um_model_save_run(m, NULL, NULL, path);
}

/* ---- from tensors ---- */

static bool same_shape(const struct um_param *p, const struct um_tensor *t)
{
    return t->ndim == p->ndim && memcmp(t->dim, p->dim, (size_t)p->ndim * sizeof p->dim[0]) == 0;
}

static void shape(char *buf, size_t size, int ndim, const int64_t *dim)
{
    size_t n = (size_t)snprintf(buf, size, "[");

    for (int i = 0; i < ndim && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, "%s%lld", i ? "," : "", (long long)dim[i]);
    if (n < size)
        snprintf(buf + n, size - n, "]");
}

static int check(const struct um_safetensors *s, const struct um_param *p, const char *name)
{
    const struct um_tensor *t = um_safetensors_find(s, name);
    char                    want[UM_SHAPE_TEXT], got[UM_SHAPE_TEXT];
    const float            *x;

    if (!t)
        return um_fail(UM_EMISSING, "no tensor %s", name);
    shape(want, sizeof want, p->ndim, p->dim);
    shape(got, sizeof got, t->ndim, t->dim);
    if (t->dtype != UM_F32 || !same_shape(p, t))
        return um_fail(t->dtype != UM_F32 ? UM_EDTYPE : UM_ESHAPE,
                       "%s: expected float32 %s, got %s %s", name, want, um_safetensors_dtype(s, t),
                       got);
    x = t->data;
    for (int64_t i = 0; i < p->count; i++)
        if (!isfinite(x[i]))
            return um_fail(UM_ENONFINITE, "%s: element %lld is %s", name, (long long)i,
                           isnan(x[i]) ? "NaN" : "infinite");
    return UM_OK;
}

/* the vision encoder and the distillation head: what a teacher has */
static bool taught(const char *name)
{
    return strncmp(name, "vision.", 7) == 0 || strncmp(name, "head.", 5) == 0;
}

/* parameters (some: those that a teacher has) from the tensors of prefix + name into a block */
static int fill(struct um_model *m, float *block, const char *prefix, bool some,
                const struct um_safetensors *s)
{
    const struct um_params  *ps = m->ps;
    const struct um_kernels *k  = um_dev_kernels(ps->dev);

    for (int i = 0; i < ps->n; i++) {
        const struct um_param  *p = &ps->list[i];
        const struct um_tensor *t;
        char                    name[NAME_MAX_BYTES];

        if ((p->buffer && block != ps->value) || (some && !taught(p->name)))
            continue;
        snprintf(name, sizeof name, "%s%s", prefix, p->name);
        UM_TRY(check(s, p, name));
        t = um_safetensors_find(s, name);
        UM_TRY(k->upload(ps->dev, block + p->offset, t->data, (size_t)p->count * sizeof *block));
    }
    return k->sync(ps->dev); /* the file may be closed after this */
}

int um_model_restore(struct um_model *m, float *block, const char *prefix,
                     const struct um_safetensors *s)
{
    return fill(m, block, prefix, false, s);
}

static int load(struct um_model **m, struct um_dev *dev, const struct um_safetensors *s)
{
    struct um_model_config cfg;
    const char            *json = um_safetensors_meta(s, "um.config");

    if (!json)
        return um_fail(UM_EMISSING, "no um.config in the metadata: not a model of um");
    UM_TRY(um_model_config_parse(json, &cfg));
    UM_TRY(um_model_new(m, dev, &cfg));
    /* the shapes first: a configuration that lies must not make us allocate what it claims */
    for (int i = 0; i < (*m)->ps->n; i++)
        UM_TRY(check(s, &(*m)->ps->list[i], (*m)->ps->list[i].name));
    UM_TRY(um_params_alloc((*m)->ps));
    return um_model_restore(*m, (*m)->ps->value, "", s);
}

int um_model_load(struct um_model **m, struct um_dev *dev, const char *path, char digest[33])
{
    struct um_safetensors *s;
    int                    st;

    *m = NULL;
    UM_TRY(um_safetensors_open(&s, path));
    if ((st = load(m, dev, s)) >= 0 && digest)
        st = um_model_digest(*m, digest);
    um_safetensors_close(s);
    if (st < 0) {
        um_model_free(*m);
        *m = NULL;
        return um_context(st, "%s", path);
    }
    return UM_OK;
}

int um_model_use_teacher(struct um_model *m, const char *path)
{
    struct um_safetensors *s;
    int                    st;

    UM_TRY(um_safetensors_open(&s, path));
    if (um_safetensors_find(s, "teacher.vision.cls_token"))
        st = fill(m, m->ps->value, "teacher.", true, s);
    else
        st = um_fail(UM_EMISSING, "no teacher in this file: it was trained without one");
    um_safetensors_close(s);
    return st < 0 ? um_context(st, "%s", path) : UM_OK;
}

/* ---- digest ---- */

static int digest_of(const struct um_model *m, struct um_arena *a, struct um_hash *h)
{
    struct um_tensor *t;
    char             *json;
    int               n;

    UM_TRY(um_model_config_json(a, &m->cfg, &json));
    UM_TRY(um_model_tensors(m, m->ps->value, "", a, &t, &n));
    um_hash_add(h, json, strlen(json) + 1);
    for (int i = 0; i < n; i++) { /* shapes follow from the configuration */
        um_hash_add(h, t[i].name, strlen(t[i].name) + 1);
        um_hash_add(h, t[i].data, (size_t)m->ps->list[i].count * sizeof(float));
    }
    return UM_OK;
}

int um_model_digest(const struct um_model *m, char digest[33])
{
    struct um_arena *a;
    struct um_hash  *h = NULL;
    int              st;

    UM_TRY(um_arena_new(&a));
    if ((st = um_hash_new(&h)) >= 0 && (st = digest_of(m, a, h)) >= 0)
        um_hash_hex(h, digest);
    um_hash_free(h);
    um_arena_free(a);
    return st;
}
