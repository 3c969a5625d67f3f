/* shards.c - one source, many files */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/shards.h"

#include <unistd.h>

#include "cli/names.h"
#include "dataset/shard.h"

/* one run over all files of the job */
struct run {
    struct um_shards   *s;
    struct um_arena    *a; /* names of one file */
    struct um_progress *bar;
    int64_t             number, before, total; /* the file; items worked on before it; in all */
    bool                checked;               /* nothing lies beyond the last file */
};

static int next(void *user, void **item, const char **key)
{
    const struct um_source *src = &((const struct run *)user)->s->source;

    return src->next(src->user, item, key);
}

static int map(void *user, int worker, struct um_arena *a, void *item, struct um_emit *e)
{
    const struct um_source *src = &((const struct run *)user)->s->source;

    return src->map(src->user, worker, a, item, e);
}

static int end(void *user)
{
    const struct run *r = user;

    return r->s->end ? r->s->end(r->s->source.user, r->number) : UM_OK;
}

/* left by a longer manifest */
static int check_beyond(struct run *r)
{
    const char *first = NULL, *path;
    int64_t     n     = 0;

    for (r->checked = true;; n++) {
        UM_TRY(um_names_numbered(r->a, "-o", r->s->source.common->output, r->s->files + n, &path));
        if (access(path, F_OK) != 0)
            break;
        first = first ? first : path;
    }
    if (n > 1)
        return um_fail(UM_EMISMATCH,
                       "%s and %lld more are there, and the manifest ends before them: remove them",
                       first, (long long)n - 1);
    return n == 0 ? UM_OK
                  : um_fail(UM_EMISMATCH, "%s is there, and the manifest ends before it: remove it",
                            first);
}

static int make(struct run *r, const char *path)
{
    const struct um_source *of     = &r->s->source;
    struct um_common        common = *of->common;
    struct um_source        src    = *of;
    int64_t                 count  = 0;

    UM_TRY(r->checked ? UM_OK : check_beyond(r));
    common.output = path;
    if (common.rejects)
        UM_TRY(
            um_names_numbered(r->a, "--rejects", of->common->rejects, r->number, &common.rejects));
    UM_TRY(um_names_folder(r->a, path));
    if (!r->bar) /* its clock does not run while files that are there pass by */
        UM_TRY(um_progress_new(&r->bar, of->tool, of->unit));
    src.common = &common;
    src.user   = r;
    src.next   = next;
    src.map    = map;
    src.end    = end;
    src.bar    = r->bar;
    src.before = r->before;
    src.total  = r->total;
    src.count  = &count;
    UM_TRY(um_source_run(&src));
    r->before += count;
    r->s->made++;
    return UM_OK;
}

/* 1: there may be more; 0: there is no such file */
static int one(struct run *r)
{
    const struct um_source *src = &r->s->source;
    const char             *path;
    int64_t                 items, records;
    bool                    cut;

    UM_TRY(um_names_numbered(r->a, "-o", src->common->output, r->number, &path));
    int st = r->s->turn(src->user, r->number, &items);
    if (st <= 0)
        return st < 0 || r->checked ? st : check_beyond(r);
    UM_TRY(st = um_shard_there(path, src->header, &cut, &records));
    if (st > 0) {
        r->s->there++;
        r->s->missing += items - records;
        r->total -= r->total > items ? items : r->total;
        return 1;
    }
    if (cut)
        um_warn(src->tool, "%s is there, but not whole: made anew", path);
    UM_TRY(make(r, path));
    return 1;
}

int um_shards_run(struct um_shards *s)
{
    struct run  r       = { .s = s, .number = s->part, .total = s->source.total };
    const char *rejects = s->source.common->rejects, *path;
    int         st      = um_arena_new(&r.a);

    if (st >= 0 && rejects) /* also if nothing is to be made */
        st = um_names_numbered(r.a, "--rejects", rejects, 0, &path);
    for (st = st < 0 ? st : 1; st > 0; r.number += s->parts) {
        st = one(&r);
        um_arena_reset(r.a);
    }
    um_progress_free(r.bar);
    um_arena_free(r.a);
    return st;
}
