/* steps.h - a measured work: an encoder's pass, an update of it, or a step of the whole method
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_BENCH_STEPS_H
#define UM_BENCH_STEPS_H

#include "train/adamw.h"
#include "train/step.h"

enum { THREADS = 2, LENGTH = 112 };

enum what {
    FORWARD,  /* an encoder alone */
    BACKWARD, /* and its gradients, of a cross entropy at [CLS] */
    UPDATE,   /* and AdamW */
    METHOD    /* all of method.md 7.4: both encoders, teacher, masks, losses, AdamW, EMA */
};

struct work {
    const char   *name, *preset;
    enum um_dtype dt;
    enum what     what;
    int64_t       batch, slices; /* slices: of each volume, in a sequence with it; 0: X-rays */
    bool          text;          /* the encoder is that of reports */
};

/* lengths of reports, of LENGTH ids: the same in peer.py */
extern const int64_t report_length[8];

struct run {
    const struct work *w;
    struct um_dev     *dev;
    struct um_model   *m;
    struct um_nn      *nn; /* not of METHOD */
    struct um_adamw   *opt;
    float             *x, *volume;
    int32_t           *ids, *target;
    uint8_t           *mask;

    /* METHOD */
    struct um_model  *teacher;
    struct um_params *centres;
    struct um_method  method;
    struct um_step   *step;
    struct um_batch   batch;
    int32_t           rows[8];
    uint64_t          text[8], patient[8];
    const char       *key[8];
    int64_t           t;
};

void   ok(int st); /* ends the program where st says that something failed */
void  *room(size_t n);
double seconds_now(void);

/* run_open - *r is referred to until it is closed: it must not be moved */
void run_open(struct run *r, struct um_pool *pool, const struct work *w);
void run_close(struct run *r);

/* run_once - seconds of the work */
double run_once(struct run *r);

/* run_limit - seconds of its matrix products alone, at the same shapes and precision, by oneDNN
 * with operands packed beforehand, on the same threads, and nothing between them. Attention counts
 * two products a head forward and four backward. */
double run_limit(const struct run *r, struct um_pool *pool);

#endif
