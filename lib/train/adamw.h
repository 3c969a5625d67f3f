/* adamw.h - AdamW over a block of parameters, with clipping per tensor or over all */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TRAIN_ADAMW_H
#define UM_TRAIN_ADAMW_H

#include "nn/nn.h"

enum um_clip { UM_CLIP_NONE = 0, UM_CLIP_TENSOR, UM_CLIP_GLOBAL };

struct um_adamw_opts {
    double       beta1, beta2, eps;
    double       weight_decay; /* of parameters with .decay; */
    bool         decay_all;    /* ... or of all of them */
    enum um_clip clip;
    double       max_norm;
};
/* method.md section 8: 0.9, 0.999, 1e-8, 0.05; each tensor's gradient at most 3.0 long */
#define UM_ADAMW_INIT                                                                              \
    {                                                                                              \
        .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.05, .clip = UM_CLIP_TENSOR,   \
        .max_norm = 3.0                                                                            \
    }

/* um_clip_parse - "3", "global:3", "0" (none) into clip and max_norm; UM_EUSAGE */
UM_API UM_RESULT_USED int um_clip_parse(const char *text, struct um_adamw_opts *opts);

struct um_adamw {
    struct um_params    *ps; /* not owned */
    struct um_adamw_opts opts;
    float               *m, *u;   /* device: the parameters' layout */
    int64_t             *updates; /* [ps->n]: n of each tensor so far */
    bool                *frozen;  /* [ps->n]: not updated; set by the caller, at any step */

    /* private */
    struct um_span *span;   /* host: the tensors of a step, each with its factor and decay */
    int            *index;  /* of each span: its tensor */
    int             spans;  /* of the update under way; 0: none is */
    double         *sums;   /* device: for each of these */
    float          *factor; /* device: how much each is shortened */
    double         *host;   /* the sums here, and behind them *also */
    const double   *also;
};

/* um_adamw_new - moments zeroed; ps has values and gradients allocated. um_adamw_free takes NULL.
 */
UM_API UM_RESULT_USED int um_adamw_new(struct um_adamw **o, struct um_params *ps,
                                       const struct um_adamw_opts *opts);
UM_API void               um_adamw_free(struct um_adamw *o);

struct um_update {
    double  norm;    /* L2 length of the whole gradient, before clipping, frozen tensors left out */
    int64_t clipped; /* tensors whose gradient was shortened */
};

/* um_adamw_step - one update by ps->grad with learning rate lr
 *
 *     g <- g min(1, c / |g|), |g| of the tensor or of all tensors;   n <- n + 1
 *     (n is the tensor's own: one that was frozen at first begins at 1 when it is let go)
 *     m <- b1 m + (1 - b1) g;   u <- b2 u + (1 - b2) g^2
 *     w <- w (1 - lr wd) - lr (m / (1 - b1^n)) / (sqrt(u / (1 - b2^n)) + eps)
 *
 * UM_ENONFINITE, and nothing is changed: a gradient is not finite, naming the tensor.
 * Source: Loshchilov and Hutter, arXiv:1711.05101; method.md section 8. */
UM_API UM_RESULT_USED int um_adamw_step(struct um_adamw *o, double lr, struct um_update *done);

/* The same without waiting for the device, which decides by itself what is finite:
 *
 * um_adamw_start  - issue the update; also: a number on the device that must be finite too, or NULL
 * um_adamw_finish - after a sync of the device: what was done. UM_ENONFINITE as above
 * um_adamw_undo   - instead of finish, when it is known that something was not finite */
UM_API UM_RESULT_USED int um_adamw_start(struct um_adamw *o, double lr, const double *also);
UM_API UM_RESULT_USED int um_adamw_finish(struct um_adamw *o, struct um_update *done);
UM_API void               um_adamw_undo(struct um_adamw *o);

#endif
