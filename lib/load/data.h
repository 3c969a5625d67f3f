/* data.h - the training data: which records there are, what is checked about them, reading one
 *
 * Files are read through their index, by any number of threads; a pipe once, in order. A record
 * with `image` is an X-ray (2D), one with `volume` a CT (3D); both need ids and ids_mask. meta
 * `split` says what a record is for: "train" or no split: training; "valid": held out; "test":
 * never looked at.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_LOAD_DATA_H
#define UM_LOAD_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/pool.h"
#include "load/items.h"
#include "load/sampler.h"
#include "model/model.h"
#include "stream/umt.h"

struct um_data {
    /* from the headers, after um_data_open: */
    int     nfile;
    char  **path;
    bool    pipe; /* one input that is read once: nothing is known of its records beforehand */
    bool    has_window, has_cased;
    double  window[2]; /* HU window of the volumes */
    bool    cased;
    char    vocab[UM_HASH_HEX]; /* digest of the vocabulary, "" if no header has one */
    int64_t vocab_size;         /* 0 if no header says */
    /* from the records, after um_data_scan (of a pipe: empty lists, no digest): */
    struct um_items train[UM_MODALITIES], valid[UM_MODALITIES];
    int64_t         length;              /* T of ids; of a pipe, the most that the model takes */
    char            digest[UM_HASH_HEX]; /* of all that is used, in order; "pipe" */

    /* private */
    struct um_index      **file;
    struct um_reader      *reader; /* of a pipe; its first header has been read */
    struct um_model_config cfg;
    bool                   use[UM_MODALITIES];
};

/* um_data_open - the indices and headers of the files. None, "-" alone or a FIFO alone: a pipe,
 * whose first header is waited for. UM_EUNSUPPORTED: a file without an index; UM_EMISMATCH: two
 * parts that were made with different windows, vocabularies or case, with both values; UM_EFORMAT,
 * UM_EIO as um_index_open. um_data_close takes NULL. */
UM_API UM_RESULT_USED int um_data_open(struct um_data **d, char **files);
UM_API void               um_data_close(struct um_data *d);

/* um_data_header - hold one more part's header against those before. name, part: for the message */
UM_API UM_RESULT_USED int um_data_header(struct um_data *d, const char *name, int part,
                                         const struct um_value *header);

/* um_data_scan - read every record once and check it against the model: sizes, types, ids within
 * the vocabulary, finite values; the error names the first that does not fit, in the order of the
 * files. use: the modalities wanted; records of the other are passed over. told (may be NULL) is
 * called now and then in the calling thread. UM_EMISSING: nothing to train on. Of a pipe nothing is
 * read: its records are checked in the same way as they come. */
UM_API UM_RESULT_USED int um_data_scan(struct um_data *d, const struct um_model_config *cfg,
                                       const bool use[UM_MODALITIES], struct um_pool *pool,
                                       void (*told)(void *user, int64_t done, int64_t total),
                                       void *user);

/* um_data_demand - after the scan: are there records to train on of every modality in want? (A pipe
 * shows it later.) UM_EMISSING. */
UM_API UM_RESULT_USED int um_data_demand(const struct um_data *d, const bool want[UM_MODALITIES]);

/* where to crop: in the middle, or at an offset drawn by (seed, epoch, key), uniform over all
 * places, rows and columns independently. A float32 image and a volume are used as they are. */
struct um_draw {
    bool     centre;
    uint64_t seed;
    int64_t  epoch;
};

/* where a record's content goes */
struct um_sample {
    float   *x;      /* [1,S,S] or [D,H,W], in 0..1 */
    float   *x2;     /* of an X-ray a second crop, drawn on its own; NULL: not wanted */
    int32_t *ids;    /* [length] */
    uint8_t *mask;   /* [length] */
    int64_t  length; /* ids to hand out: no more than are stored */
    uint64_t text;   /* out: hash of ids and mask, padding left out: the same for equal texts */

    const char *key; /* out: of um_data_read; as long as its arena has it */
};

/* um_data_read - one record of a file, once scanned. Thread safe; arena is the caller's, for the
 * record as stored. UM_EMISMATCH: it is not what it was when it was scanned. */
UM_API UM_RESULT_USED int um_data_read(const struct um_data *d, const struct um_item *item,
                                       enum um_modality mod, const struct um_draw *draw,
                                       struct um_arena *arena, struct um_sample *s);

/* floats of one x */
UM_API int64_t um_data_values(const struct um_data *d, enum um_modality mod);

#endif
