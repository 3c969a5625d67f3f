/* agree.h - the model that a run begins with, and that it and the data go together */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TRAIN_AGREE_H
#define UM_TRAIN_AGREE_H

#include "load/data.h"
#include "model/model.h"

/* um_data_adopt - into the configuration of a new model: the window, the vocabulary's digest, size
 * and case that the data's headers name (what they do not name stays). size: pieces of the
 * vocabulary if the caller knows, else 0. UM_EMISMATCH: a header says another size; UM_EMISSING:
 * nobody says how many pieces there are. */
UM_API UM_RESULT_USED int um_data_adopt(const struct um_data *d, int64_t size,
                                        struct um_model_config *cfg);

/* um_data_agree - with the configuration of a model that has been trained before. UM_EMISMATCH says
 * what differs, with both values. */
UM_API UM_RESULT_USED int um_data_agree(const struct um_data *d, const struct um_model_config *cfg);

struct um_start {
    const char *init; /* weights to begin with; NULL or "random": random ones, with these: */
    const char *preset;
    int64_t     vocab_size, text_layers; /* 0: as the data, the preset say */
    bool        mgca;                    /* input -1..1, not 0..1 */
    int64_t     volume[3], patch3[3];    /* 0: the preset's */
    uint64_t    seed;
    double      dropout; /* of the text encoder; negative: the model's */
    /* changes to either; parameters that loaded weights lack begin at random */
    bool    bn_shared, proj_linear, slice_embed;
    int64_t slice;      /* side of picked slices; 0: the model's */
    bool    head;       /* a distillation head, ... */
    int64_t prototypes; /* ... of so many; 0: the preset's, the model's */
};

/* um_start_model - a model that agrees with the data. Errors as above, um_model_preset, _load. */
UM_API UM_RESULT_USED int um_start_model(const struct um_start *s, const struct um_data *d,
                                         struct um_dev *dev, struct um_model **m);

#endif
