/* nccl.h - what is used of NCCL 2, by its own names and numbers: it is opened at run time, and
 * neither its header nor its library need be there to build; checked against the header where it is
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_COMM_NCCL_H
#define UM_KERNELS_COMM_NCCL_H

#include <cuda_runtime.h>
#include <stddef.h>

#include "kernels/kernels.h"

enum { UM_NCCL_FLOAT = 7, UM_NCCL_SUM = 0, UM_NCCL_OK = 0, UM_NCCL_IN_PROGRESS = 7 };

struct um_nccl_id {
    char internal[UM_COMM_ID];
};

struct um_nccl_comm; /* NCCL's */

struct um_nccl {
    int (*GetVersion)(int *version);
    int (*GetUniqueId)(struct um_nccl_id *id);
    int (*CommInitRank)(struct um_nccl_comm **comm, int size, struct um_nccl_id id, int rank);
    int (*AllReduce)(const void *send, void *recv, size_t count, int type, int op,
                     struct um_nccl_comm *comm, cudaStream_t stream);
    int (*CommGetAsyncError)(struct um_nccl_comm *comm, int *error);
    int (*CommAbort)(struct um_nccl_comm *comm);
    const char *(*GetErrorString)(int error);
    const char *(*GetLastError)(struct um_nccl_comm *comm); /* from 2.13 on, else NULL */
};

#if defined __CUDACC__ && __has_include(<nccl.h>)
#include <nccl.h>
static_assert((int)ncclFloat == UM_NCCL_FLOAT && (int)ncclSum == UM_NCCL_SUM, "NCCL's numbers");
static_assert((int)ncclSuccess == UM_NCCL_OK, "NCCL's numbers");
static_assert((int)ncclInProgress == UM_NCCL_IN_PROGRESS, "NCCL's numbers");
static_assert(sizeof(ncclUniqueId) == sizeof(struct um_nccl_id), "NCCL's id");
#endif

#endif
