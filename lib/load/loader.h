/* loader.h - batches, read ahead by threads of their own while a step computes
 *
 * From files: the sampler's batches, in its order. From a pipe: batches drawn from a window of the
 * records that came last; see um_loader_opts. The same bytes for any number of workers.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_LOAD_LOADER_H
#define UM_LOAD_LOADER_H

#include "load/data.h"

/* how far a pipe had been read when a batch was drawn: records, whatever they are for, and a digest
 * of them in order (63 bits): keys, and tensors and split of those that are trained on or held out
 */
struct um_taken {
    int64_t records, digest;
};

/* A batch, or this rank's part of it: records first .. first+n-1 of the N of the global batch. */
struct um_batch {
    int64_t          step; /* as counted by the sampler; both batches of a joint step have it */
    enum um_modality mod;
    int64_t          N;           /* B, of all ranks together */
    int64_t          n, first;    /* n = N / ranks, first = rank n */
    int64_t          rows_before; /* real ids (mask not 0) of records 0 .. first-1 of the N */
    int64_t          length;      /* T: the longest report of the N; padding beyond is cut */
    uint64_t         digest;      /* of the N keys, in order */
    struct um_taken  taken;       /* of a pipe; else 0 */
    float           *x;           /* [n,1,S,S] or [n,D,H,W] */
    float           *x2;          /* [n,1,S,S]: a second crop of the X-rays; NULL: there is none */
    size_t           pixels;      /* values of x, and of x2 */
    const float     *there[2];    /* x and x2 on the device, by who computes; the loader: NULL */
    int32_t         *ids;         /* [n,T] */
    uint8_t         *mask;        /* [n,T] */
    int32_t         *rows;        /* [n] real ids of each */
    uint64_t        *text;        /* [n] hash of ids and mask: the same for equal texts */
    uint64_t        *patient;     /* [n] hash of meta patient; 0: none */
    const char     **key;         /* [n] */
};

struct um_loader_opts {
    const struct um_data  *data;  /* scanned */
    const struct um_items *items; /* [UM_MODALITIES]: data->train or data->valid; pipe: not used */
    struct um_sampler     *sampler; /* over those items; the loader's until it is closed. Of a pipe
                                       only its sizes and its mix are used */
    bool     centre;                /* centre crop; else drawn by (seed, epoch, key) */
    int      views;                 /* 2: X-rays are cropped twice; 0 or 1: once */
    uint64_t seed;
    int64_t  from, to;    /* steps from .. to-1; a pipe may end before */
    int      workers;     /* threads that read; 0: one. Of a pipe it is one */
    int      rank, ranks; /* 0, 0: one process alone */
    int64_t  window;      /* of a pipe: records held to draw from; 0: 1024 */

    /* of a pipe and from > 0: that of the last batch before `from`, to tell whether it is the same
     * stream; records 0: nobody asks */
    struct um_taken taken;

    /* asked now and then while um_loader_next waits, which a pipe may make long; NULL: nobody */
    bool (*stop)(void *user);
    void *user;
};

struct um_loader;

/* um_loader_open - starts reading. Memory: a few batches, and an arena and a frame a worker;
 * of a pipe also `window` records as they are stored.
 * UM_ENOMEM; UM_ERANGE: `ranks` does not divide a batch, the window is smaller than a batch of
 * each; UM_EUNSUPPORTED: a pipe and more than one rank. um_loader_close stops it; takes NULL.
 *
 * A pipe: records are taken into the window, in order, until it is full. The next batch is of the
 * modality that has more batches waiting in it (a tie: of the one that had fewer batches so far;
 * X-rays first), its records drawn by (seed, step); a joint step takes one of each. It ends when
 * the stream has ended and no batch can be filled. The same stream gives the same batches, so
 * `from` goes on where a run was stopped, if the stream is sent again. */
UM_API UM_RESULT_USED int um_loader_open(struct um_loader **l, const struct um_loader_opts *opts);
UM_API void               um_loader_close(struct um_loader *l);

/* um_loader_next - 1: the next batch, valid until the first batch of another step is asked for;
 * 0: all were given; <0: the first record, in the order of the batches, that could not be read,
 * named; the same again on every later call. UM_ESTOPPED: opts->stop said so. Of a pipe also
 * UM_ERANGE, UM_EMISSING: it ended before one batch was filled; UM_EMISMATCH: what was read up to
 * `from` is not what opts->taken says. */
UM_API UM_RESULT_USED int um_loader_next(struct um_loader *l, const struct um_batch **b);
/* um_loader_ahead - the batch that the call after `i` more of um_loader_next would give, if it is
 * whole already, else NULL; it stays as it is until it was given and its step is over
 * um_loader_pixels - memory number i, from 0, that batches' x and x2 lie in, in turn; *p NULL:
 * there is no x2; false: there are no more */
UM_API const struct um_batch *um_loader_ahead(struct um_loader *l, int i);
UM_API bool um_loader_pixels(const struct um_loader *l, int i, void **p, size_t *bytes);
/* batches of a step: 1, or 2 (X-rays first, then volumes) when the mix is joint */
UM_API int um_loader_per_step(const struct um_loader *l);
/* seconds that um_loader_next has waited, all in all */
UM_API double um_loader_waited(const struct um_loader *l);

/* what became of a pipe's records; final once um_loader_next has returned 0 */
struct um_loader_count {
    int64_t used;                /* in batches */
    int64_t held;                /* split valid or test: passed over */
    int64_t unwanted;            /* of a modality that is not asked for */
    int64_t left[UM_MODALITIES]; /* in the window at the end: too few for a batch */
};
UM_API void um_loader_count(struct um_loader *l, struct um_loader_count *count);

#endif
