/* checkpoint.c - checkpoints to and from safetensors; which ones a folder holds */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
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

enum { STATES = 8 };

static const char *const state_name[STATES] = { "state.step",          "state.skipped",
                                                "state.log_bytes",     "state.valid_bytes",
                                                "state.batches_bytes", "state.best_step",
                                                "state.pipe_records",  "state.pipe_digest" };

static void state_values(const struct um_state *s, int64_t *v)
{
    const int64_t x[STATES] = { s->step,         s->skipped,   s->log_bytes[0],  s->log_bytes[1],
                                s->log_bytes[2], s->best_step, s->taken.records, s->taken.digest };

    memcpy(v, x, sizeof x);
}

/* the tensors of a checkpoint, gathered in the arena */
struct pile {
    struct um_arena  *a;
    struct um_tensor *t;
    int               n, cap;
};

static int heap(struct pile *p, const struct um_tensor *t, int n)
{
    if (n == 0)
        return UM_OK;
    if (!p->t || p->n + n > p->cap) {
        const int         cap  = 2 * (p->n + n);
        struct um_tensor *more = um_calloc_array(p->a, cap, sizeof *more);

        if (!more)
            return UM_ENOMEM;
        if (p->t)
            memcpy(more, p->t, (size_t)p->n * sizeof *more);
        p->t   = more;
        p->cap = cap;
    }
    memcpy(p->t + p->n, t, (size_t)n * sizeof *t);
    p->n += n;
    return UM_OK;
}

static int heap_block(struct pile *p, const struct um_model *m, const float *block,
                      const char *prefix)
{
    struct um_tensor *t;
    int               n;

    UM_TRY(um_model_tensors(m, block, prefix, p->a, &t, &n));
    return heap(p, t, n);
}

static int heap_centres(struct pile *p, const struct um_params *c)
{
    for (int i = 0; i < c->n; i++) {
        const struct um_param *x    = &c->list[i];
        float                 *host = um_alloc_array(p->a, x->count, sizeof *host);
        const struct um_tensor t    = {
               .name = x->name, .dtype = UM_F32, .ndim = 1, .dim = { x->count }, .data = host
        };

        if (!host)
            return UM_ENOMEM;
        UM_TRY(um_dev_kernels(c->dev)->download(c->dev, host, c->value + x->offset,
                                                (size_t)x->count * sizeof *host));
        UM_TRY(heap(p, &t, 1));
    }
    return UM_OK;
}

static int heap_state(struct pile *p, const struct um_state *s, const struct um_adamw *o)
{
    int64_t         *v    = um_alloc_array(p->a, STATES, sizeof *v);
    double          *best = um_alloc(p->a, sizeof *best);
    struct um_tensor t;

    if (!v || !best)
        return UM_ENOMEM;
    state_values(s, v);
    *best = s->best;
    for (int i = 0; i < STATES; i++) {
        t = (struct um_tensor){
            .name = state_name[i], .dtype = UM_I64, .ndim = 1, .dim = { 1 }, .data = v + i
        };
        UM_TRY(heap(p, &t, 1));
    }
    t = (struct um_tensor){
        .name = "optim.n", .dtype = UM_I64, .ndim = 1, .dim = { o->ps->n }, .data = o->updates
    };
    UM_TRY(heap(p, &t, 1));
    t = (struct um_tensor){
        .name = "state.best", .dtype = UM_F64, .ndim = 1, .dim = { 1 }, .data = best
    };
    return heap(p, &t, 1);
}

/* of names and values, in any order */
static uint64_t digest_of(uint64_t sum, const struct um_tensor *t)
{
    const uint64_t pair[] = { um_hash64(t->name, strlen(t->name)),
                              um_hash64(t->data, um_tensor_bytes(t)) };

    return sum + um_hash64(pair, sizeof pair);
}

static const char DIGEST[] = "state.digest"; /* a damaged checkpoint must not be gone on from */

/* um.config, and a digest that the tensors must have (NULL: none), in front of the caller's pairs
 */
static int join_meta(struct um_arena *a, const struct um_model *m, const char *digest,
                     const char *const *meta, const char ***out)
{
    char *json;
    int   n = 0, k = 2;

    while (meta[n])
        n++;
    UM_TRY(um_model_config_json(a, &m->cfg, &json));
    if (!(*out = um_calloc_array(a, n + 5, sizeof **out)))
        return UM_ENOMEM;
    (*out)[0] = "um.config";
    (*out)[1] = json;
    if (digest) {
        (*out)[k++] = DIGEST;
        (*out)[k++] = digest;
    }
    memcpy(*out + k, meta, (size_t)n * sizeof *meta);
    return UM_OK;
}

static int write_all(const char *run, const struct um_training *t, const struct um_state *s,
                     const char *const *meta, struct um_arena *a)
{
    struct pile  p = { .a = a };
    const char **all;

    UM_TRY(heap_block(&p, t->m, t->m->ps->value, ""));
    if (t->teacher)
        UM_TRY(heap_block(&p, t->teacher, t->teacher->ps->value, "teacher."));
    if (t->centres)
        UM_TRY(heap_centres(&p, t->centres));
    UM_TRY(heap_block(&p, t->m, t->optim->m, "optim.m."));
    UM_TRY(heap_block(&p, t->m, t->optim->u, "optim.v."));
    UM_TRY(heap_state(&p, s, t->optim));
    uint64_t sum = 0;

    for (int i = 0; i < p.n; i++)
        sum = digest_of(sum, &p.t[i]);
    UM_TRY(join_meta(a, t->m, um_sprintf(a, "%016llx", (unsigned long long)sum), meta, &all));
    const char *path = name_of(a, run, s->step);

    return path ? um_safetensors_write(path, p.t, p.n, all) : UM_ENOMEM;
}

int um_checkpoint_write(const char *run, const struct um_training *t, const struct um_state *s,
                        const char *const *meta)
{
    struct um_arena *a;
    int              st;

    UM_TRY(um_arena_new(&a));
    st = write_all(run, t, s, meta, a);
    um_arena_free(a);
    return st;
}

/* ---- reading ---- */

/* bytes of a JSON member, "name":value, up to the next one's name or the end */
static int member(const char *json)
{
    const char *end = json;

    while (*end && *end != '}' && !(end[0] == ',' && end[1] == '"'))
        end++;
    return (int)(end - json);
}

/* of two configurations, flat objects in JSON, the first members that differ */
static int other_config(const char *was, const char *is)
{
    size_t at = 0;

    while (was[at] && was[at] == is[at])
        at++;
    while (at > 0 && !(was[at] == '"' && strchr("{,", was[at - 1])))
        at--;
    was += at;
    is += at;
    return um_fail(UM_EMISMATCH, "um.config was %.*s when this run began, and is %.*s now",
                   member(was), was, member(is), is);
}

static int check_meta(const struct um_safetensors *f, const char *const *meta)
{
    for (; *meta; meta += 2) {
        const char *was = um_safetensors_meta(f, meta[0]);

        if (!was)
            return um_fail(UM_EMISSING, "no %s in the metadata: not a checkpoint", meta[0]);
        if (strcmp(meta[0], "um.config") == 0 && strcmp(was, meta[1]) != 0)
            return other_config(was, meta[1]);
        if (strcmp(was, meta[1]) != 0)
            return um_fail(UM_EMISMATCH, "%s was %s when this run began, and is %s now", meta[0],
                           was, meta[1]);
    }
    return UM_OK;
}

/* n numbers of 8 bytes */
static int numbers(const struct um_safetensors *f, const char *name, enum um_dtype dtype, int64_t n,
                   void *to)
{
    const struct um_tensor *t = um_safetensors_find(f, name);

    if (!t)
        return um_fail(UM_EMISSING, "no tensor %s: not a checkpoint", name);
    if (t->dtype != dtype || t->ndim != 1 || t->dim[0] != n)
        return um_fail(UM_ESHAPE, "%s: expected %s [%lld]", name, um_dtype_name(dtype),
                       (long long)n);
    memcpy(to, t->data, 8 * (size_t)n);
    return UM_OK;
}

static int read_state(const struct um_safetensors *f, struct um_adamw *o, struct um_state *s)
{
    int64_t v[STATES];

    for (int i = 0; i < STATES; i++) {
        UM_TRY(numbers(f, state_name[i], UM_I64, 1, &v[i]));
        if (v[i] < 0)
            return um_fail(UM_ERANGE, "%s: %lld", state_name[i], (long long)v[i]);
    }
    *s = (struct um_state){ .step      = v[0],
                            .skipped   = v[1],
                            .log_bytes = { v[2], v[3], v[4] },
                            .best_step = v[5],
                            .taken     = { v[6], v[7] } };
    UM_TRY(numbers(f, "optim.n", UM_I64, o->ps->n, o->updates));
    for (int i = 0; i < o->ps->n; i++)
        if (o->updates[i] < 0 || o->updates[i] > s->step)
            return um_fail(UM_ERANGE, "optim.n: %lld updates of %s in %lld steps",
                           (long long)o->updates[i], o->ps->list[i].name, (long long)s->step);
    return numbers(f, "state.best", UM_F64, 1, &s->best);
}

static int read_centres(const struct um_safetensors *f, struct um_params *c)
{
    for (int i = 0; i < c->n; i++) {
        const struct um_param  *p = &c->list[i];
        const struct um_tensor *t = um_safetensors_find(f, p->name);

        if (!t || t->dtype != UM_F32 || t->ndim != 1 || t->dim[0] != p->count)
            return um_fail(UM_ESHAPE, "%s: expected float32 [%lld]", p->name, (long long)p->count);
        UM_TRY(um_dev_kernels(c->dev)->upload(c->dev, c->value + p->offset, t->data,
                                              (size_t)p->count * sizeof(float)));
    }
    return um_dev_kernels(c->dev)->sync(c->dev);
}

static int check_digest(const struct um_safetensors *f)
{
    const char *was = um_safetensors_meta(f, DIGEST);
    uint64_t    sum = 0;
    char        now[17];

    for (int i = 0; i < um_safetensors_count(f); i++)
        sum = digest_of(sum, um_safetensors_at(f, i));
    (void)snprintf(now, sizeof now, "%016llx", (unsigned long long)sum);
    if (!was)
        return um_fail(UM_EMISSING, "no %s in the metadata: not a checkpoint", DIGEST);
    if (strcmp(was, now) != 0)
        return um_fail(UM_EFORMAT, "damaged: its values have changed since it was written; remove "
                                   "it to go on from the one before");
    return UM_OK;
}

static int read_all(const struct um_safetensors *f, const struct um_training *t, struct um_state *s,
                    const char *const *meta, struct um_arena *a)
{
    const char **all;

    UM_TRY(join_meta(a, t->m, NULL, meta, &all));
    UM_TRY(check_meta(f, all));
    UM_TRY(check_digest(f));
    UM_TRY(um_model_restore(t->m, t->m->ps->value, "", f));
    if (t->teacher)
        UM_TRY(um_model_restore(t->teacher, t->teacher->ps->value, "teacher.", f));
    if (t->centres)
        UM_TRY(read_centres(f, t->centres));
    UM_TRY(um_model_restore(t->m, t->optim->m, "optim.m.", f));
    UM_TRY(um_model_restore(t->m, t->optim->u, "optim.v.", f));
    return read_state(f, t->optim, s);
}

int um_checkpoint_read(const char *path, const struct um_training *t, struct um_state *s,
                       const char *const *meta)
{
    struct um_safetensors *f = NULL;
    struct um_arena       *a;
    int                    st;

    UM_TRY(um_arena_new(&a));
    if ((st = um_safetensors_open(&f, path)) >= 0) /* names the path itself */
        if ((st = read_all(f, t, s, meta, a)) < 0)
            (void)um_context(st, "%s", path);
    um_safetensors_close(f);
    um_arena_free(a);
    return st;
}
