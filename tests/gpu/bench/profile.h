/* profile.h - where the time of a work goes: each operation of a device timed alone
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_GPU_PROFILE_H
#define UM_GPU_PROFILE_H

#include "kernels/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* profile_start - dev's operations can be timed from now on: of one device at a time, before
 * anything keeps its table */
void profile_start(struct um_dev *dev);

/* profile_count - true: forget what was counted; each operation waits for those before it and for
 * itself, and is counted: by its name, a product also by its shape, attention by its number of
 * tokens. false, as at first: they run as they are */
void profile_count(bool on);

/* profile_print - a line for each, the longest first, of those that take 1/200 of all or more: the
 * share of `whole` seconds, calls, microseconds of a call, TFLOP/s where it has products; then what
 * is left of the whole: launches, host, gaps */
void profile_print(double whole);

#ifdef __cplusplus
}
#endif
#endif
