/* means.h - means over all samples of a step, however it is split: what the centres follow, and the
 * distributions whose entropy tells of a collapse (method.md 7.3)
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_MEANS_H
#define UM_TRAIN_MEANS_H

#include "model/distill.h"
#include "train/reduce.h"

struct um_means;

/* um_means_new - of M prototypes, on a device. um_means_free takes NULL.
 * um_means_begin - a step begins: nothing has been added
 * um_means_add   - w samples more, of the modality whose pair of centres is `pair`
 * um_means_settle - after a sync of the device: what add left to it to hand out is counted
 * um_means_share - the means of all ranks, each of which has added as many samples; settled before,
 *                  and um_reduce_end() comes after
 * um_means_close - nothing more is added: entropies, which a sync of the device hands out */
UM_API UM_RESULT_USED int um_means_new(struct um_means **m, struct um_dev *dev, int64_t M);
UM_API void               um_means_free(struct um_means *m);
UM_API void               um_means_begin(struct um_means *m);
UM_API UM_RESULT_USED int um_means_add(struct um_means *m, int pair, const struct um_distilled *d,
                                       double w);
UM_API void               um_means_settle(struct um_means *m);
UM_API UM_RESULT_USED int um_means_close(struct um_means *m);
UM_API UM_RESULT_USED int um_means_share(struct um_means *m, struct um_ranks *ranks,
                                         struct um_reduce *reduce);

/* um_means_entropy - closed and settled: of [CLS] (0) or patches (1): *sure, the mean entropy of
 * the teacher's q, and *spread, the entropy of mean q; where modalities have their own centres, of
 * each by itself, and of both the mean by samples: the collapse of one does not hide behind the
 * other. NaN: nothing was added. */
UM_API void um_means_entropy(const struct um_means *m, int which, double *sure, double *spread);

/* um_means_follow - the centres go a tenth of the way to the mean logits of the step */
UM_API UM_RESULT_USED int um_means_follow(struct um_means *m, struct um_params *centres);

#endif
