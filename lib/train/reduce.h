/* reduce.h - gradients and means summed over ranks: by the devices themselves, beside the backward,
 * where they can, else through the host at the end of a step
 *
 * On devices (NCCL). The gradients are one block, declared in the order of the forward; the
 * backward completes it from its end. The block is cut at parameters into buckets of about 25 MB,
 * the first of which is the block's end. Each is summed in place, on a stream beside, as soon as
 * all of its parameters are complete and the bucket before it has begun: so every rank begins the
 * same sums in the same order, whatever completes first. What the last bucket takes, and no more,
 * comes after the backward.
 *
 * When a gradient is complete. A step adds to a gradient in many backward passes: of every part of
 * a batch, of the second modality's batch in a joint step, of the contrast's own network (the
 * projections and theta). Only the last pass of all may be overlapped: um_reduce_start() before
 * it says that nothing but the coming backward of `nn` adds to any gradient. In it, a parameter is
 * complete when its earliest use has been walked (um_nn_watch), and at once if it has none: the
 * projections, and the other modality's patches. The projections' gradients come from the gathered
 * batch and are the same on every rank: all ranks but 0 drop theirs before the sums.
 *
 * Through the host. The whole block is downloaded, summed by um_ranks_sum (double, in the order of
 * ranks, MPI), and uploaded, after the last pass. So it is done on cpu and ref, with UM_NCCL=0,
 * without libnccl, and where two ranks have one GPU.
 *
 * Bits: either way the same on all ranks, and from run to run; between the two ways they differ as
 * sums of another order do.
 *
 * A rank that fails between start and end leaves sums behind that its peers wait for. None of them
 * waits on the host: they meet it where all agree on a status, or are ended with it; closing the
 * device lets the sums go.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TRAIN_REDUCE_H
#define UM_TRAIN_REDUCE_H

#include "nn/nn.h"
#include "ranks/ranks.h"

struct um_reduce;

struct um_reduce_opts {
    struct um_ranks  *ranks; /* more than one */
    struct um_params *ps;    /* whose gradients, allocated */
    struct um_nn     *nn;    /* where the step's last backward is */
    /* gradients that every rank has whole already: one rank's is enough; and those that stay zero,
     * which need not be summed (NULL: none) */
    bool (*shared)(const void *user, const struct um_param *p);
    bool (*unused)(const void *user, const struct um_param *p);
    const void *user;
    int64_t     bucket; /* bytes; 0: 25 MB */
};

/* um_reduce_new - all ranks together. Whether devices sum is settled here, alike for all.
 * UM_ENOMEM; UM_EIO from MPI. um_reduce_free takes NULL. */
UM_API UM_RESULT_USED int um_reduce_new(struct um_reduce **r, const struct um_reduce_opts *o);
UM_API void               um_reduce_free(struct um_reduce *r);

/* who adds: "NCCL 2.28.9", or "the host"; and why not the devices, where they might have (else "")
 */
UM_API const char *um_reduce_name(const struct um_reduce *r);
UM_API const char *um_reduce_why(const struct um_reduce *r);

/* um_reduce_start - before the last backward of a step, see above; may be left out
 * um_reduce_end   - after it: work issued from now on finds the sums in ps->grad
 * um_reduce_drop  - instead of end, where all ranks give a step up: what has begun ends before work
 *                   issued from now on; may be called at any time
 * um_reduce_values - n floats of the device besides: x = scale * their sum over ranks, before
 *                    um_reduce_end, all ranks alike */
UM_API UM_RESULT_USED int um_reduce_start(struct um_reduce *r);
UM_API UM_RESULT_USED int um_reduce_end(struct um_reduce *r);
UM_API UM_RESULT_USED int um_reduce_drop(struct um_reduce *r);
UM_API UM_RESULT_USED int um_reduce_values(struct um_reduce *r, float *x, int64_t n, float scale);

#endif
