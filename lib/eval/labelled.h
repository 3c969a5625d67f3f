/* labelled.h - the feature vectors of a stream's records, with their labels, in memory
 *
 * What a probe needs and no more: of each record one vector, its labels or class, its part and its
 * patient. Images, volumes and texts of the stream are not kept.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_EVAL_LABELLED_H
#define UM_EVAL_LABELLED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "stream/select.h"
#include "stream/tensor.h"

enum um_part { UM_TRAIN = 0, UM_VALID, UM_TEST, UM_PARTS };

struct um_labelled {
    struct um_arena *arena; /* of the names */
    const char      *tensor;
    bool             classes; /* meta.class, one of nname; else meta.label, nname of them */
    int              nname;
    const char     **name;

    int64_t   n;          /* records */
    int64_t   width;      /* C, the same for all */
    float    *x;          /* [n,C] */
    float    *y;          /* [n,nname]: 0, 1, or NaN: no label; not for classes */
    int32_t  *of;         /* [n] class; not for labels */
    uint8_t  *part;       /* [n] enum um_part */
    uint64_t *patient;    /* [n] hash of meta.patient, or of the key where there is none */
    int64_t   unlabelled; /* records passed over: without any label, without a class */

    char    model[33]; /* digest of the model that made them, as history says; "" if it does not */
    int64_t cap;       /* private */
    bool    named;     /* private: the labels were asked for by name */
};

/* um_labelled_new - empty. tensor: "cls". labels: "a,b,c"; NULL: those of the first record that has
 * any. UM_EUSAGE: an empty name. um_labelled_free takes NULL. */
UM_API UM_RESULT_USED int um_labelled_new(struct um_labelled **f, const char *tensor, bool classes,
                                          const char *labels);
UM_API void               um_labelled_free(struct um_labelled *f);

/* um_labelled_add - one record. UM_EMISSING: no such tensor, no split; UM_ESHAPE: not a vector, or
 * of another width; UM_ENONFINITE; UM_ERANGE: a label other than 0, 1 and nil, an unknown split;
 * UM_EMISMATCH: a label that the first record did not have. */
UM_API UM_RESULT_USED int um_labelled_add(struct um_labelled *f, const struct um_record *rec);

/* um_labelled_read - all records of a stream (path NULL or "-": standard input) that `pick` wants.
 * told (may be NULL) is called after each: bytes read, of (-1: not known). Errors of the stream,
 * those of um_labelled_add with the record's key, and UM_EMISMATCH: features of two different
 * models. */
UM_API UM_RESULT_USED int
um_labelled_read(struct um_labelled *f, const char *path, struct um_select *pick,
                 void (*told)(int64_t bytes, int64_t of, int64_t records));

/* um_labelled_settle - after the last record: classes get their numbers in the order of their
 * names. UM_EMISSING: no record, or none in a part that is needed (valid if need_valid). */
UM_API UM_RESULT_USED int um_labelled_settle(struct um_labelled *f, bool need_valid);

#endif
