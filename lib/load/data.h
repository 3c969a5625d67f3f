/* data.h - the training data: which records there are, what is checked about them, reading one
 *
 * Streams are read through their index, by any number of threads. A record with `image` is an X-ray
 * (2D), one with `volume` a CT (3D); both need ids and ids_mask. meta `split` says what a record is
 * for: "train" or no split: training; "valid": held out; "test": never looked at.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_LOAD_DATA_H
#define UM_LOAD_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/pool.h"
#include "load/sampler.h"
#include "model/model.h"
#include "stream/umt.h"

struct um_item {
    int32_t  file;
    int64_t  record;  /* in the file */
    uint64_t hash;    /* of the key: keys the record's random crops */
    uint64_t content; /* of tensors and split */
};

struct um_items {
    int64_t         n;
    struct um_item *item;
};

struct um_data {
    /* from the headers, after um_data_open: */
    int     nfile;
    char  **path;
    bool    has_window, has_cased;
    double  window[2]; /* HU window of the volumes */
    bool    cased;
    char    vocab[UM_HASH_HEX]; /* digest of the vocabulary, "" if no header has one */
    int64_t vocab_size;         /* 0 if no header says */
    /* from the records, after um_data_scan: */
    struct um_items train[UM_MODALITIES], valid[UM_MODALITIES];
    int64_t         length;              /* T of ids */
    char            digest[UM_HASH_HEX]; /* of all that is used, in order */

    /* private */
    struct um_index      **file;
    struct um_model_config cfg;
    bool                   use[UM_MODALITIES];
};

/* um_data_open - the indices and headers of the files. UM_EUNSUPPORTED: a file without an index;
 * UM_EMISMATCH: two parts that were made with different windows, vocabularies or case, naming both;
 * UM_EFORMAT, UM_EIO as um_index_open. um_data_close takes NULL. */
UM_API UM_RESULT_USED int um_data_open(struct um_data **d, char **files);
UM_API void               um_data_close(struct um_data *d);

/* um_data_scan - read every record once and check it against the model: sizes, types, ids within
 * the vocabulary, finite values; the error names the first that does not fit, in the order of the
 * files. use: the modalities wanted; records of the other are passed over. told (may be NULL) is
 * called now and then in the calling thread. UM_EMISSING: nothing to train on. */
UM_API UM_RESULT_USED int um_data_scan(struct um_data *d, const struct um_model_config *cfg,
                                       const bool use[UM_MODALITIES], struct um_pool *pool,
                                       void (*told)(void *user, int64_t done, int64_t total),
                                       void *user);

/* where a record's content goes: x [1,S,S] or [D,H,W] in 0..1, ids [T], mask [T] */
struct um_sample {
    float   *x;
    int32_t *ids;
    uint8_t *mask;
    int64_t  length; /* out: ids up to the last real one */
};

/* um_data_read - one record, cropped: centre, or at an offset drawn by (seed, epoch, key), uniform
 * over all places, rows and columns independently. A float32 image and a volume are used as they
 * are. Thread safe; arena is the caller's, for the record as stored. */
UM_API UM_RESULT_USED int um_data_read(const struct um_data *d, const struct um_item *item,
                                       enum um_modality mod, bool centre, uint64_t seed,
                                       int64_t epoch, struct um_arena *arena, struct um_sample *s);

UM_API const char *um_data_key(const struct um_data *d, const struct um_item *item);
/* floats of one x */
UM_API int64_t um_data_values(const struct um_data *d, enum um_modality mod);

#endif
