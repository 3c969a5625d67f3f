/* manifest.c - tab separated rows */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "dataset/manifest.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/keys.h"
#include "text/utf8.h"

enum { KEY_MAX = 1024, COLUMN_MAX = 4096, SHOWN = 60 };

struct column {
    enum um_column kind;
    const char    *name; /* in the header's text; of label.NAME: NAME */
};

struct um_manifest {
    FILE           *f;
    char           *name, *folder, *header, *line;
    size_t          cap;
    int64_t         at; /* line number */
    int64_t         part, parts, from, to, rows, taken;
    int64_t         ncol;
    struct column  *col;
    int64_t         index[UM_COL_LABEL]; /* of the columns that occur once; -1: not there */
    struct um_keys *seen;
    int             st; /* a failure is final */
};

/* ---- lines ---- */

static int wrong(struct um_manifest *m, int st)
{
    m->st = um_context(st, "%s: line %lld", m->name, (long long)m->at);
    return m->st;
}

/* 1: m->line without its end, *n bytes; 0: the end of the file */
static int read_line(struct um_manifest *m, size_t *n)
{
    ssize_t got;

    errno = 0;
    got   = getline(&m->line, &m->cap, m->f);
    if (got < 0) {
        if (ferror(m->f) || errno == ENOMEM)
            return m->st = um_fail_errno("%s", m->name);
        return 0;
    }
    m->at++;
    *n = (size_t)got;
    if (*n > 0 && m->line[*n - 1] == '\n')
        m->line[--*n] = 0;
    if (*n > 0 && m->line[*n - 1] == '\r')
        m->line[--*n] = 0;
    if (memchr(m->line, 0, *n))
        return wrong(m, um_fail(UM_EFORMAT, "a NUL byte: not text"));
    const int st = um_utf8_check(m->line, *n);
    return st < 0 ? wrong(m, st) : 1;
}

static int64_t count_fields(const char *line)
{
    int64_t n = 1;

    for (; *line; line++)
        n += *line == '\t';
    return n;
}

/* ---- the header ---- */

static const struct {
    const char    *name;
    enum um_column kind;
} once[] = {
    { "key", UM_COL_KEY },       { "image", UM_COL_IMAGE },
    { "levels", UM_COL_LEVELS }, { "mask", UM_COL_MASK },
    { "boxes", UM_COL_BOXES },   { "slices", UM_COL_SLICES },
    { "report", UM_COL_REPORT }, { "report_file", UM_COL_REPORT_FILE },
    { "view", UM_COL_VIEW },     { "patient", UM_COL_PATIENT },
    { "split", UM_COL_SPLIT },   { "class", UM_COL_CLASS },
};

/* meta that the tools fill themselves */
static bool reserved(const char *name)
{
    static const char *const taken[] = { "label", "spacing", "affine", "window",
                                         "grid",  "pixels",  "extent" };

    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (strcmp(name, taken[i]) == 0)
            return true;
    return false;
}

static int name_column(struct um_manifest *m, int64_t i, const char *name)
{
    struct column *c = &m->col[i];

    if (!*name)
        return um_fail(UM_EFORMAT, "column %lld has no name", (long long)i + 1);
    if (reserved(name))
        return um_fail(UM_EFORMAT, "column \"%s\": that name is the tools' own%s", name,
                       strcmp(name, "label") == 0 ? "; labels are called label.NAME" : "");
    c->kind = UM_COL_OTHER;
    c->name = name;
    for (size_t k = 0; k < sizeof once / sizeof once[0]; k++)
        if (strcmp(name, once[k].name) == 0)
            c->kind = once[k].kind;
    if (strncmp(name, "label.", 6) == 0) {
        if (!name[6])
            return um_fail(UM_EFORMAT, "column \"label.\": a name is missing after the full stop");
        c->kind = UM_COL_LABEL;
        c->name = name + 6;
    }
    for (int64_t k = 0; k < i; k++)
        if (m->col[k].kind == c->kind && strcmp(m->col[k].name, c->name) == 0)
            return um_fail(UM_EDUPLICATE, "two columns are called \"%s\"", name);
    if (c->kind < UM_COL_LABEL)
        m->index[c->kind] = i;
    return UM_OK;
}

static int need_columns(const struct um_manifest *m)
{
    const char *missing = NULL;

    if (m->index[UM_COL_KEY] < 0)
        missing = "key";
    else if (m->index[UM_COL_IMAGE] < 0 && m->index[UM_COL_REPORT] < 0 &&
             m->index[UM_COL_REPORT_FILE] < 0)
        missing = "image, report or report_file";
    if (!missing)
        return UM_OK;
    return um_fail(UM_EMISSING, "no column %s (columns are parted by tabs; %lld found: \"%.*s\"%s)",
                   missing, (long long)m->ncol, SHOWN, m->col[0].name, m->ncol > 1 ? ", ..." : "");
}

static int parse_header(struct um_manifest *m)
{
    char *p = m->line;

    if (strncmp(p, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
        p += 3;
    m->header = strdup(p);
    m->ncol   = count_fields(p);
    if (m->ncol > COLUMN_MAX)
        return um_fail(UM_ERANGE, "%lld columns, at most %d expected", (long long)m->ncol,
                       COLUMN_MAX);
    m->col = calloc((size_t)m->ncol, sizeof *m->col);
    if (!m->header || !m->col)
        return um_fail(UM_ENOMEM, "out of memory");
    p = m->header;
    for (int64_t i = 0; i < m->ncol; i++)
        UM_TRY(name_column(m, i, strsep(&p, "\t")));
    return need_columns(m);
}

/* the path up to its last slash, that slash left out unless it is all there is */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strndup(path, slash == path ? 1 : slash ? (size_t)(slash - path) : 0);
}

static int begin(struct um_manifest *m, const char *path)
{
    const bool  std = !path || strcmp(path, "-") == 0;
    struct stat sb;
    size_t      n = 0;
    int         st;

    m->name = strdup(std ? "standard input" : path);
    m->f    = std ? stdin : fopen(path, "re");
    if (!m->name)
        return um_fail(UM_ENOMEM, "out of memory");
    if (!m->f)
        return errno == ENOENT ? um_fail(UM_EMISSING, "%s: no such file", path)
                               : um_fail_errno("%s", path);
    if (fstat(fileno(m->f), &sb) != 0)
        return um_fail_errno("%s", m->name);
    if (S_ISDIR(sb.st_mode))
        return um_fail(UM_EFORMAT, "%s: a directory, not a manifest", m->name);
    /* what comes by a pipe, be it /dev/fd/63, lies in no folder */
    m->folder = std || !S_ISREG(sb.st_mode) ? strdup("") : folder_of(path);
    if (!m->folder)
        return um_fail(UM_ENOMEM, "out of memory");
    while ((st = read_line(m, &n)) == 1 && n == 0)
        ; /* empty lines before the header, as between rows */
    if (st == 0)
        return um_fail(UM_EFORMAT, "%s: empty: a header line is expected", m->name);
    UM_TRY(st);
    st = parse_header(m);
    return st < 0 ? wrong(m, st) : UM_OK;
}

int um_manifest_open(struct um_manifest **out, const char *path)
{
    struct um_manifest *m = calloc(1, sizeof *m);
    int                 st;

    *out = NULL;
    if (!m)
        return um_fail(UM_ENOMEM, "out of memory");
    for (int i = 0; i < UM_COL_LABEL; i++)
        m->index[i] = -1;
    m->parts = 1;
    m->to    = INT64_MAX;
    st       = um_keys_new(&m->seen);
    if (st >= 0)
        st = begin(m, path);
    if (st < 0)
        um_manifest_close(m);
    else
        *out = m;
    return st;
}

void um_manifest_close(struct um_manifest *m)
{
    if (!m)
        return;
    if (m->f && m->f != stdin)
        (void)fclose(m->f);
    um_keys_free(m->seen);
    free(m->col);
    free(m->header);
    free(m->line);
    free(m->name);
    free(m->folder);
    free(m);
}

const char *um_manifest_folder(const struct um_manifest *m)
{
    return m->folder;
}

int64_t um_manifest_ncol(const struct um_manifest *m)
{
    return m->ncol;
}

enum um_column um_manifest_column(const struct um_manifest *m, int64_t i)
{
    return m->col[i].kind;
}

const char *um_manifest_name(const struct um_manifest *m, int64_t i)
{
    return m->col[i].name;
}

/* ---- rows ---- */

static int check_key(const struct um_manifest *m, const char *key)
{
    const size_t n       = strlen(key);
    int64_t      earlier = 0;
    int          st;

    if (n == 0)
        return um_fail(UM_EFORMAT, "the key is empty");
    if (n > KEY_MAX)
        return um_fail(UM_EFORMAT, "the key has %zu bytes, at most %d allowed", n, KEY_MAX);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)key[i] < 0x20 || key[i] == 0x7f)
            return um_fail(UM_EFORMAT, "the key holds a control character (byte %zu)", i);
    st = um_keys_add(m->seen, key, m->at, &earlier);
    return st == UM_EDUPLICATE
               ? um_fail(st, "key \"%s\" was on line %lld already", key, (long long)earlier)
               : st;
}

/* the row and its text in one block */
static int parse_row(struct um_manifest *m, size_t n, struct um_row **out)
{
    const int64_t  ncol  = count_fields(m->line);
    const size_t   heads = sizeof(struct um_row) + (size_t)m->ncol * sizeof(char *);
    struct um_row *row;
    char          *p;
    int            st;

    if (ncol != m->ncol)
        return um_fail(UM_EFORMAT, "%lld fields, the header has %lld", (long long)ncol,
                       (long long)m->ncol);
    row = malloc(heads + n + 1);
    if (!row)
        return um_fail(UM_ENOMEM, "out of memory");
    p         = memcpy((char *)row + heads, m->line, n + 1);
    row->line = m->at;
    row->ncol = ncol;
    for (int64_t i = 0; i < ncol; i++)
        row->field[i] = strsep(&p, "\t");
    st = check_key(m, row->field[m->index[UM_COL_KEY]]);
    if (st < 0) {
        free(row);
        return st;
    }
    *out = row;
    return 1;
}

/* the next row of any shard */
static int next_row(struct um_manifest *m, struct um_row **row)
{
    size_t n = 0;
    int    st;

    do
        st = read_line(m, &n);
    while (st > 0 && n == 0);
    if (st <= 0)
        return st;
    st = parse_row(m, n, row);
    return st < 0 ? wrong(m, st) : st;
}

int um_manifest_next(struct um_manifest *m, struct um_row **row)
{
    int st = m->st;

    while (st >= 0) {
        if (m->rows >= m->to)
            return 0;
        if ((st = next_row(m, row)) <= 0)
            return st;
        const int64_t number = m->rows++;
        if (number >= m->from && number % m->parts == m->part) {
            m->taken++;
            return 1;
        }
        um_row_free(*row);
    }
    return st;
}

void um_manifest_block(struct um_manifest *m, int64_t from, int64_t to)
{
    m->from = from;
    m->to   = to;
}

void um_manifest_shard(struct um_manifest *m, int64_t part, int64_t parts)
{
    m->part  = part;
    m->parts = parts;
}

int64_t um_manifest_taken(const struct um_manifest *m)
{
    return m->taken;
}

int64_t um_manifest_total(const struct um_manifest *m)
{
    const int   fd = fileno(m->f);
    struct stat sb;
    int64_t     n = -1; /* the header */
    char        buf[1 << 14], last = '\n';
    off_t       at = 0;

    if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode)) /* a pipe is read once */
        return 0;
    for (ssize_t got; (got = pread(fd, buf, sizeof buf, at)) > 0; last = buf[got - 1], at += got)
        for (const char *p = buf; (p = memchr(p, '\n', (size_t)(buf + got - p))); p++)
            n++;
    n += last != '\n';
    return n > m->part ? (n - m->part + m->parts - 1) / m->parts : 0;
}

void um_row_free(struct um_row *row)
{
    free(row);
}

const char *um_row_get(const struct um_manifest *m, const struct um_row *row, enum um_column col)
{
    return m->index[col] < 0 ? "" : row->field[m->index[col]];
}
