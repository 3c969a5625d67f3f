/* export.h - an encoder of a model as other people's programs load it
 *
 * timm: the vision encoder without what timm's ViT lacks (T_3D, P_3, the mask token), for
 * create_model(.., num_classes=0, in_chans=CHANNELS); a grey image on all channels, normalised by
 * the pixels' mean and std, gives the model's tokens of that image. BERT: the text encoder, for
 * transformers.BertModel(.., add_pooling_layer=False).
 *
 * safetensors with the metadata "format": "pt" and "um.export": the form, the model's digest, the
 * sizes that the names do not show, and for timm channels, mean and std.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MODEL_EXPORT_H
#define UM_MODEL_EXPORT_H

#include "model/model.h"
#include "model/pixels.h"

enum um_model_form { UM_AS_TIMM, UM_AS_BERT };

struct um_model_export_opts {
    enum um_model_form form;
    int                channels; /* of timm's kernel: 1, 3 */
    struct um_pixels   pixels;   /* that its reader feeds; n = 0: grey as it is, 0..1 */
    enum um_dtype      dtype;    /* UM_F32, UM_F16, UM_BF16 */
};

/* um_model_export - to path, whole or not at all; NULL or "-": standard output. UM_ENONFINITE: a
 * value that float16 does not hold, by tensor and element; others: um_pixels_out,
 * um_safetensors_write. */
UM_API UM_RESULT_USED int um_model_export(const struct um_model *m, const char *path,
                                          const struct um_model_export_opts *o);

#endif
