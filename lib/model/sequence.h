/* sequence.h - what goes through the shared blocks: X-rays, volumes, volumes with slices picked
 * from them, whole or masked (method.md 2.4, 6)
 *
 *     X-ray    [CLS] + T_2D tokens
 *     volume   [CLS] + T_3D
 *     pair     [CLS] + T_3D + K x T_2D of the slices, in ascending z
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MODEL_SEQUENCE_H
#define UM_MODEL_SEQUENCE_H

#include "model/model.h"

/* Exactly one of image and volume is given. Token t of a sample is counted from 0 behind [CLS], in
 * the order above; T is um_sequence_tokens(). */
struct um_sequence {
    struct um_var *image;  /* X-rays [B,1,S,S] in 0..1 */
    struct um_var *volume; /* [B,D,H,W] in 0..1 */
    struct um_var *slices; /* of the volumes: [B K,1,s,s], s = um_model_slice_side(), or NULL */
    const int32_t *z;      /* host [B K]: their rows, for a model with slice_embed; else not read */
    const uint8_t *mask;   /* host [B,T], or NULL: where not 0 the patch embedding becomes the mask
                              vector, before the position is added */
    const int32_t *keep;   /* host [B,kept], rising, or NULL: all; others are left out */
    int64_t        kept;
    float         *attn; /* device [B,1+T], zeroed by the caller: Eq. 1 is added; or NULL */
    bool           last; /* Eq. 1 over the last layer alone */
};

/* tokens of a sample without [CLS]; slices: K, of a volume */
UM_API int64_t um_sequence_tokens(const struct um_model_config *cfg, enum um_modality mod,
                                  int64_t slices);

/* um_model_sequence - [B,1+T,C] after the final LN, float; with `keep` [B,1+kept,C]. Shapes that do
 * not fit the configuration: UM_ESHAPE with both. */
UM_API struct um_var *um_model_sequence(struct um_nn *nn, struct um_model *m,
                                        const struct um_sequence *s);

#endif
