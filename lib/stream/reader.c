/* reader.c - a stream from its first byte to its last, one record at a time */
/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "stream/ledger.h"
#include "stream/umt.h"

/* what must come next */
enum state { HEADER, RECORDS, INDEX, AFTER, DONE };

struct um_reader {
    char             *name;
    int64_t           size; /* of a regular file, or -1 */
    struct um_inflate in;
    size_t            at; /* in the content of the last frame */
    enum state        state;
    bool              more;        /* the trailer says that another part follows */
    uint64_t          part, frame; /* where this part began; this frame, from there */
    struct um_ledger  ledger;
    struct um_arena  *arena; /* the header's */
    struct um_value   header;
    struct um_as_read as_read;
    int               st; /* an error is final */
    char             *msg;
    char              last[UM_MAX_KEY + 1];
};

static int open_input(struct um_reader *r, const char *path)
{
    const bool  std = !path || strcmp(path, "-") == 0;
    struct stat sb;

    if (!(r->name = strdup(std ? "standard input" : path)))
        return um_fail(UM_ENOMEM, "out of memory");
    r->in.fd = std ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (r->in.fd < 0)
        return um_fail_errno("%s", r->name);
    if (fstat(r->in.fd, &sb) != 0)
        return um_fail_errno("%s", r->name);
    if (S_ISDIR(sb.st_mode))
        return um_fail(UM_EIO, "%s: a directory, not a stream", r->name);
    r->size = S_ISREG(sb.st_mode) ? sb.st_size : -1;
    UM_TRY(um_arena_new(&r->arena));
    return um_ledger_open(&r->ledger, false);
}

int um_reader_open(struct um_reader **reader, const char *path)
{
    struct um_reader *r = calloc(1, sizeof *r);

    if (!r)
        return um_fail(UM_ENOMEM, "out of memory");
    r->in.fd     = -1;
    r->in.at     = -1;
    const int st = open_input(r, path);
    if (st < 0) {
        um_reader_close(r);
        return st;
    }
    *reader = r;
    return UM_OK;
}

void um_reader_close(struct um_reader *r)
{
    if (!r)
        return;
    if (r->in.fd > STDIN_FILENO)
        (void)close(r->in.fd);
    um_inflate_free(&r->in);
    um_ledger_free(&r->ledger);
    um_arena_free(r->arena);
    free(r->name);
    free(r->msg);
    free(r);
}

int um_reader_rename(struct um_reader *r, const char *name)
{
    char *copy = strdup(name);

    if (!copy)
        return um_fail(UM_ENOMEM, "out of memory");
    free(r->name);
    r->name = copy;
    return UM_OK;
}

void um_reader_keep(struct um_reader *r)
{
    r->in.keep = true;
}

void um_reader_wake(struct um_reader *r, const int *fd)
{
    r->in.wake = fd;
}

static int cut(void)
{
    return um_fail(UM_EFORMAT, "cut");
}

/* ---- messages ---- */

static int take_header(struct um_reader *r, const struct um_value *v)
{
    UM_TRY(um_header_check(v));
    r->header = *v;
    r->state  = RECORDS;
    UM_TRY(um_ledger_reset(&r->ledger));
    return UM_NEXT_PART;
}

static int take_trailer(struct um_reader *r, const struct um_value *v)
{
    const struct um_value *end   = um_map_get(v, "end");
    const struct um_value *index = um_map_get(v, "index");
    const struct um_value *more  = um_map_get(v, "more");

    if (end->kind != UM_INT || !index || index->kind != UM_BOOL ||
        (more && more->kind != UM_BOOL) || v->n != (more ? 3 : 2))
        return um_fail(UM_EFORMAT, "damaged: a trailer that is not {end, index}");
    if (end->i != r->ledger.count)
        return um_fail(UM_EFORMAT, "damaged: %" PRId64 " records, the trailer says %" PRId64,
                       r->ledger.count, end->i);
    if (r->at != r->in.out.n)
        return um_fail(UM_EFORMAT, "damaged: bytes after the trailer");
    r->more  = more && more->b;
    r->state = index->b ? INDEX : AFTER;
    return UM_OK;
}

static int take_record(struct um_reader *r, struct um_arena *arena, const struct um_value *v,
                       size_t from, struct um_record **rec)
{
    const uint32_t check = um_ledger_check(r->in.out.p + from, r->at - from);

    if (from > UINT32_MAX)
        return um_fail(UM_EFORMAT, "a record begins beyond 4 GiB of its frame");
    UM_TRY(um_message_to_record(arena, v, rec));
    const int st = um_ledger_add(&r->ledger, r->frame, (uint32_t)from, check, (*rec)->key);
    if (st < 0)
        return st == UM_EDUPLICATE ? UM_EFORMAT : st;
    (void)strcpy(r->last, (*rec)->key); /* a key fits: it was checked */
    if (r->in.keep && from == 0 && r->at == r->in.out.n) {
        r->as_read = (struct um_as_read){
            .msg = r->in.out.p, .msg_n = r->at, .frame = r->in.raw.p, .frame_n = r->in.raw.n
        };
        (*rec)->as_read = &r->as_read;
    }
    return UM_NEXT_RECORD;
}

/* the next message of the frame; UM_OK if it was a trailer */
static int take(struct um_reader *r, struct um_arena *arena, struct um_record **rec)
{
    const size_t    from = r->at;
    struct um_value v;

    if (r->state == HEADER)
        um_arena_reset(r->arena);
    else if (r->state != RECORDS)
        return um_fail(UM_EFORMAT, "damaged: bytes after the trailer");
    UM_TRY(um_message_parse(r->state == HEADER ? r->arena : arena, r->in.out.p, r->in.out.n, &r->at,
                            &v));
    if (r->state == HEADER)
        return take_header(r, &v);
    return um_map_get(&v, "end") ? take_trailer(r, &v) : take_record(r, arena, &v, from, rec);
}

/* ---- between frames ---- */

static int raw(struct um_reader *r, void *to, size_t n)
{
    while (n > 0) {
        const uint8_t *p;
        size_t         got;

        UM_TRY(um_inflate_raw(&r->in, n, &p, &got));
        if (got == 0)
            return cut();
        memcpy(to, p, got);
        to = (uint8_t *)to + got;
        n -= got;
    }
    return UM_OK;
}

/* the entries' checksum as they stand in the stream; h is fresh */
static int hash_entries(struct um_reader *r, XXH3_state_t *h, uint8_t footer[UM_FOOTER])
{
    for (uint64_t left = r->ledger.bytes; left > 0;) {
        const uint8_t *p;
        size_t         got;

        UM_TRY(um_inflate_raw(&r->in, left, &p, &got));
        if (got == 0)
            return cut();
        (void)XXH3_64bits_update(h, p, got);
        left -= got;
    }
    UM_TRY(raw(r, footer, UM_FOOTER));
    (void)XXH3_64bits_update(h, footer, 24);
    return UM_OK;
}

/* The index must be the one that follows from what was read: checksums of a frame cannot see that
 * whole frames were lost, doubled or moved. */
static int read_index(struct um_reader *r)
{
    XXH3_state_t *h = XXH3_createState();
    uint8_t       head[8], there[UM_FOOTER], due[UM_FOOTER];
    int           st;

    if (!h || XXH3_64bits_reset(h) != XXH_OK) {
        st = um_fail(UM_ENOMEM, "out of memory");
        goto done;
    }
    if ((st = raw(r, head, sizeof head)) < 0)
        goto done;
    if (um_get32(head) != UM_MAGIC_INDEX || um_get32(head + 4) != r->ledger.bytes + UM_FOOTER) {
        st = um_fail(UM_EFORMAT, "damaged: the index is not that of the records");
        goto done;
    }
    if ((st = hash_entries(r, h, there)) < 0 ||
        (st = um_ledger_footer(&r->ledger, r->in.pos - r->part, due)) < 0)
        goto done;
    if (memcmp(there, due, UM_FOOTER) != 0 || um_get64(there + 24) != XXH3_64bits_digest(h))
        st = um_fail(UM_EFORMAT, "damaged: the index is not that of the records");
    r->state = AFTER;
done:
    (void)XXH3_freeState(h);
    return st;
}

static int skip(struct um_reader *r)
{
    uint8_t head[8];

    UM_TRY(raw(r, head, sizeof head));
    for (uint64_t left = um_get32(head + 4); left > 0;) {
        const uint8_t *p;
        size_t         got;

        UM_TRY(um_inflate_raw(&r->in, left, &p, &got));
        if (got == 0)
            return cut();
        left -= got;
    }
    return UM_OK;
}

static int at_end(struct um_reader *r)
{
    if (r->state == AFTER && !r->more) {
        r->state = DONE;
        return UM_OK;
    }
    if (r->in.pos == 0)
        return um_fail(UM_EFORMAT, "empty: no bytes at all");
    return r->state == AFTER   ? um_fail(UM_EFORMAT, "cut: another part was to follow")
           : r->state == INDEX ? um_fail(UM_EFORMAT, "cut: the index is missing")
                               : um_fail(UM_EFORMAT, "cut: no trailer");
}

/* a frame of messages begins here */
static int read_frame(struct um_reader *r)
{
    if (r->state == AFTER)
        r->state = HEADER;
    if (r->state == HEADER)
        r->part = r->in.pos;
    r->frame = r->in.pos - r->part;
    r->at    = 0;
    return um_inflate_frame(&r->in);
}

/* what is not inside a frame of messages, up to the next one or the end */
static int between(struct um_reader *r)
{
    const uint64_t start = r->in.pos;
    uint32_t       magic;
    size_t         have;

    UM_TRY(um_inflate_peek(&r->in, 4, &have));
    if (have == 0)
        return at_end(r);
    if (r->state == INDEX)
        return read_index(r);
    if (have < 4)
        return r->state == AFTER ? um_fail(UM_EFORMAT, "damaged: bytes after the end") : cut();
    magic = um_get32(r->in.in.p + r->in.used);
    if ((magic & 0xfffffff0u) == UM_MAGIC_SKIP)
        return skip(r);
    if (magic == UM_MAGIC_ZSTD)
        return read_frame(r);
    return start == 0 ? um_fail(UM_EFORMAT, "not a tensor stream")
                      : um_fail(UM_EFORMAT, "damaged: no frame begins at byte %" PRIu64, start);
}

static int next(struct um_reader *r, struct um_arena *arena, struct um_record **rec)
{
    int st = UM_OK;

    while (st == UM_OK && r->state != DONE)
        st = r->at < r->in.out.n ? take(r, arena, rec) : between(r);
    return st;
}

int um_reader_next(struct um_reader *r, struct um_arena *arena, struct um_record **rec)
{
    int st;

    if (r->st < 0) {
        um_seterrmsg(r->msg ? r->msg : "out of memory");
        return r->st;
    }
    if ((st = next(r, arena, rec)) >= 0)
        return st;
    r->st = st;
    if ((r->msg = strdup(um_errmsg())) && r->last[0])
        (void)um_fail(st, "%s: %s; last good record: %s", r->name, r->msg, r->last);
    else if (r->msg)
        (void)um_fail(st, "%s: %s; no record before it", r->name, r->msg);
    free(r->msg);
    r->msg = strdup(um_errmsg());
    return st;
}

const struct um_value *um_reader_header(const struct um_reader *r)
{
    return &r->header;
}

const char *um_reader_name(const struct um_reader *r)
{
    return r->name;
}

int64_t um_reader_bytes(const struct um_reader *r)
{
    return (int64_t)r->in.pos;
}

int64_t um_reader_size(const struct um_reader *r)
{
    return r->size;
}
