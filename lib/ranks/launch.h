/* launch.h - what the environment says about the processes of this job; nothing is loaded */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_RANKS_LAUNCH_H
#define UM_RANKS_LAUNCH_H

#include "base/status.h"

struct um_launch {
    const char *by;   /* "Open MPI", "PMI", "Slurm", "PMIx"; "": nobody, one process */
    int         size; /* processes; 0: more than one is possible, and MPI alone knows */
};

/* um_launch_find - UM_ERANGE: a variable that must hold a number does not; named, with its value */
UM_API UM_RESULT_USED int um_launch_find(struct um_launch *l);

#endif
