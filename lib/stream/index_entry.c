/* index_entry.c - the entries of an index: checked once when it is opened, then read where needed
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/hash.h"
#include "stream/index_int.h"

enum { CHUNK = 1 << 16 };

static int damaged(void)
{
    return um_fail(UM_EFORMAT, "damaged index");
}

int um_index_take(const struct um_index_part *part, const uint8_t *p, size_t n,
                  struct um_index_entry *e)
{
    if (n < UM_ENTRY + 2)
        return 0;
    const size_t   most = n - UM_ENTRY < UM_MAX_KEY + 1 ? n - UM_ENTRY : UM_MAX_KEY + 1;
    const uint8_t *nul  = memchr(p + UM_ENTRY, 0, most);
    const uint64_t at   = um_get64(p);

    if (at >= (uint64_t)(part->end - part->start) || (!nul && most == UM_MAX_KEY + 1))
        return damaged();
    if (!nul)
        return 0;
    *e = (struct um_index_entry){ part->start + (int64_t)at, um_get32(p + 8), um_get32(p + 12),
                                  (const char *)p + UM_ENTRY, (size_t)(nul + 1 - p) };
    return 1;
}

/* ---- when it is opened ---- */

struct listing {
    const struct um_index *ix;
    struct um_index_part  *part;
    XXH3_state_t          *all, *block; /* of all entries; of those of the block so far */
    struct um_buf          buf;
    int64_t                n;    /* entries so far */
    uint64_t               at;   /* bytes of them */
    int64_t                last; /* frame of the last one */
};

static void end_block(struct listing *l)
{
    if (l->n > 0)
        l->part->block[(l->n - 1) / UM_INDEX_BLOCK].check = (uint32_t)XXH3_64bits_digest(l->block);
}

static int note(struct listing *l, const uint8_t *p, const struct um_index_entry *e)
{
    if (l->n == l->part->n || e->frame < l->last)
        return damaged();
    if (l->n % UM_INDEX_BLOCK == 0) {
        end_block(l);
        l->part->block[l->n / UM_INDEX_BLOCK].at = (uint32_t)l->at;
        if (XXH3_64bits_reset(l->block) != XXH_OK)
            return um_fail(UM_ENOMEM, "out of memory");
    }
    (void)XXH3_64bits_update(l->block, p, e->size);
    l->last = e->frame;
    l->at += e->size;
    l->n++;
    return UM_OK;
}

/* the whole entries in the buffer; what is left of another moves to its front */
static int note_buffer(struct listing *l)
{
    struct um_index_entry e = { 0 };
    const uint8_t        *p = l->buf.p, *end = p + l->buf.n;
    int                   st;

    while ((st = um_index_take(l->part, p, (size_t)(end - p), &e)) > 0) {
        UM_TRY(note(l, p, &e));
        p += e.size;
    }
    memmove(l->buf.p, p, (size_t)(end - p));
    l->buf.n = (size_t)(end - p);
    return st;
}

static int list(struct listing *l, const uint8_t foot[UM_FOOTER])
{
    struct um_index_part *p = l->part;

    if (XXH3_64bits_reset(l->all) != XXH_OK)
        return um_fail(UM_ENOMEM, "out of memory");
    for (uint64_t at = 0, now; at < p->bytes; at += now) {
        now = p->bytes - at < CHUNK ? p->bytes - at : CHUNK;
        UM_TRY(um_buf_need(&l->buf, now));
        UM_TRY(um_index_bytes(l->ix, l->buf.p + l->buf.n, now, p->entries + (int64_t)at));
        (void)XXH3_64bits_update(l->all, l->buf.p + l->buf.n, now);
        l->buf.n += now;
        UM_TRY(note_buffer(l));
    }
    end_block(l);
    (void)XXH3_64bits_update(l->all, foot, 24);
    return l->n == p->n && l->buf.n == 0 && XXH3_64bits_digest(l->all) == um_get64(foot + 24)
               ? UM_OK
               : damaged();
}

int um_index_list(const struct um_index *ix, struct um_index_part *part,
                  const uint8_t foot[UM_FOOTER])
{
    struct listing l = { .ix    = ix,
                         .part  = part,
                         .all   = XXH3_createState(),
                         .block = XXH3_createState(),
                         .last  = part->start };
    int            st;

    part->block = malloc(((size_t)part->n / UM_INDEX_BLOCK + 1) * sizeof *part->block);
    st = l.all && l.block && part->block ? list(&l, foot) : um_fail(UM_ENOMEM, "out of memory");
    (void)XXH3_freeState(l.all);
    (void)XXH3_freeState(l.block);
    um_buf_free(&l.buf);
    return st;
}

/* ---- when it is used ---- */

const struct um_index_part *um_index_part_of(const struct um_index *ix, int64_t i)
{
    int lo = 0, hi = ix->nparts - 1;

    while (lo < hi) {
        const int mid = (lo + hi + 1) / 2;

        if (ix->part[mid].first <= i)
            lo = mid;
        else
            hi = mid - 1;
    }
    return &ix->part[lo];
}

static int read_block(const struct um_index *ix, const struct um_index_part *p, int64_t b,
                      struct um_index_scratch *s)
{
    const bool     last = (b + 1) * UM_INDEX_BLOCK >= p->n;
    const uint64_t end  = last ? p->bytes : p->block[b + 1].at;
    const size_t   n    = (size_t)(end - p->block[b].at);

    if (s->part == p && s->block == b)
        return UM_OK;
    s->part      = NULL;
    s->entries.n = 0;
    UM_TRY(um_buf_need(&s->entries, n));
    UM_TRY(um_index_bytes(ix, s->entries.p, n, p->entries + p->block[b].at));
    if ((uint32_t)XXH3_64bits(s->entries.p, n) != p->block[b].check)
        return um_fail(UM_EFORMAT, "the index has changed since it was opened");
    s->entries.n = n;
    s->part      = p;
    s->block     = b;
    return UM_OK;
}

int um_index_entry(const struct um_index *ix, int64_t i, struct um_index_scratch *s,
                   struct um_index_entry *e)
{
    const struct um_index_part *p  = um_index_part_of(ix, i);
    const int64_t               k  = i - p->first;
    size_t                      at = 0;

    UM_TRY(read_block(ix, p, k / UM_INDEX_BLOCK, s));
    for (int64_t j = 0;; j++) {
        const int st = um_index_take(p, s->entries.p + at, s->entries.n - at, e);

        if (st <= 0) /* not after the check of the block */
            return st < 0 ? st : damaged();
        if (j == k % UM_INDEX_BLOCK)
            return UM_OK;
        at += e->size;
    }
}
