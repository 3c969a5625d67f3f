/* place.c - which GPU is a rank's own */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 24 };

/* the GPU of this rank, of n that it sees */
static int own_gpu(struct um_ranks *ranks, int n, char name[NAME])
{
    const char *shown = getenv("CUDA_VISIBLE_DEVICES");
    int         count;
    const int   local = um_ranks_local(ranks, &count);

    if (n == 0)
        return um_fail(UM_EUNSUPPORTED, "no GPU here, but other ranks have one: start no ranks on "
                                        "this host, or give --device cpu");
    if (count > n && !(n == 1 && shown && *shown))
        return um_fail(UM_ERANGE,
                       "%d ranks on this host, but %d GPU%s: start one rank a GPU (mpirun -np %d, "
                       "srun --ntasks-per-node=%d), or give --device cpu",
                       count, n, n == 1 ? "" : "s", n, n);
    (void)snprintf(name, NAME, "cuda:%d", local % n);
    return UM_OK;
}

static int pick(struct um_ranks *ranks, const char *wish, char name[NAME])
{
    int       n;
    const int st   = um_dev_gpus(wish, &n);
    int64_t   most = n;

    UM_TRY(um_ranks_agree(ranks, st));
    UM_TRY(um_ranks_max(ranks, &most, 1));
    if (most == 0) {
        (void)snprintf(name, NAME, "cpu");
        return UM_OK;
    }
    return um_ranks_agree(ranks, own_gpu(ranks, n, name));
}

int um_place(struct um_dev **dev, struct um_ranks *ranks, const char *name, struct um_pool *pool)
{
    char own[NAME];

    *dev = NULL;
    if (um_ranks_size(ranks) == 1)
        return um_dev_open(dev, name, pool);
    if (strcmp(name, "auto") == 0 || strcmp(name, "cuda") == 0) {
        UM_TRY(pick(ranks, name, own));
        name = own;
    }
    return um_ranks_agree(ranks, um_dev_open(dev, name, pool));
}
