/* place.h - the device of each rank: GPUs are not shared unless they are named */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TRAIN_PLACE_H
#define UM_TRAIN_PLACE_H

#include "kernels/kernels.h"
#include "ranks/ranks.h"

/* um_place - um_dev_open() for a rank; all ranks together, and a failure is everybody's.
 *
 * "cuda": the i-th rank of a host gets cuda:i. A host with fewer GPUs than ranks is UM_ERANGE, what
 * to do in the message; but where CUDA_VISIBLE_DEVICES shows each rank one GPU, as Slurm makes it,
 * that is its own. "auto": the same if any rank sees a GPU (UM_EUNSUPPORTED then on one that sees
 * none), else cpu. Any other name, cuda:N too, is taken as it is, as is every name for one rank. */
UM_API UM_RESULT_USED int um_place(struct um_dev **dev, struct um_ranks *ranks, const char *name,
                                   struct um_pool *pool);

#endif
