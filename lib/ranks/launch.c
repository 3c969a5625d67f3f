/* launch.c - who started this process, and how many like it */
/* SPDX-License-Identifier: Apache-2.0 */
#include "ranks/launch.h"

#include <errno.h>
#include <stdlib.h>

enum { MOST = 1 << 24 };

/* The first that is there counts: a launcher may itself have been started by one further down
 * (mpirun in a job of Slurm starts its helpers by srun). Slurm sets a number of tasks for a job
 * too, also for the script that is no task: the step's is the one that counts. */
static const struct {
    const char *by, *size;
} known[] = {
    { "Open MPI", "OMPI_COMM_WORLD_SIZE" },
    { "PMI", "PMI_SIZE" }, /* MPICH, Intel MPI, MVAPICH; srun --mpi=pmi2 */
    { "Slurm", "SLURM_STEP_NUM_TASKS" },
};

static int number(const char *name, const char *text, int *n)
{
    char *end;

    errno        = 0;
    const long v = strtol(text, &end, 10);
    if (errno || end == text || *end || v < 1 || v > MOST)
        return um_fail(UM_ERANGE, "environment: %s=%s: expected a number of processes, 1 to %d",
                       name, text, MOST);
    *n = (int)v;
    return UM_OK;
}

int um_launch_find(struct um_launch *l)
{
    *l = (struct um_launch){ "", 1 };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *text = getenv(known[i].size);

        if (!text)
            continue;
        l->by = known[i].by;
        return number(known[i].size, text, &l->size);
    }
    if (getenv("PMIX_RANK")) /* PMIx keeps the number to itself */
        *l = (struct um_launch){ "PMIx", 0 };
    return UM_OK;
}
