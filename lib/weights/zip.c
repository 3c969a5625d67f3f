/* zip.c - from the end: end record, central directory, local headers, data
 * SPDX-License-Identifier: Apache-2.0
 *
 * Sizes and offsets are compared with what is left, never added up first: all of them are hostile.
 */
#include "weights/zip.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "weights/weights_int.h"

enum {
    END_BYTES     = 22,
    LOCATOR_BYTES = 20,
    END64_BYTES   = 56,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES   = 30,
    COMMENT_MAX   = 65535,
    ENTRY_MAX     = WEIGHTS_COUNT_MAX + 64,
    EXTRA_ZIP64   = 1,
    ENCRYPTED     = 1 | 1 << 6 | 1 << 13, /* bits of the flags */
    DESCRIPTOR    = 1 << 3
};
#define FULL32 0xffffffffu /* "see the zip64 field" */

/* an entry as the central directory tells it */
struct central {
    const char *name;
    size_t      name_n;
    unsigned    flags, method;
    uint32_t    crc;
    uint64_t    size, stored, at; /* at: of the local header */
    size_t      begin;            /* of the data */
};

struct directory {
    const uint8_t *p;
    size_t         n;         /* of the archive */
    size_t         at, bytes; /* the directory */
    uint64_t       count;
};

static unsigned u16(const uint8_t *p)
{
    return (unsigned)um_little(p, 2);
}

static uint32_t u32(const uint8_t *p)
{
    return (uint32_t)um_little(p, 4);
}

static bool has(const uint8_t *p, const char signature[5])
{
    return memcmp(p, signature, 4) == 0;
}

/* ---- the end ---- */

/* of the end record, whose comment must reach to the end of the file; n if there is none */
static size_t find_end(const uint8_t *p, size_t n)
{
    for (size_t comment = 0; comment <= COMMENT_MAX && END_BYTES + comment <= n; comment++) {
        const size_t at = n - END_BYTES - comment;

        if (has(p + at, "PK\5\6") && u16(p + at + 20) == comment)
            return at;
    }
    return n;
}

/* the zip64 end record, which lies between the directory and its locator; *limit: where the
 * directory must end */
static int read_end64(struct directory *d, const uint8_t *end, size_t locator, size_t *limit)
{
    const uint64_t at = um_little(d->p + locator + 8, 8);
    const uint8_t *e;

    if (u32(d->p + locator + 4) != 0 || u32(d->p + locator + 16) > 1)
        return um_fail(UM_EUNSUPPORTED, "a zip archive spread over several disks");
    if (at > locator || locator - at < END64_BYTES || !has(d->p + at, "PK\6\6") ||
        um_little(d->p + at + 4, 8) != locator - at - 12)
        return um_fail(UM_EFORMAT, "damaged zip archive: no zip64 end record where it should be");
    e = d->p + at;
    if (u32(e + 16) || u32(e + 20) || um_little(e + 24, 8) != um_little(e + 32, 8))
        return um_fail(UM_EUNSUPPORTED, "a zip archive spread over several disks");
    if ((u16(end + 10) != 0xffff && u16(end + 10) != um_little(e + 32, 8)) ||
        (u32(end + 12) != FULL32 && u32(end + 12) != um_little(e + 40, 8)) ||
        (u32(end + 16) != FULL32 && u32(end + 16) != um_little(e + 48, 8)))
        return um_fail(UM_EFORMAT, "damaged zip archive: its two end records disagree");
    d->count = um_little(e + 32, 8);
    d->bytes = um_little(e + 40, 8);
    d->at    = um_little(e + 48, 8);
    *limit   = at;
    return UM_OK;
}

static int read_end(struct directory *d)
{
    const size_t   at    = find_end(d->p, d->n);
    const uint8_t *e     = d->p + at;
    size_t         limit = at;

    if (at == d->n)
        return um_fail(UM_EFORMAT, "a zip archive without its end: cut");
    if (u16(e + 4) || u16(e + 6) || u16(e + 8) != u16(e + 10))
        return um_fail(UM_EUNSUPPORTED, "a zip archive spread over several disks");
    d->count = u16(e + 10);
    d->bytes = u32(e + 12);
    d->at    = u32(e + 16);
    if (at >= LOCATOR_BYTES && has(e - LOCATOR_BYTES, "PK\6\7"))
        UM_TRY(read_end64(d, e, at - LOCATOR_BYTES, &limit));
    if (d->at > limit || d->bytes != limit - d->at)
        return um_fail(UM_EFORMAT,
                       "damaged zip archive: a directory of %zu bytes at %zu, which "
                       "should end at %zu",
                       d->bytes, d->at, limit);
    if (d->count > d->bytes / CENTRAL_BYTES || d->count > ENTRY_MAX)
        return um_fail(UM_EFORMAT, "damaged zip archive: %llu entries in a directory of %zu bytes",
                       (unsigned long long)d->count, d->bytes);
    return UM_OK;
}

/* ---- the directory ---- */

/* the zip64 values that stand in for full fields, in their fixed order */
static int read_extra(const uint8_t *x, size_t n, uint64_t *const *field, int fields)
{
    for (size_t size; n >= 4; x += 4 + size, n -= 4 + size) {
        size = u16(x + 2);
        if (size > n - 4)
            break;
        if (u16(x) != EXTRA_ZIP64)
            continue;
        for (int i = 0, at = 0; i < fields; i++) {
            if (*field[i] != FULL32)
                continue;
            if (at + 8 > (int)size)
                return um_fail(UM_EFORMAT, "its zip64 field is short");
            *field[i] = um_little(x + 4 + at, 8);
            at += 8;
        }
        return UM_OK;
    }
    return UM_OK; /* none: then the fields mean themselves */
}

static bool leads_out(const char *name, size_t n)
{
    if (name[0] == '/' || memchr(name, '\\', n) || (n > 1 && name[1] == ':'))
        return true;
    for (size_t i = 0; i + 1 < n; i++)
        if (name[i] == '.' && name[i + 1] == '.' && (i == 0 || name[i - 1] == '/') &&
            (i + 2 == n || name[i + 2] == '/'))
            return true;
    return false;
}

static int check_central(const struct central *c)
{
    UM_TRY(um_name_check(c->name, c->name_n));
    if (leads_out(c->name, c->name_n))
        return um_fail(UM_EFORMAT, "its path leads out of the archive");
    if (c->flags & ENCRYPTED)
        return um_fail(UM_EUNSUPPORTED, "encrypted");
    if (c->method == 0 && c->size != c->stored)
        return um_fail(UM_EFORMAT, "%llu bytes stored as %llu", (unsigned long long)c->size,
                       (unsigned long long)c->stored);
    return UM_OK;
}

static int read_central(const struct directory *d, size_t *at, struct central *c)
{
    const size_t   left = d->at + d->bytes - *at;
    const uint8_t *p    = d->p + *at;
    size_t         extra, comment;

    if (left < CENTRAL_BYTES || !has(p, "PK\1\2"))
        return um_fail(UM_EFORMAT, "damaged zip archive: no directory entry at %zu", *at);
    *c      = (struct central){ .flags  = u16(p + 8),
                                .method = u16(p + 10),
                                .crc    = u32(p + 16),
                                .stored = u32(p + 20),
                                .size   = u32(p + 24),
                                .name   = (const char *)p + CENTRAL_BYTES,
                                .name_n = u16(p + 28),
                                .at     = u32(p + 42) };
    extra   = u16(p + 30);
    comment = u16(p + 32);
    if (c->name_n + extra + comment > left - CENTRAL_BYTES) {
        c->name_n = 0; /* not to be shown */
        return um_fail(UM_EFORMAT, "damaged zip archive: the directory entry at %zu is cut", *at);
    }
    *at += CENTRAL_BYTES + c->name_n + extra + comment;
    UM_TRY(read_extra(p + CENTRAL_BYTES + c->name_n, extra,
                      (uint64_t *const[]){ &c->size, &c->stored, &c->at }, 3));
    return check_central(c);
}

/* ---- local headers ---- */

/* where the data begins; header and directory must tell the same */
static int read_local(const struct directory *d, struct central *c)
{
    const uint8_t *p;
    uint64_t       stored, size;
    size_t         skip;

    if (c->at > d->at || d->at - c->at < LOCAL_BYTES || !has(d->p + c->at, "PK\3\4"))
        return um_fail(UM_EFORMAT, "no local header at %llu", (unsigned long long)c->at);
    p      = d->p + c->at;
    stored = u32(p + 18);
    size   = u32(p + 22);
    skip   = (size_t)LOCAL_BYTES + u16(p + 26) + u16(p + 28);
    if (skip > d->at - c->at || c->stored > d->at - c->at - skip)
        return um_fail(UM_EFORMAT, "%llu bytes at %llu: beyond the end of the data",
                       (unsigned long long)c->stored, (unsigned long long)c->at);
    if (u16(p + 26) != c->name_n || memcmp(p + LOCAL_BYTES, c->name, c->name_n) != 0)
        return um_fail(UM_EFORMAT, "another name in its local header");
    UM_TRY(read_extra(p + LOCAL_BYTES + c->name_n, u16(p + 28),
                      (uint64_t *const[]){ &size, &stored }, 2));
    if (u16(p + 6) != c->flags || u16(p + 8) != c->method)
        return um_fail(UM_EFORMAT, "other flags or another method in its local header");
    const bool later = c->flags & DESCRIPTOR; /* then zeroes may stand here */
    if ((u32(p + 14) != c->crc && !(later && u32(p + 14) == 0)) ||
        (size != c->size && !(later && size == 0)) ||
        (stored != c->stored && !(later && stored == 0)))
        return um_fail(UM_EFORMAT, "another size or CRC in its local header");
    c->begin = (size_t)c->at + skip;
    return UM_OK;
}

/* what lies between the data and the next header: a data descriptor that tells the same, or nothing
 */
static int check_gap(const struct directory *d, const struct central *c, size_t next)
{
    const size_t   end = c->begin + (size_t)c->stored, gap = next < end ? 0 : next - end;
    const bool     named = gap == 16 || gap == 24; /* with its signature */
    const int      wide  = gap >= 20 ? 8 : 4;
    const uint8_t *p     = d->p + end;

    if (next < end)
        return um_fail(UM_EFORMAT, "overlaps the entry after it");
    if (gap == 0)
        return UM_OK;
    if (!(c->flags & DESCRIPTOR) || (!named && gap != 12 && gap != 20))
        return um_fail(UM_EFORMAT, "%zu bytes after it that belong to no entry", gap);
    if (named && !has(p, "PK\7\10"))
        return um_fail(UM_EFORMAT, "no data descriptor after it");
    p += named ? 4 : 0;
    if (u32(p) != c->crc || um_little(p + 4, wide) != c->stored ||
        um_little(p + 4 + wide, wide) != c->size)
        return um_fail(UM_EFORMAT, "another size or CRC in its data descriptor");
    return UM_OK;
}

static int by_place(const void *x, const void *y)
{
    const struct central *a = x, *b = y;

    return a->at < b->at ? -1 : a->at > b->at;
}

static int check_data(const struct directory *d, struct central *c)
{
    char shown[UM_SHOWN];

    if (d->count)
        qsort(c, d->count, sizeof *c, by_place);
    if (d->count ? c[0].at != 0 : d->at != 0)
        return um_fail(UM_EFORMAT, "damaged zip archive: its first entry is not at its beginning");
    for (uint64_t i = 0; i < d->count; i++) {
        const size_t next = i + 1 < d->count ? (size_t)c[i + 1].at : d->at;
        int          st   = check_gap(d, &c[i], next);

        if (st >= 0 && c[i].method == 0 &&
            libdeflate_crc32(0, d->p + c[i].begin, (size_t)c[i].size) != c[i].crc)
            st = um_fail(UM_EFORMAT, "wrong CRC-32: damaged");
        if (st < 0)
            return um_context(st, "zip entry %s", um_shown(c[i].name, c[i].name_n, shown));
    }
    return UM_OK;
}

/* ---- all of it ---- */

static int by_name(const void *x, const void *y)
{
    return strcmp(((const struct um_zip_entry *)x)->name, ((const struct um_zip_entry *)y)->name);
}

static int list(struct um_zip *z, struct um_arena *a, const struct directory *d,
                const struct central *c)
{
    if (!(z->entry = um_alloc_array(a, (int64_t)d->count, sizeof *z->entry)))
        return UM_ENOMEM;
    z->n = (int)d->count;
    for (int i = 0; i < z->n; i++) {
        z->entry[i] = (struct um_zip_entry){ .data   = c[i].method ? NULL : d->p + c[i].begin,
                                             .size   = (size_t)c[i].size,
                                             .method = c[i].method };
        if (!(z->entry[i].name = um_strndup(a, c[i].name, c[i].name_n)))
            return UM_ENOMEM;
    }
    if (z->n)
        qsort(z->entry, (size_t)z->n, sizeof *z->entry, by_name);
    for (int i = 1; i < z->n; i++)
        if (by_name(&z->entry[i - 1], &z->entry[i]) == 0)
            return um_fail(UM_EDUPLICATE, "zip entry %s: twice", z->entry[i].name);
    return UM_OK;
}

int um_zip_open(struct um_zip *z, struct um_arena *a, const uint8_t *p, size_t n)
{
    struct directory d = { .p = p, .n = n };
    struct central  *c;
    size_t           at;

    UM_TRY(read_end(&d));
    if (!(c = um_alloc_array(a, (int64_t)d.count, sizeof *c)))
        return UM_ENOMEM;
    at = d.at;
    for (uint64_t i = 0; i < d.count; i++) {
        char shown[UM_SHOWN];
        int  st;

        c[i].name_n = 0;
        if ((st = read_central(&d, &at, &c[i])) < 0 || (st = read_local(&d, &c[i])) < 0)
            return c[i].name_n
                       ? um_context(st, "zip entry %s", um_shown(c[i].name, c[i].name_n, shown))
                       : st;
    }
    if (at != d.at + d.bytes)
        return um_fail(UM_EFORMAT, "damaged zip archive: %zu bytes after the last directory entry",
                       d.at + d.bytes - at);
    UM_TRY(check_data(&d, c));
    return list(z, a, &d, c);
}

const struct um_zip_entry *um_zip_find(const struct um_zip *z, const char *name)
{
    const struct um_zip_entry want = { .name = name };

    return z->n ? bsearch(&want, z->entry, (size_t)z->n, sizeof *z->entry, by_name) : NULL;
}

int um_zip_stored(const struct um_zip *z)
{
    for (int i = 0; i < z->n; i++)
        if (z->entry[i].method != 0)
            return um_fail(UM_EUNSUPPORTED,
                           "zip entry %s: compressed (method %u); only stored entries are read",
                           z->entry[i].name, z->entry[i].method);
    return UM_OK;
}
