/* gpu.h - what a device with memory of its own must do besides the rows of the operation table
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TESTS_GPU_H
#define UM_TESTS_GPU_H

#include <stddef.h>

#include "kernels/kernels.h"

struct gpu_case {
    const char *name;
    /* true if all is well; said: what is not */
    bool (*run)(struct um_dev *dev, char *said, size_t size);
};

/* attention.c: NaN in keys that are left out, and in what counts */
bool gpu_attention(struct um_dev *dev, char *said, size_t size);
/* nan.c: NaN in what other operations read */
bool gpu_nan(struct um_dev *dev, char *said, size_t size);
/* graph.c: runs of kernels that come again, with other arguments */
bool gpu_graph(struct um_dev *dev, char *said, size_t size);

extern const struct gpu_case gpu_cases[]; /* ended by one without a name */

#endif
