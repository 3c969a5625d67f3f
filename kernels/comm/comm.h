/* comm.h - sums over the devices of a job's processes, on the devices themselves; the entries are
 * told of in kernels.h
 *
 * Only cuda has them: its plug-in opens NCCL (libnccl.so.2) when the first is called. The host
 * backends have none, and lib/ranks adds for them.
 *
 * Bits: every process gets the same ones. They are float sums in NCCL's order, which goes by the
 * number of processes, the size and how the devices are joined, not by time.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_COMM_H
#define UM_KERNELS_COMM_H

#include "kernels/backend.h"

#define UM_COMM_OPS(X, b)                                                                          \
    X(b, comm_id) X(b, comm_open) X(b, comm_sum) X(b, comm_join) X(b, comm_close)

#endif
