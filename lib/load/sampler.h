/* sampler.h - which records make up a batch
 *
 * A batch holds one modality. An epoch has n2 = floor(N2/B2) batches of X-rays and n3 =
 * floor(N3/B3) of volumes; each kind is shuffled by (seed, epoch), and what does not fill a batch
 * waits for another epoch's order. A step is one batch, n2 + n3 of them an epoch; or, jointly, one
 * of each, min(n2, n3) of them. Everything is a function of (seed, step): resuming needs no state,
 * and memory does not grow with the number of records.
 *
 * Source: method.md section 8, "Mixing".
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_LOAD_SAMPLER_H
#define UM_LOAD_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/shuffle.h"
#include "base/status.h"
#include "model/model.h"

enum { UM_MODALITIES = 2 };

/* um_modalities_parse - "2d", "3d" or "2d,3d" into use; UM_EUSAGE */
UM_API UM_RESULT_USED int um_modalities_parse(const char *text, bool use[UM_MODALITIES]);

/* um_mix_is_3d - is batch i of an epoch one of volumes? Yes if floor((i+1) n3/n) > floor(i n3/n):
 * evenly spread. n2 = 7, n3 = 3: 2 2 2 3 2 2 3 2 2 3. */
UM_API bool um_mix_is_3d(int64_t n2, int64_t n3, int64_t i);

enum um_mix { UM_MIX_SEPARATE, UM_MIX_JOINT };

struct um_sampler {
    int64_t     count[UM_MODALITIES]; /* N2, N3: records to draw from */
    int64_t     size[UM_MODALITIES];  /* B2, B3, of all ranks together */
    enum um_mix mix;
    bool        shuffle; /* else in order: the held-out part */
    uint64_t    seed;

    /* private: the order of one epoch, and the records of one batch */
    int64_t           epoch, first[UM_MODALITIES];
    struct um_shuffle order[UM_MODALITIES];
    int64_t          *batch;
};

/* um_sampler_open - sizes as given; count may be 0. UM_ENOMEM, UM_ERANGE (a size under 1).
 * um_sampler_close frees what it holds. Not thread safe. */
UM_API UM_RESULT_USED int um_sampler_open(struct um_sampler *s, const int64_t count[UM_MODALITIES],
                                          const int64_t size[UM_MODALITIES], enum um_mix mix,
                                          bool shuffle, uint64_t seed);
UM_API void               um_sampler_close(struct um_sampler *s);

/* um_sampler_from - without shuffling: the records of a modality are numbers first, first+1, ...:
 * what did not fill a batch of another sampler */
UM_API void um_sampler_from(struct um_sampler *s, enum um_modality mod, int64_t first);

/* whole batches of one modality among the records; steps of an epoch; batches of a step (1; joint:
 * 2, that of X-rays first) */
UM_API int64_t um_sampler_batches(const struct um_sampler *s, enum um_modality mod);
UM_API int64_t um_sampler_steps(const struct um_sampler *s);
UM_API int     um_sampler_per_step(const struct um_sampler *s);

/* um_sampler_batch - batch `which` of a step (over all epochs, from 0): its modality, and in
 * *record its size[mod] records, numbers 0..count[mod]-1, valid until the next call */
UM_API void um_sampler_batch(struct um_sampler *s, int64_t step, int which, enum um_modality *mod,
                             const int64_t **record);

#endif
