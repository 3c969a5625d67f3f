/* labelled.c - records to rows of a table */
/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/labelled.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "stream/umt.h"

enum { MAX_NAMES = 4096 };

static const char *const part_name[UM_PARTS] = { "train", "valid", "test" };

static int name_labels(struct um_labelled *f, const char *labels)
{
    const char **word;
    int          n;

    if (!(f->name = um_calloc_array(f->arena, MAX_NAMES, sizeof *f->name)))
        return UM_ENOMEM;
    if (!labels)
        return UM_OK;
    UM_TRY(um_list_split(f->arena, "--labels", labels, &word, &n));
    if (n > MAX_NAMES)
        return um_fail(UM_ERANGE, "more than %d labels", MAX_NAMES);
    memcpy(f->name, word, (size_t)n * sizeof *word);
    f->nname = n;
    f->named = true;
    return UM_OK;
}

int um_labelled_new(struct um_labelled **out, const char *tensor, bool classes, const char *labels)
{
    struct um_labelled *f = calloc(1, sizeof *f);
    int                 st;

    if (!f)
        return um_fail(UM_ENOMEM, "out of memory");
    f->tensor  = tensor;
    f->classes = classes;
    if ((st = um_arena_new(&f->arena)) >= 0)
        st = name_labels(f, labels);
    if (st < 0) {
        um_labelled_free(f);
        return st;
    }
    *out = f;
    return UM_OK;
}

void um_labelled_free(struct um_labelled *f)
{
    if (!f)
        return;
    um_arena_free(f->arena);
    free(f->x);
    free(f->y);
    free(f->of);
    free(f->part);
    free(f->patient);
    free(f);
}

/* ---- one record ---- */

static int find(const struct um_labelled *f, const char *name)
{
    for (int i = 0; i < f->nname; i++)
        if (strcmp(f->name[i], name) == 0)
            return i;
    return -1;
}

static int add_name(struct um_labelled *f, const char *name)
{
    if (f->nname == MAX_NAMES)
        return um_fail(UM_ERANGE, "more than %d different classes or labels", MAX_NAMES);
    if (!(f->name[f->nname] = um_strdup(f->arena, name)))
        return UM_ENOMEM;
    return f->nname++;
}

/* the number of the record's class, -1 if it has none */
static int class_of(struct um_labelled *f, const struct um_record *rec, int32_t *of)
{
    const struct um_value *v = um_map_get(&rec->meta, "class");
    const char            *s = um_map_str(&rec->meta, "class");
    char                   text[32];
    int                    i;

    *of = -1;
    if (!v || v->kind == UM_NIL)
        return UM_OK;
    if (v->kind == UM_INT) {
        (void)snprintf(text, sizeof text, "%lld", (long long)v->i);
        s = text;
    }
    if (!s)
        return um_fail(UM_EFORMAT, "class: neither text nor a whole number");
    i = find(f, s);
    if (i < 0)
        UM_TRY(i = add_name(f, s));
    *of = i;
    return UM_OK;
}

static int known_labels(struct um_labelled *f, const struct um_value *label)
{
    const bool first = f->nname == 0;

    for (int64_t i = 0; i < label->n; i++) {
        if (first)
            UM_TRY(add_name(f, label->key[i]));
        else if (find(f, label->key[i]) < 0)
            return um_fail(UM_EMISMATCH,
                           "label.%s: the records before have no such label: name "
                           "those you want with --labels",
                           label->key[i]);
    }
    return UM_OK;
}

/* 0, 1 or NaN for each name; *any: one of them is not NaN */
static int labels_of(const struct um_labelled *f, const struct um_record *rec, float *y, bool *any)
{
    const struct um_value *label = um_map_get(&rec->meta, "label");

    *any = false;
    for (int k = 0; k < f->nname; k++) {
        const struct um_value *v = um_map_get(label, f->name[k]);
        double                 x;

        y[k] = NAN;
        if (!v || v->kind == UM_NIL)
            continue;
        if (!um_map_num(label, f->name[k], &x) || (x != 0 && x != 1))
            return um_fail(UM_ERANGE, "label.%s: expected 0, 1 or nothing%s", f->name[k],
                           v->kind == UM_STR ? ", got text" : "");
        y[k] = (float)x;
        *any = true;
    }
    return UM_OK;
}

static int part_of(const struct um_record *rec, uint8_t *part)
{
    const char *split = um_map_str(&rec->meta, "split");

    if (!split)
        return um_fail(UM_EMISSING, "no split in its meta: train, valid or test (um-cat makes one "
                                    "by patient: --hash-split)");
    for (*part = 0; *part < UM_PARTS; ++*part)
        if (strcmp(split, part_name[*part]) == 0)
            return UM_OK;
    return um_fail(UM_ERANGE, "split \"%s\": expected train, valid or test", split);
}

static uint64_t patient_of(const struct um_record *rec)
{
    const struct um_value *v = um_map_get(&rec->meta, "patient");
    const char            *s = um_map_str(&rec->meta, "patient");

    if (v && v->kind == UM_INT)
        return um_hash64(&v->i, sizeof v->i);
    return s && *s ? um_hash64(s, strlen(s)) : um_hash64(rec->key, strlen(rec->key));
}

static int vector_of(struct um_labelled *f, const struct um_record *rec, const float **x)
{
    const struct um_tensor *t;
    char                    got[UM_SHAPE_TEXT];

    UM_TRY(um_record_get(rec, f->tensor, UM_F32, -1, &t));
    if (t->ndim != 1 || t->dim[0] < 1)
        return um_fail(UM_ESHAPE, "%s: expected a vector, got %s", f->tensor,
                       um_shape_text(t, got, sizeof got));
    if (f->width && t->dim[0] != f->width)
        return um_fail(UM_ESHAPE, "%s: %lld values, the records before have %lld", f->tensor,
                       (long long)t->dim[0], (long long)f->width);
    *x = t->data;
    for (int64_t i = 0; i < t->dim[0]; i++)
        if (!isfinite((*x)[i]))
            return um_fail(UM_ENONFINITE, "%s: value %lld is not finite", f->tensor, (long long)i);
    f->width = t->dim[0];
    return UM_OK;
}

/* ---- the table ---- */

static bool more(void **p, int64_t cap, size_t size)
{
    void *q = (uint64_t)cap > SIZE_MAX / size ? NULL : realloc(*p, (size_t)cap * size);

    if (q)
        *p = q;
    return q != NULL;
}

static int grow(struct um_labelled *f)
{
    const int64_t cap = f->cap ? f->cap * 2 : 256;

    if (f->n < f->cap)
        return UM_OK;
    if (!more((void **)&f->x, cap, (size_t)f->width * sizeof *f->x) ||
        (!f->classes && !more((void **)&f->y, cap, ((size_t)f->nname + 1) * sizeof *f->y)) ||
        !more((void **)&f->of, cap, sizeof *f->of) || !more((void **)&f->part, cap, 1) ||
        !more((void **)&f->patient, cap, sizeof *f->patient))
        return um_fail(UM_ENOMEM, "out of memory for %lld vectors of %lld", (long long)cap,
                       (long long)f->width);
    f->cap = cap;
    return UM_OK;
}

int um_labelled_add(struct um_labelled *f, const struct um_record *rec)
{
    const struct um_value *label    = um_map_get(&rec->meta, "label");
    const float           *x        = NULL;
    uint8_t                part     = UM_TRAIN;
    bool                   labelled = false;
    int32_t                of       = -1;

    UM_TRY(vector_of(f, rec, &x));
    UM_TRY(part_of(rec, &part));
    if (f->classes)
        UM_TRY(class_of(f, rec, &of));
    else if (!f->named && label && label->kind == UM_MAP)
        UM_TRY(known_labels(f, label));
    if (f->nname > 0) /* rows are as wide as there are labels, known from the first record on */
        UM_TRY(grow(f));
    if (!f->classes && f->nname > 0)
        UM_TRY(labels_of(f, rec, f->y + f->n * f->nname, &labelled));
    if (f->classes ? of < 0 : !labelled) {
        f->unlabelled++;
        return UM_OK;
    }
    memcpy(f->x + f->n * f->width, x, (size_t)f->width * sizeof *x);
    f->of[f->n]      = of;
    f->part[f->n]    = part;
    f->patient[f->n] = patient_of(rec);
    f->n++;
    return UM_OK;
}

/* ---- a stream ---- */

/* the newest step of the history that used a model */
static int same_model(struct um_labelled *f, const struct um_value *header)
{
    const struct um_value *history = um_map_get(header, "history");
    const char            *model   = NULL;

    for (int64_t i = 0; history && history->kind == UM_LIST && i < history->n; i++) {
        const char *m = um_map_str(&history->item[i], "model");

        model = m ? m : model;
    }
    if (!model || strlen(model) >= sizeof f->model)
        return UM_OK;
    if (f->model[0] && strcmp(f->model, model) != 0)
        return um_fail(UM_EMISMATCH, "features of model %s after those of %s", model, f->model);
    memcpy(f->model, model, strlen(model) + 1);
    return UM_OK;
}

static int read_all(struct um_labelled *f, struct um_reader *r, struct um_select *pick,
                    struct um_arena *a, void (*told)(int64_t, int64_t, int64_t))
{
    struct um_record *rec;
    int               st;

    while ((st = um_reader_next(r, a, &rec)) > 0) {
        if (st == UM_NEXT_PART) {
            if ((st = same_model(f, um_reader_header(r))) < 0)
                return um_context(st, "%s", um_reader_name(r));
        } else if (um_select_meta(pick, &rec->meta) && (st = um_labelled_add(f, rec)) < 0) {
            return um_context(st, "%s: record %s", um_reader_name(r), rec->key);
        }
        if (told)
            told(um_reader_bytes(r), um_reader_size(r), f->n + f->unlabelled);
        um_arena_reset(a);
    }
    return st;
}

int um_labelled_read(struct um_labelled *f, const char *path, struct um_select *pick,
                     void (*told)(int64_t bytes, int64_t of, int64_t records))
{
    struct um_reader *r = NULL;
    struct um_arena  *a;
    int               st;

    UM_TRY(um_arena_new(&a));
    if ((st = um_reader_open(&r, path)) >= 0)
        st = read_all(f, r, pick, a, told);
    um_reader_close(r);
    um_arena_free(a);
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int sort_classes(struct um_labelled *f)
{
    const char **was = um_calloc_array(f->arena, f->nname + 1, sizeof *was);
    int32_t     *now = um_calloc_array(f->arena, f->nname + 1, sizeof *now);

    if (!was || !now)
        return UM_ENOMEM;
    memcpy(was, f->name, (size_t)f->nname * sizeof *was);
    qsort(f->name, (size_t)f->nname, sizeof *f->name, by_name);
    for (int i = 0; i < f->nname; i++)
        now[i] = find(f, was[i]);
    for (int64_t i = 0; i < f->n; i++)
        f->of[i] = now[f->of[i]];
    return UM_OK;
}

int um_labelled_settle(struct um_labelled *f, bool need_valid)
{
    int64_t n[UM_PARTS] = { 0 };

    if (f->n == 0)
        return um_fail(UM_EMISSING, "no record with a %s", f->classes ? "class" : "label");
    for (int64_t i = 0; i < f->n; i++)
        n[f->part[i]]++;
    for (int p = 0; p < UM_PARTS; p++)
        if (n[p] == 0 && (p != UM_VALID || need_valid))
            return um_fail(UM_EMISSING,
                           "no labelled record with split %s (train %lld, valid %lld, "
                           "test %lld)%s",
                           part_name[p], (long long)n[UM_TRAIN], (long long)n[UM_VALID],
                           (long long)n[UM_TEST],
                           p == UM_VALID ? ": --patience 0 does without" : "");
    if (f->classes && f->nname < 2)
        return um_fail(UM_ERANGE, "one class alone: \"%s\"", f->name[0]);
    return f->classes ? sort_classes(f) : UM_OK;
}
