/* encode.h - many pictures and texts through the model at once, without gradients
 *
 * Items of one modality (and texts of one length) are gathered into batches. An item's numbers do
 * not depend on its neighbours but in rounding: products over more rows may add in another order.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MODEL_ENCODE_H
#define UM_MODEL_ENCODE_H

#include "model/model.h"

struct um_encoder;

/* one record's inputs and, where memory is given, outputs: host arrays of the caller */
struct um_encode_item {
    enum um_modality mod;      /* of the picture; of a text alone: UM_2D (whose statistics count) */
    const float     *picture;  /* [image,image] or [D,H,W] in 0..1, or NULL */
    const int32_t   *ids;      /* [len], or NULL */
    const uint8_t   *ids_mask; /* [len] */
    int64_t          len;
    float           *cls, *embedding;           /* [C], [E]: with a picture, not NULL */
    float           *tokens;                    /* [T,C] without [CLS], or NULL */
    float           *attention;                 /* [T]: Eq. 1 without [CLS]'s own, or NULL */
    float           *text_cls, *text_embedding; /* [Ct], [E]: with ids, not NULL */
};

struct um_encoder_opts {
    enum um_dtype dtype;
    int64_t       batch;  /* >= 1: the most items at once */
    int64_t       slices; /* of a volume that are encoded with it, by its own attention; 0: none */
    bool          spread; /* the middle ones of the best slabs (um_slice_select) */
};

/* um_encoder_new - m stays the caller's. With slices, cls, embedding and tokens (those of the
 * volume) are of the pair, attention is of the volume alone, by which the slices were picked.
 * UM_ERANGE: more slices than a volume has. */
UM_API UM_RESULT_USED int um_encoder_new(struct um_encoder **e, struct um_model *m,
                                         const struct um_encoder_opts *opts);
UM_API void               um_encoder_free(struct um_encoder *e); /* takes NULL */
/* um_encoder_run - fills the outputs of n items; an error (of the device, of memory) leaves all of
 * them undefined. Inputs must have passed um_encode_check_ids. */
UM_API UM_RESULT_USED int um_encoder_run(struct um_encoder *e, const struct um_encode_item *items,
                                         int64_t n);
/* um_encode_check_ids - length, ids in the vocabulary, a mask of 0 and 1 with at least one 1:
 * UM_ERANGE says which id */
UM_API UM_RESULT_USED int um_encode_check_ids(const struct um_model_config *cfg, const int32_t *ids,
                                              const uint8_t *mask, int64_t len);

#endif
