/* gnuplot.c - another program at the other end of three descriptors */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "plot/gnuplot.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 1 << 28, SAID_MAX = 1 << 16 };

struct bytes {
    char  *p;
    size_t n, room, max;
};

struct talk {
    pid_t        pid;
    int          in, out, err; /* our ends; -1: closed. `in` is a socket: no SIGPIPE */
    struct bytes said, drawn;
};

static void shut(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static int spawn(struct talk *t, int in, int out, int err)
{
    char                      *argv[] = { "gnuplot", "-d", "-", NULL };
    posix_spawn_file_actions_t fa;
    int                        e = posix_spawn_file_actions_init(&fa);

    if (e == 0) {
        if ((e = posix_spawn_file_actions_adddup2(&fa, in, STDIN_FILENO)) == 0 &&
            (e = posix_spawn_file_actions_adddup2(&fa, out, STDOUT_FILENO)) == 0 &&
            (e = posix_spawn_file_actions_adddup2(&fa, err, STDERR_FILENO)) == 0)
            e = posix_spawnp(&t->pid, argv[0], &fa, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&fa);
    }
    if (e == ENOENT)
        return um_fail(UM_EMISSING, "gnuplot is not installed: it draws the curves; in Debian it "
                                    "is the package gnuplot-nox");
    errno = e;
    return e ? um_fail_errno("gnuplot") : UM_OK;
}

static int begin(struct talk *t)
{
    int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
    int st;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) != 0 || pipe2(out, O_CLOEXEC) != 0 ||
        pipe2(err, O_CLOEXEC) != 0)
        st = um_fail_errno("gnuplot");
    else
        st = spawn(t, in[1], out[1], err[1]);
    shut(&in[1]);
    shut(&out[1]);
    shut(&err[1]);
    t->in  = in[0];
    t->out = out[0];
    t->err = err[0];
    return st;
}

/* read some; at the end the descriptor is closed */
static int take(int *fd, struct bytes *b)
{
    ssize_t got;

    if (b->room - b->n < 4096) {
        char *more = realloc(b->p, 2 * b->room + 8192);

        if (!more)
            return um_fail(UM_ENOMEM, "out of memory");
        b->p    = more;
        b->room = 2 * b->room + 8192;
    }
    got = read(*fd, b->p + b->n, b->room - b->n - 1);
    if (got < 0)
        return errno == EINTR ? UM_OK : um_fail_errno("gnuplot");
    if (got == 0)
        shut(fd);
    if (b->n + (size_t)got <= b->max)
        b->n += (size_t)got; /* of what is said, the beginning is kept */
    else if (b->max == OUTPUT_MAX)
        return um_fail(UM_ERANGE, "gnuplot: a picture of more than %d MiB", OUTPUT_MAX >> 20);
    b->p[b->n] = 0;
    return UM_OK;
}

/* send the script and take what comes, until gnuplot has closed both of its sides */
static int converse(struct talk *t, const char *script, size_t n)
{
    while (t->out >= 0 || t->err >= 0) {
        struct pollfd p[] = { { t->in, POLLOUT, 0 }, { t->out, POLLIN, 0 }, { t->err, POLLIN, 0 } };

        if (poll(p, 3, -1) < 0) {
            if (errno == EINTR)
                continue;
            return um_fail_errno("gnuplot");
        }
        if (p[0].revents) {
            const ssize_t put = send(t->in, script, n, MSG_NOSIGNAL | MSG_DONTWAIT);

            if (put >= 0)
                script += put, n -= (size_t)put;
            if (n == 0 || (put < 0 && errno != EINTR && errno != EAGAIN))
                shut(&t->in); /* all is said, or nobody listens: its exit status tells */
        }
        if (p[1].revents)
            UM_TRY(take(&t->out, &t->drawn));
        if (p[2].revents)
            UM_TRY(take(&t->err, &t->said));
    }
    return UM_OK;
}

/* the last line that says something */
static void last_line(const struct bytes *b, char *line, size_t len)
{
    size_t end = b->n, from;

    while (end > 0 && isspace((unsigned char)b->p[end - 1]))
        end--;
    for (from = end; from > 0 && b->p[from - 1] != '\n'; from--)
        ;
    while (from < end && isspace((unsigned char)b->p[from]))
        from++;
    (void)snprintf(line, len, "%.*s", (int)(end - from), end > from ? b->p + from : "");
}

static int end(struct talk *t, int st, const char *said)
{
    int status = 0;

    shut(&t->in);
    shut(&t->out);
    shut(&t->err);
    while (waitpid(t->pid, &status, 0) < 0)
        if (errno != EINTR)
            return st < 0 ? st : um_fail_errno("gnuplot");
    if (st < 0)
        return st;
    if (WIFSIGNALED(status))
        return um_fail(UM_EIO, "gnuplot was ended by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return um_fail(UM_EIO, "gnuplot failed (exit %d)%s%s", WEXITSTATUS(status),
                       *said ? ": " : "", said);
    if (t->drawn.n == 0)
        return um_fail(UM_EIO, "gnuplot drew nothing%s%s", *said ? ": " : "", said);
    return UM_OK;
}

int um_gnuplot_run(const char *script, size_t n, char **out, size_t *nout, char *note, size_t len)
{
    struct talk t = { .said.max = SAID_MAX, .drawn.max = OUTPUT_MAX };
    int         st;

    *note = 0;
    if ((st = begin(&t)) >= 0) {
        st = converse(&t, script, n);
        last_line(&t.said, note, len);
        st = end(&t, st, note);
    } else {
        shut(&t.in);
        shut(&t.out);
        shut(&t.err);
    }
    free(t.said.p);
    *out  = t.drawn.p;
    *nout = t.drawn.n;
    return st;
}

/* a drawing in characters without what nobody sees: blanks at the ends of lines, and more than one
 * empty line in a row; returns its new length */
static size_t trim(char *p, size_t n)
{
    size_t to = 0, empty = 1; /* none at the beginning */

    for (size_t from = 0; from < n;) {
        from += p[from] == '\f'; /* between two drawings */
        const char  *nl  = memchr(p + from, '\n', n - from);
        const size_t all = nl ? (size_t)(nl - p) - from : n - from;
        size_t       len = all;

        while (len > 0 && p[from + len - 1] == ' ')
            len--;
        empty = len > 0 ? 0 : empty + 1;
        if (empty < 2) {
            memmove(p + to, p + from, len);
            p[to + len] = '\n'; /* at n there is room: a NUL stands there */
            to += len + 1;
        }
        from += all + 1;
    }
    return to;
}

int um_gnuplot_draw(const struct um_figure *f, const struct um_gnuplot_opts *o,
                    struct um_outfile *out, char *note, size_t len)
{
    char  *script, *drawn;
    size_t n, ndrawn;
    int    st;

    *note = 0;
    UM_TRY(um_gnuplot_script(f, o, &script, &n));
    st = um_gnuplot_run(script, n, &drawn, &ndrawn, note, len);
    free(script);
    if (st >= 0 && o->as == UM_PICTURE_TEXT)
        ndrawn = trim(drawn, ndrawn);
    if (st >= 0)
        st = um_outfile_write(out, drawn, ndrawn);
    free(drawn);
    return st;
}
