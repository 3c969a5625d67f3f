/* loader_int.h - the ring of batches between those who read and the one who computes
 *
 * Batch number i, from 0, is in slot i % nslot from the moment it is begun until its step is over.
 * Inside the library only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_LOAD_LOADER_INT_H
#define UM_LOAD_LOADER_INT_H

#include <pthread.h>

#include "load/loader.h"

struct um_slot {
    struct um_batch batch;
    struct um_item *item; /* [N] of the whole batch */
    char           *keys; /* [n] of UM_MAX_KEY + 1 bytes; batch.key points here */
    float          *x2;   /* batch.x2 when there is a second crop */
    int64_t         next; /* the next record to be read, up to n */
    int64_t         left; /* records that are not read yet; 0: the batch is whole */
    int             st;   /* of the first record that could not be read; st < 0 */
    int64_t         bad;  /* its number */
    char            msg[UM_ERRMSG_MAX];
};

struct um_loader {
    struct um_loader_opts o;
    int                   per_step, nslot, nthread;
    struct um_slot       *slot;
    size_t                x_bytes, x2_bytes; /* of each slot's pixels */
    pthread_t            *thread;

    pthread_mutex_t lock; /* of what follows, and of the slots' next, left, st */
    pthread_cond_t  filled_cond, given_cond;
    bool            stop, failed;
    int64_t         total; /* batches there will be; of a pipe it falls when the pipe ends */
    int64_t         begun; /* batches that have a slot */
    int64_t         given; /* batches the caller is done with */

    int wake[2]; /* of a pipe's reader: closing the loader writes into it */

    int64_t taken; /* batches handed to the caller, who alone looks at these two */
    double  waited;

    struct um_loader_count count; /* of a pipe */
};

struct um_slot *um_loader_slot(struct um_loader *l, int64_t batch);

/* what a thread of each source runs: arg is the loader */
void *um_loader_files(void *arg);
void *um_loader_pipe(void *arg);

/* um_loader_fail - record `bad` of the slot's batch has this thread's message; with l->lock */
void um_loader_fail(struct um_loader *l, struct um_slot *s, int st, int64_t bad);
/* um_loader_sample - where record i of the slot's batch goes */
struct um_sample um_loader_sample(const struct um_loader *l, const struct um_slot *s, int64_t i);
/* um_loader_note - what is known of record i beside its content */
void um_loader_note(struct um_slot *s, int64_t i, const struct um_item *item, const char *key);
/* um_loader_measure - first, length, rows_before and digest of the slot's batch from s->item[0..N)
 */
void um_loader_measure(const struct um_loader *l, struct um_slot *s);

#endif
