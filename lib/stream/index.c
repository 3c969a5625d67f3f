/* index.c - any record of a file, by number */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stream/index_int.h"

int um_index_bytes(const struct um_index *ix, void *to, size_t n, int64_t at)
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

/* the entries and the footer that end at p->end: all of *p but its header and its first record */
static int read_entries(const struct um_index *ix, struct um_index_part *p)
{
    uint8_t foot[UM_FOOTER], head[8];

    if (p->end < UM_FOOTER + 8)
        return no_index();
    UM_TRY(um_index_bytes(ix, foot, sizeof foot, p->end - UM_FOOTER));
    if (memcmp(foot + 32, "umtindex", 8) != 0)
        return no_index();
    const uint64_t len = um_get64(foot), n = um_get64(foot + 8), bytes = um_get64(foot + 16);
    if (len > (uint64_t)p->end || bytes > UINT32_MAX - UM_FOOTER || bytes + UM_FOOTER + 8 > len ||
        n > bytes / (UM_ENTRY + 2))
        return damaged();
    p->start   = p->end - (int64_t)len;
    p->n       = (int64_t)n;
    p->bytes   = bytes;
    p->entries = p->end - UM_FOOTER - (int64_t)bytes;
    UM_TRY(um_index_bytes(ix, head, sizeof head, p->entries - 8));
    if (um_get32(head) != UM_MAGIC_INDEX || um_get32(head + 4) != bytes + UM_FOOTER)
        return damaged();
    return um_index_list(ix, p, foot);
}

static int read_header(struct um_index *ix, struct um_index_part *p)
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
    struct um_index_part *part = realloc(ix->part, ((size_t)ix->nparts + 1) * sizeof *part);

    if (!part)
        return um_fail(UM_ENOMEM, "out of memory");
    ix->part = part;
    part += ix->nparts++;
    *part = (struct um_index_part){ .end = end };
    UM_TRY(read_entries(ix, part));
    UM_TRY(read_header(ix, part));
    ix->n += part->n;
    return UM_OK;
}

/* they were met from the end of the file */
static void order_parts(struct um_index *ix)
{
    int64_t first = 0;

    for (int i = 0, j = ix->nparts - 1; i < j; i++, j--) {
        const struct um_index_part swap = ix->part[i];

        ix->part[i] = ix->part[j];
        ix->part[j] = swap;
    }
    for (int i = 0; i < ix->nparts; i++) {
        ix->part[i].first = first;
        first += ix->part[i].n;
    }
}

/* A data set may have thousands of shards, all open at once, and a process is often allowed 1024
 * files though it may ask for more. */
static bool more_files(void)
{
    struct rlimit r;

    if (errno != EMFILE || getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= r.rlim_max)
        return false;
    r.rlim_cur = r.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &r) == 0;
}

static int open_file(struct um_index *ix, const char *path)
{
    struct stat sb;

    do
        ix->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
    while (ix->fd < 0 && more_files());
    if (ix->fd < 0 || fstat(ix->fd, &sb) != 0)
        return um_fail_errno("open");
    if (!S_ISREG(sb.st_mode))
        return um_fail(UM_EUNSUPPORTED, "not a regular file: no access by index");
    UM_TRY(um_arena_new(&ix->arena));
    if (sb.st_size == 0)
        return um_fail(UM_EFORMAT, "empty: no bytes at all");
    for (int64_t end = sb.st_size; end > 0; end = ix->part[ix->nparts - 1].start)
        UM_TRY(add_part(ix, end));
    order_parts(ix);
    return UM_OK;
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
    for (struct um_index_scratch *s = ix->idle, *next; s; s = next) {
        next = s->next;
        um_inflate_free(&s->in);
        um_buf_free(&s->entries);
        free(s);
    }
    for (int i = 0; i < ix->nparts; i++)
        free(ix->part[i].block);
    if (ix->fd >= 0)
        (void)close(ix->fd);
    (void)pthread_mutex_destroy(&ix->lock);
    um_arena_free(ix->arena);
    free(ix->part);
    free(ix->slot);
    free(ix->name);
    free(ix);
}

/* ---- looking up ---- */

int64_t um_index_count(const struct um_index *ix)
{
    return ix->n;
}

const struct um_value *um_index_header(const struct um_index *ix, int64_t i)
{
    return &um_index_part_of(ix, i)->header;
}

int um_index_parts(const struct um_index *ix)
{
    return ix->nparts;
}

const struct um_value *um_index_part_header(const struct um_index *ix, int part)
{
    return &ix->part[part].header;
}

/* ---- reading ---- */

struct um_index_scratch *um_index_scratch(struct um_index *ix)
{
    struct um_index_scratch *s;

    (void)pthread_mutex_lock(&ix->lock);
    if ((s = ix->idle))
        ix->idle = s->next;
    (void)pthread_mutex_unlock(&ix->lock);
    if (!s && (s = calloc(1, sizeof *s))) {
        s->frame = -1;
        s->in.fd = ix->fd;
    }
    return s;
}

/* one that has the frame already, if nobody uses it */
static struct um_index_scratch *with_frame(struct um_index *ix, int64_t frame)
{
    struct um_index_scratch **s, *got;

    (void)pthread_mutex_lock(&ix->lock);
    for (s = &ix->idle; *s && (*s)->frame != frame;)
        s = &(*s)->next;
    if ((got = *s))
        *s = got->next;
    (void)pthread_mutex_unlock(&ix->lock);
    return got;
}

void um_index_give(struct um_index *ix, struct um_index_scratch *s)
{
    (void)pthread_mutex_lock(&ix->lock);
    s->next  = ix->idle;
    ix->idle = s;
    (void)pthread_mutex_unlock(&ix->lock);
}

static int read_record(const struct um_index_part *p, const struct um_index_entry *e,
                       struct um_index_scratch *s, struct um_arena *arena, struct um_record **rec)
{
    size_t off = e->inside, have;

    struct um_value v;
    if (s->frame != e->frame) {
        s->frame = -1;
        um_inflate_seek(&s->in, e->frame, p->end);
        UM_TRY(um_inflate_peek(&s->in, 4, &have));
        if (have < 4 || um_get32(s->in.in.p) != UM_MAGIC_ZSTD)
            return um_fail(UM_EFORMAT, "damaged: no frame where the index says");
        UM_TRY(um_inflate_frame(&s->in));
        s->frame = e->frame;
    }
    if (e->inside >= s->in.out.n)
        return um_fail(UM_EFORMAT, "damaged: no message where the index says");
    UM_TRY(um_message_parse(arena, s->in.out.p, s->in.out.n, &off, &v));
    if (um_ledger_check(s->in.out.p + e->inside, off - e->inside) != e->check)
        return um_fail(UM_EFORMAT, "damaged: not the record that was indexed");
    UM_TRY(um_message_to_record(arena, &v, rec));
    return strcmp((*rec)->key, e->key) == 0
               ? UM_OK
               : um_fail(UM_EFORMAT, "damaged: key %s where the index has %s", (*rec)->key, e->key);
}

/* `own` has the entry; another may have the frame */
static int read_with(struct um_index *ix, int64_t i, struct um_index_scratch *own,
                     struct um_arena *arena, struct um_record **rec)
{
    struct um_index_entry e;

    UM_TRY(um_index_entry(ix, i, own, &e));
    struct um_index_scratch *other = own->frame == e.frame ? NULL : with_frame(ix, e.frame);
    const int st = read_record(um_index_part_of(ix, i), &e, other ? other : own, arena, rec);
    if (other)
        um_index_give(ix, other);
    return st < 0 ? um_context(st, "record %s", e.key) : UM_OK;
}

int um_index_read(struct um_index *ix, int64_t i, struct um_arena *arena, struct um_record **rec)
{
    if (i < 0 || i >= ix->n)
        return um_fail(UM_ERANGE, "%s: record %" PRId64 " of %" PRId64, ix->name, i, ix->n);
    struct um_index_scratch *s = um_index_scratch(ix);
    if (!s)
        return um_fail(UM_ENOMEM, "out of memory");
    const int st = read_with(ix, i, s, arena, rec);
    um_index_give(ix, s);
    return st < 0 ? um_context(st, "%s", ix->name) : UM_OK;
}
