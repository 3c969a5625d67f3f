/* block.c - voxels behind a text header or in files beside it */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/block.h"

#include <stdlib.h>
#include <string.h>

#include "media/beside.h"
#include "media/gunzip.h"
#include "media/inflate.h"
#include "media/numerals.h"
#include "media/scan.h"

enum {
    PADDING  = 1 << 16,
    SKIP_MAX = 1 << 24
}; /* bytes that a file of text or deflated voxels may hold on top */

/* how many bytes of `bytes` are the skipped lines; less than asked for: n */
static size_t after_lines(const uint8_t *bytes, size_t n, int64_t lines)
{
    size_t at = 0;

    for (; lines > 0 && at < n; lines--) {
        const uint8_t *stop = memchr(bytes + at, '\n', n - at);

        at = stop ? (size_t)(stop - bytes) + 1 : n;
    }
    return at;
}

static int cut(const struct um_block *b, size_t want, size_t n)
{
    return um_fail(UM_EFORMAT, "cut: the header promises %zu bytes of voxels, %zu are there%s",
                   want, n, b->files > 1 ? " in this file" : "");
}

/* raw bytes behind a file's voxels: SimpleITK reads over them, and over a header before them too */
static int over(struct um_block *b, size_t n)
{
    if (n > 0 && b->files > 0 && b->skip_name)
        return um_fail(UM_EFORMAT,
                       "%zu bytes more than its voxels take: a header before them, or wrong sizes? "
                       "%s would say where they begin (0: at once; -1: they are the last bytes)",
                       n, b->skip_name);
    b->over += n;
    return UM_OK;
}

/* a deflated share: what is to be skipped lies inside, so it is inflated with it */
static int inflate(struct um_arena *a, const struct um_block *b, const uint8_t *in, size_t n,
                   uint8_t *to, size_t want)
{
    const size_t   skip = b->skip_bytes > 0 ? (size_t)b->skip_bytes : 0;
    const bool     gzip = b->coding == UM_CODING_GZIP;
    struct um_mark mark = um_arena_mark(a);
    uint8_t       *all;
    int            st;

    if (skip > SKIP_MAX || !um_inflate_fits(n, want + skip))
        return um_fail(UM_EFORMAT,
                       "%zu bytes of voxels promised, which %zu deflated bytes cannot "
                       "hold",
                       want, n);
    if (skip == 0)
        return um_inflate(in, n, gzip, to, want);
    all = um_alloc(a, want + skip);
    if (!all)
        return UM_ENOMEM;
    st = um_inflate(in, n, gzip, all, want + skip);
    if (st >= 0)
        memcpy(to, all + skip, want);
    um_arena_rewind(a, mark);
    return st;
}

/* one share of the voxels out of in[0..n-1] */
static int decode(struct um_arena *a, struct um_block *b, const uint8_t *in, size_t n, uint8_t *to,
                  size_t want)
{
    const size_t lines = after_lines(in, n, b->skip_lines);
    size_t       skip  = b->skip_bytes > 0 ? (size_t)b->skip_bytes : 0;

    in += lines;
    n -= lines;
    if (b->coding == UM_CODING_ZLIB || b->coding == UM_CODING_GZIP)
        return inflate(a, b, in, n, to, want);
    if (skip > n)
        return cut(b, want, 0);
    if (b->coding == UM_CODING_HEX)
        return um_numerals_hex(in + skip, n - skip, to, want);
    if (b->coding == UM_CODING_TEXT)
        return um_numerals_read(in + skip, n - skip, b->type, to, want);
    if (b->skip_bytes == UM_SKIP_TO_END && n >= want)
        skip = n - want;
    if (want > n - skip)
        return cut(b, want, n - skip);
    UM_TRY(over(b, n - skip - want));
    memcpy(to, in + skip, want);
    return UM_OK;
}

/* how many bytes the longest honest file of a share takes */
static int64_t longest(const struct um_block *b, size_t want)
{
    const int64_t skip = b->skip_bytes > 0 ? b->skip_bytes : 0, lines = b->skip_lines * UM_LINE_MAX;
    const int64_t body = (int64_t)want;

    switch (b->coding) {
    case UM_CODING_TEXT: return lines + skip + 40 * body + PADDING; /* digits of a number */
    case UM_CODING_HEX: return lines + skip + 4 * body + PADDING;
    default: return lines + skip + body + body / 1000 + PADDING;
    }
}

/* a raw share goes from the file to its place, with nothing between */
static int read_raw(const struct um_part *p, struct um_block *b, uint8_t *to, size_t want)
{
    const int64_t at = b->skip_bytes == UM_SKIP_TO_END ? p->size - (int64_t)want : b->skip_bytes;
    int           st;

    if (at < 0 || at > p->size || (uint64_t)(p->size - at) < want)
        return um_context(cut(b, want,
                              at < 0         ? (size_t)p->size
                              : at > p->size ? 0
                                             : (size_t)(p->size - at)),
                          "%s", p->path);
    st = over(b, (size_t)(p->size - at) - want);
    return st < 0 ? um_context(st, "%s", p->path) : um_part_read(p, at, to, want);
}

static int read_packed(struct um_arena *a, const struct um_part *p, struct um_block *b, uint8_t *to,
                       size_t want)
{
    struct um_mark mark = um_arena_mark(a);
    uint8_t       *in;
    int            st;

    if (p->size > longest(b, want))
        return um_fail(UM_ERANGE, "%s: %lld bytes, which is more than the header's voxels take",
                       p->path, (long long)p->size);
    in = um_alloc(a, (size_t)p->size + 1);
    if (!in)
        return UM_ENOMEM;
    st = um_part_read(p, 0, in, (size_t)p->size);
    if (st >= 0) {
        st = decode(a, b, in, (size_t)p->size, to, want);
        if (st < 0)
            st = um_context(st, "%s", p->path);
    }
    um_arena_rewind(a, mark);
    return st;
}

static int read_file(struct um_arena *a, const char *header_path, struct um_block *b,
                     const char *name, uint8_t *to, size_t want)
{
    const char    *path;
    struct um_part p;
    int            st;

    UM_TRY(um_beside_path(a, header_path, name, &path));
    UM_TRY(um_part_open(&p, path));
    st = b->coding == UM_CODING_RAW && b->skip_lines == 0 ? read_raw(&p, b, to, want)
                                                          : read_packed(a, &p, b, to, want);
    um_part_close(&p);
    return st;
}

/* whether the files are there and large enough for what will be allocated */
static int check_files(struct um_arena *a, const char *header_path, const struct um_block *b,
                       size_t want)
{
    const struct um_mark mark = um_arena_mark(a);

    for (int64_t i = 0; i < b->files; i++) {
        const char    *path;
        struct um_part p;
        int            st = UM_OK;

        UM_TRY(um_beside_path(a, header_path, b->file[i], &path));
        UM_TRY(um_part_open(&p, path));
        um_part_close(&p);
        if (b->coding == UM_CODING_ZLIB || b->coding == UM_CODING_GZIP)
            st = um_inflate_fits((size_t)p.size, want) ? UM_OK : cut(b, want, (size_t)p.size);
        else if (b->coding == UM_CODING_TEXT)
            st = (uint64_t)p.size >= want / um_voxel_size(b->type) ? UM_OK
                                                                   : cut(b, want, (size_t)p.size);
        else if ((uint64_t)p.size < want)
            st = cut(b, want, (size_t)p.size);
        if (st < 0)
            return um_context(st, "%s", path);
        um_arena_rewind(a, mark);
    }
    return UM_OK;
}

static int read_inside(struct um_arena *a, struct um_block *b, size_t want, uint8_t **to)
{
    if (b->coding == UM_CODING_RAW && b->skip_lines == 0) {
        const size_t n  = b->inside_n;
        const size_t at = b->skip_bytes != UM_SKIP_TO_END ? (size_t)b->skip_bytes
                          : n > want                      ? n - want
                                                          : 0;

        if (at > n || n - at < want)
            return cut(b, want, at > n ? 0 : n - at);
        *to = b->inside + at; /* stays where it is */
        return over(b, n - at - want);
    }
    if (b->coding == UM_CODING_TEXT && b->inside_n < want / um_voxel_size(b->type))
        return cut(b, want, b->inside_n);
    if (b->coding == UM_CODING_HEX && b->inside_n / 2 < want)
        return cut(b, want, b->inside_n / 2);
    if (b->coding != UM_CODING_TEXT && !um_inflate_fits(b->inside_n, want))
        return cut(b, want, b->inside_n);
    *to = um_alloc(a, want);
    return *to ? decode(a, b, b->inside, b->inside_n, *to, want) : UM_ENOMEM;
}

int um_block_read(struct um_arena *a, const char *header_path, struct um_block *b, void **voxels)
{
    const size_t size = um_voxel_size(b->type), all = (size_t)b->n * size;
    uint8_t     *to = NULL;

    if (b->files == 0) {
        UM_TRY(read_inside(a, b, all, &to));
    } else {
        const size_t share = all / (size_t)b->files;

        if (b->n % b->files != 0)
            return um_fail(UM_EFORMAT, "%lld voxels do not part into %lld files", (long long)b->n,
                           (long long)b->files);
        UM_TRY(check_files(a, header_path, b, share));
        to = um_alloc(a, all);
        if (!to)
            return UM_ENOMEM;
        for (int64_t i = 0; i < b->files; i++)
            UM_TRY(read_file(a, header_path, b, b->file[i], to + (size_t)i * share, share));
    }
    *voxels = um_scan_settle(to, all, size, b->swapped && b->coding != UM_CODING_TEXT);
    return UM_OK;
}

int um_block_is_gzip(struct um_arena *a, const char *header_path, const char *name, bool *is)
{
    const char    *path;
    struct um_part p;
    uint8_t        head[2];
    int            st = UM_OK;

    UM_TRY(um_beside_path(a, header_path, name, &path));
    UM_TRY(um_part_open(&p, path));
    *is = p.size >= (int64_t)sizeof head;
    if (*is)
        st = um_part_read(&p, 0, head, sizeof head);
    if (*is && st >= 0)
        *is = um_gzip_is(head, sizeof head);
    um_part_close(&p);
    return st;
}

/* ---- which files ---- */

/* the one %d, %03d, %i or %u of a pattern: what stands before and behind it, and the width */
static bool pattern_parts(const char *text, int *before, int *width, bool *zeros,
                          const char **behind)
{
    const char *p = strchr(text, '%');

    *before = (int)(p - text);
    *zeros  = *++p == '0';
    *width  = 0;
    while (*p >= '0' && *p <= '9' && *width < 100)
        *width = *width * 10 + (*p++ - '0');
    *behind = p + 1;
    return (*p == 'd' || *p == 'i' || *p == 'u') && *width < 20 && !strchr(*behind, '%');
}

static int pattern(struct um_arena *a, char *text, int64_t most, struct um_block *b)
{
    char       *name = um_word(&text), *number;
    const char *behind, **file;
    int64_t     range[3] = { 1, most, 1 };
    int         before, width, n = 0;
    bool        zeros;

    for (; (number = um_word(&text)); n++)
        if (n == 3 || !um_ints(number, &range[n], 1))
            return um_fail(UM_EFORMAT, "the range behind \"%s\" is not first, last, step", name);
    if (n == 1)
        range[1] = range[0] + most - 1;
    if (!pattern_parts(name, &before, &width, &zeros, &behind))
        return um_fail(UM_EFORMAT, "\"%s\" is not a pattern of file names with one %%d", name);
    if (range[0] < 0 || range[1] < range[0] || range[2] < 1 || range[1] > 1000000000)
        return um_fail(UM_EFORMAT, "the range behind \"%s\" holds no file", name);
    b->files = (range[1] - range[0]) / range[2] + 1;
    if (b->files > most || b->files > UM_BLOCK_FILES || strlen(name) > UM_BESIDE_MAX)
        return um_fail(UM_ERANGE, "%lld files named, at most %lld expected", (long long)b->files,
                       (long long)(most < UM_BLOCK_FILES ? most : UM_BLOCK_FILES));
    b->file = file = um_calloc_array(a, b->files, sizeof *file);
    for (int64_t i = 0; file && i < b->files; i++) {
        const long long k = (long long)(range[0] + i * range[2]);

        file[i] = zeros ? um_sprintf(a, "%.*s%0*lld%s", before, name, width, k, behind)
                        : um_sprintf(a, "%.*s%*lld%s", before, name, width, k, behind);
        if (!file[i])
            return UM_ENOMEM;
    }
    return file ? UM_OK : UM_ENOMEM;
}

static int list(struct um_arena *a, struct um_lines *rest, int64_t most, struct um_block *b)
{
    const char **file = NULL;
    char        *line;
    int64_t      room = 0;
    int          st;

    b->files = 0;
    while ((st = um_lines_next(rest, a, &line)) > 0) {
        line = um_trim(line);
        if (!*line)
            continue;
        if (b->files == most || b->files == UM_BLOCK_FILES)
            return um_fail(UM_EFORMAT, "more than %lld files listed", (long long)b->files);
        if (b->files == room) { /* grows by what is there, not by what is promised */
            const char **more = um_calloc_array(a, 2 * room + 64, sizeof *more);

            if (!more)
                return UM_ENOMEM;
            if (room > 0)
                memcpy(more, file, (size_t)room * sizeof *more);
            file = more;
            room = 2 * room + 64;
        }
        file[b->files++] = line;
    }
    b->file = file;
    return st < 0 ? st : b->files == 0 ? um_fail(UM_EFORMAT, "LIST, and no file listed") : UM_OK;
}

int um_block_files(struct um_arena *a, const char *text, struct um_lines *rest, int64_t most,
                   struct um_block *b)
{
    char        *copy = um_strdup(a, text);
    const char **one  = um_alloc(a, sizeof *one);

    if (!copy || !one)
        return UM_ENOMEM;
    if (strcmp(copy, "LIST") == 0)
        return list(a, rest, most, b);
    if (strchr(copy, '%'))
        return pattern(a, copy, most, b);
    one[0]   = copy;
    b->file  = one;
    b->files = 1;
    return UM_OK;
}
