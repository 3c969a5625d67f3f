/* step.h - the loss of one batch: L_vl of section 5.2 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TRAIN_STEP_H
#define UM_TRAIN_STEP_H

#include "load/loader.h"
#include "model/model.h"

/* um_step_loss - image and text of a batch through the model to L_vl [1], on a tape begun by the
 * caller. NULL: see um_nn_status(). */
UM_API struct um_var *um_step_loss(struct um_nn *nn, struct um_model *m, const struct um_batch *b);

#endif
