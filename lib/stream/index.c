/* index.c - any record of a file, by number or key */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/hash.h"
#include "stream/ledger.h"
#include "stream/umt.h"

struct part {
    int64_t         start, end; /* in the file; end: behind the footer */
    int64_t         first, n;   /* its records */
    struct um_value header;
    struct um_buf   bytes; /* its entries */
};

/* what a reading thread needs; kept for the next one */
struct scratch {
    struct um_inflate in;
    int64_t           frame; /* whose content is in `in.out`, by place in the file; -1: none */
    struct scratch   *next;
};

struct um_index {
    char            *name;
    int              fd;
    int              nparts;
    struct part     *part; /* in file order once open */
    int64_t          n;
    const uint8_t  **entry;
    struct um_arena *arena; /* headers */
    pthread_mutex_t  lock;  /* of the two below */
    struct scratch  *idle;
    int64_t         *slot; /* record numbers by hash of key, -1: free; made by the first search */
    uint64_t         slots;
};

static int read_at(const struct um_index *ix, void *to, size_t n, int64_t at)
{
    while (n > 0) {
        const ssize_t got = pread(ix->fd, to, n, at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return um_fail_errno("read");
        if (got == 0)
            return um_fail(UM_EFORMAT, "cut");
        to = (uint8_t *)to + got;
        at += got;
        n -= (size_t)got;
    }
    return UM_OK;
}

/* ---- opening: parts are chained from the end ---- */

static int damaged(void)
{
    return um_fail(UM_EFORMAT, "damaged index");
}

static int no_index(void)
{
    return um_fail(UM_EUNSUPPORTED,
                   "no index at its end (cut, or written without one): um-cat makes one");
}

/* the entries and the footer that end at p->end; sets p->start, p->n, p->bytes */
static int read_entries(const struct um_index *ix, struct part *p)
{
    uint8_t foot[UM_FOOTER], head[8];

    if (p->end < UM_FOOTER + 8)
        return no_index();
    UM_TRY(read_at(ix, foot, sizeof foot, p->end - UM_FOOTER));
    if (memcmp(foot + 32, "umtindex", 8) != 0)
        return no_index();
    const uint64_t len = um_get64(foot), n = um_get64(foot + 8), bytes = um_get64(foot + 16);
    if (len > (uint64_t)p->end || bytes > UINT32_MAX - UM_FOOTER || bytes + UM_FOOTER + 8 > len ||
        n > bytes / (UM_ENTRY + 2))
        return damaged();
    p->start = p->end - (int64_t)len;
    p->n     = (int64_t)n;
    UM_TRY(read_at(ix, head, sizeof head, p->end - UM_FOOTER - (int64_t)bytes - 8));
    if (um_get32(head) != UM_MAGIC_INDEX || um_get32(head + 4) != bytes + UM_FOOTER)
        return damaged();
    UM_TRY(um_buf_need(&p->bytes, bytes + 24));
    UM_TRY(read_at(ix, p->bytes.p, bytes, p->end - UM_FOOTER - (int64_t)bytes));
    memcpy(p->bytes.p + bytes, foot, 24);
    p->bytes.n = bytes;
    return XXH3_64bits(p->bytes.p, bytes + 24) == um_get64(foot + 24) ? UM_OK : damaged();
}

static int read_header(struct um_index *ix, struct part *p)
{
    struct um_inflate in  = { .fd = ix->fd };
    size_t            off = 0;

    um_inflate_seek(&in, p->start, p->end);
    int st = um_inflate_frame(&in);
    if (st >= 0)
        st = um_message_parse(ix->arena, in.out.p, in.out.n, &off, &p->header);
    if (st >= 0) /* bytes in it must not point into the frame */
        st = um_value_copy(ix->arena, &p->header, &p->header);
    um_inflate_free(&in);
    return st < 0 ? st : um_header_check(&p->header);
}

static int add_part(struct um_index *ix, int64_t end)
{
    struct part *part = realloc(ix->part, ((size_t)ix->nparts + 1) * sizeof *part);

    if (!part)
        return um_fail(UM_ENOMEM, "out of memory");
    ix->part = part;
    part += ix->nparts++;
    *part = (struct part){ .end = end };
    UM_TRY(read_entries(ix, part));
    UM_TRY(read_header(ix, part));
    ix->n += part->n;
    return UM_OK;
}

static int list_entries(struct um_index *ix, struct part *p)
{
    const uint8_t *at = p->bytes.p, *end = at + p->bytes.n;
    uint64_t       before = 0;

    for (int64_t i = 0; i < p->n; i++) {
        if (end - at < UM_ENTRY + 2 || um_get64(at) < before ||
            um_get64(at) >= (uint64_t)(p->end - p->start))
            return damaged();
        const uint8_t *nul = memchr(at + UM_ENTRY, 0, (size_t)(end - at) - UM_ENTRY);
        if (!nul)
            return damaged();
        before                  = um_get64(at);
        ix->entry[p->first + i] = at;
        at                      = nul + 1;
    }
    return at == end ? UM_OK : damaged();
}

static int list_parts(struct um_index *ix)
{
    int64_t first = 0;

    for (int i = 0, j = ix->nparts - 1; i < j; i++, j--) {
        const struct part swap = ix->part[i];

        ix->part[i] = ix->part[j];
        ix->part[j] = swap;
    }
    ix->entry = malloc(((size_t)ix->n + 1) * sizeof *ix->entry);
    if (!ix->entry)
        return um_fail(UM_ENOMEM, "out of memory");
    for (int i = 0; i < ix->nparts; i++) {
        ix->part[i].first = first;
        first += ix->part[i].n;
        UM_TRY(list_entries(ix, &ix->part[i]));
    }
    return UM_OK;
}

static int open_file(struct um_index *ix, const char *path)
{
    struct stat sb;

    ix->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
    if (ix->fd < 0 || fstat(ix->fd, &sb) != 0)
        return um_fail_errno("open");
    if (!S_ISREG(sb.st_mode))
        return um_fail(UM_EUNSUPPORTED, "not a regular file: no access by index");
    UM_TRY(um_arena_new(&ix->arena));
    if (sb.st_size == 0)
        return um_fail(UM_EFORMAT, "empty: no bytes at all");
    for (int64_t end = sb.st_size; end > 0; end = ix->part[ix->nparts - 1].start)
        UM_TRY(add_part(ix, end));
    return list_parts(ix);
}

int um_index_open(struct um_index **index, const char *path)
{
    struct um_index *ix = calloc(1, sizeof *ix);

    if (!ix)
        return um_fail(UM_ENOMEM, "out of memory");
    ix->fd = -1;
    (void)pthread_mutex_init(&ix->lock, NULL);
    ix->name     = strdup(path);
    const int st = ix->name ? open_file(ix, path) : um_fail(UM_ENOMEM, "out of memory");
    if (st < 0) {
        um_index_close(ix);
        return um_context(st, "%s", path);
    }
    *index = ix;
    return UM_OK;
}

void um_index_close(struct um_index *ix)
{
    if (!ix)
        return;
    for (struct scratch *s = ix->idle, *next; s; s = next) {
        next = s->next;
        um_inflate_free(&s->in);
        free(s);
    }
    for (int i = 0; i < ix->nparts; i++)
        um_buf_free(&ix->part[i].bytes);
    if (ix->fd >= 0)
        (void)close(ix->fd);
    (void)pthread_mutex_destroy(&ix->lock);
    um_arena_free(ix->arena);
    free(ix->part);
    free(ix->entry);
    free(ix->slot);
    free(ix->name);
    free(ix);
}

/* ---- looking up ---- */

int64_t um_index_count(const struct um_index *ix)
{
    return ix->n;
}

const char *um_index_key(const struct um_index *ix, int64_t i)
{
    return (const char *)ix->entry[i] + UM_ENTRY;
}

static const struct part *part_of(const struct um_index *ix, int64_t i)
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

const struct um_value *um_index_header(const struct um_index *ix, int64_t i)
{
    return &part_of(ix, i)->header;
}

int um_index_parts(const struct um_index *ix)
{
    return ix->nparts;
}

const struct um_value *um_index_part_header(const struct um_index *ix, int part)
{
    return &ix->part[part].header;
}

/* Records in ascending order, so that equal keys of several parts are met in ascending order. */
static bool make_table(struct um_index *ix)
{
    uint64_t slots = 16;

    while (slots < 2 * (uint64_t)ix->n)
        slots *= 2;
    if (!(ix->slot = malloc(slots * sizeof *ix->slot)))
        return false;
    for (uint64_t i = 0; i < slots; i++)
        ix->slot[i] = -1;
    for (int64_t i = 0; i < ix->n; i++) {
        const char *key = um_index_key(ix, i);
        uint64_t    s   = um_hash64(key, strlen(key)) & (slots - 1);

        while (ix->slot[s] >= 0)
            s = (s + 1) & (slots - 1);
        ix->slot[s] = i;
    }
    ix->slots = slots;
    return true;
}

int64_t um_index_find(const struct um_index *index, const char *key, int64_t from)
{
    struct um_index *ix = (struct um_index *)(uintptr_t)index; /* the table is only a cache */

    (void)pthread_mutex_lock(&ix->lock);
    const bool table = ix->slot || make_table(ix);
    (void)pthread_mutex_unlock(&ix->lock);
    if (!table) { /* no memory for one: look at each */
        for (int64_t i = from; i < ix->n; i++)
            if (strcmp(um_index_key(ix, i), key) == 0)
                return i;
        return -1;
    }
    for (uint64_t s = um_hash64(key, strlen(key)) & (ix->slots - 1); ix->slot[s] >= 0;
         s          = (s + 1) & (ix->slots - 1))
        if (ix->slot[s] >= from && strcmp(um_index_key(ix, ix->slot[s]), key) == 0)
            return ix->slot[s];
    return -1;
}

/* ---- reading ---- */

/* a scratch of our own, best one that has the frame already */
static struct scratch *take_scratch(struct um_index *ix, int64_t frame)
{
    struct scratch **s, *got;

    (void)pthread_mutex_lock(&ix->lock);
    for (s = &ix->idle; *s && (*s)->frame != frame;)
        s = &(*s)->next;
    if (!*s)
        s = &ix->idle;
    if ((got = *s))
        *s = got->next;
    (void)pthread_mutex_unlock(&ix->lock);
    if (!got && (got = calloc(1, sizeof *got))) {
        got->frame = -1;
        got->in.fd = ix->fd;
    }
    return got;
}

static int read_record(const struct part *p, const uint8_t *entry, struct scratch *s,
                       struct um_arena *arena, struct um_record **rec)
{
    const char   *key    = (const char *)entry + UM_ENTRY;
    const int64_t frame  = p->start + (int64_t)um_get64(entry);
    const size_t  inside = um_get32(entry + 8);
    size_t        off    = inside, have;

    struct um_value v;
    if (s->frame != frame) {
        s->frame = -1;
        um_inflate_seek(&s->in, frame, p->end);
        UM_TRY(um_inflate_peek(&s->in, 4, &have));
        if (have < 4 || um_get32(s->in.in.p) != UM_MAGIC_ZSTD)
            return um_fail(UM_EFORMAT, "damaged: no frame where the index says");
        UM_TRY(um_inflate_frame(&s->in));
        s->frame = frame;
    }
    if (inside >= s->in.out.n)
        return um_fail(UM_EFORMAT, "damaged: no message where the index says");
    UM_TRY(um_message_parse(arena, s->in.out.p, s->in.out.n, &off, &v));
    if (um_ledger_check(s->in.out.p + inside, off - inside) != um_get32(entry + 12))
        return um_fail(UM_EFORMAT, "damaged: not the record that was indexed");
    UM_TRY(um_message_to_record(arena, &v, rec));
    return strcmp((*rec)->key, key) == 0
               ? UM_OK
               : um_fail(UM_EFORMAT, "damaged: key %s where the index has %s", (*rec)->key, key);
}

int um_index_read(struct um_index *ix, int64_t i, struct um_arena *arena, struct um_record **rec)
{
    if (i < 0 || i >= ix->n)
        return um_fail(UM_ERANGE, "%s: record %" PRId64 " of %" PRId64, ix->name, i, ix->n);
    const struct part *p = part_of(ix, i);
    struct scratch    *s = take_scratch(ix, p->start + (int64_t)um_get64(ix->entry[i]));
    if (!s)
        return um_fail(UM_ENOMEM, "out of memory");
    const int st = read_record(p, ix->entry[i], s, arena, rec);
    (void)pthread_mutex_lock(&ix->lock);
    s->next  = ix->idle;
    ix->idle = s;
    (void)pthread_mutex_unlock(&ix->lock);
    return st < 0 ? um_context(st, "%s: record %s", ix->name, um_index_key(ix, i)) : UM_OK;
}
