/* runlog.c - lines appended to two tables */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/runlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct um_runlog {
    FILE   *log, *timing;
    char    path[4096];
    double  last;   /* time of the timing line before */
    int64_t step;   /* its step */
    double  waited; /* its sum */
};

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* the lock is the descriptor's: it ends with the process, however that ends */
static int take(int fd, const char *path, int64_t bytes)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    struct stat  sb;

    if (fcntl(fd, F_SETLK, &lock) != 0)
        return errno == EACCES || errno == EAGAIN
                   ? um_fail(UM_EMISMATCH, "%s: another um-train is writing to this run", path)
                   : um_fail_errno("%s", path);
    if (fstat(fd, &sb) != 0)
        return um_fail_errno("%s", path);
    if (sb.st_size < bytes)
        return um_fail(UM_EFORMAT, "%s: %lld bytes, but %lld when the checkpoint was written", path,
                       (long long)sb.st_size, (long long)bytes);
    return ftruncate(fd, (off_t)bytes) == 0 ? UM_OK : um_fail_errno("%s", path);
}

static int open_log(struct um_runlog *l, int64_t bytes)
{
    const int fd = open(l->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int       st = fd < 0 ? um_fail_errno("%s", l->path) : take(fd, l->path, bytes);

    if (st >= 0 && !(l->log = fdopen(fd, "a")))
        st = um_fail_errno("%s", l->path);
    if (st < 0 && fd >= 0)
        (void)close(fd);
    if (st >= 0 && bytes == 0 &&
        fprintf(l->log, "step\tepoch\tset\tmodality\tloss\tlr\ttheta\tgrad_norm\tclipped\n") < 0)
        st = um_fail_errno("%s", l->path);
    return st;
}

static int open_timing(struct um_runlog *l, const char *run, int64_t bytes)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/timing.tsv", run);
    if (!(l->timing = fopen(path, bytes ? "a" : "w")))
        return um_fail_errno("%s", path);
    if (bytes == 0)
        (void)fprintf(l->timing, "step\tepoch\tseconds\tsteps_per_s\tpairs_per_s\tload_wait_s\t"
                                 "max_rss_mb\n");
    return UM_OK;
}

int um_runlog_open(struct um_runlog **out, const char *run, int64_t log_bytes)
{
    struct um_runlog *l = calloc(1, sizeof *l);
    int               st;

    if (!l)
        return um_fail(UM_ENOMEM, "out of memory");
    l->last = now();
    if (snprintf(l->path, sizeof l->path, "%s/log.tsv", run) >= (int)sizeof l->path)
        st = um_fail(UM_ERANGE, "%s: too long a name", run);
    else if ((st = open_log(l, log_bytes)) >= 0)
        st = open_timing(l, run, log_bytes);
    if (st < 0)
        return um_runlog_close(l, st);
    *out = l;
    return UM_OK;
}

int um_runlog_line(struct um_runlog *l, const struct um_logline *x)
{
    if (fprintf(l->log, "%lld\t%lld\t%s\t%s\t%.9g\t%.9g\t%.9g\t%.9g\t%lld\n", (long long)x->step,
                (long long)x->epoch, x->set, x->modality, x->loss, x->lr, x->theta, x->norm,
                (long long)x->clipped) < 0 ||
        fflush(l->log) != 0)
        return um_fail_errno("%s", l->path);
    return UM_OK;
}

int um_runlog_timing(struct um_runlog *l, int64_t step, int64_t epoch, int64_t pairs, double waited)
{
    const double  t = now(), s = t - l->last;
    struct rusage r = { 0 };

    (void)getrusage(RUSAGE_SELF, &r);
    if (fprintf(l->timing, "%lld\t%lld\t%.3f\t%.4g\t%.4g\t%.3f\t%.1f\n", (long long)step,
                (long long)epoch, s, s > 0 ? (double)(step - l->step) / s : 0,
                s > 0 ? (double)pairs / s : 0, waited - l->waited,
                (double)r.ru_maxrss / 1024) < 0 ||
        fflush(l->timing) != 0)
        return um_fail_errno("timing.tsv");
    l->last   = t;
    l->step   = step;
    l->waited = waited;
    return UM_OK;
}

int um_runlog_sync(struct um_runlog *l, int64_t *bytes)
{
    struct stat sb;

    if (fflush(l->log) != 0 || fsync(fileno(l->log)) != 0 || fstat(fileno(l->log), &sb) != 0)
        return um_fail_errno("%s", l->path);
    *bytes = sb.st_size;
    return UM_OK;
}

int um_runlog_close(struct um_runlog *l, int st)
{
    if (!l)
        return st;
    if (l->timing && fclose(l->timing) != 0 && st >= 0)
        st = um_fail_errno("timing.tsv");
    if (l->log && fclose(l->log) != 0 && st >= 0)
        st = um_fail_errno("%s", l->path);
    free(l);
    return st;
}
