/* ops.c - the operation table: cpu against ref for every instruction set this processor has, the
 * same bits for 1, 2 and 7 threads, and ref's backwards against differences of its forwards
 *
 * Each instruction set is a process of its own, because oneDNN is pinned to one for good.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/ops/ops.h"

static const char *const isas[] = { "generic", "sse2", "avx2", "avx512", "avx512bf16" };

enum { NISA = sizeof isas / sizeof isas[0] };

static bool is_here(const char *isa)
{
    struct um_dev *dev;

    if (setenv("UM_ISA", isa, 1) != 0 || um_dev_open(&dev, "cpu", NULL) < 0)
        return false;
    um_dev_close(dev);
    return true;
}

/* the child prints its lines from number *nr on and sends how many through a pipe */
static int run_child(const char *isa, int *nr)
{
    int   fd[2], out[2] = { 0, 1 }, status = 0;
    pid_t child;

    (void)fflush(stdout);
    if (pipe(fd) != 0 || (child = fork()) < 0)
        return 1;
    if (child == 0) {
        int n  = *nr;
        out[1] = !isa ? ot_run_ref(&n) : is_here(isa) ? ot_run_isa(isa, &n) : 0;
        out[0] = n;
        (void)fflush(stdout);
        _exit(write(fd[1], out, sizeof out) == (ssize_t)sizeof out ? 0 : 1);
    }
    (void)close(fd[1]);
    if (read(fd[0], out, sizeof out) != (ssize_t)sizeof out) {
        out[0] = *nr + 1;
        out[1] = 1;
        (void)printf("not ok %d - %s: the process died\n", out[0], isa ? isa : "ref");
    }
    (void)close(fd[0]);
    (void)waitpid(child, &status, 0);
    *nr = out[0];
    return out[1] + (status != 0 && out[1] == 0);
}

int main(void)
{
    int nr = 0, failed = 0;

#ifndef __SANITIZE_THREAD__ /* ref has one thread, and its differences take long */
    failed = run_child(NULL, &nr);
#endif

    for (int i = 0; i < NISA; i++)
        failed += run_child(isas[i], &nr);
    (void)printf("1..%d\n", nr);
    return failed != 0;
}
