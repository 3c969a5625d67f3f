/* foreign.h - what other people's files call the tensors of an encoder
 *
 * Known are timm's names for a ViT (DINO, MAE and DeiT have the same), transformers' old and new
 * ones for a ViT, transformers' for BERT, and our own. A file may have them under any prefix
 * (`module.`, `teacher.backbone.`, `bert.`): it is found by the first block's attention.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MODEL_FOREIGN_H
#define UM_MODEL_FOREIGN_H

#include "weights/weights.h"

enum { UM_JOINED = 3 }; /* the most tensors that make one of ours: query, key, value */

enum um_part { UM_VISION = 0, UM_TEXT = 1 };

struct um_scheme; /* one way to name an encoder */

struct um_foreign { /* one encoder in one open file */
    const struct um_weights *w;
    enum um_part             part;
    const struct um_scheme  *scheme;
    const char              *prefix; /* "teacher.backbone.", "" */
};

/* um_foreign_find - prefix NULL: wherever it is; else it, or what begins with it, is in only one
 * place. UM_EMISSING: nowhere (naming what was looked for), or only under other prefixes;
 * UM_EMISMATCH: under several, which it names. a: memory of f->prefix. */
UM_API UM_RESULT_USED int um_foreign_find(struct um_foreign *f, struct um_arena *a,
                                          const struct um_weights *w, enum um_part part,
                                          const char *prefix);
/* our own names, under prefix ("vision.", "teacher.vision.", "text.") */
UM_API void um_foreign_ours(struct um_foreign *f, const struct um_weights *w, enum um_part part,
                            const char *prefix);
/* "timm", "transformers ViT", "BERT", "um" */
UM_API const char *um_foreign_kind(const struct um_foreign *f);

/* um_foreign_source - the file's names, with the prefix, for a parameter of ours ("blocks.0.norm1.
 * weight", without `vision.` or `text.`): 0 if a file of this kind has none such (T_3D, P_3, the
 * mask token), 1, or UM_JOINED, whose rows are to be joined. UM_ENOMEM. */
UM_API UM_RESULT_USED int um_foreign_source(const struct um_foreign *f, struct um_arena *a,
                                            const char *ours, const char *name[UM_JOINED]);

/* um_foreign_spare - a tensor of the file (name without the prefix) that nothing of ours is made
 * of: true if such files are known to have it (classifiers, poolers, decoders) and it is left out.
 * Else *why says what it belongs to, "" where that is not known. */
UM_API bool um_foreign_spare(const struct um_foreign *f, const char *name, const char **why);

#endif
