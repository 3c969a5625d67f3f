/* guard.h - running statistics as they were before a step, for a step that must not count */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TRAIN_GUARD_H
#define UM_TRAIN_GUARD_H

#include "nn/nn.h"

struct um_guard;

/* um_guard_new - of the buffers of ps. um_guard_free takes NULL.
 * um_guard_keep - note them; um_guard_restore - write back what was noted last */
UM_API UM_RESULT_USED int um_guard_new(struct um_guard **g, struct um_params *ps);
UM_API void               um_guard_free(struct um_guard *g);
UM_API UM_RESULT_USED int um_guard_keep(struct um_guard *g);
UM_API UM_RESULT_USED int um_guard_restore(struct um_guard *g);

#endif
