/* import.h - a model from other people's weights, and from parts of our own
 *
 * The vision encoder comes from one file, the text encoder from another, the rest (projections,
 * temperature, and an encoder no file is named for) from a model of ours or at random, as
 * um_model_init draws it. Names are those of model/foreign.h, formats those of weights/weights.h.
 *
 *  - a patch kernel of three channels is folded into one (model/pixels.h);
 *  - positions of another square grid are resized (bicubic, a = -0.75, not anti-aliased); a table
 *    without a row for [CLS] gives it 0;
 *  - T_3D and P_3 are made of T_2D and P_2, unless the file is ours and has them;
 *  - float16, bfloat16 and float64 become float32; what is neither folded nor resized keeps its
 *    bits.
 *
 * Source: method.md 1.1, 2.1, 2.2, 2.3, 3. Departures from the text: none.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MODEL_IMPORT_H
#define UM_MODEL_IMPORT_H

#include "model/model.h"
#include "model/pixels.h"

struct um_import {
    const char      *base;          /* a model of ours to begin with; NULL: */
    const char      *preset;        /* sizes, and all the rest at random */
    const char      *vision, *text; /* files; NULL: not replaced. Ours bring their sizes along */
    const char      *prefix;        /* of the names in a file that is not ours; NULL: found */
    bool             teacher;       /* of our file for vision: teacher.vision.*, not vision.* */
    struct um_pixels pixels;        /* what the network of `vision` saw, if it is not ours */
    const char      *config;        /* JSON: fields of um.config that replace what came so far */
    int64_t          text_layers;   /* the first of them; 0: as many as configured */
    int              mgca;          /* input of the result: 1: -1..1, 0: 0..1, -1: as configured */
    int64_t          vocab; /* pieces, and the digest of the vocabulary; 0: as the files say */
    const char      *vocab_digest;
    uint64_t         seed;
    void (*told)(void *user, const char *line); /* what was found and left out; may be NULL */
    void *user;
};

/* um_model_import - *m is the caller's. UM_EMISSING, UM_ESHAPE, UM_EMISMATCH: in one message all
 * tensors that are missing, of another shape or type, or not known, of both files; also an encoder
 * that is not there or there twice. UM_ENONFINITE: tensor and element. UM_EUSAGE: an RGB kernel
 * whose pixels are not said, and options that do not go together. Others: um_weights_open,
 * um_model_new. */
UM_API UM_RESULT_USED int um_model_import(struct um_model **m, struct um_dev *dev,
                                          const struct um_import *o);

#endif
