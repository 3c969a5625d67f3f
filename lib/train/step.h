/* step.h - one step of the method: what the teacher sees, the student's losses, their gradients
 * (method.md 5 to 7)
 *
 *     L = L_vl + lambda_1 L_icl + lambda_2 L_pcl
 *
 * A batch may be computed in parts and by several processes: loss, gradients, statistics and
 * centres are those of the whole, up to rounding.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_STEP_H
#define UM_TRAIN_STEP_H

#include "ranks/ranks.h"
#include "train/contrast.h"
#include "train/view.h"

struct um_step_opts {
    struct um_model        *m;       /* with gradients allocated (um_params_grad) */
    struct um_model        *teacher; /* NULL unless um_method_teaches() */
    struct um_params       *centres; /* NULL unless um_method_distils() */
    const struct um_method *method;
    enum um_dtype           precision;
    bool                    recompute; /* blocks run again for the backward */
    uint64_t                seed;
    int64_t                 parts; /* of this process's share of a batch */
    struct um_ranks        *ranks; /* processes that share each batch; NULL: one */
    int64_t batches; /* that each step adds: the last of them is known then, whose backward sums of
                        gradients over ranks run beside (reduce.h); 0: not known */
    int64_t bucket;  /* bytes of gradients in such a sum; 0: 25 MB */
    int64_t most;    /* samples of the largest global batch */
    /* told of each part once slices and masks are chosen; may be NULL */
    int (*chosen)(void *user, const struct um_part *p, const struct um_view *v);
    void *user;
};

struct um_step; /* contexts, sums over parts, memory */

UM_API UM_RESULT_USED int um_step_new(struct um_step **s, const struct um_step_opts *o);
UM_API void               um_step_free(struct um_step *s); /* takes NULL */

/* um_step_leave - the devices of the ranks go apart: sums that a failure left without an end must
 * not be waited for, so this comes before a sync; nothing but um_step_free comes after */
UM_API void um_step_leave(struct um_step *s); /* takes NULL */

/* why gradients are summed over ranks through the host, on devices that might sum; "" otherwise */
UM_API const char *um_step_note(const struct um_step *s);

struct um_losses {
    double loss, vl, icl, pcl; /* NaN: not there */
    double sure[2];            /* mean entropy of the teacher's q at [CLS], over patches */
    double spread[2];          /* entropy of mean q alike */
};

/* Of several ranks all call these together, with the same batches; every one has the same gradients
 * and losses in the end.
 *
 * A step is one batch, or with a joint mix one of each modality, whose losses are added.
 *
 * um_step_begin - the model's gradients are zeroed
 * um_step_add   - a batch: its gradients are added to the model's
 * um_step_close - the gradients are those of all batches and ranks; the device may not be there yet
 * um_step_end   - the losses of all of it; closes if that was not done. Waits for the device
 *
 * UM_ENONFINITE: a loss is not finite; the gradients are worthless then, and running statistics
 * may be. Of one rank it is um_step_end that says so: until then um_step_health() tells it on the
 * device. */
UM_API UM_RESULT_USED int um_step_begin(struct um_step *s, int64_t step, int64_t epoch);
UM_API UM_RESULT_USED int um_step_add(struct um_step *s, const struct um_batch *b);
UM_API UM_RESULT_USED int um_step_close(struct um_step *s);
UM_API UM_RESULT_USED int um_step_end(struct um_step *s, struct um_losses *out);

/* um_step_health - a number on the device that is not finite if a loss is not, for
 * um_adamw_start(); NULL: um_step_close() has looked
 * um_step_blame  - after UM_ENONFINITE: number of the batch of the step, from 0 */
UM_API const double *um_step_health(const struct um_step *s);
UM_API int           um_step_blame(const struct um_step *s);

/* um_step_follow - after the update: teacher and centres follow (7.1, 7.3) */
UM_API UM_RESULT_USED int um_step_follow(struct um_step *s, double momentum);

/* um_step_judge - L_vl of a held-out batch by running statistics, without masks, and the vectors
 * v, r [N,E] (host, or NULL): a volume with its slices, as in training */
UM_API UM_RESULT_USED int um_step_judge(struct um_step *s, const struct um_batch *b, double *loss,
                                        float *v, float *r);

/* bytes of device memory that activations needed at most so far */
UM_API size_t um_step_peak(const struct um_step *s);
/* and bytes that are held for them now */
UM_API size_t um_step_held(const struct um_step *s);

#endif
