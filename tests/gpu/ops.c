/* ops.c - the operation table on a device with memory of its own, against ref, run twice: the same
 * bits; and what the table does not say of its memory
 *
 * A kernel that reads where it must not ends its process's use of the GPU. So workers judge, each
 * with the device open, taking the next judgement from a list they share; one that has lost the
 * device ends, the judgement at fault is `not ok`, and another worker goes on behind it.
 *
 * usage: ops [-j WORKERS] [-m PATTERN] [-p PART/OF] [-e ELEMENTS] [-t SECONDS] DEVICE
 *   -j 0: in this one process, for tools that watch it; -m: names that hold PATTERN; -p: every
 *   OF-th of them from number PART, from 0, on; -e: shapes of
 * at most so many elements in all arrays; -t: what a judgement may take SPDX-License-Identifier:
 * Apache-2.0
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/gpu/gpu.h"
#include "tests/ops/ops.h"

enum { MOST = 1024, WORKERS = 64, NAME = 120, SAID = 400 };
enum state { WAITING, RUNNING, GOOD, BAD };
enum { LOST = 3, NO_DEVICE }; /* how a worker ends */

struct item {
    char       name[NAME], said[SAID];
    int        nr;  /* of the table's judgements, or of gpu_cases */
    bool       own; /* one of gpu_cases */
    atomic_int state, worker;
    double     started, took;
};

/* what the processes share */
static struct list {
    atomic_int  next;
    int         n;
    char        why[SAID]; /* the device does not open */
    struct item item[MOST];
} * list;

static struct {
    const char *device, *pattern;
    int         workers, seconds, part, of, met;
    int64_t     most;
} opt = { .pattern = "", .workers = 8, .seconds = 120, .most = INT64_MAX, .of = 1 };

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void add(const char *name, int nr, bool own)
{
    struct item *it = &list->item[list->n];

    if (!strstr(name, opt.pattern) || opt.met++ % opt.of != opt.part)
        return;
    if (list->n == MOST) {
        (void)printf("Bail out! more than %d judgements\n", MOST);
        exit(1);
    }
    (void)snprintf(it->name, sizeof it->name, "%s", name);
    it->nr  = nr;
    it->own = own;
    list->n++;
}

static void fill(void)
{
    char name[NAME];

    for (int i = 0; gpu_cases[i].name; i++)
        add(gpu_cases[i].name, i, true);
    for (int i = 0; ot_name(i, name, sizeof name); i++)
        add(name, i, false);
}

/* ---- a worker ---- */

static void judge(struct item *it, struct um_dev *ref, struct um_dev *dev)
{
    bool good;

    it->started = now();
    it->worker  = (int)getpid();
    it->state   = RUNNING;
    if (it->own)
        good = gpu_cases[it->nr].run(dev, it->said, sizeof it->said);
    else
        good = ot_run_device(it->nr, ref, dev, opt.most, it->said, sizeof it->said);
    it->took  = now() - it->started;
    it->state = good ? GOOD : BAD;
}

/* an error that stays: no later call works either */
static bool lost(struct um_dev *dev)
{
    const struct um_kernels *k = um_dev_kernels(dev);
    void                    *p = NULL;
    bool                     gone;

    (void)k->sync(dev);
    gone = k->sync(dev) < 0 || k->alloc(dev, 64, &p) < 0 || k->zero(dev, p, 64) < 0 ||
           k->sync(dev) < 0;
    k->free(dev, p);
    return gone;
}

/* told: what to call after each judgement, or NULL */
static int work(void (*told)(void))
{
    struct um_dev *ref, *dev;
    int            i;

    if (um_dev_open(&ref, "ref", NULL) < 0 || um_dev_open(&dev, opt.device, NULL) < 0) {
        (void)snprintf(list->why, sizeof list->why, "%s", um_errmsg());
        return NO_DEVICE;
    }
    while ((i = atomic_fetch_add(&list->next, 1)) < list->n) {
        judge(&list->item[i], ref, dev);
        if (told)
            told();
        if (list->item[i].state == BAD && lost(dev))
            return LOST;
    }
    um_dev_close(dev);
    um_dev_close(ref);
    return 0;
}

/* ---- who starts them ---- */

static bool start(void)
{
    pid_t pid;

    (void)fflush(stdout);
    pid = fork();
    if (pid == 0)
        _exit(work(NULL));
    return pid > 0;
}

/* what the worker was at when it ended */
static void blame(pid_t pid, int status)
{
    for (int i = 0; i < list->n; i++) {
        struct item *it = &list->item[i];

        if (it->state != RUNNING || it->worker != (int)pid)
            continue;
        it->took = now() - it->started;
        if (WIFSIGNALED(status))
            (void)snprintf(it->said, sizeof it->said, "the process died of signal %d after %.0f s",
                           WTERMSIG(status), it->took);
        else
            (void)snprintf(it->said, sizeof it->said, "the process ended with status %d",
                           WEXITSTATUS(status));
        it->state = BAD;
    }
}

/* our own workers that have been at one judgement for too long */
static void stop_slow(void)
{
    for (int i = 0; i < list->n; i++)
        if (list->item[i].state == RUNNING && now() - list->item[i].started > opt.seconds)
            (void)kill(list->item[i].worker, SIGKILL);
}

/* lines of what is done, in order; how many have been said */
static int say(int said, int *failed)
{
    for (; said < list->n && list->item[said].state >= GOOD; said++) {
        const struct item *it = &list->item[said];

        *failed += it->state == BAD;
        (void)printf("%s %d - %s %s: %s (%.2f s)\n", it->state == BAD ? "not ok" : "ok", said + 1,
                     opt.device, it->name, it->said, it->took);
    }
    (void)fflush(stdout);
    return said;
}

/* one worker has ended; false: no more are to be started */
static bool ended(pid_t pid, int status, int *running)
{
    (*running)--;
    blame(pid, status);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_DEVICE)
        return false;
    if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0) && list->next < list->n && start())
        (*running)++;
    return true;
}

static int supervise(void)
{
    const struct timespec nap     = { 0, 10000000 };
    int                   running = 0, said = 0, failed = 0, status;
    pid_t                 pid;

    while (running < opt.workers && running < list->n && start())
        running++;
    while (running > 0) {
        while (running > 0 && (pid = waitpid(-1, &status, WNOHANG)) > 0)
            if (!ended(pid, status, &running))
                break;
        stop_slow();
        said = say(said, &failed);
        (void)nanosleep(&nap, NULL);
    }
    said = say(said, &failed);
    if (said < list->n) {
        (void)printf("not ok %d - %s: from here on not judged: %s\n", said + 1, opt.device,
                     list->why[0] ? list->why : "no worker is left");
        failed++;
    }
    return failed;
}

static int failed_alone, said_alone;

static void say_alone(void)
{
    said_alone = say(said_alone, &failed_alone);
}

static int alone(void)
{
    const int end = work(say_alone);

    if (end == NO_DEVICE)
        (void)printf("not ok - %s: %s\n", opt.device, list->why);
    return failed_alone + (end != 0);
}

static bool options(int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "j:m:p:e:t:")) != -1)
        switch (c) {
        case 'j': opt.workers = atoi(optarg); break;
        case 'm': opt.pattern = optarg; break;
        case 'p':
            if (sscanf(optarg, "%d/%d", &opt.part, &opt.of) != 2 || opt.of < 1)
                return false;
            break;
        case 'e': opt.most = atoll(optarg); break;
        case 't': opt.seconds = atoi(optarg); break;
        default: return false;
        }
    opt.device = argv[optind];
    return optind + 1 == argc && opt.workers <= WORKERS;
}

int main(int argc, char **argv)
{
    int failed;

    if (!options(argc, argv)) {
        (void)fprintf(
            stderr,
            "usage: %s [-j workers] [-m pattern] [-p part/of] [-e elements] [-t seconds] device\n",
            argv[0]);
        return 2;
    }
    list = mmap(NULL, sizeof *list, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (list == MAP_FAILED)
        return 2;
    fill();
    failed = opt.workers > 0 ? supervise() : alone();
    (void)printf("1..%d\n", list->n);
    return failed != 0;
}
