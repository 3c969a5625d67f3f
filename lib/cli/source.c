/* source.c - items that are not a stream, over the same belt into one part */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/belt.h"

static int work(const void *owner, int w, struct slot *s)
{
    const struct um_source *src = owner;

    return src->map(src->user, w, s->arena, s->item, &s->emit);
}

static double progress(const void *owner, int64_t count, double *total)
{
    *total = (double)((const struct um_source *)owner)->total;
    return (double)count;
}

/* 1 an item, 0 the end */
static int feed(struct belt *b, const struct um_source *src)
{
    struct slot *s;
    const char  *key = NULL;

    UM_TRY(belt_slot(b, &s));
    const int st = src->next(src->user, &s->item, &key);
    if (st <= 0)
        return st;
    s->key = um_strdup(s->arena, key);
    if (!s->key)
        return UM_ENOMEM;
    UM_TRY(belt_push(b));
    return 1;
}

static int run(struct belt *b, const struct um_source *src)
{
    int st;

    UM_TRY(belt_open(b, src->unit));
    UM_TRY(um_writer_part(b->writer, src->header));
    while ((st = feed(b, src)) > 0)
        ;
    UM_TRY(belt_settle(b, st));
    if (src->count)
        *src->count = b->count;
    return src->end ? src->end(src->user) : UM_OK;
}

int um_source_run(const struct um_source *s)
{
    struct belt b = { .tool      = s->tool,
                      .common    = s->common,
                      .owner     = s,
                      .work      = work,
                      .progress  = progress,
                      .free_item = s->free_item,
                      .bar       = s->bar,
                      .lent      = s->bar != NULL,
                      .before    = s->before };

    return belt_close(&b, run(&b, s));
}
