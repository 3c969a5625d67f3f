/* reduce.c - buckets of gradients, and who sums them */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/reduce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKET = 25 << 20 };

/* floats from .. from + n - 1 of the block */
struct bucket {
    int64_t from, n;
    int     params; /* that are in it */
    int     left;   /* of them not complete yet */
};

struct um_reduce {
    struct um_reduce_opts o;
    struct um_dev        *dev;
    bool                  device;  /* who sums */
    bool                  started; /* what completes may go */
    struct bucket        *bucket;  /* from the end of the block to its beginning */
    int                   n, next; /* next: the first that has not begun */
    int                  *of;      /* each parameter's bucket, -1: none */
    char                  name[64], why[UM_ERRMSG_MAX];
};

/* ---- buckets ---- */

static bool is(bool (*what)(const void *, const struct um_param *), const struct um_reduce *r,
               int i)
{
    return what && what(r->o.user, &r->o.ps->list[i]);
}

/* Buffers have gradients of zero in the block: those between parameters go along, for a bucket is
 * one piece. */
static int cut(struct um_reduce *r)
{
    const struct um_params *ps   = r->o.ps;
    const int64_t           most = (r->o.bucket ? r->o.bucket : BUCKET) / (int64_t)sizeof(float);
    struct bucket          *b    = NULL; /* the one that grows */

    r->bucket = calloc((size_t)ps->n + 1, sizeof *r->bucket);
    r->of     = calloc((size_t)ps->n + 1, sizeof *r->of);
    if (!r->bucket || !r->of)
        return um_fail(UM_ENOMEM, "out of memory");
    for (int i = ps->n - 1; i >= 0; i--) {
        const struct um_param *p = &ps->list[i];

        r->of[i] = -1;
        if (p->buffer)
            continue;
        if (is(r->o.unused, r, i)) {
            b = NULL; /* it is left out: the next bucket begins before it */
            continue;
        }
        if (!b || b->from + b->n - p->offset > most) {
            b  = &r->bucket[r->n++];
            *b = (struct bucket){ .from = p->offset, .n = p->count };
        }
        b->n += b->from - p->offset;
        b->from  = p->offset;
        r->of[i] = r->n - 1;
        b->params++;
    }
    return UM_OK;
}

/* buckets that are complete begin, in their order */
static int go_on(struct um_reduce *r)
{
    const struct um_kernels *k = um_dev_kernels(r->dev);

    for (; r->next < r->n && r->bucket[r->next].left == 0; r->next++) {
        const struct bucket *b = &r->bucket[r->next];

        UM_TRY(k->comm_sum(r->dev, r->o.ps->grad + b->from, b->n, 1));
    }
    return UM_OK;
}

/* um_final_fn: parameter i is complete */
static int complete(void *user, int i)
{
    struct um_reduce *r = user;

    if (!r->started || r->of[i] < 0)
        return UM_OK;
    r->bucket[r->of[i]].left--;
    return go_on(r);
}

/* ---- setting up ---- */

/* the id of the group that all have: rank 0's */
static int join(struct um_reduce *r)
{
    const struct um_kernels *k     = um_dev_kernels(r->dev);
    struct um_ranks         *ranks = r->o.ranks;
    const int                rank  = um_ranks_rank(ranks);
    char                     id[UM_COMM_ID];

    memset(id, 0, sizeof id);
    UM_TRY(um_ranks_agree(ranks, k->comm_id(r->dev, rank == 0 ? id : NULL)));
    UM_TRY(um_ranks_bcast(ranks, id, sizeof id, 0));
    return um_ranks_agree(
        ranks, k->comm_open(r->dev, id, rank, um_ranks_size(ranks), r->name, sizeof r->name));
}

/* Do all ranks have devices that can, and does nobody object? Then they join. That they cannot is
 * no failure of the run. */
static int choose(struct um_reduce *r)
{
    const struct um_kernels *k     = um_dev_kernels(r->dev);
    const char              *wish  = getenv("UM_NCCL");
    int64_t                  never = !k->comm_sum || (wish && strcmp(wish, "0") == 0);

    UM_TRY(um_ranks_max(r->o.ranks, &never, 1));
    if (never)
        return UM_OK;
    r->device = join(r) >= 0;
    if (!r->device) {
        (void)snprintf(r->name, sizeof r->name, "the host");
        (void)snprintf(r->why, sizeof r->why, "%s", um_errmsg());
        k->comm_close(r->dev);
    }
    return um_ranks_barrier(r->o.ranks); /* the failure is past */
}

int um_reduce_new(struct um_reduce **out, const struct um_reduce_opts *o)
{
    struct um_reduce *r = calloc(1, sizeof *r);
    int               st;

    *out = NULL;
    if (!r)
        return um_fail(UM_ENOMEM, "out of memory");
    r->o   = *o;
    r->dev = o->ps->dev;
    (void)snprintf(r->name, sizeof r->name, "the host");
    if ((st = cut(r)) < 0 || (st = choose(r)) < 0 ||
        (r->device && (st = um_nn_watch(o->nn, o->ps, complete, r)) < 0)) {
        um_reduce_free(r);
        return st;
    }
    *out = r;
    return UM_OK;
}

void um_reduce_free(struct um_reduce *r)
{
    if (!r)
        return;
    if (r->device)
        um_dev_kernels(r->dev)->comm_close(r->dev);
    free(r->bucket);
    free(r->of);
    free(r);
}

const char *um_reduce_name(const struct um_reduce *r)
{
    return r->name;
}

const char *um_reduce_why(const struct um_reduce *r)
{
    return r->why;
}

/* ---- a step ---- */

static int drop_shared(struct um_reduce *r)
{
    const struct um_params *ps = r->o.ps;

    for (int i = 0; i < ps->n && um_ranks_rank(r->o.ranks) > 0; i++) {
        const struct um_param *p = &ps->list[i];

        if (!p->buffer && is(r->o.shared, r, i))
            UM_TRY(um_dev_kernels(r->dev)->zero(r->dev, ps->grad + p->offset,
                                                (size_t)p->count * sizeof(float)));
    }
    return UM_OK;
}

int um_reduce_start(struct um_reduce *r)
{
    if (!r->device)
        return UM_OK;
    for (int i = 0; i < r->n; i++)
        r->bucket[i].left = r->bucket[i].params;
    r->next    = 0;
    r->started = true;
    return drop_shared(r);
}

int um_reduce_end(struct um_reduce *r)
{
    const struct um_params *ps = r->o.ps;

    if (!r->device) {
        UM_TRY(drop_shared(r));
        return um_reduce_values(r, ps->grad, ps->total, 1);
    }
    if (!r->started)
        UM_TRY(um_reduce_start(r));
    for (int i = 0; i < r->n; i++)
        r->bucket[i].left = 0;
    UM_TRY(go_on(r));
    r->started = false;
    return um_dev_kernels(r->dev)->comm_join(r->dev);
}

int um_reduce_drop(struct um_reduce *r)
{
    const bool begun = r->started;

    r->started = false;
    return begun ? um_dev_kernels(r->dev)->comm_join(r->dev) : UM_OK;
}

/* down, together, up */
static int by_host(struct um_reduce *r, float *x, int64_t n, float scale)
{
    const struct um_kernels *k    = um_dev_kernels(r->dev);
    const size_t             size = (size_t)n * sizeof *x;
    float                   *host = malloc(size + 1);
    int                      st;

    if (!host)
        return um_fail(UM_ENOMEM, "out of memory");
    if ((st = k->sync(r->dev)) >= 0 && (st = k->download(r->dev, host, x, size)) >= 0 &&
        (st = um_ranks_sum(r->o.ranks, host, n)) >= 0) {
        for (int64_t i = 0; i < n && scale != 1; i++)
            host[i] *= scale;
        st = k->upload(r->dev, x, host, size);
    }
    free(host);
    return st;
}

int um_reduce_values(struct um_reduce *r, float *x, int64_t n, float scale)
{
    return r->device ? um_dev_kernels(r->dev)->comm_sum(r->dev, x, n, scale)
                     : by_host(r, x, n, scale);
}
