/* ahead.h - pixels of the next step's batches on their way to the device while this one computes
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_AHEAD_H
#define UM_TRAIN_AHEAD_H

#include "load/loader.h"
#include "nn/nn.h"

struct um_ahead;

/* um_ahead_new  - for the batches of a loader, whose memory is pinned; NULL where device memory is
 *                 the host's, and nothing is done then
 * um_ahead_look - copy what the loader has of the next step. After the step's work was issued,
 *                 before the device is waited for
 * um_ahead_take - a batch that the loader gave, with its pixels on the device; copied now if they
 *                 were not. Batches are taken in the loader's order. They stay for a step more
 * um_ahead_free - before the loader is closed, nothing being under way; takes NULL
 */
UM_API UM_RESULT_USED int um_ahead_new(struct um_ahead **a, struct um_dev *dev,
                                       struct um_loader *l);
UM_API UM_RESULT_USED int um_ahead_look(struct um_ahead *a);
UM_API UM_RESULT_USED int um_ahead_take(struct um_ahead *a, struct um_batch *b);
UM_API void               um_ahead_free(struct um_ahead *a);

#endif
