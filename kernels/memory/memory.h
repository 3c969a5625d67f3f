/* memory.h - device memory of the host backends: ordinary memory, aligned to 64 bytes
 *
 * ref and cpu share these. Built with -DUM_POISON fresh memory is filled with 0xff, NaN in every
 * float type.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_MEMORY_H
#define UM_KERNELS_MEMORY_H

#include "kernels/backend.h"

#define UM_MEMORY_OPS(X, b)                                                                        \
    X(b, alloc)                                                                                    \
    X(b, free)                                                                                     \
    X(b, memory)                                                                                   \
    X(b, upload)                                                                                   \
    X(b, download) X(b, fetch) X(b, zero) X(b, sync)

/* where the host's memory is another's; NULL elsewhere */
#define UM_STAGE_OPS(X, b) X(b, mark) X(b, wait) X(b, stage) X(b, pin) X(b, unpin) X(b, repeats)

UM_MEMORY_OPS(UM_DECLARE, ref)

#endif
