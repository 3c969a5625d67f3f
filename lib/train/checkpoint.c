/* checkpoint.c - checkpoints to and from safetensors; which ones a folder holds */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weights/safetensors.h"

static const char SUFFIX[] = ".safetensors";

/* ---- the folder ---- */

/* the step in "ckpt-STEP.safetensors", -1 for any other name */
static int64_t step_of(const char *name)
{
    char     *end;
    long long step;

    if (strncmp(name, "ckpt-", 5) != 0 || name[5] < '0' || name[5] > '9')
        return -1;
    errno = 0;
    step  = strtoll(name + 5, &end, 10);
    return errno || step < 0 || strcmp(end, SUFFIX) != 0 ? -1 : step;
}

/* a file of ours that never got its name: "X.safetensors.AbCdEf" */
static bool unfinished(const char *name)
{
    const char *at = strstr(name, ".safetensors.");

    return at && strlen(at) == sizeof SUFFIX - 1 + 7 &&
           (strncmp(name, "ckpt-", 5) == 0 || strncmp(name, "best.", 5) == 0 ||
            strncmp(name, "model.", 6) == 0);
}

static int descending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x > y ? -1 : x < y;
}

struct listing {
    int64_t *step; /* in the arena, descending */
    int64_t  n, cap;
};

static int note_step(struct um_arena *a, struct listing *l, int64_t step)
{
    if (l->n == l->cap) {
        const int64_t cap  = l->cap ? 2 * l->cap : 64;
        int64_t      *more = um_alloc_array(a, cap, sizeof *more);

        if (!more)
            return UM_ENOMEM;
        if (l->n)
            memcpy(more, l->step, (size_t)l->n * sizeof *more);
        l->step = more;
        l->cap  = cap;
    }
    l->step[l->n++] = step;
    return UM_OK;
}

static int list(const char *run, struct um_arena *a, struct listing *l, bool clean)
{
    DIR           *dir = opendir(run);
    struct dirent *e;
    int            st = UM_OK;

    *l = (struct listing){ 0 };
    if (!dir)
        return errno == ENOENT ? UM_OK : um_fail_errno("%s", run);
    while (st >= 0 && (e = readdir(dir))) {
        if (step_of(e->d_name) >= 0)
            st = note_step(a, l, step_of(e->d_name));
        else if (clean && unfinished(e->d_name))
            (void)unlinkat(dirfd(dir), e->d_name, 0);
    }
    (void)closedir(dir);
    if (l->n > 1)
        qsort(l->step, (size_t)l->n, sizeof *l->step, descending);
    return st;
}

static char *name_of(struct um_arena *a, const char *run, int64_t step)
{
    return um_sprintf(a, "%s/ckpt-%06lld%s", run, (long long)step, SUFFIX);
}

int um_checkpoint_find(const char *run, struct um_arena *a, char **path)
{
    struct listing l;

    *path = NULL;
    UM_TRY(list(run, a, &l, false));
    if (l.n == 0)
        return UM_OK;
    *path = name_of(a, run, l.step[0]);
    return *path ? UM_OK : UM_ENOMEM;
}

static int prune(const char *run, int64_t keep, struct um_arena *a)
{
    struct listing l;

    UM_TRY(list(run, a, &l, true));
    for (int64_t i = keep > 0 ? keep : 0; i < l.n; i++) {
        const char *path = name_of(a, run, l.step[i]);

        if (!path)
            return UM_ENOMEM;
        if (unlink(path) != 0 && errno != ENOENT)
            return um_fail_errno("%s", path);
    }
    return UM_OK;
}

int um_checkpoint_prune(const char *run, int64_t keep)
{
    struct um_arena *a;
    int              st;

    UM_TRY(um_arena_new(&a));
    st = prune(run, keep, a);
    um_arena_free(a);
    return st;
}

/* ---- writing ---- */

enum { STATES = 4 };

static const char *const state_name[STATES] = { "state.step", "state.updates", "state.log_bytes",
                                                "state.best_step" };

static void state_values(const struct um_state *s, int64_t *v)
{
    const int64_t x[STATES] = { s->step, s->updates, s->log_bytes, s->best_step };

    memcpy(v, x, sizeof x);
}

static int add_state(struct um_arena *a, const struct um_state *s, struct um_tensor *t)
{
    int64_t *v    = um_alloc_array(a, STATES, sizeof *v);
    double  *best = um_alloc(a, sizeof *best);

    if (!v || !best)
        return UM_ENOMEM;
    state_values(s, v);
    *best = s->best;
    for (int i = 0; i < STATES; i++)
        t[i] = (struct um_tensor){
            .name = state_name[i], .dtype = UM_I64, .ndim = 1, .dim = { 1 }, .data = v + i
        };
    t[STATES] = (struct um_tensor){
        .name = "state.best", .dtype = UM_F64, .ndim = 1, .dim = { 1 }, .data = best
    };
    return UM_OK;
}

/* um.config in front of the caller's pairs */
static int join_meta(struct um_arena *a, const struct um_model *m, const char *const *meta,
                     const char ***out)
{
    char *json;
    int   n = 0;

    while (meta[n])
        n++;
    UM_TRY(um_model_config_json(a, &m->cfg, &json));
    if (!(*out = um_calloc_array(a, n + 3, sizeof **out)))
        return UM_ENOMEM;
    (*out)[0] = "um.config";
    (*out)[1] = json;
    memcpy(*out + 2, meta, (size_t)n * sizeof *meta);
    return UM_OK;
}

static int write_all(const char *run, const struct um_model *m, const struct um_adamw *o,
                     const struct um_state *s, const char *const *meta, struct um_arena *a)
{
    const float *const block[]  = { m->ps->value, o->m, o->u };
    static const char *prefix[] = { "", "optim.m.", "optim.v." };
    struct um_tensor  *t = um_calloc_array(a, 3 * (int64_t)m->ps->n + STATES + 1, sizeof *t), *part;
    const char       **all;
    int                n = 0, k;

    if (!t)
        return UM_ENOMEM;
    for (int i = 0; i < 3; i++) {
        UM_TRY(um_model_tensors(m, block[i], prefix[i], a, &part, &k));
        memcpy(t + n, part, (size_t)k * sizeof *t);
        n += k;
    }
    UM_TRY(add_state(a, s, t + n));
    UM_TRY(join_meta(a, m, meta, &all));
    const char *path = name_of(a, run, s->step);

    return path ? um_safetensors_write(path, t, n + STATES + 1, all) : UM_ENOMEM;
}

int um_checkpoint_write(const char *run, const struct um_model *m, const struct um_adamw *o,
                        const struct um_state *s, const char *const *meta)
{
    struct um_arena *a;
    int              st;

    UM_TRY(um_arena_new(&a));
    st = write_all(run, m, o, s, meta, a);
    um_arena_free(a);
    return st;
}

/* ---- reading ---- */

static int check_meta(const struct um_safetensors *f, const char *const *meta)
{
    for (; *meta; meta += 2) {
        const char *was = um_safetensors_meta(f, meta[0]);

        if (!was)
            return um_fail(UM_EMISSING, "no %s in the metadata: not a checkpoint", meta[0]);
        if (strcmp(was, meta[1]) != 0)
            return um_fail(UM_EMISMATCH, "%s was %s when this run began, and is %s now", meta[0],
                           was, meta[1]);
    }
    return UM_OK;
}

static int scalar(const struct um_safetensors *f, const char *name, enum um_dtype dtype, void *to)
{
    const struct um_tensor *t = um_safetensors_find(f, name);

    if (!t)
        return um_fail(UM_EMISSING, "no tensor %s: not a checkpoint", name);
    if (t->dtype != dtype || t->ndim != 1 || t->dim[0] != 1)
        return um_fail(UM_ESHAPE, "%s: expected %s [1]", name, um_dtype_name(dtype));
    memcpy(to, t->data, 8);
    return UM_OK;
}

static int read_state(const struct um_safetensors *f, struct um_state *s)
{
    int64_t v[STATES];

    for (int i = 0; i < STATES; i++) {
        UM_TRY(scalar(f, state_name[i], UM_I64, &v[i]));
        if (v[i] < 0)
            return um_fail(UM_ERANGE, "%s: %lld", state_name[i], (long long)v[i]);
    }
    *s = (struct um_state){ .step = v[0], .updates = v[1], .log_bytes = v[2], .best_step = v[3] };
    return scalar(f, "state.best", UM_F64, &s->best);
}

static int read_all(const struct um_safetensors *f, struct um_model *m, struct um_adamw *o,
                    struct um_state *s, const char *const *meta, struct um_arena *a)
{
    const char **all;

    UM_TRY(join_meta(a, m, meta, &all));
    UM_TRY(check_meta(f, all));
    UM_TRY(um_model_restore(m, m->ps->value, "", f));
    UM_TRY(um_model_restore(m, o->m, "optim.m.", f));
    UM_TRY(um_model_restore(m, o->u, "optim.v.", f));
    UM_TRY(read_state(f, s));
    o->updates = s->updates;
    return UM_OK;
}

int um_checkpoint_read(const char *path, struct um_model *m, struct um_adamw *o, struct um_state *s,
                       const char *const *meta)
{
    struct um_safetensors *f = NULL;
    struct um_arena       *a;
    int                    st;

    UM_TRY(um_arena_new(&a));
    if ((st = um_safetensors_open(&f, path)) >= 0) /* names the path itself */
        if ((st = read_all(f, m, o, s, meta, a)) < 0)
            (void)um_context(st, "%s", path);
    um_safetensors_close(f);
    um_arena_free(a);
    return st;
}
