/* distill.h - self-distillation: the student's head against the teacher's (method.md 7.2, 7.3)
 *
 * The teacher is another model, of the same configuration, without gradients; what it gave for the
 * complete input is compared with what the student gave for the masked one, position by position.
 * Two centres, for [CLS] and for patches, serve both modalities; or each modality has its own. They
 * are buffers of a list of parameters of their own, "centre.cls" and "centre.patch" [M], and
 * "centre.cls_3d", "centre.patch_3d", so that a checkpoint keeps them like any other values.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MODEL_DISTILL_H
#define UM_MODEL_DISTILL_H

#include "model/model.h"

/* um_model_head - outputs after the final LN to logits, [CLS] and patches alike
 *
 *     u = W3 GELU(W2 GELU(W1 x + b1) + b2) + b3
 *     z = (u / |u|) (w_m / |w_m|),   m = 1..M: cosines, in [-1,1]; no bias, gain fixed at 1
 *
 * x [..,C] float -> z [..,M] of the context's dtype. The gradient of w goes through the
 * normalisation of its rows. UM_EMISSING: the model has no head. */
UM_API struct um_var *um_model_head(struct um_nn *nn, struct um_model *m, struct um_var *x);

enum { UM_CENTRE_CLS = 0, UM_CENTRE_PATCH = 1 }; /* indices in the list */

/* um_model_centres - two centres of 0, or four, allocated; freed by um_params_free. The pair of a
 * modality begins at um_centre_pair(). */
UM_API UM_RESULT_USED int um_model_centres(struct um_params **ps, struct um_dev *dev,
                                           const struct um_model_config *cfg, bool separate);
UM_API int                um_centre_pair(const struct um_params *centres, enum um_modality mod);

struct um_distilled {
    struct um_var *icl, *pcl; /* L_icl, L_pcl, float [1] */
    struct um_var *zmean[2];  /* mean z^t at [CLS], and over patches, float [M]; no gradient */
    struct um_var *qmean[2];  /* mean q alike: an entropy near 0 is the one-prototype collapse */
    struct um_var *sure[2];   /* the mean entropy of q alike, [1] */
};

/* um_model_distill - the losses between outputs y of the student and yt of the teacher, [B,1+T,C]
 *
 *     q = softmax((z^t - c) / tau_t),   H = - sum_m q_m log softmax(z^s / tau_s)_m
 *     L_icl = mean over samples of H at [CLS]
 *     L_pcl = mean over samples of (mean over the sample's patch tokens of H)
 *
 * which     host [B,T], or NULL: the patch tokens that count, not 0 (a sample without one adds 0)
 * tau_s, tau_t   0.1; 0.04, or um_schedule_ramp's
 * cls       whose [CLS] is the target, as yt; NULL: yt's own. Of two views each answers the other.
 * cls_only  patches are not compared: their fields of *out are NULL
 *
 * NULL in every field of *out: see um_nn_status(nn). No gradient goes to the teacher and the
 * centres, which are read as they are. */
struct um_distill_opts {
    float          tau_s, tau_t;
    const uint8_t *which;
    struct um_var *cls;
    bool           cls_only;
    int            pair; /* of the centres: um_centre_pair() */
};
UM_API void um_model_distill(struct um_nn *nn, struct um_model *student, struct um_var *y,
                             struct um_model *teacher, struct um_var *yt, struct um_params *centres,
                             const struct um_distill_opts *opts, struct um_distilled *out);

/* um_model_follow - after the step's loss: c <- 0.9 c + 0.1 zmean, for both centres of a pair
 * (NULL: it stays); zmean is over the global batch by then */
UM_API UM_RESULT_USED int um_model_follow(struct um_params *centres, int pair,
                                          struct um_var *const zmean[2]);

#endif
