/* contrast.h - projections and L_vl over a whole batch, apart from the encoders (method.md 5)
 *
 * Batch norm and softmax need the global batch at once; the encoders need not. Where a batch is
 * computed in parts or by several processes, the encoders give the [CLS] vectors of all samples,
 * this gives their gradients, and the encoders run again part by part: the numbers are those of one
 * batch (5.1).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_CONTRAST_H
#define UM_TRAIN_CONTRAST_H

#include "model/model.h"

struct um_contrast;

/* um_contrast_new - for batches of up to N samples. um_contrast_free takes NULL. */
UM_API UM_RESULT_USED int um_contrast_new(struct um_contrast **c, struct um_model *m,
                                          enum um_dtype dtype, int64_t N);
UM_API void               um_contrast_free(struct um_contrast *c);

struct um_contrast_batch {
    enum um_modality mod;
    int64_t          N;
    const float     *cls, *text; /* host [N,C], [N,Ct]; NULL: what um_contrast_put() was given */
    const uint64_t  *same;       /* host [N]: equal reports have equal numbers, and are one
                                    another's positives; NULL: each its own */
    int64_t blocks;              /* negatives within each of so many equal blocks; 1: all */
    float  *v, *r;               /* host [N,E], out, or NULL */
    float  *dcls, *dtext;        /* host [N,C], [N,Ct], out: gradients of L_vl; NULL: they stay */
    float   loss;                /* out, unless they stay: */
    const struct um_var *late;   /* then this, [1] on the device, until the next batch */
};

/* um_contrast_put - vectors of samples at .. on, from another context's memory: [n,C], [n,Ct]
 * um_contrast_got - where the gradients of those from `at` on stay, on the device */
UM_API UM_RESULT_USED int um_contrast_put(struct um_contrast *c, int64_t at,
                                          const struct um_var *cls, const struct um_var *text);
UM_API void um_contrast_got(const struct um_contrast *c, int64_t at, const float **dcls,
                            const float **dtext);

/* um_contrast_learn - training statistics, which the running ones follow; gradients of the
 * projections and theta are added to the model's
 * um_contrast_judge - running statistics, no gradients (dcls, dtext are not written) */
UM_API UM_RESULT_USED int um_contrast_learn(struct um_contrast *c, struct um_contrast_batch *b);
UM_API UM_RESULT_USED int um_contrast_judge(struct um_contrast *c, struct um_contrast_batch *b);

/* L_vl of projected vectors v, r [N,E], for the tape of a step that is not split */
UM_API struct um_var *um_contrast_loss(struct um_nn *nn, struct um_model *m, struct um_var *v,
                                       struct um_var *r, const uint64_t *same, int64_t blocks);

#endif
