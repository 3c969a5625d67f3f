/* unimedi.c - the model as a whole: declaring its parameters under the names of the weights file */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model_int.h"

/* ---- declaring ---- */

enum { NAME_MAX_BYTES = 160 };

static int add(struct decl *d, enum um_init init, float value, bool decay, int ndim,
               const int64_t *dim, const char *name, const char *tail)
{
    char full[NAME_MAX_BYTES + 8];
    int  i;

    if (d->st < 0)
        return -1;
    snprintf(full, sizeof full, "%s%s", name, tail);
    if ((i = um_params_add(d->ps, full, ndim, dim, init, value, decay)) < 0)
        d->st = i;
    return i;
}

int decl_add(struct decl *d, enum um_init init, float value, bool decay, int ndim,
             const int64_t *dim, const char *fmt, ...)
{
    char    name[NAME_MAX_BYTES];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    return add(d, init, value, decay, ndim, dim, name, "");
}

int decl_buffer(struct decl *d, int64_t n, float value, const char *name)
{
    int i;

    if (d->st >= 0 && !name)
        d->st = UM_ENOMEM;
    if (d->st < 0)
        return -1;
    if ((i = um_params_buffer(d->ps, name, n, value)) < 0)
        d->st = i;
    return i;
}

struct pair decl_linear(struct decl *d, int64_t n, int64_t k, const char *fmt, ...)
{
    char        name[NAME_MAX_BYTES];
    struct pair p;
    va_list     ap;

    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    p.w = add(d, UM_INIT_TRUNC02, 0, true, 2, (int64_t[]){ n, k }, name, ".weight");
    p.b = add(d, UM_INIT_ZERO, 0, false, 1, &n, name, ".bias");
    return p;
}

struct pair decl_norm(struct decl *d, int64_t c, const char *fmt, ...)
{
    char        name[NAME_MAX_BYTES];
    struct pair p;
    va_list     ap;

    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    p.w = add(d, UM_INIT_ONE, 0, false, 1, &c, name, ".weight");
    p.b = add(d, UM_INIT_ZERO, 0, false, 1, &c, name, ".bias");
    return p;
}

/* ---- the model ---- */

static int declare(struct um_model *m)
{
    struct decl d = { .ps = m->ps };

    UM_TRY(vit_declare(m, &d));
    if (!m->teacher) {
        UM_TRY(bert_declare(m, &d));
        UM_TRY(heads_declare(m, &d));
    }
    return distill_declare(m, &d);
}

static int new_model(struct um_model **model, struct um_dev *dev, const struct um_model_config *cfg,
                     bool teacher)
{
    struct um_model *m;
    int              st;

    *model = NULL;
    UM_TRY(um_model_config_check(cfg));
    if (!(m = calloc(1, sizeof *m)))
        return um_fail(UM_ENOMEM, "out of memory");
    m->cfg         = *cfg;
    m->teacher     = teacher;
    m->logit_scale = -1;
    if ((st = um_params_new(&m->ps, dev)) < 0 || (st = declare(m)) < 0) {
        um_model_free(m);
        return st;
    }
    *model = m;
    return UM_OK;
}

int um_model_new(struct um_model **model, struct um_dev *dev, const struct um_model_config *cfg)
{
    return new_model(model, dev, cfg, false);
}

int um_model_inherit(struct um_model *m, const struct um_model *from)
{
    const struct um_params  *a = m->ps, *b = from->ps;
    const struct um_kernels *k = um_dev_kernels(a->dev);

    for (int i = 0; i < a->n; i++) {
        const struct um_param *p = &a->list[i], *q;
        const int              j = um_params_find(b, p->name);

        if (j < 0)
            continue;
        q = &b->list[j];
        if (p->ndim != q->ndim || memcmp(p->dim, q->dim, (size_t)p->ndim * sizeof *p->dim) != 0)
            continue;
        UM_TRY(k->lerp(a->dev, a->value + p->offset, b->value + q->offset, 1, p->count));
    }
    return k->sync(a->dev);
}

/* ---- the teacher ---- */

int um_model_teacher(struct um_model **teacher, const struct um_model *student)
{
    struct um_params        *ps;
    const struct um_kernels *k = um_dev_kernels(student->ps->dev);
    int                      st;

    UM_TRY(new_model(teacher, student->ps->dev, &student->cfg, true));
    ps = (*teacher)->ps;
    if ((st = um_params_alloc(ps)) < 0 ||
        (st = k->zero(ps->dev, ps->value, (size_t)ps->total * sizeof(float))) < 0 ||
        (st = um_model_teach(*teacher, student, 1)) < 0) {
        um_model_free(*teacher);
        *teacher = NULL;
    }
    return st;
}

/* The lists name the same parameters in the same order, but that the teacher's lacks some. What
 * lies alike in both blocks, padding (zeros) too, is one run: an encoder is one call. */
int um_model_teach(struct um_model *teacher, const struct um_model *student, double pace)
{
    const struct um_params  *t = teacher->ps, *s = student->ps;
    const struct um_kernels *k  = um_dev_kernels(t->dev);
    int64_t                  to = 0, from = 0, n = 0; /* the run */

    for (int i = 0, j = 0; i < t->n; i++, j++) {
        const struct um_param *p = &t->list[i], *q;

        while (j < s->n && strcmp(s->list[j].name, p->name) != 0)
            j++;
        if (j == s->n || s->list[j].count != p->count)
            return um_fail(UM_EMISMATCH, "teacher: the student has no %s of its size", p->name);
        q = &s->list[j];
        if (n > 0 && p->offset - to != q->offset - from) {
            UM_TRY(k->lerp(t->dev, t->value + to, s->value + from, (float)pace, n));
            n = 0;
        }
        if (n == 0) {
            to   = p->offset;
            from = q->offset;
        }
        n = p->offset + p->count - to;
    }
    return k->lerp(t->dev, t->value + to, s->value + from, (float)pace, n);
}

void um_model_free(struct um_model *m)
{
    if (!m)
        return;
    um_params_free(m->ps);
    free(m);
}
