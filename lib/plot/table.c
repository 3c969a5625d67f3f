/* table.c - bytes to rows and columns */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plot/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES_MAX = 1 << 29, COLUMNS_MAX = 1024, SHOWN = 40 };

/* everything there is to read at fd; *text is given room as bytes come, never by what is claimed */
static int slurp(int fd, const char *name, char **text, size_t *n)
{
    size_t room = 0, have = 0;

    for (;;) {
        if (have == room) {
            char *more = realloc(*text, room = room ? 2 * room : 1 << 16);

            if (!more)
                return um_fail(UM_ENOMEM, "%s: out of memory", name);
            *text = more;
        }
        const ssize_t got = read(fd, *text + have, room - have);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return um_fail_errno("%s", name);
        if (got == 0)
            break;
        have += (size_t)got;
        if (have > BYTES_MAX)
            return um_fail(UM_ERANGE, "%s: more than %d MiB", name, BYTES_MAX >> 20);
    }
    *n = have;
    return UM_OK;
}

static int read_text(struct um_table *t, const char *path, size_t *n)
{
    const bool in = strcmp(path, "-") == 0;
    int        fd = STDIN_FILENO, st;

    if (!(t->name = strdup(in ? "standard input" : path)))
        return um_fail(UM_ENOMEM, "out of memory");
    if (!in && (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return errno == ENOENT ? um_fail(UM_EMISSING, "%s: no such file", path)
                               : um_fail_errno("%s", path);
    st = slurp(fd, t->name, &t->text, n);
    if (!in)
        (void)close(fd);
    return st;
}

/* the number of lines and fields before `end`, and whether these are lines of text at all */
static int survey(struct um_table *t, size_t *n, int64_t *lines, int64_t *fields)
{
    size_t whole = *n;

    if (*n == 0)
        return um_fail(UM_EFORMAT, "%s: empty file", t->name);
    while (whole > 0 && t->text[whole - 1] != '\n')
        whole--;
    t->cut = whole < *n;
    *n     = whole;
    for (size_t i = 0; i < whole; i++) {
        if (t->text[i] == 0)
            return um_fail(UM_EFORMAT, "%s: line %lld: a NUL byte: no table of text", t->name,
                           (long long)*lines + 1);
        *lines += t->text[i] == '\n';
        *fields += t->text[i] == '\n' || t->text[i] == '\t';
    }
    if (*lines == 0)
        return um_fail(UM_EFORMAT, "%s: no complete line", t->name);
    return UM_OK;
}

/* cut the line at text + *at into fields that end with NUL; *at goes to the next line. place [max]
 * takes the first max of them. Returns their number. */
static int64_t split(char *text, size_t *at, uint32_t *place, int64_t max)
{
    int64_t n = 0;

    for (bool more = true; more;) {
        char *end = text + *at + strcspn(text + *at, "\t\n");

        if (n < max)
            place[n] = (uint32_t)*at;
        n++;
        more = *end == '\t';
        *at  = (size_t)(end - text) + 1;
        if (!more && n <= max && end > text + place[n - 1] && end[-1] == '\r')
            end[-1] = 0;
        *end = 0;
    }
    return n;
}

static int take_header(struct um_table *t, size_t *at)
{
    uint32_t place[COLUMNS_MAX];

    if ((t->cols = split(t->text, at, place, COLUMNS_MAX)) > COLUMNS_MAX)
        return um_fail(UM_ERANGE, "%s: line 1: %lld columns, at most %d allowed", t->name,
                       (long long)t->cols, COLUMNS_MAX);
    if (!(t->column = calloc((size_t)t->cols, sizeof *t->column)))
        return um_fail(UM_ENOMEM, "%s: out of memory", t->name);
    for (int64_t i = 0; i < t->cols; i++) {
        t->column[i] = t->text + place[i];
        if (!*t->column[i])
            return um_fail(UM_EFORMAT, "%s: line 1: column %lld has no name", t->name,
                           (long long)i + 1);
        for (int64_t j = 0; j < i; j++)
            if (strcmp(t->column[j], t->column[i]) == 0)
                return um_fail(UM_EFORMAT, "%s: line 1: two columns %.*s", t->name, SHOWN,
                               t->column[i]);
    }
    return UM_OK;
}

static int take_rows(struct um_table *t, size_t at, int64_t lines, int64_t fields)
{
    uint32_t *place = t->cell = calloc((size_t)fields, sizeof *t->cell);

    if (!place)
        return um_fail(UM_ENOMEM, "%s: out of memory", t->name);
    for (t->rows = 0; t->rows < lines - 1; t->rows++, place += t->cols) {
        /* room is for all fields of the file together: a line may have no more than are left */
        const int64_t left = fields - (place - t->cell);
        const int64_t got  = split(t->text, &at, place, left);

        if (got != t->cols)
            return um_fail(UM_EFORMAT, "%s: line %lld: %lld fields, but the header has %lld",
                           t->name, (long long)t->rows + 2, (long long)got, (long long)t->cols);
    }
    return UM_OK;
}

int um_table_read(struct um_table **out, const char *path)
{
    struct um_table *t = calloc(1, sizeof *t);
    size_t           n = 0, at = 0;
    int64_t          lines = 0, fields = 0;
    int              st;

    if (!t)
        return um_fail(UM_ENOMEM, "out of memory");
    if ((st = read_text(t, path, &n)) < 0 || (st = survey(t, &n, &lines, &fields)) < 0 ||
        (st = take_header(t, &at)) < 0 || (st = take_rows(t, at, lines, fields)) < 0) {
        um_table_free(t);
        return st;
    }
    *out = t;
    return UM_OK;
}

void um_table_free(struct um_table *t)
{
    if (!t)
        return;
    free(t->name);
    free(t->text);
    free(t->column);
    free(t->cell);
    free(t);
}

int64_t um_table_column(const struct um_table *t, const char *name)
{
    for (int64_t i = 0; i < t->cols; i++)
        if (strcmp(t->column[i], name) == 0)
            return i;
    return -1;
}

int um_table_need(const struct um_table *t, const char *name, int64_t *col)
{
    char   there[400] = "";
    size_t n          = 0;

    if ((*col = um_table_column(t, name)) >= 0)
        return UM_OK;
    for (int64_t i = 0; i < t->cols; i++) {
        const size_t more = strlen(t->column[i]) + 2;

        if (n + more + 4 > sizeof there) {
            memcpy(there + n, ", ...", 6);
            break;
        }
        if (n > 0)
            memcpy(there + n, ", ", 2), n += 2;
        memcpy(there + n, t->column[i], more - 1);
        n += more - 2;
    }
    return um_fail(UM_EMISSING, "%s: no column %s; there are %s", t->name, name, there);
}

const char *um_table_text(const struct um_table *t, int64_t row, int64_t col)
{
    return t->text + t->cell[row * t->cols + col];
}

static bool number(const char *s, double *x)
{
    char *end;

    if (*s == ' ' || (*s >= '\t' && *s <= '\r')) /* strtod would pass over it */
        return false;
    *x = strtod(s, &end);
    return end > s && *end == 0;
}

int um_table_number(const struct um_table *t, int64_t row, int64_t col, double *x)
{
    const char *s = um_table_text(t, row, col);

    if (!number(s, x))
        return um_fail(UM_EFORMAT, "%s: line %lld: %s: \"%.*s\" is not a number", t->name,
                       (long long)row + 2, t->column[col], SHOWN, s);
    return UM_OK;
}

bool um_table_numeric(const struct um_table *t, int64_t col)
{
    double x;

    return t->rows == 0 || number(um_table_text(t, 0, col), &x);
}
