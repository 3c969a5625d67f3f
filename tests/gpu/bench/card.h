/* card.h - what a device can do at most, and what is taken of its memory
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_GPU_CARD_H
#define UM_GPU_CARD_H

#include "kernels/kernels.h"

struct card {
    struct um_dev           *dev;
    const struct um_kernels *k;
    bool                     gpu;

    /* the driver's own, found at run time; NULL: there is none */
    int (*copy)(uint64_t to, uint64_t from, size_t n, void *stream);
    int (*wait)(void);
    int (*memory)(size_t *free, size_t *total);
};

/* card_open - a device by name; its context stays this thread's current one until card_close */
UM_RESULT_USED int card_open(struct card *c, const char *device, struct um_pool *pool);
void               card_close(struct card *c);

/* card_now - seconds of a steady clock */
double card_now(void);

/* card_used - bytes of the card that are taken, by anyone; 0: nobody knows */
size_t card_used(const struct card *c);

/* card_time - *seconds of one call of fn(arg): the median of 5 runs of at least `least` seconds,
 * the device idle before and after each; *seconds is that of the first failure */
UM_RESULT_USED int card_time(const struct card *c, double least, int (*fn)(void *arg), void *arg,
                             double *seconds);

/* The ceilings. card_copy - bytes a second of copying within the device, read and written both
 * counted: the driver's copy, or without one cast() of float to float. card_matmul - floating point
 * operations a second of one large square product of dtype dt into dt. */
UM_RESULT_USED int card_copy(const struct card *c, double *rate);
UM_RESULT_USED int card_matmul(const struct card *c, enum um_dtype dt, double *rate);

/* card_room - n bytes of device memory with numbers from 0 to value, of dtype dt */
UM_RESULT_USED int card_room(const struct card *c, size_t n, enum um_dtype dt, float value,
                             void **p);

#endif
