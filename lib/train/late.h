/* late.h - the losses of a step, which come to the host at its end
 *
 * A loss that the host reads at once makes it wait for the device in the middle of a step. So each
 * is fetched, and added to its sum after the next sync; until then the device itself knows from
 * `health` whether all were finite and whether the update may count (um_kernels.clip).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_LATE_H
#define UM_TRAIN_LATE_H

#include "nn/nn.h"

struct um_late;

/* um_late_new - of steps on dev, which must outlive it. UM_ENOMEM. um_late_free takes NULL */
UM_RESULT_USED int um_late_new(struct um_late **l, struct um_dev *dev);
void               um_late_free(struct um_late *l);

/* um_late_begin - a step: nothing is late, and health is 0. Waits for what a step that was given up
 * has left */
UM_RESULT_USED int um_late_begin(struct um_late *l);

/* um_late_add - x [1] float of batch `batch` will count `share` in *sum; its square is added to
 * health */
UM_RESULT_USED int um_late_add(struct um_late *l, const struct um_var *x, double *sum, double share,
                               int batch);

/* um_late_settle - after a sync of the device: what is late is added, batch after batch, and
 * `check` is asked after each. The first that it refuses is to blame (um_late_bad), what comes
 * after it does not count, and its status is returned. */
typedef int        um_late_check_fn(void *user);
UM_RESULT_USED int um_late_settle(struct um_late *l, um_late_check_fn *check, void *user);

/* the batch to blame, -1: none; device: the sum of the squares of all losses of the step */
int           um_late_bad(const struct um_late *l);
const double *um_late_health(const struct um_late *l);

#endif
