/* outfile.c - outputs, written through a temporary name */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUF = 1 << 16, OPEN_MAX_KNOWN = 1024 };

struct um_outfile {
    int   fd;
    bool  close_fd;
    char *path;          /* as the caller gave it: what messages name; NULL: a standard stream */
    char *target, *temp; /* links followed; NULL: written in place */
    int   slot;          /* of temp in the list below; -1: not in it */
    bool  replaces;      /* a file is there: which one */
    dev_t dev;
    ino_t ino;
    struct um_outfile *next; /* of all that replace */
    size_t             n;
    char               buf[BUF];
};

/* Temporary names of open outputs. Whoever takes a name out of its slot owns it: a handler that
 * took one never gives it back, since the process is about to end. */
static _Atomic(char *) temps[OPEN_MAX_KNOWN];

static int temp_list(char *name)
{
    for (int i = 0; i < OPEN_MAX_KNOWN; i++) {
        char *none = NULL;

        if (!atomic_load(&temps[i]) && atomic_compare_exchange_strong(&temps[i], &none, name))
            return i;
    }
    return -1;
}

static void temp_free(struct um_outfile *f)
{
    if (f->temp && (f->slot < 0 || atomic_exchange(&temps[f->slot], NULL)))
        free(f->temp);
    f->temp = NULL;
}

void um_outfile_unlink_all(void)
{
    for (int i = 0; i < OPEN_MAX_KNOWN; i++) {
        const char *name = atomic_exchange(&temps[i], NULL);

        if (name)
            (void)unlink(name);
    }
}

/* ---- what is read is not written over ---- */

static pthread_mutex_t    lock = PTHREAD_MUTEX_INITIALIZER;
static struct um_outfile *replacing;

static void will_replace(struct um_outfile *f, const struct stat *sb)
{
    f->replaces = true;
    f->dev      = sb->st_dev;
    f->ino      = sb->st_ino;
    (void)pthread_mutex_lock(&lock);
    f->next   = replacing;
    replacing = f;
    (void)pthread_mutex_unlock(&lock);
}

static void replaces_no_more(struct um_outfile *f)
{
    (void)pthread_mutex_lock(&lock);
    for (struct um_outfile **at = &replacing; *at; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            break;
        }
    (void)pthread_mutex_unlock(&lock);
}

int um_outfile_spares(const char *path, const struct stat *sb)
{
    int st = UM_OK;

    (void)pthread_mutex_lock(&lock);
    for (const struct um_outfile *f = replacing; f && st == UM_OK; f = f->next)
        if (f->dev == sb->st_dev && f->ino == sb->st_ino)
            st = um_fail(UM_EUSAGE, "%s is read, and the output %s would take its place", path,
                         f->path);
    (void)pthread_mutex_unlock(&lock);
    return st;
}

/* ---- opening ---- */

/* path with links followed, also one whose target is not there yet; NULL: errno says why */
static char *follow(const char *path)
{
    char  to[PATH_MAX];
    char *whole = realpath(path, NULL), *next = NULL;

    for (int links = 0; !whole && errno == ENOENT; links++) {
        const char   *at    = next ? next : path;
        const char   *slash = strrchr(at, '/');
        const ssize_t n     = readlink(at, to, sizeof to - 1);
        char         *then;

        if (n < 0) /* no link: a new file */
            return next ? next : strdup(path);
        to[n] = 0;
        if (links >= 40) {
            errno = ELOOP;
            break;
        }
        if (asprintf(&then, "%.*s%s", to[0] == '/' || !slash ? 0 : (int)(slash - at + 1), at, to) <
            0)
            then = NULL;
        free(next);
        next = then;
        if (!next)
            return NULL;
        whole = realpath(next, NULL);
    }
    free(next);
    return whole;
}

/* where the bytes go: through a temporary file, unless the target is not a regular file */
static int open_target(struct um_outfile *f, const char *path)
{
    struct stat sb;

    if (!(f->path = strdup(path)))
        return um_fail(UM_ENOMEM, "out of memory");
    if (stat(path, &sb) == 0 && !S_ISREG(sb.st_mode)) {
        if (S_ISDIR(sb.st_mode))
            return um_fail(UM_EIO, "%s: a directory, not a file", path);
        f->fd = open(path, O_WRONLY | O_CLOEXEC);
        return f->fd < 0 ? um_fail_errno("%s", path) : UM_OK;
    }
    if (!(f->target = follow(path)))
        return um_fail_errno("%s", path);
    if (asprintf(&f->temp, "%s.XXXXXX", f->target) < 0) {
        f->temp = NULL;
        return um_fail(UM_ENOMEM, "out of memory");
    }
    f->slot = temp_list(f->temp); /* before the file is there, so that no signal can miss it */
    f->fd   = mkostemp(f->temp, O_CLOEXEC);
    if (f->fd < 0) {
        const int st = um_fail_errno("%s", path);

        temp_free(f);
        return st;
    }
    const mode_t mask = umask(0);
    (void)umask(mask);
    if (fchmod(f->fd, 0666 & ~mask) != 0)
        return um_fail_errno("%s", path);
    if (stat(f->target, &sb) == 0)
        will_replace(f, &sb);
    return UM_OK;
}

static void outfile_free(struct um_outfile *f)
{
    if (f->close_fd && f->fd >= 0)
        (void)close(f->fd);
    if (f->replaces)
        replaces_no_more(f);
    temp_free(f);
    free(f->target);
    free(f->path);
    free(f);
}

/* the open descriptor that a path names, or -1: /dev/stdout is what standard output was led to,
 * with all that is in it already, and never a file to be put in its place */
static int descriptor(const char *path)
{
    static const char *const folder[] = { "/dev/fd/", "/proc/self/fd/" };

    if (strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0)
        return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0)
        return STDERR_FILENO;
    for (size_t i = 0; i < sizeof folder / sizeof folder[0]; i++) {
        const size_t n = strlen(folder[i]);
        char        *end;

        if (strncmp(path, folder[i], n) != 0 || path[n] < '0' || path[n] > '9')
            continue;
        const long fd = strtol(path + n, &end, 10);
        if (!*end && fd <= INT_MAX && fcntl((int)fd, F_GETFD) >= 0)
            return (int)fd;
    }
    return -1;
}

int um_outfile_open(struct um_outfile **out, const char *path)
{
    struct um_outfile *f = calloc(1, sizeof *f);

    if (!f)
        return um_fail(UM_ENOMEM, "out of memory");
    f->fd = path ? descriptor(path) : STDOUT_FILENO;
    if (f->fd < 0) {
        f->close_fd  = true;
        const int st = open_target(f, path);
        if (st < 0) {
            if (f->temp)
                (void)unlink(f->temp);
            outfile_free(f);
            return st;
        }
    }
    *out = f;
    return UM_OK;
}

int um_outfile_wrap(struct um_outfile **out, int fd)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return um_fail(UM_ENOMEM, "out of memory");
    (*out)->fd = fd;
    return UM_OK;
}

/* what a call that failed says; errno says why */
static int fail_errno(const struct um_outfile *f)
{
    return um_fail_errno("%s", f->path                  ? f->path
                               : f->fd == STDERR_FILENO ? "standard error"
                                                        : "standard output");
}

static int write_all(struct um_outfile *f, const char *p, size_t n)
{
    while (n > 0) {
        const ssize_t w = write(f->fd, p, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return fail_errno(f);
        p += w;
        n -= (size_t)w;
    }
    return UM_OK;
}

int um_outfile_flush(struct um_outfile *f)
{
    const size_t n = f->n;

    f->n = 0;
    return write_all(f, f->buf, n);
}

int um_outfile_write(struct um_outfile *f, const void *data, size_t n)
{
    if (n > BUF - f->n)
        UM_TRY(um_outfile_flush(f));
    if (n >= BUF)
        return write_all(f, data, n);
    memcpy(f->buf + f->n, data, n);
    f->n += n;
    return UM_OK;
}

int um_outfile_printf(struct um_outfile *f, const char *fmt, ...)
{
    char   *text;
    va_list ap;
    int     n, st;

    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        return um_fail(UM_ENOMEM, "out of memory");
    st = um_outfile_write(f, text, (size_t)n);
    free(text);
    return st;
}

int um_outfile_fd(const struct um_outfile *f)
{
    return f->fd;
}

int um_outfile_close(struct um_outfile *f, int st, int sync)
{
    if (!f)
        return st;
    if (st >= 0) {
        const int flushed = um_outfile_flush(f);
        st                = flushed < 0 ? flushed : st;
    }
    if (st >= 0 && sync && f->temp && fsync(f->fd) != 0)
        st = fail_errno(f);
    if (f->close_fd) {
        if (close(f->fd) != 0 && st >= 0)
            st = fail_errno(f);
        f->fd = -1;
    }
    if (f->temp && st >= 0 && rename(f->temp, f->target) != 0)
        st = fail_errno(f);
    if (f->temp && st < 0)
        (void)unlink(f->temp);
    outfile_free(f);
    return st;
}
