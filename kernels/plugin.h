/* plugin.h - how a backend that lives in a file of its own is found and opened */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_KERNELS_PLUGIN_H
#define UM_KERNELS_PLUGIN_H

#include <stdbool.h>

#include "kernels/kernels.h"

/* UM_PLUGIN_ABI, from the Makefile: the checksum of every header that says how the library and a
 * plug-in see a device, the table and the structs its operations take */

/* what libum-cuda.so exports as "um_cuda_open": a device that um_dev_close() ends through its
 * `close`, or why there is none */
typedef int um_plugin_open_fn(struct um_dev **dev, int ordinal, unsigned abi);

/* what it exports as "um_cuda_count": the GPUs there are, or why there are none */
typedef int um_plugin_count_fn(int *n, unsigned abi);

/* um_plugin_open - open GPU `ordinal` through libum-cuda.so, looked for beside libum.so and then
 * where the system looks. UM_EUNSUPPORTED says what is missing: the plug-in, the driver or the GPU.
 */
UM_RESULT_USED int um_plugin_open(struct um_dev **dev, int ordinal);

/* um_plugin_count - how many GPUs; the same errors */
UM_RESULT_USED int um_plugin_count(int *n);

/* um_plugin_hopeful - false if it is plain without loading anything that there is no GPU */
bool um_plugin_hopeful(void);

#endif
