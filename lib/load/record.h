/* record.h - one record as training data: is it fit, what is it for, its pixels and ids
 *
 * The same for records of files and of pipes. Inside the library only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_LOAD_RECORD_H
#define UM_LOAD_RECORD_H

#include "load/data.h"

enum um_part { UM_PART_TRAIN, UM_PART_VALID, UM_PART_TEST, UM_PART_UNWANTED };

struct um_seen {
    enum um_part     part;
    enum um_modality mod;     /* of train and valid */
    int64_t          ids;     /* stored, padding included */
    uint64_t         content; /* of tensors, split and key */
    struct um_item   item;    /* file and record are the caller's */
};

/* um_record_look - what a record is for and, if it is wanted, whether it fits the model: sizes,
 * types, ids within the vocabulary, finite values; fills *s. The message does not name it. */
UM_RESULT_USED int um_record_look(const struct um_model_config *cfg, const bool use[UM_MODALITIES],
                                  const struct um_record *rec, struct um_seen *s);

/* um_record_sample - the content of a record that fits: cropped pixels, s->ids ids, hash of text */
void um_record_sample(const struct um_model_config *cfg, const struct um_record *rec,
                      const struct um_item *item, enum um_modality mod, const struct um_draw *draw,
                      struct um_sample *s);

#endif
