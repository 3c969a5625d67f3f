/* judge.c - opening a case, comparing, the table */
/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/golden.h"

#define FOLDER "tests/golden/"

/* ---- the file ---- */

static const struct um_tensor *find(const struct gold *g, const char *name)
{
    const struct um_tensor *t = um_safetensors_find(g->file, name);

    if (!t)
        (void)um_fail(UM_EMISSING, "%s: no tensor %s", g->of->name, name);
    return t;
}

static int64_t count(const struct um_tensor *t)
{
    int64_t n = 1;

    for (int i = 0; i < t->ndim; i++)
        n *= t->dim[i];
    return n;
}

/* a number of the metadata, WHAT.GROUP; NaN: it is not there, and nothing is within it */
static double meta(const struct gold *g, const char *what, const char *group)
{
    char        name[GOLD_NAME];
    const char *text;

    snprintf(name, sizeof name, "%s.%s", what, group);
    text = um_safetensors_meta(g->file, name);
    return text ? strtod(text, NULL) : (double)NAN;
}

/* is `name` a word of the list of vanishing gradients? */
static bool vanishes(const struct gold *g, const char *name)
{
    const char  *list = um_safetensors_meta(g->file, "zero");
    const size_t n    = strlen(name);

    for (const char *at = list; at && (at = strstr(at, name)); at += n)
        if ((at == list || at[-1] == ' ') && (at[n] == 0 || at[n] == ' '))
            return true;
    return false;
}

/* ---- inputs ---- */

const struct um_tensor *gold_in(const struct gold *g, const char *name)
{
    char full[GOLD_NAME];

    snprintf(full, sizeof full, "in.%s", name);
    return find(g, full);
}

struct um_var *gold_input(struct gold *g, const char *name)
{
    const struct um_tensor *t = gold_in(g, name);

    if (!t)
        return um_nn_fail(g->nn, UM_EMISSING, "%s", um_errmsg());
    return um_nn_input(g->nn, t->dtype, t->ndim, t->dim, t->data);
}

struct um_var *gold_part(struct gold *g, const char *name, int64_t i)
{
    const struct um_tensor *t = gold_in(g, name);
    int64_t                 n;

    if (!t)
        return um_nn_fail(g->nn, UM_EMISSING, "%s", um_errmsg());
    n = count(t) / t->dim[0];
    return um_nn_input(g->nn, t->dtype, t->ndim - 1, t->dim + 1, (const float *)t->data + i * n);
}

int gold_backward(struct gold *g, struct um_var *y)
{
    const struct um_tensor *t = gold_in(g, "seed");
    const int64_t           n = t ? count(t) : 0;
    struct um_var          *w;

    w = um_reshape(g->nn, gold_input(g, "seed"), 2, (int64_t[]){ 1, n });
    y = um_matmul_nt(g->nn, um_reshape(g->nn, y, 2, (int64_t[]){ 1, n }), w);
    y = um_reshape(g->nn, y, 1, (int64_t[]){ 1 });
    UM_TRY(um_nn_status(g->nn));
    return um_nn_backward(g->nn, y);
}

/* ---- judging ---- */

static struct gold_group *group_of(struct gold *g, const char *name)
{
    const int n = (int)strcspn(name, "/");
    int       i = 0;

    while (i < g->groups &&
           (strncmp(g->group[i].name, name, (size_t)n) != 0 || g->group[i].name[n] != 0))
        i++;
    assert(i < GOLD_GROUPS);
    if (i == g->groups)
        snprintf(g->group[g->groups++].name, sizeof g->group->name, "%.*s", n, name);
    return &g->group[i];
}

static void tell(struct gold *g, const char *what, double error, double allowed)
{
    g->bad++;
    if (!g->quiet)
        printf("# %s: %s: error %g, allowed %g\n", g->of->name, what, error, allowed);
}

/* the error `e` of one tensor: in float32 each must be small */
static void settle(struct gold *g, const char *name, double e)
{
    struct gold_group *of      = group_of(g, name);
    const double       allowed = meta(g, "f32", of->name);

    if (!isnan(of->worst) && !(e <= of->worst)) /* NaN stays */
        of->worst = e;
    g->judged++;
    if (g->dt == UM_F32 && !(e <= allowed))
        tell(g, name, e, allowed);
}

/* element i of what was got (got true) or wanted, as it is or spoilt in one place */
static double element(const struct gold *g, const char *name, const float *x, int64_t i, int64_t n,
                      bool got)
{
    if (!g->victim || i != n / 2 || strcmp(g->victim, name) != 0)
        return (double)x[i];
    if ((g->spoil == GOLD_WANT_NAN && !got) || (g->spoil == GOLD_GOT_NAN && got))
        return (double)NAN;
    if (g->spoil == GOLD_GOT_ZERO && got)
        return 0;
    return (double)x[i] + (g->spoil == GOLD_WANT_VALUE && !got ? 0.01 : 0);
}

static const struct um_tensor *wanted(const struct gold *g, const char *name, int64_t n)
{
    const struct um_tensor *t = find(g, name);

    if (t && (t->dtype != UM_F32 || count(t) != n)) {
        (void)um_fail(UM_ESHAPE, "%s: %s has %lld values, got %lld", g->of->name, name,
                      (long long)count(t), (long long)n);
        return NULL;
    }
    return t;
}

int gold_judge(struct gold *g, const char *name, const float *x, int64_t n)
{
    const struct um_tensor *t   = wanted(g, name, n);
    double                  num = 0, den = 0;
    struct gold_group      *of;

    if (!t)
        return UM_ESHAPE;
    for (int64_t i = 0; i < n; i++) {
        const double want = element(g, name, t->data, i, n, false);
        const double got  = element(g, name, x, i, n, true);

        num += (got - want) * (got - want);
        den += want * want;
    }
    of = group_of(g, name);
    of->num += num;
    of->den += den;
    settle(g, name, sqrt(num / den));
    return UM_OK;
}

int gold_judge_each(struct gold *g, const char *name, const float *x, int64_t n)
{
    const struct um_tensor *t = wanted(g, name, n);
    double                  e = 0;

    if (!t)
        return UM_ESHAPE;
    for (int64_t i = 0; i < n; i++) {
        const double want = element(g, name, t->data, i, n, false);
        const double off  = fabs(element(g, name, x, i, n, true) - want) / fabs(want);

        if (!isnan(e) && !(off <= e))
            e = off;
    }
    settle(g, name, e);
    return UM_OK;
}

int gold_judge_var(struct gold *g, const char *name, const struct um_var *x)
{
    int64_t n = 1;
    float  *host;
    int     st;

    UM_TRY(um_nn_status(g->nn));
    for (int i = 0; i < x->ndim; i++)
        n *= x->dim[i];
    if (!(host = malloc((size_t)n * sizeof *host)))
        return um_fail(UM_ENOMEM, "out of memory");
    if ((st = um_nn_read(g->nn, x, host)) >= 0)
        st = gold_judge(g, name, host, n);
    free(host);
    return st;
}

/* a block of the parameters' layout on the host, to be freed */
static int fetch(const struct um_params *ps, const float *block, float **host)
{
    const struct um_kernels *k = um_dev_kernels(ps->dev);
    const size_t             n = (size_t)ps->total * sizeof **host;

    if (!(*host = malloc(n)))
        return um_fail(UM_ENOMEM, "out of memory");
    UM_TRY(k->sync(ps->dev));
    return k->download(ps->dev, *host, block, n);
}

int gold_judge_values(struct gold *g, const char *group, const struct um_params *ps)
{
    float *x  = NULL;
    int    st = fetch(ps, ps->value, &x);

    for (int i = 0; i < ps->n && st >= 0; i++) {
        char name[GOLD_NAME];

        snprintf(name, sizeof name, "%s/%s", group, ps->list[i].name);
        if (um_safetensors_find(g->file, name))
            st = gold_judge(g, name, x + ps->list[i].offset, ps->list[i].count);
    }
    free(x);
    return st;
}

static double length(const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* in bfloat16 the tensors of a group together may be so much further off than PyTorch's autocast */
static double allowed_bf16(const struct gold *g, const char *group)
{
    const char *factor = um_safetensors_meta(g->file, "bf16.factor");

    return factor ? strtod(factor, NULL) * meta(g, "bf16", group) : (double)NAN;
}

/* what vanishes in exact arithmetic has no direction to compare, only a size beside all others' */
static int judge_gradient(struct gold *g, const struct um_param *p, const float *x, double whole)
{
    const double small = g->dt == UM_F32 ? meta(g, "f32", "gradient") : allowed_bf16(g, "gradient");
    const double allowed = vanishes(g, p->name) ? small : 0;
    char         name[GOLD_NAME];
    double       e;

    snprintf(name, sizeof name, "gradient/%s", p->name);
    if (um_safetensors_find(g->file, name))
        return gold_judge(g, name, x, p->count);
    e = length(x, p->count) / whole;
    if (!(e <= allowed))
        tell(g, name, e, allowed);
    else if (e > 0 && g->dt == UM_F32 && !g->quiet)
        printf("# %s: left out, 0 in exact arithmetic, %.0e of the whole gradient here: %s\n",
               g->of->name, e, p->name);
    return UM_OK;
}

int gold_judge_gradients(struct gold *g)
{
    const struct um_params *ps = g->m->ps;
    float                  *x  = NULL;
    int                     st = fetch(ps, ps->grad, &x);

    for (int i = 0; i < ps->n && st >= 0; i++)
        if (!ps->list[i].buffer)
            st = judge_gradient(g, &ps->list[i], x + ps->list[i].offset, length(x, ps->total));
    free(x);
    return st;
}

/* what can be said when all results are in */
static void conclude(struct gold *g)
{
    int there = 0;

    for (int i = 0; i < um_safetensors_count(g->file); i++)
        there += strchr(um_safetensors_at(g->file, i)->name, '/') != NULL;
    if (g->judged != there)
        tell(g, "tensors judged", g->judged, there);
    for (int i = 0; i < g->groups; i++) {
        struct gold_group *of = &g->group[i];

        if (g->dt == UM_F32) { /* judged one by one */
            of->error   = of->worst;
            of->allowed = meta(g, "f32", of->name);
            of->peer    = meta(g, "float32", of->name);
            continue;
        }
        of->error   = sqrt(of->num / of->den);
        of->allowed = allowed_bf16(g, of->name);
        of->peer    = meta(g, "bf16", of->name);
        if (isnan(of->allowed) ? !isfinite(of->error) : !(of->error <= of->allowed))
            tell(g, of->name, of->error, of->allowed);
    }
}

/* ---- running ---- */

int gold_student(struct um_dev *dev, struct um_model **m)
{
    return um_model_load(m, dev, FOLDER "student.safetensors", NULL);
}

static int run(struct gold *g)
{
    char path[GOLD_NAME];

    snprintf(path, sizeof path, FOLDER "%.*s.safetensors", (int)strcspn(g->of->name, " "),
             g->of->name);
    UM_TRY(um_safetensors_open(&g->file, path));
    UM_TRY(gold_student(g->dev, &g->m));
    UM_TRY(um_params_grad(g->m->ps));
    UM_TRY(um_nn_new(&g->nn, g->dev, &(struct um_nn_opts){ .dtype = g->dt }));
    UM_TRY(g->of->run(g));
    conclude(g);
    return UM_OK;
}

int gold_run(struct gold *g, const struct gold_case *of, struct um_dev *dev, enum um_dtype dt)
{
    g->of  = of;
    g->dev = dev;
    g->dt  = dt;
    if (run(g) < 0) {
        g->bad++;
        printf("# %s: %s\n", of->name, um_errmsg());
    }
    um_nn_free(g->nn);
    um_model_free(g->m);
    um_safetensors_close(g->file);
    g->nn   = NULL;
    g->m    = NULL;
    g->file = NULL;
    return g->bad;
}

/* ---- the table ---- */

static void cell(const struct gold *g, int i)
{
    const struct gold_group *of = g ? &g->group[i] : NULL;

    if (!g)
        printf("  -");
    else if (isnan(of->allowed))
        printf("  %7.1e %17s", of->error, "not judged");
    else
        printf("  %7.1e %8.1e %8.1e", of->error, of->peer, of->allowed);
}

void gold_table(const struct gold *f32, const struct gold *bf16)
{
    for (int i = 0; i < f32->groups; i++) {
        printf("# %-21s %-11s", f32->of->name, f32->group[i].name);
        cell(f32, i);
        cell(bf16, i);
        printf("\n");
    }
}
