/* loader.h - batches, read ahead by a thread of their own while a step computes */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_LOAD_LOADER_H
#define UM_LOAD_LOADER_H

#include "load/data.h"

struct um_batch {
    int64_t                step; /* as counted by the sampler */
    enum um_modality       mod;
    int64_t                n;      /* B records */
    int64_t                length; /* T: the longest report of this batch; padding beyond is cut */
    float                 *x;      /* [B,1,S,S] or [B,D,H,W] */
    int32_t               *ids;    /* [B,T] */
    uint8_t               *mask;   /* [B,T] */
    const struct um_item **item;   /* [B] */
};

struct um_loader_opts {
    const struct um_data  *data;
    const struct um_items *items;   /* [UM_MODALITIES]: data->train or data->valid */
    struct um_sampler     *sampler; /* over those items; the loader's until it is closed */
    bool                   centre;  /* centre crop; else drawn by (seed, epoch, key) */
    uint64_t               seed;
    int64_t                from, to; /* steps from .. to-1 */
};

struct um_loader;

/* um_loader_open - starts reading. UM_ENOMEM. um_loader_close stops it; takes NULL. */
UM_API UM_RESULT_USED int um_loader_open(struct um_loader **l, const struct um_loader_opts *opts);
UM_API void               um_loader_close(struct um_loader *l);

/* um_loader_next - 1: the next batch, valid until the next call; 0: all were given; <0: the record
 * that could not be read, named */
UM_API UM_RESULT_USED int um_loader_next(struct um_loader *l, const struct um_batch **b);
/* seconds that um_loader_next has waited, all in all */
UM_API double um_loader_waited(const struct um_loader *l);

#endif
