/* gdcm_ask.c - starting helpers, talking to them, and what to do when one falls */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "media/gdcm_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/library.h"

enum { PATIENCE = 60 * 1000 }; /* ms without a byte */

struct helper {
    pid_t          pid;
    int            fd;
    struct helper *next;
};

/* those that wait for work */
static struct helper  *idle;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int spawn(const char *path, int fd, pid_t *pid)
{
    char *const                argv[] = { (char[]){ "gdcm" }, NULL };
    posix_spawn_file_actions_t files;
    int                        e = posix_spawn_file_actions_init(&files);

    if (e == 0) {
        e = posix_spawn_file_actions_adddup2(&files, fd, 0);
        e = e ? e : posix_spawn_file_actions_adddup2(&files, fd, 1);
        e = e ? e : posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
        e = e ? e : posix_spawn(pid, path, &files, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&files);
    }
    errno = e;
    return e == 0 ? UM_OK : um_fail_errno("DICOM: %s", path);
}

static int start(const char *name, struct helper **out)
{
    struct helper *h;
    char           path[4096];
    int            fd[2], st;

    if (!um_library_beside("libexec/um/gdcm", path, sizeof path))
        return um_fail(UM_EUNSUPPORTED,
                       "DICOM: %s: um was built without GDCM (no libexec/um/gdcm): install "
                       "libgdcm-dev and run make",
                       name);
    if (!(h = calloc(1, sizeof *h)))
        return um_fail(UM_ENOMEM, "DICOM: out of memory");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0) {
        free(h);
        return um_fail_errno("DICOM: a socket for GDCM");
    }
    st = spawn(path, fd[1], &h->pid);
    (void)close(fd[1]);
    h->fd = fd[0];
    if (st < 0) {
        (void)close(fd[0]);
        free(h);
        return st;
    }
    *out = h;
    return UM_OK;
}

static void end(struct helper *h)
{
    (void)close(h->fd);
    (void)kill(h->pid, SIGKILL);
    while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(h);
}

static int take(const char *name, struct helper **h)
{
    (void)pthread_mutex_lock(&lock);
    *h = idle;
    if (idle)
        idle = idle->next;
    (void)pthread_mutex_unlock(&lock);
    return *h ? UM_OK : start(name, h);
}

static void give_back(struct helper *h)
{
    (void)pthread_mutex_lock(&lock);
    h->next = idle;
    idle    = h;
    (void)pthread_mutex_unlock(&lock);
}

/* 0: it takes or gives bytes now */
static int ready(int fd, short what)
{
    struct pollfd p = { .fd = fd, .events = what };
    int           n;

    do
        n = poll(&p, 1, PATIENCE);
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : -1;
}

static int say(int fd, const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        const ssize_t k = ready(fd, POLLOUT) < 0 ? 0 : send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (k > 0) {
            p += k;
            n -= (size_t)k;
        } else if (k == 0 || (errno != EINTR && errno != EAGAIN)) {
            return -1;
        }
    }
    return 0;
}

static int hear(int fd, void *data, size_t n)
{
    char *p = data;

    while (n > 0) {
        const ssize_t k = ready(fd, POLLIN) < 0 ? 0 : recv(fd, p, n, MSG_DONTWAIT);

        if (k > 0) {
            p += k;
            n -= (size_t)k;
        } else if (k == 0 || (errno != EINTR && errno != EAGAIN)) {
            return -1;
        }
    }
    return 0;
}

int um_gdcm_decode(struct um_gdcm_job *job, const char *name, const void *in, void *out)
{
    struct um_gdcm_answer answer = { 0 };
    struct helper        *h;

    job->size = sizeof *job;
    UM_TRY(take(name, &h));
    if (say(h->fd, job, sizeof *job) < 0 || say(h->fd, in, job->bytes) < 0 ||
        hear(h->fd, &answer, sizeof answer) < 0 ||
        (answer.done && hear(h->fd, out, (size_t)job->out) < 0)) {
        end(h);
        return um_fail(UM_EFORMAT, "DICOM: %s: damaged: GDCM ended at it", name);
    }
    give_back(h);
    answer.why[sizeof answer.why - 1] = '\0';
    return answer.done ? UM_OK : um_fail(UM_EFORMAT, "DICOM: %s: %s", name, answer.why);
}
