/* model.h - UniMedI's student: shared ViT with two tokenizers, BERT, projection heads, temperature,
 * distillation head
 *
 * method.md's sections 2, 3, 5 and 7.2, on the tape. The losses of 7.3: model/distill.h. The
 * configuration is part of the weights file; every parameter has the name the ecosystem uses
 * (umt(5), um-method(7)). SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MODEL_MODEL_H
#define UM_MODEL_MODEL_H

#include "base/arena.h"
#include "nn/nn.h"
#include "stream/tensor.h"

struct um_model_config {
    char    preset[32];
    int64_t width, heads, mlp, layers; /* vision */
    int64_t image;                     /* side fed to the network after the crop: 224, 112 */
    int64_t patch;                     /* 16 */
    int64_t volume[3], patch3[3];      /* 32 128 128; 4 16 16 */
    int64_t text_width, text_heads, text_mlp, text_layers;
    int64_t vocab, text_positions;  /* 28996; 512 */
    int64_t embed, proj_hidden;     /* E = 128; 2048 */
    double  norm_scale, norm_shift; /* input of the network = scale * x + shift, x in 0..1 */
    double  text_dropout;           /* 0.1 */
    double  window[2];              /* HU window that volumes must have been made with */
    bool    bn_shared, proj_linear; /* one set of running statistics; Linear without bias */
    bool    inflate;          /* T_3D and P_3 start from T_2D and P_2 (2.2); else on their own */
    bool    cased;            /* the tokenizer's case */
    char    vocab_digest[33]; /* of the vocabulary the text encoder was trained with; "" any */
    /* the distillation head: M = 8192, 2048, 256; all 0: the model has none */
    int64_t prototypes, head_hidden, head_bottleneck;
    int64_t slice;       /* side of slices picked from a volume; 0: image (4.3) */
    bool    slice_embed; /* slices are told where in the volume they were: [D,C] (2.2) */
};

/* um_model_preset - "tiny", "phantom", "vit-ti", "vit-s", "vit-b" (ViT-B/16 + BERT-base);
 * UM_ERANGE lists the names */
UM_API UM_RESULT_USED int um_model_preset(const char *name, struct um_model_config *cfg);
/* gives cfg the distillation head of its preset, which um_model_preset leaves out: a head that
 * nobody trains would be decayed to nothing. Of any other name: that of vit-b. */
UM_API void um_model_preset_head(struct um_model_config *cfg);
/* JSON both ways (um.config in the weights' metadata); checks every number: sizes that divide,
 * ranges */
UM_API UM_RESULT_USED int um_model_config_json(struct um_arena              *a,
                                               const struct um_model_config *cfg, char **json);
UM_API UM_RESULT_USED int um_model_config_parse(const char *json, struct um_model_config *cfg);
/* the fields of a JSON object replace those of cfg, which stays as it was on error */
UM_API UM_RESULT_USED int um_model_config_change(const char *json, struct um_model_config *cfg);
/* every number in its range, every division even; UM_ERANGE names the field, its value, what it
 * must fit */
UM_API UM_RESULT_USED int um_model_config_check(const struct um_model_config *cfg);
/* tokens of a sequence without [CLS]: image (P), volume (S P); slabs S of a volume */
enum um_modality { UM_2D = 0, UM_3D = 1 };
UM_API int64_t um_model_tokens(const struct um_model_config *cfg, enum um_modality mod);
UM_API int64_t um_model_slabs(const struct um_model_config *cfg);
/* side of a slice picked from a volume, and its tokens */
UM_API int64_t um_model_slice_side(const struct um_model_config *cfg);
UM_API int64_t um_model_slice_tokens(const struct um_model_config *cfg);

struct um_model {
    struct um_model_config cfg;
    struct um_params      *ps;
    /* indices of parameters: private to lib/model */
    struct um_vit_params  *vit;
    struct um_bert_params *bert;
    struct um_heads       *heads;
    struct um_head_params *head; /* NULL: no distillation head */
    int                    logit_scale;
    bool                   teacher; /* vision and distillation head alone: um_model_teacher() */
};

/* um_model_new - the parameters declared, none allocated (um_model_init or um_model_load does) */
UM_API UM_RESULT_USED int um_model_new(struct um_model **m, struct um_dev *dev,
                                       const struct um_model_config *cfg);
UM_API void               um_model_free(struct um_model *m);
/* um_model_inherit - every parameter of m that `from` has under the same name and in the same shape
 * takes its values; the others stay as they are */
UM_API UM_RESULT_USED int um_model_inherit(struct um_model *m, const struct um_model *from);
/* um_model_teacher - the vision encoder and the distillation head of the student's configuration,
 * without gradients, as a copy of its values (method.md 7.1)
 * um_model_teach - teacher <- (1 - pace) teacher + pace student, pace = 1 - m_t, in float32 */
UM_API UM_RESULT_USED int um_model_teacher(struct um_model      **teacher,
                                           const struct um_model *student);
UM_API UM_RESULT_USED int um_model_teach(struct um_model *teacher, const struct um_model *student,
                                         double pace);
/* random initial values of method.md 2.2, 2.3, 3, 5, 7.2: truncated normal 0.02 for weights, [CLS]
 * and positions, 0 for biases and the mask token; with cfg.inflate T_3D = T_2D repeated / depth,
 * and P_3 = P_2's grid, bicubic, + N(0, 0.02^2) */
UM_API UM_RESULT_USED int um_model_init(struct um_model *m, uint64_t seed);

/* weights as safetensors with um.config; loading checks every name, dtype, shape against the
 * configuration, and that every value is finite, and names the first that does not fit; extra
 * tensors (teacher., optim., state.) are ignored. digest (may be NULL): XXH3-128 of um.config and
 * of the tensors loaded, for history: the same for a checkpoint and the weights taken from it. */
UM_API UM_RESULT_USED int um_model_load(struct um_model **m, struct um_dev *dev, const char *path,
                                        char digest[33]);
UM_API UM_RESULT_USED int um_model_save(const struct um_model *m, const char *path);
/* the same with a teacher's tensors (or NULL) under `teacher.`, and further metadata: key, value,
 * ..., NULL */
UM_API UM_RESULT_USED int um_model_save_run(const struct um_model *m,
                                            const struct um_model *teacher, const char *const *meta,
                                            const char *path);
/* the vision encoder and distillation head of the file's teacher in place of the student's.
 * UM_EMISSING: the file has no teacher */
UM_API UM_RESULT_USED int um_model_use_teacher(struct um_model *m, const char *path);
/* the digest of the values as they are now, as um_model_load gives it for the file */
UM_API UM_RESULT_USED int um_model_digest(const struct um_model *m, char digest[33]);

/* For checkpoints: a block of the parameters' layout (m->ps->value, or moments) on the host as
 * m->ps->n tensors named prefix + name, in the arena; and back, checked as um_model_load checks.
 * Buffers are left out of blocks other than the values: *n says how many tensors there are. */
struct um_safetensors;
UM_API UM_RESULT_USED int um_model_tensors(const struct um_model *m, const float *block,
                                           const char *prefix, struct um_arena *a,
                                           struct um_tensor **t, int *n);
UM_API UM_RESULT_USED int um_model_restore(struct um_model *m, float *block, const char *prefix,
                                           const struct um_safetensors *s);

/* ---- forward passes; x and ids are host batches ---- */

/* 2D: x [B,1,image,image], 3D: x [B,D,H,W], float in 0..1. -> tokens [B,1+T,C] after the final LN.
 * attn: device float [B,1+T] filled with Eq. 1 (mean over layers and heads; entry 0 is [CLS]'s
 * own), or NULL */
UM_API struct um_var *um_model_vision(struct um_nn *nn, struct um_model *m, enum um_modality mod,
                                      struct um_var *x, float *attn);
/* the pair sequence of method.md 2.4: volume [B,D,H,W] and the K slices picked from each,
 * ascending, [B K,1,image,image] -> tokens [B,1+T_3D+K T_2D,C]: [CLS], the volume, the slices in
 * order. attn [B,1+T_3D+K T_2D] or NULL */
UM_API struct um_var *um_model_pair(struct um_nn *nn, struct um_model *m, struct um_var *volume,
                                    struct um_var *slices, float *attn);
/* ids [B,T], mask [B,T] 0/1 or NULL, on the host -> r, the last hidden state at [CLS], [B,Ct]
 * float. What the mask leaves out is not computed; it may not leave out [CLS] (UM_ERANGE). */
UM_API struct um_var *um_model_text(struct um_nn *nn, struct um_model *m, int64_t B, int64_t T,
                                    const int32_t *ids, const uint8_t *mask);
/* [B,C] -> [B,E], unit length */
UM_API struct um_var *um_model_project_vision(struct um_nn *nn, struct um_model *m,
                                              enum um_modality mod, struct um_var *cls);
UM_API struct um_var *um_model_project_text(struct um_nn *nn, struct um_model *m,
                                            enum um_modality mod, struct um_var *cls);
/* L_vl of section 5.2 (v, r [N,E]); theta is clamped after each update, not here. same (host [N],
 * or NULL): reports of equal numbers are one another's positives, with equal shares of the target
 */
UM_API struct um_var *um_model_contrastive(struct um_nn *nn, struct um_model *m, struct um_var *v,
                                           struct um_var *r, const uint64_t *same);
/* after an update: theta <- min(theta, log 100) */
UM_API UM_RESULT_USED int um_model_clamp(struct um_model *m);
/* the same, theta being known; and how it gets known: theta is there after a sync of the device */
UM_API UM_RESULT_USED int um_model_clamp_known(struct um_model *m, float theta);
UM_API UM_RESULT_USED int um_model_theta_fetch(const struct um_model *m, float *theta);
/* theta as it is now */
UM_API UM_RESULT_USED int um_model_theta(const struct um_model *m, float *theta);

#endif
