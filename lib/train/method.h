/* method.h - every decision of the method that a run may take otherwise (method.md 4 to 7, 11, 14)
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_METHOD_H
#define UM_TRAIN_METHOD_H

#include "model/keep.h"
#include "model/slice.h"

enum um_patch_loss { UM_PATCH_ALL = 0, UM_PATCH_MASKED, UM_PATCH_NONE };

struct um_method {
    /* volumes: which slices join them (4.3) */
    enum um_select select;
    int64_t        slices; /* K */
    bool           spread;
    bool           attn_last, attn_student; /* Eq. 1 of the last layer; of the student (4.1) */
    /* what the student sees (6) */
    struct um_keep_opts keep;
    bool                drop; /* masked tokens are left out, not replaced */
    int64_t             views;
    /* losses (5.2, 7.3, 7.4) */
    double             lambda_icl, lambda_pcl;
    enum um_patch_loss patches;
    bool               full;        /* L_vl on the complete input */
    bool               local;       /* negatives of the same rank alone */
    bool               same_text;   /* equal reports are one another's positives */
    double             temperature; /* fixed; 0: learned */
    bool               freeze_text;
    /* the teacher (7.1, 7.3) */
    double  tau_s, tau_t, tau_to; /* tau_t goes to tau_to in tau_epochs */
    int64_t tau_epochs;
    double  ema;     /* m_0 */
    bool    centres; /* each modality has its own */
};
#define UM_METHOD_INIT                                                                             \
    {                                                                                              \
        .select = UM_SELECT_ATTENTION, .slices = 4, .keep = { .share = 0.5, .block = 1 },          \
        .views = 1, .lambda_icl = 1, .lambda_pcl = 1, .tau_s = 0.1, .tau_t = 0.04, .tau_to = 0.04, \
        .ema = 0.996                                                                               \
    }

/* are patches compared; is there self-distillation at all; is there a teacher; are tokens masked;
 * do slices join */
UM_API bool um_method_patches(const struct um_method *m);
UM_API bool um_method_distils(const struct um_method *m);
UM_API bool um_method_teaches(const struct um_method *m);
UM_API bool um_method_masks(const struct um_method *m);
UM_API bool um_method_pairs(const struct um_method *m, enum um_modality mod);

/* tau_t of an epoch */
UM_API double um_method_tau(const struct um_method *m, int64_t epoch);

/* parsers of options; UM_EUSAGE with what is expected
 *     learned | X from 0.01;   FROM[:TO:EPOCHS];   all | masked | none */
UM_API UM_RESULT_USED int um_temperature_parse(const char *text, struct um_method *m);
UM_API UM_RESULT_USED int um_tau_parse(const char *text, struct um_method *m);
UM_API UM_RESULT_USED int um_patches_parse(const char *text, enum um_patch_loss *patches);
UM_API const char        *um_patches_name(enum um_patch_loss patches);

/* um_method_check - against the model's sizes, before the first step. UM_ERANGE: more slices than a
 * volume has (slabs, with spread), a mask of blocks that do not fit, masks that leave nothing out
 * for a loss over masked tokens; names the option. */
UM_API UM_RESULT_USED int um_method_check(const struct um_method       *m,
                                          const struct um_model_config *cfg, const bool use[2]);

#endif
