/* runlog.c - lines appended to three tables */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/runlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOG, VALID, BATCHES, TIMING, FILES };

static const char *const name[FILES] = { "log.tsv", "valid.tsv", "batches.tsv", "timing.tsv" };

static const char *const columns[FILES] = {
    "step\tepoch\tmodality\tloss\tvl\ticl\tpcl\tlr\tmomentum\ttemperature\tgrad_norm\tclipped\t"
    "entropy_cls\tentropy_patch\tentropy_mean_cls\tentropy_mean_patch\tbatch\n",
    "step\tepoch\tset\tpairs\tloss\ti2t_r1\ti2t_r5\ti2t_r10\ti2t_median\tt2i_r1\tt2i_r5\tt2i_r10\t"
    "t2i_median\ti2t_r1_strict\tt2i_r1_strict\ttrue_distance\trandom_distance\tcross_r1\n",
    "step\tmodality\tkey\tslices\n",
    "step\tepoch\tseconds\tsteps_per_s\tpairs_per_s\tload_wait_s\twait_share\tmax_rss_mb\n"
};

struct um_runlog {
    FILE   *f[FILES];
    char    path[FILES][4096];
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

static int open_one(struct um_runlog *l, int i, int64_t bytes)
{
    const int fd = open(l->path[i], O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int       st = fd < 0 ? um_fail_errno("%s", l->path[i]) : take(fd, l->path[i], bytes);

    if (st >= 0 && !(l->f[i] = fdopen(fd, "a")))
        st = um_fail_errno("%s", l->path[i]);
    if (st < 0 && fd >= 0)
        (void)close(fd);
    if (st >= 0 && bytes == 0 && fputs(columns[i], l->f[i]) < 0)
        st = um_fail_errno("%s", l->path[i]);
    return st;
}

static int open_all(struct um_runlog *l, const char *run, bool batches, const int64_t *bytes)
{
    struct stat sb;

    for (int i = 0; i < FILES; i++)
        if (snprintf(l->path[i], sizeof l->path[i], "%s/%s", run, name[i]) >=
            (int)sizeof l->path[i])
            return um_fail(UM_ERANGE, "%s: too long a name", run);
    for (int i = 0; i < UM_RUNLOGS; i++)
        if (i != BATCHES || batches)
            UM_TRY(open_one(l, i, bytes[i]));
    /* times of a run that was killed stay: they belong to no checkpoint */
    return open_one(l, TIMING,
                    bytes[LOG] && stat(l->path[TIMING], &sb) == 0 ? (int64_t)sb.st_size : 0);
}

int um_runlog_open(struct um_runlog **out, const char *run, bool batches,
                   const int64_t bytes[UM_RUNLOGS])
{
    struct um_runlog *l = calloc(1, sizeof *l);
    int               st;

    if (!l)
        return um_fail(UM_ENOMEM, "out of memory");
    l->last = now();
    if ((st = open_all(l, run, batches, bytes)) < 0)
        return um_runlog_close(l, st);
    *out = l;
    return UM_OK;
}

/* the end of a line that was printed with status n */
static int done(struct um_runlog *l, int i, int n)
{
    return n < 0 || fflush(l->f[i]) != 0 ? um_fail_errno("%s", l->path[i]) : UM_OK;
}

int um_runlog_line(struct um_runlog *l, const struct um_logline *x)
{
    if (!l)
        return UM_OK;
    return done(l, LOG,
                fprintf(l->f[LOG],
                        "%lld\t%lld\t%s\t%.9g\t%.9g\t%.9g\t%.9g\t%.17g\t%.17g\t%.9g\t%.9g\t%lld\t"
                        "%.9g\t%.9g\t%.9g\t%.9g\t%016" PRIx64 "\n",
                        (long long)x->step, (long long)x->epoch, x->modality, x->loss, x->vl,
                        x->icl, x->pcl, x->lr, x->momentum, x->temperature, x->norm,
                        (long long)x->clipped, x->sure[0], x->sure[1], x->spread[0], x->spread[1],
                        x->batch));
}

int um_runlog_valid(struct um_runlog *l, const struct um_validline *x)
{
    if (!l)
        return UM_OK;
    return done(l, VALID,
                fprintf(l->f[VALID],
                        "%lld\t%lld\t%s\t%lld\t%.9g\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\t"
                        "%.6g\t%.6g\t%.6g\t%.9g\t%.9g\t%.6g\n",
                        (long long)x->step, (long long)x->epoch, x->set, (long long)x->pairs,
                        x->loss, x->i2t[0], x->i2t[1], x->i2t[2], x->i2t[3], x->t2i[0], x->t2i[1],
                        x->t2i[2], x->t2i[3], x->strict[0], x->strict[1], x->own, x->others,
                        x->cross_1));
}

int um_runlog_record(struct um_runlog *l, int64_t step, const char *modality, const char *key,
                     const int32_t *z, int64_t n)
{
    int st = fprintf(l->f[BATCHES], "%lld\t%s\t%s\t", (long long)step, modality, key);

    for (int64_t i = 0; i < n && st >= 0; i++)
        st = fprintf(l->f[BATCHES], "%s%d", i ? "," : "", z[i]);
    if (st >= 0)
        st = fputs(n > 0 ? "\n" : "nan\n", l->f[BATCHES]);
    return st < 0 ? um_fail_errno("%s", l->path[BATCHES]) : UM_OK;
}

int um_runlog_timing(struct um_runlog *l, int64_t step, int64_t epoch, int64_t pairs, double waited)
{
    if (!l)
        return UM_OK;
    const double  t = now(), s = t - l->last, w = waited - l->waited, per = s > 0 ? 1 / s : 0;
    struct rusage r = { 0 };

    (void)getrusage(RUSAGE_SELF, &r);
    l->last            = t;
    l->waited          = waited;
    const double steps = (double)(step - l->step);
    l->step            = step;
    return done(l, TIMING,
                fprintf(l->f[TIMING], "%lld\t%lld\t%.3f\t%.4g\t%.4g\t%.3f\t%.4f\t%.1f\n",
                        (long long)step, (long long)epoch, s, steps * per, (double)pairs * per, w,
                        w * per, (double)r.ru_maxrss / 1024));
}

int um_runlog_sync(struct um_runlog *l, int64_t bytes[UM_RUNLOGS])
{
    for (int i = 0; i < UM_RUNLOGS; i++) {
        struct stat sb;

        bytes[i] = 0;
        if (!l->f[i])
            continue;
        if (fflush(l->f[i]) != 0 || fsync(fileno(l->f[i])) != 0 || fstat(fileno(l->f[i]), &sb) != 0)
            return um_fail_errno("%s", l->path[i]);
        bytes[i] = sb.st_size;
    }
    return UM_OK;
}

int um_runlog_close(struct um_runlog *l, int st)
{
    if (!l)
        return st;
    for (int i = 0; i < FILES; i++)
        if (l->f[i] && fclose(l->f[i]) != 0 && st >= 0)
            st = um_fail_errno("%s", l->path[i]);
    free(l);
    return st;
}
