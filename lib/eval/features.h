/* features.h - records in, vectors out: what um-encode does with a record on both sides of the
 * model
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_EVAL_FEATURES_H
#define UM_EVAL_FEATURES_H

#include "model/encode.h"
#include "stream/tensor.h"

struct um_features {
    const struct um_model_config *cfg;
    bool                          attention, tokens, text; /* wanted beside cls and embedding */
    bool                          drop; /* image, volume, ids and ids_mask leave the record */
};

/* um_features_header - a part's header against the model: `window` and `norm` of the input, `vocab`
 * and `cased` of the ids if texts are wanted. UM_EMISMATCH names both sides. What a header does not
 * say, or a model trained with any vocabulary, is not held against it. */
UM_API UM_RESULT_USED int um_features_header(const struct um_features *f,
                                             const struct um_value    *header);

/* um_features_take - the record's inputs, checked, as an item: image uint8 [1,H,W] (centre crop
 * with offsets floor((H-C)/2), floor((W-C)/2), then / 255) or float32 [1,C,C] as it is, or volume
 * float32 [D,H,W]; with text ids and ids_mask, and then the picture may be missing. Outputs are put
 * into the record, uninitialised, in the arena. Errors name the tensor, what was expected and what
 * came. */
UM_API UM_RESULT_USED int um_features_take(const struct um_features *f, struct um_arena *a,
                                           struct um_record *rec, struct um_encode_item *it);

/* um_features_done - the outputs are filled: UM_ENONFINITE names the first that is not finite;
 * inputs are dropped if asked for */
UM_API UM_RESULT_USED int um_features_done(const struct um_features *f, struct um_record *rec);

#endif
